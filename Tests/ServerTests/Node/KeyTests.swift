import Foundation
import Links
import Testing

extension NodeTests {
    @Suite struct Keys {
        /// A key of each kind, and what each request says to it.
        @Test func requestsByKindOfKey() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let client = try node.connect()
            let owner = try node.makeKey("--owner", "team")
            let revoked = try node.makeKey()
            try node.revoke(revoked)
            let other = try node.makeKey("--scopes", "links:create")
            let admin = try node.makeKey("--scopes", "admin")
            let mistyped = String(owner.dropLast()) + (owner.hasSuffix("0") ? "1" : "0")
            let wrongSecret = try Self.withSecret(of: other, in: owner)
            let kinds: [(name: String, key: String?, create: Int, owned: Int, free: Int)] = [
                ("none", nil, 201, 404, 200), ("owner", owner, 201, 200, 200),
                ("a second key of the owner", try node.makeKey("--owner", "team"), 201, 200, 200),
                ("manage alone", try node.makeKey("--owner", "team", "--scopes", "links:manage"), 403, 200, 200),
                ("create alone", try node.makeKey("--owner", "team", "--scopes", "links:create"), 201, 200, 200),
                ("another owner", other, 201, 404, 200), ("admin", admin, 201, 200, 200),
                ("revoked", revoked, 401, 401, 401), ("mistyped", mistyped, 401, 401, 401),
                ("another's secret", wrongSecret, 401, 401, 401), ("no key", "nonsense", 401, 401, 401),
                ("empty", "", 401, 401, 401), ("unknown", try Self.foreignKey(), 401, 401, 401),
            ]
            let owned = try client.create(key: owner).string("short_code")
            let free = try client.create("https://example.com/")
            for kind in kinds {
                for (target, expected) in [("/api/v1/urls/\(owned)", kind.owned), ("/api/v1/urls/\(free)", kind.free)] {
                    let answer = try kind.key.map { try client.get(target, key: $0) } ?? client.get(target)
                    #expect(answer.status == expected, "\(kind.name): \(answer.text)")
                }
                for target in ["/api/v1/urls", "/shorten"] {
                    let creation = Client.creation(
                        "https://example.com/", target, kind.key.map { "X-Api-Key: \($0)\r\n" } ?? "")
                    try client.send(creation)
                    let answer = try client.read()
                    #expect(answer.status == kind.create, "\(kind.name): \(answer.text)")
                    if kind.create == 401 { #expect(answer["www-authenticate"] == "Bearer") }
                }
            }
        }

        /// The secret of one key behind the id of another, with the checksum that belongs there.
        private static func withSecret(of other: String, in key: String) throws -> String {
            let text = Array(key.utf8.prefix(28)) + Array(other.utf8)[28..<72]
            return String(decoding: text, as: UTF8.self) + checksum(text)
        }

        /// Thousands of secrets behind the id of a key that is there open nothing.
        @Test func guessedSecrets() throws {
            let node = try RunningNode(RunningNode.withAdmin + ["--rate_limit_auth_failure", "off"])
            let client = try node.connect()
            let key = try node.makeKey("--owner", "team")
            let owned = try client.create(key: key).string("short_code")
            let id = try #require(KeyText(Array(key.utf8))).id
            for _ in 0..<100 {
                let requests = (0..<40).map { _ in
                    let secret = (UInt128.random(in: 0 ... .max), UInt128.random(in: 0 ... .max))
                    let guess = KeyText(id: id, secret: secret).text
                    return Client.request("GET", "/api/v1/urls/\(owned)", "X-Api-Key: \(guess)\r\n")
                }
                try client.send(requests.joined())
                for _ in requests { #expect(try client.read().status == 401) }
            }
            #expect(try client.get("/api/v1/urls/\(owned)", key: key).status == 200)
        }

        private static func foreignKey() throws -> String {
            let text = Array("edge_\(String(repeating: "3", count: 22))_\(String(repeating: "4", count: 44))".utf8)
            return String(decoding: text, as: UTF8.self) + checksum(text)
        }

        /// CRC-32C, bit by bit, in six digits of base62.
        private static func checksum(_ text: [UInt8]) -> String {
            var crc: UInt32 = .max
            for byte in text {
                crc ^= UInt32(byte)
                for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0x82f6_3b78 }
            }
            let digits = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
            var (rest, result) = (Int(~crc), "")
            for _ in 0..<6 {
                result = String(digits[rest % 62]) + result
                rest /= 62
            }
            return result
        }

