import Glibc
import Testing

extension NodeTests {
    /// What the service manager is told. systemd does not run where tests do; the protocol is its documented one.
    @Suite struct Notify {
        @Test(arguments: [false, true]) func life(isAbstract: Bool) throws {
            let directory = TemporaryDirectory()
            let socket = NotifySocket(
                isAbstract ? "@edge-\(directory.path.suffix(20))" : directory.path + "/notify")
            let node = try RunningNode(in: directory, limits: socket.environment())
            let ready = try socket.next()
            #expect(ready == ["READY=1", "STATUS=serving on 127.0.0.1:\(node.port)"])
            #expect(try node.connect().get("/health").status == 200)
            node.child.signal(SIGHUP)
            let reloading = try socket.next()
            #expect(reloading.count == 3 && reloading[0] == "RELOADING=1")
            #expect(reloading[1].wholeMatch(of: /MONOTONIC_USEC=[1-9][0-9]*/) != nil, "\(reloading)")
            #expect(try socket.next() == ready)
            node.child.signal(SIGTERM)
            #expect(try socket.next() == ["STOPPING=1", "STATUS=draining"])
            #expect(node.child.wait() == .exited(0))
        }

        /// A refused reload is over too.
        @Test func refusedReload() throws {
            let directory = TemporaryDirectory()
            let socket = NotifySocket(directory.path + "/notify")
            let file = directory.write("", to: "edge.conf")
            let node = try RunningNode(["--config", file], in: directory, limits: socket.environment())
            #expect(try socket.next()[0] == "READY=1")
            _ = directory.write("nonsense", to: "edge.conf")
            node.child.signal(SIGHUP)
            #expect(try socket.next()[0] == "RELOADING=1")
            #expect(try socket.next()[0] == "READY=1")
        }

        /// It is not ready before it listens, and not at all if it does not start.
        @Test func neverReady() throws {
            let directory = TemporaryDirectory()
            let socket = NotifySocket(directory.path + "/notify")
            let failed = try Finished(
                [
                    "-c", socket.environment() + "; exec \"$0\" \"$@\"", edgeBinary, "serve", "--data", "/dev/null/x",
                    "--listen", "127.0.0.1:0", "--admin_listen", "off",
                ], of: "/bin/sh")
            #expect(failed.ending == .exited(1))
            let node = try RunningNode(in: directory, limits: socket.environment())
            #expect(try socket.next() == ["READY=1", "STATUS=serving on 127.0.0.1:\(node.port)"])
        }

        @Test(arguments: ["relative", "/nonexistent/socket", "@"]) func nobodyListens(name: String) throws {
            let node = try RunningNode(limits: "export NOTIFY_SOCKET='\(name)'")
            #expect(node.log.seen.contains { $0.contains("event=notify-failed") } || name == "/nonexistent/socket")
            if name == "/nonexistent/socket" { _ = try node.log.next("event=notify-failed") }
            #expect(try node.connect().get("/health").status == 200)
            #expect(node.stop() == .exited(0))
        }

        /// Each thread that matters is stopped for real. While one stands still the watchdog is not fed, whatever the
        /// others do; and it is fed again when the thread goes on.
        @Test(arguments: ["worker-0", "worker-1", "api", "writer"]) func watchdog(thread: String) throws {
            let directory = TemporaryDirectory()
            let socket = NotifySocket(directory.path + "/notify")
            let node = try RunningNode(
                ["--workers", "2"], in: directory, limits: socket.environment(watchdogMicroseconds: 1_000_000))
            for _ in 0..<3 { while try socket.nextOfAll() != ["WATCHDOG=1"] {} }
            guard let frozen = try FrozenThread(thread, of: node.child) else {
                withKnownIssue("the system allows no tracing, so no thread can be stopped") { Issue.record("untested") }
                return
            }
            _ = try node.log.next("event=thread-stalled thread=\(thread)")
            while try socket.nextOfAll() != ["STATUS=the thread \(thread) stands still"] {}
            frozen.release()
            // Not one sign of life came in between. The disk may have held up the writer too.
            var last: [String] = []
            while case let message = try socket.nextOfAll(), message != ["WATCHDOG=1"] {
                #expect(message.count == 1 && message[0].hasPrefix("STATUS="))
                last = message
            }
            #expect(last == ["STATUS=serving on 127.0.0.1:\(node.port)"])
            #expect(node.stop() == .exited(0))
        }

        /// The writer waits for its disk: the file that it replaces is a pipe that nobody reads.
        @Test func watchdogOfAWriterThatWaits() throws {
            let directory = TemporaryDirectory()
            let socket = NotifySocket(directory.path + "/notify")
            #expect(try RunningNode(in: directory).stop() == .exited(0))
            precondition(mkfifo(directory.path + "/data/identity.new", 0o600) == 0)
            let node = try RunningNode(in: directory, limits: socket.environment(watchdogMicroseconds: 1_000_000))
            while try socket.nextOfAll() != ["WATCHDOG=1"] {}
            let client = try node.connect()
            try client.send(Client.creation("https://example.com/"))
            _ = try node.log.next("event=thread-stalled thread=writer")
            while try socket.nextOfAll() != ["STATUS=the thread writer stands still"] {}
            // Redirects and health are answered all the same; only a restart is asked for.
            #expect(try node.connect().get("/health").status == 200)
            #expect(!client.hasInput(withinMilliseconds: 0))
            #expect(node.child.kill() == .killed(SIGKILL))
            while try socket.nextIfThere() != nil {}
            let told = try #require(socket.seen.lastIndex(of: "STATUS=the thread writer stands still"))
            #expect(socket.seen[told...].allSatisfy { $0.hasPrefix("STATUS=") })
        }

        /// Another process is watched.
        @Test func watchdogOfAnotherProcess() throws {
            let directory = TemporaryDirectory()
            let socket = NotifySocket(directory.path + "/notify")
            let node = try RunningNode(
                in: directory,
                limits: socket.environment(watchdogMicroseconds: 10_000) + "; export WATCHDOG_PID=1")
            #expect(try socket.nextOfAll()[0] == "READY=1")
            for _ in 0..<20 { #expect(try node.connect().get("/health").status == 200) }
            node.child.signal(SIGTERM)
            #expect(try socket.nextOfAll()[0] == "STOPPING=1")
        }
    }
}
