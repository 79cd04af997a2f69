import Testing

extension NodeTests {
    @Suite struct Limits {
        /// What every refusal tells.
        private func expectLimited(_ answer: Answer, _ name: String, retryAfter: ClosedRange<Int>) throws {
            answer.expectProblem(429, "rate-limited", "\(name)")
            let seconds = try #require(answer["retry-after"].flatMap { Int($0) })
            #expect(retryAfter.contains(seconds), "\(seconds)")
            #expect(answer["ratelimit"] == "\"\(name)\";r=0;t=\(seconds)")
            #expect(answer["ratelimit-policy"]?.hasPrefix("\"\(name)\";q=") == true)
            #expect(try answer.string("detail").contains("\"\(name)\""))
        }

        private func send(
            _ client: Client, _ method: String, _ target: String, _ fields: String, body: String = ""
        ) throws -> Answer {
            let length = body.isEmpty ? "" : "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
            try client.send(Client.request(method, target, fields + length) + body)
            return try client.read(isHead: method == "HEAD")
        }

        private let creation = #"{"long_url":"https://example.com/"}"#

        @Test func creating() throws {
            let node = try RunningNode(["--rate_limit_create", "2/m burst 3", "--rate_limit_read", "1/h burst 100"])
            let client = try node.connect()
            let first = try client.post("/api/v1/urls", json: creation)
            #expect(first.status == 201)
            #expect(first["ratelimit-policy"] == #""create";q=3;w=90"#)
            #expect(first["ratelimit"] == #""create";r=2;t=30"#)
            // Both ways of creating take from one bucket, whatever comes of it, and whichever connection it is.
            #expect(try client.post("/shorten", json: creation)["ratelimit"]?.hasPrefix(#""create";r=1;t="#) == true)
            let wrong = try node.connect().post("/api/v1/urls", json: "{}")
            #expect(wrong.status == 400 && wrong["ratelimit"]?.hasPrefix(#""create";r=0;t="#) == true)
            for path in ["/api/v1/urls", "/shorten"] {
                try expectLimited(try client.post(path, json: creation), "create", retryAfter: 1...30)
                try expectLimited(try node.connect().post(path, json: creation), "create", retryAfter: 1...30)
            }
            // Nothing else is held up.
            let code = try first.string("short_code")
            #expect(try client.get("/\(code)").status == 302)
            let shown = try client.get("/api/v1/urls/\(code)")
            #expect(shown.status == 200)
            #expect(shown["ratelimit-policy"] == #""read";q=100;w=360000"#)
            #expect(try client.get("/api/v1/urls", method: "OPTIONS")["ratelimit"] == nil)
            #expect(try client.get("/health")["ratelimit"] == nil)
        }

        /// Once `Retry-After` is over a request passes.
        @Test func retryAfter() throws {
            let node = try RunningNode(["--rate_limit_create", "1/s burst 1"])
            let client = try node.connect()
            let deadline = Deadline()
            var (start, answer) = (Deadline.now, try client.post("/shorten", json: creation))
            #expect(answer.status == 201)
            // While the disk takes longer than the next token there is nothing to refuse.
            while answer.status == 201, !deadline.isOver {
                start = Deadline.now
                answer = try client.post("/shorten", json: creation)
            }
            try expectLimited(answer, "create", retryAfter: 1...1)
            while answer.status == 429, !deadline.isOver {
                let isDue = Deadline.now - start >= 1001
                answer = try client.post("/shorten", json: creation)
                if isDue { break }
            }
            #expect(answer.status == 201)
        }

        @Test func reading() throws {
            let node = try RunningNode(["--rate_limit_read", "1/h burst 3"])
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            #expect(try client.get("/api/v1/urls/\(code)")["ratelimit"]?.hasPrefix(#""read";r=2;t="#) == true)
            #expect(
                try client.get("/api/v1/urls/\(code)", method: "HEAD")["ratelimit"]?.hasPrefix(#""read";r=1;t="#)
                    == true)
            let missing = try client.get("/api/v1/urls/nothing")
            #expect(missing.status == 404 && missing["ratelimit"]?.hasPrefix(#""read";r=0;t="#) == true)
            try expectLimited(try client.get("/api/v1/urls/\(code)"), "read", retryAfter: 3500...3600)
            #expect(try client.get("/\(code)").status == 302)
            #expect(try client.post("/shorten", json: creation).status == 201)
        }

