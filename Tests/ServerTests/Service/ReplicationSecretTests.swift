import Glibc
import Testing

extension NodeTests {
    /// The files that a node of a cluster is given.
    @Suite struct ReplicationSecrets {
        private static let isRoot = geteuid() == 0
        private let directory = TemporaryDirectory()
        private var cluster: String { directory.path + "/cluster" }

        private func edge(_ arguments: [String]) throws {
            let made = try Finished(["cluster"] + arguments)
            guard made.ending == .exited(0) else { throw HarnessError(made.error) }
        }

        /// A cluster of the default name, with certificates of the nodes 0 and 1 of the region that a node is in by itself.
        private func set() throws {
            try edge(["init", cluster])
            for node in 0...1 { try edge(["issue", cluster, "local/\(node)"]) }
        }

        private func flags(_ changed: [String: String] = [:], in cluster: String? = nil) -> [String] {
            [
                ("cluster_secret_file", "cluster.secret"), ("code_secret_file", "code.secret"),
                ("replication_tls_certificate", "local-0.pem"), ("replication_tls_key", "local-0.key"),
                ("replication_tls_ca", "ca.pem"),
            ].flatMap { ["--\($0)", changed[$0] ?? "\(cluster ?? self.cluster)/\($1)"] }
                + ["--node", changed["node"] ?? "0", "--peers", "127.0.0.1:1"]
        }

        @Test func taken() throws {
            try set()
            let check = try Finished(["check"] + flags())
            #expect(check.ending == .exited(0) && check.error.isEmpty, "\(check.error)")
            #expect(check.output.contains("\ncluster_secret_file = \(cluster)/cluster.secret\n"))
            #expect(try RunningNode(flags(), in: directory).stop() == .exited(0))
            // Where there is no peer to connect to, the same files do for who listens.
            let listens = Array(flags().dropLast(2)) + ["--replication_listen", "0.0.0.0:0"]
            let warned = try Finished(["check"] + listens)
            #expect(warned.ending == .exited(0) && warned.error.hasPrefix("edge: warning: replication_listen: nobody"))
            let node = try RunningNode(listens, in: directory)
            #expect(node.log.seen.contains { $0.contains("level=warning event=configuration-warning detail=") })
            #expect(node.stop() == .exited(0))
        }

        /// What is changed before, and the reason that `check` and `serve` give, with the file's name.
        @Test(
            arguments: [
                ("cluster.secret", "no file", "No such file"), ("cluster.secret", "mode 640", "chmod 600"),
                ("cluster.secret", "short", "it has 5 bytes; 32 to 4096 are right"),
                ("local-0.key", "no file", "No such file"), ("local-0.key", "mode 644", "chmod 600"),
                ("local-0.pem", "no file", "No such file"), ("local-0.pem", "mode 664", "chmod 644"),
                ("ca.pem", "no file", "No such file"), ("ca.pem", "mode 646", "chmod 644"),
                ("local-0.pem", "text", "it holds no certificate in PEM"),
                ("local-0.pem", "local-1.pem", "it names edge://default/local/1, and this is edge://default/local/0"),
                ("local-0.pem", "ca.pem", "it names no node, and this is edge://default/local/0"),
                ("local-0.key", "text", "replication_tls_key holds no private key in PEM"),
                ("local-0.key", "local-1.key", "replication_tls_key holds another certificate's key"),
                ("ca.pem", "text", "by replication_tls_ca: unable to get local issuer certificate"),
                ("ca.pem", "other", "by replication_tls_ca: unable to get local issuer certificate"),
            ])
        func refused(name: String, change: String, reason: String) throws {
            try set()
            let path = "\(cluster)/\(name)"
            switch change {
            case "no file": precondition(unlink(path) == 0)
            case "short": _ = directory.write("short", to: "cluster/" + name)
            case "text": _ = directory.write(String(repeating: "text ", count: 20), to: "cluster/" + name)
            case "other":
                try edge(["init", directory.path + "/other"])
                _ = directory.write(try readText(directory.path + "/other/ca.pem"), to: "cluster/ca.pem")
            case _ where change.hasPrefix("mode "): chmod(path, try #require(mode_t(change.dropFirst(5), radix: 8)))
            default: _ = directory.write(try readText("\(cluster)/\(change)"), to: "cluster/" + name)
            }
            for command in ["check", "serve"] {
                let data = ["--data", directory.path + "/data", "--listen", "127.0.0.1:0", "--admin_listen", "off"]
                let outcome = try Finished([command] + data + flags())
                #expect(outcome.ending == .exited(78), "\(outcome)")
                let isNamed = outcome.error.contains(path) || outcome.error.contains(cluster + "/local-0.pem")
                #expect(isNamed && outcome.error.contains(reason), "\(outcome.error)")
            }
            #expect(access(directory.path + "/data", F_OK) != 0)
        }

        /// A certificate of another cluster, by the name that `cluster` has here.
        @Test func otherCluster() throws {
            try set()
            let check = try Finished(["check", "--cluster", "prod"] + flags())
            #expect(check.ending == .exited(78))
            #expect(check.error.contains("it names edge://default/local/0, and this is edge://prod/local/0"))
        }

        /// The end of a certificate is said in time, once; a renewed one is no news.
        @Test func endOfACertificate() throws {
            try set()
            try edge(["issue", cluster, "local/0", "--renew", "--days", "29"])
            let node = try RunningNode(flags(), in: directory)
            let line = try node.log.next("event=certificate-ends")
            #expect(line.contains(/level=warning event=certificate-ends at=20\d\d-\d\d-\d\dT/), "\(line)")
            try edge(["issue", cluster, "local/0", "--renew", "--days", "31"])
            node.child.signal(SIGHUP)
            _ = try node.log.next("event=reload ")
            #expect(node.stop() == .exited(0))
            #expect(try (node.log.seen + node.log.rest()).count { $0.contains("certificate-ends") } == 1)
        }

        /// A node that was root reads its certificate anew, and root's key only at the start.
        @Test(.enabled(if: isRoot, "only root can become another user")) func rootsKey() throws {
            try set()
            chmod(directory.path, 0o755)
            directory.makeDirectories("etc")
            let place = directory.path + "/etc"
            for name in ["cluster.secret", "code.secret", "ca.pem", "local-0.pem", "local-0.key", "local-1.key"] {
                _ = directory.write(
                    try readText("\(cluster)/\(name)"), to: "etc/" + name, mode: name.hasSuffix(".pem") ? 0o644 : 0o600)
            }
            let file = directory.write("", to: "edge.conf", mode: 0o644)
            let node = try RunningNode(
                ["--config", file, "--user", "nobody"] + flags(in: place), in: directory)
            func reload(_ text: String, until end: String) throws -> [String] {
                _ = directory.write(text, to: "edge.conf", mode: 0o644)
                let before = node.log.seen.count
                node.child.signal(SIGHUP)
                _ = try node.log.next(end)
                return node.log.told(since: before)
            }
            try edge(["issue", cluster, "local/0", "--renew"])
            _ = directory.write(try readText(cluster + "/local-0.pem"), to: "etc/local-0.pem", mode: 0o644)
            #expect(try reload("drain_timeout = 5s", until: "event=reload ").last!.contains("changed=1"))
            // Another node's certificate has another key than the one that is held.
            _ = directory.write(try readText(cluster + "/local-1.pem"), to: "etc/local-0.pem", mode: 0o644)
            let said = try reload("drain_timeout = 6s", until: "event=reload-failed")
            #expect(said.contains { $0.contains("it names edge://default/local/1") }, "\(said)")
            #expect(node.stop() == .exited(0))
        }
    }
}
