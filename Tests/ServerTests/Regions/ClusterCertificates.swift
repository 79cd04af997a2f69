import COpenSSL
import Foundation
import Glibc

/// Secrets, an authority and a certificate for node 0 of each region, as `edge cluster` makes them.
struct ClusterCertificates {
    /// Where they are.
    let path: String
    private static let daySeconds = 86_400

    /// In a new directory of that name. The cluster has the name that a node has without configuration.
    init(in directory: TemporaryDirectory, _ name: String, regions: some Sequence<String>) throws {
        path = directory.path + "/" + name
        try Self.edge(["init", path])
        for region in regions { try Self.edge(["issue", path, region + "/0"]) }
    }

    private static func edge(_ arguments: [String]) throws {
        let made = try Finished(["cluster"] + arguments)
        guard made.ending == .exited(0) else { throw HarnessError(made.error) }
    }

    func certificate(of region: String) -> String { "\(path)/\(region)-0.pem" }
    func key(of region: String) -> String { "\(path)/\(region)-0.key" }
    var authority: String { path + "/ca.pem" }

    /// What the configuration of a region's node says of them.
    func keys(of region: String) -> [String: String] {
        [
            "replication_tls_certificate": certificate(of: region), "replication_tls_key": key(of: region),
            "replication_tls_ca": authority,
        ]
    }

    /// A new certificate for the key that the node has.
    func renew(_ region: String) throws { try Self.edge(["issue", path, region + "/0", "--renew"]) }

    /// The node's certificate ended an hour ago.
    func end(_ region: String) throws {
        let now = time(nil)
        try IssuedCertificate.change(certificate(of: region), signing: path + "/ca.key") {
            ASN1_TIME_set(X509_getm_notBefore($0), now - Self.daySeconds)
            ASN1_TIME_set(X509_getm_notAfter($0), now - 3600)
        }
    }

    /// The node's files hold what another cluster's hold: certificate, key and authority. Each keeps its mode.
    func replace(_ region: String, by other: ClusterCertificates) throws {
        for (name, place) in keys(of: region) {
            try Data(contentsOf: URL(filePath: other.keys(of: region)[name]!)).write(to: URL(filePath: place))
        }
    }
}