        @Test func redirecting() throws {
            let node = try RunningNode(["--rate_limit_redirect", "1/h burst 4", "--admin_listen", "127.0.0.1:0"])
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            let first = try client.get("/\(code)")
            #expect(first.status == 302 && first["ratelimit"] == nil)
            #expect(try client.get("/\(code)", method: "HEAD").status == 302)
            #expect(try client.get("/nothing").status == 404)
            // Of many in one read, those that there are tokens for.
            try client.send(String(repeating: Client.request("GET", "/\(code)"), count: 4))
            #expect(try client.read().status == 302)
            for _ in 0..<3 { try expectLimited(try client.read(), "redirect", retryAfter: 3500...3600) }
            #expect(try client.get("/\(code)", method: "HEAD").status == 429)
            try expectLimited(try node.connect().get("/nothing"), "redirect", retryAfter: 3500...3600)
            #expect(try client.get("/health").status == 200)
            #expect(try client.get("/api/v1/urls/\(code)").status == 200)
            try client.send("GET /\(code) HTTP/1.0\r\n\r\n")
            #expect(try client.readToEnd().map(\.status) == [429])
            let text = try node.connectToAdmin().get("/metrics").text
            #expect(text.contains("\nedge_rate_limited_total{limit=\"redirect\"} 6\n"), "\(text)")
            #expect(text.contains("\nedge_rate_limited_total{limit=\"create\"} 0\n"))
            #expect(text.contains("\nedge_rate_limit_clients{limit=\"redirect\"} 1\n"))
            #expect(!text.contains("edge_rate_limit_clients{limit=\"create\"}"))
        }

        /// Who tries codes is told to wait; links go on working, also for the same network.
        @Test func missing() throws {
            let node = try RunningNode(["--rate_limit_miss", "1/h burst 3"])
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            for path in ["/nothing", "/api/v1/urls/nothing", "/wp-login.php"] {
                #expect(try client.get(path).status == 404)
            }
            for path in ["/nothing", "/other", "/api/v1/urls/nothing", "/wp-login.php"] {
                try expectLimited(try client.get(path), "miss", retryAfter: 3500...3600)
            }
            #expect(try client.get("/\(code)").status == 302)
            #expect(try client.get("/api/v1/urls/\(code)").status == 200)
        }

        /// Several workers, one limit.
        @Test func allWorkersShareTheLimit() throws {
            let node = try RunningNode(["--rate_limit_redirect", "1/h burst 40", "--workers", "4"])
            let code = try node.connect().create("https://example.com/")
            let clients = try (0..<32).map { _ in try node.connect() }
            for client in clients { try client.send(String(repeating: Client.request("GET", "/\(code)"), count: 5)) }
            var statuses: [Int] = []
            for client in clients { for _ in 0..<5 { statuses.append(try client.read().status) } }
            #expect(statuses.count { $0 == 302 } == 40)
            #expect(statuses.count { $0 == 429 } == 120)
        }

        /// The defaults, as somebody has them who sets nothing.
        @Test func defaults() throws {
            let flags = ["create", "10/s burst 50", "read", "100/s burst 200", "miss", "50/s burst 200"]
            let node = try RunningNode(flags.indices.map { $0 % 2 == 0 ? "--rate_limit_\(flags[$0])" : flags[$0] })
            let client = try node.connect()
            let answers = try (0..<50).map { _ in try client.post("/shorten", json: creation) }
            #expect(answers.allSatisfy { $0.status == 201 })
            #expect(answers[0]["ratelimit-policy"] == #""create";q=50;w=5"#)
        }

        // MARK: Proxies

        private static let forms = ["X-Forwarded-For: %\r\n", "Forwarded: for=\"%\";proto=https\r\n"]

        private func field(_ form: String, _ address: String) -> String { form.replacing("%", with: address) }

        @Test(arguments: forms) func clientsBehindATrustedProxy(form: String) throws {
            let node = try RunningNode([
                "--trusted_proxies", "127.0.0.0/8", "--rate_limit_create", "1/h burst 1", "--rate_limit_redirect",
                "1/h burst 1", "--rate_limit_miss", "1/h burst 1",
            ])
            let client = try node.connect()
            func ask(_ address: String) throws -> Int {
                try send(client, "POST", "/shorten", field(form, address), body: creation).status
            }
            #expect(try ask("192.0.2.1") == 201)
            #expect(try ask("192.0.2.1") == 429)
            #expect(try ask("192.0.2.2") == 201)
            // An IPv6 client has its first 64 bits.
            #expect(try ask("[2001:db8:0:1::1]") == 201)
            #expect(try ask("[2001:db8:0:1:ffff::1]") == 429)
            #expect(try ask("[2001:db8:0:2::1]") == 201)
            // What does not say who asks is the proxy's own.
            #expect(try ask("unknown") == 201)
            #expect(try ask("garbage") == 429)
            #expect(try client.post("/shorten", json: creation).status == 429)
            // Redirects and misses are told apart in the same way.
            for address in ["192.0.2.1", "192.0.2.2"] {
                #expect(try send(client, "GET", "/nothing", field(form, address)).status == 404)
                #expect(try send(client, "GET", "/nothing", field(form, address)).status == 429)
            }
        }

        /// Several lines are one value, in their order.
        @Test func repeatedLines() throws {
            let node = try RunningNode(["--trusted_proxies", "127.0.0.1", "--rate_limit_create", "1/h burst 1"])
            let client = try node.connect()
            func ask(_ first: String, _ second: String) throws -> Int {
                let fields = "X-Forwarded-For: \(first)\r\nHost2: x\r\nX-Forwarded-For: \(second)\r\n"
                return try send(client, "POST", "/shorten", fields, body: creation).status
            }
            #expect(try ask("192.0.2.1", "192.0.2.2") == 201)
            #expect(try ask("192.0.2.3", "192.0.2.2") == 429)
            #expect(try ask("192.0.2.2", "192.0.2.1") == 201)
        }

