import Foundation
import Testing

/// What the pages say of names in the sources is said of all of them, and of none that is not there.
struct DocumentationTests {
    private static func page(_ name: String) -> Tree.File { Tree.file("Sources/Server/Edge.docc/\(name).md") }
    private let formats = page("Formats")
    private let operation = page("Operation")

    /// Cells of the tables of a page, row by row, without the marks for code.
    private func rows(_ page: Tree.File) -> [[String]] {
        page.lines.filter { $0.hasPrefix("|") }.map { line in
            line.dropFirst().dropLast().split(separator: "|", omittingEmptySubsequences: false)
                .map { String($0).replacing("`", with: "").matches("^\\s*(.*?)\\s*$")[0][0] }
        }
    }

    private func hasRow(_ page: Tree.File, _ cells: String...) -> Bool {
        rows(page).contains { $0.starts(with: cells) }
    }

    @Test func flags() {
        let body = Tree.file("Sources/Links/Records/LinkBody.swift").text
        let flags = body.matches("static let (\\w+) = Flags\\(rawValue: 1 << (\\d)\\)")
        #expect(flags.count >= 6)
        for flag in flags { #expect(hasRow(formats, flag[1], flag[0]), "flag \(flag)") }
        #expect(body.contains("static let prefixMask = Flags(rawValue: 0b11)"))
        #expect(hasRow(formats, "0, 1", "prefixMask"))
        let prefixes = body.matches("static let prefixes: \\[StaticString\\] = \\[(.*)\\]")[0][0].matches(
            "\"([^\"]*)\"")
        #expect(prefixes.count == 4)
        for (index, prefix) in prefixes.enumerated().dropFirst() {
            #expect(formats.text.contains("\(index) `\(prefix[0])`"), "prefix \(index)")
        }
    }

    @Test func tags() {
        for (path, count) in [
            ("LinkBody", 7), ("LinkKey", 3), ("LogEntry", 4), ("KeyRecord", 6), ("MemberBody", 3),
            ("ModerationKey", 3), ("BlockBody", 3), ("ReportBody", 9), ("AuditBody", 5),
        ] {
            let text = Tree.file("Sources/Links/Records/\(path).swift").text
            let tags = text.matches("static let (\\w+): UInt(?:8|64) = (\\d+)\\n").filter {
                !["firstFormat", "moderationFormat"].contains($0[0])
            }
            #expect(tags.count >= count, "\(path): \(tags)")
            for tag in tags { #expect(hasRow(formats, tag[1], tag[0]), "\(path): \(tag)") }
        }
        let format = Tree.file("Sources/Store/StoreSettings.swift").text.matches("logFormat: UInt16 = (\\d+)")[0][0]
        #expect(hasRow(formats, "4", "1", "format: \(format)"))
    }

    @Test func tables() {
        let text = Tree.file("Sources/Store/Tables.swift").text
        let names = text.matches("case \\.(\\w+): \"(\\w+)\"")
        let ids = text.matches("case \\.(\\w+): (\\(0, \\d+\\))")
        #expect(names.count >= 5 && names.map { $0[0] } == ids.map { $0[0] })
        for (name, id) in zip(names, ids) { #expect(hasRow(formats, name[1], id[1]), "table \(name[1])") }
        let log = text.matches("static let logName = \"(\\w+)\"")[0][0]
        #expect(hasRow(formats, log, "none"))
        #expect(text.contains("\"links/\\(") && hasRow(formats, "links/RN", "(R, N)"))
        let given = rows(formats).filter { $0.count > 1 && !$0[1].matches("^\\(0, \\d+\\)$").isEmpty }.map { $0[1] }
        #expect(Set(given).count == given.count, "an id is given twice")
    }

    @Test func metaRows() {
        let text = Tree.file("Sources/Store/Catalogue.swift").text
        let keys = text.matches("static let \\w+ = Array\\(\"([a-z-]+)\"\\.utf8\\)")
        #expect(keys.count >= 4)
        for key in keys { #expect(hasRow(formats, key[0]), "meta row \(key)") }
        let format = text.matches("currentFormat: UInt64 = (\\d+)")[0][0]
        #expect(hasRow(formats, "format", "8: \(format)"))
    }

    @Test func identityLines() {
        let text = Tree.file("Sources/Store/SideFile.swift").text
        let names = text.matches("\\[(\"cluster\".*?)\\]")[0][0].matches("\"(\\w+)\"").map { $0[0] }
        #expect(names.count == 7)
        for name in names { #expect(!formats.text.matches("^    \(name) = ").isEmpty, "line \(name)") }
        #expect(formats.text.contains("    " + text.matches("header = \"(.*)\"")[0][0]))
    }

    /// The sizes of an origin row's fields are those that its own description in the source adds up to.
    @Test func originOffsets() {
        let text = Tree.file("Sources/Store/OriginRow.swift").text
        let sizes = text.matches("^///     [a-z ]+?\\s+(\\d+)(?: .*)?$").map { Int($0[0])! }
        #expect(sizes == [10, 6, 8, 16, 6, 16, 8, 8, 6, 6, 1])
        var offset = 0
        for size in sizes {
            #expect(hasRow(formats, String(offset), String(size)), "offset \(offset)")
            offset += size
        }
        #expect(hasRow(formats, String(offset), "rest"))
    }

    @Test func events() {
        let server = Tree.sources.filter { $0.module != "lab" && $0.name != "Log.swift" }.map(\.text).joined()
        let events = server.matches("(?:Log\\.write|Line)\\(\\s*\\.(\\w+), \"([a-z-]+)\"")
        #expect(events.count >= 12)
        for event in events { #expect(hasRow(operation, event[1], event[0]), "event \(event)") }
        let lines = server.matches("(?:Log\\.write|Line)\\(\\s*\\.").count
        #expect(lines == events.count, "an event whose name is not written out")
        let known = rows(operation).filter { $0.count == 4 && ["info", "warning", "error"].contains($0[1]) }
        #expect(Set(known.map { $0[0] }) == Set(events.map { $0[1] }))
    }

    @Test func problems() {
        let text = Tree.file("Sources/Server/API/ProblemKind.swift").text
        let kinds = text.matches("static let (\\w+) = ProblemKind\\(\\s*\"([a-z-]+)\", (\\d+)")
        #expect(kinds.count >= 20)
        let catalogue = text.matches("static let all: \\[ProblemKind\\] = \\[([^\\]]*)\\]")[0][0].matches("(\\w+)").map
        { $0[0] }
        #expect(catalogue == kinds.map { $0[0] }, "a kind that the catalogue lacks")
        let documented = rows(operation).filter { $0.count == 3 && $0[1].contains(/^[45]\d\d/) }
        for kind in kinds {
            let row = documented.first { $0[0].split(separator: " ").contains(Substring(kind[1])) }
            #expect(row?[1].contains(kind[2]) == true, "problem \(kind[1])")
        }
        #expect(documented.reduce(0) { $0 + $1[0].split(separator: " ").count } == kinds.count)
    }

    /// A part of each refusal's own words stands in the table of what to do.
    @Test func refusals() {
        let source = Tree.file("Sources/Store/StoreError.swift").text
        let cases = Set(
            source.components(separatedBy: "package var description")[0].matches("^    case (\\w+)\\(").map { $0[0] })
        #expect(cases.count >= 13)
        let words = rows(operation).compactMap { $0.first?.matches("^\"(.*)\"$").first?[0] }
        for name in cases.subtracting(["system"]) {
            let pattern = "case \\.\(name)\\([^)]*\\):\\n((?:\\s+[+\"].*\\n)+)"
            guard let message = source.matches(pattern).first?[0] else {
                Issue.record("no message of \(name)")
                continue
            }
            let plain = message.replacing("`", with: "")
            #expect(words.contains { plain.contains($0) }, "the refusal \(name)")
        }
    }

    /// The simulator's table of each kind has what there is of it, once.
    @Test func simulation() throws {
        let page = Self.page("Simulation").text
        for (header, file, count) in [
            ("fault | what happens", "Fault", 31), ("phase | the node", "Fault", 9),
            ("rule | looked at", "Simulation", 32),
        ] {
            let type = String(header.split(separator: " ")[0]).capitalized
            let parts = Tree.file("Sources/Simulation/\(file).swift").text
                .components(separatedBy: "package enum \(type): String")
            try #require(parts.count == 2, "the declaration of \(type)")
            let names = parts[1].components(separatedBy: "\n}")[0].matches("^    case (\\w+)(?: = \"(.*)\")?$")
                .map { $0[1].isEmpty ? $0[0] : $0[1] }
            #expect(names.count >= count, "\(type)")
            let table = page.components(separatedBy: "\n| \(header) |\n|---|---|\n")
            try #require(table.count == 2, "the table of \(type)")
            let told = table[1].components(separatedBy: "\n\n")[0].matches("^\\| `([^`]+)` \\|").map { $0[0] }
            #expect(told.sorted() == names.sorted(), "\(type)")
        }
    }

    @Test func readmeNamesWhatIsThere() throws {
        let readme = Tree.file("README.md").text
        for path in readme.matches("\\]\\(([^)#:]+)\\)").map({ $0[0] }) {
            #expect(!Tree.file(path).text.isEmpty, "README.md speaks of \(path)")
        }
        let commands = readme.split(separator: "\n").filter { $0.contains("swift test") }
        #expect(commands.count == 1, "CI takes the one line of README.md that runs the tests")
    }
}
