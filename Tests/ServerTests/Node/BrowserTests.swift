import Foundation
import HTTP
import Testing

@testable import Server

extension NodeTests {
    /// What browsers are told: of pages, of types, and of other sites' pages.
    @Suite struct Browsers {
        private static let link = #"{"long_url":"https://example.com/"}"#
        private static let app = "https://app.example"

        private func ask(
            _ client: Client, _ method: String, _ target: String, _ fields: String = "", body: String? = nil
        ) throws -> Answer {
            let type = body.map { "Content-Type: application/json\r\nContent-Length: \($0.utf8.count)\r\n" } ?? ""
            return try client.patiently {
                try client.send(Client.request(method, target, fields + type) + (body ?? ""))
                return try client.read(isHead: method == "HEAD")
            }
        }

        // MARK: Pages

        /// Every page that there is: an operation that answers with another one is missing below.
        @Test(arguments: ["451", "warning"]) func pages(ofBlocked answer: String) throws {
            let operations = Operation.allCases.filter { operation in
                operation.answers(redirectStatus: 302).contains { $0.content.contains { $0.mediaType == "text/html" } }
                    || ProblemAnswer.answers(of: operation).contains(where: \.hasPages)
            }
            #expect(operations == [.listProblems, .showProblem, .follow, .preview])
            let node = try RunningNode(RunningNode.withAdmin + ["--blocked_answer", answer])
            let (key, admin) = (try node.makeKey(), try node.makeKey("--scopes", "admin"))
            let client = try node.connect()
            let (code, deleted) = (
                try client.create("https://example.com/?a=<b>&c='", #","title":"</title><script>alert(1)</script>""#),
                try client.create("https://example.com/", key: key)
            )
            #expect(try client.change(deleted, nil, key: key).status == 204)
            let blocked = try client.create("https://example.com/?<script>")
            #expect(try client.block(blocked, key: admin).status == 201)
            let browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
            for target in [
                "/problems", "/problems/", "/\(code)+", "/\(deleted)+", "/missing+", "/\(blocked)", "/\(blocked)+",
            ] + ProblemKind.all.map({ "/problems/\($0.code)" }) {
                let page = try ask(client, "GET", target, browser)
                #expect(page["content-type"] == "text/html; charset=utf-8", "\(target)")
                #expect(Described.usual.faults(page, "GET", target) == [])
                // The policy forbids what nothing here asks for.
                for element in ["<script", "<style", "<link", "<form", "<iframe", "<img", "style=", "src="] {
                    #expect(!page.text.contains(element), "\(target): \(element)")
                }
                #expect(page.text.firstMatch(of: /<[^>]* on[a-z]+=/) == nil, "\(target)")
                let head = try ask(client, "HEAD", target, browser)
                for name in ["content-security-policy", "x-content-type-options", "referrer-policy"] {
                    #expect(head[name] == page[name] && head[name] != nil, "\(target): \(name)")
                }
            }
        }

        /// Also what the workers and the admin port say by themselves, and what is streamed.
        @Test func typesAreNotGuessed() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let admin = try node.makeKey("--scopes", "admin")
            for path in ["/metrics", "/status", "/health/ready", "/keys", "/debug/hot", "/switches", "/missing"] {
                let answer = try node.connectToAdmin().get(path)
                #expect(!answer.body.isEmpty && answer["x-content-type-options"] == "nosniff", "\(path)")
            }
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            for path in ["/missing", "/health", "/a/b"] {
                #expect(try client.get(path)["x-content-type-options"] == "nosniff", "\(path)")
            }
            #expect(try client.get("/\(code)")["x-content-type-options"] == nil)
            let key = "Authorization: Bearer \(admin)\r\n"
            let exporting = try node.connect()
            try exporting.send(Client.request("GET", "/api/v1/urls/export", key))
            #expect(try LineStream(exporting).head.contains("X-Content-Type-Options: nosniff"))
            try client.send("nonsense\r\n\r\n")
            #expect(try client.read()["x-content-type-options"] == "nosniff")
        }

        // MARK: Other sites

        private func names(_ answer: Answer) -> [String] {
            answer.fields.map(\.name).filter { $0.hasPrefix("access-control-") || $0 == "vary" }
        }

        /// Without the key nothing is sent, and OPTIONS is as it was.
        @Test func off() throws {
            let client = try RunningNode().connect()
            let origin = "Origin: \(Self.app)\r\nAccess-Control-Request-Method: POST\r\n"
            for (method, target) in [
                ("GET", "/api/v1/openapi.json"), ("OPTIONS", "/api/v1/urls"), ("GET", "/api/v1/urls"),
                ("GET", "/health"), ("OPTIONS", "*"),
            ] {
                #expect(names(try ask(client, method, target, origin)) == [], "\(method) \(target)")
            }
            let options = try ask(client, "OPTIONS", "/api/v1/urls", origin)
            #expect(options.status == 204 && options["allow"] == "GET, HEAD, POST, OPTIONS")
        }

