import Foundation
import Glibc
import Testing

extension NodeTests {
    /// `edge import` and `edge export`
    @Suite struct MoveCommands {
        private func rows(_ numbers: Range<Int>) -> String {
            numbers.map { number in
                #"{"long_url":"https://example.com/\#(number)","short_code":"name-\#(number)"}"# + "\n"
            }.joined()
        }

        private func move(_ node: RunningNode, _ format: String, _ text: String, _ flags: [String] = []) throws
            -> Finished
        {
            let file = node.directory.write(text, to: "links")
            return try Finished(["import", format, file, "--server", node.url] + flags)
        }

        /// A file of each kind that there is.
        @Test(arguments: [
            (
                "csv",
                "Bitlink,Long URL,Title,Created\nbit.ly/from-csv,https://example.com/from-csv,T,2019-01-02 03:04:05\n"
            ),
            (
                "yourls",
                "INSERT INTO `yourls_url` (`keyword`,`url`,`title`,`timestamp`,`ip`,`clicks`) VALUES "
                    + "('from-yourls','https://example.com/from-yourls','T','2019-01-02 03:04:05','1.2.3.4',7);\n"
            ),
            (
                "golink",
                #"{"Short":"from-golink","Long":"https://example.com/from-golink","Created":"2019-01-02T03:04:05Z","#
                    + #""LastEdit":"2019-01-02T03:04:05Z","Owner":"a@example.com"}"# + "\n"
            ),
            (
                "ndjson",
                #"{"short_code":"from-ndjson","long_url":"https://example.com/from-ndjson","#
                    + #""created_at":"2019-01-02T03:04:05Z"}"#
            ),
        ])
        func formats(format: String, text: String) throws {
            let node = try RunningNode()
            let moved = try move(node, format, text)
            #expect(moved.ending == .exited(0) && moved.error.isEmpty, "\(moved.error)")
            #expect(moved.output == "1 created, 0 there already, 0 rejected\n")
            let client = try node.connect()
            #expect(try client.get("/from-\(format)")["location"] == "https://example.com/from-\(format)")
            let link = try client.get("/api/v1/urls/from-\(format)")
            #expect(try link.string("created_at") == "2019-01-02T03:04:05Z")
        }

        /// Rows that make no link are told of in their order, with their line; the others are made.
        @Test func rejectedRows() throws {
            let node = try RunningNode()
            _ = try node.connect().create("https://example.org/", #","custom_alias":"name-1""#)
            let text = "no JSON\n" + rows(0..<2) + #"{"long_url":"ftp://example.com/"}"# + "\n[]\n" + rows(2..<3)
            let moved = try move(node, "ndjson", text)
            #expect(moved.ending == .exited(1) && moved.output == "2 created, 0 there already, 4 rejected\n")
            let lines = moved.error.split(separator: "\n").map(String.init)
            #expect(
                lines.map { String($0.prefix(7)) } == ["line 1:", "line 3:", "line 4:", "line 5:"], "\(moved.error)")
            #expect(lines[1].hasPrefix("line 3: name-1: "))
            // Into a file, behind what is there.
            let file = node.directory.write("before\n", to: "rejected")
            let again = try move(node, "ndjson", text, ["--rejected", file])
            #expect(again.ending == .exited(1) && again.error.isEmpty)
            #expect(again.output == "0 created, 2 there already, 4 rejected\n")
            #expect(try readText(file) == "before\n" + moved.error)
        }

        /// A code of two segments is not cut down to one of them, and a dry run says so too.
        @Test func codesOfSegments() throws {
            let node = try RunningNode()
            let text = "Long URL,Short code\nhttps://example.com/1,promo/june\nhttps://example.com/2,promo\n"
            let reason = "line 2: \"promo/june\" is no code: codes have one segment here.\n"
            for (flags, made) in [(["--dry-run"], "would be created"), ([], "created")] as [([String], String)] {
                let moved = try move(node, "csv", text, flags)
                #expect(moved.ending == .exited(1) && moved.error == reason, "\(moved.error)")
                #expect(moved.output == "1 \(made), 0 there already, 1 rejected\n")
            }
            let client = try node.connect()
            #expect(try client.get("/june").status == 404 && client.get("/promo").status == 302)
        }

        /// Rows of earlier lines are passed over; standard input is a file too.
        @Test func fromALine() throws {
            let node = try RunningNode()
            let moved = try move(node, "ndjson", rows(0..<10), ["--from", "8"])
            #expect(moved.output == "3 created, 0 there already, 0 rejected\n")
            let script = "\"$0\" import ndjson - --server \"$1\" < \"$2\""
            let piped = try Finished(
                ["-c", script, edgeBinary, node.url, node.directory.path + "/links"], of: "/bin/sh")
            #expect(piped.output == "7 created, 3 there already, 0 rejected\n", "\(piped.error)")
        }

        @Test func dryRun() throws {
            let node = try RunningNode()
            let tried = try move(node, "ndjson", rows(0..<10) + "{}\n", ["--dry-run"])
            #expect(tried.ending == .exited(1) && tried.output == "10 would be created, 0 there already, 1 rejected\n")
            #expect(try Finished(["dump", "--data", node.data]).output.isEmpty)
        }

