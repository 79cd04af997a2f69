import Primitives

/// Fields that are lists. All take the value alone, without surrounding blanks.
package enum FieldList {
    /// Whether an element is `token` (in small letters) but for case, whatever parameters follow it behind a semicolon:
    /// `close` in Connection, `token=cookie` in Prefer.
    package static func contains(_ value: RawSpan, _ token: StaticString) -> Bool {
        var list = ListElements(from: 0, to: value.byteCount)
        while let element = list.next(value) {
            var head = ListElements(from: element.lowerBound, to: element.upperBound, separator: ASCII.semicolon)
            guard let first = head.next(value) else { continue }
            if value.equalsIgnoringCase(token, from: first.lowerBound, to: first.upperBound) { return true }
        }
        return false
    }

    /// The last element's offsets: of X-Forwarded-For, what the nearest proxy added. Nil if there is none.
    package static func last(of value: RawSpan) -> Range<Int>? {
        var list = ListElements(from: 0, to: value.byteCount)
        var last: Range<Int>?
        while let element = list.next(value) { last = element }
        return last
    }

    /// Every element's offsets, in order.
    package static func elements(of value: RawSpan) -> [Range<Int>] {
        var list = ListElements(from: 0, to: value.byteCount)
        var elements: [Range<Int>] = []
        while let element = list.next(value) { elements.append(element) }
        return elements
    }
}

/// If-Match and If-None-Match (RFC 9110 8.8.3, 13.1).
package enum EntityTags {
    /// Whether the value is `*` or names `tag`, the current one as it is sent (`"…"` or `W/"…"`). By the strong
    /// comparison (If-Match) two tags are equal if neither is weak, by the weak one (If-None-Match) whatever they are.
    package static func match(_ value: RawSpan, tag: RawSpan, strongly: Bool) -> Bool {
        if value.byteCount == 1, value.byte(0) == ASCII.asterisk { return true }
        let own = opaque(tag, 0..<tag.byteCount)
        if strongly, own.isWeak { return false }
        var offset = 0
        while offset < value.byteCount {
            let byte = value.byte(offset)
            if ASCII.isBlank(byte) || byte == ASCII.comma {
                offset += 1
                continue
            }
            guard let end = endOfTag(value, from: offset) else { return false }
            let other = opaque(value, offset..<end)
            if !(strongly && other.isWeak), equal(value, other.range, tag, own.range) { return true }
            offset = end
        }
        return false
    }

    /// `[ "W/" ] DQUOTE *etagc DQUOTE`; a backslash is a character like any other. Nil if none begins here.
    private static func endOfTag(_ bytes: RawSpan, from start: Int) -> Int? {
        var offset = opaque(bytes, start..<bytes.byteCount).range.lowerBound
        guard offset < bytes.byteCount, bytes.byte(offset) == ASCII.quote else { return nil }
        offset += 1
        while offset < bytes.byteCount, bytes.byte(offset) > ASCII.space, bytes.byte(offset) != ASCII.delete {
            if bytes.byte(offset) == ASCII.quote { return offset + 1 }
            offset += 1
        }
        return nil
    }

    private static func opaque(_ bytes: RawSpan, _ range: Range<Int>) -> (isWeak: Bool, range: Range<Int>) {
        let start = range.lowerBound
        let isWeak = range.count >= 2 && bytes.byte(start) == 0x57 && bytes.byte(start + 1) == ASCII.slash
        return (isWeak, (isWeak ? start + 2 : start)..<range.upperBound)
    }

    private static func equal(_ left: RawSpan, _ leftRange: Range<Int>, _ right: RawSpan, _ rightRange: Range<Int>)
        -> Bool
    {
        leftRange.count == rightRange.count
            && zip(leftRange, rightRange).allSatisfy { left.byte($0) == right.byte($1) }
    }
}

/// A Cookie field (RFC 6265 4.2).
package enum Cookies {
    /// The offsets of the first value of the cookie `name`, without the quotes that it may stand in; nil without one.
    /// Names are case-sensitive.
    package static func value(of name: StaticString, in value: RawSpan) -> Range<Int>? {
        let count = name.utf8CodeUnitCount
        var offset = 0
        while offset < value.byteCount {
            let start = value.endOfBlanks(from: offset, to: value.byteCount)
            var end = start
            while end < value.byteCount, value.byte(end) != ASCII.semicolon { end += 1 }
            offset = end + 1
            // Safety: the literal's index stays below its count.
            guard end - start > count, value.byte(start + count) == ASCII.equals,
                (0..<count).allSatisfy({ unsafe value.byte(start + $0) == name.utf8Start[$0] })
            else { continue }
            let first = start + count + 1
            let last = value.trimmedEnd(from: first, to: end)
            let isQuoted =
                last - first >= 2 && value.byte(first) == ASCII.quote && value.byte(last - 1) == ASCII.quote
            return isQuoted ? first + 1..<last - 1 : first..<last
        }
        return nil
    }
}
