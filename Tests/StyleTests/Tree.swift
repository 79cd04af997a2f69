import Foundation

/// The files of the repository that this test was compiled from.
enum Tree {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    struct File: CustomStringConvertible {
        /// From the repository's top: `Sources/Store/LMDB.swift`.
        let path: String
        let text: String

        var name: String { String(path.split(separator: "/").last!) }
        /// The target's name, of a file in `Sources` or `Tests`.
        var module: String { String(path.split(separator: "/")[1]) }
        var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
        var description: String { path }
    }

    static let sources = files(below: "Sources").filter { $0.path.hasSuffix(".swift") }
    static let tests = files(below: "Tests").filter { $0.path.hasSuffix(".swift") }
    static let documents = files(below: "Sources/Server/Edge.docc")

    /// All that people wrote: what stands below the directories of the project, and the files beside them.
    static let all =
        files(below: "Sources") + files(below: "Tests") + files(below: ".ci")
        + ["README.md", "Package.swift", "edge.conf.example", ".gitignore", ".swift-format"].map(file)

    static func file(_ path: String) -> File {
        let bytes = try? Data(contentsOf: root.appending(path: path))
        return File(path: path, text: String(decoding: bytes ?? Data(), as: UTF8.self))
    }

    /// Text files below a directory, by path.
    static func files(below directory: String) -> [File] {
        let paths = FileManager.default.subpaths(atPath: root.appending(path: directory).path()) ?? []
        return paths.sorted().compactMap { path in
            let whole = root.appending(path: directory).appending(path: path)
            guard let bytes = try? Data(contentsOf: whole), let text = String(validating: bytes, as: UTF8.self) else {
                return nil  // A directory, or no text.
            }
            return File(path: directory + "/" + path, text: text)
        }
    }

    /// Names at the top that do not begin with a dot.
    static var visibleNames: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root.path())) ?? []
        return names.filter { !$0.hasPrefix(".") }.sorted()
    }
}

extension String {
    /// What the groups of each match of a regular expression took; the whole match if it has no group.
    func matches(_ pattern: String) -> [[String]] {
        let expression = try! NSRegularExpression(pattern: pattern, options: [.anchorsMatchLines])
        let text = self as NSString
        return expression.matches(in: self, range: NSRange(location: 0, length: text.length)).map { match in
            (match.numberOfRanges == 1 ? 0..<1 : 1..<match.numberOfRanges).map { group in
                let range = match.range(at: group)
                return range.location == NSNotFound ? "" : text.substring(with: range)
            }
        }
    }
}
