import Foundation
import Glibc
import Testing

extension NodeTests {
    /// What can be turned off on a running node.
    @Suite struct Switches {
        /// `Sighup` has the proofs for reloads.
        private static let ways = [Turning.adminPort, .command]

        @Test(arguments: ways) func create(way: Turning) throws { try SwitchProofs.create(way) }
        @Test(arguments: Turning.allCases) func anonymousCreate(way: Turning) throws {
            try SwitchProofs.anonymousCreate(way)
        }
        @Test(arguments: ways) func countClicks(way: Turning) throws { try SwitchProofs.countClicks(way) }
        @Test(arguments: ways) func askRegions(way: Turning) throws { try SwitchProofs.askRegions(way) }

        private func created(_ subject: SwitchedNode) throws -> Int {
            try subject.node.connect().post("/shorten", json: #"{"long_url":"https://example.com/"}"#).status
        }

        /// The admin port wins over the file, and says so, until it gives the file its say back.
        @Test func overrides() throws {
            let subject = try SwitchedNode()
            try subject.turn("create", false, by: .adminPort)
            let held = try subject.reload("redirect_status = 301\n")
            #expect(held.contains { $0.contains("event=switch-held switch=create running=off configured=on") })
            #expect(held.last!.contains("changed=1 need_restart=0") && !held.contains { $0.contains("key=create") })
            #expect(try created(subject) == 503)
            let state = try #require(try subject.states()["create"])
            #expect(
                NSDictionary(dictionary: state)
                    == ["name": "create", "on": false, "configured": true, "overridden": true])
            let back = try Finished(["switch", "create", "default", "--server", subject.node.adminURL])
            #expect(back.ending == .exited(0), "\(back.error)")
            #expect(try created(subject) == 201 && subject.states()["create"]?["overridden"] as? Bool == false)
            // The other way round: on, and the file says off.
            try subject.turn("create", true, by: .adminPort)
            let off = try subject.reload("create = off\n")
            #expect(off.contains { $0.contains("event=key-changed key=create old=on new=off") })
            #expect(off.contains { $0.contains("event=switch-held switch=create running=on configured=off") })
            #expect(try created(subject) == 201)
            let shown = try Finished(["switch", "--server", subject.node.adminURL])
            #expect(shown.output.contains("create            on, by the admin port\n"), "\(shown.output)")
            #expect(shown.output.contains("count_clicks      on\n"))
            #expect(try subject.ask("DELETE", "/switches/create").status == 200)
            #expect(try created(subject) == 503)
            subject.node.log.gather()
            #expect(subject.node.log.seen.count { $0.contains("event=switch-turned switch=create to=default") } == 2)
        }

        /// What the admin port has turned ends with the process.
        @Test func restart() throws {
            let subject = try SwitchedNode("create = off\n")
            try subject.turn("create", true, by: .adminPort)
            #expect(try created(subject) == 201)
            #expect(subject.node.stop() == .exited(0))
            let next = SwitchedNode(
                try subject.node.restarted(
                    ["--config", subject.directory.path + "/edge.conf"] + RunningNode.withAdmin),
                in: subject.directory)
            #expect(try created(next) == 503 && next.states()["create"]?["overridden"] as? Bool == false)
        }

        @Test func routes() throws {
            let subject = try SwitchedNode()
            let cases: [(method: String, target: String, body: String?, status: Int)] = [
                ("GET", "/switches", nil, 200), ("HEAD", "/switches", nil, 200), ("PUT", "/switches", "{}", 405),
                ("GET", "/switches/create", nil, 405), ("POST", "/switches/create", #"{"on":false}"#, 405),
                ("PUT", "/switches/clicks", #"{"on":false}"#, 404), ("DELETE", "/switches/", nil, 404),
                ("PUT", "/switches/create", nil, 415), ("PUT", "/switches/create", "off", 400),
                ("PUT", "/switches/create", "{}", 400), ("PUT", "/switches/create", #"{"on":null}"#, 400),
                ("PUT", "/switches/create", #"{"on":"off"}"#, 400),
                ("PUT", "/switches/create", #"{"on":false,"for":"1h"}"#, 400),
            ]
            for (method, target, body, status) in cases {
                let answer = try subject.ask(method, target, body)
                #expect(answer.status == status, "\(method) \(target) \(body ?? ""): \(answer.text)")
            }
            #expect(try subject.ask("GET", "/switches/create")["allow"] == "PUT, DELETE")
            #expect(try subject.ask("DELETE", "/switches")["allow"] == "GET, HEAD")
            // What a page in a browser could send.
            for method in ["GET", "PUT", "DELETE"] {
                let target = method == "GET" ? "/switches" : "/switches/create"
                let answer = try subject.ask(method, target, #"{"on":false}"#, host: "evil.example")
                answer.expectProblem(403, "forbidden")
            }
            #expect(try subject.node.connect().get("/switches").status == 404)
            #expect(try created(subject) == 201)
            let nowhere = try Finished(["switch", "create", "off", "--server", subject.node.url])
            #expect(nowhere.ending == .exited(1) && nowhere.error.hasPrefix("edge switch: http://"), "\(nowhere.error)")
            #expect(try Finished(["switch", "--server", "http://127.0.0.1:1"]).ending == .exited(1))
        }

        /// A batch that is under way stops where it is, and goes on from there.
        @Test func batch() throws {
            let subject = try SwitchedNode()
            let client = try subject.node.connect()
            let entries = (0..<1000).map { #"{"long_url":"https://example.com/\#($0)"}"# }.joined(separator: ",")
            func done(_ id: String) throws -> Int {
                try #require(try client.get("/api/v1/urls/bulk/\(id)").object["done"] as? Int)
            }
            try attempt("a batch that is not done before creating is off") {
                let id = try client.takeBatch("[\(entries)]")
                try subject.turn("create", false, by: .adminPort)
                let before = try done(id)
                // Longer than the runner rests; what it had begun is made.
                for _ in 0..<75 where !client.hasInput(withinMilliseconds: 20) {
                    #expect(try done(id) <= before + 16)
                }
                try subject.turn("create", true, by: .adminPort)
                let outcomes = try outcomes(try client.awaitBatch(id))
                #expect(Set(outcomes).count == 1000 && outcomes.allSatisfy { $0.utf8.count == 7 })
                return before < 1000 - 16
            }
        }

        /// So does an import.
        @Test func importing() throws {
            let subject = try SwitchedNode()
            let client = try subject.node.connect()
            func row(_ number: Int) -> String { #"{"long_url":"https://example.com/\#(number)"}"# + "\n" }
            try client.beginImport()
            try client.sendChunk(row(0))
            let stream = try LineStream(client)
            #expect(try verdict(LineStream.members(#require(try stream.next()))) == "created")
            // Turning is written down, in the audit trail, and the row is not.
            let writes = try subject.node.sample("edge_store_writes_total") + 1
            try subject.turn("create", false, by: .adminPort)
            try client.sendChunk(row(1))
            #expect(!client.hasInput(withinMilliseconds: 300))
            #expect(try subject.node.sample("edge_store_writes_total") == writes)
            try subject.turn("create", true, by: .adminPort)
            #expect(try verdict(LineStream.members(#require(try stream.next()))) == "created")
            try client.send("0\r\n\r\n")
            #expect(try stream.rest().isEmpty && stream.isWhole)
        }
    }
}
