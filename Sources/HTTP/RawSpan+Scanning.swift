import Primitives

/// Loads and scans that the parsers share. Offsets are checked by the span itself; a scan ends at `end` if nothing
/// ends it before.
extension RawSpan {
    @inline(__always)
    func byte(_ offset: Int) -> UInt8 { unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self) }

    /// Eight bytes as they lie, the first one lowest.
    @inline(__always)
    func word(_ offset: Int) -> UInt64 {
        unsafe UInt64(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    @inline(__always)
    func halfWord(_ offset: Int) -> UInt32 {
        unsafe UInt32(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    @inline(__always)
    func endOfRun(of set: ByteSet, from start: Int, to end: Int) -> Int {
        var offset = start
        while offset < end, set.contains(byte(offset)) { offset &+= 1 }
        return offset
    }

    @inline(__always)
    func endOfBlanks(from start: Int, to end: Int) -> Int {
        var offset = start
        while offset < end, ASCII.isBlank(byte(offset)) { offset &+= 1 }
        return offset
    }

    /// The end of `start..<end` without the blanks before it.
    @inline(__always)
    func trimmedEnd(from start: Int, to end: Int) -> Int {
        var offset = end
        while offset > start, ASCII.isBlank(byte(offset &- 1)) { offset &-= 1 }
        return offset
    }

    /// The first byte that may not stand in a field's value: a control other than HTAB, or DEL.
    ///
    /// Eight at a time: subtracting 0x20 (or 1 from the difference to DEL) borrows out of exactly the first byte that
    /// is below, so the lowest marked byte is right even where the borrow marks others above it.
    @inline(__always)
    func endOfFieldContent(from start: Int, to end: Int) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        var offset = start
        while true {
            while offset &+ 8 <= end {
                let word = word(offset)
                let difference = word ^ (ones &* 0x7F)
                let marks =
                    (((word &- (ones &* 0x20)) & ~word) | ((difference &- ones) & ~difference)) & (ones &* 0x80)
                if marks != 0 {
                    offset &+= marks.trailingZeroBitCount &>> 3
                    break
                }
                offset &+= 8
            }
            while offset < end, ASCII.isFieldContent(byte(offset)) {
                offset &+= 1
                if offset &+ 8 <= end { break }
            }
            if offset >= end || !ASCII.isFieldContent(byte(offset)) { return offset }
        }
    }

    /// The first line feed in `start..<end`.
    func firstLineFeed(from start: Int, to end: Int) -> Int? {
        let ones: UInt64 = 0x0101_0101_0101_0101
        var offset = start
        while offset + 8 <= end {
            let difference = word(offset) ^ (ones &* UInt64(ASCII.lineFeed))
            let marks = (difference &- ones) & ~difference & (ones &* 0x80)
            if marks != 0 { return offset + marks.trailingZeroBitCount / 8 }
            offset += 8
        }
        while offset < end {
            if byte(offset) == ASCII.lineFeed { return offset }
            offset += 1
        }
        return nil
    }

    /// Whether CR LF stands at `offset` with nothing missing before `end`.
    @inline(__always)
    func hasLineEnd(at offset: Int, before end: Int) -> Bool {
        offset &+ 1 < end && byte(offset) == ASCII.carriageReturn && byte(offset &+ 1) == ASCII.lineFeed
    }

    /// The end of a run of characters of `set` and percent-encodings of two digits (RFC 3986 2.1).
    @inline(__always)
    func endOfEncodedRun(of set: ByteSet, from start: Int, to end: Int) -> Int {
        var offset = start
        while true {
            offset = endOfRun(of: set, from: offset, to: end)
            guard offset &+ 2 < end, byte(offset) == ASCII.percent,
                ByteSet.hexDigit.contains(byte(offset &+ 1)), ByteSet.hexDigit.contains(byte(offset &+ 2))
            else { return offset }
            offset &+= 3
        }
    }

    /// Whether the bytes from `offset` are `name` but for the case of letters. `name` has 4 to 24 small letters and
    /// hyphens, the bytes are token characters (so that setting bit 5 makes no two of them equal that matter), and as
    /// many as `name` has are there.
    @inline(__always)
    func spells(_ name: StaticString, at offset: Int) -> Bool {
        let count = name.utf8CodeUnitCount
        // Safety: the literal is constant and its loads stay below its count; the compiler folds them.
        let letters = unsafe UnsafeRawPointer(name.utf8Start)
        if count < 8 {
            let last = count &- 4
            return unsafe halfWord(offset) | 0x2020_2020 == letters.loadUnaligned(as: UInt32.self)
                && halfWord(offset &+ last) | 0x2020_2020
                    == letters.loadUnaligned(fromByteOffset: last, as: UInt32.self)
        }
        let spaces: UInt64 = 0x2020_2020_2020_2020
        let last = count &- 8
        return unsafe word(offset) | spaces == letters.loadUnaligned(as: UInt64.self)
            && (count <= 16 || word(offset &+ 8) | spaces == letters.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            && word(offset &+ last) | spaces == letters.loadUnaligned(fromByteOffset: last, as: UInt64.self)
    }

    /// Whether `start..<end` is `text` but for the case of ASCII letters; `text` is in small ones.
    func equalsIgnoringCase(_ text: StaticString, from start: Int, to end: Int) -> Bool {
        let count = text.utf8CodeUnitCount
        guard end - start == count else { return false }
        for index in 0..<count {
            // Safety: `index` is below the literal's count.
            let letter = unsafe text.utf8Start[index]
            if ASCII.lowercased(byte(start + index)) != letter { return false }
        }
        return true
    }
}
