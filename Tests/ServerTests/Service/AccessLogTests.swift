import Foundation
import Glibc
import Testing

extension NodeTests {
    @Suite struct AccessLogs {
        /// Waits until a file has so many lines, and gives them.
        private func lines(_ path: String, _ count: Int) throws -> [String] {
            let deadline = Deadline()
            while true {
                let lines = ((try? readText(path)) ?? "").split(separator: "\n").map(String.init)
                if lines.count >= count { return lines }
                if deadline.isOver { throw HarnessError("\(lines.count) of \(count) lines came: \(lines)") }
                sched_yield()
            }
        }

        /// A line a request, whatever it came to, with the time and the size of its answer.
        @Test func everyKindOfRequest() throws {
            let directory = TemporaryDirectory()
            let path = directory.path + "/access.log"
            let node = try RunningNode(["--access_log", path, "--workers", "1"], in: directory)
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            try client.get("/\(code)?secret=1")
            try client.get("/\(code)", method: "HEAD")
            try client.get("/missing")
            try client.get("/health")
            try client.get("/api/v1/urls/\(code)")
            try client.get("/a=b")
            let bad = try node.connect()
            try bad.send("nonsense\r\n\r\n")
            let refused = try bad.read()
            let expected = [
                #"method=POST path=/\S+ status=201 bytes=\d+ us=\d+ result=api"#,
                #"method=GET path=/\#(code) status=302 bytes=\d+ us=\d+ result=redirect"#,
                #"method=HEAD path=/\#(code) status=302 bytes=\d+ us=\d+ result=redirect"#,
                #"method=GET path=/missing status=404 bytes=\d+ us=\d+ result=unknown"#,
                #"method=GET path=/health status=200 bytes=\d+ us=\d+ result=health"#,
                #"method=GET path=/api/v1/urls/\#(code) status=200 bytes=\d+ us=\d+ result=api"#,
                #"method=GET path="/a=b" status=404 bytes=\d+ us=\d+ result=api"#,
                #"method=- path=- status=\#(refused.status) bytes=\d+ us=\d+ result=refused"#,
            ]
            let lines = try lines(path, expected.count)
            #expect(lines.count == expected.count)
            for (line, pattern) in zip(lines, expected) {
                let whole = try Regex(#"time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z client=127\.0\.0\.0/24 "# + pattern)
                #expect(line.wholeMatch(of: whole) != nil, "\(line)\nis not \(pattern)")
            }
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_mode & 0o777 & ~0o640 == 0)
            #expect(node.stop() == .exited(0))
        }

