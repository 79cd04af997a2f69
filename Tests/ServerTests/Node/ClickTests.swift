import Foundation
import Glibc
import Testing

extension NodeTests {
    @Suite struct Clicks {
        static let people = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0\r\n"
        static let bots = "User-Agent: Mozilla/5.0 (compatible; Googlebot/2.1)\r\nReferer: https://www.example.com/\r\n"

        /// Over several workers, on many connections, pipelined, with bodies: every request is counted once, as what it is.
        @Test func exactOverWorkers() throws {
            let node = try RunningNode(RunningNode.withAdmin + ["--workers", "3", "--trusted_proxies", "127.0.0.1"])
            let client = try node.connect()
            let (code, other) = (try client.create("https://example.com/"), try client.create("https://example.com/2"))
            let alias = try client.create("https://example.com/3", #","custom_alias":"my-alias""#)
            let (connections, rounds) = (12, 40)
            let clients = try (0..<connections).map { _ in try node.connect() }
            let batch =
                Client.request("GET", "/\(code)", Self.people) + Client.request("GET", "/\(code)")
                + Client.request("GET", "/\(code)", Self.bots) + Client.request("HEAD", "/\(code)", Self.bots)
                + Client.request("GET", "/\(alias)", "X-Forwarded-For: 192.0.2.7\r\nAccept-Language: de\r\n")
                + Client.request("GET", "/\(code)x9")
                + Client.request("GET", "http://test/\(code)", "Content-Length: 2\r\n")
                + "{}"
            for client in clients { try client.send(String(repeating: batch, count: rounds)) }
            for client in clients {
                for _ in 0..<rounds {
                    for number in 0..<7 {
                        #expect(try client.read(isHead: number == 3).status == (number == 5 ? 404 : 302))
                    }
                }
            }
            let each = connections * rounds
            try node.expectClicks(code, Clicked(people: 3 * each, bots: each, heads: each))
            try node.expectClicks(alias, Clicked(people: each))
            try node.expectClicks(other, Clicked())
            try node.expect("edge_clicks_dropped_total", 0)
        }

        @Test func document() throws {
            let node = try RunningNode()
            let client = try node.connect()
            var code = ""
            try attempt("a link of today's, on one day") {
                code = try client.create("https://example.com/")
                try client.get("/\(code)")
                try node.expectClicks(code, Clicked(people: 1))
                let object = try client.get("/analytics/\(code)?days=2").object
                #expect(Set(object.keys) == ["short_code", "clicks", "bots", "head", "since", "days"])
                let days = try #require(object["days"] as? [[String: Any]])
                #expect(days.count == 2 && Set(days[1].keys) == ["date", "clicks", "bots", "head"])
                let since = try #require(object["since"] as? String)
                guard since.prefix(10) == days[1]["date"] as? String ?? "" else { return false }
                #expect((days[0]["clicks"] as? Int, days[1]["clicks"] as? Int) == (0, 1))
                return true
            }
            for (target, count) in [("/api/v1/analytics/\(code)", 30), ("/analytics/\(code)?days=90", 90)] {
                #expect(try (client.get(target).object["days"] as? [Any])?.count == count)
            }
            for query in ["days=0", "days=91", "days=x", "days=+3", "days=", "days", "d=1", "days=1&days=1", ""] {
                try client.get("/analytics/\(code)?\(query)").expectProblem(400, "invalid-query")
            }
            for target in [
                "/analytics/1nothere", "/api/v1/analytics/no-such-alias", "/analytics/\(code)/x", "/analytics/",
            ] {
                try client.get(target).expectProblem(404, "not-found")
            }
            let answer = try client.get("/analytics/\(code)", method: "HEAD")
            #expect(answer.status == 200 && answer["cache-control"] == "no-store")
            try client.get("/analytics/\(code)", method: "DELETE").expectProblem(405, "method-not-allowed")
        }

        /// As for the link itself.
        @Test func whoMaySeeThem() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let client = try node.connect()
            let owner = try node.makeKey("--owner", "team")
            let (other, admin) = (try node.makeKey(), try node.makeKey("--scopes", "admin"))
            let owned = try client.create(key: owner).string("short_code")
            try client.get("/\(owned)")
            for path in ["/analytics/\(owned)", "/api/v1/analytics/\(owned)"] {
                #expect(try client.get(path).status == 404)
                for (key, status) in [(owner, 200), (admin, 200), (other, 404), ("nonsense", 401)] {
                    #expect(try client.get(path, key: key).status == status)
                }
            }
        }

