import Foundation
import Testing

extension NodeTests {
    /// What an operator asks of, and tells, a node whose peer nobody can reach.
    @Suite struct PeerRoutes {
        private func node() throws -> RunningNode {
            let directory = TemporaryDirectory()
            let cluster = directory.write(String(repeating: "s", count: 64), to: "cluster.secret")
            let code = directory.write(String(repeating: "c", count: 64), to: "code.secret")
            return try RunningNode(
                [
                    "--admin_listen", "127.0.0.1:0", "--replication_listen", "127.0.0.1:0", "--peers", "127.0.0.1:1",
                    "--regions", "eu:1, us:2", "--region", "eu", "--node", "0", "--cluster_secret_file", cluster,
                    "--code_secret_file", code,
                ], in: directory)
        }

        /// Until a peer or an operator has spoken, codes are long; then the breaker closes.
        @Test func alone() throws {
            let node = try node()
            let client = try node.connect()
            #expect(try client.create("https://example.com/").count == 12)
            let order = try Finished(["cluster", "alone", "--server", "http://127.0.0.1:\(node.adminPort)"])
            #expect(order.ending == .exited(0) && order.output + order.error == "")
            _ = try node.log.next("event=peer-order")
            let deadline = Deadline()
            while try client.create("https://example.com/").count != 7 {
                guard !deadline.isOver else { throw HarnessError("codes stay long") }
            }
        }

        @Test func orders() throws {
            let node = try node()
            let admin = try node.connectToAdmin()
            let json = "Content-Type: application/json\r\n"
            let rows: [(method: String, path: String, fields: String, status: Int)] = [
                ("POST", "/replication/retire/eu/0", json, 403), ("POST", "/replication/retire/us/0", json, 404),
                ("POST", "/replication/retire/xx/0", json, 404), ("POST", "/replication/retire/eu/16", json, 404),
                ("POST", "/replication/retire/eu/00", json, 404), ("POST", "/replication/release/us/0", json, 404),
                ("POST", "/replication/nonsense", json, 404), ("POST", "/replication/alone", "", 415),
                ("GET", "/replication/regions", "", 200), ("POST", "/replication/regions", json, 405),
                ("POST", "/replication/regions-add/eu/0", json, 409),
                ("POST", "/replication/regions-add/xx/0", json, 404),
                ("POST", "/replication/regions-dead/us/0", json, 409),
                ("POST", "/replication/regions-eat/us/0", json, 404),
                ("POST", "/replication/vouch", "", 415), ("POST", "/replication/vouch", json, 204),
                ("GET", "/replication/alone", "", 405), ("POST", "/replication/alone", json, 204),
            ]
            // The node's own entry is there a moment after its start.
            let deadline = Deadline()
            while try !admin.get("/debug/replication").text.contains(#""node":"1/0""#) {
                guard !deadline.isOver else { throw HarnessError("the node is no member") }
            }
            for row in rows {
                let body = row.method == "POST" ? "{}" : ""
                try admin.send(
                    "\(row.method) \(row.path) HTTP/1.1\r\nHost: 127.0.0.1\r\n\(row.fields)"
                        + (body.isEmpty ? "" : "Content-Length: 2\r\n") + "\r\n" + body)
                #expect(try admin.read().status == row.status, "\(row.method) \(row.path)")
            }
            let missing = try Finished(
                ["cluster", "retire", "us/0", "--server", "http://127.0.0.1:\(node.adminPort)"])
            #expect(missing.ending == .exited(1) && missing.error.contains("No member of the cluster"))
            let nobody = try Finished(["cluster", "alone", "--server", "http://127.0.0.1:1"])
            #expect(nobody.ending == .exited(1) && nobody.error.contains("no connection"))
        }

        /// Not ready while nobody has said what there is, then with what it has; the figures say so.
        @Test func status() throws {
            let node = try node()
            let status = try Finished(["status", "--server", "http://127.0.0.1:\(node.adminPort)"])
            #expect(status.output.contains("replication"))
            let admin = try node.connectToAdmin()
            // What the thread of the peers tells is there a moment after the start.
            let deadline = Deadline()
            while case let report = try admin.get("/debug/replication"),
                !report.text.contains(#""incarnation":"1/0/"#)
            {
                guard report.status == 200, !deadline.isOver else { throw HarnessError(report.text) }
            }
            while case let lag = try node.samples()[#"edge_replication_lag_entries{origin="1/0"}"#], lag != 0 {
                guard lag == nil, !deadline.isOver else { throw HarnessError("a lag of \(lag ?? -1) entries") }
            }
            let single = try RunningNode(RunningNode.withAdmin)
            #expect(try single.connectToAdmin().get("/debug/replication").status == 404)
            #expect(try single.connectToAdmin().get("/metrics").text.contains("edge_peer") == false)
        }
    }
}
