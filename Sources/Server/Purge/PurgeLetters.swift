import Glibc
import Primitives

/// The file of calls that were given up, for an operator to make up for: one JSON line each, `at`, `code` and `error`. Where it
/// is not known which codes changed, `code` is `*`: all that the cache keeps may be old.
///
/// Safety: of one thread.
final class PurgeLetters {
    static let name = "purge-dead-letters"

    private let path: String
    private let limitBytes: Int

    init(directory: String, limitBytes: Int) {
        path = directory + "/" + Self.name
        self.limitBytes = limitBytes
    }

    static func line(at instant: Instant, code: String, error: String) -> [UInt8] {
        var line: [UInt8] = [UInt8(ascii: "{")]
        line.append(jsonKey: "at", string: CalendarTime(instant).rfc3339)
        line.append(jsonKey: "code", string: code)
        line.append(jsonKey: "error", string: error)
        return line + [UInt8(ascii: "}"), 0x0a]
    }

    /// Appends a line; a file that has its full size becomes `…-old` first, in place of the one before. False if the disk
    /// did not take it.
    func write(_ line: [UInt8]) -> Bool {
        var status = stat()
        if stat(path, &status) == 0, Int(status.st_size) + line.count > limitBytes { rename(path, path + "-old") }
        let file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { return false }
        defer { close(file) }
        return Glibc.write(file, line, line.count) == line.count && fsync(file) == 0
    }
}
