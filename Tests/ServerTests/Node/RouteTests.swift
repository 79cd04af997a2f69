import Testing

extension NodeTests {
    @Suite struct Routes {
        @Test func redirects() throws {
            let node = try RunningNode(["--workers", "1"])
            let client = try node.connect()
            for url in [
                "https://example.com/", "http://example.com", "https://EXAMPLE.com/%7e/../a?b=%20#c",
                "https://example.com:443//x;y=1?", "https://example.com/#", "http://93.184.216.34/",
                "https://example.com/" + String(repeating: "a", count: 2028),
            ] {
                let code = try client.create(url)
                let answer = try client.get("/\(code)")
                #expect(answer.status == 302)
                #expect(answer["location"] == url)
                #expect(answer["cache-control"] == "private, no-store")
                #expect(answer["x-served-by"] == "store")
                #expect(answer.body.isEmpty)
                let head = try client.get("/\(code)", method: "HEAD")
                #expect(head["x-served-by"] == "l1")
                #expect(head.status == 302 && head["location"] == url)
                #expect(try client.get("/\(code)?utm=1")["location"] == url)
                // A body means nothing to a redirect.
                try client.send(Client.request("GET", "/\(code)", "Content-Length: 3\r\n") + "abc")
                #expect(try client.read()["location"] == url)
                try client.send(Client.request("GET", "/\(code)", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n")
                #expect(try client.read()["location"] == url)
            }
        }

        @Test func unknown() throws {
            let node = try RunningNode()
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            for path in [
                "/", "//", "/\(code)/", "//\(code)", "/\(code)++", "/\(code)x", "/\(code.dropLast())", "/nothing-here",
                "/1000000", "/1zzzzzzz", "/%31\(code.dropFirst())", "/api", "/api/", "/api/v1", "/api/v1/urls/",
                "/api/v1/urls/\(code)/", "/api/v1/urls/\(code)/x", "/api/v1/urls/nothing", "/api/v1/urls/%00",
                "/health/", "/health/x", "/Health", "/shorten/", "/analytics", "/problems/nothing",
                "/problems/not-found/",
                "/metrics", "/.well-known/x", "/robots.txt", "/favicon.ico", "/\(String(repeating: "a", count: 64))",
                "/\(String(repeating: "a", count: 65))", "/\(String(repeating: "a", count: 8000))",
            ] {
                try client.get(path).expectProblem(404, "not-found", "\(path)")
                let head = try client.get(path, method: "HEAD")
                #expect(head.status == 404, "\(path)")
            }
        }

        @Test func methods() throws {
            let node = try RunningNode()
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            let table: [(path: String, allow: String)] = [
                ("/api/v1/urls", "GET, HEAD, POST, OPTIONS"), ("/shorten", "POST, OPTIONS"),
                ("/api/v1/urls/\(code)", "GET, HEAD, PATCH, DELETE, OPTIONS"),
                ("/\(code)", "GET, HEAD, OPTIONS"),
                ("/health", "GET, HEAD, OPTIONS"), ("/health/ready", "GET, HEAD, OPTIONS"),
            ]
            for (path, allow) in table {
                let allowed = allow.components(separatedBy: ", ")
                for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
                    let answer = try client.get(path, method: method)
                    if method == "OPTIONS" {
                        #expect(answer.status == 204)
                        #expect(answer["allow"] == allow)
                    } else if allowed.contains(method) {
                        #expect(answer.status != 405)
                    } else {
                        if method != "HEAD" { answer.expectProblem(405, "method-not-allowed", "\(method) \(path)") }
                        #expect(answer.status == 405 && answer["allow"] == allow, "\(method) \(path)")
                    }
                }
            }
            try client.get("/\(code)", method: "BREW").expectProblem(501, "not-implemented")
            #expect(try client.get("*", method: "OPTIONS").status == 204)
            #expect(try client.get("/\(code)").status == 302)
        }

        /// Each problem's type leads to a page, which nothing of a request gets into.
        @Test func problemPages() throws {
            let node = try RunningNode()
            let client = try node.connect()
            let list = try client.get("/problems")
            let codes = list.text.matches(of: /href="\/problems\/([a-z-]+)"/).map { String($0.1) }
            #expect(codes.count >= 20 && Set(codes).count == codes.count)
            for code in codes {
                let page = try client.get("/problems/\(code)")
                #expect(page.status == 200 && page["content-type"] == "text/html; charset=utf-8", "\(code)")
                #expect(page["content-security-policy"]?.contains("default-src 'none'") == true)
                for part in ["<code>\(code)</code>", "What happened", "What to do"] {
                    #expect(page.text.contains(part), "\(code)")
                }
                #expect(try client.get("/problems/\(code)", method: "HEAD").body.isEmpty)
                try client.get("/problems/\(code)", method: "POST").expectProblem(405, "method-not-allowed")
            }
            try client.get("/problems/%3Cscript%3E").expectProblem(404, "not-found")
            #expect(try client.get("/problems/?<b>").text.contains("<b>") == false)
        }

        @Test func health() throws {
            let node = try RunningNode()
            let client = try node.connect()
            for path in ["/health", "/health/ready", "/health?x=1"] {
                let answer = try client.get(path)
                #expect(answer.status == 200)
                #expect(answer["content-type"] == "application/health+json")
                #expect(try answer.string("status") == "pass")
                #expect(try client.get(path, method: "HEAD")["content-length"] == "\(answer.body.count)")
            }
        }

        @Test(arguments: [301, 302, 307, 308]) func status(status: Int) throws {
            let node = try RunningNode(["--redirect_status", "\(status)"])
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            #expect(try client.get("/\(code)").status == status)
            #expect(try client.get("/\(code)", method: "HEAD").status == status)
        }

        /// Caches may keep a redirect, but not beyond its expiry, and find it again by its code.
        @Test func cacheTTL() throws {
            let node = try RunningNode(["--redirect_cache_ttl", "1h"])
            let client = try node.connect()
            func maxAge(_ members: String) throws -> Int {
                let code = try client.create("https://example.com/", members)
                let value = try #require(try client.get("/\(code)")["cache-control"])
                let match = try #require(value.wholeMatch(of: /public, max-age=(\d+)/), "\(value)")
                return try #require(Int(match.1))
            }
            #expect(try maxAge("") == 3600)
            #expect(try maxAge(#","expires_in":7200"#) == 3600)
            #expect(try (0...100).contains(maxAge(#","expires_in":100"#)))
            #expect(try (0...30).contains(maxAge(#","expires_in":30"#)))
            #expect(try client.get("/nothing-here")["cache-control"] == "no-store")
            let named = try client.create("https://example.com/", #","custom_alias":"my-name""#)
            for path in [try client.create("https://example.com/"), named] {
                for method in ["GET", "HEAD", "GET"] {
                    #expect(try client.get("/\(path)", method: method)["surrogate-key"] == path)
                }
            }
            #expect(try client.get("/nothing-here")["surrogate-key"] == nil)
            let other = try RunningNode().connect()
            #expect(try other.get("/\(other.create("https://example.com/"))")["surrogate-key"] == nil)
        }

        @Test func expired() throws {
            let node = try RunningNode()
            let client = try node.connect()
            let code = try client.create("https://example.com/", #","expires_in":1"#)
            let alias = try client.create("https://example.com/", #","custom_alias":"gone-soon","expires_in":1"#)
            let other = try client.create("https://example.com/", #","expires_in":3600"#)
            let deadline = Deadline()
            for code in [code, alias] {
                var answer = try client.get("/\(code)")
                while answer.status == 302, !deadline.isOver { answer = try client.get("/\(code)") }
                answer.expectProblem(410, "expired")
                #expect(try client.get("/\(code)", method: "HEAD").status == 410)
                #expect(try client.get("/api/v1/urls/\(code)").status == 200)
            }
            #expect(try client.get("/\(other)").status == 302)
            // An expired alias is not free again.
            try client.post("/shorten", json: #"{"long_url":"https://example.com/","custom_alias":"gone-soon"}"#)
                .expectProblem(409, "alias-taken")
        }

        /// A clock that is ahead: what expired there has expired.
        @Test func clockOffset() throws {
            let node = try RunningNode()
            let code = try node.connect().create("https://example.com/", #","expires_in":3600"#)
            #expect(try node.connect().get("/\(code)").status == 302)
            node.child.kill()
            let ahead = try node.restarted(["--clock_offset", "2h"])
            try ahead.connect().get("/\(code)").expectProblem(410, "expired")
        }
    }
}
