import Foundation
import Glibc
import Testing
import lab

extension NodeTests.Regions {
    /// Who has written in one region reads it in another, or is told that it cannot be.
    @Suite struct Tokens {
        private struct Written {
            let code: String
            let token: String
            let region: String
            let at: String
        }

        /// Two regions that hold the same, with a link of the first.
        private func pair(_ flags: [String] = []) throws -> (Cluster, Written) {
            let cluster = try Cluster(2, flags)
            try cluster.converge()
            let written = try write(cluster.node(0))
            try cluster.converge()
            return (cluster, written)
        }

        private func write(_ node: RunningNode, _ fields: String = "") throws -> Written {
            let client = try node.connect()
            try client.send(Client.creation("https://example.com/\(UUID().uuidString)", "/api/v1/urls", fields))
            let answer = try client.read()
            guard answer.status == 201 else { throw HarnessError(answer.text) }
            return Written(
                code: try answer.string("short_code"), token: try #require(answer["edge-token"]),
                region: try #require(answer["x-write-region"]), at: try #require(answer["x-write-ts"]))
        }

        private func ask(_ client: Client, _ path: String, _ token: String, _ fields: String = "") throws {
            try client.send(Client.request("GET", path, "Edge-Token: \(token)\r\n" + fields))
        }

        private func get(
            _ node: RunningNode, _ path: String, _ token: String, _ fields: String = ""
        ) throws -> Answer {
            let client = try node.connect()
            try ask(client, path, token, fields)
            return try client.read()
        }

        private func tokens(_ node: RunningNode, _ result: String) throws -> Double {
            try node.metric("edge_tokens_total{result=\"\(result)\"}")
        }

        @Test func covered() throws {
            let (cluster, written) = try pair()
            let node = cluster.node(1)
            #expect((26...62).contains(written.token.utf8.count) && written.region == "us")
            for served in ["store", "l1"] {
                let answer = try get(node, "/\(written.code)", written.token)
                #expect(answer.status == 302 && answer["x-consistency"] == "current")
                #expect(answer["x-served-by"] == served)
            }
            let shown = try get(node, "/api/v1/urls/\(written.code)", written.token)
            #expect(shown.status == 200 && shown["x-consistency"] == "current")
            #expect(try tokens(node, "covered") == 3)
            let cookie = Client.request("GET", "/\(written.code)", "Cookie: a=b; Edge-Token=\(written.token)\r\n")
            let client = try node.connect()
            try client.send(cookie)
            let answer = try client.read()
            #expect(answer["x-consistency"] == "current" && answer["set-cookie"] == nil && answer["edge-token"] == nil)
            // What was never made is not there, whoever asks.
            let unknown = try get(node, "/an-alias", written.token)
            #expect(unknown.status == 404 && unknown["x-consistency"] == "current")
            #expect(try node.metric("edge_remote_lookups_waiting") == 0)
        }

        @Test func writesMergeTokensAndSetCookies() throws {
            let (cluster, first) = try pair()
            cluster.set(.held, from: [0], to: [1])
            cluster.set(.held, from: [1], to: [0])
            let known = try write(cluster.node(0))
            let other = try write(cluster.node(1), "Edge-Token: \(known.token)\r\n")
            #expect(other.token.utf8.count == 38 && first.token.utf8.count == 26)
            let client = try cluster.node(1).connect()
            try client.send(Client.creation("https://example.com/", "/shorten", "Prefer: token=cookie\r\n"))
            let answer = try client.read()
            #expect(answer["preference-applied"] == "token=cookie")
            let cookie = try #require(answer["set-cookie"])
            #expect(
                cookie.hasPrefix("Edge-Token=\(try #require(answer["edge-token"])); ") && cookie.contains("HttpOnly"))
            #expect(try cluster.node(1).metric("edge_tokens_issued_total") == 2)
        }

        /// The entries are held up and come: who waits is woken, on the redirect port and in the API, for a link and for
        /// a list; others go on.
        @Test func waits() throws {
            let (cluster, old) = try pair(["--read_your_writes_timeout", "10s"])
            let node = cluster.node(1)
            cluster.set(.held, from: [0], to: [1])
            let written = try write(cluster.node(0))
            let (redirect, api, list) = (try node.connect(), try node.connect(), try node.connect())
            try ask(redirect, "/\(written.code)", written.token)
            try ask(api, "/api/v1/urls/\(written.code)", written.token)
            try ask(list, "/api/v1/urls", written.token, "Authorization: Bearer \(try node.makeKey())\r\n")
            try cluster.wait("all wait") { try node.metric("edge_remote_lookups_waiting") == 3 }
            #expect(try node.connect().get("/\(old.code)").status == 302)
            cluster.set(.open, from: [0], to: [1])
            let (first, second) = (try redirect.read(), try api.read())
            #expect(first.status == 302 && first["x-consistency"] == "current", "\(first.fields)")
            #expect(second.status == 200 && second["x-consistency"] == "current", "\(second.fields)")
            let third = try list.read()
            #expect(third.status == 200 && third["x-consistency"] == "current", "\(third.fields)")
            #expect(try tokens(node, "waited") + tokens(node, "asked") == 3)
            #expect(try node.metric("edge_remote_lookups_waiting") == 0)
        }

