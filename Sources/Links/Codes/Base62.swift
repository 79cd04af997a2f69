/// Numbers in the alphabet `0-9A-Za-z`, most significant digit first, in a fixed width.
package enum Base62 {
    /// 62^6: as many bodies as six characters write.
    package static let sixCharacters: UInt64 = 56_800_235_584
    /// 62^7: as many bodies as seven characters write, and where the numbers of generated codes end.
    package static let sevenCharacters: UInt64 = 3_521_614_606_208
    /// The characters that the largest 64-bit number takes: 62^10 < 2^64 < 62^11.
    package static let widest = 11

    /// The number that all of `digits` write; nil if there are none, a byte is not of the alphabet, or the number does
    /// not fit 64 bits.
    package static func decode(_ digits: RawSpan) -> UInt64? {
        guard digits.byteCount >= 1 else { return nil }
        var value: UInt64 = 0
        for offset in 0..<digits.byteCount {
            let digit = digit(of: byte(digits, at: offset))
            let (product, tooLarge) = value.multipliedReportingOverflow(by: 62)
            let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
            guard digit < 62, !tooLarge, !carry else { return nil }
            value = sum
        }
        return value
    }

    /// The digit 0…61 that a character stands for; 255 for a byte outside the alphabet.
    ///
    /// Written as selections, not branches: the characters of codes are random and would be mispredicted.
    @inline(__always)
    static func digit(of byte: UInt8) -> UInt8 {
        let decimal = byte &- 0x30
        let letter = (byte | 0x20) &- 0x61
        let ofLetter = letter < 26 ? letter &+ 10 &+ (byte >> 5 & 1) &* 26 : 255
        return decimal < 10 ? decimal : ofLetter
    }

    /// The character of a digit below 62.
    @inline(__always)
    static func character(_ digit: UInt8) -> UInt8 {
        precondition(digit < 62)
        return digit < 10 ? digit + 0x30 : digit < 36 ? digit + (0x41 - 10) : digit + (0x61 - 36)
    }

    @inline(__always)
    static func byte(_ bytes: RawSpan, at offset: Int) -> UInt8 {
        // Safety: any byte is a UInt8, and the load checks the offset against the span.
        unsafe bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }
}

extension [UInt8] {
    /// Appends exactly `width` characters; traps if the number takes more.
    package mutating func append(base62 value: UInt64, width: Int) {
        precondition(width >= 1)
        let start = count
        append(contentsOf: repeatElement(0x30, count: width))
        var rest = value
        for offset in stride(from: start + width - 1, through: start, by: -1) {
            self[offset] = Base62.character(UInt8(rest % 62))
            rest /= 62
        }
        precondition(rest == 0, "the number does not fit the width")
    }
}

/// The base62 character that a region's codes start with.
package struct RegionCharacter: Hashable, Sendable {
    /// Its place in the alphabet, 0…61: six bits of a Snowflake, and the tweak of the region's permutations.
    package let index: UInt8

    /// Nil if `byte` is not of the alphabet.
    package init?(_ byte: UInt8) {
        let digit = Base62.digit(of: byte)
        guard digit < 62 else { return nil }
        index = digit
    }

    /// Nil from 62 on.
    package init?(index: UInt8) {
        guard index < 62 else { return nil }
        self.index = index
    }

    package var byte: UInt8 { Base62.character(index) }
}
