import Foundation
import Testing

extension Client {
    /// Sends a PUT with `json`, or without it a DELETE, of a block.
    func block(_ code: String, _ json: String? = #"{"reason":"phishing"}"#, key: String?) throws -> Answer {
        try moderate(json == nil ? "DELETE" : "PUT", "/api/v1/blocks/" + code, json, key: key)
    }

    /// One request for or by an admin.
    func moderate(_ method: String, _ target: String, _ json: String? = nil, key: String?) throws -> Answer {
        var fields = key.map { "Authorization: Bearer \($0)\r\n" } ?? ""
        if let json { fields += "Content-Type: application/json\r\nContent-Length: \(json.utf8.count)\r\n" }
        try send(Self.request(method, target, fields) + (json ?? ""))
        return try read(to: method, target)
    }

    /// A redirect as a browser asks for it.
    func browse(_ target: String, method: String = "GET") throws -> Answer {
        try send(Self.request(method, target, "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"))
        return try read(to: method, target)
    }
}

extension NodeTests {
    /// Blocks of links, on a node that is alone.
    @Suite struct Blocks {
        private struct Subject {
            let node: RunningNode
            let client: Client
            let admin, owner: String

            init(_ flags: String...) throws {
                node = try RunningNode(RunningNode.withAdmin + flags)
                client = try node.connect()
                admin = try node.makeKey("--owner", "moderator", "--scopes", "admin")
                owner = try node.makeKey("--owner", "team", "--scopes", "links:create,links:manage")
            }
        }

        @Test func madeShownListedAndLifted() throws {
            let subject = try Subject()
            let (client, admin) = (subject.client, subject.admin)
            for alias in [nil, "an-alias"] {
                let code = try client.create("https://example.com/", key: subject.owner, alias: alias)
                try client.moderate("GET", "/api/v1/blocks/\(code)", key: admin).expectProblem(404, "not-found")
                let made = try client.block(code, key: admin)
                #expect(made.status == 201 && made["edge-token"] != nil && made["x-write-region"] == "local")
                let block = try made.object
                #expect(block["short_code"] as? String == code && block["is_blocked"] as? Bool == true)
                #expect(block["reason"] as? String == "phishing" && block["list"] is NSNull)
                #expect(block["decided_by"] as? String == "moderator" && block["region"] as? String == "local")
                #expect(block["decided_at"] as? String == made["x-write-ts"])
                // The same again is no write; other words are.
                let again = try client.block(code, key: admin)
                #expect(again.status == 200 && again.body == made.body && again["edge-token"] == nil)
                let other = try client.block(code, #"{"reason":"it says so"}"#, key: admin)
                #expect(other.status == 200 && other["edge-token"] != nil)
                let shown = try client.moderate("GET", "/api/v1/blocks/\(code)", key: admin)
                #expect(shown.status == 200 && shown.body == other.body)
                for _ in 0..<2 {
                    let lifted = try client.block(code, nil, key: admin)
                    #expect(lifted.status == 204 && lifted.body.isEmpty)
                    #expect(try client.get("/\(code)").status == 302)
                }
                #expect(
                    try client.moderate("GET", "/api/v1/blocks/\(code)", key: admin).object["is_blocked"] as? Bool
                        == false)
                #expect(try client.block(code, "{}", key: admin).status == 201)
            }
            var (codes, target): ([String], String) = ([], "/api/v1/blocks?limit=1")
            while true {
                let page = try client.moderate("GET", target, key: admin).object
                for block in try #require(page["blocks"] as? [[String: Any]]) {
                    codes.append(try #require(block["short_code"] as? String))
                }
                guard let cursor = page["next_cursor"] as? String else { break }
                target = "/api/v1/blocks?limit=1&cursor=\(cursor)"
            }
            #expect(codes.count == 2 && codes[1] == "an-alias")
        }

