import Foundation

/// The built program, as a user has it: it stands beside the tests' own executable.
let edgeBinary = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    .appending(path: "edge").path()

/// A directory that goes with its last user.
final class TemporaryDirectory: Sendable {
    let path: String

    init() {
        path = FileManager.default.temporaryDirectory.appending(path: "edge-\(UUID().uuidString)").path()
        precondition(mkdir(path, 0o700) == 0)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A directory in it, with those above.
    func makeDirectories(_ name: String) {
        try! FileManager.default.createDirectory(atPath: "\(path)/\(name)", withIntermediateDirectories: true)
    }

    /// A file in it.
    func write(_ text: String, to name: String, mode: mode_t = 0o600) -> String {
        let file = "\(path)/\(name)"
        precondition(FileManager.default.createFile(atPath: file, contents: Data(text.utf8)))
        precondition(chmod(file, mode) == 0)
        return file
    }
}

/// A small file; those of /proc too.
func readText(_ path: String) throws -> String {
    String(decoding: try FileHandle(forReadingFrom: URL(filePath: path)).readToEnd() ?? Data(), as: UTF8.self)
}

/// What a directory holds, without its subdirectories' content.
func names(below path: String) throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: path) }
