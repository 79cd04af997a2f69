import Glibc
import Testing

extension NodeTests {
    @Suite struct Secrets {
        private let secret = "Zx9-this-secret-is-known-to-the-test-0123456789"

        /// What can be wrong with a secret's file is found by `check` as by `serve`, and the file is named.
        @Test(
            arguments: [
                ("640", 0o640, "chmod 600"), ("620", 0o620, "chmod 600"), ("604", 0o604, "chmod 600"),
                ("602", 0o602, "chmod 600"), ("pipe", 0o600, "no ordinary file"), ("none", 0, "No such file"),
                ("short", 0o600, "5 bytes"),
            ] as [(String, mode_t, String)])
        func refused(name: String, mode: mode_t, reason: String) throws {
            let directory = TemporaryDirectory()
            let path = directory.path + "/" + name
            switch name {
            case "none": break
            case "pipe": precondition(mkfifo(path, mode) == 0)
            default: _ = directory.write(name == "short" ? "short" : secret, to: name, mode: mode)
            }
            for command in ["check", "serve"] {
                let outcome = try Finished([
                    command, "--data", directory.path + "/data", "--listen", "127.0.0.1:0", "--admin_listen", "off",
                    "--code_secret_file", path,
                ])
                #expect(outcome.ending == .exited(78), "\(outcome)")
                #expect(outcome.error.contains(path) && outcome.error.contains(reason), "\(outcome)")
                #expect(!outcome.error.contains(secret) && outcome.output.isEmpty)
            }
            #expect(access(directory.path + "/data", F_OK) != 0)
        }

        /// A credential of systemd may show its access list's mask as the group's rights.
        @Test func credentials() throws {
            let directory = TemporaryDirectory()
            let path = directory.write(secret, to: "code_secret_file", mode: 0o440)
            let check = ["check", "--code_secret_file", path]
            #expect(try Finished(check).ending == .exited(78))
            let script = "CREDENTIALS_DIRECTORY=\(directory.path) exec \"$0\" \"$@\""
            #expect(try Finished(["-c", script, edgeBinary] + check, of: "/bin/sh").ending == .exited(0))
            chmod(path, 0o444)
            #expect(try Finished(["-c", script, edgeBinary] + check, of: "/bin/sh").ending == .exited(78))
        }

        /// Nothing that the node prints, serves or stores beside the secret's own file holds it.
        @Test func neverShown() throws {
            let directory = TemporaryDirectory()
            let path = directory.write(secret + "\n", to: "secret")
            let accessLog = directory.path + "/access.log"
            let file = directory.write("code_secret_file = \(path)\naccess_log = \(accessLog)\n", to: "edge.conf")
            let check = try Finished(["check", "--config", file])
            #expect(check.ending == .exited(0) && check.output.contains("code_secret_file = \(path)"))
            let node = try RunningNode(["--config", file, "--admin_listen", "127.0.0.1:0"], in: directory)
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            try client.send(
                Client.request("GET", "/\(code)?token=Zx9-in-a-query", "Authorization: Bearer \(secret)\r\n"))
            #expect(try client.read().status == 302)
            let admin = try node.connectToAdmin()
            let pages = try ["/metrics", "/status"].map { try admin.get($0).text }
            _ = directory.write("code_secret_file = \(path).other\naccess_log = \(accessLog)\n", to: "edge.conf")
            node.child.signal(SIGHUP)
            _ = try node.log.next("event=reload ")
            #expect(node.stop() == .exited(0))
            let said = try node.log.rest() + node.log.seen + pages + [readText(accessLog), check.output, check.error]
            #expect(said.contains { $0.contains(path + ".other") })
            #expect(try readText(accessLog).contains("path=/\(code) "))
            for text in said { #expect(!text.contains("Zx9-"), "\(text)") }
        }
    }
}
