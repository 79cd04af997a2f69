import Foundation
import Testing

extension NodeTests.Tokens {
    /// Tokens that are revoked before they expire.
    @Suite struct Revocations {
        private static func flags(_ directory: TemporaryDirectory) -> [String] {
            ["--jwt_keys", directory.write(keySet(TokenSigner.ed25519.jwk()), to: "keys.json", mode: 0o644)]
        }

        /// A token of alice with this `jti`, issued so many seconds ago.
        private static func token(_ id: String? = nil, of subject: String = "alice", issued ago: Int? = 60) -> String {
            let id = id.map { #","jti":"\#($0)""# } ?? ""
            let issuedAt = ago.map { #","iat":\#(Int(Date().timeIntervalSince1970) - $0)"# } ?? ""
            return TokenSigner.ed25519.token(claims(subject, #"\#(id)\#(issuedAt),"scope":"links:manage""#))
        }

        private func revoke(_ arguments: String..., at place: [String]) throws {
            let run = try Finished(["key", "revoke"] + arguments + place)
            #expect(run.ending == .exited(0) && run.output.isEmpty && run.error.contains("revoked"), "\(run.error)")
        }

        private func status(_ token: String, _ client: Client) throws -> Int {
            try client.get("/api/v1/urls", key: token).status
        }

        /// At once, also for one that is remembered; others go on.
        @Test func byID() throws {
            let directory = TemporaryDirectory()
            let node = try RunningNode(RunningNode.withAdmin + Self.flags(directory), in: directory)
            let client = try node.connect()
            let (first, second) = (Self.token("one \u{e9}."), Self.token("two"))
            for token in [first, second] { #expect(try status(token, client) == 200) }
            try revoke("--jti", "one \u{e9}.", at: ["--server", node.adminURL])
            #expect(try status(first, client) == 401 && status(second, client) == 200)
            // For good, whenever one of that name is made.
            #expect(try status(Self.token("one \u{e9}.", issued: -20), client) == 401)
            try node.expect("edge_jwt_refused_total{reason=\"revoked\"}", 2)
            let line = try node.log.next("event=tokens-revoked")
            #expect(line.contains("claim=jti"))
            try revoke("--jti", "one \u{e9}.", at: ["--server", node.adminURL])
            let list = try Finished(["key", "list", "--server", node.adminURL]).output.split(separator: "\n")
            #expect(
                list.count == 2 && list[1].contains(" revoked  jti   -  ") && list[1].hasSuffix("  one \u{e9}."),
                "\(list)")
        }

        /// What was issued up to then, or does not say when; a second time it reaches further.
        @Test func bySubject() throws {
            let directory = TemporaryDirectory()
            let node = try RunningNode(RunningNode.withAdmin + Self.flags(directory), in: directory)
            let client = try node.connect()
            let (old, timeless, other) = (Self.token(), Self.token(issued: nil), Self.token(of: "bob"))
            // From a clock that is ahead, or of the time after.
            let new = Self.token(issued: -60)
            try revoke("--sub", "alice", at: ["--server", node.adminURL])
            for (token, expected) in [(old, 401), (timeless, 401), (other, 200), (new, 200)] {
                #expect(try status(token, client) == expected)
            }
            #expect(node.stop() == .exited(0))
            // Again, an hour later, of the directory alone.
            let later = try node.restarted(Self.flags(directory) + ["--clock_offset", "30m"] + RunningNode.withAdmin)
            #expect(try status(new, later.connect()) == 200)
            try revoke("--sub", "alice", at: ["--server", later.adminURL])
            #expect(try status(new, later.connect()) == 401 && status(other, later.connect()) == 200)
            #expect(later.stop() == .exited(0))
            #expect(try Finished(["verify", "--data", later.data]).ending == .exited(0))
        }

        /// On the directory of a node that does not run, and after kill -9.
        @Test func ofADirectory() throws {
            let directory = TemporaryDirectory()
            var node = try RunningNode(Self.flags(directory), in: directory)
            let token = Self.token("one", of: "carol")
            #expect(try status(token, node.connect()) == 200)
            #expect(node.stop() == .exited(0))
            try revoke("--jti", "one", at: ["--data", node.data])
            try revoke("--sub", "dora", at: ["--data", node.data])
            node = try node.restarted(Self.flags(directory))
            #expect(try status(token, node.connect()) == 401)
            #expect(try status(Self.token(of: "dora"), node.connect()) == 401)
            node.child.kill()
            node = try node.restarted(Self.flags(directory))
            #expect(try status(token, node.connect()) == 401)
            node.child.kill()
            #expect(try Finished(["verify", "--data", node.data]).output.hasPrefix("sound: 4 records"))
            let list = try Finished(["key", "list", "--data", node.data]).output
            #expect(list.contains(" sub ") && list.contains("  dora\n") && list.contains("  one\n"), "\(list)")
        }

        @Test func refused() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            for (flags, words) in [
                (["--jti", ""], "1 to 255 bytes"), (["--sub", String(repeating: "a", count: 256)], "1 to 255 bytes"),
            ] {
                for place in [["--server", node.adminURL]] {
                    let run = try Finished(["key", "revoke"] + flags + place)
                    #expect(run.ending == .exited(1) && run.error.contains(words), "\(run.error)")
                }
            }
            for arguments in [
                ["revoke", "--jti", "a", "--sub", "b"], ["revoke", "--jti", "a", String(repeating: "0", count: 22)],
                ["list", "--jti", "a"], ["create", "--name", "x", "--sub", "a"],
            ] { #expect(try Finished(["key"] + arguments).ending == .exited(64), "\(arguments)") }
            let admin = try node.connectToAdmin()
            func ask(_ method: String, _ body: String, type: String = "application/json") throws -> Answer {
                try admin.send(
                    "\(method) /keys/revocations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: \(type)\r\n"
                        + "Content-Length: \(body.utf8.count)\r\n\r\n" + body)
                return try admin.read()
            }
            for body in ["{}", #"{"jti":"a","sub":"b"}"#, #"{"jti":1}"#, #"{"id":"a"}"#, "["] {
                try ask("POST", body).expectProblem(400, "invalid-json")
            }
            try ask("POST", #"{"sub":""}"#).expectProblem(422, "invalid-key")
            try ask("POST", "{}", type: "text/plain").expectProblem(415, "unsupported-media-type")
            #expect(try ask("GET", "").status == 405)
            // A browser asks first for what is no form.
            try admin.send(
                "POST /keys/revocations HTTP/1.1\r\nHost: evil.example\r\nContent-Type: application/json\r\n"
                    + "Content-Length: 2\r\n\r\n{}")
            #expect(try admin.read().status == 403)
            #expect(try Finished(["key", "list", "--server", node.adminURL]).output.split(separator: "\n").count == 1)
        }
    }
}

extension NodeTests.Regions {
    /// What one region revokes holds in all.
    @Suite struct TokenRevocations {
        @Test func elsewhere() throws {
            let directory = TemporaryDirectory()
            let file = directory.write(keySet(TokenSigner.ed25519.jwk()), to: "keys.json", mode: 0o644)
            let cluster = try Cluster(2, ["--jwt_keys", file])
            let now = Int(Date().timeIntervalSince1970)
            let more = #","iat":\#(now - 60),"scope":"links:manage""#
            let one = TokenSigner.ed25519.token(claims("alice", #","jti":"one""# + more))
            let two = TokenSigner.ed25519.token(claims("bob", #","jti":"two""# + more))
            let clients = try cluster.indices.map { try cluster.node($0).connect() }
            for client in clients {
                for token in [one, two] { #expect(try client.get("/api/v1/urls", key: token).status == 200) }
            }
            for (index, arguments) in [["--jti", "one"], ["--sub", "bob"]].enumerated() {
                let run = try Finished(["key", "revoke"] + arguments + ["--server", cluster.node(index).adminURL])
                #expect(run.ending == .exited(0), "\(run.error)")
            }
            try cluster.converge()
            for client in clients {
                for token in [one, two] { #expect(try client.get("/api/v1/urls", key: token).status == 401) }
            }
            // Of both at once the later one stands, everywhere.
            for index in cluster.indices {
                let run = try Finished(["key", "revoke", "--sub", "bob", "--server", cluster.node(index).adminURL])
                #expect(run.ending == .exited(0))
            }
            try cluster.converge()
            let lists = try cluster.indices.map {
                try Finished(["key", "list", "--server", cluster.node($0).adminURL]).output
            }
            #expect(lists[0] == lists[1] && lists[0].split(separator: "\n").count == 3)
            cluster.stopAll()
        }
    }
}
