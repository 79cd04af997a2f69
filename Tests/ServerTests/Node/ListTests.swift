import Foundation
import Testing

extension NodeTests {
    /// `GET /api/v1/urls`
    @Suite struct Listing {
        private let path = "/api/v1/urls"

        /// A node, a client of it, and a key of an owner.
        private func start(_ flags: [String] = []) throws -> (RunningNode, Client, key: String) {
            let node = try RunningNode(RunningNode.withAdmin + flags)
            return (node, try node.connect(), try node.makeKey("--owner", "team"))
        }

        private func create(_ client: Client, key: String, _ members: String) throws -> String {
            let body = "{\(members)}"
            try client.send(
                Client.request(
                    "POST", path,
                    "X-Api-Key: \(key)\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n")
                    + body)
            let answer = try client.read()
            guard answer.status == 201 else { throw HarnessError(answer.text) }
            // Those of one millisecond stand in the order of their keys, so the next one is made in another.
            let next = Date(timeIntervalSinceNow: 0.002)
            while Date() < next {}
            return try answer.string("short_code")
        }

        private func page(_ client: Client, key: String, _ query: String) throws -> Page {
            Page(try client.get(query.isEmpty ? path : path + "?" + query, key: key))
        }

        private struct Page {
            let answer: Answer
            init(_ answer: Answer) { self.answer = answer }

