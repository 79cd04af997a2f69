import Primitives

/// `uri-host [ ":" port ]` (RFC 9110 7.2, RFC 3986 3.2), without user information and never empty: an http URI needs a
/// host (RFC 9110 4.2.1).
enum Authority {
    @inline(__always)
    static func isValid(_ bytes: RawSpan, from start: Int, to end: Int) -> Bool {
        guard start < end else { return false }
        if bytes.byte(start) == ASCII.openingBracket { return isLiteralWithPort(bytes, from: start, to: end) }
        let hostEnd = bytes.endOfEncodedRun(of: .registeredName, from: start, to: end)
        return hostEnd > start && (hostEnd == end || isPort(bytes, from: hostEnd, to: end))
    }

    /// A colon and digits, none or up to 65535.
    private static func isPort(_ bytes: RawSpan, from start: Int, to end: Int) -> Bool {
        guard start < end, bytes.byte(start) == ASCII.colon else { return false }
        var port = 0
        for offset in start + 1..<end {
            let byte = bytes.byte(offset)
            guard ByteSet.digit.contains(byte) else { return false }
            port = port * 10 + Int(byte - ASCII.zero)
            if port > 65_535 { return false }
        }
        return true
    }

    private static func isLiteralWithPort(_ bytes: RawSpan, from start: Int, to end: Int) -> Bool {
        var close = start + 1
        while close < end, bytes.byte(close) != ASCII.closingBracket { close += 1 }
        guard close < end, close + 1 == end || isPort(bytes, from: close + 1, to: end) else { return false }
        return isFutureAddress(bytes, from: start + 1, to: close) || isIPv6Address(bytes, from: start + 1, to: close)
    }

    /// `"v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )`.
    private static func isFutureAddress(_ bytes: RawSpan, from start: Int, to end: Int) -> Bool {
        guard start < end, ASCII.lowercased(bytes.byte(start)) == 0x76 else { return false }
        let dot = bytes.endOfRun(of: .hexDigit, from: start + 1, to: end)
        guard dot > start + 1, dot + 1 < end, bytes.byte(dot) == ASCII.dot else { return false }
        return (dot + 1..<end).allSatisfy { offset in
            let byte = bytes.byte(offset)
            return byte == ASCII.colon || ByteSet.registeredName.contains(byte)
        }
    }

    /// Eight groups of one to four digits; `::` once for one or more of zeros; the last two may be an IPv4 address.
    private static func isIPv6Address(_ bytes: RawSpan, from start: Int, to end: Int) -> Bool {
        var offset = start
        var groups = 0
        var isAbbreviated = false
        func hasDoubleColon(_ offset: Int) -> Bool {
            offset + 1 < end && bytes.byte(offset) == ASCII.colon && bytes.byte(offset + 1) == ASCII.colon
        }
        if hasDoubleColon(offset) {
            isAbbreviated = true
            offset += 2
        }
        while offset < end {
            let groupEnd = bytes.endOfRun(of: .hexDigit, from: offset, to: end)
            if groupEnd < end, bytes.byte(groupEnd) == ASCII.dot {
                guard isIPv4Address(bytes, from: offset, to: end) else { return false }
                groups += 2
                offset = end
                break
            }
            guard (1...4).contains(groupEnd - offset) else { return false }
            groups += 1
            offset = groupEnd
            if offset == end { break }
            if hasDoubleColon(offset) {
                if isAbbreviated { return false }
                isAbbreviated = true
                offset += 2
            } else {
                guard bytes.byte(offset) == ASCII.colon, offset + 1 < end else { return false }
                offset += 1
            }
        }
        return isAbbreviated ? groups <= 7 : groups == 8
    }

    /// Four decimal octets without leading zeros.
    private static func isIPv4Address(_ bytes: RawSpan, from start: Int, to end: Int) -> Bool {
        var offset = start
        for index in 0..<4 {
            let octetEnd = bytes.endOfRun(of: .digit, from: offset, to: end)
            guard (1...3).contains(octetEnd - offset), octetEnd - offset == 1 || bytes.byte(offset) != ASCII.zero,
                (offset..<octetEnd).reduce(0, { $0 * 10 + Int(bytes.byte($1) - ASCII.zero) }) <= 255
            else { return false }
            offset = octetEnd
            if index < 3 {
                guard offset < end, bytes.byte(offset) == ASCII.dot else { return false }
                offset += 1
            }
        }
        return offset == end
    }
}
