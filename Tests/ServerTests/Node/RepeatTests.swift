import Foundation
import Glibc
import Testing

extension Client {
    static func creation(
        key: String?, _ body: String, _ target: String = "/api/v1/urls", _ fields: String = ""
    ) -> String {
        let field = key.map { "Idempotency-Key: \($0)\r\n" } ?? ""
        return request(
            "POST", target,
            field + fields + "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n") + body
    }

    func create(
        idempotently key: String?, _ body: String, _ target: String = "/api/v1/urls", _ fields: String = ""
    ) throws -> Answer {
        try send(Self.creation(key: key, body, target, fields))
        return try read()
    }
}

extension NodeTests {
    /// Requests with an Idempotency-Key.
    @Suite struct Repeats {
        private static let body = #"{"long_url":"https://example.com/","title":"A"}"#

        /// What answers to one request say alike: status, link, ETag.
        private func expectReplay(_ answer: Answer, of first: Answer, _ comment: Comment? = nil) {
            #expect(answer.status == 201 && answer.body == first.body, comment ?? "\(answer.text)")
            for name in ["etag", "location", "x-write-region", "x-write-ts", "content-type"] {
                #expect(answer[name] == first[name], "\(name)")
            }
            #expect(answer["idempotent-replayed"] == "true" && answer["edge-token"] != nil)
        }

