import Foundation
import Glibc
import Testing

/// What a reload does to the keys of tokens on a running node.
enum TokenReload {
    /// A node of a file, with keys in another.
    final class Subject {
        let directory = TemporaryDirectory()
        let node: RunningNode
        private let base = "listen = 127.0.0.1:0\nadmin_listen = 127.0.0.1:0\n"
        var keys: String { directory.path + "/keys" }

        init(_ signer: TokenSigner? = .ed25519, _ more: String = "") throws {
            if let signer { _ = directory.write(signer.publicPEM, to: "keys", mode: 0o644) }
            let text = signer == nil ? "" : "jwt_keys = \(directory.path)/keys\n"
            let file = directory.write(base + text + more, to: "edge.conf")
            node = try RunningNode(["--config", file], in: directory)
        }

        func reload(_ text: String, until end: String = "event=reload ") throws -> [String] {
            _ = directory.write(base + text, to: "edge.conf")
            let before = node.log.seen.count
            node.child.signal(SIGHUP)
            _ = try node.log.next(end)
            return node.log.told(since: before)
        }

        func status(_ more: String = "", _ signer: TokenSigner = .ed25519, exp: Int = 600) throws -> Int {
            let end = Int(Date().timeIntervalSince1970) + exp
            let token = signer.token(#"{"sub":"alice","exp":\#(end),"scope":"links:manage"\#(more)}"#)
            return try node.connect().get("/api/v1/urls", key: token).status
        }
    }

