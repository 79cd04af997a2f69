import Foundation
import Glibc
import Testing

extension Client {
    /// The answer once the node is not too busy with what came before, as a slow one may be.
    func patiently(_ ask: () throws -> Answer) throws -> Answer {
        let deadline = Deadline()
        while true {
            let answer = try ask()
            guard answer.status == 503, try answer.string("code") == "overloaded", !deadline.isOver else {
                return answer
            }
            poll(nil, 0, 20)
        }
    }

    /// The batch as it is once it is done.
    func awaitBatch(_ id: String, _ fields: String = "") throws -> [String: Any] {
        let deadline = Deadline()
        while true {
            let answer = try patiently {
                try send(Self.request("GET", "/api/v1/urls/bulk/\(id)", fields))
                return try read()
            }
            guard answer.status == 200 else { throw HarnessError(answer.text) }
            let batch = try answer.object
            if batch["status"] as? String == "done" { return batch }
            guard !deadline.isOver else { throw HarnessError("not done: \(answer.text.prefix(300))") }
            poll(nil, 0, 20)
        }
    }

    func takeBatch(_ body: String, key: String? = nil, _ fields: String = "") throws -> String {
        let answer = try patiently { try create(idempotently: key, body, "/api/v1/urls/bulk", fields) }
        guard answer.status == 202 else { throw HarnessError(answer.text) }
        let id = try answer.string("batch_id")
        #expect(answer["location"] == "/api/v1/urls/bulk/\(id)")
        return id
    }
}

/// Results of a batch: codes, or the problem's code.
func outcomes(_ batch: [String: Any]) throws -> [String] {
    let results = try #require(batch["results"] as? [[String: Any]])
    return try results.map { result in
        let status = try #require(result["status"] as? Int)
        if let link = result["link"] as? [String: Any] {
            #expect(status == 201)
            return try #require(link["short_code"] as? String)
        }
        let problem = try #require(result["problem"] as? [String: Any])
        #expect(problem["status"] as? Int == status)
        return try #require(problem["code"] as? String)
    }
}

extension NodeTests {
    /// Many links by one request.
    @Suite struct Bulk {
        private static func entries(_ range: Range<Int>, _ members: String = "") -> String {
            "[" + range.map { #"{"long_url":"https://example.com/\#($0)"\#(members)}"# }.joined(separator: ",") + "]"
        }

        /// Each entry for itself, in order.
        @Test func results() throws {
            let node = try RunningNode()
            let client = try node.connect()
            #expect(try client.create("https://example.com/", #","custom_alias":"taken""#) == "taken")
            let claim = String(repeating: "0f", count: 16)
            let entries = [
                #"{"long_url":"https://example.com/a","title":"A","tags":["x"],"expires_in":60,"forward_query":true}"#,
                #"{"long_url":"https://example.com/b","custom_alias":"bulk"}"#,
                #"{"long_url":"https://example.com/c","custom_alias":"taken"}"#,
                #"{"long_url":"https://example.com/d","custom_alias":"bulk"}"#, #"{"long_url":"http://10.0.0.1/"}"#,
                #"{"long_url":"example.com"}"#, #"{"long_url":"https://example.com/","expires_in":0}"#, "{}", "7", "[]",
                #"{"long_url":"https://example.com/","title":7}"#, #"{"long_url":"https://example.com/","x":7}"#,
                #"{"long_url":"https://example.com/","custom_alias":"mine","claim_id":"\#(claim)"}"#,
                #"{"long_url":"https://example.com/a"}"#,
            ]
            let batch = try client.awaitBatch(try client.takeBatch("[\(entries.joined(separator: ","))]"))
            #expect(batch["total"] as? Int == entries.count && batch["done"] as? Int == entries.count)
            let outcomes = try outcomes(batch)
            #expect(
                Array(outcomes[1..<13]) == [
                    "bulk", "alias-taken", "alias-taken", "invalid-url", "invalid-url", "invalid-expiry",
                    "invalid-json", "invalid-json", "invalid-json", "invalid-json", "invalid-json", "invalid-json",
                ])
            #expect(outcomes[0] != outcomes[13])
            for (code, path) in [(outcomes[0], "a"), ("bulk", "b"), (outcomes[13], "a")] {
                #expect(try client.get("/\(code)")["location"] == "https://example.com/\(path)")
            }
            // As reading the link shows it; also the one whose name is a part of the path.
            let results = try #require(batch["results"] as? [[String: Any]])
            for (index, code) in [(0, outcomes[0]), (1, "bulk")] {
                let link = try client.get("/api/v1/urls/\(code)").object
                #expect(
                    NSDictionary(dictionary: link)
                        == NSDictionary(dictionary: results[index]["link"] as? [String: Any] ?? [:]))
            }
        }

        @Test func refusedAsAWhole() throws {
            let node = try RunningNode()
            let client = try node.connect()
            for (body, status, code) in [
                ("[]", 422, "invalid-batch"), (Self.entries(0..<1001), 422, "invalid-batch"),
                ("{}", 400, "invalid-json"),
                ("[", 400, "invalid-json"), ("", 400, "invalid-json"),
                ("[" + String(repeating: "0,", count: 30_000) + "0]", 400, "invalid-json"),
                ("[" + String(repeating: " ", count: 1 << 20) + "]", 413, "payload-too-large"),
            ] {
                try client.patiently { try client.post("/api/v1/urls/bulk", json: body) }.expectProblem(
                    status, code, "\(body.prefix(20))")
            }
            try client.patiently {
                try client.post("/api/v1/urls/bulk", Array(Self.entries(0..<1).utf8), type: "text/plain")
            }
            .expectProblem(415, "unsupported-media-type")
            let id = String(repeating: "0f", count: 16)
            for path in ["x", "10" + id, "1G" + id, "10" + id.uppercased(), "20" + id] {
                try client.get("/api/v1/urls/bulk/\(path)").expectProblem(404, "not-found", "\(path)")
            }
            try client.get("/api/v1/urls/bulk/11\(id)").expectProblem(421, "batch-elsewhere")
            try client.get("/api/v1/urls/bulk").expectProblem(404, "not-found")
            #expect(try client.get("/api/v1/urls/bulk/x", method: "OPTIONS")["allow"] == "GET, HEAD, OPTIONS")
            let closed = try RunningNode(["--anonymous_create", "off"]).connect()
            try closed.post("/api/v1/urls/bulk", json: Self.entries(0..<1)).expectProblem(401, "unauthorized")
        }

