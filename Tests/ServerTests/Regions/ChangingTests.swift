import Foundation
import Testing
import lab

extension NodeTests.Regions {
    /// Links that are changed and deleted from any region.
    @Suite struct Changing {
        /// Nodes that hold the same, with a key that all know.
        private func cluster(_ count: Int, _ flags: [String] = []) throws -> (Cluster, key: String) {
            let cluster = try Cluster(count, flags)
            try cluster.settleConnections()
            let key = try cluster.node(0).makeKey("--owner", "team", "--scopes", "links:create,links:manage")
            try cluster.converge()
            return (cluster, key)
        }

        private func shown(_ code: String, at node: RunningNode, key: String) throws -> Answer {
            try node.connect().get("/api/v1/urls/\(code)", key: key)
        }

        private func patch(_ code: String, title: String, at node: RunningNode, key: String, _ fields: String = "")
            throws
            -> Answer
        {
            try node.connect().change(code, #"{"title":"\#(title)"}"#, key: key, fields)
        }

        private func forwarded(_ node: RunningNode, _ result: String) throws -> Double {
            try node.metric("edge_forwarded_changes_total{result=\"\(result)\"}")
        }

        /// Until `there` has applied what `here` has written.
        private func applied(_ cluster: Cluster, from here: Int, at there: Int) throws {
            let heads = try cluster.heads(at: here, of: [here])
            try cluster.wait("the entries are applied") { try cluster.heads(at: there, of: [here]) == heads }
        }

        /// Every kind of code, changed where it was not made and deleted where it was neither; all agree, versions too.
        @Test func fromAnyRegion() throws {
            let (cluster, key) = try cluster(3)
            let client = try cluster.node(0).connect()
            let codes = [
                try client.create("https://example.com/", key: key),
                try client.create("https://example.com/", key: key, alias: "an-alias"),
            ]
            try cluster.converge()
            for code in codes {
                let answer = try cluster.node(1).connect().change(
                    code, #"{"long_url":"https://example.org/"}"#, key: key)
                #expect(answer.status == 200 && answer["x-write-region"] == "eu", "\(answer.text)")
                #expect(try answer.string("region") == "us")
                // With its token any region shows it at once, whether its entry has come or not.
                let token = try #require(answer["edge-token"])
                let elsewhere = try cluster.node(2).connect()
                try elsewhere.send(Client.request("GET", "/\(code)", "Edge-Token: \(token)\r\n"))
                #expect(try elsewhere.read()["location"] == "https://example.org/")
                try cluster.converge()
                for index in cluster.indices {
                    let shown = try shown(code, at: cluster.node(index), key: key)
                    #expect(shown["etag"] == answer["etag"])
                    for name in ["long_url", "created_at", "updated_at", "region", "owner"] {
                        #expect(try shown.string(name) == answer.string(name), "\(name)")
                    }
                }
                #expect(try cluster.node(2).connect().change(code, nil, key: key).status == 204)
            }
            try cluster.converge()
            for index in cluster.indices {
                for code in codes {
                    #expect(try cluster.node(index).connect().get("/\(code)").status == 410)
                    try shown(code, at: cluster.node(index), key: key).expectProblem(410, "expired")
                    try patch(code, title: "a", at: cluster.node(index), key: key).expectProblem(410, "expired")
                }
                #expect(try forwarded(cluster.node(index), "made") == 0, "whoever has a link changes it")
            }
            try cluster.expectEqualStores()
        }

        /// Of a node that could not know how far its numbers went.
        @Test func snowflakes() throws {
            let cluster = try Cluster(3, starts: false)
            for index in [0, 1] { try cluster.start(index) }
            try cluster.converge()
            let key = try cluster.node(0).makeKey("--scopes", "links:create,links:manage")
            let code = try cluster.node(0).connect().create("https://example.com/", key: key)
            #expect(code.utf8.count == 12)
            try cluster.settleConnections()
            try cluster.converge()
            let first = try shown(code, at: cluster.node(1), key: key)
            let condition = "If-Match: \(try #require(first["etag"]))\r\n"
            #expect(try patch(code, title: "a", at: cluster.node(1), key: key, condition).status == 200)
            #expect(try forwarded(cluster.node(1), "made") == 1)
            #expect(try patch(code, title: "b", at: cluster.node(1), key: key).status == 200)
            #expect(try cluster.node(1).connect().change(code, nil, key: key).status == 204)
            try cluster.converge()
            #expect(try cluster.node(0).connect().get("/\(code)").status == 410)
        }

        /// One version, known in two regions, and a change from each: one is made.
        @Test func twoAtOnce() throws {
            let (cluster, key) = try cluster(2)
            let clients = try cluster.indices.map { try cluster.node($0).connect() }
            let made = try clients[0].create("https://example.com/", key: key)
            try cluster.converge()
            cluster.setFaults { $0.delayMilliseconds = 10 }
            var tag = try #require(shown(made, at: cluster.node(0), key: key)["etag"])
            for round in 0..<20 {
                for (index, client) in clients.enumerated() {
                    try client.sendChange(made, #"{"title":"\#(round) \#(index)"}"#, key: key, "If-Match: \(tag)\r\n")
                }
                let answers = try clients.map { try $0.read() }
                #expect(answers.map(\.status).sorted() == [200, 412], "\(answers.map(\.text))")
                let winner = try #require(answers.first { $0.status == 200 })
                #expect(winner["x-write-region"] == "us", "the link's own region decides")
                tag = try #require(winner["etag"])
            }
            cluster.setFaults { $0.delayMilliseconds = 0 }
            try cluster.converge()
            for index in cluster.indices { #expect(try shown(made, at: cluster.node(index), key: key)["etag"] == tag) }
            let results = try (forwarded(cluster.node(1), "made"), forwarded(cluster.node(1), "refused"))
            #expect(results.0 + results.1 == 20)
            try cluster.expectEqualStores()
        }

        /// A version that a client was shown in a region is one that the decider knows when it decides.
        @Test func whatWasShownCounts() throws {
            let (cluster, key) = try cluster(2)
            let code = try cluster.node(0).connect().create("https://example.com/", key: key)
            try cluster.converge()
            cluster.setFaults { $0.delayMilliseconds = 20 }
            for round in 0..<5 {
                let here = try patch(code, title: "\(round)", at: cluster.node(1), key: key)
                #expect(here["x-write-region"] == "eu")
                let condition = "If-Match: \(try #require(here["etag"]))\r\n"
                let decided = try patch(code, title: "\(round) then", at: cluster.node(1), key: key, condition)
                #expect(decided.status == 200 && decided["x-write-region"] == "us", "\(decided.text)")
                // And where it is decided at once, with the token.
                let again = try patch(code, title: "\(round) there", at: cluster.node(1), key: key)
                let fields = try [
                    "If-Match: \(#require(again["etag"]))", "Edge-Token: \(#require(again["edge-token"]))", "",
                ]
                let there = try patch(
                    code, title: "last", at: cluster.node(0), key: key, fields.joined(separator: "\r\n"))
                #expect(there.status == 200 && there["x-consistency"] == "current", "\(there.text)")
                #expect(there.fields.count { $0.name == "edge-token" } == 1)
            }
        }

        /// Who decides cannot be reached, or does not answer: 503, and without a condition the change is made here.
        @Test func originUnreachable() throws {
            let (cluster, key) = try cluster(2, ["--read_your_writes_timeout", "500ms"])
            let code = try cluster.node(0).connect().create("https://example.com/", key: key)
            try cluster.converge()
            let tag = try #require(shown(code, at: cluster.node(1), key: key)["etag"])
            let condition = "If-Match: \(tag)\r\n"
            cluster.set(.held, from: [0], to: [1])
            let silent = try patch(code, title: "silent", at: cluster.node(1), key: key, condition)
            silent.expectProblem(503, "behind")
            #expect(try silent["retry-after"] == "1" && silent.string("detail").contains("may have been made"))
            try cluster.wait("it was made") {
                try shown(code, at: cluster.node(0), key: key).string("title") == "silent"
            }
            cluster.part([0], [1])
            try cluster.wait("the sides have lost each other") { try !cluster.isConnected(1, to: [0]) }
            let alone = try patch(code, title: "alone", at: cluster.node(1), key: key, condition)
            alone.expectProblem(503, "behind")
            #expect(try alone["retry-after"] == "1" && alone.string("detail").contains("Nothing was changed"))
            #expect(try shown(code, at: cluster.node(1), key: key)["etag"] == tag)
            let node = cluster.node(1)
            #expect(try forwarded(node, "unanswered") == 1 && forwarded(node, "unreachable") == 1)
            #expect(try patch(code, title: "here", at: node, key: key).status == 200)
            try cluster.join([0], [1])
            cluster.set(.open, from: [0], to: [1])
            try cluster.converge()
            for index in cluster.indices {
                #expect(try shown(code, at: cluster.node(index), key: key).string("title") == "here")
            }
        }

        /// The decider has gone for good: another one takes its place, the same for all.
        @Test func originRetired() throws {
            let (cluster, key) = try cluster(3)
            let code = try cluster.node(0).connect().create("https://example.com/", key: key)
            try cluster.converge()
            cluster.stop(0)
            let retired = try Finished(["cluster", "retire", "us/0", "--server", cluster.node(1).adminURL])
            #expect(retired.ending == .exited(0), "\(retired.error)")
            for index in [1, 2] {
                try cluster.wait("the node is retired") {
                    try cluster.node(index).standing.members.contains { $0.node == "1/0" && $0.retired }
                }
            }
            var tag = try #require(shown(code, at: cluster.node(1), key: key)["etag"])
            for index in [1, 2, 1] {
                let made = try patch(code, title: "\(index)", at: cluster.node(index), key: key, "If-Match: \(tag)\r\n")
                #expect(made.status == 200 && made["x-write-region"] == "eu", "\(made.text)")
                tag = try #require(made["etag"])
            }
            #expect(try forwarded(cluster.node(2), "made") == 1 && forwarded(cluster.node(1), "made") == 0)
        }

        /// No worker in any region answers with what was, once the entry is applied there.
        @Test func allCachesObey() throws {
            let (cluster, key) = try cluster(2, ["--workers", "4"])
            let code = try cluster.node(0).connect().create("https://example.com/", key: key)
            try cluster.converge()
            let client = try cluster.node(0).connect()
            let readers = try (0..<16).map { try cluster.node($0 % 2).connect() }
            for round in 0..<20 {
                let isActive = round % 4 != 3
                let json = #"{"long_url":"https://example.com/\#(round)","is_active":\#(isActive)}"#
                #expect(try client.change(code, json, key: key).status == 200)
                try applied(cluster, from: 0, at: 1)
                for reader in readers {
                    let answer = try reader.get("/\(code)")
                    #expect(answer.status == (isActive ? 302 : 410))
                    if isActive { #expect(answer["location"] == "https://example.com/\(round)") }
                }
                // Now it is in the caches of all.
                for reader in readers where isActive { #expect(try reader.get("/\(code)")["x-served-by"] == "l1") }
            }
            #expect(try client.change(code, nil, key: key).status == 204)
            try applied(cluster, from: 0, at: 1)
            for reader in readers { #expect(try reader.get("/\(code)").status == 410) }
        }

        /// A change waits for other regions as a create does, and stays if they do not come; be it made for another node.
        @Test func durability() throws {
            let (cluster, key) = try cluster(3, ["--durability", "regions:2", "--durability_timeout", "500ms"])
            let codes = try (0..<3).map { _ in try cluster.node(0).connect().create("https://example.com/", key: key) }
            try cluster.converge()
            let tag = try #require(shown(codes[0], at: cluster.node(1), key: key)["etag"])
            cluster.part([2], [0, 1])
            try cluster.wait("the third is alone") { try !cluster.isConnected(2, to: [0, 1]) }
            let own = try patch(codes[1], title: "a", at: cluster.node(0), key: key)
            own.expectProblem(503, "not-replicated")
            #expect(own["retry-after"] == "2")
            try cluster.node(0).connect().change(codes[2], nil, key: key).expectProblem(503, "not-replicated")
            try patch(codes[0], title: "a", at: cluster.node(1), key: key, "If-Match: \(tag)\r\n")
                .expectProblem(503, "not-replicated")
            #expect(try cluster.node(0).metric("edge_link_changes_total{result=\"unreplicated\"}") == 2)
            try cluster.join([2], [0, 1])
            try cluster.converge()
            for index in cluster.indices {
                for code in codes.prefix(2) {
                    #expect(try shown(code, at: cluster.node(index), key: key).string("title") == "a")
                }
                #expect(try cluster.node(index).connect().get("/\(codes[2])").status == 410)
            }
            #expect(try patch(codes[0], title: "b", at: cluster.node(2), key: key).status == 200)
        }

        /// What the client has seen and this node has not is never undone: 503, strict or not.
        @Test func tokens() throws {
            let (cluster, key) = try cluster(2, ["--read_your_writes_timeout", "200ms"])
            let code = try cluster.node(0).connect().create("https://example.com/", key: key)
            try cluster.converge()
            cluster.set(.held, from: [0], to: [1])
            let seen = try patch(code, title: "seen", at: cluster.node(0), key: key)
            let token = "Edge-Token: \(try #require(seen["edge-token"]))\r\n"
            let client = try cluster.node(1).connect()
            for json in [#"{"tags":["a"]}"#, nil] {
                for preference in ["", "Prefer: consistency=strict\r\n"] {
                    let answer = try client.change(code, json, key: key, token + preference)
                    answer.expectProblem(503, "behind")
                    #expect(answer["x-consistency"] == "behind" && answer["retry-after"] == "1")
                }
            }
            cluster.set(.open, from: [0], to: [1])
            try cluster.converge()
            let answer = try client.change(code, #"{"tags":["a"]}"#, key: key, token)
            #expect(answer.status == 200 && answer["x-consistency"] == "current", "\(answer.text)")
            #expect(try answer.string("title") == "seen")
            try cluster.converge()
            let there = try shown(code, at: cluster.node(0), key: key)
            #expect(try there.string("title") == "seen" && there.object["tags"] as? [String] == ["a"])
        }
    }
}