        /// The thread that counts stands still: links redirect all the same, and what has no room is counted as lost.
        @Test func fullRing() throws {
            let node = try RunningNode(RunningNode.withAdmin + ["--workers", "1"])
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            guard let frozen = try FrozenThread("clicks", of: node.child) else {
                withKnownIssue("the system allows no tracing, so no thread can be stopped") { Issue.record("untested") }
                return
            }
            let (ring, more) = (32_768, 1000)
            let requests = String(repeating: Client.request("GET", "/\(code)"), count: 256)
            for _ in 0..<(ring + more) / 256 + 1 {
                try client.send(requests)
                for _ in 0..<256 { #expect(try client.read().status == 302) }
            }
            let sent = ((ring + more) / 256 + 1) * 256
            try node.expect("edge_clicks_dropped_total", sent - ring)
            _ = try node.log.next("event=clicks-dropped")
            frozen.release()
            try node.expectClicks(code, Clicked(people: ring))
            // They are counted before their places are free again, and durable after.
            try node.expect(#"edge_clicks_total{class="person"}"#, ring)
            #expect(try client.get("/\(code)").status == 302)
            try node.expectClicks(code, Clicked(people: ring + 1))
        }

        /// What was durable is there after SIGKILL, once, in the journal and in the rows.
        @Test func killed() throws {
            var node = try RunningNode(RunningNode.withAdmin + ["--click_flush", "200ms"])
            let code = try node.connect().create("https://example.com/")
            for life in 1...4 {
                let client = try node.connect()
                for _ in 0..<25 { try client.get("/\(code)") }
                try node.expect(#"edge_clicks_total{class="person"}"#, 25)
                try node.expect("edge_clicks_undurable", 0)
                node.child.kill()
                node = try node.restarted(RunningNode.withAdmin + ["--click_flush", "200ms"])
                try node.expectClicks(code, Clicked(people: 25 * life))
            }
        }

        /// Nothing but the drain makes these durable.
        @Test func drained() throws {
            let node = try RunningNode(["--click_flush", "1h", "--workers", "2"])
            let clients = try (0..<8).map { _ in try node.connect() }
            let code = try clients[0].create("https://example.com/")
            for client in clients { try client.send(String(repeating: Client.request("GET", "/\(code)"), count: 20)) }
            for client in clients { for _ in 0..<20 { _ = try client.read() } }
            #expect(node.stop() == .exited(0))
            try node.restarted().expectClicks(code, Clicked(people: 160))
        }

        @Test func hotCodes() throws {
            let node = try RunningNode(RunningNode.withAdmin + ["--click_flush", "100ms"])
            let client = try node.connect()
            let (hot, mild) = (try client.create("https://example.com/"), try client.create("https://example.com/2"))
            for (code, batches) in [(hot, 100), (mild, 2)] {
                for _ in 0..<batches {
                    try client.send(String(repeating: Client.request("HEAD", "/\(code)", Self.bots), count: 100))
                    for _ in 0..<100 { _ = try client.read(isHead: true) }
                }
            }
            try node.expect(#"edge_clicks_total{class="head"}"#, 10_200)
            let admin = try node.connectToAdmin()
            func rate() throws -> Double {
                try admin.send("GET /debug/hot HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                let object = try admin.read().object
                let codes = try #require(object["codes"] as? [[String: Any]])
                #expect(codes.map { $0["code"] as? String } == [hot, mild])
                #expect(codes[0]["error"] as? Double == 0 && object["counters"] as? Int == 1024)
                return try #require(codes[0]["per_second"] as? Double)
            }
            try attempt("a rate that stays on one side of 100") {
                let before = try rate()
                // 10 000 requests just now, of which each counts for half after 60 s.
                #expect(before > 40 && before <= 10_000 * log(2) / 60 + 0.01)
                let count = try node.sample("edge_hot_codes")
                guard try (before > 100) == (rate() > 100) else { return false }
                #expect(count == (before > 100 ? 1 : 0))
                return true
            }
            try admin.get("/debug/hot").expectProblem(403, "forbidden")
        }

        // MARK: Without a place for them

        /// Whatever stands there, the node serves, says so, and counts anew.
        @Test(arguments: ["garbage", "empty", "file", "gone"]) func unusable(kind: String) throws {
            var node = try RunningNode(RunningNode.withAdmin)
            let code = try node.connect().create("https://example.com/")
            try node.connect().get("/\(code)")
            #expect(node.stop() == .exited(0))
            let clicks = node.data + "/clicks"
            switch kind {
            case "garbage": try Data(repeating: 0x5a, count: 50_000).write(to: URL(filePath: clicks + "/data.mdb"))
            case "empty": try Data().write(to: URL(filePath: clicks + "/data.mdb"))
            case "file":
                try FileManager.default.removeItem(atPath: clicks)
                try Data("hello".utf8).write(to: URL(filePath: clicks))
            default: try FileManager.default.removeItem(atPath: clicks)
            }
            node = try node.restarted(RunningNode.withAdmin)
            #expect(try node.connect().get("/\(code)").status == 302)
            try node.expectClicks(code, Clicked(people: 1))
            let isSetAside = ["garbage", "file"].contains(kind)
            try node.expect("edge_click_stores_set_aside_total", isSetAside ? 1 : 0)
            #expect(node.log.seen.contains { $0.contains("event=clicks-set-aside") } == isSetAside)
            #expect(try names(below: node.data).contains("clicks.aside-1") == isSetAside)
        }

        /// As long as there is no place for them they wait in memory, and the API says that it cannot tell.
        @Test func unavailable() throws {
            var node = try RunningNode()
            let code = try node.connect().create("https://example.com/")
            #expect(node.stop() == .exited(0))
            let clicks = node.data + "/clicks"
            try FileManager.default.removeItem(atPath: clicks)
            try FileManager.default.createSymbolicLink(atPath: clicks, withDestinationPath: node.data + "/nowhere")
            node = try node.restarted(RunningNode.withAdmin + ["--click_flush", "100ms"])
            let client = try node.connect()
            #expect(node.log.seen.contains { $0.contains("event=clicks-unavailable") })
            for _ in 0..<5 { #expect(try client.get("/\(code)").status == 302) }
            let answer = try client.get("/analytics/\(code)")
            answer.expectProblem(503, "clicks-unavailable")
            #expect(answer["retry-after"] == "5")
            try node.expect("edge_click_store_available", 0)
            try FileManager.default.removeItem(atPath: clicks)
            _ = try node.log.next("event=clicks-available")
            try node.expectClicks(code, Clicked(people: 5))
            try node.expect("edge_clicks_dropped_total", 0)
        }
    }
}

/// What is told of a link's clicks.
struct Clicked: Equatable {
    var people = 0
    var bots = 0
    var heads = 0
}

extension RunningNode {
    /// Asks until the link has these clicks, today and in total, or time is over.
    func expectClicks(
        _ code: String, _ wanted: Clicked, key: String? = nil, _ location: SourceLocation = #_sourceLocation
    ) throws {
        let client = try connect()
        let deadline = Deadline()
        var (total, days) = (Clicked(), Clicked())
        let path = "/api/v1/analytics/\(code)"
        repeat {
            let object = try (key.map { try client.get(path, key: $0) } ?? client.get(path)).object
            func clicked(_ object: [String: Any]) -> Clicked {
                Clicked(
                    people: object["clicks"] as? Int ?? -1, bots: object["bots"] as? Int ?? -1,
                    heads: object["head"] as? Int ?? -1)
            }
            total = clicked(object)
            days = (object["days"] as? [[String: Any]] ?? []).map(clicked).reduce(into: Clicked()) {
                $0.people += $1.people
                $0.bots += $1.bots
                $0.heads += $1.heads
            }
            if total == wanted { break }
        } while !client.hasInput(withinMilliseconds: 20) && !deadline.isOver
        #expect(total == wanted && days == wanted, "days: \(days)", sourceLocation: location)
    }

    /// Asks until a metric has this value, or time is over.
    func expect(_ metric: String, _ value: Int, _ location: SourceLocation = #_sourceLocation) throws {
        let client = try connectToAdmin()
        let deadline = Deadline()
        var line: Substring?
        repeat {
            line = try client.get("/metrics").text.split(separator: "\n").first { $0.hasPrefix(metric + " ") }
            if line == "\(metric) \(value)" { return }
        } while !client.hasInput(withinMilliseconds: 20) && !deadline.isOver
        Issue.record("\(line ?? "no \(metric)"), not \(value)", sourceLocation: location)
    }
}
