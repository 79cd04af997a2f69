import Glibc
import Primitives
import Synchronization

/// Structured logging to standard error: one event a line, with a stable name and ordered fields.
///
///     Log.write(.info, "listening", ["address": .string("127.0.0.1:8080"), "workers": 2])
///     time=2026-01-01T00:00:00.000Z level=info event=listening address=127.0.0.1:8080 workers=2
///
/// Any thread may write. A line is one write(2) of at most `lineBytes`, the size up to which a pipe takes a write
/// whole (POSIX PIPE_BUF), so lines never mix and no lock is needed. Where nobody empties the pipe the writer waits, so
/// nothing that answers redirects writes a line for each; a line that cannot be written at all is lost.
package enum Log {
    package enum Level: UInt8, Comparable, CaseIterable, Sendable {
        case debug, info, warning, error

        package static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }

        package var name: String {
            switch self {
            case .debug: "debug"
            case .info: "info"
            case .warning: "warning"
            case .error: "error"
            }
        }
    }

    package enum Format: String, CaseIterable, Sendable {
        case logfmt, json
    }

    package enum Value: Equatable, Sendable {
        case string(String)
        case integer(Int64)
        case boolean(Bool)
    }

    package typealias Fields = KeyValuePairs<String, Value>

    /// Longest line, its line feed included; and what one string may take of it before it is cut.
    package static let lineBytes = 4096
    package static let stringBytes = 1024

    private static let json = Atomic<Bool>(false)
    private static let minimumLevel = Atomic<UInt8>(Level.info.rawValue)

    /// How lines look from now on, and the least level that is written. Until then: logfmt, from `info` on.
    package static func configure(format: Format, minimumLevel: Level = .info) {
        json.store(format == .json, ordering: .relaxed)
        self.minimumLevel.store(minimumLevel.rawValue, ordering: .relaxed)
    }

    /// Writes one line. `event` and the names of fields are lower-case words with `-` and `_`.
    package static func write(_ level: Level, _ event: String, _ fields: Fields = [:]) {
        guard level.rawValue >= minimumLevel.load(ordering: .relaxed) else { return }
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let line = line(
            level, event, fields, at: Instant(milliseconds: Int64(time.tv_sec * 1000 + time.tv_nsec / 1_000_000)),
            format: json.load(ordering: .relaxed) ? .json : .logfmt)
        write(line, to: StandardStream.error.rawValue)
    }

    /// One write(2), again only if a signal kept it from writing anything.
    package static func write(_ line: [UInt8], to descriptor: Int32) {
        line.withUnsafeBytes { bytes in
            while Glibc.write(descriptor, bytes.baseAddress, bytes.count) < 0, errno == EINTR {}
        }
    }

    /// The line of an event in UTF-8, with its line feed. Fields that have no room are left out, and `cut=true` says
    /// so.
    package static func line(
        _ level: Level, _ event: String, _ fields: Fields, at instant: Instant, format: Format
    ) -> [UInt8] {
        var line = LogLine(format: format)
        line.append("time", .string(CalendarTime(instant).rfc3339WithMilliseconds))
        line.append("level", .string(level.name))
        line.append("event", .string(event))
        for (name, value) in fields { line.append(name, value) }
        return line.finished()
    }
}

extension Log.Value: ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int64) { self = .integer(value) }
    package init(booleanLiteral value: Bool) { self = .boolean(value) }
    package init(_ value: some BinaryInteger) { self = .integer(Int64(clamping: value)) }
    package init(_ value: some CustomStringConvertible) { self = .string(value.description) }
}

extension CalendarTime {
    /// RFC 3339 in UTC, always with three digits of milliseconds, so that lines align and sort.
    fileprivate var rfc3339WithMilliseconds: String {
        millisecond == 0 ? rfc3339.dropLast() + ".000Z" : rfc3339
    }
}

/// One line as it grows, field by field.
private struct LogLine {
    private let format: Log.Format
    private var bytes: [UInt8] = []
    private var isCut = false

    init(format: Log.Format) { self.format = format }

    mutating func append(_ name: String, _ value: Log.Value) {
        let field = rendered(name, value)
        /// What may still follow: ` cut=true` or `,"cut":true`, then `}` and the line feed.
        guard !isCut, bytes.count + field.count + 13 <= Log.lineBytes else { return isCut = true }
        bytes += field
    }

    consuming func finished() -> [UInt8] {
        if isCut { bytes += rendered("cut", true) }
        return bytes + (format == .json ? [UInt8(ascii: "}"), 0x0a] : [0x0a])
    }

    private func rendered(_ name: String, _ value: Log.Value) -> [UInt8] {
        let content: String
        switch value {
        case .string(let text): content = format == .json || Self.needsQuotes(text) ? Self.escaped(text) : text
        case .integer(let number): content = String(number)
        case .boolean(let flag): content = flag ? "true" : "false"
        }
        switch format {
        case .logfmt: return Array("\(bytes.isEmpty ? "" : " ")\(Self.bareName(name))=\(content)".utf8)
        case .json: return Array("\(bytes.isEmpty ? "{" : ",")\(Self.escaped(name)):\(content)".utf8)
        }
    }

    private static func needsQuotes(_ text: String) -> Bool {
        text.isEmpty || text.utf8.count > Log.stringBytes
            || text.unicodeScalars.contains { $0 == " " || $0 == "=" || $0 == "\"" || $0 == "\\" || $0.isControl }
    }

    /// A name of logfmt has no quotes: what would end it becomes `_`.
    private static func bareName(_ name: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in name.unicodeScalars.prefix(64) {
            let ends = scalar == " " || scalar == "=" || scalar == "\"" || scalar.isControl
            result.append(ends ? "_" : scalar)
        }
        return result.isEmpty ? "_" : String(result)
    }

    /// A JSON string (RFC 8259 7), cut at `Log.stringBytes`; logfmt quotes in the same way.
    private static func escaped(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            if result.utf8.count > Log.stringBytes {
                result += "…"
                break
            }
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.isControl:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
