import Foundation
import Glibc
import Testing

extension NodeTests {
    /// `edge backup` of a running node, and `edge restore`.
    @Suite struct Copies {
        let directory = TemporaryDirectory()
        let target = TemporaryDirectory()
        private let flags = ["--admin_listen", "127.0.0.1:0"]
        private var backup: String { directory.path + "/backup" }
        private var restored: String { target.path + "/data" }

        private func command(_ node: RunningNode, _ more: [String] = []) -> [String] {
            ["backup", backup, "--server", "http://127.0.0.1:\(node.adminPort)"] + more
        }

        private func dump(_ data: String) throws -> String {
            let dump = try Finished(["dump", "--data", data])
            #expect(dump.ending == .exited(0), "\(dump.error)")
            return dump.output
        }

        private func files(_ path: String) -> [String] {
            ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
        }

        @Test func backupAndRestore() throws {
            let node = try RunningNode(flags)
            let client = try node.connect()
            var codes = try (0..<100).map { try client.create("https://example.com/\($0)") }
            codes.append(try client.create("https://example.com/100", #","custom_alias":"my-alias""#))
            let made = try Finished(command(node))
            #expect(made.ending == .exited(0) && made.error.isEmpty, "\(made.error)")
            #expect(made.output == "\(backup): 101 records, then 0 log entries\n")
            #expect(try dump(backup) == dump(node.data))
            let verdict = try Finished(["verify", "--data", backup])
            #expect(
                verdict.ending == .exited(0) && verdict.output.hasPrefix("sound: 101 records, 0 log entries; no file"))
            let again = try Finished(["restore", backup, "--data", restored])
            #expect(again.ending == .exited(0) && again.error.isEmpty, "\(again.error)")
            #expect(again.output.hasPrefix("\(restored): 101 records"))
            #expect(files(restored) == ["data.mdb"])
            let next = try RunningNode(in: target)
            #expect(next.log.seen.contains { $0.contains("event=new-incarnation") })
            let other = try next.connect()
            for (index, code) in codes.enumerated() {
                #expect(try other.get("/\(code)")["location"] == "https://example.com/\(index)")
            }
            let fresh = [try client.create("https://example.com/old"), try other.create("https://example.com/new")]
            #expect(fresh[0] != fresh[1] && !codes.contains(fresh[0]) && !codes.contains(fresh[1]))
        }

        /// Links that were acknowledged before the start are all there, and what is there was sent.
        @Test func underLoad() throws {
            let node = try RunningNode(flags)
            let client = try node.connect()
            let codes = Set(try (0..<50).map { try client.create("https://example.com/before/\($0)") })
            for round in 0..<3 {
                try client.send((0..<300).map { Client.creation("https://example.com/\(round)/\($0)") }.joined())
                try? FileManager.default.removeItem(atPath: backup)
                let made = try Finished(command(node))
                #expect(made.ending == .exited(0), "\(made.error)")
                for _ in 0..<300 { #expect(try client.read().status == 201) }
                #expect(try Finished(["verify", "--data", backup]).ending == .exited(0))
                let lines = Set(try dump(backup).split(separator: "\n"))
                let all = Set(try dump(node.data).split(separator: "\n"))
                #expect(lines.isSubset(of: all) && lines.count >= 50 + round * 300)
                for code in codes { #expect(lines.contains { $0.contains("\"\(code)\"") }) }
            }
        }

        @Test func refusals() throws {
            let node = try RunningNode(flags)
            _ = try node.connect().create("https://example.com/")
            func expect(_ arguments: [String], _ words: String) throws {
                let outcome = try Finished(arguments)
                #expect(outcome.ending == .exited(1) && outcome.output.isEmpty, "\(arguments)")
                #expect(outcome.error.contains(words), "\(arguments): \(outcome.error)")
            }
            try expect(["backup", backup, "--server", node.url], "No such link")
            try expect(["backup", backup, "--server", "http://127.0.0.1:1"], "no connection")
            #expect(files(backup) == [])
            try expect(["restore", backup, "--data", restored], "data.mdb: no such file")
            try expect(["restore", backup + "/none", "--data", restored], "No such file")
            try expect(["backup", backup + "/a/b", "--server", node.url], "as data directory")
            try expect(["backup", node.data, "--server", "http://127.0.0.1:\(node.adminPort)"], "in use")
            try expect(["restore", node.data, "--data", restored], "in use")
            #expect(try Finished(command(node)).ending == .exited(0))
            try expect(command(node), "is not empty")
            try expect(["restore", backup, "--data", node.data], "in use")
            #expect(node.stop() == .exited(0))
            try expect(["restore", backup, "--data", node.data], "is not empty")
            let handle = try FileHandle(forUpdating: URL(filePath: backup + "/data.mdb"))
            try handle.truncate(atOffset: 4096)
            try handle.close()
            try expect(["restore", backup, "--data", restored], "cut short")
            #expect(files(restored) == [])
        }

        /// A backup that is killed, or whose node is, leaves what no command takes for a store, and can be made anew.
        @Test func cutShort() throws {
            let node = try RunningNode(flags)
            let client = try node.connect()
            for index in 0..<200 { _ = try client.create("https://example.com/\(index)") }
            func begin(_ node: RunningNode) throws -> (Child, Lines) {
                let ends = makePipe()
                let child = try Child(edgeBinary, command(node, ["--rate", "2KiB"]), output: nil, error: ends.writing)
                close(ends.writing)
                let deadline = Deadline()
                while !FileManager.default.fileExists(atPath: backup + "/partial/data.mdb"), !deadline.isOver {
                    sched_yield()
                }
                return (child, Lines(ends.reading))
            }
            let (first, _) = try begin(node)
            #expect(first.kill() == .killed(SIGKILL))
            #expect(files(backup) == ["partial"])
            let served = try Finished(["serve", "--data", backup, "--listen", "127.0.0.1:0", "--admin_listen", "off"])
            #expect(served.ending == .exited(1) && served.error.contains("was not finished"), "\(served.error)")
            #expect(try Finished(["restore", backup, "--data", restored]).ending == .exited(1))
            #expect(try Finished(["verify", "--data", backup]).ending == .exited(1))
            let (second, said) = try begin(node)
            #expect(node.child.kill() == .killed(SIGKILL))
            #expect(second.wait() == .exited(1))
            #expect(try said.rest().contains { $0.contains("edge backup: http://127.0.0.1") })
            #expect(files(backup) == [])
            let next = try node.restarted(flags)
            #expect(try Finished(command(next)).ending == .exited(0))
            #expect(try dump(backup) == dump(next.data))
            // And a restore that was killed.
            try FileManager.default.createDirectory(atPath: restored + "/partial", withIntermediateDirectories: true)
            try Data([1, 2, 3]).write(to: URL(filePath: restored + "/partial/data.mdb"))
            #expect(try Finished(["restore", backup, "--data", restored]).ending == .exited(0))
            #expect(files(restored) == ["data.mdb"])
        }

        /// The routes give everything away: to nobody from elsewhere, and to no page of a browser.
        @Test func whoMayAsk() throws {
            let open = try RunningNode(flags)
            let file = target.write(try open.makeKey("--scopes", "admin"), to: "admin.key")
            let weak = target.write(try open.makeKey(name: "weak"), to: "weak.key")
            #expect(open.stop() == .exited(0))
            let node = try open.restarted(["--admin_listen", "0.0.0.0:0"])
            for flags in [[], ["--key-file", weak]] {
                let refused = try Finished(command(node, flags))
                #expect(refused.ending == .exited(1) && refused.error.contains("loopback"), "\(refused.error)")
            }
            #expect(try Finished(command(node, ["--key-file", file])).ending == .exited(0))
            #expect(try Finished(["key", "list", "--data", backup]).output.contains("weak"))
        }

        @Test func whatMayBeAsked() throws {
            let open = try RunningNode(flags)
            let admin = try open.connectToAdmin()
            func get(_ target: String, method: String = "GET", host: String = "127.0.0.1") throws -> Answer {
                try admin.send("\(method) \(target) HTTP/1.1\r\nHost: \(host)\r\n\r\n")
                return try admin.read()
            }
            for path in ["/snapshot", "/snapshot/rows", "/snapshot/log"] {
                #expect(try get(path, host: "evil.example").status == 403)
                #expect(try get(path, method: "POST").status == 405)
                #expect(try open.connect().get(path).status == 404)
            }
            #expect(try get("/snapshot").status == 200)
            #expect(try get("/snapshot/rows").body.count < 1 << 20)
            let nobody = "31" + String(repeating: "0", count: 17) + "1"
            for (target, status, code) in [
                ("/snapshot?x=1", 400, "invalid-query"), ("/snapshot/rows?after=zz", 400, "invalid-query"),
                ("/snapshot/rows?after=0002&after=0002", 400, "invalid-query"),
                ("/snapshot/rows?after", 400, "invalid-query"), ("/snapshot/rows?after=", 400, "invalid-query"),
                ("/snapshot/log", 400, "invalid-query"),
                ("/snapshot/log?origin=\(nobody)&from=0&through=2", 400, "invalid-query"),
                ("/snapshot/log?origin=\(nobody)&from=1", 400, "invalid-query"),
                ("/snapshot/log?origin=\(nobody)&from=1&through=2", 404, "not-found"),
            ] { try get(target).expectProblem(status, code) }
        }

        /// One record fails its checksum: it is named, and the rest is there.
        @Test func aDamagedRecord() throws {
            let node = try RunningNode(flags)
            let client = try node.connect()
            let codes = try (0..<50).map { try client.create("https://example.com/link-\($0)-") }
            #expect(node.stop() == .exited(0))
            let file = URL(filePath: node.data + "/data.mdb")
            var bytes = try Data(contentsOf: file)
            var start = bytes.startIndex
            while let range = bytes.range(of: Data("example.com/link-17-".utf8), in: start..<bytes.endIndex) {
                bytes[range.lowerBound + 3] ^= 4
                start = range.upperBound
            }
            let handle = try FileHandle(forWritingTo: file)
            try handle.write(contentsOf: bytes)
            try handle.close()
            let again = try node.restarted(flags)
            let made = try Finished(command(again))
            #expect(made.ending == .exited(1) && made.output.contains("49 records"), "\(made.output)\(made.error)")
            #expect(made.error.contains("/\(codes[17]) is damaged"), "\(made.error)")
            #expect(try Finished(["verify", "--data", backup]).ending == .exited(0))
            #expect(try dump(backup).split(separator: "\n").count == 49)
            #expect(try Finished(["restore", backup, "--data", restored]).ending == .exited(0))
        }
    }
}