        /// A list asks nobody: it shows what is here in the end, and says so; who is strict gets none.
        private func expectLists(_ node: RunningNode, _ token: String, _ consistency: String) throws {
            let key = "Authorization: Bearer \(try node.makeKey())\r\n"
            let list = try get(node, "/api/v1/urls", token, key)
            #expect(list.status == 200 && list["x-consistency"] == consistency, "\(list.fields)")
            let strict = try get(node, "/api/v1/urls", token, key + "Prefer: consistency=strict\r\n")
            strict.expectProblem(503, "behind")
        }

        /// They do not come in time: what is here is answered and marked, what may be what was written is 503.
        @Test func behind() throws {
            let (cluster, old) = try pair(["--read_your_writes_timeout", "200ms"])
            let node = cluster.node(1)
            cluster.set(.held, from: [0], to: [1])
            let written = try write(cluster.node(0))
            for path in ["/", "/api/v1/urls/"] {
                let here = try get(node, path + old.code, written.token)
                #expect(here.status == (path == "/" ? 302 : 200) && here["x-consistency"] == "behind")
                let strict = try get(node, path + old.code, written.token, "Prefer: consistency=strict\r\n")
                #expect(strict.status == 503 && strict["retry-after"] == "1" && strict["x-consistency"] == "behind")
                let missing = try get(node, path + written.code, written.token)
                #expect(missing.status == 503 && missing["retry-after"] == "1" && missing["x-consistency"] == "behind")
                #expect(try missing.string("code") == "behind")
                #expect(try get(node, path + "some-alias", written.token).status == 503)
            }
            #expect(try tokens(node, "behind") == 8)
            try expectLists(node, written.token, "behind")
            cluster.set(.open, from: [0], to: [1])
            try cluster.converge()
            for path in ["/", "/api/v1/urls/"] {
                let answer = try get(node, path + written.code, written.token)
                #expect([200, 302].contains(answer.status) && answer["x-consistency"] == "current")
            }
        }

        /// The author cannot be reached, and a third node has its entries.
        @Test func asksTheNearest() throws {
            let cluster = try Cluster(3, ["--read_your_writes_timeout", "10s"])
            try cluster.converge()
            cluster.part([0], [1])
            try cluster.wait("the sides have lost each other") { try !cluster.isConnected(1, to: [0]) }
            let (node, third) = (cluster.node(1), cluster.node(2))
            // Its own pull may come first.
            try attempt("the third node is asked") {
                let written = try write(cluster.node(0))
                try cluster.wait("the third has it") { try third.connect().get("/\(written.code)").status == 302 }
                let answer = try get(node, "/\(written.code)", written.token)
                #expect(answer.status == 302 && answer["x-consistency"] == "current", "\(answer.fields)")
                return answer["x-served-by"] == "origin"
            }
            #expect(try tokens(node, "asked") >= 1)
            #expect(try third.metric("edge_replication_lookups_answered_total") >= 1)
        }

