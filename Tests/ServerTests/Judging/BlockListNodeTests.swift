import Foundation
import Glibc
import Testing

extension NodeTests {
    /// `block_lists` of a running node.
    @Suite struct BlockedDestinations {
        private static let evil = "https://www.evil.example/x"
        private static let good = "https://good.example/"

        private func node(_ text: String = "evil.example", _ flags: String...) throws -> RunningNode {
            let directory = TemporaryDirectory()
            let file = directory.write(text, to: "list.txt")
            return try RunningNode(RunningNode.withAdmin + ["--block_lists", file] + flags, in: directory)
        }

        /// Wherever a link can be made or changed, and without a word about the list.
        @Test func creation() throws {
            let node = try node()
            let key = try node.makeKey("--owner", "team", "--scopes", "links:create,links:manage")
            let client = try node.connect()
            try client.send(Client.creation(Self.evil))
            let refusal = try client.read()
            refusal.expectProblem(422, "blocked-destination")
            #expect(!refusal.text.contains("evil") && !refusal.text.contains("list.txt"))
            try client.post("/api/v1/urls", json: #"{"long_url":"\#(Self.evil)","custom_alias":"an-alias"}"#)
                .expectProblem(422, "blocked-destination")
            let code = try client.create(Self.good, key: key)
            try client.change(code, #"{"long_url":"\#(Self.evil)"}"#, key: key)
                .expectProblem(422, "blocked-destination")
            #expect(try client.get("/\(code)")["location"] == Self.good)
            let batch = try client.takeBatch(#"[{"long_url":"\#(Self.evil)"},{"long_url":"\#(Self.good)"}]"#)
            #expect(try outcomes(client.awaitBatch(batch)).first == "blocked-destination")
            let rows = try node.connect().importLines(
                [#"{"long_url":"\#(Self.good)"}"#, #"{"long_url":"\#(Self.evil)"}"#], key: key)
            #expect(rows.map(verdict) == ["created", "rejected blocked-destination"])
            try node.expect("edge_blocked_destinations_total", 5)
            #expect(
                try node.connectToAdmin().get("/metrics").text.contains(#"edge_block_list_entries{list="list.txt"} 1"#))
        }

        /// A file that changes counts without a signal; one that is no list does not, and neither does anything else then.
        @Test func changedFile() throws {
            let node = try node()
            let client = try node.connect()
            func status(_ url: String) throws -> Int {
                try client.send(Client.creation(url))
                return try client.read().status
            }
            #expect(try [status(Self.evil), status(Self.good)] == [422, 201])
            _ = node.directory.write("# other\ngood.example\nother.example\n", to: "list.txt")
            _ = try node.log.next("event=block-lists-read lists=1 entries=2")
            #expect(try [status(Self.evil), status(Self.good)] == [201, 422])
            _ = node.directory.write("a file\nof something\nelse altogether\n", to: "list.txt")
            let said = try node.log.next("event=block-lists-refused")
            #expect(said.contains("3 of 3 lines cannot be read"))
            #expect(try [status(Self.evil), status(Self.good)] == [201, 422])
            #expect(node.stop() == .exited(0))
        }

        /// Links that are there, in a region with lists and in one without, answer 451 once one list has them, and lead on
        /// once none has.
        @Test func everyRegion() throws {
            let cluster = try Cluster(2, starts: false)
            let list = cluster.directory.write("nobody.example", to: "list.txt")
            cluster.flags[0] = ["--block_lists", list]
            for index in [0, 1] { try cluster.start(index) }
            try cluster.settleConnections()
            let codes = try [0, 1].map { try cluster.node($0).connect().create(Self.evil) }
            try cluster.converge()
            func wait(_ status: Int) throws {
                for index in [0, 1] {
                    let client = try cluster.node(index).connect()
                    for code in codes {
                        try cluster.wait("\(status) in region \(index)") { try client.get("/\(code)").status == status }
                    }
                }
            }
            try wait(302)
            _ = cluster.directory.write("evil.example", to: "list.txt")
            try wait(451)
            _ = cluster.directory.write("nobody.example", to: "list.txt")
            try wait(302)
        }

        /// An operator lifts the block of a link; the link's owner, where no lists are, then leads it elsewhere.
        @Test func aLiftEndsWithItsDestination() throws {
            let cluster = try Cluster(2, starts: false)
            cluster.flags[0] = ["--block_lists", cluster.directory.write("evil.example", to: "list.txt")]
            for index in [0, 1] { try cluster.start(index) }
            try cluster.settleConnections()
            let key = try cluster.node(1).makeKey("--scopes", "links:create,links:manage,admin")
            let client = try cluster.node(1).connect()
            let code = try client.create(Self.good, key: key)
            func lift() throws {
                let answer = try client.moderate("DELETE", "/api/v1/blocks/" + code, key: key)
                #expect(answer.status == 204, "\(answer.text)")
            }
            func wait(_ status: Int) throws {
                for node in [0, 1] {
                    let client = try cluster.node(node).connect()
                    try cluster.wait("\(status) in region \(node)") { try client.get("/" + code).status == status }
                }
            }
            try lift()
            #expect(try client.change(code, #"{"long_url":"\#(Self.evil)"}"#, key: key).status == 200)
            try wait(451)
            // And of this one, too, it can be lifted.
            try lift()
            try wait(302)
            #expect(try client.change(code, #"{"title":"the same"}"#, key: key).status == 200)
            try cluster.converge()
            try wait(302)
        }

        /// At the start it is an error of the configuration, which `check` finds too.
        @Test func unusableAtTheStart() throws {
            let directory = TemporaryDirectory()
            let wrong = directory.write("no list\n", to: "wrong")
            let empty = directory.write("", to: "empty")
            for (path, reason) in [
                (directory.path + "/none", "No such file"), (wrong, "1 of 1 lines"),
                (empty, "it is empty; one without entries is to hold a comment line"),
            ] {
                for command in ["serve", "check"] {
                    let run = try Finished([command, "--data", directory.path + "/data", "--block_lists", path])
                    #expect(run.ending == .exited(78) && run.error.contains(reason), "\(run.error)")
                }
            }
            let good = (0..<10).map { "good\($0).example\n" }.joined()
            let partly = directory.write(good + "site.example/*\n", to: "partly")
            let check = try Finished(["check", "--block_lists", partly])
            #expect(check.ending == .exited(0) && check.output.contains("block_lists = \(partly)\n"))
            #expect(check.error.hasPrefix("edge: warning: partly: line 11: an asterisk"), "\(check.error)")
            let key = directory.write("short", to: "key")
            let run = try Finished(
                [
                    "serve", "--data", directory.path + "/data", "--lookup_service", "http://127.0.0.1:9/find",
                    "--lookup_service_key_file", key,
                ])
            #expect(run.ending == .exited(78) && run.error.contains("5 bytes"), "\(run.error)")
        }

        /// A service that does not answer is in nobody's way.
        @Test func deafService() throws {
            let standIn = try LookupStandIn { _, _ in .silence }
            defer { standIn.stop() }
            let node = try RunningNode(
                RunningNode.withAdmin + ["--lookup_service", "\(standIn.url)", "--lookup_service_timeout", "100ms"])
            let client = try node.connect()
            let code = try client.create(Self.good)
            try node.await(#"edge_judging_failures_total{judge="lookup_service"}"#) { $0 >= 1 }
            #expect(try client.get("/\(code)").status == 302)
            _ = try client.create(Self.good)
            _ = try node.log.next("event=lookup-service-fails")
            #expect(node.stop() == .exited(0))
        }
    }
}