        /// Nobody is trusted unless it is said: whatever a client claims, it is who connected.
        @Test func nobodyIsTrustedByDefault() throws {
            for flags in [[], ["--trusted_proxies", "10.0.0.0/8, ::1"]] {
                let node = try RunningNode(["--rate_limit_create", "1/h burst 2"] + flags)
                let client = try node.connect()
                for (index, form) in (Self.forms + ["X-Real-IP: %\r\n", "CF-Connecting-IP: %\r\n"]).enumerated() {
                    let answer = try send(client, "POST", "/shorten", field(form, "192.0.2.\(index)"), body: creation)
                    #expect(answer.status == (index < 2 ? 201 : 429))
                }
                // The PROXY protocol is no HTTP.
                for header in ["PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "\r\n\r\n\0\r\nQUIT\n"] {
                    let other = try node.connect()
                    try other.send(header)
                    #expect(try other.readToEnd().map { $0.status >= 400 } == [true])
                }
            }
        }

        /// Neither a trusted proxy nor anybody else changes with a field which link, method or host is meant.
        @Test(arguments: ["none", "127.0.0.1"]) func overridesMeanNothing(trusted: String) throws {
            let node = try RunningNode(["--trusted_proxies", trusted])
            let client = try node.connect()
            let other = try client.create("https://other.example/")
            for field in [
                "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "X-Forwarded-Prefix: /evil",
                "X-Forwarded-Port: 1", "X-Host: evil.example", "X-Forwarded-Server: evil.example",
                "X-Original-Host: evil.example", "Forwarded: host=evil.example;proto=https",
                "X-Original-URL: /\(other)",
                "X-Rewrite-URL: /\(other)", "X-Original-URI: /\(other)", "X-HTTP-Method-Override: DELETE",
                "X-HTTP-Method: GET", "X-Method-Override: GET", "X-Forwarded-Uri: /\(other)",
            ] {
                let made = try send(client, "POST", "/api/v1/urls", field + "\r\n", body: creation)
                #expect(made.status == 201, "\(field)")
                let code = try made.string("short_code")
                #expect(try made.string("short_url") == "\(node.url)/\(code)", "\(field)")
                let answer = try send(client, "GET", "/\(code)", field + "\r\n")
                #expect(answer.status == 302 && answer["location"] == "https://example.com/", "\(field)")
                #expect(try send(client, "GET", "/health", field + "\r\n").status == 200, "\(field)")
            }
        }

        // MARK: PROXY protocol

        @Test func proxyProtocol() throws {
            let node = try RunningNode(["--trusted_proxies", "127.0.0.1", "--rate_limit_create", "1/h burst 1"])
            func ask(_ header: [UInt8], _ fields: String = "") throws -> Int {
                let client = try node.connect()
                let request = Client.request(
                    "POST", "/shorten",
                    fields + "Content-Type: application/json\r\nContent-Length: \(creation.utf8.count)\r\n")
                try client.send(header + Array((request + creation).utf8))
                return try client.read().status
            }
            func line(_ address: String) -> [UInt8] { Array("PROXY TCP4 \(address) 192.0.2.99 4711 80\r\n".utf8) }
            let binary = ProxyHeaderTests.binary(0x21, 0x11, [192, 0, 2, 1, 192, 0, 2, 99, 0, 1, 0, 2])
            #expect(try ask(line("192.0.2.1")) == 201)
            #expect(try ask(binary) == 429)
            #expect(try ask(line("192.0.2.2")) == 201)
            // Whom the proxy connected for is not trusted, so its fields mean nothing; another proxy's do.
            #expect(try ask(line("192.0.2.2"), "X-Forwarded-For: 192.0.2.3\r\n") == 429)
            #expect(try ask(line("127.0.0.1"), "X-Forwarded-For: 192.0.2.3\r\n") == 201)
            // Without a header the connection is the proxy's own, and so are its health checks.
            #expect(try ask([]) == 201)
            #expect(try ask(ProxyHeaderTests.binary(0x20, 0, [])) == 429)
            // Byte by byte, and several requests behind one header.
            let slow = try node.connect()
            for byte in line("192.0.2.4") { try slow.send([byte]) }
            #expect(try slow.post("/shorten", json: creation).status == 201)
            #expect(try slow.post("/shorten", json: creation).status == 429)
            // It comes first, once, and whole.
            for header in ["PROXY TCP4 nonsense\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"] {
                let client = try node.connect()
                try client.send(header)
                #expect(try client.endsHere(), "\(header)")
            }
            let cut = try node.connect()
            try cut.send("PROXY TCP4 192")
            cut.endSending()
            #expect(try cut.endsHere())
            let twice = try node.connect()
            try twice.send(line("192.0.2.5") + line("192.0.2.6"))
            #expect(try twice.readToEnd().map(\.status) == [400])
        }
    }
}
