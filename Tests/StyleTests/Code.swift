/// Swift source without what its comments and strings hold: blanks stand in their place, and lines stay where they are.
/// Reads enough of the language for this repository: no raw strings, no regular expression literals.
struct Code {
    private(set) var text: [UInt8]
    private var index = 0

    init(_ source: String) {
        text = Array(source.utf8)
        while index < text.count { step() }
    }

    private func looks(at literal: StaticString) -> Bool {
        let end = index + literal.utf8CodeUnitCount
        guard end <= text.count else { return false }
        return literal.withUTF8Buffer { text[index..<end].elementsEqual($0) }
    }

    private mutating func blank(_ count: Int) {
        for _ in 0..<min(count, text.count - index) {
            if text[index] != UInt8(ascii: "\n") { text[index] = UInt8(ascii: " ") }
            index += 1
        }
    }

    private mutating func step() {
        if looks(at: "//") {
            while index < text.count, text[index] != UInt8(ascii: "\n") { blank(1) }
        } else if looks(at: "\"\"\"") {
            string(closing: "\"\"\"", length: 3)
        } else if looks(at: "\"") {
            string(closing: "\"", length: 1)
        } else {
            index += 1
        }
    }

    private mutating func string(closing: StaticString, length: Int) {
        blank(length)
        while index < text.count, !looks(at: closing) {
            if looks(at: "\\(") {
                blank(2)
                interpolation()
            } else {
                blank(looks(at: "\\") ? 2 : 1)
            }
        }
        blank(length)
    }

    /// To the parenthesis that closes it. What it holds may have strings of its own; all of it is blanked.
    private mutating func interpolation() {
        var depth = 1
        while index < text.count {
            if looks(at: "\"") { string(closing: "\"", length: 1) }
            if looks(at: "(") { depth += 1 }
            if looks(at: ")") { depth -= 1 }
            blank(1)
            if depth == 0 { return }
        }
    }
}

extension Code {
    struct Function: Equatable {
        /// From 1.
        let line: Int
        let lineCount: Int
    }

    /// Everything that is declared with a keyword and has a body in braces.
    var functions: [Function] {
        var found: [Function] = []
        for keyword in ["func", "init", "deinit", "subscript"] {
            for start in places(of: Array(keyword.utf8)) {
                guard let end = bodyEnd(from: start) else { continue }
                found.append(Function(line: line(of: start), lineCount: line(of: end) - line(of: start) + 1))
            }
        }
        return found.sorted { $0.line < $1.line }
    }

    /// Where the word stands alone, and not behind a dot, where `init` is a call.
    private func places(of word: [UInt8]) -> [Int] {
        func isWord(_ byte: UInt8) -> Bool {
            (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20) || byte == UInt8(ascii: "_")
        }
        return text.indices.filter { start in
            let end = start + word.count
            guard text[start] == word[0], end < text.count, text[start..<end].elementsEqual(word) else { return false }
            let before = start == 0 ? UInt8(ascii: "\n") : text[start - 1]
            return !isWord(before) && before != UInt8(ascii: ".") && !isWord(text[end])
        }
    }

    /// The brace that closes the first body after `start`; nil if the declaration has none.
    private func bodyEnd(from start: Int) -> Int? {
        var (parentheses, braces) = (0, 0)
        for index in start..<text.count {
            switch text[index] {
            case UInt8(ascii: "("), UInt8(ascii: "["): parentheses += 1
            case UInt8(ascii: ")"), UInt8(ascii: "]"): parentheses -= 1
            case UInt8(ascii: "{"): braces += 1
            case UInt8(ascii: "}"):
                braces -= 1
                if braces < 0 { return nil }
                if braces == 0, parentheses == 0 { return index }
            default: break
            }
            if parentheses < 0 { return nil }
        }
        return nil
    }

    private func line(of index: Int) -> Int { text[..<index].count { $0 == UInt8(ascii: "\n") } + 1 }
}
