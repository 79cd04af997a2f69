/// A word of SQL.
enum SQLToken: Equatable, Sendable {
    /// A keyword, a name or a number, as it stands there.
    case word([UInt8])
    /// A name between backticks.
    case name([UInt8])
    /// Between quotes of either kind, without its escapes. In double quotes it may be a name as well.
    case string([UInt8])
    /// Any other byte but spaces.
    case sign(UInt8)
}

/// Cuts MySQL's SQL into tokens (MySQL 8.4 Reference Manual, 11.1 "Literal Values", 11.2 "Schema Object Names", 11.7
/// "Comments"). Comments are passed over, those with a version in them too: dumps keep settings there, and no rows.
struct SQLLexer: Sendable {
    private enum State: Sendable, Equatable {
        case space, word, dash, slash, lineComment
        case blockComment(star: Bool)
        /// Within the quotes that are named.
        case quoted(UInt8)
        case escaped(UInt8)
        /// Behind a quote: the end, or the first half of one that is doubled.
        case closed(UInt8)
    }

    private static let backtick = UInt8(ascii: "`")

    private var state = State.space
    private var content: [UInt8] = []
    /// Whether what stands in tokens is wanted; if not, they are empty.
    var keepsContent = true

    /// What ends with `byte` or before it, and whether `byte` is done with. If it is not, it is to be given once more.
    mutating func take(_ byte: UInt8) -> (token: SQLToken?, isTaken: Bool) {
        switch state {
        case .space: return (begin(byte), true)
        case .word:
            guard Self.isWord(byte) else { return (.word(end()), false) }
            keep(byte)
        case .dash:
            if byte == UInt8(ascii: "-") {
                state = .lineComment
            } else if Self.isDigit(byte) {
                keep(UInt8(ascii: "-"))
                keep(byte)
                state = .word
            } else {
                state = .space
                return (.sign(UInt8(ascii: "-")), false)
            }
        case .slash:
            guard byte == UInt8(ascii: "*") else {
                state = .space
                return (.sign(UInt8(ascii: "/")), false)
            }
            state = .blockComment(star: false)
        case .lineComment: if byte == ASCII.lineFeed { state = .space }
        case .blockComment(let star):
            state = star && byte == UInt8(ascii: "/") ? .space : .blockComment(star: byte == UInt8(ascii: "*"))
        case .quoted(let quote):
            if byte == quote {
                state = .closed(quote)
            } else if byte == ASCII.backslash, quote != Self.backtick {
                state = .escaped(quote)
            } else {
                keep(byte)
            }
        case .escaped(let quote):
            keepEscaped(byte)
            state = .quoted(quote)
        case .closed(let quote):
            guard byte == quote else { return (quote == Self.backtick ? .name(end()) : .string(end()), false) }
            keep(byte)
            state = .quoted(quote)
        }
        return (nil, true)
    }

    /// What ends with the input. What has not been closed is no token.
    mutating func finish() -> SQLToken? {
        switch state {
        case .word: .word(end())
        case .closed(Self.backtick): .name(end())
        case .closed: .string(end())
        case .dash: .sign(UInt8(ascii: "-"))
        case .slash: .sign(UInt8(ascii: "/"))
        case .space, .lineComment, .blockComment, .quoted, .escaped: nil
        }
    }

    private mutating func begin(_ byte: UInt8) -> SQLToken? {
        switch byte {
        case ASCII.space, 0x09...0x0D: return nil
        case ASCII.apostrophe, ASCII.quote, Self.backtick: state = .quoted(byte)
        case UInt8(ascii: "#"): state = .lineComment
        case UInt8(ascii: "-"): state = .dash
        case UInt8(ascii: "/"): state = .slash
        default:
            guard Self.isWord(byte) else { return .sign(byte) }
            keep(byte)
            state = .word
        }
        return nil
    }

    /// No more than a row can have: a longer word outside of rows is none that is known, cut or not.
    private mutating func keep(_ byte: UInt8) {
        if keepsContent, content.count <= ImportLimits.rowBytes { content.append(byte) }
    }

    /// What a backslash makes of `byte`: itself, but for these. `\%` and `\_` keep their backslash.
    private mutating func keepEscaped(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "0"): keep(0)
        case UInt8(ascii: "b"): keep(0x08)
        case UInt8(ascii: "n"): keep(ASCII.lineFeed)
        case UInt8(ascii: "r"): keep(ASCII.carriageReturn)
        case UInt8(ascii: "t"): keep(ASCII.tab)
        case UInt8(ascii: "Z"): keep(0x1A)
        case UInt8(ascii: "%"), UInt8(ascii: "_"):
            keep(ASCII.backslash)
            keep(byte)
        default: keep(byte)
        }
    }

    private mutating func end() -> [UInt8] {
        defer { content = [] }
        state = .space
        return content
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte &- ASCII.zero < 10 }

    /// Letters, digits, `_`, `$`, the dot of numbers and names, and whatever is not ASCII.
    private static func isWord(_ byte: UInt8) -> Bool {
        (byte | 0x20) &- 0x61 < 26 || isDigit(byte) || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "$")
            || byte == UInt8(ascii: ".") || byte >= 0x80
    }
}
