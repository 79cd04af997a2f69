/// A hash for tables in memory whose keys strangers choose and whose answers they do not see: a few cycles for 16 bytes.
///
/// Each 16 bytes, mixed with what was there and with a random key, are multiplied to 128 bits, whose halves are folded by
/// exclusive or: the step of wyhash (Wang Yi) and foldhash (Orson Peters). Long strings go two ways at once, because a
/// multiplication takes longer than the next one has to wait for the unit.
package struct FoldedHash: Sendable {
    @usableFromInline package let key0, key1, key2: UInt64

    /// The keys are random numbers that nobody outside knows.
    package init(key0: UInt64, key1: UInt64, key2: UInt64) { (self.key0, self.key1, self.key2) = (key0, key1, key2) }

    package static func random() -> FoldedHash {
        FoldedHash(key0: .random(in: 1 ... .max), key1: .random(in: 1 ... .max), key2: .random(in: 1 ... .max))
    }

    @inlinable @inline(__always)
    static func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedFullWidth(by: right)
        return product.high ^ product.low
    }

    // Safety: every load below is within `bytes`.

    @inlinable @inline(__always)
    package func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        let count = bytes.count
        guard count > 0, let start = bytes.baseAddress else { return Self.fold(key0, key1) }
        func word(_ offset: Int) -> UInt64 {
            unsafe start.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        }
        func half(_ offset: Int) -> UInt64 {
            unsafe UInt64(start.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        }
        var (state, other) = (key0 ^ UInt64(truncatingIfNeeded: count), key2)
        let (low, high): (UInt64, UInt64)
        if count > 16 {
            var offset = 0
            while offset &+ 32 < count {
                state = Self.fold(word(offset) ^ state, word(offset &+ 8) ^ key1)
                other = Self.fold(word(offset &+ 16) ^ other, word(offset &+ 24) ^ key1)
                offset &+= 32
            }
            if offset &+ 16 < count { state = Self.fold(word(offset) ^ state, word(offset &+ 8) ^ key1) }
            (low, high) = (word(count &- 16), word(count &- 8))
        } else if count >= 8 {
            (low, high) = (word(0), word(count &- 8))
        } else if count >= 4 {
            (low, high) = (half(0), half(count &- 4))
        } else {
            let ends = unsafe (start.load(as: UInt8.self), start.load(fromByteOffset: count &- 1, as: UInt8.self))
            let middle = unsafe start.load(fromByteOffset: count &>> 1, as: UInt8.self)
            (low, high) = (UInt64(ends.0) | UInt64(ends.1) &<< 8, UInt64(middle))
        }
        return Self.fold(Self.fold(low ^ state, high ^ key1) ^ key2, other ^ key0)
    }
}
