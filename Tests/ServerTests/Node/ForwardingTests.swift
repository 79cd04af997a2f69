import Testing

extension NodeTests {
    /// Links that take the visitor's query along.
    @Suite struct Forwarding {
        private let member = #","forward_query":true"#

        @Test func locations() throws {
            let node = try RunningNode(["--workers", "1"])
            let client = try node.connect()
            let code = try client.create("https://example.com/a?b=1#c", member)
            #expect(try client.get("/api/v1/urls/\(code)").object["forward_query"] as? Bool == true)
            let long = String(repeating: "v", count: 8000)
            for (query, location) in [
                ("", "https://example.com/a?b=1#c"), ("?", "https://example.com/a?b=1#c"),
                ("?x=2&b=3&%62=4&y=%20", "https://example.com/a?b=1&x=2&y=%20#c"),
                ("?x=/?:@!$'()*+,;=", "https://example.com/a?b=1&x=/?:@!$'()*+,;=#c"),
                ("?x=" + long, "https://example.com/a?b=1#c"), ("?z=9", "https://example.com/a?b=1&z=9#c"),
            ] {
                for method in ["GET", "HEAD"] {
                    let answer = try client.get("/\(code)\(query)", method: method)
                    #expect(answer.status == 302 && answer["location"] == location, "\(query)")
                }
            }
            // From the store, and from the cache, which keeps one destination for all queries.
            let other = try client.create("https://example.com/", member)
            for (served, query) in [("store", "a=1"), ("l1", "b=2"), ("l1", "a=1")] {
                let answer = try client.get("/\(other)?\(query)")
                #expect(answer["x-served-by"] == served && answer["location"] == "https://example.com/?\(query)")
            }
            // Answers that leave together.
            try client.send((0..<16).map { Client.request("GET", "/\(other)?n=\($0)") }.joined())
            for number in 0..<16 { #expect(try client.read()["location"] == "https://example.com/?n=\(number)") }
        }

        /// Off unless it is asked for.
        @Test func linksWithoutIt() throws {
            let client = try RunningNode().connect()
            for members in ["", #","forward_query":false"#, #","forward_query":null"#] {
                let code = try client.create("https://example.com/", members)
                #expect(try client.get("/api/v1/urls/\(code)").object["forward_query"] as? Bool == false)
                for _ in 0..<2 { #expect(try client.get("/\(code)?x=1")["location"] == "https://example.com/") }
            }
        }

        /// What is no URI's character is refused before anything is looked up.
        @Test func splitting() throws {
            let node = try RunningNode()
            let code = try node.connect().create("https://example.com/", member)
            for query in ["x=\r\nSet-Cookie:y", "x=\ny", "x=\ry", "x=\u{0}", "x=#y", "x=é", "x=\""] {
                let client = try node.connect()
                try client.send(Client.request("GET", "/\(code)?\(query)"))
                #expect(try client.read().status == 400, "\(query)")
            }
            // What browsers send as it is goes on encoded.
            let raw = try node.connect().get("/\(code)?a[]=50%&b={c|d}")
            #expect(raw["location"] == "https://example.com/?a%5B%5D=50%25&b=%7Bc%7Cd%7D", "\(raw.fields)")
            let encoded = try node.connect().get("/\(code)?x=%0D%0ASet-Cookie:y")
            #expect(encoded["location"] == "https://example.com/?x=%0D%0ASet-Cookie:y" && encoded["set-cookie"] == nil)
        }

        /// Of a link that expires too, and with what else hangs on the answer.
        @Test func withAnExpiry() throws {
            let node = try RunningNode(["--workers", "1", "--redirect_cache_ttl", "1h"])
            let client = try node.connect()
            let code = try client.create("https://example.com/", member + #","expires_in":100"#)
            for _ in 0..<2 {
                let answer = try client.get("/\(code)?x=1")
                #expect(answer["location"] == "https://example.com/?x=1" && answer["surrogate-key"] == code)
                let age = try #require(answer["cache-control"]?.wholeMatch(of: /public, max-age=(\d+)/)).1
                #expect((0...100).contains(Int(age) ?? -1))
            }
            node.child.kill()
            let later = try node.restarted(["--clock_offset", "2h"])
            try later.connect().get("/\(code)?x=1").expectProblem(410, "expired")
        }
    }
}