        @Test func refusals() throws {
            let subject = try Subject()
            let (client, admin) = (subject.client, subject.admin)
            let code = try client.create("https://example.com/")
            for (method, target, json) in [
                ("PUT", "/api/v1/blocks/\(code)", "{}"), ("DELETE", "/api/v1/blocks/\(code)", nil),
                ("GET", "/api/v1/blocks/\(code)", nil), ("GET", "/api/v1/blocks", nil),
            ] as [(String, String, String?)] {
                try client.moderate(method, target, json, key: nil).expectProblem(401, "unauthorized")
                try client.moderate(method, target, json, key: subject.owner).expectProblem(403, "forbidden")
            }
            for json in ["", "[]", #"{"reason":1}"#, #"{"reason":"a","more":1}"#, #"{"reason":"\u0001"}"#] {
                try client.block(code, json, key: admin).expectProblem(400, "invalid-json")
            }
            let long = #"{"reason":"\#(String(repeating: "x", count: 501))"}"#
            try client.block(code, long, key: admin).expectProblem(400, "invalid-json")
            for missing in ["1nothing", "no-such-alias"] {
                try client.block(missing, key: admin).expectProblem(404, "not-found")
                try client.block(missing, nil, key: admin).expectProblem(404, "not-found")
            }
            for query in ["limit=0", "limit=101", "cursor=abc", "cursor=", "x=1"] {
                try client.moderate("GET", "/api/v1/blocks?\(query)", key: admin).expectProblem(400, "invalid-query")
            }
            #expect(try client.get("/\(code)").status == 302)
        }

        /// 451 with who blocks, from the store and from caches, and never a click.
        @Test func answers() throws {
            let subject = try Subject("--workers", "4")
            let (node, client) = (subject.node, subject.client)
            let clients = try (0..<8).map { _ in try node.connect() }
            // Nobody's, so that anybody is told of its clicks.
            let code = try client.create("https://example.com/")
            for other in clients {
                try other.send(Client.request("GET", "/\(code)", NodeTests.Clicks.people))
                #expect(try other.read().status == 302)
            }
            #expect(try client.block(code, key: subject.admin).status == 201)
            for other in clients {
                for _ in 0..<2 {
                    let answer = try other.get("/\(code)")
                    answer.expectProblem(451, "blocked")
                    #expect(answer["location"] == nil && answer["cache-control"] == "no-store")
                    #expect(answer["link"] == "<\(node.url)>; rel=\"blocked-by\"" && answer["vary"] == "Accept")
                    let page = try other.browse("/\(code)")
                    #expect(page.status == 451 && page["content-type"] == "text/html; charset=utf-8")
                    #expect(page["link"] == answer["link"] && page["content-security-policy"] != nil)
                    #expect(!page.text.contains("example.com"))
                    let head = try other.browse("/\(code)", method: "HEAD")
                    #expect(head.status == 451 && head["content-length"] == "\(page.body.count)")
                }
            }
            try client.get("/\(code)+").expectProblem(451, "blocked")
            let preview = try client.browse("/\(code)+")
            #expect(preview.status == 451 && preview.text.contains("<code>blocked</code>"))
            #expect(!preview.text.contains("example.com"))
            #expect(try node.metric(#"edge_code_requests_total{result="blocked"}"#) == 48)
            #expect(try node.metric(#"edge_requests_total{route="/{code}",status="451"}"#) == 48)
            try node.expectClicks(code, Clicked(people: 8))
        }

        /// What its owner does neither lifts a block nor hides it.
        @Test func owners() throws {
            let subject = try Subject()
            let (client, owner) = (subject.client, subject.owner)
            let code = try client.create("https://example.com/", key: owner, alias: "an-alias")
            #expect(try client.get("/api/v1/urls/\(code)", key: owner).object["is_blocked"] == nil)
            #expect(try client.block(code, key: subject.admin).status == 201)
            let shown = try client.get("/api/v1/urls/\(code)", key: owner)
            #expect(try shown.status == 200 && shown.object["is_blocked"] as? Bool == true)
            let listed = try client.get("/api/v1/urls", key: owner).object["urls"] as? [[String: Any]]
            #expect(listed?.first?["is_blocked"] as? Bool == true)
            for change in [#"{"long_url":"https://other.example.com/"}"#, #"{"is_active":false}"#] {
                let changed = try client.change(code, change, key: owner)
                #expect(try changed.status == 200 && changed.object["is_blocked"] as? Bool == true)
                try client.get("/\(code)").expectProblem(451, "blocked")
            }
            let body = #"{"long_url":"https://example.com/","custom_alias":"an-alias"}"#
            try client.post("/api/v1/urls", json: body).expectProblem(409, "alias-taken")
            #expect(try client.change(code, nil, key: owner).status == 204)
            try client.get("/\(code)").expectProblem(451, "blocked")
            // What is deleted can be neither blocked nor freed.
            try client.block(code, key: subject.admin).expectProblem(410, "expired")
            try client.block(code, nil, key: subject.admin).expectProblem(410, "expired")
        }

