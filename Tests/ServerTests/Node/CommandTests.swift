import Foundation
import Testing

extension NodeTests {
    @Suite struct Commands {
        @Test func create() throws {
            let node = try RunningNode()
            let made = try Finished(["create", "https://example.com/ä?b", "--server", node.url])
            #expect(made.ending == .exited(0) && made.error.isEmpty)
            let path = try #require(made.output.wholeMatch(of: /http:\/\/[0-9.:]+(\/1[0-9A-Za-z]{6})\n/)).1
            #expect(try node.connect().get("\(path)")["location"] == "https://example.com/%C3%A4?b")
            let arguments = [
                "create", "https://example.com/", "--alias", "mine", "--expires-in", "60", "--server", node.url,
            ]
            #expect(try Finished(arguments).output == "\(node.url)/mine\n")
            let again = try Finished(arguments)
            #expect(again.ending == .exited(1) && again.output.isEmpty)
            #expect(again.error.contains("taken"), "\(again.error)")
            let refused = try Finished(["create", "ftp://example.com/", "--server", node.url])
            #expect(refused.ending == .exited(1) && refused.error.contains("http"), "\(refused.error)")
        }

        /// Running or not, the store can be looked at, and looks the same.
        @Test func verifyAndDump() throws {
            let node = try RunningNode()
            let client = try node.connect()
            var expected: Set<String> = []
            for index in 0..<200 {
                expected.insert(try client.create("https://example.com/\(index)"))
                expected.insert(
                    try client.create("https://example.com/\(index)", #","custom_alias":"alias-\#(index)""#))
            }
            func look() throws -> [String] {
                let verdict = try Finished(["verify", "--data", node.data])
                #expect(verdict.ending == .exited(0))
                #expect(verdict.output == "sound: 400 records, 400 log entries\n", "\(verdict.output)\(verdict.error)")
                let dump = try Finished(["dump", "--data", node.data])
                #expect(dump.ending == .exited(0) && dump.error.isEmpty)
                return dump.output.split(separator: "\n").map(String.init)
            }
            let running = try look()
            let codes = try running.map { line in
                let link = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
                return try #require(link?["short_code"] as? String)
            }
            #expect(Set(codes) == expected && codes.count == 400)
            #expect(node.stop() == .exited(0))
            #expect(try look() == running)
            // Whoever reads only the beginning gets it, and no complaint.
            let script = "\"$0\" dump --data \"$1\" | head -n 1"
            let first = try Finished(["-c", script, edgeBinary, node.data], of: "/bin/sh")
            #expect(first.output == running[0] + "\n" && first.error.isEmpty && first.ending == .exited(0))
        }

        @Test func verifyWhileWriting() throws {
            let node = try RunningNode()
            let client = try node.connect()
            for round in 0..<5 {
                try client.send((0..<200).map { Client.creation("https://example.com/\(round)/\($0)") }.joined())
                let verdict = try Finished(["verify", "--data", node.data])
                #expect(verdict.ending == .exited(0), "\(verdict.output)\(verdict.error)")
                for _ in 0..<200 { #expect(try client.read().status == 201) }
            }
        }

        @Test func nothingThere() throws {
            let directory = TemporaryDirectory()
            for command in ["verify", "dump"] {
                let outcome = try Finished([command, "--data", directory.path])
                #expect(outcome.ending == .exited(1) && outcome.output.isEmpty && outcome.error.contains("data.mdb"))
            }
        }

        /// One bit of one record on the disk: that link says so, the others lead where they led.
        /// LMDB reads its own structure without a check and falls over a flag that no row of a plain table has: 24 bytes
        /// before a generated link's destination, behind its size and before its key.
        @Test func damagedStructureIsAFindingOfVerify() throws {
            let node = try RunningNode()
            _ = try node.connect().create("https://example.com/structure")
            #expect(node.stop() == .exited(0))
            let file = URL(filePath: node.data + "/data.mdb")
            var bytes = try Data(contentsOf: file)
            let needle = Data("example.com/structure".utf8)
            var start = bytes.startIndex
            while let range = bytes.range(of: needle, in: start..<bytes.endIndex) {
                bytes[range.lowerBound - 24] ^= 4
                start = range.upperBound
            }
            let handle = try FileHandle(forWritingTo: file)
            try handle.write(contentsOf: bytes)
            try handle.close()
            let verdict = try Finished(["verify", "--data", node.data])
            #expect(verdict.ending == .exited(1) && verdict.output.contains("structure"), "\(verdict.output)")
        }

        @Test func damagedRecord() throws {
            let node = try RunningNode()
            let client = try node.connect()
            let codes = try (0..<50).map { try client.create("https://example.com/link-\($0)-") }
            let alias = try client.create("https://example.com/alias-link-", #","custom_alias":"hurt""#)
            #expect(node.stop() == .exited(0))
            let file = URL(filePath: node.data + "/data.mdb")
            var bytes = try Data(contentsOf: file)
            // The destination without its scheme stands in the record and in the log; superseded pages hold it too.
            for needle in ["example.com/link-17-", "example.com/alias-link-"] {
                var start = bytes.startIndex
                while let range = bytes.range(of: Data(needle.utf8), in: start..<bytes.endIndex) {
                    bytes[range.lowerBound + 3] ^= 4
                    start = range.upperBound
                }
            }
            let handle = try FileHandle(forWritingTo: file)
            try handle.write(contentsOf: bytes)
            try handle.close()
            let again = try node.restarted()
            let other = try again.connect()
            for code in [codes[17], alias] {
                try other.get("/\(code)").expectProblem(500, "damaged-record")
                try other.get("/api/v1/urls/\(code)").expectProblem(500, "damaged-record")
            }
            for (index, code) in codes.enumerated() where index != 17 {
                #expect(try other.get("/\(code)")["location"] == "https://example.com/link-\(index)-")
            }
            try other.post("/shorten", json: #"{"long_url":"https://example.com/","custom_alias":"hurt"}"#)
                .expectProblem(500, "damaged-record")
            #expect(try !other.create("https://example.com/").isEmpty)
            let verdict = try Finished(["verify", "--data", node.data])
            #expect(verdict.ending == .exited(1) && verdict.output.contains("damaged"))
            #expect(try Finished(["dump", "--data", node.data]).ending == .exited(1))
        }
    }
}
