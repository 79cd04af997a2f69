import Foundation
import Testing

extension NodeTests {
    /// The whole page as Prometheus reads it.
    @Suite struct MetricsPage {
        private static let tool = "/usr/bin/promtool"

        /// The page of a node that has done a bit of everything.
        private func page() throws -> String {
            let site = SecureSite("a", "b")
            let directory = site.directory
            let file = directory.write("", to: "edge.conf")
            let keys = directory.write(keySet(TokenSigner.p256.jwk("e")), to: "keys.json", mode: 0o644)
            let cluster = directory.path + "/cluster"
            let list = directory.write("evil.example", to: "list")
            for command in [["init", cluster], ["issue", cluster, "local/0"]] {
                #expect(try Finished(["cluster"] + command).ending == .exited(0))
            }
            let node = try RunningNode(
                [
                    "--config", file, "--admin_listen", "127.0.0.1:0", "--replication_listen", "127.0.0.1:0",
                    "--node", "0", "--cluster_secret_file", cluster + "/cluster.secret",
                    "--replication_tls_certificate", cluster + "/local-0.pem",
                    "--replication_tls_key", cluster + "/local-0.key", "--replication_tls_ca", cluster + "/ca.pem",
                    "--purge_url", "http://127.0.0.1:9/{code}", "--listen_upgrade", "127.0.0.1:0", "--jwt_keys", keys,
                    "--block_lists", list, "--lookup_service", "http://127.0.0.1:9/find",
                ] + site.flags("a", "b"), in: directory)
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            for path in ["/\(code)", "/missing", "/health", "/health/ready", "/api/v1/urls/\(code)", "/a/b"] {
                try client.get(path)
                try client.get(path, method: "OPTIONS")
            }
            let bad = try node.connect()
            try bad.send("nonsense\r\n\r\n")
            _ = try bad.read()
            node.child.signal(SIGHUP)
            _ = try node.log.next("event=reload ")
            return try node.connectToAdmin().get("/metrics").text
        }

        @Test(.enabled(if: access(tool, X_OK) == 0, "Debian's package prometheus has promtool"))
        func promtool() throws {
            let directory = TemporaryDirectory()
            let file = directory.write(try page(), to: "metrics")
            let check = try Finished(["-c", "\(Self.tool) check metrics < '\(file)'"], of: "/bin/sh")
            #expect(check.ending == .exited(0) && (check.output + check.error).isEmpty, "\(check.output)\(check.error)")
        }

        /// What promtool checks and more, wherever it is not: every sample belongs to the metric that was announced before
        /// it; names, types and units are right; nothing stands there twice.
        @Test func wellFormed() throws {
            let text = try page()
            var (metric, type) = ("", "")
            var (metrics, samples) = (Set<String>(), Set<String>())
            for line in text.split(separator: "\n").map(String.init) {
                if let help = line.wholeMatch(of: /[#] HELP (edge_[a-z_]+) ([A-Z+0-9].*\.)/) {
                    metric = String(help.1)
                    #expect(metrics.insert(metric).inserted, "\(metric) comes twice")
                } else if let announced = line.wholeMatch(of: /[#] TYPE (edge_[a-z_]+) (counter|gauge|histogram)/) {
                    #expect(announced.1 == metric)
                    type = String(announced.2)
                    #expect((type == "counter") == metric.hasSuffix("_total"), "\(metric)")
                } else if let sample = line.wholeMatch(of: /(edge_[a-z_]+)(\{.*\})? (\S+)/) {
                    let suffixes = type == "histogram" ? ["_bucket", "_sum", "_count"] : [""]
                    #expect(suffixes.contains { metric + $0 == sample.1 }, "\(line) below \(metric)")
                    #expect(samples.insert(String(sample.1) + (sample.2 ?? "")).inserted, "\(line) comes twice")
                    #expect(Double(sample.3) ?? -1 >= 0, "\(line)")
                } else {
                    Issue.record("no line of the format: \(line)")
                }
            }
            #expect(metrics.count > 20)
        }

        /// Operation.md names every metric, and no other.
        @Test func documented() throws {
            let page = try page()
            let names = Set(
                page.split(separator: "\n").filter { $0.hasPrefix("# HELP ") }.map {
                    String($0.split(separator: " ")[2])
                })
            let path = String(#filePath)
            let root = path[..<path.firstRange(of: "Tests/ServerTests")!.lowerBound]
            let operation = try readText(root + "Sources/Server/Edge.docc/Operation.md")
            let documented = Set(
                operation.matches(of: /\n\| (`edge_[^|]*)\|/).flatMap { row in
                    row.1.matches(of: /`(edge_\w+)`/).map { String($0.1) }
                })
            #expect(names == documented, "\(names.symmetricDifference(documented))")
        }
    }
}
