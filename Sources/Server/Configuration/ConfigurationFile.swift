/// The lines of a configuration file that set something, and what is wrong with the others.
///
/// The syntax: `key = value` lines; a `#` at a line's start or after a blank begins a comment; blanks around keys and
/// values do not count; lines end with LF or CRLF; UTF-8 without a byte-order mark.
struct ConfigurationFile {
    let path: String
    private(set) var settings: [Setting] = []
    private(set) var errors: [ConfigurationError] = []

    init(path: String, text: [UInt8]) {
        self.path = path
        if text.starts(with: [0xff, 0xfe]) || text.starts(with: [0xfe, 0xff]) {
            report(1, nil, "the file is UTF-16", "save it as UTF-8 without a byte-order mark")
            return
        }
        let hasMark = text.starts(with: [0xef, 0xbb, 0xbf])
        if hasMark {
            report(1, nil, "the file starts with a byte-order mark", "save it as UTF-8 without one")
        }
        if let index = text.firstIndex(of: 0) {
            let line = text[..<index].count { $0 == 0x0a } + 1
            report(line, nil, "the line has a NUL byte", "write the file as plain text in UTF-8")
            return
        }
        let lines = text.dropFirst(hasMark ? 3 : 0).split(separator: 0x0a, omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            read(line.last == 0x0d ? line.dropLast() : line, number: index + 1)
        }
    }

    private mutating func read(_ bytes: ArraySlice<UInt8>, number: Int) {
        guard let line = String(validating: bytes, as: UTF8.self) else {
            return report(number, nil, "the line is not UTF-8", "save the file as UTF-8")
        }
        let content = Self.withoutComment(line).trimmingBlanks()
        guard !content.isEmpty else { return }
        guard let equals = content.utf8.firstIndex(of: UInt8(ascii: "=")) else {
            return report(number, legible(content), "there is no '='", "write key = value")
        }
        let key = String(content[..<equals].trimmingBlanks())
        guard !key.isEmpty else { return report(number, nil, "no key before '='", "write key = value") }
        let value = content[content.utf8.index(after: equals)...].trimmingBlanks()
        settings.append(Setting(key: key, value: String(value), place: .line(path: path, number)))
    }

    private mutating func report(_ line: Int, _ key: String?, _ problem: String, _ remedy: String) {
        errors.append(
            ConfigurationError(place: .line(path: path, line), key: key, problem: problem, remedy: remedy))
    }

    private static func withoutComment(_ line: String) -> Substring {
        line[..<(commentStart(line) ?? line.endIndex)]
    }

    /// Where a comment begins: a `#` at the start or after a blank.
    static func commentStart(_ line: String) -> String.Index? {
        var isAfterBlank = true
        for index in line.utf8.indices {
            let byte = line.utf8[index]
            if byte == UInt8(ascii: "#"), isAfterBlank { return index }
            isAfterBlank = byte == 0x20 || byte == 0x09
        }
        return nil
    }
}

/// A key and its value as they were given, and where.
struct Setting: Equatable {
    let key: String
    let value: String
    let place: ConfigurationError.Place
}
