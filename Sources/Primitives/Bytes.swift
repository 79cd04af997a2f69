/// Input ended early, or held a number that its place cannot.
package struct MalformedBytes: Error, Equatable { package init() {} }

/// Integers are big-endian, so that keys sort as numbers; a varint is LEB128, shortest form only, at most 10 bytes.
extension [UInt8] {
    @inlinable
    package mutating func append<Integer: FixedWidthInteger>(bigEndian value: Integer) {
        unsafe Swift.withUnsafeBytes(of: value.bigEndian) { unsafe append(contentsOf: $0) }
    }

    /// Puts the four bytes of `value` in the place of those from `start` on.
    package mutating func replace(at start: Int, bigEndian value: UInt32) {
        for offset in 0..<4 { self[start + offset] = UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * offset)) }
    }

    /// The low six bytes of `value`; the rest must be zero.
    package mutating func append(bigEndian48 value: UInt64) {
        precondition(value >> 48 == 0)
        unsafe Swift.withUnsafeBytes(of: value.bigEndian) { unsafe append(contentsOf: $0.dropFirst(2)) }
    }

    package mutating func append(varint value: UInt64) {
        var value = value
        while value >= 0x80 {
            append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        append(UInt8(value))
    }

    package mutating func append(_ bytes: RawSpan) {
        unsafe bytes.withUnsafeBytes { unsafe append(contentsOf: $0) }
    }

    /// A varint of its length, then the bytes.
    package mutating func append(lengthPrefixed bytes: [UInt8]) {
        append(varint: UInt64(bytes.count))
        self += bytes
    }
}

/// A span read from the front: each call drops what it took.
extension RawSpan {
    package mutating func takeByte() throws(MalformedBytes) -> UInt8 {
        guard byteCount >= 1 else { throw MalformedBytes() }
        let byte = unsafe unsafeLoad(as: UInt8.self)
        self = extracting(1...)
        return byte
    }

    package mutating func takeUInt16() throws(MalformedBytes) -> UInt16 {
        guard byteCount >= 2 else { throw MalformedBytes() }
        let value = unsafe UInt16(bigEndian: unsafeLoadUnaligned(as: UInt16.self))
        self = extracting(2...)
        return value
    }

    package mutating func takeUInt32() throws(MalformedBytes) -> UInt32 {
        guard byteCount >= 4 else { throw MalformedBytes() }
        let value = unsafe UInt32(bigEndian: unsafeLoadUnaligned(as: UInt32.self))
        self = extracting(4...)
        return value
    }

    package mutating func takeUInt48() throws(MalformedBytes) -> UInt64 {
        let high = try takeUInt16()
        return UInt64(high) << 32 | UInt64(try takeUInt32())
    }

    package mutating func takeUInt64() throws(MalformedBytes) -> UInt64 {
        guard byteCount >= 8 else { throw MalformedBytes() }
        let value = unsafe UInt64(bigEndian: unsafeLoadUnaligned(as: UInt64.self))
        self = extracting(8...)
        return value
    }

    package mutating func takeUInt128() throws(MalformedBytes) -> UInt128 {
        UInt128(try takeUInt64()) << 64 | UInt128(try takeUInt64())
    }

    package mutating func takeVarint() throws(MalformedBytes) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = try takeByte()
            guard shift < 63 || byte <= 1, shift == 0 || byte != 0 else { throw MalformedBytes() }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
            guard shift <= 63 else { throw MalformedBytes() }
        }
    }

    /// The length of what comes next, checked against what is there: never more than the rest of the span.
    package mutating func takeLength() throws(MalformedBytes) -> Int {
        let length = try takeVarint()
        guard length <= UInt64(byteCount) else { throw MalformedBytes() }
        return Int(length)
    }

    /// A copy of the next `count` bytes.
    package mutating func takeBytes(_ count: Int) throws(MalformedBytes) -> [UInt8] {
        guard count >= 0, count <= byteCount else { throw MalformedBytes() }
        let bytes = extracting(..<count)
        self = extracting(count...)
        return [UInt8](bytes)
    }

    package mutating func takeLengthPrefixed() throws(MalformedBytes) -> [UInt8] {
        let length = try takeLength()
        return try takeBytes(length)
    }
}

extension [UInt8] {
    package init(_ bytes: RawSpan) {
        self = unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) }
    }
}
