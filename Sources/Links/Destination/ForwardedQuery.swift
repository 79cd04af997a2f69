import Primitives

/// The visitor's query behind a destination: `https://a.example/b?x=1#c` and `x=2&y=3` make `https://a.example/b?x=1&y=3#c`.
///
/// The destination's own pairs come first and win: a pair whose key it has already is left out, both keys decoded as
/// forms are (URL Standard 5.1: percent-encoding, and `+` for a space).
/// What is left keeps its order and its spelling, but for bytes that no query may have (RFC 3986 3.4), which are
/// percent-encoded: so nothing of it ends the query, the URL or the line that it stands in.
package enum ForwardedQuery {
    /// What a URL may take: as many as every recipient should at least support (RFC 9110 4.1).
    package static let urlBytes = 8000
    /// Pairs of one query; each is compared with all keys of the destination.
    package static let pairs = 64

    private static let allowed = ASCIISet(ASCIISet.letters + ASCIISet.digits + "-._~!$&'()*+,;=:@/?")

    /// Puts what of `query` goes there into the URL in the first `count` bytes of `url`, behind which there is room for
    /// `urlBytes` more. Returns how long the URL is then.
    ///
    /// Where it would be longer than `urlBytes`, or has more than `pairs`, the URL stays as it is: a part of a query can
    /// mean something else than the whole, and a link that leads where its owner said is better than none.
    package static func append(_ query: RawSpan, to url: inout MutableRawSpan, count: Int) -> Int {
        precondition(url.byteCount >= count + urlBytes)
        let fragment = url.bytes.firstByte(ASCII.hash, in: 0..<count) ?? count
        let question = url.bytes.firstByte(ASCII.question, in: 0..<fragment)
        let own = (question.map { $0 + 1 } ?? fragment)..<fragment
        var separates = question == nil || !own.isEmpty && Base62.byte(url.bytes, at: fragment - 1) != ampersand
        var (end, pairCount, start) = (count, 0, 0)
        while start < query.byteCount {
            let next = query.firstByte(ampersand, in: start..<query.byteCount) ?? query.byteCount
            let pair = start..<next
            start = next + 1
            guard !pair.isEmpty else { continue }
            pairCount += 1
            guard pairCount <= pairs else { return count }
            if has(url.bytes, own, keyOf: query, pair) { continue }
            if separates {
                guard end < urlBytes else { return count }
                url.storeBytes(
                    of: end == count && question == nil ? ASCII.question : ampersand, toByteOffset: end, as: UInt8.self)
                end += 1
            }
            separates = true
            guard let written = write(query, pair, to: &url, at: end) else { return count }
            end = written
        }
        moveBehind(&url, fragment..<count, end: end)
        return end
    }

    private static let ampersand = UInt8(ascii: "&")

    /// Whether a pair in `own` has the same key as `pair` of `query`.
    private static func has(_ url: RawSpan, _ own: Range<Int>, keyOf query: RawSpan, _ pair: Range<Int>) -> Bool {
        let key = keyRange(query, pair)
        var start = own.lowerBound
        while start < own.upperBound {
            let end = url.firstByte(ampersand, in: start..<own.upperBound) ?? own.upperBound
            if start < end, areEqual(url, keyRange(url, start..<end), query, key) { return true }
            start = end + 1
        }
        return false
    }

    private static func keyRange(_ text: RawSpan, _ pair: Range<Int>) -> Range<Int> {
        pair.lowerBound..<(text.firstByte(UInt8(ascii: "="), in: pair) ?? pair.upperBound)
    }

    /// Decoded.
    private static func areEqual(
        _ left: RawSpan, _ leftRange: Range<Int>, _ right: RawSpan, _ rightRange: Range<Int>
    ) -> Bool {
        var (leftPlace, rightPlace) = (leftRange.lowerBound, rightRange.lowerBound)
        while leftPlace < leftRange.upperBound, rightPlace < rightRange.upperBound {
            let (one, oneSize) = decoded(left, leftPlace, end: leftRange.upperBound)
            let (other, otherSize) = decoded(right, rightPlace, end: rightRange.upperBound)
            guard one == other else { return false }
            (leftPlace, rightPlace) = (leftPlace + oneSize, rightPlace + otherSize)
        }
        return leftPlace == leftRange.upperBound && rightPlace == rightRange.upperBound
    }

    /// The byte at `place` as a form has it, and how many bytes write it.
    private static func decoded(_ text: RawSpan, _ place: Int, end: Int) -> (byte: UInt8, size: Int) {
        let byte = Base62.byte(text, at: place)
        guard byte == ASCII.percent, place + 2 < end, let high = ASCII.hexValue(Base62.byte(text, at: place + 1)),
            let low = ASCII.hexValue(Base62.byte(text, at: place + 2))
        else { return (byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte, 1) }
        return (high << 4 | low, 3)
    }

    /// Nil if there is no room within `urlBytes`; else where it ends.
    private static func write(
        _ query: RawSpan, _ pair: Range<Int>, to url: inout MutableRawSpan, at start: Int
    ) -> Int? {
        var end = start
        for place in pair {
            let byte = Base62.byte(query, at: place)
            let isEncoding = byte == ASCII.percent && decoded(query, place, end: pair.upperBound).size == 3
            let isPlain = allowed.contains(byte) || isEncoding
            guard end + (isPlain ? 1 : 3) <= urlBytes else { return nil }
            url.storeBytes(of: isPlain ? byte : ASCII.percent, toByteOffset: end, as: UInt8.self)
            end += 1
            if !isPlain {
                url.storeBytes(of: hexDigit(byte >> 4), toByteOffset: end, as: UInt8.self)
                url.storeBytes(of: hexDigit(byte & 15), toByteOffset: end + 1, as: UInt8.self)
                end += 2
            }
        }
        return end
    }

    /// Moves the fragment behind what was written after it, which ends at `end`.
    private static func moveBehind(_ url: inout MutableRawSpan, _ fragment: Range<Int>, end: Int) {
        guard !fragment.isEmpty, end > fragment.upperBound else { return }
        move(&url, fragment, by: end - fragment.lowerBound)
        move(&url, fragment.upperBound..<end + fragment.count, by: -fragment.count)
    }

    private static func move(_ url: inout MutableRawSpan, _ range: Range<Int>, by distance: Int) {
        for place in range {
            let byte = Base62.byte(url.bytes, at: place)
            url.storeBytes(of: byte, toByteOffset: place + distance, as: UInt8.self)
        }
    }
}

extension RawSpan {
    /// Where `byte` stands first within `range`; nil if it does not.
    fileprivate func firstByte(_ byte: UInt8, in range: Range<Int>) -> Int? {
        var place = range.lowerBound
        while place < range.upperBound {
            if Base62.byte(self, at: place) == byte { return place }
            place += 1
        }
        return nil
    }
}
