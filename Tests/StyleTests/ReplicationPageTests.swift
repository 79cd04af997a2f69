import Foundation
import Testing

/// The page of the protocol says what the sources say, diagram by diagram.
struct ReplicationPageTests {
    private let page = Tree.file("Sources/Server/Edge.docc/Replication.md").text

    @Test func diagrams() {
        let sources = Tree.files(below: "Sources/Replication/Wire").filter { $0.path.hasSuffix(".swift") }
        let lines = sources.flatMap { $0.text.matches("^/// (    .*)$") }.map { $0[0] }
        #expect(lines.count > 60)
        for line in lines { #expect(page.contains("\n\(line)\n"), "a line of a frame's diagram: \(line)") }
    }

    @Test func numbers() {
        for (file, enumeration, count) in [("FrameHeader", "enum FrameType", 28), ("Hello", "enum Reason", 11)] {
            let text = Tree.file("Sources/Replication/Wire/\(file).swift").text
            let cases = text.components(separatedBy: enumeration)[1].matches("^ +case (\\w+) = (\\d+)$")
            #expect(cases.count == count)
            for item in cases {
                let name = enumeration == "enum Reason" ? item[0] : Self.spoken(item[0])
                #expect(page.contains("| \(item[1]) | `\(name)` |"), "\(name)")
            }
        }
    }

    /// `pullRequest` as PULL-REQUEST.
    private static func spoken(_ name: String) -> String {
        name.map { $0.isUppercase ? "-\($0)" : $0.uppercased() }.joined()
    }
}
