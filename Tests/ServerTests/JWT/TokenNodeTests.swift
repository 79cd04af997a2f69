import Foundation
import Testing

extension NodeTests {
    /// Tokens of an identity provider, on a running node.
    @Suite struct Tokens {
        /// A node with keys of each kind in a set.
        private final class Subject {
            let directory = TemporaryDirectory()
            let node: RunningNode
            let client: Client
            static let signers = [TokenSigner.rsa, .p256, .ed25519]

            init(_ flags: [String] = []) throws {
                let set = keySet(TokenSigner.rsa.jwk("r"), TokenSigner.p256.jwk("e"), TokenSigner.ed25519.jwk("d"))
                let file = directory.write(set, to: "keys.json", mode: 0o644)
                node = try RunningNode(["--jwt_keys", file] + RunningNode.withAdmin + flags, in: directory)
                client = try node.connect()
            }
        }

        @Test func eachKindCreates() throws {
            let subject = try Subject(["--anonymous_create", "off"])
            for (signer, kid) in zip(Subject.signers, ["r", "e", "d"]) {
                let token = signer.token(claims("who-\(kid)"), kid: kid)
                let code = try subject.client.create("https://example.com/", key: token)
                let link = try subject.client.get("/api/v1/urls/\(code)", key: token)
                #expect(try link.status == 200 && link.string("owner") == "who-\(kid)", "\(link.text)")
            }
            try subject.node.expect("edge_jwt_tokens_total{result=\"verified\"}", 3)
            try subject.node.expect("edge_jwt_tokens_total{result=\"remembered\"}", 3)
            try subject.node.expect("edge_jwt_keys", 3)
            #expect(try subject.client.get("/api/v1/urls").status == 401)
        }

