import Replication

/// How a certificate names its node: one URI among its alternative names (RFC 5280 4.2.1.6), `edge://CLUSTER/REGION/NODE`,
/// with the region's name.
package enum NodeName {
    static let scheme = "edge://"
    static let nodes = 0...15

    /// Whom the names of a certificate mean; other URIs in it mean nothing. `regions` gives each its character.
    package static func node(
        _ names: [String], cluster: String, regions: [String: UInt8]
    ) throws(TLSFailure) -> NodeID {
        let own = names.filter { $0.hasPrefix(scheme) }
        guard let name = own.first else {
            throw TLSFailure("the certificate names no node: it has no URI \(scheme)CLUSTER/REGION/NODE")
        }
        guard own.count == 1 else {
            throw TLSFailure("the certificate names several nodes: \(own.joined(separator: ", "))")
        }
        let parts = name.dropFirst(scheme.count).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, let number = Int(parts[2]), String(number) == parts[2], nodes.contains(number) else {
            throw TLSFailure("the certificate's name `\(name)` is not \(scheme)CLUSTER/REGION/NODE")
        }
        guard parts[0] == cluster else {
            throw TLSFailure("the certificate is of the cluster `\(parts[0])`, not of `\(cluster)`")
        }
        guard let region = regions[String(parts[1])] else {
            throw TLSFailure("the certificate is of the region `\(parts[1])`, which is not configured here")
        }
        return NodeID(region: region, node: UInt8(number))
    }
}

/// Why there is no trust in a peer, or none of it in us; in words for the log.
package struct TLSFailure: Error, Equatable {
    package let reason: String
    init(_ reason: String) { self.reason = reason }
}
