/// What RFC 3986 says a path, query and fragment may hold, and how the rest is written.
///
/// The percent-encode sets of the WHATWG URL Standard leave some characters as they are that no URI may have (`[`, `|`,
/// a stray `%`): these are encoded too. The one that stays is a `#` within the fragment: nothing but the page itself
/// reads it, by its spelling, as in `https://matrix.to/#/#room:example.org`.

/// Whether everything from `start`, the end of the authority, is a path, query and fragment that need no encoding.
func needsNoEncoding(_ text: [UInt8], from start: Int) -> Bool {
    let allowed = ASCIISet.path
    let span = text.span
    var index = start
    while index < span.count {
        let byte = span[index]
        if allowed.contains(byte) {
            index += 1
        } else if byte == ASCII.percent {
            guard percentDecoded(text, at: index) != nil else { return false }
            index += 3
        } else if byte == ASCII.question || byte == ASCII.hash {
            index += 1
        } else {
            return false
        }
    }
    return true
}

/// Appends `text` from `start`, the end of the authority, as a valid URI writes it. A backslash in the path becomes the
/// slash that browsers take it for.
func appendPercentEncoded(_ text: [UInt8], from start: Int, to result: inout [UInt8]) {
    enum Component { case path, query, fragment }
    let allowed = ASCIISet.path
    var component = Component.path
    for index in start..<text.count {
        let byte = text[index]
        switch byte {
        case ASCII.percent where percentDecoded(text, at: index) != nil:
            result.append(byte)
        case ASCII.question:
            if component == .path { component = .query }
            result.append(byte)
        case ASCII.hash:
            component = .fragment
            result.append(byte)
        case ASCII.backslash where component == .path:
            result.append(ASCII.slash)
        case _ where allowed.contains(byte):
            result.append(byte)
        default:
            result.append(ASCII.percent)
            result.append(hexDigit(byte >> 4))
            result.append(hexDigit(byte & 15))
        }
    }
}

/// The byte that a percent-encoding at `index` stands for; nil if there is none.
@inline(__always)
func percentDecoded(_ text: [UInt8], at index: Int) -> UInt8? {
    guard index + 2 < text.count, text[index] == ASCII.percent, let high = ASCII.hexValue(text[index + 1]),
        let low = ASCII.hexValue(text[index + 2])
    else { return nil }
    return high << 4 | low
}

func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? ASCII.zero + value : UInt8(ascii: "A") + value - 10 }
