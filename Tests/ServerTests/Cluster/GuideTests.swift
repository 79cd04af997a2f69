import Foundation
import Server
import Testing

/// "From two bare machines to two regions" in Operation.md, as it stands there.
@Suite struct GuideTests {
    private let lines: [String]

    init() throws {
        let path = String(#filePath)
        let root = path[..<path.firstRange(of: "Tests/ServerTests")!.lowerBound]
        let text = try readText(root + "Sources/Server/Edge.docc/Operation.md")
        let start = try #require(text.firstRange(of: "### From two bare machines to two regions"))
        let end = try #require(text[start.upperBound...].firstRange(of: "\n### "))
        lines = text[start.upperBound..<end.lowerBound].split(separator: "\n").filter { $0.hasPrefix("    ") }
            .map { String($0.dropFirst(4)) }
    }

    /// The commands, with the lines that go on from one to the next put together.
    private var commands: [String] {
        lines.filter { $0.firstMatch(of: /^[a-z_]+ =/) == nil }.reduce(into: []) { commands, line in
            if line.hasPrefix("    ") {
                commands[commands.count - 1] += line.dropFirst(3)
            } else {
                commands.append(line)
            }
        }
    }

    /// The units are written on two machines, so one of these counts twice.
    @Test func tenCommands() throws {
        #expect(commands.count + 1 <= 10, "\(commands)")
        #expect(commands.count { $0.hasPrefix("edge systemd-unit ") } == 1)
    }

    /// The file, the flags of each machine and what `edge cluster` makes go together: in a node's place of its own, the
    /// configuration is right and nothing is missing.
    @Test(arguments: ["eu", "us"]) func goesTogether(region: String) throws {
        let directory = TemporaryDirectory()
        let settings = lines.filter { $0.firstMatch(of: /^[a-z_]+ =/) != nil }
        #expect(settings.count >= 10)
        let unit = try #require(commands.first { $0.hasPrefix("edge systemd-unit ") })
        let flags = unit.replacing("eu", with: region).split(separator: " ").map(String.init)
        let given = flags[2..<(try #require(flags.firstIndex { $0.hasPrefix("\\") || $0 == ">" }))]

        for command in commands where command.hasPrefix("edge cluster ") {
            let words = command.replacing(" prod", with: " \(directory.path)/prod", maxReplacements: 1)
                .split(separator: " ").dropFirst().map(String.init)
            #expect(try Finished(words).ending == .exited(0), "\(command)")
        }
        // What tar does on the way.
        let place = directory.path + "/prod"
        for end in ["pem", "key"] {
            try FileManager.default.moveItem(atPath: "\(place)/\(region)-0.\(end)", toPath: "\(place)/node.\(end)")
        }
        let tar = try #require(commands.first { $0.hasPrefix("tar ") && $0.contains("\(region)-0.pem") })
        for line in settings {
            let file = try #require(line.split(separator: " ").last)
            guard file.hasPrefix("/etc/edge/") else { continue }
            let name = file.dropFirst(10).replacing("node.", with: region + "-0.")
            #expect(tar.contains(" \(name) "), "\(name) is not carried")
        }
        let text = settings.joined(separator: "\n").replacing("/etc/edge", with: place)
        let file = directory.write(text, to: "prod/edge.conf")
        let check = try Finished(["check"] + given.map { $0.replacing("/etc/edge/edge.conf", with: file) })
        #expect(check.ending == .exited(0), "\(check.error)")
        #expect(check.output.contains("\nregion = \(region)\nnode = 0\n"))
        // Both have one file with both addresses, their own among them.
        let own = "edge: warning: peers: \(region).example.org:9280 is this node itself, which passes it over\n"
        #expect(check.error == own)
    }
}
