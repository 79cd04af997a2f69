import Foundation
import Glibc
import Testing

extension NodeTests {
    /// `POST /api/v1/urls/import`
    @Suite struct ImportRoute {
        private func line(_ number: Int, _ host: String = "example.com") -> String {
            #"{"long_url":"https://\#(host)/\#(number)","short_code":"name-\#(number)"}"#
        }

        /// All that a row may say is kept, and the results stand in the order of the rows.
        @Test func rows() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let key = try node.makeKey("--owner", "team")
            let client = try node.connect()
            let results = try client.importLines(
                [
                    #"{"long_url":"https://example.com/a","short_code":"kept","created_at":"2019-01-02T03:04:05.678Z","title":"T","tags":["a","b"],"forward_query":true,"expires_at":"2090-01-01T00:00:00Z","owner":"other","region":"x"}"#,
                    "", #"{"long_url":"https://example.com/b"}"#,
                    #"{"long_url":"https://example.com/c","custom_alias":"off","is_active":false}"#,
                    #"{"long_url":"https://example.com/d","short_code":"gone","expires_at":"2020-01-01T00:00:00Z"}"#,
                ], key: key)
            #expect(results.map(verdict) == ["created", "created", "created", "created"])
            #expect(results.map { $0["line"] as? Int } == [1, 3, 4, 5])
            let code = try #require(results[1]["short_code"] as? String)
            #expect(results[0]["short_code"] as? String == "kept" && code.utf8.count == 7)
            let next = try node.connect()
            let link = try next.get("/api/v1/urls/kept", key: key)
            #expect(try link.string("created_at") == "2019-01-02T03:04:05.678Z" && link.string("title") == "T")
            #expect(try link.string("expires_at") == "2090-01-01T00:00:00Z" && link.string("owner") == "team")
            #expect(try link.object["tags"] as? [String] == ["a", "b"])
            #expect(try link.object["forward_query"] as? Bool == true && link.string("region") == "local")
            #expect(try next.get("/kept?x=1")["location"] == "https://example.com/a?x=1")
            #expect(try next.get("/\(code)")["location"] == "https://example.com/b")
            #expect(try next.get("/off").status == 410 && next.get("/gone").status == 410)
        }

