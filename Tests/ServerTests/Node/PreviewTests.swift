import Foundation
import Testing

extension NodeTests {
    /// `/{code}+`: where a link leads, without going there.
    @Suite struct Preview {
        private static let browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
        private static let json = "Accept: application/json\r\n"

        private func ask(_ client: Client, _ code: String, _ fields: String = "", method: String = "GET") throws
            -> Answer
        {
            try client.send(Client.request(method, "/\(code)+", fields))
            return try client.read(isHead: method == "HEAD")
        }

        /// A page that loads nothing and runs nothing, with all that users wrote as text.
        @Test func page() throws {
            let client = try RunningNode().connect()
            let code = try client.create(
                "https://example.com/a?b=1&c='2'", #","title":"<script>alert('\"&')</script>","expires_in":3600"#)
            for fields in ["", Self.browser, "Accept: */*\r\n"] {
                let page = try ask(client, code, fields)
                #expect(page.status == 200 && page["content-type"] == "text/html; charset=utf-8")
                #expect(page["location"] == nil && page["cache-control"] == "no-store" && page["vary"] == "Accept")
                let policy = try #require(page["content-security-policy"])
                for rule in ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"] {
                    #expect(policy.contains(rule))
                }
                #expect(page["x-content-type-options"] == "nosniff" && page["referrer-policy"] == "no-referrer")
                #expect(page.text.contains("&lt;script&gt;alert(&#39;&quot;&amp;&#39;)&lt;/script&gt;"))
                #expect(page.text.contains(#"<a href="https://example.com/a?b=1&amp;c="#))
                for part in ["<script", "<style", "<img", "<link", "<form", "onclick", "c='"] {
                    #expect(!page.text.contains(part), "\(part)")
                }
                #expect(page.text.contains("<title>http://127.0.0.1:") && page.text.contains("Ends at "))
                let head = try ask(client, code, fields, method: "HEAD")
                #expect(head.status == 200 && head["content-length"] == "\(page.body.count)" && head.body.isEmpty)
                #expect(head["content-security-policy"] == policy)
            }
        }

        /// What anybody may know, in a form for programs, whoever owns the link; and aliases as codes.
        @Test func document() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let client = try node.connect()
            let key = try node.makeKey("--owner", "team", "--scopes", "links:create,links:manage")
            for alias in [nil, "an-alias", String(repeating: "a", count: 64)] {
                let code = try client.create("https://example.com/", key: key, alias: alias)
                #expect(try client.change(code, #"{"title":"T","tags":["secret"]}"#, key: key).status == 200)
                let answer = try ask(client, code, Self.json)
                #expect(answer.status == 200 && answer["content-type"] == "application/json")
                let link = try answer.object
                #expect(
                    Set(link.keys) == [
                        "short_code", "short_url", "long_url", "title", "created_at", "expires_at", "is_active",
                    ])
                #expect(link["short_code"] as? String == code && link["long_url"] as? String == "https://example.com/")
                #expect(link["short_url"] as? String == "\(node.url)/\(code)" && link["title"] as? String == "T")
                #expect(link["is_active"] as? Bool == true && link["expires_at"] is NSNull)
                let shown = try client.get("/api/v1/urls/\(code)", key: key)
                #expect(try link["created_at"] as? String == shown.string("created_at"))
                let page = try ask(client, code, Self.browser)
                #expect(!page.text.contains("team") && !page.text.contains("secret"))
                #expect(try ask(client, code, "Accept: text/html;q=0.5, application/json\r\n").object.count == 7)
            }
        }

        @Test func noClicks() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            for fields in ["", Self.json, Clicks.people] {
                for method in ["GET", "HEAD"] {
                    #expect(try ask(client, code, Clicks.people + fields, method: method).status == 200)
                }
            }
            try client.send(Client.request("GET", "/\(code)", Clicks.people))
            #expect(try client.read().status == 302)
            try node.expectClicks(code, Clicked(people: 1))
        }

        /// As a redirect refuses, and to browsers as a page.
        @Test func refusals() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let client = try node.connect()
            let key = try node.makeKey("--scopes", "links:create,links:manage")
            let codes = try (0..<2).map { _ in try client.create("https://example.com/", key: key) }
            let expiring = try client.create("https://example.com/", #","expires_in":1"#)
            #expect(try client.change(codes[0], nil, key: key).status == 204)
            #expect(try client.change(codes[1], #"{"is_active":false}"#, key: key).status == 200)
            let deadline = Deadline()
            while try client.get("/\(expiring)").status != 410 { try #require(!deadline.isOver) }
            for (code, status, name) in codes.map({ ($0, 410, "expired") }) + [
                (expiring, 410, "expired"), ("1nothing", 404, "not-found"), ("no-such-alias", 404, "not-found"),
            ] {
                for fields in ["", Self.json, "Accept: */*\r\n"] {
                    try ask(client, code, fields).expectProblem(status, name)
                }
                let page = try ask(client, code, Self.browser)
                #expect(page.status == status && page["content-type"] == "text/html; charset=utf-8")
                #expect(page["cache-control"] == "no-store" && page.text.contains("<code>\(name)</code>"))
                #expect(page["content-security-policy"]?.contains("default-src 'none'") == true)
                #expect(try ask(client, code, Self.browser, method: "HEAD").status == status)
            }
            #expect(try client.change(codes[1], #"{"is_active":true}"#, key: key).status == 200)
            #expect(try ask(client, codes[1]).status == 200)
        }

        /// What is no code before the `+` is none with it, and the page is only shown.
        @Test func otherPaths() throws {
            let client = try RunningNode().connect()
            let code = try client.create("https://example.com/")
            for path in [
                "+", "ab+", "api+", "health+", "\(code)++", "\(code)%2B", "\(code)/+",
                String(repeating: "a", count: 65) + "+",
            ] {
                try client.get("/" + path).expectProblem(404, "not-found", "\(path)")
            }
            for method in ["DELETE", "PATCH"] {
                let answer = try client.get("/\(code)+", method: method)
                answer.expectProblem(405, "method-not-allowed")
                #expect(answer["allow"] == "GET, HEAD, OPTIONS")
            }
            try client.post("/api/v1/urls", json: #"{"long_url":"https://example.com/","custom_alias":"abc+"}"#)
                .expectProblem(422, "invalid-alias")
        }

        /// Asked for as redirects are, so held to their limit.
        @Test func limited() throws {
            let client = try RunningNode(["--rate_limit_redirect", "1/h burst 2"]).connect()
            let code = try client.create("https://example.com/")
            #expect(try client.get("/\(code)").status == 302)
            #expect(try ask(client, code).status == 200)
            let page = try ask(client, code, Self.browser)
            #expect(page.status == 429)
            try ask(client, code, Self.json).expectProblem(429, "rate-limited")
        }
    }
}