        /// As many as there may be, with others' requests between them.
        @Test func aThousand() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let (client, other) = (try node.connect(), try node.connect())
            let id = try client.takeBatch(Self.entries(0..<1000, #","tags":["a","b","c"],"title":"T""#))
            for number in 0..<50 {
                let body = #"{"long_url":"https://other.example/\#(number)"}"#
                #expect(try other.patiently { try other.post("/api/v1/urls", json: body) }.status == 201)
            }
            let codes = try outcomes(try client.awaitBatch(id))
            #expect(Set(codes).count == 1000)
            for index in stride(from: 0, to: 1000, by: 97) {
                #expect(try client.get("/\(codes[index])")["location"] == "https://example.com/\(index)")
            }
            let metrics = try node.connectToAdmin().get("/metrics").text
            #expect(metrics.contains(#"edge_batch_entries_total{result="made"} 1000"#))
            #expect(metrics.contains("edge_batches_unfinished 0"))
        }

        /// Its maker sees it, and who may see everything.
        @Test func whoSeesIt() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let client = try node.connect()
            func bearer(_ key: String) -> String { "Authorization: Bearer \(key)\r\n" }
            let keys = try [("--owner", "a", "1"), ("--owner", "b", "2"), ("--owner", "a", "3")].map {
                try node.makeKey($0.0, $0.1, name: $0.2)
            }
            let admin = try node.makeKey("--scopes", "admin", name: "4")
            let id = try client.takeBatch(Self.entries(0..<2), bearer(keys[0]))
            let batch = try client.awaitBatch(id, bearer(keys[0]))
            let links = try #require(batch["results"] as? [[String: Any]]).compactMap { $0["link"] as? [String: Any] }
            #expect(links.count == 2 && links.allSatisfy { $0["owner"] as? String == "a" })
            for key in [keys[2], admin] { _ = try client.awaitBatch(id, bearer(key)) }
            for fields in [bearer(keys[1]), ""] {
                try client.send(Client.request("GET", "/api/v1/urls/bulk/\(id)", fields))
                try client.read().expectProblem(404, "not-found")
            }
            let mine = try client.takeBatch(Self.entries(0..<1))
            #expect(try outcomes(try client.awaitBatch(mine)).count == 1)
            try client.send(Client.request("GET", "/api/v1/urls/bulk/\(mine)", bearer(keys[1])))
            try client.read().expectProblem(404, "not-found")
            let manager = try node.makeKey("--scopes", "links:manage", name: "5")
            try client.create(idempotently: nil, Self.entries(0..<1), "/api/v1/urls/bulk", bearer(manager))
                .expectProblem(403, "forbidden")
        }

        /// The same request again is the same batch.
        @Test func again() throws {
            let node = try RunningNode()
            let client = try node.connect()
            let id = try client.takeBatch(Self.entries(0..<20), key: "a")
            let again = try client.create(idempotently: "a", Self.entries(0..<20), "/api/v1/urls/bulk")
            #expect(try again.status == 202 && again.string("batch_id") == id && again["idempotent-replayed"] == "true")
            try client.create(idempotently: "a", Self.entries(0..<21), "/api/v1/urls/bulk")
                .expectProblem(422, "idempotency-mismatch")
            try client.create(idempotently: "a", #"{"long_url":"https://example.com/"}"#)
                .expectProblem(422, "idempotency-mismatch")
            let codes = try outcomes(try client.awaitBatch(id))
            let later = try client.create(idempotently: "a", Self.entries(0..<20), "/api/v1/urls/bulk")
            #expect(try later.status == 202 && outcomes(try client.awaitBatch(later.string("batch_id"))) == codes)
            #expect(try client.takeBatch(Self.entries(0..<20)) != id)
        }

        /// Killed in the midst of it, again and again: it goes on, and no entry is made twice.
        @Test func killed() throws {
            var node = try RunningNode()
            let id = try node.connect().takeBatch(Self.entries(0..<1000))
            for life in 1...5 {
                let client = try node.connect()
                let deadline = Deadline()
                var done = 0
                while done < 150 * life, !deadline.isOver {
                    let answer = try client.patiently { try client.get("/api/v1/urls/bulk/\(id)") }
                    done = try #require(answer.object["done"] as? Int)
                }
                node.child.kill()
                node = try node.restarted()
            }
            let codes = try outcomes(try node.connect().awaitBatch(id))
            #expect(Set(codes).count == 1000)
            #expect(node.stop() == .exited(0))
            let dump = try Finished(["dump", "--data", node.data])
            #expect(dump.output.split(separator: "\n").count == 1000)
            let verdict = try Finished(["verify", "--data", node.data])
            #expect(verdict.ending == .exited(0), "\(verdict.output)\(verdict.error)")
        }
    }
}