        @Test(arguments: ["/api/v1/urls", "/shorten"]) func theFirstAnswerAgain(target: String) throws {
            let node = try RunningNode()
            let client = try node.connect()
            for alias in ["", #","custom_alias":"name""#] {
                let body = #"{"long_url":"https://example.com/"\#(alias)}"#
                let first = try client.create(idempotently: "key\(alias.utf8.count)", body, target)
                #expect(first.status == 201 && first["idempotent-replayed"] == nil)
                for _ in 0..<2 {
                    expectReplay(try client.create(idempotently: "key\(alias.utf8.count)", body, target), of: first)
                }
            }
            let without = try client.create(idempotently: nil, Self.body.replacing(#","title":"A""#, with: ""), target)
            #expect(without.status == 201 && without["idempotent-replayed"] == nil)
        }

        /// As it was made, whatever was done to it since, and though what it asked for would be refused by now.
        @Test func asItWasMade() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let key = try node.makeKey("--scopes", "links:create,links:manage")
            let bearer = "Authorization: Bearer \(key)\r\n"
            let client = try node.connect()
            let first = try client.create(idempotently: "a", Self.body, "/api/v1/urls", bearer)
            let code = try first.string("short_code")
            #expect(try client.change(code, #"{"title":"B"}"#, key: key).status == 200)
            expectReplay(try client.create(idempotently: "a", Self.body, "/api/v1/urls", bearer), of: first)
            #expect(try client.change(code, nil, key: key).status == 204)
            expectReplay(try client.create(idempotently: "a", Self.body, "/api/v1/urls", bearer), of: first)
            #expect(try client.get("/\(code)").status == 410)
        }

        /// The same key and another request, whatever differs.
        @Test func otherRequests() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let client = try node.connect()
            let first = try client.create(idempotently: "a", Self.body)
            for (body, target) in [
                (#"{"long_url":"https://example.com/","title":"B"}"#, "/api/v1/urls"),
                (Self.body + " ", "/api/v1/urls"),
                (#"{"long_url":"https://example.com/","custom_alias":"name"}"#, "/api/v1/urls"),
                (Self.body, "/shorten"), ("[" + Self.body + "]", "/api/v1/urls/bulk"), ("not JSON", "/api/v1/urls"),
            ] {
                try client.create(idempotently: "a", body, target).expectProblem(422, "idempotency-mismatch")
            }
            #expect(try client.get("/name").status == 404)
            expectReplay(try client.create(idempotently: "a", Self.body), of: first)
            // What was refused left nothing behind.
            try client.create(idempotently: "b", "{}").expectProblem(400, "invalid-json")
            #expect(try client.create(idempotently: "b", Self.body).status == 201)
            let metrics = try node.connectToAdmin().get("/metrics").text
            #expect(metrics.contains(#"edge_repeated_requests_total{result="mismatched"} 6"#))
            #expect(metrics.contains(#"edge_repeated_requests_total{result="replayed"} 1"#))
        }

        /// Nobody meets another's key.
        @Test func scopes() throws {
            let node = try RunningNode(RunningNode.withAdmin + ["--trusted_proxies", "127.0.0.1"])
            let client = try node.connect()
            var codes = Set<String>()
            let keys = try (0..<2).map { try node.makeKey("--owner", "owner-\($0)", name: "\($0)") }
            let callers =
                keys.map { "Authorization: Bearer \($0)\r\n" }
                + [
                    "", "X-Forwarded-For: 192.0.2.1\r\n", "X-Forwarded-For: 192.0.2.2\r\n",
                    "X-Forwarded-For: 2001:db8::1\r\n",
                ]
            for fields in callers {
                let first = try client.create(idempotently: "a", Self.body, "/api/v1/urls", fields)
                #expect(codes.insert(try first.string("short_code")).inserted)
                expectReplay(try client.create(idempotently: "a", Self.body, "/api/v1/urls", fields), of: first)
            }
            // One network.
            let neighbour = try client.create(
                idempotently: "a", Self.body, "/api/v1/urls", "X-Forwarded-For: 2001:db8::2\r\n")
            #expect(try codes.contains(neighbour.string("short_code")))
            // One owner's keys are one principal's.
            let second = try node.makeKey("--owner", "owner-0", name: "second")
            let again = try client.create(
                idempotently: "a", Self.body, "/api/v1/urls", "Authorization: Bearer \(second)\r\n")
            #expect(again["idempotent-replayed"] == "true")
        }

        @Test func keysThatAreNone() throws {
            let client = try RunningNode().connect()
            for key in ["", String(repeating: "a", count: 256), "a b", "a\tb", "ü"] {
                try client.create(idempotently: key, Self.body).expectProblem(400, "invalid-idempotency-key", "\(key)")
            }
            let claim =
                #"{"long_url":"https://example.com/","custom_alias":"name","claim_id":"\#(String(repeating: "0f", count: 16))"}"#
            try client.create(idempotently: "a", claim).expectProblem(400, "invalid-idempotency-key")
            for key in ["a", String(repeating: "~", count: 255), "!", "\"quoted\""] {
                #expect(try client.create(idempotently: key, Self.body).status == 201, "\(key)")
            }
        }

        /// Many at once: one link.
        @Test(arguments: ["", #","custom_alias":"name""#]) func atOnce(alias: String) throws {
            let node = try RunningNode()
            let clients = try (0..<24).map { _ in try node.connect() }
            let body = #"{"long_url":"https://example.com/"\#(alias)}"#
            for client in clients { try client.send(String(repeating: Client.creation(key: "k", body), count: 4)) }
            let all = try clients.flatMap { client in try (0..<4).map { _ in try client.read() } }
            // A slow node may be too busy for some.
            let answers = all.filter { $0.status != 503 }
            #expect(answers.allSatisfy { $0.status == 201 && $0.body == answers[0].body }, "\(answers.map(\.text))")
            #expect(answers.count { $0["idempotent-replayed"] == nil } == 1)
        }

        /// Killed with requests under way: whoever was told nothing asks again, and there is one link for each key.
        @Test(arguments: [3] as [UInt64]) func killed(seed: UInt64) throws {
            print("seed \(seed)")
            var node = try RunningNode()
            var codes: [Int: String] = [:]
            let keys = 240
            for life in 1...6 {
                let client = try node.connect()
                let waiting = (0..<keys).filter { codes[$0] == nil || $0 % 3 == 0 }
                try client.send(
                    waiting.map { Client.creation(key: "key-\($0)", #"{"long_url":"https://example.com/\#($0)"}"#) }
                        .joined())
                var answers: [Answer] = []
                for _ in 0..<min(waiting.count, life == 6 ? .max : 20 * life + Int(seed)) {
                    answers.append(try client.read())
                }
                node.child.kill()
                answers += try client.readToEnd()
                for (key, answer) in zip(waiting, answers) {
                    let code = try answer.string("short_code")
                    #expect(answer.status == 201 && codes.updateValue(code, forKey: key) ?? code == code, "key \(key)")
                }
                node = try node.restarted()
            }
            #expect(codes.count == keys && Set(codes.values).count == keys)
            #expect(node.stop() == .exited(0))
            // As many links as keys: what was made and not told is what was told later.
            let dump = try Finished(["dump", "--data", node.data])
            #expect(dump.output.split(separator: "\n").count == keys)
            let verdict = try Finished(["verify", "--data", node.data])
            #expect(verdict.ending == .exited(0), "\(verdict.output)\(verdict.error)")
        }
    }
}