        /// Where the key stands, and how the scheme is written.
        @Test func fields() throws {
            let node = try RunningNode(RunningNode.withAdmin + ["--anonymous_create", "off"])
            let client = try node.connect()
            let (key, other) = (try node.makeKey(), try node.makeKey())
            let cases: [(fields: String, status: Int, words: String)] = [
                ("", 401, "no links for anonymous"), ("Authorization: Bearer \(key)\r\n", 201, ""),
                ("authorization: bEARER   \(key)\r\n", 201, ""), ("X-Api-Key: \(key)\r\n", 201, ""),
                ("X-API-KEY:\(key)\r\n", 201, ""),
                ("Authorization: Bearer \(key)\r\nX-Api-Key: \(key)\r\n", 201, ""),
                ("Authorization: Bearer \(key)\r\nX-Api-Key: \(other)\r\n", 401, "different"),
                ("Authorization: Bearer \(key)\r\nX-Api-Key:\r\n", 401, "different"),
                ("Authorization: Basic \(key)\r\n", 401, "Bearer"), ("Authorization: \(key)\r\n", 401, "Bearer"),
                ("Authorization: Bearer\r\n", 401, "Bearer"), ("Authorization:\r\n", 401, "Bearer"),
                ("Authorization: Bearer\(key)\r\n", 401, "Bearer"),
                ("Authorization: Basic eA==\r\nX-Api-Key: \(key)\r\n", 401, "Bearer"),
                ("Authorization: Bearer \(key) \(key)\r\n", 401, "not valid"), ("X-Api-Key:\r\n", 401, "not valid"),
                ("X-Api-Key: \u{e9}\r\n", 401, "not valid"),
                ("Authorization: Bearer \(key)\r\nAuthorization: Bearer \(key)\r\n", 400, ""),
            ]
            for (fields, status, words) in cases {
                let connection = status == 400 ? try node.connect() : client
                try connection.send(Client.creation("https://example.com/", "/api/v1/urls", fields))
                let answer = try connection.read()
                #expect(
                    answer.status == status && (words.isEmpty || answer.text.contains(words)),
                    "\(fields): \(answer.text)")
                if status == 401 {
                    answer.expectProblem(401, "unauthorized")
                    #expect(answer["www-authenticate"] == "Bearer")
                }
            }
        }