            var codes: [String] {
                get throws { try links.map { try #require($0["short_code"] as? String) } }
            }
            var links: [[String: Any]] {
                get throws { try #require(try answer.object["urls"] as? [[String: Any]], "\(answer.text)") }
            }
            var next: String? {
                get throws { try answer.object["next_cursor"] as? String }
            }
            var isIncomplete: Bool {
                get throws { try answer.object["incomplete"] as? Bool ?? false }
            }
        }

        /// Every code of a query, page by page.
        private func codes(_ client: Client, key: String, _ query: String) throws -> [String] {
            var (codes, cursor) = ([String](), "")
            while true {
                let page = try self.page(client, key: key, query + cursor)
                codes += try page.codes
                guard let next = try page.next else { return codes }
                cursor = "&cursor=" + next
            }
        }

        @Test func pages() throws {
            let (node, client, key) = try start()
            let made = try (0..<25).map { number in
                try create(
                    client, key: key,
                    #""long_url":"https://example.com/\#(number)""#
                        + (number % 4 == 0 ? #","custom_alias":"my-\#(number)""# : ""))
            }
            let free = try client.create("https://example.com/nobodys")
            let newest = Array(made.reversed())
            let first = Page(try client.get(path, key: key))
            #expect(first.answer.status == 200 && first.answer["content-type"] == "application/json")
            #expect(first.answer["cache-control"] == "no-store")
            #expect(try Set(first.answer.object.keys) == ["urls", "next_cursor"])
            #expect(try first.codes == Array(newest[..<20]))
            for limit in [1, 7, 25, 100] {
                #expect(try codes(client, key: key, "limit=\(limit)") == newest, "\(limit)")
            }
            let last = try page(client, key: key, "limit=25")
            #expect(try last.next == nil && last.answer.object["next_cursor"] is NSNull)
            // A link is as it is shown alone.
            for code in [newest[0], "my-0"] {
                let alone = try client.get("\(path)/\(code)", key: key)
                let text = try page(client, key: key, "limit=100").answer.text
                #expect(text.contains(alone.text), "\(alone.text)")
            }
            #expect(!newest.contains(free))
            // The cursor is of the owner's, whichever key and node; another's is no cursor here.
            let cursor = try #require(try page(client, key: key, "limit=5").next)
            #expect(
                try page(client, key: node.makeKey("--owner", "team"), "limit=5&cursor=\(cursor)").codes
                    == Array(newest[5..<10]))
            let other = try node.makeKey("--owner", "other")
            #expect(try page(client, key: other, "").codes.isEmpty)
            let damaged = String(cursor.dropLast()) + (cursor.hasSuffix("A") ? "Q" : "A")
            for (key, cursor) in [
                (other, cursor), (key, damaged), (key, String(cursor.dropFirst())), (key, ""), (key, "AAAA"),
                (key, String(repeating: "A", count: 40)), (key, "%00"),
            ] {
                let answer = try page(client, key: key, "cursor=\(cursor)").answer
                answer.expectProblem(400, "invalid-query", "\(cursor)")
                #expect(answer.text.contains("cursor"))
            }
            let head = try client.get(path, method: "HEAD")
            #expect(head.status == 401)
        }

        @Test func whoMayList() throws {
            let (node, client, key) = try start()
            let code = try create(client, key: key, #""long_url":"https://example.com/""#)
            let anonymous = try client.get(path)
            anonymous.expectProblem(401, "unauthorized")
            #expect(anonymous["www-authenticate"] == "Bearer")
            let admin = try node.makeKey("--scopes", "admin")
            for (scopes, query, expected) in [
                ("links:create", "", [code]), ("links:manage", "", [code]), ("links:manage", "owner=team", [code]),
                ("admin", "", [code]),
            ] {
                let key = try node.makeKey("--owner", "team", "--scopes", scopes)
                #expect(try page(client, key: key, query).codes == expected, "\(scopes) \(query)")
            }
            #expect(try page(client, key: admin, "").codes == [])
            #expect(try page(client, key: admin, "owner=team").codes == [code])
            #expect(try page(client, key: admin, "owner=nobody").codes == [])
            try page(client, key: key, "owner=other").answer.expectProblem(403, "forbidden")
            try page(client, key: node.makeKey("--owner", "other"), "owner=team").answer.expectProblem(403, "forbidden")
        }

        @Test func wrongQueries() throws {
            let (_, client, key) = try start()
            for (query, words) in [
                ("limit=0", "1 to 100"), ("limit=101", "1 to 100"), ("limit=-1", "1 to 100"), ("limit=+5", "1 to 100"),
                ("limit=05", "1 to 100"), ("limit=x", "1 to 100"), ("limit=", "1 to 100"),
                ("limit=99999999999999999999", "1 to 100"), ("limit=5&limit=6", "limit"), ("limit", "limit"),
                ("page=2", "page"), ("tag=", "1 to 64"), ("tag=" + String(repeating: "t", count: 65), "1 to 64"),
                ("tag=%FF", "UTF-8"), ("q=", "1 to 128"), ("q=" + String(repeating: "%20", count: 129), "1 to 128"),
                ("created_after=yesterday", "RFC 3339"), ("created_before=2030-01-01", "RFC 3339"),
                ("created_after=2030-01-01T00:00:00+00:00", "%2B"), ("created_after=", "RFC 3339"),
                ("owner=", "1 to 255"), ("&", "is missing"),
            ] {
                let answer = try page(client, key: key, query).answer
                answer.expectProblem(400, "invalid-query", "\(query)")
                #expect(answer.text.contains(words), "\(query): \(answer.text)")
            }
        }

        @Test func filters() throws {
            let (_, client, key) = try start()
            func make(_ members: String) throws -> String { try create(client, key: key, members) }
            let plain = try make(#""long_url":"https://Example.com/Path?Query=UPPER""#)
            let titled = try make(
                #""long_url":"https://a.example/","title":"Ein TÏTEL mit Leerzeichen","tags":["red","a b"]"#)
            let named = try make(#""long_url":"https://b.example/","custom_alias":"Upper-Case","tags":["red","grün"]"#)
            let other = try make(#""long_url":"https://c.example/","tags":["Red"]"#)
            for (query, expected) in [
                ("q=upper", [named, plain]), ("q=UPPER", [named, plain]), ("q=%3fquery%3D", [plain]),
                ("q=t%C3%AFtel", [titled]), ("q=T%C3%8FTEL+mit%20leer", [titled]), ("q=upper-case", [named]),
                ("q=nothing", []), ("q=\(other)", [other]), ("q=.example", [other, named, titled]),
                ("tag=red", [named, titled]), ("tag=Red", [other]), ("tag=re", []), ("tag=a+b", [titled]),
                ("tag=a%20b", [titled]), ("tag=gr%C3%BCn", [named]), ("tag=red&q=leer", [titled]),
                ("tag=red&q=upper&limit=1", [named]),
            ] { #expect(try codes(client, key: key, query) == expected, "\(query)") }
        }

        @Test func instants() throws {
            let (_, client, key) = try start()
            var (codes, instants) = ([String](), [String]())
            for number in 0..<6 {
                let code = try create(client, key: key, #""long_url":"https://example.com/\#(number)""#)
                codes.insert(code, at: 0)
                instants.insert(try client.get("\(path)/\(code)", key: key).string("created_at"), at: 0)
            }
            // Of one millisecond there may be two.
            for (index, instant) in instants.enumerated() {
                let end = instants.lastIndex(of: instant)! + 1
                #expect(try self.codes(client, key: key, "limit=2&created_after=\(instant)") == Array(codes[..<end]))
                let older = Array(codes[end...])
                #expect(try self.codes(client, key: key, "limit=2&created_before=\(instant)") == older, "\(index)")
            }
            let zoned = instants[0].replacing("Z", with: "%2B00:00")
            #expect(try self.codes(client, key: key, "created_after=\(zoned)").first == codes[0])
            #expect(try self.codes(client, key: key, "created_after=2999-01-01T00:00:00Z") == [])
            #expect(try self.codes(client, key: key, "created_before=1960-01-01T00:00:00Z") == [])
        }

        /// More links than one request looks at: it says so, and its cursor goes on.
        @Test func incomplete() throws {
            let (node, maker, key) = try start()
            let first = try create(maker, key: key, #""long_url":"https://example.com/the-first""#)
            let creation = Client.creation("https://example.com/", path, "X-Api-Key: \(key)\r\n")
            let clients = try (0..<150).map { _ in try node.connect() }
            for _ in 0..<14 {
                for client in clients { try client.send(creation) }
                for client in clients { #expect(try client.read().status == 201) }
            }
            let client = try node.connect()
            var (found, isIncomplete, cursor) = ([String](), false, "")
            for _ in 0..<2200 {
                let page = try self.page(client, key: key, "q=The-First" + cursor)
                found += try page.codes
                isIncomplete = try page.isIncomplete || isIncomplete
                guard let next = try page.next else { break }
                #expect(try page.isIncomplete)
                cursor = "&cursor=" + next
            }
            #expect(found == [first] && isIncomplete)
            #expect(try page(client, key: key, "limit=100&tag=none").isIncomplete)
        }

        /// The answer tells whether it reflects what the token tells of.
        @Test func tokens() throws {
            let (node, client, key) = try start()
            func ask(_ token: String, _ fields: String = "") throws -> Answer {
                try client.send(
                    Client.request("GET", path, "Authorization: Bearer \(key)\r\nEdge-Token: \(token)\r\n\(fields)"))
                return try client.read()
            }
            try client.send(Client.creation("https://example.com/", path, "X-Api-Key: \(key)\r\n"))
            let made = try client.read()
            let token = try #require(made["edge-token"])
            let current = try ask(token)
            #expect(current["x-consistency"] == "current")
            #expect(try Page(current).codes == [made.string("short_code")])
            let forged = try ask(String(token.dropLast()) + (token.hasSuffix("A") ? "Q" : "A"))
            #expect(forged.status == 200 && forged["x-consistency"] == nil)
            #expect(node.stop() == .exited(0))
        }

        /// A link that cannot be read is left out, and the answer says that one is.
        @Test func damaged() throws {
            let (first, maker, key) = try start()
            let codes = try (0..<3).map {
                try create(maker, key: key, #""long_url":"https://example.com/link-\#($0)""#)
            }
            #expect(first.stop() == .exited(0))
            var bytes = try Data(contentsOf: URL(filePath: first.data + "/data.mdb"))
            while let place = bytes.range(of: Data("link-1".utf8)) { bytes[place.lowerBound] = 0x4C }
            try bytes.write(to: URL(filePath: first.data + "/data.mdb"))
            let page = try self.page(try first.restarted(RunningNode.withAdmin).connect(), key: key, "")
            #expect(try page.codes == [codes[2], codes[0]] && page.answer.object["damaged"] as? Int == 1)
        }
    }
}
