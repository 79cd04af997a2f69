import Foundation
import Testing

extension NodeTests {
    @Suite struct KeyCommands {
        private static let header = "ID                      STATE"

        @Test func aRunningNode() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let made = try Finished([
                "key", "create", "--name", "one key", "--scopes", "links:manage, links:create", "--expires-in", "60",
                "--server", node.adminURL,
            ])
            #expect(made.ending == .exited(0))
            #expect(made.output.wholeMatch(of: /edge_[0-9A-Za-z]{22}_[0-9A-Za-z]{50}\n/) != nil, "\(made.output)")
            let key = String(made.output.dropLast())
            #expect(made.error.contains(keyID(key)) && !made.error.contains(key))
            let second = try node.makeKey("--owner", "team", "--scopes", "admin")
            try node.revoke(second)
            let list = try Finished(["key", "list", "--server", node.adminURL])
            let lines = list.output.split(separator: "\n")
            #expect(list.ending == .exited(0) && lines.count == 3 && lines[0].hasPrefix(Self.header), "\(list.output)")
            #expect(lines[1].hasPrefix("\(keyID(key))  active ") && lines[1].hasSuffix("  one key"))
            #expect(lines[1].contains(" links:create,links:manage  \(keyID(key)) ") && !lines[1].contains("never"))
            #expect(
                lines[2].hasPrefix("\(keyID(second))  revoked") && lines[2].contains(" admin ")
                    && lines[2].contains(" team "))
            // The same without the node's help.
            #expect(try Finished(["key", "list", "--data", node.data]).output == list.output)
        }

        /// A key that its maker never saw is worth nothing, and is there until it is revoked.
        @Test func aKeyThatCannotBePrinted() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let script = "exec \"$0\" key create --name x --server \"$1\" > /dev/full"
            let lost = try Finished(["-c", script, edgeBinary, node.adminURL], of: "/bin/sh")
            #expect(lost.ending == .exited(1) && lost.error.contains("revoke"), "\(lost.error)")
            let id = try #require(lost.error.firstMatch(of: /the key ([0-9A-Za-z]{22}) was made/)).1
            #expect(try Finished(["key", "revoke", String(id), "--server", node.adminURL]).ending == .exited(0))
        }

        @Test func aDirectory() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            for arguments in [["create", "--name", "x"], ["revoke", String(repeating: "0", count: 22)]] {
                let busy = try Finished(["key"] + arguments + ["--data", node.data])
                #expect(
                    busy.ending == .exited(1) && busy.output.isEmpty && busy.error.contains("--server"), "\(busy.error)"
                )
            }
            #expect(node.stop() == .exited(0))
            let made = try Finished(["key", "create", "--name", "x", "--data", node.data])
            #expect(made.ending == .exited(0), "\(made.error)")
            let key = String(made.output.dropLast())
            let second = try Finished(["key", "create", "--name", "y", "--owner", keyID(key), "--data", node.data])
            let other = String(second.output.dropLast())
            #expect(try Finished(["key", "revoke", keyID(other), "--data", node.data]).ending == .exited(0))
            let unknown = try Finished(["key", "revoke", String(repeating: "0", count: 22), "--data", node.data])
            #expect(unknown.ending == .exited(1) && unknown.error.contains("No key has this id"))
            let again = try node.restarted(RunningNode.withAdmin)
            #expect(try again.connect().create(key: key).status == 201)
            #expect(try again.connect().create(key: other).status == 401)
            #expect(again.log.seen.allSatisfy { !$0.contains("new-incarnation") })
            #expect(try Finished(["verify", "--data", node.data]).output == "sound: 6 records, 7 log entries\n")
        }

        @Test func refused() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let cases: [(flags: [String], words: String)] = [
                (["--name", String(repeating: "a", count: 129)], "name"), (["--name", "a\u{7}b"], "name"),
                (["--name", "x", "--scopes", "links:delete"], "links:create, links:manage, admin"),
                (["--name", "x", "--scopes", ""], "scopes"), (["--name", "x", "--owner", "a b"], "owner"),
                (["--name", "x", "--owner", "jwt:a"], "owner"),
                (["--name", "x", "--owner", String(repeating: "a", count: 65)], "owner"),
                (["--name", "x", "--expires-in", "3155760001"], "expires"),
            ]
            for (flags, words) in cases {
                for place in [["--server", node.adminURL], ["--data", node.data]] {
                    let outcome = try Finished(["key", "create"] + flags + place)
                    #expect(outcome.ending == .exited(1) && outcome.output.isEmpty, "\(flags)")
                    #expect(outcome.error.contains(words), "\(outcome.error)")
                }
            }
            let nobody = try Finished(["key", "revoke", String(repeating: "0", count: 22), "--server", node.adminURL])
            #expect(nobody.ending == .exited(1) && nobody.error.contains("No key has this id"), "\(nobody.error)")
            let wrongPort = try Finished(["key", "list", "--server", node.url])
            #expect(wrongPort.ending == .exited(1) && wrongPort.error.contains("no admin port"), "\(wrongPort.error)")
            #expect(node.stop() == .exited(0))
            let gone = try Finished(["key", "list", "--server", node.adminURL])
            #expect(gone.ending == .exited(1) && gone.error.contains("--data"), "\(gone.error)")
            let empty = try Finished(["key", "create", "--name", "x", "--data", TemporaryDirectory().path])
            #expect(empty.ending == .exited(1) && empty.error.contains("data.mdb"), "\(empty.error)")
        }

        /// `edge create` with a key from a file, and from the environment.
        @Test func creatingWithAKey() throws {
            let node = try RunningNode(RunningNode.withAdmin + ["--anonymous_create", "off"])
            let key = try node.makeKey()
            let file = node.directory.write(key + "\n", to: "key")
            func create(_ variable: String, _ flags: [String] = []) throws -> Finished {
                let script =
                    "EDGE_KEY=\"$1\" && export EDGE_KEY && shift && exec \"$0\" create https://example.com/ \"$@\""
                return try Finished(
                    ["-c", script, edgeBinary, variable, "--server", node.url] + flags, of: "/bin/sh")
            }
            for made in [
                try create("", ["--key-file", file]), try create(key), try create("x", ["--key-file", file]),
            ] {
                #expect(made.ending == .exited(0) && made.error.isEmpty, "\(made.error)")
                let code = made.output.dropLast().split(separator: "/").last!
                #expect(try node.connect().get("/api/v1/urls/\(code)", key: key).status == 200)
                #expect(try node.connect().get("/api/v1/urls/\(code)").status == 404)
            }
            let open = node.directory.write(key, to: "open", mode: 0o644)
            let short = node.directory.write("short", to: "short")
            let other = node.directory.write(String(key.reversed()), to: "other")
            let cases = [
                (try create(""), "without a valid key"), (try create("x"), "EDGE_KEY"),
                (try create("", ["--key-file", open]), "chmod 600"), (try create("", ["--key-file", short]), "bytes"),
                (try create("", ["--key-file", other]), "no key"),
                (try create("", ["--key-file", node.directory.path + "/none"]), "none: No such file"),
            ]
            for (outcome, words) in cases {
                #expect(outcome.ending == .exited(1) && outcome.output.isEmpty)
                #expect(outcome.error.contains(words) && !outcome.error.contains(key), "\(outcome.error)")
            }
        }
    }
}
