import Glibc
import Testing

extension NodeTests {
    /// When the certificate for peers ends, which is to be watched wherever nodes are.
    @Suite struct CertificateMetric {
        private static let name = "edge_certificate_expiry_timestamp_seconds"

        @Test func followsTheFile() throws {
            let directory = TemporaryDirectory()
            let cluster = directory.path + "/cluster"
            func make(_ command: [String]) throws {
                let made = try Finished(["cluster"] + command)
                guard made.ending == .exited(0) else { throw HarnessError(made.error) }
            }
            try make(["init", cluster])
            try make(["issue", cluster, "local/0", "--days", "20"])
            let node = try RunningNode(
                [
                    "--admin_listen", "127.0.0.1:0", "--replication_listen", "127.0.0.1:0", "--node", "0",
                    "--cluster_secret_file", cluster + "/cluster.secret",
                    "--replication_tls_certificate", cluster + "/local-0.pem",
                    "--replication_tls_key", cluster + "/local-0.key", "--replication_tls_ca", cluster + "/ca.pem",
                ], in: directory)
            let first = try IssuedCertificate(cluster + "/local-0.pem").end
            #expect(abs(first - time(nil) - 20 * 86_400) < 3600)
            #expect(try node.metric(Self.name) == Double(first))

            try make(["issue", cluster, "local/0", "--renew", "--days", "40"])
            #expect(try node.metric(Self.name) == Double(first), "not before it is read anew")
            node.child.signal(SIGHUP)
            _ = try node.log.next("event=reload ")
            let second = try IssuedCertificate(cluster + "/local-0.pem").end
            #expect(second > first)
            #expect(try node.metric(Self.name) == Double(second))
        }

        @Test func noneWithoutCertificates() throws {
            let node = try RunningNode(["--admin_listen", "127.0.0.1:0"])
            #expect(try !node.connectToAdmin().get("/metrics").text.contains(Self.name))
        }
    }
}