        /// What a subject makes is its own, under each of its tokens and keys, and is there for nobody else.
        @Test func linksOfASubject() throws {
            let subject = try Subject()
            let (client, signer) = (subject.client, TokenSigner.ed25519)
            let (first, second) = (
                signer.token(claims("alice"), kid: "d"),
                signer.token(claims("alice", #","jti":"2","scp":["links:manage"]"#), kid: "d")
            )
            let other = signer.token(claims("bob"), kid: "d")
            let codes = Set(try (0..<3).map { try client.create("https://example.com/\($0)", key: first) })
            let key = try subject.node.makeKey("--owner", "alice")
            for credential in [first, second, key] {
                let list = try client.get("/api/v1/urls", key: credential)
                let urls = try #require(try list.object["urls"] as? [[String: Any]])
                #expect(Set(urls.compactMap { $0["short_code"] as? String }) == codes)
            }
            let code = try #require(codes.first)
            for credential in [other, try subject.node.makeKey()] {
                #expect(try client.get("/api/v1/urls/\(code)", key: credential).status == 404)
                #expect(try client.change(code, #"{"title":"x"}"#, key: credential).status == 404)
            }
            #expect(try client.change(code, #"{"title":"x"}"#, key: second).status == 200)
            #expect(try client.change(code, nil, key: first).status == 204)
            // `links:manage` alone creates nothing.
            client.expectForbidden(try client.create(key: second))
            let admin = signer.token(claims("root", #","scope":"admin""#), kid: "d")
            #expect(try client.get("/api/v1/urls?owner=alice", key: admin).status == 200)
            try subject.node.connectToAdmin().expectAdmin(admin)
        }

        /// A token without scopes may what anybody may.
        @Test func withoutScopes() throws {
            let subject = try Subject()
            let signer = TokenSigner.ed25519
            let bare = signer.token(claims("alice", ""), kid: "d")
            let made = try subject.client.create(key: bare)
            #expect(try made.status == 201 && made.object["owner"] is NSNull, "\(made.text)")
            let own = try subject.client.create("https://example.com/", key: signer.token(claims(), kid: "d"))
            #expect(try subject.client.get("/api/v1/urls/\(own)", key: bare).status == 404)
            subject.client.expectForbidden(try subject.client.get("/api/v1/urls", key: bare))
            subject.client.expectForbidden(try subject.client.change(own, #"{"title":"x"}"#, key: bare))
            let closed = try Subject(["--anonymous_create", "off"])
            closed.client.expectForbidden(try closed.client.create(key: bare))
        }

        /// One answer for all that does not hold, byte for byte; the log says why, without the token.
        @Test func refusalsTellNothing() throws {
            let subject = try Subject([
                "--jwt_issuer", "https://id.example, other", "--jwt_audience", "edge", "--rate_limit_auth_failure",
                "off",
            ])
            let signer = TokenSigner.ed25519
            let now = Int(Date().timeIntervalSince1970)
            func token(_ more: String, exp: Int? = nil, sub: String = #""sub":"alice","#) -> String {
                signer.token("{\(sub)\"exp\":\(exp ?? now + 600)\(more)}", kid: "d")
            }
            let right = #","iss":"other","aud":["x","edge"],"scope":"links:create links:manage""#
            let good = token(right)
            #expect(try subject.client.create(key: good).status == 201)
            let wrong: [(reason: String, token: String)] = [
                ("malformed", "a.b.c"), ("malformed", good + "="), ("malformed", good.replacing("e", with: "+")),
                ("malformed", token(right + ",\"x\":\"" + String(repeating: "x", count: 8192) + "\"")),
                ("algorithm", signer.token(claims(), header: #"{"alg":"none"}"#)),
                ("algorithm", signer.token(claims(), header: #"{"alg":"HS256","kid":"d"}"#)),
                ("critical", signer.token(claims(), header: #"{"alg":"EdDSA","kid":"d","crit":["b64"],"b64":true}"#)),
                ("unknown_key", signer.token(claims(), kid: "z")),
                ("signature", String(good.dropLast(4)) + "AAAA"),
                ("signature", TokenSigner(.edDSA).token(claims(), kid: "d")),
                ("claims", token(right, sub: "")), ("claims", signer.token("not JSON", kid: "d")),
                ("expired", token(right, exp: now - 60)), ("early", token(right + ",\"nbf\":\(now + 600)")),
                ("issuer", token(#","iss":"third","aud":"edge""#)), ("audience", token(#","iss":"other","aud":"x""#)),
            ]
            let key = try subject.client.get("/api/v1/urls/x", key: "edge_wrong")
            for (reason, token) in wrong {
                let before = try subject.node.sample("edge_jwt_refused_total{reason=\"\(reason)\"}")
                let answer = try subject.client.get("/api/v1/urls/x", key: token)
                answer.expectProblem(401, "unauthorized")
                #expect(answer.body == key.body && answer["www-authenticate"] == "Bearer", "\(reason): \(answer.text)")
                try subject.node.expect("edge_jwt_refused_total{reason=\"\(reason)\"}", Int(before) + 1)
            }
            try subject.node.expect("edge_auth_failures_total", wrong.count + 1)
            // Elsewhere than in Authorization it is no token.
            for fields in ["X-Api-Key: \(good)\r\n", "Authorization: Bearer \(good)\r\nX-Api-Key: \(good)\r\n"] {
                try subject.client.send(Client.request("GET", "/api/v1/urls", fields))
                #expect(try subject.client.read().body == key.body)
            }
            #expect(try subject.client.get("/api/v1/urls", key: good).status == 200)
            let line = try subject.node.log.peek("event=jwt-refused")
            #expect(line.contains("reason=malformed") && line.contains("untold=0"))
            #expect(subject.node.log.seen.allSatisfy { line in wrong.allSatisfy { !line.contains($0.token) } })
        }

        /// Wrong tokens take from the bucket of wrong keys.
        @Test func wrongTokensAreLimited() throws {
            let subject = try Subject(["--rate_limit_auth_failure", "1/h burst 2"])
            let statuses = try (0..<3).map { _ in try subject.client.get("/api/v1/urls", key: "a.b.c").status }
            #expect(statuses == [401, 401, 429])
        }

        /// Without `jwt_keys` a token is a wrong key.
        @Test func withoutKeys() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let token = TokenSigner.ed25519.token(claims())
            #expect(try node.connect().get("/api/v1/urls", key: token).status == 401)
            #expect(try !node.connectToAdmin().get("/metrics").text.contains("edge_jwt"))
        }

        /// The clock that tokens are held to is the node's, and a token that is remembered expires like any other.
        @Test func expiry() throws {
            let now = Int(Date().timeIntervalSince1970)
            let signer = TokenSigner.ed25519
            let token = signer.token(#"{"sub":"alice","exp":\#(now + 600),"scope":"links:manage"}"#, kid: "d")
            let late = try Subject(["--clock_offset", "1h"])
            #expect(try late.client.get("/api/v1/urls", key: token).status == 401)
            #expect(
                try Subject(["--clock_offset", "11m", "--jwt_leeway", "2m"]).client.get("/api/v1/urls", key: token)
                    .status == 200)
            let short = signer.token(#"{"sub":"alice","exp":\#(now + 2).5,"scope":"links:manage"}"#, kid: "d")
            let subject = try Subject(["--jwt_leeway", "0s"])
            let (deadline, client) = (Deadline(), subject.client)
            while try client.get("/api/v1/urls", key: short).status != 401 { try #require(!deadline.isOver) }
            #expect(try subject.node.sample("edge_jwt_refused_total{reason=\"expired\"}") == 1)
        }
    }
}

extension Client {
    fileprivate func expectForbidden(_ answer: Answer) { answer.expectProblem(403, "forbidden") }

    /// On an admin port it opens what keys with the scope `admin` do, under any name.
    fileprivate func expectAdmin(_ token: String) throws {
        for (fields, status) in [("", 403), ("Authorization: Bearer \(token)\r\n", 200)] {
            try send("GET /keys HTTP/1.1\r\nHost: evil.example\r\n\(fields)\r\n")
            #expect(try read().status == status)
        }
    }
}
