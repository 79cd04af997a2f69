import Glibc
import Testing

extension NodeTests {
    @Suite struct Signals {
        @Test(arguments: [SIGTERM, SIGINT]) func stops(signal: Int32) throws {
            let node = try RunningNode()
            let idle = try node.connect()
            #expect(try idle.get("/health/ready").status == 200)
            node.child.signal(signal)
            #expect(node.child.wait() == .exited(0))
            #expect(try idle.endsHere())
            let said = try node.log.rest()
            #expect(said.contains { $0.contains("event=draining") } && said.contains { $0.contains("event=stopped") })
        }

        /// A request that has begun is answered; the node tells that it goes; then it is gone.
        @Test func drains() throws {
            let node = try RunningNode(["--drain_timeout", "10m", "--head_timeout", "1h", "--body_timeout", "1h"])
            let code = try node.connect().create("https://example.com/")
            let (half, halfRedirect) = (try node.connect(), try node.connect())
            let creation = Client.creation("https://example.com/late", "/api/v1/urls")
            let redirect = Client.request("GET", "/\(code)")
            try half.send(String(creation.dropLast(10)))
            try halfRedirect.send(String(redirect.dropLast(10)))
            // Later requests on other connections are answered after these bytes were read, or they wait with them.
            for _ in 0..<10 { #expect(try node.connect().get("/health/ready").status == 200) }
            node.child.signal(SIGTERM)
            _ = try node.log.next("event=draining")
            let deadline = Deadline()
            var ready = try node.connect().get("/health/ready")
            while ready.status == 200, !deadline.isOver { ready = try node.connect().get("/health/ready") }
            #expect(ready.status == 503)
            #expect(try ready.string("status") == "fail")
            #expect(ready["connection"] == "close")
            #expect(try node.connect().get("/\(code)").status == 302)
            try halfRedirect.send(String(redirect.suffix(10)))
            let redirected = try halfRedirect.readToEnd()
            #expect(redirected.map(\.status) == [302] && redirected[0]["connection"] == "close")
            try half.send(String(creation.suffix(10)))
            let created = try half.readToEnd()
            #expect(created.map(\.status) == [201] && created[0]["connection"] == "close")
            #expect(node.child.wait() == .exited(0))
            let again = try node.restarted()
            #expect(
                try again.connect().get("/\(created[0].string("short_code"))")["location"] == "https://example.com/late"
            )
        }

        /// A request that is never whole does not keep the node.
        @Test func drainTimeout() throws {
            try attempt("a drain that the disk does not hold up") {
                let node = try RunningNode(["--drain_timeout", "300ms"])
                let client = try node.connect()
                try client.send(String(Client.creation("https://example.com/").dropLast()))
                for _ in 0..<10 { #expect(try node.connect().get("/health").status == 200) }
                let isDrained = try node.stopDrained()
                #expect(try client.readToEnd().isEmpty)
                return isDrained
            }
        }

        @Test func reload() throws {
            let node = try RunningNode()
            let client = try node.connect()
            for _ in 0..<3 {
                node.child.signal(SIGHUP)
                _ = try node.log.next("event=reload")
                #expect(try client.get("/health").status == 200)
            }
            #expect(node.stop() == .exited(0))
        }

        @Test func secondNodeOfTheDirectory() throws {
            let node = try RunningNode()
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            let second = try Finished([
                "serve", "--data", node.data, "--listen", "127.0.0.1:0", "--admin_listen", "off",
            ])
            #expect(second.ending == .exited(1))
            #expect(second.error.contains("in use by another process"), "\(second.error)")
            #expect(try client.get("/\(code)").status == 302)
            #expect(try !client.create("https://example.com/").isEmpty)
            #expect(node.stop() == .exited(0))
            #expect(try node.restarted().connect().get("/\(code)").status == 302)
        }

        /// However many sockets share a port within a node, two nodes do not.
        @Test(arguments: ["1", "2"]) func secondNodeOfThePort(workers: String) throws {
            let node = try RunningNode(["--workers", workers])
            let directory = TemporaryDirectory()
            let listen = ["--listen", "127.0.0.1:\(node.port)", "--admin_listen", "off"]
            let second = try Finished(["serve", "--data", directory.path + "/data"] + listen)
            #expect(second.ending == .exited(1))
            #expect(
                second.error.contains("127.0.0.1:\(node.port)")
                    && second.error.contains("another process has this port"))
            for _ in 0..<20 { #expect(try node.connect().get("/health").status == 200) }
            let client = try node.connect()
            #expect(node.stop() == .exited(0))
            // A node may follow at once, though connections of the first are not forgotten.
            #expect(try client.endsHere())
            let follower = try node.restarted(listen + ["--workers", workers])
            #expect(follower.port == node.port)
            #expect(try follower.connect().get("/health").status == 200)
        }

        @Test func codeSecrets() throws {
            let directory = TemporaryDirectory()
            let secret = String(repeating: "0123456789", count: 4)
            let file = directory.write(secret + "\n", to: "secret")
            let node = try RunningNode(["--code_secret_file", file], in: directory)
            let code = try node.connect().create("https://example.com/")
            #expect(node.stop() == .exited(0))
            func failed(_ path: String) throws -> Finished {
                try Finished([
                    "serve", "--data", node.data, "--listen", "127.0.0.1:0", "--admin_listen", "off",
                    "--code_secret_file", path,
                ])
            }
            for (path, reason) in [
                (directory.write("too short", to: "short"), "9 bytes"),
                (directory.write(String(repeating: "a", count: 31) + "  \n", to: "31"), "31 bytes"),
                (directory.write(secret, to: "open", mode: 0o640), "chmod 600"),
                (directory.write(secret, to: "world", mode: 0o604), "chmod 600"),
                (directory.path + "/none", "No such file"), (directory.path, "chmod"),
            ] {
                if path == directory.path { chmod(path, 0o755) }
                let outcome = try failed(path)
                #expect(outcome.ending == .exited(78), "\(outcome.error)")
                #expect(outcome.error.contains(path) && outcome.error.contains(reason), "\(outcome.error)")
            }
            let other = try failed(directory.write(String(secret.reversed()), to: "other"))
            #expect(other.ending == .exited(78) && other.error.contains("another code secret"), "\(other.error)")
            #expect(!other.error.contains(secret) && !other.error.contains(String(secret.reversed())))
            // The store has kept it.
            #expect(try node.restarted().connect().get("/\(code)").status == 302)
        }
    }
}
