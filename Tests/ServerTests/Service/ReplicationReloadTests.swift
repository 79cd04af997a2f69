import Glibc
import Testing

/// What a reload does to the keys of replication on a running node that has a secret, certificates and peers.
enum ReplicationReload {
    /// A node of a cluster, made as an operator makes it.
    private final class Subject {
        let directory = TemporaryDirectory()
        let node: RunningNode

        init() throws {
            let cluster = directory.path + "/cluster"
            for command in [["init", cluster], ["issue", cluster, "local/0"]] {
                let made = try Finished(["cluster"] + command)
                guard made.ending == .exited(0) else { throw HarnessError(made.error) }
            }
            let file = directory.write(Self.text("", cluster), to: "edge.conf")
            node = try RunningNode(["--config", file], in: directory)
        }

        private static func text(_ more: String, _ cluster: String) -> String {
            var lines = ["regions = local:1, other:2", "region = local", "node = 0", more]
            if !more.contains("peers") { lines.append("peers = 127.0.0.1:1") }
            for (key, name) in [
                ("cluster_secret_file", "cluster.secret"), ("code_secret_file", "code.secret"),
                ("replication_tls_certificate", "local-0.pem"), ("replication_tls_key", "local-0.key"),
                ("replication_tls_ca", "ca.pem"),
            ] where !more.contains(key) { lines.append("\(key) = \(cluster)/\(name)") }
            return lines.joined(separator: "\n") + "\n"
        }

        var cluster: String { directory.path + "/cluster" }

        func reload(_ more: String, until end: String = "event=reload ") throws -> [String] {
            _ = directory.write(Self.text(more, cluster), to: "edge.conf")
            let before = node.log.seen.count
            node.child.signal(SIGHUP)
            _ = try node.log.next(end)
            return node.log.told(since: before)
        }
    }

    static let proofs: [String: @Sendable () throws -> Void] = [
        "peers": { try changes("peers", "127.0.0.1:1", "127.0.0.1:2, eu.example:9280") },
        "snapshot_rate": { try changes("snapshot_rate", "64MiB", "1MiB") },
        "durability": { try changes("durability", "sync", "regions:1") },
        "durability_timeout": { try changes("durability_timeout", "2s", "3s") },
        "lag_slow": { try changes("lag_slow", "5s", "6s") },
        "read_your_writes_timeout": { try changes("read_your_writes_timeout", "1s", "250ms") },
        "lag_stop": { try changes("lag_stop", "30s", "40s") },
        "replication_tls_certificate": { try isReadAnew("replication_tls_certificate", "local-0.pem") },
        "replication_tls_key": { try isReadAnew("replication_tls_key", "local-0.key") },
        "replication_tls_ca": { try isReadAnew("replication_tls_ca", "ca.pem") },
    ]

    private static func changes(_ key: String, _ old: String, _ new: String) throws {
        let subject = try Subject()
        let said = try subject.reload("\(key) = \(new)")
        let value = new.contains(" ") ? "\"\(new)\"" : new
        #expect(said.contains { $0.contains("event=key-changed key=\(key) old=\(old) new=\(value)") }, "\(said)")
        #expect(said.last!.contains("changed=1 need_restart=0"), "\(said)")
    }

    /// A file of another name counts; so does another content of the same, and one that does not fit changes nothing.
    private static func isReadAnew(_ key: String, _ name: String) throws {
        let subject = try Subject()
        let (path, other) = (subject.cluster + "/" + name, subject.cluster + "/other-" + name)
        let text = try readText(path)
        _ = subject.directory.write(text, to: "cluster/other-" + name)
        #expect(try subject.reload("\(key) = \(other)").last!.contains("changed=1 need_restart=0"))
        _ = subject.directory.write("damaged", to: "cluster/other-" + name)
        let said = try subject.reload("\(key) = \(other)\nredirect_status = 308", until: "event=reload-failed")
        #expect(said.contains { $0.contains("event=reload-problem") && $0.contains(other) }, "\(said)")
        #expect(said.last!.contains("changed=0"), "\(said)")
        _ = subject.directory.write(text, to: "cluster/other-" + name)
        let mended = try subject.reload("\(key) = \(other)\nredirect_status = 308")
        #expect(mended.contains { $0.contains("key=redirect_status old=302 new=308") }, "\(mended)")
        #expect(subject.node.stop() == .exited(0))
    }
}
