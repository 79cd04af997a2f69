/// The characters of a generated code, 7, 8 or 12 of them, held inline.
///
/// Byte i lies at bit 8 × i of the two words together; the length is the high word's top byte, so that equal codes are
/// equal words.
package struct Code: Hashable, Sendable {
    package static let longest = 12

    private var low: UInt64 = 0
    private var high: UInt64

    /// The region's character, then `body` in exactly `width` characters.
    init(region: RegionCharacter, body: UInt64, width: Int) {
        precondition(width >= 1 && width < Self.longest)
        high = UInt64(width + 1) << 56
        var rest = body
        for place in stride(from: width, through: 1, by: -1) {
            set(Base62.character(UInt8(truncatingIfNeeded: rest % 62)), at: place)
            rest /= 62
        }
        precondition(rest == 0, "the body does not fit the width")
        set(region.byte, at: 0)
    }

    package var count: Int { Int(high >> 56) }

    package subscript(offset: Int) -> UInt8 {
        precondition(offset >= 0 && offset < count)
        return UInt8(truncatingIfNeeded: (offset < 8 ? low : high) >> UInt64(8 * (offset & 7)))
    }

    /// The place must be zero yet.
    private mutating func set(_ byte: UInt8, at offset: Int) {
        let shifted = UInt64(byte) << UInt64(8 * (offset & 7))
        if offset < 8 { low |= shifted } else { high |= shifted }
    }
}

extension Code: CustomStringConvertible {
    package var description: String {
        var bytes: [UInt8] = []
        bytes.append(self)
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension [UInt8] {
    package mutating func append(_ code: Code) {
        for offset in 0..<code.count { append(code[offset]) }
    }
}
