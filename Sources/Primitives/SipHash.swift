/// SipHash-c-d of Aumasson and Bernstein ("SipHash: a fast short-input PRF", 2012), with 64 or 128 bits of output.
///
/// Used where order must be hidden or buckets must be spread, with keys that an outsider does not know; and, with two and
/// four rounds, as the MAC of what a cluster gives its clients to bring back. Never as a signature.
package struct SipHash: Sendable {
    private var v0, v1, v2, v3: UInt64

    private init(key0: UInt64, key1: UInt64) {
        v0 = key0 ^ 0x736f_6d65_7073_6575
        v1 = key1 ^ 0x646f_7261_6e64_6f6d
        v2 = key0 ^ 0x6c79_6765_6e65_7261
        v3 = key1 ^ 0x7465_6462_7974_6573
    }

    @inline(__always)
    private mutating func round() {
        v0 &+= v1
        v1 = v1 &<< 13 | v1 &>> 51
        v1 ^= v0
        v0 = v0 &<< 32 | v0 &>> 32
        v2 &+= v3
        v3 = v3 &<< 16 | v3 &>> 48
        v3 ^= v2
        v0 &+= v3
        v3 = v3 &<< 21 | v3 &>> 43
        v3 ^= v0
        v2 &+= v1
        v1 = v1 &<< 17 | v1 &>> 47
        v1 ^= v2
        v2 = v2 &<< 32 | v2 &>> 32
    }

    @inline(__always)
    private mutating func compress(_ word: UInt64, rounds: Int) {
        v3 ^= word
        for _ in 0..<rounds { round() }
        v0 ^= word
    }

    private mutating func absorb(_ bytes: RawSpan, rounds: Int) {
        let whole = bytes.byteCount & ~7
        for offset in stride(from: 0, to: whole, by: 8) {
            compress(
                unsafe UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)),
                rounds: rounds)
        }
        compress(Self.tail(bytes, from: whole) | UInt64(truncatingIfNeeded: bytes.byteCount) &<< 56, rounds: rounds)
    }

    /// The at most seven bytes from `start` on, little-endian, in few loads: a code is often shorter than a word.
    @inline(__always)
    private static func tail(_ bytes: RawSpan, from start: Int) -> UInt64 {
        let count = bytes.byteCount - start
        if count >= 4 {
            let first = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: start, as: UInt32.self)
            // Overlaps the first where there are fewer than eight.
            let last = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: bytes.byteCount - 4, as: UInt32.self)
            return UInt64(UInt32(littleEndian: first))
                | UInt64(UInt32(littleEndian: last)) &<< UInt64(truncatingIfNeeded: 8 * (count - 4))
        }
        var tail: UInt64 = 0
        for index in 0..<count {
            let byte = unsafe bytes.unsafeLoad(fromByteOffset: start + index, as: UInt8.self)
            tail |= UInt64(byte) &<< UInt64(truncatingIfNeeded: 8 * index)
        }
        return tail
    }

    /// SipHash-1-3 of one 8-byte message, the form used as a Feistel round function.
    package static func hash13(_ word: UInt64, key0: UInt64, key1: UInt64) -> UInt64 {
        var state = SipHash(key0: key0, key1: key1)
        state.compress(word, rounds: 1)
        state.compress(8 << 56, rounds: 1)
        state.v2 ^= 0xff
        state.round()
        state.round()
        state.round()
        return state.v0 ^ state.v1 ^ state.v2 ^ state.v3
    }

    /// SipHash-1-3, 64 bits: for tables whose keys strangers choose.
    package static func hash13(_ bytes: RawSpan, key0: UInt64, key1: UInt64) -> UInt64 {
        var state = SipHash(key0: key0, key1: key1)
        state.absorb(bytes, rounds: 1)
        state.v2 ^= 0xff
        state.round()
        state.round()
        state.round()
        return state.v0 ^ state.v1 ^ state.v2 ^ state.v3
    }

    /// SipHash-2-4, 64 bits.
    package static func hash24(_ bytes: RawSpan, key0: UInt64, key1: UInt64) -> UInt64 {
        var state = SipHash(key0: key0, key1: key1)
        state.absorb(bytes, rounds: 2)
        state.v2 ^= 0xff
        for _ in 0..<4 { state.round() }
        return state.v0 ^ state.v1 ^ state.v2 ^ state.v3
    }

    /// SipHash-2-4 with 128 bits of output; the low half first, as the reference implementation writes it.
    package static func hash24x128(_ bytes: RawSpan, key0: UInt64, key1: UInt64) -> UInt128 {
        var state = SipHash(key0: key0, key1: key1)
        state.v1 ^= 0xee
        state.absorb(bytes, rounds: 2)
        state.v2 ^= 0xee
        for _ in 0..<4 { state.round() }
        let low = state.v0 ^ state.v1 ^ state.v2 ^ state.v3
        state.v1 ^= 0xdd
        for _ in 0..<4 { state.round() }
        return UInt128(state.v0 ^ state.v1 ^ state.v2 ^ state.v3) << 64 | UInt128(low)
    }
}