        /// Each bad row is told of, and changes nothing for the next.
        @Test func badRows() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let rows: [(line: String, verdict: String)] = [
                ("no JSON", "rejected invalid-json"), ("[]", "rejected invalid-json"),
                (#"{"long_url":1}"#, "rejected invalid-json"), (#"{"short_code":"abc"}"#, "rejected invalid-json"),
                (#"{"long_url":"https://example.com/","colour":"red"}"#, "rejected invalid-json"),
                ("{\"long_url\":\"https://example.com/\u{0}\"}", "rejected invalid-json"),
                (#"{"long_url":"https://example.com/","short_code":"a","custom_alias":"b"}"#, "rejected invalid-json"),
                (#"{"long_url":"ftp://example.com/"}"#, "rejected invalid-url"),
                (#"{"long_url":"http://127.0.0.1/"}"#, "rejected invalid-url"),
                (#"{"long_url":"https://example.com/","short_code":"a"}"#, "rejected invalid-alias"),
                (#"{"long_url":"https://example.com/","short_code":"with space"}"#, "rejected invalid-alias"),
                (#"{"long_url":"https://example.com/","short_code":"health"}"#, "rejected invalid-alias"),
                (
                    #"{"long_url":"https://example.com/","short_code":"\#(String(repeating: "x", count: 65))"}"#,
                    "rejected invalid-alias"
                ),
                (
                    #"{"long_url":"https://example.com/","title":"\#(String(repeating: "x", count: 513))"}"#,
                    "rejected invalid-title"
                ),
                (#"{"long_url":"https://example.com/","tags":["a","a"]}"#, "rejected invalid-tags"),
                (
                    #"{"long_url":"https://example.com/","created_at":"2100-01-01T00:00:00Z"}"#,
                    "rejected invalid-creation"
                ),
                (#"{"long_url":"https://example.com/","created_at":"yesterday"}"#, "rejected invalid-json"),
                (
                    #"{"long_url":"https://example.com/","expires_at":"9000-01-01T00:00:00Z"}"#,
                    "rejected invalid-expiry"
                ),
                (
                    #"{"long_url":"https://example.com/\#(String(repeating: "x", count: 70_000))"}"#,
                    "rejected invalid-json"
                ),
                (#"{"long_url":"https://example.com/last","short_code":"last"}"#, "created"),
            ]
            let results = try node.connect().importLines(rows.map(\.line))
            #expect(results.count == rows.count)
            for (result, row) in zip(results, rows) {
                #expect(verdict(result) == row.verdict, "\(row.line.prefix(100))")
            }
            for result in results.dropLast() {
                let problem = try #require(result["problem"] as? [String: Any])
                #expect((problem["detail"] as? String)?.isEmpty == false)
            }
            #expect(try Finished(["dump", "--data", node.data]).output.split(separator: "\n").count == 1)
            // Bytes that are no UTF-8, and a last line without an end.
            let client = try node.connect()
            try client.beginImport()
            try client.send(Array("4\r\n".utf8) + [0x22, 0xff, 0x22, 0x0a] + Array("\r\n".utf8))
            try client.send(Client.chunk(line(1)) + "0\r\n\r\n")
            #expect(try LineStream(client).results().map(verdict) == ["rejected invalid-json", "created"])
        }

        /// What somebody has is never overwritten, whatever became of it; one's own is there already.
        @Test func takenCodes() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let (key, other) = (try node.makeKey("--owner", "a"), try node.makeKey("--owner", "b"))
            let client = try node.connect()
            _ = try client.create("https://example.com/1", key: other, alias: "name-1")
            _ = try client.create("https://example.com/2", key: key, alias: "name-2")
            _ = try client.create("https://example.com/3", key: key, alias: "name-3")
            #expect(try client.change("name-3", nil, key: key).status == 204)
            _ = try client.create("https://example.org/4", key: key, alias: "name-4")
            let generated = try client.create("https://example.com/5", key: key)
            let foreign = try client.create("https://example.com/6", key: other)
            let rows =
                (1...4).map { line($0) } + [
                    #"{"long_url":"https://example.com/5","short_code":"\#(generated)"}"#,
                    #"{"long_url":"https://example.com/5","short_code":"\#(foreign)"}"#,
                    line(7), line(7), line(7, "example.org"),
                ]
            let wanted = [
                "rejected alias-taken", "exists", "rejected alias-taken", "rejected alias-taken", "exists",
                "rejected alias-taken", "created", "exists", "rejected alias-taken",
            ]
            #expect(try node.connect().importLines(rows, key: key).map(verdict) == wanted)
            let again = try node.connect().importLines(rows, key: key).map(verdict)
            #expect(again == wanted.map { $0 == "created" ? "exists" : $0 })
            let next = try node.connect()
            #expect(try next.get("/name-1")["location"] == "https://example.com/1")
            #expect(try next.get("/name-3").status == 410)
            #expect(try next.get("/name-4")["location"] == "https://example.org/4")
            #expect(try next.get("/\(foreign)")["location"] == "https://example.com/6")
        }

        /// The same rows with the same key make no link twice, those without a code included.
        @Test func repeated() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let (key, other) = (try node.makeKey("--owner", "a"), try node.makeKey("--owner", "b"))
            func results(
                _ rows: [String], by key: String, _ id: String, _ query: String = ""
            ) throws -> [[String: Any]] {
                let target = Client.importTarget + query
                return try node.connect().importLines(rows, key: key, target, "Idempotency-Key: \(id)\r\n")
            }
            func codes(_ results: [[String: Any]]) -> [String] { results.compactMap { $0["short_code"] as? String } }
            let bare = #"{"long_url":"https://example.com/a"}"#
            let rows = [line(1), bare, "no JSON", bare]
            let wanted = ["exists", "exists", "rejected invalid-json", "exists"]
            #expect(try results(rows, by: key, "a", "?dry_run=true").map(verdict).last == "would-create")
            let first = try results(rows, by: key, "a")
            #expect(first.map(verdict) == wanted.map { $0 == "exists" ? "created" : $0 })
            #expect(Set(codes(first)).count == 3)
            for query in ["", "?dry_run=true"] {
                let again = try results(rows, by: key, "a", query)
                #expect(again.map(verdict) == wanted && codes(again) == codes(first))
            }
            // What was cut goes on where it ended.
            let more = try results(rows + [bare], by: key, "a")
            #expect(more.map(verdict) == wanted + ["created"])
            // Another key's rows, and another client's, are other links.
            for (key, id) in [(key, "b"), (other, "a")] {
                let made = try results([bare, bare], by: key, id)
                #expect(made.map(verdict) == ["created", "created"])
                #expect(Set(codes(made)).isDisjoint(with: codes(more)))
            }
            // The row of that number was another one, and the key another request's.
            let changed = [line(1), #"{"long_url":"https://example.com/b"}"#]
            #expect(try results(changed, by: key, "a").map(verdict) == ["exists", "rejected idempotency-mismatch"])
            let bearer = "Authorization: Bearer \(key)\r\n"
            let single = try node.connect().create(idempotently: "single", bare, "/api/v1/urls", bearer)
            #expect(single.status == 201)
            let client = try node.connect()
            try client.beginImport(key: key, "Idempotency-Key: single\r\n")
            try client.read().expectProblem(422, "idempotency-mismatch")
        }

        /// A code that looks generated, and has not been, is kept and never handed out.
        @Test func shapedCodes() throws {
            let node = try RunningNode()
            let codes = ["1abcdef", "1000000", "1zzzzzz", "1abcdefgh", "1abcdefghijk"].filter { $0.utf8.count != 9 }
            let rows = codes.map { #"{"long_url":"https://example.com/\#($0)","short_code":"\#($0)"}"# }
            #expect(try node.connect().importLines(rows).map(verdict) == codes.map { _ in "created" })
            let client = try node.connect()
            for code in codes { #expect(try client.get("/\(code)")["location"] == "https://example.com/\(code)") }
            #expect(try Set((0..<100).map { _ in try client.create("https://example.com/") }).isDisjoint(with: codes))
        }

        /// A row for which there is no room is told of as such; what was told to be made is there.
        @Test func fullStore() throws {
            let node = try RunningNode(["--map_size", "16MiB", "--rate_limit_create", "off"])
            let padding = String(repeating: "x", count: 1900)
            let rows = (0..<2800).map {
                #"{"long_url":"https://example.com/\#(padding)","short_code":"name-\#($0)"}"#
            }
            let file = node.directory.write(rows.joined(separator: "\n"), to: "links")
            let imported = try Finished(["import", "ndjson", file, "--server", node.url])
            let created = try #require(imported.output.split(separator: " ").first.flatMap { Int($0) })
            #expect(imported.ending == .exited(1) && (1..<2800).contains(created))
            #expect(imported.output == "\(created) created, 0 there already, \(2800 - created) rejected\n")
            let refused = imported.error.split(separator: "\n")
            #expect(refused.count == 2800 - created && refused.allSatisfy { $0.hasPrefix("line ") })
            #expect(refused[0].contains("when there is room"), "\(refused[0])")
            let numbers = Set(refused.compactMap { $0.firstMatch(of: /name-(\d+)/).flatMap { Int($0.1) } })
            let client = try node.connect()
            for number in stride(from: 0, to: 2800, by: 7) {
                #expect(try client.get("/name-\(number)").status == (numbers.contains(number) ? 404 : 302))
            }
        }

        // MARK: Who may

        @Test func rights() throws {
            let node = try RunningNode(RunningNode.withAdmin + ["--anonymous_create", "off"])
            let manager = try node.makeKey("--scopes", "links:manage")
            let admin = try node.makeKey("--scopes", "admin", "--owner", "boss")
            func refusal(_ key: String?, _ fields: String = "") throws -> Answer {
                let client = try node.connect()
                try client.beginImport(key: key, fields)
                return try client.read()
            }
            try refusal(nil).expectProblem(401, "unauthorized")
            try refusal(manager).expectProblem(403, "forbidden")
            let row = #"{"long_url":"https://example.com/","short_code":"theirs","owner":"someone"}"#
            #expect(try node.connect().importLines([row], key: admin).map(verdict) == ["created"])
            let wrong = #"{"long_url":"https://example.com/","owner":"\#(String(repeating: "x", count: 256))"}"#
            #expect(try node.connect().importLines([wrong], key: admin).map(verdict) == ["rejected invalid-json"])
            let answer = try node.connect().get("/api/v1/urls/theirs", key: admin)
            #expect(try answer.string("owner") == "someone")
        }

        /// What an admin imports for others is an act, once for all rows, and what is made for oneself is none.
        @Test func audited() throws {
            let node = try RunningNode(RunningNode.withAdmin + ["--rate_limit_read", "off"])
            let admin = try node.makeKey("--scopes", "admin,links:create", "--owner", "boss")
            let theirs = (1...3).map { #"{"long_url":"https://example.com/\#($0)","owner":"someone"}"# }
            for (flags, rows) in [("", [line(1)]), ("?dry_run=true", theirs), ("", theirs + [line(2)])] {
                let target = Client.importTarget + flags
                #expect(try node.connect().importLines(rows, key: admin, target).count == rows.count)
            }
            let client = try node.connect()
            let deadline = Deadline()
            while true {
                let acts = try client.moderate("GET", "/api/v1/audit", key: admin).text
                #expect(!acts.contains("4 rows") && !acts.contains("1 rows"))
                if acts.contains(#""act":"import","subject":"3 rows","by":"boss""#) { break }
                try #require(!deadline.isOver, "\(acts)")
            }
            #expect(try client.moderate("GET", "/api/v1/audit", key: admin).text.split(separator: "import").count == 2)
        }

        /// Rows count as links that are made, and wait where a request would be refused; an administrator's do not.
        @Test func limits() throws {
            let node = try RunningNode(RunningNode.withAdmin + ["--rate_limit_create", "1/m burst 5"])
            // The request takes one, each row another one.
            #expect(
                try node.connect().importLines((1...3).map { line($0) }).map(verdict) == [
                    "created", "created", "created",
                ])
            let client = try node.connect()
            #expect(try client.post("/api/v1/urls", json: #"{"long_url":"https://example.com/"}"#).status == 201)
            #expect(try client.post("/api/v1/urls", json: #"{"long_url":"https://example.com/"}"#).status == 429)
            let admin = try node.makeKey("--scopes", "admin")
            #expect(try node.connect().importLines((10..<40).map { line($0) }, key: admin).count == 30)
            // One that has to wait goes on when it may.
            let patient = try RunningNode(["--rate_limit_create", "50/s burst 2"])
            let results = try patient.connect().importLines((1...20).map { line($0) })
            #expect(results.map(verdict) == (1...20).map { _ in "created" })
        }

        @Test func refusedRequests() throws {
            let node = try RunningNode()
            func answer(_ target: String, _ fields: String) throws -> Answer {
                let client = try node.connect()
                try client.send(Client.request("POST", target, fields + "Content-Length: 2\r\n") + "{}")
                let answers = try client.readToEnd()
                #expect(answers.count == 1 && answers[0]["connection"] == "close")
                return answers[0]
            }
            let type = "Content-Type: application/x-ndjson\r\n"
            let target = Client.importTarget
            try answer(target, "").expectProblem(415, "unsupported-media-type")
            try answer(target, "Content-Type: application/json\r\n").expectProblem(415, "unsupported-media-type")
            try answer(target, type + "Content-Encoding: gzip\r\n").expectProblem(415, "unsupported-media-type")
            try answer(target + "?dry_run=yes", type).expectProblem(400, "invalid-query")
            try answer(target + "?colour=red", type).expectProblem(400, "invalid-query")
            // The path is a link's too, whose alias it may be.
            let client = try node.connect()
            let made = try client.post(
                "/api/v1/urls", json: #"{"long_url":"https://example.com/","custom_alias":"import"}"#)
            #expect(made.status == 201)
            #expect(try client.get("/api/v1/urls/import").status == 200)
            #expect(try client.get("/api/v1/urls/import", method: "PUT").status == 405)
        }

        @Test func dryRun() throws {
            let node = try RunningNode()
            _ = try node.connect().create("https://example.com/2", #","custom_alias":"name-2""#)
            _ = try node.connect().create("https://example.org/3", #","custom_alias":"name-3""#)
            let before = try Finished(["dump", "--data", node.data]).output
            let rows = [line(1), line(2), line(3), "{}", #"{"long_url":"https://example.com/"}"#]
            let results = try node.connect().importLines(rows, Client.importTarget + "?dry_run=true")
            #expect(
                results.map(verdict) == [
                    "would-create", "exists", "rejected alias-taken", "rejected invalid-json", "would-create",
                ])
            #expect(try Finished(["dump", "--data", node.data]).output == before)
        }
    }
}
