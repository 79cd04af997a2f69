import Foundation
import Glibc
import Testing

extension NodeTests {
    /// What Following.md has people run does what it says there.
    @Suite struct FollowingPage {
        /// The program for Vector, as it stands there.
        private static func program() throws -> String {
            let path = String(#filePath)
            let root = path[..<path.firstRange(of: "Tests/ServerTests")!.lowerBound]
            let text = try readText(root + "Sources/Server/Edge.docc/Following.md")
            let start = try #require(text.firstRange(of: "    #!/bin/sh"))
            return text[start.lowerBound...].split(separator: "\n", omittingEmptySubsequences: false)
                .prefix { $0.hasPrefix("    ") }.map { $0.dropFirst(4) + "\n" }.joined()
        }

        /// Every change as a line, over a restart of the program and of the node; and where it stopped, it goes on.
        @Test func follows() throws {
            var node = try RunningNode(RunningNode.withAdmin)
            let key = try node.makeFollowerKey()
            let directory = TemporaryDirectory()
            let script = directory.write(try Self.program(), to: "edge-follow", mode: 0o700)
            var codes: [String] = []
            for round in 0..<2 {
                let ends = makePipe()
                let lines = Lines(ends.reading)
                let child = try Child(
                    "/bin/sh",
                    ["-c", "cd '\(directory.path)' && EDGE_KEY='\(key)' exec '\(script)' '\(node.url)'"],
                    output: ends.writing, error: nil)
                close(ends.writing)
                for number in 0..<3 {
                    codes.append(try node.connect().create("https://example.com/\(round)/\(number)"))
                    #expect(try ToldChange(lines.next("\"position\"")).code == codes.last)
                }
                #expect(lines.seen.count == 3, "nothing comes twice that was written down")
                // It writes the position down behind the lines, which is waited for.
                let deadline = Deadline()
                let told = try ToldChange(lines.seen[2]).position
                while try readText(directory.path + "/position") != told + "\n" { try #require(!deadline.isOver) }
                child.kill()
                guard round == 0 else { break }
                #expect(node.child.kill() == .killed(SIGKILL))
                node = try node.restarted(RunningNode.withAdmin)
            }
        }
    }
}