        /// Wrong, unknown, revoked, expired: one answer, byte for byte. A lacking scope says which.
        @Test func refusalsTellNothing() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let client = try node.connect()
            let (key, expiring) = (try node.makeKey(), try node.makeKey("--expires-in", "1"))
            let revoked = try node.makeKey()
            try node.revoke(revoked)
            let deadline = Deadline()
            while try client.get("/api/v1/urls/x", key: expiring).status != 401, !deadline.isOver {}
            let keys = [revoked, expiring, try Self.withSecret(of: revoked, in: key), try Self.foreignKey(), "x"]
            let answers = try keys.map { try client.get("/api/v1/urls/x", key: $0) }
            for answer in answers {
                answer.expectProblem(401, "unauthorized")
                #expect(answer.body == answers[0].body && Self.names(answer) == Self.names(answers[0]))
            }
            let manager = try node.makeKey("--scopes", "links:manage")
            let forbidden = try client.create(key: manager)
            forbidden.expectProblem(403, "forbidden")
            #expect(forbidden.text.contains("links:create"))
        }

        private static func names(_ answer: Answer) -> [String] {
            answer.fields.map { $0.name == "date" ? $0.name : "\($0.name): \($0.value)" }
        }

        /// A link that is somebody else's is a code that was never given out.
        @Test func hiddenLinksLookUnknown() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let client = try node.connect()
            let (key, other) = (try node.makeKey(), try node.makeKey())
            let made = try client.create(key: key)
            let code = try made.string("short_code")
            #expect(try made.object["owner"] as? String == keyID(key))
            #expect(try client.get("/api/v1/urls/\(code)", key: key).body == made.body)
            let json = #"{"long_url":"https://example.com/","custom_alias":"mine-alone"}"#
            try client.send(
                Client.request(
                    "POST", "/api/v1/urls",
                    "X-Api-Key: \(key)\r\nContent-Type: application/json\r\nContent-Length: \(json.utf8.count)\r\n")
                    + json)
            #expect(try client.read().status == 201)
            for (hidden, unknown) in [(code, "1aaaaaa"), ("mine-alone", "nobodys-name")] {
                let pairs = [
                    (try client.get("/api/v1/urls/\(hidden)"), try client.get("/api/v1/urls/\(unknown)")),
                    (
                        try client.get("/api/v1/urls/\(hidden)", key: other),
                        try client.get("/api/v1/urls/\(unknown)", key: other)
                    ),
                ]
                for (answer, expected) in pairs {
                    answer.expectProblem(404, "not-found")
                    #expect(answer.body == expected.body && Self.names(answer) == Self.names(expected))
                }
                // A redirect asks for no key and looks at none.
                for fields in ["", "Authorization: Bearer \(other)\r\n", "Authorization: Basic x\r\nX-Api-Key: y\r\n"] {
                    try client.send(Client.request("GET", "/\(hidden)", fields))
                    #expect(try client.read()["location"] == "https://example.com/")
                }
            }
        }

        @Test func failuresAreCountedAndKeysKeptOutOfSight() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let client = try node.connect()
            let key = try node.makeKey("--owner", "team")
            for _ in 0..<3 { #expect(try client.get("/api/v1/urls/x", key: Self.foreignKey()).status == 401) }
            #expect(try client.create(key: key).status == 201)
            #expect(try client.get("/api/v1/urls/x", key: key).status == 404)
            let admin = try node.connectToAdmin()
            let metrics = try admin.get("/metrics").text
            #expect(metrics.contains("\nedge_auth_failures_total 3\n"), "\(metrics)")
            let texts = [metrics, try admin.get("/status").text] + (try Self.list(node))
            node.child.signal(SIGTERM)
            let log = try node.log.rest()
            let secret = key.dropFirst(28).prefix(44)
            for text in texts + log + node.log.seen { #expect(!text.contains(secret), "\(text)") }
            #expect(log.contains { $0.contains("event=key-created") && $0.contains("owner=team") }, "\(log)")
        }

        private static func list(_ node: RunningNode) throws -> [String] {
            let list = try Finished(["key", "list", "--server", node.adminURL])
            #expect(list.ending == .exited(0) && list.error.isEmpty)
            return list.output.split(separator: "\n").map(String.init)
        }

        /// Who has shown too many wrong keys waits before another is looked at, a right one too; without a key the network
        /// goes on. A right key takes from its owner's bucket, not from its network's.
        @Test func limits() throws {
            let limits = ["--rate_limit_auth_failure", "1/h burst 3", "--rate_limit_create", "1/h burst 2"]
            let node = try RunningNode(RunningNode.withAdmin + limits)
            let client = try node.connect()
            let (first, second) = (try node.makeKey("--owner", "team"), try node.makeKey("--owner", "team"))
            let other = try node.makeKey()
            for (key, status) in [(first, 201), (second, 201), (first, 429), (second, 429), (other, 201)] {
                #expect(try client.create(key: key).status == status)
            }
            for status in [201, 201, 429] {
                #expect(try client.post("/shorten", json: #"{"long_url":"https://example.com/"}"#).status == status)
            }
            for status in [401, 401, 401, 429] {
                #expect(try client.get("/api/v1/urls/x", key: Self.foreignKey()).status == status)
            }
            let refused = try client.get("/api/v1/urls/x", key: other)
            refused.expectProblem(429, "rate-limited")
            #expect(refused.text.contains("auth_failure") && refused["retry-after"] != nil)
            #expect(try client.get("/api/v1/urls/x").status == 404)
        }

        /// Whatever `edge key create` printed, and whatever was revoked, is so after kill -9.
        @Test func killedAfterEachStep() throws {
            var node = try RunningNode(RunningNode.withAdmin)
            let kept = try node.makeKey()
            node.child.kill()
            node = try node.restarted(RunningNode.withAdmin)
            #expect(try node.connect().create(key: kept).status == 201)
            let revoked = try node.makeKey()
            try node.revoke(revoked)
            node.child.kill()
            node = try node.restarted(RunningNode.withAdmin)
            #expect(try node.connect().create(key: kept).status == 201)
            #expect(try node.connect().create(key: revoked).status == 401)
            node.child.kill()
            // Two keys, two links, and a line of the audit trail for each of three acts; a key was written twice.
            #expect(try Finished(["verify", "--data", node.data]).output == "sound: 7 records, 8 log entries\n")
        }
    }
}
