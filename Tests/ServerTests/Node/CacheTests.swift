import Testing

extension NodeTests {
    /// What the workers' caches change of the answers, which is nothing but `X-Served-By`, and how often the store is
    /// looked into.
    @Suite struct Cache {
        private let flags = ["--admin_listen", "127.0.0.1:0"]

        /// Until the samples have these values, which workers tell at the end of a wake-up.
        private func expect(_ samples: [String: Double], of node: RunningNode) throws {
            let (admin, deadline) = (try node.connectToAdmin(), Deadline())
            var text = ""
            repeat {
                text = try admin.get("/metrics").text
            } while samples.contains { text.sample($0.key) != $0.value }
                && !deadline.isOver
            for (name, value) in samples { #expect(text.sample(name) == value, "\(name)") }
        }

        @Test func aSecondRequestIsNoLookup() throws {
            try attempt("three requests while an answer is kept") {
                let node = try RunningNode(flags + ["--workers", "1"])
                let client = try node.connect()
                let code = try client.create("https://example.com/a")
                let json = #"{"long_url":"https://example.com/b","custom_alias":"my-alias"}"#
                #expect(try client.post("/api/v1/urls", json: json).status == 201)
                for (path, location) in [(code, "https://example.com/a"), ("my-alias", "https://example.com/b")] {
                    for source in ["store", "l1", "l1"] {
                        let answer = try client.get("/\(path)")
                        #expect(answer.status == 302 && answer["location"] == location)
                        #expect(answer["x-served-by"] == source)
                    }
                }
                let start = Deadline.now
                for _ in 0..<3 { try client.get("/nothing").expectProblem(404, "not-found") }
                // That a name is not there is kept for 3.75 s at least.
                if Deadline.now - start > 3000 { return false }
                try expect(
                    [
                        "edge_store_lookups_total": 3, #"edge_cache_requests_total{result="hit"}"#: 6,
                        #"edge_cache_requests_total{result="miss"}"#: 3, "edge_cache_entries": 3,
                        #"edge_cache_insertions_total{result="taken"}"#: 3,
                    ], of: node)
                return true
            }
        }

        /// The form of an answer hangs on its request, wherever it comes from.
        @Test func everyFormOfAHit() throws {
            let node = try RunningNode(["--workers", "1"])
            let code = try node.connect().create("https://example.com/")
            for path in [code, "nothing"] {
                for method in ["GET", "HEAD"] {
                    for (version, connection, answered) in [
                        ("1.1", nil, nil), ("1.1", "close", "close"), ("1.0", nil, "close"),
                        ("1.0", "keep-alive", "keep-alive"),
                    ] {
                        var answers: [Answer] = []
                        for _ in 0..<2 {
                            let client = try node.connect()
                            let field = connection.map { "Connection: \($0)\r\n" } ?? ""
                            try client.send("\(method) /\(path) HTTP/\(version)\r\nHost: a\r\n\(field)\r\n")
                            answers.append(try client.read(isHead: method == "HEAD"))
                        }
                        for answer in answers {
                            #expect(answer.status == (path == code ? 302 : 404))
                            #expect(answer["connection"] == answered)
                            #expect(answer["date"]?.count == 29)
                            #expect(answer.body == (method == "HEAD" ? [] : answers[0].body))
                        }
                    }
                }
            }
        }

        /// However many workers have kept that a name is not there: once it is made, all of them find it.
        @Test func whatIsMadeIsFoundAtOnce() throws {
            let node = try RunningNode(["--workers", "4"])
            let clients = try (0..<16).map { _ in try node.connect() }
            for number in 0..<50 {
                for client in clients { #expect(try client.get("/name-\(number)").status == 404) }
                let json = #"{"long_url":"https://example.com/\#(number)","custom_alias":"name-\#(number)"}"#
                #expect(try clients[0].post("/api/v1/urls", json: json).status == 201)
                for client in clients {
                    #expect(try client.get("/name-\(number)")["location"] == "https://example.com/\(number)")
                }
            }
        }

        @Test func whatExpiresIsGone() throws {
            let node = try RunningNode(["--workers", "1"])
            let client = try node.connect()
            var (code, sources): (String, Set<String?>) = ("", [])
            let deadline = Deadline()
            // The disk may take the whole second that a link lives: then another one.
            while sources != ["store", "l1"], !deadline.isOver {
                code = try client.create("https://example.com/", #","expires_in":1"#)
                sources = []
                var last = try client.get("/\(code)")
                while last.status == 302, !deadline.isOver {
                    sources.insert(last["x-served-by"])
                    last = try client.get("/\(code)")
                }
            }
            #expect(sources == ["store", "l1"])
            for _ in 0..<3 { try client.get("/\(code)").expectProblem(410, "expired") }
        }

        /// `max-age` shrinks towards the expiry also of what the cache has.
        @Test func maximumAgeOfAHit() throws {
            let node = try RunningNode(["--workers", "1", "--redirect_cache_ttl", "60s"])
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            for _ in 0..<3 { #expect(try client.get("/\(code)")["cache-control"] == "public, max-age=60") }
            let answer = try client.post("/api/v1/urls", json: #"{"long_url":"https://example.com/","expires_in":50}"#)
            let short = try #require(answer.object["short_code"] as? String)
            var ages: Set<String?> = []
            let deadline = Deadline()
            while ages.count < 2, !deadline.isOver {
                let answer = try client.get("/\(short)")
                ages.insert(answer["cache-control"])
                #expect(answer.status == 302)
            }
            #expect(ages.isSubset(of: Set((20...50).map { "public, max-age=\($0)" })))
        }

        /// Made-up codes of every shape cost neither a search nor a place in the cache.
        @Test func codesThatCannotExist() throws {
            let node = try RunningNode(flags + ["--workers", "1"])
            let client = try node.connect()
            _ = try client.create("https://example.com/")
            let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
            let codes = (0..<1000).map { number in
                // Seven characters and a number of the seventh place: beyond every ceiling of a young node.
                "1z" + String((0..<6).map { alphabet[(number >> (2 * $0)) & 3 + 58] })
            }
            for code in codes { #expect(try client.get("/\(code)").status == 404) }
            try expect(
                [
                    "edge_impossible_codes_total": 1000, "edge_store_lookups_total": 0, "edge_cache_entries": 0,
                    #"edge_code_requests_total{result="unknown"}"#: 1000,
                ], of: node)
        }
    }
}