        /// Whatever is answered below `/api/v1/`, to pages of these sites alone.
        @Test func origins() throws {
            let node = try RunningNode(
                ["--cors_origins", "\(Self.app), http://localhost:3000", "--rate_limit_read", "1/h burst 3"])
            let client = try node.connect()
            let others =
                ["https://evil.example", "https://app.example:444", "http://app.example", "HTTPS://app.example"]
                + ["https://app.example.evil.example", "null", "*"]
            for origin in [Self.app, "http://localhost:3000"] + others {
                let isShared = !others.contains(origin)
                let made = try ask(client, "POST", "/api/v1/urls", "Origin: \(origin)\r\n", body: Self.link)
                #expect(made.status == 201 && made["vary"] == "Origin", "\(origin)")
                #expect(made["access-control-allow-origin"] == (isShared ? origin : nil))
                let exposed = Set((made["access-control-expose-headers"] ?? "").components(separatedBy: ", "))
                let wanted: Set = [
                    "Location", "ETag", "Edge-Token", "X-Write-Region", "X-Write-Ts", "X-Consistency", "RateLimit",
                    "RateLimit-Policy", "Retry-After",
                ]
                #expect(exposed.isSuperset(of: wanted) == isShared)
                #expect(made["access-control-allow-credentials"] == nil)
                #expect(names(made).count == (isShared ? 3 : 1))
            }
            #expect(names(try ask(client, "POST", "/api/v1/urls", body: Self.link)) == ["vary"])
            let origin = "Origin: \(Self.app)\r\n"
            // Refusals too, so that a page can read why.
            for (fields, target, status) in [
                ("X-Api-Key: no\r\n", "/api/v1/urls", 401), ("", "/api/v1/urls", 401), ("", "/api/v1/urls/x?y", 404),
                ("", "/api/v1/no", 404), ("", "/api/v1/urls/abc", 429),
            ] {
                let answer = try ask(client, "GET", target, origin + fields)
                #expect(answer.status == status && answer["access-control-allow-origin"] == Self.app, "\(target)")
            }
            #expect(try ask(client, "PUT", "/api/v1/urls", origin)["access-control-allow-origin"] == Self.app)
        }

        /// Redirects, pages and the short forms are nothing for other sites.
        @Test func elsewhere() throws {
            let client = try RunningNode(["--cors_origins", "*"]).connect()
            let code = try ask(client, "POST", "/api/v1/urls", body: Self.link).string("short_code")
            for target in [
                "/\(code)", "/\(code)+", "/missing", "/health", "/problems", "/analytics/\(code)", "/shorten",
            ] {
                for method in ["GET", "OPTIONS"] {
                    let answer = try ask(client, method, target, "Origin: \(Self.app)\r\n")
                    #expect(names(answer).filter { $0 != "vary" } == [], "\(method) \(target)")
                }
            }
        }

        /// What a browser asks before it sends more than a form could.
        @Test func preflight() throws {
            let client = try RunningNode(["--cors_origins", Self.app]).connect()
            let fields = "Access-Control-Request-Method: PATCH\r\nAccess-Control-Request-Headers: x-other\r\n"
            let origin = "Origin: \(Self.app)\r\n" + fields
            for (target, methods, headers) in [
                (
                    "/api/v1/urls", "GET, HEAD, POST, OPTIONS",
                    "Authorization, X-Api-Key, Content-Type, Edge-Token, Prefer, Idempotency-Key"
                ),
                (
                    "/api/v1/urls/abc", "GET, HEAD, PATCH, DELETE, OPTIONS",
                    "Authorization, X-Api-Key, Content-Type, Edge-Token, Prefer, X-Write-Region, X-Write-Ts, If-Match"
                ),
                ("/api/v1/openapi.json", "GET, HEAD, OPTIONS", "Authorization, X-Api-Key, If-None-Match"),
            ] {
                let answer = try ask(client, "OPTIONS", target, origin)
                #expect(answer.status == 204 && answer["allow"] == methods)
                #expect(answer["access-control-allow-origin"] == Self.app && answer["vary"] == "Origin")
                #expect(answer["access-control-allow-methods"] == methods)
                #expect(answer["access-control-allow-headers"] == headers)
                #expect(answer["access-control-max-age"] == "600" && names(answer).count == 5)
                let refused = try ask(client, "OPTIONS", target, "Origin: https://evil.example\r\n" + fields)
                #expect(refused.status == 204 && refused["allow"] == methods && names(refused) == ["vary"])
            }
        }

        /// Every site; then what caches keep is the same for all.
        @Test func everyOrigin() throws {
            let node = try RunningNode(RunningNode.withAdmin + ["--cors_origins", "*"])
            let admin = try node.makeKey("--scopes", "admin")
            let client = try node.connect()
            for origin in ["", "Origin: \(Self.app)\r\n", "Origin: null\r\n"] {
                let answer = try ask(client, "GET", "/api/v1/openapi.json", origin)
                #expect(answer["access-control-allow-origin"] == "*" && answer["vary"] == nil)
                let options = try ask(client, "OPTIONS", "/api/v1/changes", origin)
                #expect(options["access-control-allow-origin"] == "*" && options["vary"] == nil)
            }
            // Streams as well.
            let exporting = try node.connect()
            try exporting.send(Client.request("GET", "/api/v1/urls/export", "Authorization: Bearer \(admin)\r\n"))
            #expect(try LineStream(exporting).head.contains("Access-Control-Allow-Origin: *"))
        }
    }
}