        /// Also as JSON lines, from the reload on that asks for it.
        @Test func standardOutput() throws {
            let directory = TemporaryDirectory()
            let output = directory.path + "/out"
            let file = directory.write("access_log = stdout\n", to: "edge.conf")
            let node = try RunningNode(["--config", file], in: directory, limits: "exec >'\(output)'")
            let client = try node.connect()
            try client.get("/before")
            #expect(try lines(output, 1)[0].contains(" path=/before status=404 "))
            _ = directory.write("access_log = stdout\nlog_format = json\n", to: "edge.conf")
            node.child.signal(SIGHUP)
            _ = try node.log.next(#""event":"reload","#)
            try client.get("/missing")
            let line = try lines(output, 2)[1]
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            #expect(object?["status"] as? Int == 404 && object?["path"] as? String == "/missing", "\(line)")
        }

        /// What was answered before the end is in the file.
        @Test func lastLines() throws {
            // The end waits a second for the disk.
            try attempt("all lines are in the file") {
                let directory = TemporaryDirectory()
                let path = directory.path + "/access.log"
                let node = try RunningNode(["--access_log", path], in: directory)
                let client = try node.connect()
                for _ in 0..<500 { try client.get("/missing") }
                #expect(node.stop() == .exited(0))
                return try readText(path).split(separator: "\n").count == 500
            }
        }

        /// logrotate(8): the file is renamed, and SIGHUP makes a new one. Not a line is lost.
        @Test func rotation() throws {
            let directory = TemporaryDirectory()
            let path = directory.path + "/access.log"
            let node = try RunningNode(["--access_log", path], in: directory)
            let client = try node.connect()
            for _ in 0..<50 { try client.get("/before") }
            precondition(rename(path, path + ".1") == 0)
            for _ in 0..<50 { try client.get("/between") }
            node.child.signal(SIGHUP)
            _ = try node.log.next("event=reload ")
            for _ in 0..<50 { try client.get("/after") }
            // The thread that writes takes to the new file a moment after the reload.
            let deadline = Deadline()
            var (old, new) = ([Substring](), [Substring]())
            while old.count + new.count < 150, !deadline.isOver {
                (old, new) = (
                    try readText(path + ".1").split(separator: "\n"), try readText(path).split(separator: "\n")
                )
            }
            let targets = (old + new).compactMap { $0.firstMatch(of: #/path=(/\w+) /#)?.1 }
            #expect(targets == ["/before", "/between", "/after"].flatMap { [Substring](repeating: $0, count: 50) })
            while try !readText(path).contains("path=/last "), !deadline.isOver { try client.get("/last") }
            #expect(try readText(path).contains("path=/last "))
        }

        /// A pipe that nobody reads takes some lines and then none: redirects go on, and what is lost is counted and said.
        @Test func blockedPipe() throws {
            let directory = TemporaryDirectory()
            let path = directory.path + "/pipe"
            precondition(mkfifo(path, 0o600) == 0)
            let node = try RunningNode(
                ["--access_log", path, "--workers", "1", "--admin_listen", "127.0.0.1:0"], in: directory)
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            // Long paths fill the ring soon; they are the API's, and redirects go on between them.
            let long = Client.request("GET", "/" + String(repeating: "a", count: 1000))
            let (admin, deadline) = (try node.connectToAdmin(), Deadline())
            var (answers, dropped) = (0, 0)
            while dropped == 0, !deadline.isOver {
                for _ in 0..<10 {
                    try client.send(String(repeating: long, count: 50) + Client.request("GET", "/\(code)"))
                    for _ in 0..<50 { #expect(try client.read().status == 404) }
                    #expect(try client.read().status == 302)
                    answers += 51
                }
                let metrics = try admin.get("/metrics").text
                let match = try #require(metrics.firstMatch(of: /\nedge_access_log_dropped_total (\d+)\n/))
                dropped = Int(match.1)!
            }
            #expect(dropped > 0 && dropped < answers)
            #expect(try node.log.next("event=access-log-dropped").contains("level=warning"))
            // A reader comes: the log goes on with whole lines.
            let reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
            let pipe = Lines(reader)
            for _ in 0..<500 { _ = try pipe.next("result=") }
            #expect(pipe.seen.allSatisfy { $0.hasPrefix("time=") && $0.contains(" result=") })
            // Nobody reads again: the end does not wait for the pipe.
            #expect(node.stop() == .exited(0))
        }

        /// What the file before did not take whole does not begin the next one: its lines are whole.
        @Test(arguments: ["pipe", "/dev/full"]) func fromWhatTakesNothing(target: String) throws {
            let directory = TemporaryDirectory()
            let (first, path) = (target == "pipe" ? directory.path + "/pipe" : target, directory.path + "/access.log")
            if target == "pipe" { precondition(mkfifo(first, 0o600) == 0) }
            let file = directory.write("access_log = \(first)\n", to: "edge.conf")
            let node = try RunningNode(["--config", file, "--workers", "1"], in: directory)
            let client = try node.connect()
            try client.send(
                String(repeating: Client.request("GET", "/" + String(repeating: "a", count: 1000)), count: 100))
            for _ in 0..<100 { #expect(try client.read().status == 404) }
            _ = directory.write("access_log = \(path)\n", to: "edge.conf")
            node.child.signal(SIGHUP)
            _ = try node.log.next("event=reload ")
            try client.get("/after")
            #expect(node.stop() == .exited(0))
            let lines = try readText(path).split(separator: "\n", omittingEmptySubsequences: false).dropLast()
            #expect(lines.allSatisfy { $0.hasPrefix("time=") } && lines.last?.contains("path=/after ") == true)
        }

        /// The thread that writes is stopped for real, as a disk that hangs stops it: reloads go on without it and say so.
        /// Once it goes on, the next reload has waited for all of them: what was answered before is in the first file, what
        /// is answered after it in the last.
        @Test func heldWriter() throws {
            let directory = TemporaryDirectory()
            let paths = ["a", "b", "c", "d"].map { directory.path + "/\($0).log" }
            func write(_ path: String, status: Int) -> String {
                directory.write("access_log = \(path)\nredirect_status = \(status)\n", to: "edge.conf")
            }
            let file = write(paths[0], status: 302)
            let node = try RunningNode(["--config", file, "--workers", "1"], in: directory)
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            guard let frozen = try FrozenThread("access-log", of: node.child) else {
                withKnownIssue("the system allows no tracing, so no thread can be stopped") { Issue.record("untested") }
                return
            }
            for (path, status) in [(paths[1], 301), (paths[2], 307)] {
                _ = write(path, status: status)
                node.child.signal(SIGHUP)
                #expect(try node.log.next("event=access-log-held").contains("level=warning"))
                #expect(try node.log.next("event=reload ").contains("changed=2"))
                #expect(try client.get("/\(code)").status == status)
            }
            frozen.release()
            let (descriptors, deadline) = ("/proc/\(node.child.pid)/fd", Deadline())
            func isOpen(_ name: String) throws -> Bool {
                try names(below: descriptors).contains { descriptor in
                    let path = "\(descriptors)/\(descriptor)"
                    return (try? FileManager.default.destinationOfSymbolicLink(atPath: path))?.hasSuffix(name) == true
                }
            }
            while try !isOpen("/c.log") || isOpen("/a.log") || isOpen("/b.log"), !deadline.isOver { sched_yield() }
            _ = write(paths[3], status: 308)
            let said = node.log.seen.count
            node.child.signal(SIGHUP)
            _ = try node.log.next("event=reload ")
            #expect(!node.log.seen[said...].contains { $0.contains("access-log-held") })
            try client.get("/after")
            #expect(node.stop() == .exited(0))
            #expect(try paths.map { try readText($0).split(separator: "\n").count } == [3, 0, 0, 1])
        }

        @Test(arguments: ["/nonexistent/access.log", "/"]) func cannotBeOpened(path: String) throws {
            let directory = TemporaryDirectory()
            let failed = try Finished([
                "serve", "--data", directory.path + "/data", "--listen", "127.0.0.1:0", "--admin_listen", "off",
                "--access_log", path,
            ])
            #expect(failed.ending == .exited(78) && failed.error.contains("access_log = \(path)"), "\(failed.error)")
        }

        /// The disk is full: redirects go on, it is said once, and lines come again when there is room.
        @Test func fullDisk() throws {
            let node = try RunningNode(["--access_log", "/dev/full", "--workers", "1", "--admin_listen", "127.0.0.1:0"])
            let client = try node.connect()
            for _ in 0..<10 { #expect(try client.get("/missing").status == 404) }
            #expect(try node.log.next("event=access-log-failed").contains("No space left"))
            #expect(try node.log.next("event=access-log-dropped").contains("lines could not be written"))
            for _ in 0..<10 { #expect(try client.get("/missing").status == 404) }
            #expect(node.stop() == .exited(0))
            #expect(try node.log.rest().count { $0.contains("event=access-log-failed") } == 0)
        }

        @Test func offByDefault() throws {
            let directory = TemporaryDirectory()
            let output = directory.path + "/out"
            let node = try RunningNode(in: directory, limits: "exec >'\(output)'")
            try node.connect().get("/missing")
            #expect(node.stop() == .exited(0))
            #expect(try readText(output).isEmpty)
            #expect(Set(try names(below: directory.path)) == ["data", "out"])
        }
    }
}
