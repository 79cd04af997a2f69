/// The authority of an http URL without user information: `example.org`, `10.0.0.1:8080`, `[::1]:80`
/// (RFC 3986 3.2).
package struct Authority: Equatable, Sendable, CustomStringConvertible {
    /// A DNS name, an IPv4 address, or an IPv6 address without its brackets.
    package let host: String
    package let port: UInt16?
    package let isBracketed: Bool

    /// Nil if `text` is none.
    package init?(_ text: Substring) {
        var host = text
        var port: UInt16?
        if let colon = text.lastIndex(of: ":"), !text[colon...].contains("]") {
            guard let number = Self.port(text[text.index(after: colon)...]) else { return nil }
            port = number
            host = text[..<colon]
        }
        isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast() }
        guard isBracketed ? Self.isIPv6(host) : Self.isName(host) else { return nil }
        self.host = String(host)
        self.port = port
    }

    package var description: String {
        (isBracketed ? "[\(host)]" : host) + (port.map { ":\($0)" } ?? "")
    }

    private static func port(_ text: Substring) -> UInt16? {
        guard !text.isEmpty, text.utf8.allSatisfy(\.isDigit), text == "0" || !text.hasPrefix("0") else { return nil }
        return UInt16(text)
    }

    private static func isIPv6(_ text: Substring) -> Bool {
        text.utf8.contains(UInt8(ascii: ":")) && canonicalAddress(String(text)) != nil
    }

    /// Letters, digits, hyphens and underscores in labels of at most 63 bytes, 253 in all (RFC 1035 2.3.4); a name
    /// whose last label is a number must be an IPv4 address, as browsers have it.
    private static func isName(_ text: Substring) -> Bool {
        let labels = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard text.utf8.count <= 253, let last = labels.last else { return false }
        let hyphen = UInt8(ascii: "-")
        for label in labels {
            guard (1...63).contains(label.count), label.first != hyphen, label.last != hyphen,
                label.allSatisfy({ $0.isLetterOrDigit || $0 == hyphen || $0 == UInt8(ascii: "_") })
            else { return false }
        }
        return !last.allSatisfy(\.isDigit) || canonicalAddress(String(text)) != nil
    }
}

extension UInt8 {
    /// `0-9` in ASCII.
    var isDigit: Bool { (0x30...0x39).contains(self) }

    /// `0-9A-Za-z` in ASCII: the characters of base62.
    var isLetterOrDigit: Bool { isDigit || (0x61...0x7a).contains(self | 0x20) }
}