        /// The disk went before anybody had the entry.
        @Test func lost() throws {
            let (cluster, old) = try pair(["--read_your_writes_timeout", "200ms"])
            cluster.part([0], [1])
            let written = try write(cluster.node(0))
            cluster.kill(0)
            cluster.wipe(0)
            try cluster.join([0], [1])
            try cluster.start(0)
            try cluster.converge()
            for index in cluster.indices {
                let node = cluster.node(index)
                let here = try get(node, "/\(old.code)", written.token)
                #expect(here.status == 302 && here["x-consistency"] == "lost", "\(index): \(here.fields)")
                let gone = try get(node, "/\(written.code)", written.token)
                #expect(gone.status == 404 && gone["x-consistency"] == "lost", "\(index): \(gone.fields)")
                let strict = try get(node, "/\(old.code)", written.token, "Prefer: consistency=strict\r\n")
                #expect(strict.status == 503)
                #expect(try tokens(node, "lost") == 3)
                try expectLists(node, written.token, "lost")
            }
            // What nobody will ever have holds no change up, unless it is asked to; and the next token is free of it.
            let node = cluster.node(0)
            let (client, admin) = (try node.connect(), try node.makeKey("--scopes", "admin"))
            func change(_ fields: String = "") throws -> Answer {
                try client.change(old.code, #"{"title":"a"}"#, key: admin, "Edge-Token: \(written.token)\r\n" + fields)
            }
            try change("Prefer: consistency=strict\r\n").expectProblem(503, "behind")
            let changed = try change()
            #expect(changed.status == 200 && changed["x-consistency"] == "lost", "\(changed.text)")
            let next = try get(node, "/\(old.code)", #require(changed["edge-token"]))
            #expect(next["x-consistency"] == "current")
        }

        /// One that is none of this cluster's costs nothing: as if it were not there.
        @Test func forged() throws {
            let (cluster, written) = try pair()
            let node = cluster.node(1)
            var forged = Array(written.token.utf8)
            forged[3] = forged[3] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            for text in [String(decoding: forged, as: UTF8.self), "x", String(repeating: "A", count: 200), ""] {
                let answer = try get(node, "/\(written.code)", text)
                #expect(answer.status == 302 && answer["x-consistency"] == nil && answer["edge-token"] == nil)
            }
            #expect(try tokens(node, "forged") == 4)
            #expect(try node.metric("edge_remote_lookups_total{result=\"behind\"}") == 0)
        }

        /// Who waits is bounded, of one client's network and in all; who finds no place is answered at once.
        @Test func bounded() throws {
            let (cluster, old) = try pair(["--read_your_writes_timeout", "10s", "--trusted_proxies", "127.0.0.1"])
            let node = cluster.node(1)
            cluster.set(.held, from: [0], to: [1])
            let written = try write(cluster.node(0))
            func ask(_ count: Int, as client: String) throws -> [Client] {
                try (0..<count).map { _ in
                    let connection = try node.connect()
                    try self.ask(connection, "/\(old.code)", written.token, "X-Forwarded-For: \(client)\r\n")
                    return connection
                }
            }
            func refused(_ bound: String) throws -> Double {
                try node.metric("edge_remote_lookups_refused_total{bound=\"\(bound)\"}")
            }
            var waiting = try ask(270, as: "192.0.2.1")
            try cluster.wait("a client's share waits") { try refused("client") == 14 }
            #expect(try node.metric("edge_remote_lookups_waiting") == 256)
            for number in 2...4 { waiting += try ask(256, as: "192.0.2.\(number)") }
            waiting += try ask(5, as: "192.0.2.5")
            try cluster.wait("all places are taken") { try refused("node") == 5 }
            #expect(try node.metric("edge_remote_lookups_waiting") == 1024)
            cluster.set(.open, from: [0], to: [1])
            var marks: [String: Int] = [:]
            for connection in waiting {
                let answer = try connection.read()
                #expect(answer.status == 302)
                marks[answer["x-consistency"] ?? "none", default: 0] += 1
            }
            #expect(marks == ["behind": 19, "current": 1024])
        }

        /// What a token holder has seen in one region no other one shows older.
        @Test func readsAreMonotonic() throws {
            let cluster = try Cluster(3, ["--read_your_writes_timeout", "200ms"])
            try cluster.converge()
            let start = try write(cluster.node(1))
            try cluster.converge()
            // What is written in the first region comes to the second, and not to the third.
            cluster.part([0, 1], [2])
            try cluster.wait("the third is alone") { try !cluster.isConnected(1, to: [2]) }
            let written = try write(cluster.node(0))
            try cluster.wait("the second has it") {
                try cluster.node(1).connect().get("/\(written.code)").status == 302
            }
            let seen = try get(cluster.node(1), "/\(written.code)", start.token)
            #expect(seen.status == 302 && seen["x-consistency"] == "current")
            let token = try #require(seen["edge-token"])
            let elsewhere = try get(cluster.node(2), "/\(written.code)", token)
            #expect(elsewhere.status == 503, "\(elsewhere.fields)")
            try cluster.join([0, 1], [2])
            try cluster.converge()
            #expect(try get(cluster.node(2), "/\(written.code)", token).status == 302)
        }

        /// In readable form, without a token.
        @Test func hints() throws {
            let (cluster, old) = try pair()
            let node = cluster.node(1)
            cluster.set(.held, from: [0], to: [1])
            defer { cluster.set(.open, from: [0], to: [1]) }
            func asked(_ region: String, _ at: String) throws -> Double {
                let before = try node.metric("edge_replication_lookups_asked_total")
                let client = try node.connect()
                // A number that nobody can have given out is asked for nowhere else.
                try client.send(
                    Client.request("GET", "/1zzzzzz", "X-Write-Region: \(region)\r\nX-Write-Ts: \(at)\r\n"))
                #expect(try client.read().status == 404)
                return try node.metric("edge_replication_lookups_asked_total") - before
            }
            let written = try write(cluster.node(0))
            #expect(try asked("us", written.at) == 1)
            #expect(try asked("us", "2020-01-01T00:00:00Z") == 0)
            for (region, at) in [("mars", written.at), ("us", "now"), ("us", "2099-01-01T00:00:00Z")] {
                #expect(try asked(region, at) == 0, "\(region), \(at)")
            }
            _ = old
        }
    }
}
