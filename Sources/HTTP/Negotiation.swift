import Primitives

/// Media types in Content-Type and Accept (RFC 9110 8.3, 12.5.1).
package enum MediaType {
    /// Whether a Content-Type's value is `type` (in small letters), with any well-formed parameters.
    package static func matches(_ value: RawSpan, _ type: StaticString) -> Bool {
        guard let parsed = Parts(value, 0..<value.byteCount) else { return false }
        return value.equalsIgnoringCase(type, from: parsed.type.lowerBound, to: parsed.type.upperBound)
    }

    /// How much an Accept's value wants `type` (`type/subtype` in small letters, without parameters): thousandths of
    /// its weight, 0 if it does not accept it. The most specific range decides; ranges with parameters mean other
    /// representations. An element that is no media range counts for nothing; an empty value accepts nothing.
    package static func quality(of type: StaticString, accept value: RawSpan) -> Int {
        var best = (specificity: 0, quality: 0)
        var list = ListElements(from: 0, to: value.byteCount)
        var looked = 0
        while let element = list.next(value), looked < Limits.listElements {
            looked += 1
            guard let parts = Parts(value, element), !parts.hasParameters, let quality = parts.quality else { continue }
            let specificity = specificity(of: type, in: value, range: parts.type)
            if specificity > best.specificity { best = (specificity, quality) }
        }
        return best.quality
    }

    /// Whether `type` is wanted more than `other`, which is what a client gets that says nothing.
    package static func prefers(_ type: StaticString, over other: StaticString, accept value: RawSpan) -> Bool {
        quality(of: type, accept: value) > quality(of: other, accept: value)
    }

    /// 3: the very type; 2: `type/*`; 1: `*/*`; 0: another.
    private static func specificity(of type: StaticString, in value: RawSpan, range: Range<Int>) -> Int {
        if value.equalsIgnoringCase(type, from: range.lowerBound, to: range.upperBound) { return 3 }
        guard range.count >= 3, value.byte(range.upperBound - 1) == ASCII.asterisk,
            value.byte(range.upperBound - 2) == ASCII.slash
        else { return 0 }
        let prefixCount = range.count - 1
        if prefixCount == 2, value.byte(range.lowerBound) == ASCII.asterisk { return 1 }
        guard prefixCount < type.utf8CodeUnitCount else { return 0 }
        let isPrefix = (0..<prefixCount).allSatisfy { index in
            // Safety: `index` is below the literal's count.
            unsafe ASCII.lowercased(value.byte(range.lowerBound + index)) == type.utf8Start[index]
        }
        return isPrefix ? 2 : 0
    }

    /// `type "/" subtype *( OWS ";" OWS [ parameter ] )`, of which `q` is taken apart.
    private struct Parts {
        let type: Range<Int>
        var hasParameters = false
        /// Thousandths; nil if it is malformed.
        var quality: Int? = 1000

        init?(_ bytes: RawSpan, _ range: Range<Int>) {
            let end = range.upperBound
            let slash = bytes.endOfRun(of: .token, from: range.lowerBound, to: end)
            guard slash > range.lowerBound, slash < end, bytes.byte(slash) == ASCII.slash else { return nil }
            let typeEnd = bytes.endOfRun(of: .token, from: slash + 1, to: end)
            guard typeEnd > slash + 1 else { return nil }
            type = range.lowerBound..<typeEnd
            var offset = bytes.endOfBlanks(from: typeEnd, to: end)
            while offset < end {
                guard bytes.byte(offset) == ASCII.semicolon else { return nil }
                offset = bytes.endOfBlanks(from: offset + 1, to: end)
                if offset == end || bytes.byte(offset) == ASCII.semicolon { continue }
                let nameStart = offset
                let nameEnd = bytes.endOfRun(of: .token, from: offset, to: end)
                guard nameEnd > nameStart, nameEnd < end, bytes.byte(nameEnd) == ASCII.equals,
                    let valueEnd = bytes.endOfTokenOrQuotedString(from: nameEnd + 1, to: end)
                else { return nil }
                if bytes.equalsIgnoringCase("q", from: nameStart, to: nameEnd) {
                    quality = Self.weight(bytes, from: nameEnd + 1, to: valueEnd)
                } else {
                    hasParameters = true
                }
                offset = bytes.endOfBlanks(from: valueEnd, to: end)
            }
        }

        /// `( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )`, RFC 9110 12.4.2.
        private static func weight(_ bytes: RawSpan, from start: Int, to end: Int) -> Int? {
            guard (1...5).contains(end - start), end - start == 1 || bytes.byte(start + 1) == ASCII.dot else {
                return nil
            }
            var weight = 0
            for index in [0, 2, 3, 4] {
                let digit = start + index < end ? bytes.byte(start + index) : ASCII.zero
                guard ByteSet.digit.contains(digit) else { return nil }
                weight = weight * 10 + Int(digit - ASCII.zero)
            }
            return weight <= 1000 ? weight : nil
        }
    }
}