        /// People may go on, knowing; programs are told 451, and so is everybody where there is nothing to go on to.
        @Test func warning() throws {
            let subject = try Subject("--blocked_answer", "warning")
            let client = subject.client
            let code = try client.create("https://example.com/?a=1&b='x", key: subject.owner)
            #expect(try client.block(code, key: subject.admin).status == 201)
            for _ in 0..<2 {
                let page = try client.browse("/\(code)")
                #expect(page.status == 200 && page["cache-control"] == "no-store" && page["vary"] == "Accept")
                #expect(page["content-security-policy"]?.contains("default-src 'none'") == true)
                #expect(page.text.contains(#"rel="noreferrer nofollow""#) && page["location"] == nil)
                #expect(page.text.contains("<code>https://example.com/?a=1&amp;b="))
                for part in ["'x", "<script", "<form", "http-equiv"] { #expect(!page.text.contains(part), "\(part)") }
                try client.get("/\(code)").expectProblem(451, "blocked")
            }
            #expect(try client.browse("/\(code)+").status == 451)
            #expect(try client.change(code, #"{"is_active":false}"#, key: subject.owner).status == 200)
            for _ in 0..<2 { #expect(try client.browse("/\(code)").status == 451) }
            #expect(try client.change(code, #"{"is_active":true}"#, key: subject.owner).status == 200)
            #expect(try client.browse("/\(code)").status == 200)
            try subject.node.expectClicks(code, Clicked(), key: subject.owner)
        }

        /// Reader threads look as workers do.
        @Test func readerThreads() throws {
            let subject = try Subject("--lookups", "threads")
            let code = try subject.client.create("https://example.com/")
            #expect(try subject.client.block(code, key: subject.admin).status == 201)
            for _ in 0..<2 { try subject.client.get("/\(code)").expectProblem(451, "blocked") }
            #expect(try subject.client.block(code, nil, key: subject.admin).status == 204)
            #expect(try subject.client.get("/\(code)").status == 302)
        }

        /// Who follows changes is told, and takes a link out and in again with its block shown.
        @Test func followers() throws {
            let subject = try Subject()
            let (client, admin) = (subject.client, subject.admin)
            let code = try client.create("https://example.com/")
            let start = try #require(try client.get("/api/v1/changes?limit=10", key: admin)["edge-position"])
            #expect(try client.block(code, key: admin).status == 201)
            #expect(try client.block(code, nil, key: admin).status == 204)
            let page = try client.get("/api/v1/changes?after=\(start)", key: admin)
            let lines = page.text.split(separator: "\n").map(String.init)
            #expect(lines.count == 2)
            for (line, kind) in zip(lines, ["blocked", "unblocked"]) {
                #expect(line.contains(#""kind":"\#(kind)""#) && line.contains(#""short_code":"\#(code)""#))
                #expect(line.contains(#""link":null"#))
                #expect(Described.usual.faults(line: line, "Change") == [])
            }
            #expect(try client.block(code, key: admin).status == 201)
            let export = Client.request("GET", "/api/v1/urls/export", "Authorization: Bearer \(admin)\r\n")
            let other = try subject.node.connect()
            try other.send(export)
            let rows = try LineStream(other).rest()
            #expect(rows.count == 1 && rows[0].contains(#""is_blocked":true"#))
            let target = try RunningNode(RunningNode.withAdmin)
            let key = try target.makeKey("--scopes", "admin")
            let results = try target.connect().importLines(rows, key: key)
            #expect(results.count == 1 && "\(results[0])".contains("created"))
        }
    }
}
