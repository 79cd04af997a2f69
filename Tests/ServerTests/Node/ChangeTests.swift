import Foundation
import Testing

extension NodeTests {
    /// Changing and deleting links, on a node that is alone.
    @Suite struct Changing {
        private static let manages = "links:create,links:manage"

        /// A node, a client and a key that changes its owner's links.
        private func node(_ flags: String...) throws -> (node: RunningNode, client: Client, key: String) {
            let node = try RunningNode(RunningNode.withAdmin + flags)
            return (node, try node.connect(), try node.makeKey("--owner", "team", "--scopes", Self.manages))
        }

        @Test func everyMember() throws {
            let (node, client, key) = try node("--workers", "4")
            let clients = try (0..<8).map { _ in try node.connect() }
            for alias in [nil, "an-alias"] {
                let code = try client.create("https://example.com/", key: key, alias: alias)
                for other in clients { #expect(try other.get("/\(code)").status == 302) }
                let before = try client.get("/api/v1/urls/\(code)", key: key)
                let json = #"""
                    {"long_url":"https://example.org/b","expires_at":"2090-01-01T00:00:00Z","title":"A \u0041","tags":["x"]}
                    """#
                let answer = try client.change(code, json, key: key)
                #expect(answer.status == 200, "\(answer.text)")
                let written = try answer.string("updated_at")
                #expect(answer["x-write-region"] == "local" && answer["x-write-ts"] == written)
                #expect(answer["edge-token"] != nil && answer["content-type"] == "application/json")
                let link = try answer.object
                #expect(link["long_url"] as? String == "https://example.org/b" && link["title"] as? String == "A A")
                #expect(link["expires_at"] as? String == "2090-01-01T00:00:00Z" && link["tags"] as? [String] == ["x"])
                for name in ["created_at", "short_code", "custom_alias", "owner", "region"] {
                    #expect(link[name] as? String == (try before.object[name] as? String), "\(name)")
                }
                let shown = try client.get("/api/v1/urls/\(code)", key: key)
                #expect(shown.body == answer.body && shown["etag"] == answer["etag"])
                #expect(shown["etag"] != before["etag"])
                for other in clients { #expect(try other.get("/\(code)")["location"] == "https://example.org/b") }
                // What is not named stays; null takes away.
                let rest = try client.change(code, #"{"title":null}"#, key: key)
                #expect(try rest.object["title"] is NSNull && rest.object["tags"] as? [String] == ["x"])
                let bare = try client.change(code, #"{"expires_at":null,"tags":null}"#, key: key)
                #expect(try bare.object["expires_at"] is NSNull && bare.object["tags"] as? [String] == [])
                let soon = try client.change(code, #"{"expires_in":60}"#, key: key)
                #expect(try soon.object["expires_at"] is String && soon.string("long_url") == "https://example.org/b")
            }
            #expect(try node.metric(#"edge_link_changes_total{result="updated"}"#) == 8)
        }

        @Test func switchedOffAndOn() throws {
            let (node, client, key) = try node("--workers", "4")
            let clients = try (0..<8).map { _ in try node.connect() }
            let code = try client.create("https://example.com/", key: key)
            for isActive in [false, true, false, true] {
                let answer = try client.change(code, #"{"is_active":\#(isActive)}"#, key: key)
                #expect(try answer.object["is_active"] as? Bool == isActive)
                for other in clients {
                    for _ in 0..<2 { #expect(try other.get("/\(code)").status == (isActive ? 302 : 410)) }
                }
                #expect(try client.get("/api/v1/urls/\(code)", key: key).status == 200)
            }
        }

        /// From the next request on, also where the redirect is kept.
        @Test func theVisitorsQuery() throws {
            let (_, client, key) = try node()
            let code = try client.create("https://example.com/", key: key)
            for forwards in [true, false] {
                #expect(try client.change(code, #"{"forward_query":\#(forwards)}"#, key: key).status == 200)
                for _ in 0..<2 {
                    #expect(
                        try client.get("/\(code)?a=1")["location"] == "https://example.com/" + (forwards ? "?a=1" : ""))
                }
            }
        }

        @Test func deleted() throws {
            let (node, client, key) = try node("--workers", "4")
            let clients = try (0..<8).map { _ in try node.connect() }
            for alias in [nil, "an-alias"] {
                let code = try client.create("https://example.com/", key: key, alias: alias)
                for other in clients { #expect(try other.get("/\(code)").status == 302) }
                let answer = try client.change(code, nil, key: key)
                #expect(answer.status == 204 && answer["edge-token"] != nil && answer["x-write-region"] == "local")
                for other in clients { try other.get("/\(code)").expectProblem(410, "expired") }
                for json in [nil, #"{"title":"a"}"#] {
                    try client.change(code, json, key: key).expectProblem(410, "expired")
                }
                try client.get("/api/v1/urls/\(code)", key: key).expectProblem(410, "expired")
            }
            let again = try client.post(
                "/api/v1/urls", json: #"{"long_url":"https://example.com/","custom_alias":"an-alias"}"#)
            again.expectProblem(409, "alias-taken")
            #expect(try node.metric(#"edge_link_changes_total{result="deleted"}"#) == 2)
            #expect(try node.stopDrained())
            #expect(try Finished(["verify", "--data", node.data]).ending == .exited(0))
        }

        /// Nobody changes what is not his, nor learns of it.
        @Test func whoMay() throws {
            let (node, client, key) = try node()
            let creator = try node.makeKey("--owner", "team", "--scopes", "links:create")
            let other = try node.makeKey("--owner", "others", "--scopes", Self.manages)
            let admin = try node.makeKey("--scopes", "admin")
            let code = try client.create("https://example.com/", key: key)
            let nobodys = try client.create("https://example.com/")
            for json in [#"{"title":"a"}"#, nil] {
                try client.change(code, json, key: nil).expectProblem(401, "unauthorized")
                try client.change(code, json, key: "edge_x").expectProblem(401, "unauthorized")
                try client.change(code, json, key: creator).expectProblem(403, "forbidden")
                let foreign = try client.change(code, json, key: other)
                foreign.expectProblem(404, "not-found")
                #expect(foreign.body == (try client.change("1aaaaaa", json, key: other)).body)
                try client.change(nobodys, json, key: key).expectProblem(403, "forbidden")
            }
            #expect(try client.change(code, #"{"title":"a"}"#, key: admin).status == 200)
            #expect(try client.change(nobodys, #"{"title":"a"}"#, key: admin).status == 200)
            #expect(try client.change(nobodys, nil, key: admin).status == 204)
            #expect(try client.get("/\(code)").status == 302)
        }

        @Test func refusedBodies() throws {
            let (_, client, key) = try node()
            let code = try client.create("https://example.com/", key: key)
            let before = try client.get("/api/v1/urls/\(code)", key: key)
            let refused: [(json: String, status: Int, code: String)] = [
                ("", 400, "invalid-json"), ("{}", 400, "invalid-json"), ("[]", 400, "invalid-json"),
                (#"{"titel":"a"}"#, 400, "invalid-json"), (#"{"custom_alias":"abc"}"#, 400, "invalid-json"),
                (#"{"long_url":null}"#, 400, "invalid-json"), (#"{"is_active":null}"#, 400, "invalid-json"),
                (#"{"expires_in":null}"#, 400, "invalid-json"), (#"{"is_active":1}"#, 400, "invalid-json"),
                (#"{"forward_query":null}"#, 400, "invalid-json"),
                (#"{"tags":"a"}"#, 400, "invalid-json"), (#"{"long_url":"no"}"#, 400, "invalid-url"),
                (#"{"long_url":"http://127.0.0.1/"}"#, 422, "invalid-url"),
                (#"{"expires_at":"2020-01-01T00:00:00Z"}"#, 422, "invalid-expiry"),
                (#"{"expires_in":0}"#, 422, "invalid-expiry"),
                (#"{"expires_in":5,"expires_at":null}"#, 422, "invalid-expiry"),
                (#"{"expires_in":5,"expires_at":"2090-01-01T00:00:00Z"}"#, 422, "invalid-expiry"),
                (#"{"title":"a\nb"}"#, 422, "invalid-title"), (#"{"tags":["a","a"]}"#, 422, "invalid-tags"),
            ]
            for (json, status, problem) in refused {
                try client.change(code, json, key: key).expectProblem(status, problem, "\(json)")
            }
            try client.send(
                Client.request(
                    "PATCH", "/api/v1/urls/\(code)",
                    "Authorization: Bearer \(key)\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n") + "{}")
            try client.read().expectProblem(415, "unsupported-media-type")
            let after = try client.get("/api/v1/urls/\(code)", key: key)
            #expect(after.body == before.body && after["etag"] == before["etag"])
        }

        @Test func conditions() throws {
            let (node, client, key) = try node()
            let code = try client.create("https://example.com/", key: key)
            func current() throws -> String { try #require(client.get("/api/v1/urls/\(code)", key: key)["etag"]) }
            func patch(_ condition: String) throws -> Answer {
                try client.change(code, #"{"title":"a"}"#, key: key, "If-Match: \(condition)\r\n")
            }
            let first = try current()
            for condition in [#""x""#, "W/\(first)", "", "nonsense", #""1-1", "2-2""#] {
                try patch(condition).expectProblem(412, "precondition-failed", "\(condition)")
            }
            try client.change(code, nil, key: key, "If-Match: \"x\"\r\n").expectProblem(412, "precondition-failed")
            #expect(try current() == first)
            let made = try patch(first)
            #expect(try made.status == 200 && made["etag"] == current())
            try patch(first).expectProblem(412, "precondition-failed")
            #expect(try patch("*").status == 200)
            #expect(try patch("\"x\", W/\"y\", \(current())").status == 200)
            let long = "\"\(String(repeating: "a", count: 20_000))\""
            try patch(long).expectProblem(431, "head-too-large")
            #expect(try client.change(code, nil, key: key, "If-Match: \(current())\r\n").status == 204)
            try patch("*").expectProblem(410, "expired")
            #expect(try node.metric(#"edge_link_changes_total{result="precondition_failed"}"#) == 7)
        }

        /// Many at once with one version of the link: one is made.
        @Test func oneOfMany() throws {
            let (node, client, key) = try node("--workers", "2")
            let code = try client.create("https://example.com/", key: key)
            let clients = try (0..<16).map { _ in try node.connect() }
            for round in 0..<10 {
                let tag = try #require(client.get("/api/v1/urls/\(code)", key: key)["etag"])
                for (index, client) in clients.enumerated() {
                    try client.sendChange(code, #"{"title":"\#(round) \#(index)"}"#, key: key, "If-Match: \(tag)\r\n")
                }
                let answers = try clients.map { try $0.read() }
                let winners = answers.filter { $0.status == 200 }
                #expect(winners.count == 1 && answers.count { $0.status == 412 } == 15)
                #expect(try client.get("/api/v1/urls/\(code)", key: key).body == winners.first?.body)
            }
        }

        /// No room for what users make; a delete still finds some.
        @Test func full() throws {
            let (node, client, key) = try node("--map_size", "16MiB")
            let code = try client.create("https://example.com/", key: key)
            let url = "https://example.com/" + String(repeating: "a", count: 2000)
            var isFull = false
            while !isFull {
                try client.send((0..<64).map { _ in Client.creation(url) }.joined())
                for _ in 0..<64 where try client.read().status == 507 { isFull = true }
            }
            try client.change(code, #"{"title":"a"}"#, key: key).expectProblem(507, "storage-full")
            #expect(try client.change(code, nil, key: key).status == 204)
            #expect(try node.metric(#"edge_link_changes_total{result="refused"}"#) == 1)
        }
    }
}
