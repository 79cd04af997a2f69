/// Where the parts of an absolute http or https URL lie in its text.
struct URLParts {
    /// Not empty; with its brackets if it is an IPv6 address.
    let host: Range<Int>
    let isBracketed: Bool
    /// Where path, query or fragment begin, or the text ends.
    let authorityEnd: Int

    init(of text: [UInt8]) throws(DestinationError) {
        let start = try Self.authorityStart(text)
        authorityEnd = try Self.authorityEnd(text, from: start)
        guard start < authorityEnd else { throw .missingHost(at: start) }
        isBracketed = text[start] == UInt8(ascii: "[")
        if isBracketed {
            guard let close = text[start..<authorityEnd].firstIndex(of: UInt8(ascii: "]")) else {
                throw .ipv6Address(at: start)
            }
            host = start..<close + 1
        } else {
            host = start..<(text[start..<authorityEnd].firstIndex(of: ASCII.colon) ?? authorityEnd)
        }
        guard !host.isEmpty else { throw .missingHost(at: start) }
        try Self.checkPort(text, host.upperBound..<authorityEnd)
    }

    /// The index after `http://` or `https://`, in any case.
    private static func authorityStart(_ text: [UInt8]) throws(DestinationError) -> Int {
        let isSecure = text.count > 4 && text[4] | 0x20 == UInt8(ascii: "s")
        let length = isSecure ? 5 : 4
        guard text.count > length, text[0] | 0x20 == UInt8(ascii: "h"), text[1] | 0x20 == UInt8(ascii: "t"),
            text[2] | 0x20 == UInt8(ascii: "t"), text[3] | 0x20 == UInt8(ascii: "p"), text[length] == ASCII.colon
        else { throw otherScheme(text) }
        for index in length + 1..<length + 3 {
            guard index < text.count else { throw .missingHost(at: index) }
            if text[index] == ASCII.backslash { throw .backslash(at: index) }
            guard text[index] == ASCII.slash else { throw .missingHost(at: index) }
        }
        return length + 3
    }

    /// Something with a scheme is a URL, though not one for a link; `example.com:80` is none.
    private static func otherScheme(_ text: [UInt8]) -> DestinationError {
        guard let end = text.firstIndex(where: { !ASCIISet.scheme.contains($0) }), end > 0, text[end] == ASCII.colon,
            ASCII.isLetter(text[0]), !text[..<end].contains(ASCII.dot)
        else { return .notAbsolute }
        return .scheme
    }

    private static func authorityEnd(_ text: [UInt8], from start: Int) throws(DestinationError) -> Int {
        for index in start..<text.count {
            switch text[index] {
            case ASCII.slash, ASCII.question, ASCII.hash: return index
            case ASCII.backslash: throw .backslash(at: index)
            case UInt8(ascii: "@"): throw .userinfo(at: start)
            default: continue
            }
        }
        return text.count
    }

    /// Nothing, or a colon and digits; none at all is allowed (RFC 3986 3.2.3).
    private static func checkPort(_ text: [UInt8], _ range: Range<Int>) throws(DestinationError) {
        guard let colon = range.first else { return }
        guard text[colon] == ASCII.colon else { throw .port(at: colon) }
        var port = 0
        for index in range.dropFirst() {
            guard ASCII.isDigit(text[index]) else { throw .port(at: index) }
            port = min(port * 10 + Int(text[index] - ASCII.zero), 65_536)
        }
        guard port <= 65_535 else { throw .port(at: colon + 1) }
    }
}
