import Primitives

/// How a generated number is made of a node's counter and the node: `counter × 16 + node`.
package enum GeneratedNumber {
    /// Nodes of a region, and the step between a node's numbers.
    package static let nodes: UInt64 = 16

    /// No ceiling is greater: the counter behind that of the last number of seven characters.
    package static let endOfCounters = counter(of: Base62.sevenCharacters) + 1

    /// Traps on a node from 16 on, or a counter from 2^60 on.
    package static func number(counter: UInt64, node: UInt8) -> UInt64 {
        precondition(node < nodes)
        return counter * nodes + UInt64(node)
    }

    package static func counter(of number: UInt64) -> UInt64 { number / nodes }

    package static func node(of number: UInt64) -> UInt8 { UInt8(number % nodes) }

    /// The first counter whose number for `node` is not below `limit`.
    static func counters(below limit: UInt64, node: UInt8) -> UInt64 {
        limit > UInt64(node) ? (limit - UInt64(node) - 1) / nodes + 1 : 0
    }
}

/// A number that needs no lease: unique by time, region, node and sequence.
///
///     bit 63            23 22      17 16    11 10         0
///         | milliseconds  |  region  |  node  |  sequence  |
///
/// 41-bit milliseconds since 2025-01-01 last until 2094.
package struct Snowflake: Hashable, Sendable {
    /// 2025-01-01T00:00:00Z.
    package static let epoch = Instant(milliseconds: 1_735_689_600_000)
    package static let millisecondBits: UInt64 = 41
    package static let sequenceBits: UInt64 = 11
    /// Positions end here: see `position`.
    static let positions: UInt64 = 1 << (millisecondBits + sequenceBits)

    static let lastMillisecond: UInt64 = 1 << millisecondBits - 1

    package let number: UInt64

    package init(number: UInt64) { self.number = number }

    /// `position` is milliseconds and sequence joined, so that a node's Snowflakes ascend as positions do, and the one
    /// after a millisecond's last is the next millisecond's first.
    init(position: UInt64, region: RegionCharacter, node: UInt8) {
        precondition(position < Self.positions && UInt64(node) < GeneratedNumber.nodes)
        let sequenceMask: UInt64 = 1 << Self.sequenceBits - 1
        number =
            (position >> Self.sequenceBits) << 23 | UInt64(region.index) << 17 | UInt64(node) << 11
            | position & sequenceMask
    }

    var position: UInt64 { (number >> 23) << Self.sequenceBits | UInt64(sequence) }

    package var instant: Instant { Self.epoch.advanced(byMilliseconds: Int64(number >> 23)) }
    /// The index of the region's character; 62 and 63 are nobody's.
    package var regionIndex: UInt8 { UInt8(number >> 17 & 0x3f) }
    /// Six bits, of which nodes use 0…15.
    package var node: UInt8 { UInt8(number >> 11 & 0x3f) }
    package var sequence: UInt16 { UInt16(number & 0x7ff) }
}