    static let proofs: [String: @Sendable () throws -> Void] = [
        "jwt_keys": {
            let subject = try Subject(nil)
            #expect(try subject.status() == 401)
            _ = subject.directory.write(TokenSigner.ed25519.publicPEM, to: "keys", mode: 0o644)
            #expect(try subject.reload("jwt_keys = \(subject.keys)").last!.contains("changed=1"))
            #expect(try subject.status() == 200)
            #expect(try subject.reload("").last!.contains("changed=1"))
            #expect(try subject.status() == 401)
        },
        "jwt_issuer": { try claim("jwt_issuer", #","iss":"me""#) },
        "jwt_audience": { try claim("jwt_audience", #","aud":["me"]"#) },
        "jwt_leeway": {
            let subject = try Subject()
            let file = "jwt_keys = \(subject.keys)\n"
            #expect(try subject.status(exp: -60) == 401)
            #expect(try subject.reload(file + "jwt_leeway = 5m").last!.contains("changed=1"))
            #expect(try subject.status(exp: -60) == 200)
        },
    ]

    private static func claim(_ key: String, _ more: String) throws {
        let subject = try Subject()
        let file = "jwt_keys = \(subject.keys)\n"
        #expect(try subject.status() == 200)
        #expect(try subject.reload(file + "\(key) = x, me").last!.contains("changed=1"))
        // The one that was remembered was verified by other rules.
        #expect(try subject.status() == 401 && subject.status(more) == 200)
    }
}

extension NodeTests.Tokens {
    /// The files of keys come and go while the node serves.
    @Suite struct Files {
        private typealias Subject = TokenReload.Subject

        private func write(_ text: String, _ subject: Subject) {
            _ = subject.directory.write(text, to: "keys", mode: 0o644)
        }

        /// Without a signal, once the file stands still. What is remembered goes with its key.
        @Test func changedFile() throws {
            let subject = try Subject()
            #expect(try subject.status() == 200)
            write(keySet(TokenSigner.p256.jwk(), TokenSigner.p256.jwk("x", #","use":"enc""#)), subject)
            let unused = try subject.node.log.peek("event=jwt-key-unused")
            #expect(
                unused.contains("level=warning") && unused.contains("file=\(subject.keys)") && unused.contains("kid=x"))
            #expect(try subject.node.log.next("event=jwt-keys-read").contains("keys=1"))
            #expect(try subject.status() == 401 && subject.status("", .p256) == 200)
            // What cannot be read keeps the keys that there are.
            write("nonsense", subject)
            let refused = try subject.node.log.next("event=jwt-keys-refused")
            #expect(refused.contains("level=error") && refused.contains(subject.keys), "\(refused)")
            #expect(try subject.status("", .p256) == 200)
            let other = subject.directory.write(TokenSigner.rsa.publicPEM, to: "new", mode: 0o644)
            #expect(rename(other, subject.keys) == 0)
            _ = try subject.node.log.next("event=jwt-keys-read")
            #expect(try subject.status("", .rsa) == 200 && subject.status("", .p256) == 401)
        }

        @Test func wrongAtReload() throws {
            let subject = try Subject()
            let file = "jwt_keys = \(subject.keys)\n"
            for (text, reason) in [
                ("nonsense", "neither"), (TokenSigner.ed25519.privatePEM, "private key"), (keySet(), "0 keys"),
                (keySet(TokenSigner.rsa.jwk("a", #","d":"AQ""#)), "private key"),
            ] {
                write(text, subject)
                let said = try subject.reload(file + "redirect_status = 308", until: "event=reload-failed")
                #expect(
                    said.contains {
                        $0.contains("event=reload-problem") && $0.contains(subject.keys) && $0.contains(reason)
                    }, "\(said)")
                #expect(try subject.status() == 200)
            }
            // Others may write it, so what it holds is anybody's.
            #expect(chmod(subject.keys, 0o666) == 0)
            #expect(
                try subject.reload(file, until: "event=reload-failed").contains { $0.contains("others may write it") })
            write(TokenSigner.p256.publicPEM, subject)
            _ = try subject.reload(file)
            #expect(try subject.status() == 401 && subject.status("", .p256) == 200)
        }

        /// At the start it is an error of the configuration, which `check` finds too.
        @Test func wrongAtStart() throws {
            let directory = TemporaryDirectory()
            let data = ["--data", directory.path + "/data", "--listen", "127.0.0.1:0", "--admin_listen", "off"]
            for (text, reason) in [
                ("nonsense", "neither"), (TokenSigner.ed25519.privatePEM, "private key"), (keySet(), "0 keys"),
            ] {
                let file = directory.write(text, to: "keys", mode: 0o644)
                for command in ["serve", "check"] {
                    let run = try Finished([command] + data + ["--jwt_keys", file])
                    #expect(
                        run.ending == .exited(78) && run.error.contains(file) && run.error.contains(reason),
                        "\(run.error)")
                }
            }
            let missing = try Finished(["serve"] + data + ["--jwt_keys", "/nonexistent/x"])
            #expect(missing.ending == .exited(78) && missing.error.contains("/nonexistent/x: No such file"))
            // Who takes all tokens of a key is told so.
            let file = directory.write(TokenSigner.ed25519.publicPEM, to: "keys", mode: 0o644)
            let check = try Finished(["check"] + data + ["--jwt_keys", file])
            #expect(
                check.ending == .exited(0) && check.error.contains("jwt_issuer") && check.error.contains("jwt_audience")
            )
            let both = ["--jwt_keys", file, "--jwt_issuer", "a", "--jwt_audience", "b"]
            #expect(try Finished(["check"] + data + both).error.isEmpty)
        }

        /// Requests go on while keys are exchanged again and again: each token opens or does not, and nothing else happens.
        @Test func underLoad() throws {
            let limits = "rate_limit_auth_failure = off\nrate_limit_read = off\n"
            let subject = try Subject(.ed25519, limits)
            let end = Int(Date().timeIntervalSince1970) + 600
            let tokens = [TokenSigner.ed25519, .p256].map {
                $0.token(#"{"sub":"alice","exp":\#(end),"scope":"links:manage"}"#)
            }
            let client = try subject.node.connect()
            let text = tokens.map { Client.request("GET", "/api/v1/urls", "Authorization: Bearer \($0)\r\n") }.joined()
            for round in 0..<10 {
                try client.send(String(repeating: text, count: 20))
                let signer: TokenSigner = round % 2 == 0 ? .p256 : .ed25519
                write(signer.publicPEM, subject)
                _ = try subject.reload("jwt_keys = \(subject.keys)\n" + limits)
                for _ in 0..<40 { #expect([200, 401].contains(try client.read().status)) }
                #expect(try subject.status("", signer) == 200)
            }
        }
    }
}
