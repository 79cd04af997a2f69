import Foundation
import Glibc
import Primitives
import Testing

extension NodeTests {
    @Suite struct Creating {
        private static func time(_ secondsFromNow: Int64) -> String {
            let seconds = Int64(Date().timeIntervalSince1970) + secondsFromNow
            return CalendarTime(Instant(milliseconds: seconds * 1000)).rfc3339
        }

        private static var now: Instant {
            var time = timespec()
            clock_gettime(CLOCK_REALTIME, &time)
            return Instant(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
        }

        @Test func everyMember() throws {
            let node = try RunningNode()
            let client = try node.connect()
            let expiry = Self.time(3600)
            let answer = try client.post(
                "/api/v1/urls",
                json: #"""
                     {"long_url":"https://example.com/a?b=c#d","custom_alias":"my-Alias_1","expires_at":"\#(expiry)",
                    "title":"Ein Tïtel \"x\" \ud83e\udd8a","tags":["a","b\u00e9"]}
                    """#)
            #expect(answer.status == 201)
            #expect(answer["content-type"] == "application/json")
            #expect(answer["location"] == node.url + "/my-Alias_1")
            #expect(answer["x-write-region"] == "local")
            let link = try answer.object
            #expect(answer["x-write-ts"] == link["created_at"] as? String)
            #expect(answer["etag"]?.wholeMatch(of: /"[0-9a-f]+-[0-9a-f]+"/) != nil)
            #expect(
                Set(link.keys) == [
                    "short_code", "short_url", "long_url", "created_at", "updated_at", "expires_at", "is_active",
                    "custom_alias", "title", "tags", "forward_query", "region", "owner",
                ])
            #expect(link["short_code"] as? String == "my-Alias_1")
            #expect(link["custom_alias"] as? String == "my-Alias_1")
            #expect(link["short_url"] as? String == node.url + "/my-Alias_1")
            #expect(link["long_url"] as? String == "https://example.com/a?b=c#d")
            #expect(link["expires_at"] as? String == expiry)
            #expect(link["created_at"] as? String == link["updated_at"] as? String)
            #expect(link["title"] as? String == "Ein Tïtel \"x\" 🦊")
            #expect(link["tags"] as? [String] == ["a", "bé"])
            #expect(link["is_active"] as? Bool == true)
            #expect(link["forward_query"] as? Bool == false)
            #expect(link["region"] as? String == "local")
            #expect(link["owner"] is NSNull)

            let shown = try client.get("/api/v1/urls/my-Alias_1")
            #expect(shown.status == 200)
            #expect(shown.body == answer.body)
            #expect(shown["etag"] == answer["etag"])
            let head = try client.get("/api/v1/urls/my-Alias_1", method: "HEAD")
            #expect(head["content-length"] == "\(answer.body.count)")
            #expect(try client.get("/my-Alias_1")["location"] == "https://example.com/a?b=c#d")
        }

        @Test func fewMembers() throws {
            let node = try RunningNode()
            let client = try node.connect()
            let answer = try client.post("/api/v1/urls", json: #"{"long_url":"https://example.com/"}"#)
            let link = try answer.object
            let code = try answer.string("short_code")
            #expect(code.wholeMatch(of: /1[0-9A-Za-z]{6}/) != nil)
            for name in ["expires_at", "custom_alias", "title", "owner"] { #expect(link[name] is NSNull) }
            #expect(link["tags"] as? [String] == [])
            #expect(try client.get("/api/v1/urls/\(code)").body == answer.body)
            // A member that is null is as good as none.
            let nulls = #""custom_alias":null,"expires_in":null,"expires_at":null,"title":null,"tags":null"#
            #expect(
                try client.post("/api/v1/urls", json: #"{"long_url":"https://a.example/",\#(nulls)}"#).status == 201)
            let short = try client.post("/shorten", json: #"{"long_url":"https://example.com/","expiry":null}"#)
            #expect(short.status == 201)
            #expect(Set(try short.object.keys) == ["short_url"])
            #expect(short["location"] == (try short.string("short_url")))
        }

        /// Where short URLs begin is configured; the node's own name is no destination.
        @Test func publicURL() throws {
            let node = try RunningNode(["--public_url", "https://s.example", "--regions", "eu:e", "--region", "eu"])
            let client = try node.connect()
            let answer = try client.post("/shorten", json: #"{"long_url":"https://example.com/"}"#)
            #expect(try answer.string("short_url").wholeMatch(of: /https:\/\/s\.example\/e[0-9A-Za-z]{6}/) != nil)
            #expect(answer["x-write-region"] == "eu")
            try client.post("/shorten", json: #"{"long_url":"http://s.example/x"}"#).expectProblem(422, "invalid-url")
        }

        @Test func expiries() throws {
            let node = try RunningNode()
            let client = try node.connect()
            func made(_ target: String, _ member: String) throws -> Answer {
                let answer = try client.post(target, json: #"{"long_url":"https://example.com/",\#(member)}"#)
                #expect(answer.status == 201, "\(member): \(answer.text)")
                let code = try #require(answer["location"]?.split(separator: "/").last)
                return try client.get("/api/v1/urls/\(code)")
            }
            let durations: [(target: String, name: String, seconds: Int64)] = [
                ("/api/v1/urls", "expires_in", 60), ("/api/v1/urls", "expires_in", 3_155_760_000),
                ("/shorten", "expiry", 60),
            ]
            for (target, name, seconds) in durations {
                // From a moment of the request on, however long the disk takes.
                let before = Self.now
                let link = try made(target, #""\#(name)":\#(seconds)"#)
                let after = Self.now
                let expiry = try #require(Instant(rfc3339: try link.string("expires_at")))
                let creation = try #require(Instant(rfc3339: try link.string("created_at")))
                let start = expiry.advanced(byMilliseconds: -seconds * 1000)
                #expect(before <= start && start <= after && start <= creation, "\(target): \(name) \(seconds)")
            }
            for (target, name, zone) in [
                ("/api/v1/urls", "expires_at", "Z"), ("/api/v1/urls", "expires_at", "+00:00"),
                ("/shorten", "expiry", "Z"),
            ] {
                let time = Self.time(60)
                let link = try made(target, #""\#(name)":"\#(time.dropLast())\#(zone)""#)
                #expect(try link.string("expires_at") == time, "\(target): \(name) \(zone)")
            }
        }

        /// Well-formed, and refused.
        @Test func refusedValues() throws {
            let node = try RunningNode()
            let client = try node.connect()
            let full = "/api/v1/urls"
            let cases: [(target: String, members: String, code: String)] = [
                (full, #""expires_in":0"#, "invalid-expiry"), (full, #""expires_in":-1"#, "invalid-expiry"),
                (full, #""expires_in":3155760001"#, "invalid-expiry"),
                (full, #""expires_in":9223372036854775807"#, "invalid-expiry"),
                (full, #""expires_at":"2020-01-01T00:00:00Z""#, "invalid-expiry"),
                (full, #""expires_at":"2999-01-01T00:00:00Z""#, "invalid-expiry"),
                (full, #""expires_at":"tomorrow""#, "invalid-expiry"), (full, #""expires_at":"""#, "invalid-expiry"),
                (full, #""expires_at":"2030-02-30T00:00:00Z""#, "invalid-expiry"),
                (full, #""expires_in":60,"expires_at":"\#(Self.time(60))""#, "invalid-expiry"),
                ("/shorten", #""expiry":0"#, "invalid-expiry"), ("/shorten", #""expiry":"60""#, "invalid-expiry"),
                ("/shorten", #""expiry":"2020-01-01T00:00:00Z""#, "invalid-expiry"),
                (full, #""title":"\#(String(repeating: "é", count: 257))""#, "invalid-title"),
                (full, #""title":"a\u0000b""#, "invalid-title"), (full, #""title":"a\nb""#, "invalid-title"),
                (full, #""tags":["a","a"]"#, "invalid-tags"), (full, #""tags":[""]"#, "invalid-tags"),
                (full, #""tags":["a\u0007"]"#, "invalid-tags"),
                (full, #""tags":["\#(String(repeating: "a", count: 65))"]"#, "invalid-tags"),
                (full, #""tags":[\#((0..<17).map { "\"\($0)\"" }.joined(separator: ","))]"#, "invalid-tags"),
            ]
            for (target, members, code) in cases {
                try client.post(target, json: #"{"long_url":"https://example.com/",\#(members)}"#)
                    .expectProblem(422, code, "\(members)")
            }
            let tags = (0..<16).map { "\"\($0)\(String(repeating: "a", count: 62))\"" }.joined(separator: ",")
            let title = String(repeating: "é", count: 256)
            #expect(try !client.create("https://example.com/", #","tags":[\#(tags)],"title":"\#(title)""#).isEmpty)
        }

        @Test func refusedDestinations() throws {
            let node = try RunningNode()
            let client = try node.connect()
            for (url, status) in [
                ("", 400), ("example.com", 400), ("https://", 400), ("ftp://example.com/", 422),
                ("javascript:alert(1)", 422), ("https://user:pw@example.com/", 422), ("http://127.0.0.1/", 422),
                ("http://10.1.2.3/", 422), ("http://localhost/", 422), ("https://a.example/\\u0000", 400),
                (" https://a.example/", 400), ("https://a.example/\(String(repeating: "a", count: 2048))", 422),
                ("\(node.url)/abc", 422),
            ] {
                for target in ["/api/v1/urls", "/shorten"] {
                    try client.post(target, json: #"{"long_url":"\#(url)"}"#)
                        .expectProblem(status, "invalid-url", "\(url)")
                }
            }
        }

        @Test func aliases() throws {
            let node = try RunningNode()
            let client = try node.connect()
            func create(_ alias: String, _ target: String = "/api/v1/urls") throws -> Answer {
                try client.post(target, json: #"{"long_url":"https://example.com/","custom_alias":"\#(alias)"}"#)
            }
            let refused =
                ["", "ab", String(repeating: "a", count: 65), "a b", "a/b", "über", "a.b", "abc\\u0000", "abc "]
                + ["api", "health", "shorten", "analytics", "problems", "API", "Health", "robots.txt"]
                + ["1abcdef", "1000000", "1zzzzzzz", "1abcdefghijk"]
            for alias in refused { try create(alias).expectProblem(422, "invalid-alias", "\(alias)") }
            let taken = ["abc", String(repeating: "a", count: 64), "1-abcdef", "2abcdef", "---", "___", "Abc", "apis"]
            for alias in taken {
                #expect(try create(alias).status == 201, "\(alias)")
                try create(alias).expectProblem(409, "alias-taken", "\(alias)")
                try create(alias, "/shorten").expectProblem(409, "alias-taken", "\(alias)")
                #expect(try client.get("/\(alias)").status == 302)
            }
        }

        /// One alias, many connections at once: one has it.
        @Test func claims() throws {
            let node = try RunningNode()
            let clients = try (0..<32).map { _ in try node.connect() }
            for round in 0..<10 {
                for (index, client) in clients.enumerated() {
                    let body = #"{"long_url":"https://example.com/\#(index)","custom_alias":"claim-\#(round)"}"#
                    try client.send(
                        Client.request(
                            "POST", "/api/v1/urls",
                            "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n") + body)
                }
                let answers = try clients.map { try $0.read() }
                let winners = answers.indices.filter { answers[$0].status == 201 }
                #expect(winners.count == 1)
                for index in answers.indices where index != winners.first {
                    answers[index].expectProblem(409, "alias-taken")
                }
                let location = try clients[0].get("/claim-\(round)")["location"]
                #expect(location == "https://example.com/\(winners[0])")
            }
        }

        @Test func mediaTypes() throws {
            let node = try RunningNode()
            let client = try node.connect()
            let body = Array(#"{"long_url":"https://example.com/"}"#.utf8)
            for type in ["application/json", "APPLICATION/JSON", "application/json; charset=utf-8"] {
                #expect(try client.post("/shorten", body, type: type).status == 201, "\(type)")
            }
            for type in [
                nil, "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "application", "x",
                "application/problem+json",
            ] {
                try client.post("/shorten", body, type: type).expectProblem(
                    415, "unsupported-media-type", "\(type ?? "")")
            }
            let encoded = "Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n"
            try client.send(Client.request("POST", "/shorten", encoded) + "{}")
            try client.read().expectProblem(415, "unsupported-media-type")
        }

        @Test func withoutAKey() throws {
            let node = try RunningNode(["--anonymous_create", "off"])
            let client = try node.connect()
            for target in ["/api/v1/urls", "/shorten"] {
                let answer = try client.post(target, json: #"{"long_url":"https://example.com/"}"#)
                answer.expectProblem(401, "unauthorized")
                #expect(answer["www-authenticate"] != nil)
            }
            #expect(try client.get("/health").status == 200)
        }

        /// On a node that is alone too a request may come again with the claim that it came with before.
        @Test func claimsThatComeAgain() throws {
            let client = try RunningNode().connect()
            let id = String(repeating: "0f", count: 16)
            func post(_ members: String) throws -> Answer {
                try client.post("/api/v1/urls", json: #"{"long_url":"https://example.com/"\#(members)}"#)
            }
            let claim = #","custom_alias":"name","claim_id":"\#(id)""#
            let first = try post(claim)
            #expect(first.status == 201)
            #expect(try post(claim).body == first.body)
            let other = try client.post("/api/v1/urls", json: #"{"long_url":"https://example.org/"\#(claim)}"#)
            #expect(try other.status == 409 && other.string("code") == "alias-taken")
            for members in [
                #","custom_alias":"name""#, #","custom_alias":"name","claim_id":"\#(id.replacing("f", with: "e"))""#,
            ] { #expect(try post(members).status == 409, "\(members)") }
            for wrong in ["", "0", String(repeating: "0", count: 32), String(repeating: "-", count: 32), id + "0"] {
                let answer = try post(#","custom_alias":"other","claim_id":"\#(wrong)""#)
                #expect(try answer.status == 400 && answer.string("code") == "invalid-json", "\(wrong)")
            }
            #expect(try post(#","claim_id":"\#(id)""#).status == 400, "without an alias")
        }
    }
}
