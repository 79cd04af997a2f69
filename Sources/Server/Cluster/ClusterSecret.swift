import COpenSSL
import Links
import Replication

/// The secret that all nodes of a cluster share. Everything made with it begins with a label of its own, so that nothing
/// made for one purpose serves another.
package struct ClusterSecret: Sendable {
    private let bytes: [UInt8]

    /// What `cluster_secret_file` holds.
    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Who speaks on a connection without certificates: the message has its label already.
    package var proof: Proof { Proof { [self] in mac($0) } }

    /// HELLO's check value of a code secret. It is keyed with the cluster secret, because HELLO is shown to strangers, who
    /// could otherwise try out what the secret might be; so it differs too where the cluster secrets do.
    ///
    /// - Parameter codeSecret: what the store keeps, `Store.codeSecret`.
    package func check(ofCodeSecret codeSecret: [UInt8]) -> UInt64 {
        word(Array("edge code secret check".utf8) + codeSecret)
    }

    /// What clients' tokens bear, under the cluster's secret; where there is none, under what the store keeps.
    package static func tokenKey(_ secret: ClusterSecret?, codeSecret: [UInt8]) -> TokenKey {
        let secret = secret ?? ClusterSecret(codeSecret)
        let label = Array("edge token".utf8)
        return TokenKey { secret.word(label + $0) }
    }

    /// What requests that may come again are known by: under the cluster's secret the same everywhere; where there is none,
    /// under what the store keeps.
    package static func requestKey(_ secret: ClusterSecret?, codeSecret: [UInt8]) -> RequestKey {
        let secret = secret ?? ClusterSecret(codeSecret)
        let label = Array("edge request".utf8)
        return RequestKey { secret.mac(label + $0) }
    }

    /// A key for one purpose and one `info`, from which neither the secret nor another such key can be told: HKDF with SHA-256
    /// (RFC 5869).
    ///
    /// - Parameter byteCount: at most 8160.
    package func derive(_ purpose: String, _ info: [UInt8], byteCount: Int) -> [UInt8] {
        let extracted = ClusterSecret(ClusterSecret(Array(purpose.utf8)).mac(bytes))
        var (key, block, index) = ([UInt8](), [UInt8](), UInt8(0))
        while key.count < byteCount {
            index += 1
            block = extracted.mac(block + info + [index])
            key += block
        }
        return Array(key[..<byteCount])
    }

    /// The first 8 bytes of the MAC.
    private func word(_ message: [UInt8]) -> UInt64 { mac(message)[..<8].reduce(0) { $0 << 8 | UInt64($1) } }

    /// HMAC-SHA256 (RFC 2104): 32 bytes.
    private func mac(_ message: [UInt8]) -> [UInt8] {
        var (result, count) = ([UInt8](repeating: 0, count: 32), UInt32(0))
        let isMade = HMAC(EVP_sha256(), bytes, Int32(bytes.count), message, message.count, &result, &count) != nil
        precondition(isMade && count == 32, "HMAC has no way to fail on bytes in memory")
        return result
    }
}