        /// What cannot begin says why.
        @Test func failures() throws {
            let node = try RunningNode(["--anonymous_create", "off"])
            let refused = try move(node, "ndjson", rows(0..<1))
            #expect(refused.ending == .exited(1) && refused.output.isEmpty)
            #expect(refused.error.contains("makes no links for anonymous"), "\(refused.error)")
            let headless = try move(node, "csv", "a,b\n1,2\n")
            #expect(headless.ending == .exited(1) && headless.error.contains("Long URL"), "\(headless.error)")
            let absent = try Finished(["import", "csv", node.directory.path + "/none", "--server", node.url])
            #expect(absent.ending == .exited(1) && absent.error.contains("none"))
            let export = try Finished(["export", "--server", node.url])
            #expect(export.ending == .exited(1) && export.error.contains("key") && export.output.isEmpty)
            #expect(node.stop() == .exited(0))
            for command in [["export"], ["import", "ndjson", node.directory.path + "/links"]] {
                let alone = try Finished(command + ["--server", node.url])
                #expect(alone.ending == .exited(1) && alone.error.contains("no connection"), "\(alone.error)")
            }
        }

        /// What has no links in it is no import that was done; the rest of one that has been is.
        @Test(arguments: [
            ("csv", "Long URL,Title\n", "No rows"), ("csv", "Long URL\rhttps://example.com/\r", "carriage return"),
            ("csv", "", "no column"), ("golink", "", "No line"), ("ndjson", "\n \n", "No line"),
            ("yourls", "INSERT INTO `yourls_log` VALUES (1,'a');\n", "\"url\""), ("yourls", "", "\"url\""),
        ])
        func nothingFound(format: String, text: String, reason: String) throws {
            let node = try RunningNode()
            for flags in [[], ["--dry-run"]] as [[String]] {
                let moved = try move(node, format, text, flags)
                #expect(moved.ending == .exited(1) && moved.output.isEmpty && moved.error.contains(reason))
            }
            let rest = try move(node, "ndjson", rows(0..<1), ["--from", "2"])
            #expect(rest.ending == .exited(0) && rest.output == "0 created, 0 there already, 0 rejected\n")
        }

        /// How far it has come is shown on a terminal, and nowhere else.
        @Test func progress() throws {
            let node = try RunningNode()
            let file = node.directory.write(rows(0..<3000), to: "links")
            var (master, terminal): (Int32, Int32) = (-1, -1)
            #expect(openTerminal(&master, &terminal, nil, nil, nil) == 0)
            defer { close(master) }
            let child = try Child(
                edgeBinary, ["import", "ndjson", file, "--server", node.url], output: nil, error: terminal)
            close(terminal)
            #expect(child.wait() == .exited(0))
            var (text, bytes) = ("", [UInt8](repeating: 0, count: 65_536))
            while case let count = read(master, &bytes, bytes.count), count > 0 {
                text += String(decoding: bytes[..<count], as: UTF8.self)
            }
            #expect(text.contains("rows, 0 rejected") && text.contains("%"), "\(text)")
            let quiet = try Finished(["import", "ndjson", file, "--server", node.url])
            #expect(quiet.error.isEmpty)
        }

        /// A node that is killed in the middle: the command says where it ended, and nothing is made twice afterwards.
        @Test(arguments: [200, 2500]) func killed(after count: Int) throws {
            let total = 5000
            let node = try RunningNode()
            let file = node.directory.write(rows(0..<total), to: "links")
            let ends = makePipe()
            let said = Lines(ends.reading)
            let child = try Child(
                edgeBinary, ["import", "ndjson", file, "--server", node.url], output: nil, error: ends.writing)
            close(ends.writing)
            let client = try node.connect()
            while try client.get("/name-\(count)").status != 302 {}
            node.child.kill()
            #expect(child.wait() == .exited(1))
            let message = try said.rest().joined(separator: "\n")
            let next = try node.restarted()
            if let match = message.firstMatch(of: /go on with --from (\d+)/) {
                // What was told of is there.
                let done = try #require(Int(match.1)) - 1
                let other = try next.connect()
                for number in stride(from: 0, to: done, by: max(1, done / 50)) {
                    #expect(try other.get("/name-\(number)").status == 302, "\(number) of \(done)")
                }
            }
            let again = try Finished(["import", "ndjson", file, "--server", next.url])
            let sums = try #require(again.output.wholeMatch(of: /(\d+) created, (\d+) there already, 0 rejected\n/))
            let (created, existing) = (try #require(Int(sums.1)), try #require(Int(sums.2)))
            #expect(created + existing == total && existing >= count, "\(again.output)\(message)")
            #expect(next.stop() == .exited(0))
            let verdict = try Finished(["verify", "--data", next.data])
            #expect(
                verdict.output == "sound: \(total) records, \(total) log entries\n", "\(verdict.output)\(verdict.error)"
            )
        }
    }
}

/// glibc 2.34; the Glibc module lacks it.
@_silgen_name("openpty")
private func openTerminal(
    _ ours: UnsafeMutablePointer<Int32>, _ theirs: UnsafeMutablePointer<Int32>, _ name: UnsafeMutablePointer<CChar>?,
    _ settings: UnsafeRawPointer?, _ size: UnsafeRawPointer?
) -> Int32
