import Foundation
import Testing

extension NodeTests {
    @Suite struct AdminPort {
        private let flags = ["--admin_listen", "127.0.0.1:0"]

        @Test func metricsCountWhatHappened() throws {
            let node = try RunningNode(flags)
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            for _ in 0..<5 { #expect(try client.get("/\(code)").status == 302) }
            #expect(try client.get("/unknown").status == 404)
            try node.connect().send("nonsense\r\n\r\n")
            let admin = try node.connectToAdmin()
            var text = ""
            let deadline = Deadline()
            repeat {
                text = try admin.get("/metrics").text
            } while text.sample("edge_refused_requests_total") != 1
                && !deadline.isOver
            #expect(text.sample("edge_refused_requests_total") == 1)
            #expect(text.sample(#"edge_code_requests_total{result="redirect"}"#) == 5)
            #expect(text.sample(#"edge_code_requests_total{result="unknown"}"#) == 1)
            #expect(text.sample("edge_redirect_duration_seconds_count") == 5)
            for (route, status, count) in [
                ("/{code}", 302, 5), ("/{code}", 404, 1), ("none", 400, 1), ("/api/v1/urls", 201, 1),
            ] {
                let value = text.sample(#"edge_requests_total{route="\#(route)",status="\#(status)"}"#)
                #expect(value == Double(count), "\(route) \(status)")
            }
            #expect(
                text.sample("edge_store_commit_duration_seconds_count") == text.sample("edge_store_commits_total"))
            #expect(text.sample("edge_store_commit_writes_sum") == 1)
            #expect(try #require(text.sample("edge_codes_empty_seconds")) >= 1)
            // One link, and leases of numbers, which write none.
            #expect(text.sample(#"edge_store_commit_writes_bucket{le="1.0"}"#) != nil)
            #expect(
                text.sample(#"edge_store_commit_writes_bucket{le="1024.0"}"#)
                    == text.sample("edge_store_commit_writes_count"))
            #expect(text.sample("edge_api_queue_length") == 0 && text.sample("edge_store_queue_length") == 0)
            #expect(text.sample("edge_access_log_dropped_total") == 0)
            #expect(text.sample("edge_log_head") == 1)
            #expect(text.sample(#"edge_codes_breaker{state="closed"}"#) == 1)
            #expect(text.sample("edge_ready") == 1)
            #expect(!text.contains(code))
        }

        @Test func theAdminPortServesNoLinksAndThePublicPortNoMetrics() throws {
            let node = try RunningNode(flags)
            let code = try node.connect().create("https://example.com/")
            let admin = try node.connectToAdmin()
            #expect(try admin.get("/\(code)").status == 404)
            #expect(try admin.get("/health/ready").status == 200)
            let refused = try admin.get("/metrics", method: "POST")
            #expect(refused.status == 405 && refused["allow"] == "GET, HEAD")
            for path in ["/metrics", "/status"] { #expect(try node.connect().get(path).status == 404) }
        }

        @Test func statusAsJSONAndAsTable() throws {
            let node = try RunningNode(flags)
            _ = try node.connect().create("https://example.com/")
            let object = try node.connectToAdmin().get("/status").object
            #expect(object["region"] as? String == "local" && object["ready"] as? Bool == true)
            #expect((object["store"] as? [String: Any])?["log_head"] as? Int == 1)
            let table = try Finished(["status", "--server", "http://127.0.0.1:\(node.adminPort)"])
            #expect(table.ending == .exited(0))
            #expect(table.output.contains("local (node 0, cluster default)") && table.output.contains("breaker closed"))
            let nowhere = try Finished(["status", "--server", node.url])
            #expect(nowhere.ending == .exited(1) && nowhere.error.contains("not"))
        }

        @Test func offMeansNone() throws {
            let node = try RunningNode()
            #expect(node.adminPort == 0)
            #expect(node.stop() == .exited(0))
        }
    }
}
