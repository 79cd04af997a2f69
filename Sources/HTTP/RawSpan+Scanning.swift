import Primitives

/// Loads and scans that the parsers share. Single loads are checked by the span itself. A scan checks its bounds once,
/// loads unchecked between them, and ends at `end` if nothing ends it before.
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

    // Safety of the unchecked two: only a scan that has checked its bounds calls them, with offsets between these.

    @inline(__always)
    private func scanned(_ offset: Int) -> UInt8 {
        unsafe unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
    }

    @inline(__always)
    private func scannedWord(_ offset: Int) -> UInt64 {
        unsafe UInt64(littleEndian: unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self))
    }

    @inline(__always)
    private func scannedPair(_ offset: Int) -> SIMD2<UInt64> {
        SIMD2(scannedWord(offset), scannedWord(offset &+ 8))
    }

    @inline(__always)
    private func checkBounds(_ start: Int, _ end: Int) { precondition(start >= 0 && end <= byteCount) }

    @inline(__always)
    func endOfRun(of set: ByteSet, from start: Int, to end: Int) -> Int {
        checkBounds(start, end)
        var offset = start
        while offset < end, set.contains(scanned(offset)) { offset &+= 1 }
        return offset
    }

    @inline(__always)
    func endOfBlanks(from start: Int, to end: Int) -> Int {
        checkBounds(start, end)
        var offset = start
        while offset < end, ASCII.isBlank(scanned(offset)) { offset &+= 1 }
        return offset
    }

    /// The end of `start..<end` without the blanks before it.
    @inline(__always)
    func trimmedEnd(from start: Int, to end: Int) -> Int {
        checkBounds(start, end)
        var offset = end
        while offset > start, ASCII.isBlank(scanned(offset &- 1)) { offset &-= 1 }
        return offset
    }

    /// The first byte that may not stand in a field's value: a control other than HTAB, or DEL.
    ///
    /// Sixteen at a time, as long as there are so many, as two words: subtracting 0x20 (or 1 from the difference to DEL)
    /// borrows out of exactly the first byte of a word that is below, so a word's lowest marked byte is right even where
    /// the borrow marks others above it.
    @inline(__always)
    func endOfFieldContent(from start: Int, to end: Int) -> Int {
        checkBounds(start, end)
        var offset = start
        while offset &+ 16 <= end {
            let words = scannedPair(offset)
            let differences = words ^ Self.bytes(ASCII.delete)
            let marks =
                (((words &- Self.bytes(ASCII.space)) & ~words) | ((differences &- Self.bytes(1)) & ~differences))
                & Self.bytes(0x80)
            guard marks[0] | marks[1] != 0 else {
                offset &+= 16
                continue
            }
            offset &+=
                marks[0] != 0
                ? marks[0].trailingZeroBitCount &>> 3 : 8 &+ marks[1].trailingZeroBitCount &>> 3
            if scanned(offset) != ASCII.tab { return offset }
            offset &+= 1
        }
        while offset < end, ASCII.isFieldContent(scanned(offset)) { offset &+= 1 }
        return offset
    }

    @inline(__always)
    private static func bytes(_ byte: UInt8) -> SIMD2<UInt64> {
        SIMD2(repeating: 0x0101_0101_0101_0101 &* UInt64(byte))
    }

    /// The first line feed in `start..<end`.
    func firstLineFeed(from start: Int, to end: Int) -> Int? {
        checkBounds(start, end)
        let ones: UInt64 = 0x0101_0101_0101_0101
        var offset = start
        while offset + 8 <= end {
            let difference = scannedWord(offset) ^ (ones &* UInt64(ASCII.lineFeed))
            let marks = (difference &- ones) & ~difference & (ones &* 0x80)
            if marks != 0 { return offset + marks.trailingZeroBitCount / 8 }
            offset += 8
        }
        while offset < end {
            if scanned(offset) == ASCII.lineFeed { return offset }
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
        checkBounds(start, end)
        var offset = start
        while true {
            offset = endOfRun(of: set, from: offset, to: end)
            guard offset &+ 2 < end, scanned(offset) == ASCII.percent,
                ByteSet.hexDigit.contains(scanned(offset &+ 1)), ByteSet.hexDigit.contains(scanned(offset &+ 2))
            else { return offset }
            offset &+= 3
        }
    }

    /// The first colon in `start..<end`.
    @inline(__always)
    func firstColon(from start: Int, to end: Int) -> Int? {
        checkBounds(start, end)
        let ones: UInt64 = 0x0101_0101_0101_0101
        var offset = start
        while offset &+ 8 <= end {
            let difference = scannedWord(offset) ^ (ones &* UInt64(ASCII.colon))
            let marks = (difference &- ones) & ~difference & (ones &* 0x80)
            if marks != 0 { return offset &+ marks.trailingZeroBitCount &>> 3 }
            offset &+= 8
        }
        while offset < end {
            if scanned(offset) == ASCII.colon { return offset }
            offset &+= 1
        }
        return nil
    }

    /// RFC 9110 5.6.2: at least one character, all of them token characters.
    func isToken(from start: Int, to end: Int) -> Bool {
        start < end && endOfRun(of: .token, from: start, to: end) == end
    }

    /// Whether the bytes from `offset` are `name` but for the case of letters. `name` has 4 to 24 small letters, digits
    /// and hyphens, and as many bytes as it has are there. Bit 5 is set only where `name` has a letter, which is where
    /// it has bit 6: so no other byte passes for a hyphen.
    @inline(__always)
    func spells(_ name: StaticString, at offset: Int) -> Bool {
        let count = name.utf8CodeUnitCount
        // Safety: the literal is constant and its loads stay below its count; the compiler folds them.
        let letters = unsafe UnsafeRawPointer(name.utf8Start)
        if count < 8 {
            let last = count &- 4
            return unsafe Self.folds(halfWord(offset), letters.loadUnaligned(as: UInt32.self))
                && Self.folds(
                    halfWord(offset &+ last), letters.loadUnaligned(fromByteOffset: last, as: UInt32.self))
        }
        let last = count &- 8
        return unsafe Self.folds(word(offset), letters.loadUnaligned(as: UInt64.self))
            && (count <= 16 || Self.folds(word(offset &+ 8), letters.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
            && Self.folds(word(offset &+ last), letters.loadUnaligned(fromByteOffset: last, as: UInt64.self))
    }

    @inline(__always)
    private static func folds(_ word: UInt64, _ letters: UInt64) -> Bool {
        word | (letters & 0x4040_4040_4040_4040) &>> 1 == letters
    }

    @inline(__always)
    private static func folds(_ word: UInt32, _ letters: UInt32) -> Bool {
        word | (letters & 0x4040_4040) &>> 1 == letters
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
