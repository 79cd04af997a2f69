import Primitives

/// What is left of an origin in 26 bits: its region, its node, and so much of its incarnation that another life of the
/// node has the same with one chance in 65 536 only. Whoever knows of two that have the same says of neither that it is
/// covered.
///
///     bit 25      20 19    16 15            0
///         |  region |  node  |  incarnation  |
package struct LifeTag: Hashable, Sendable {
    package static let bits: UInt64 = 26

    package let rawValue: UInt32

    /// Nil for an origin whose region is no character, or whose node is none.
    package init?(_ origin: Origin) {
        guard let region = RegionCharacter(origin.region), UInt64(origin.node) < GeneratedNumber.nodes else {
            return nil
        }
        rawValue = UInt32(region.index) << 20 | UInt32(origin.node) << 16 | UInt32(origin.incarnation >> 48)
    }

    /// Nil if no origin has this one.
    package init?(rawValue: UInt32) {
        guard rawValue >> Self.bits == 0, rawValue >> 20 < 62 else { return nil }
        self.rawValue = rawValue
    }

    /// The region's character.
    package var region: UInt8 { RegionCharacter(index: UInt8(rawValue >> 20))!.byte }
    package var node: UInt8 { UInt8(rawValue >> 16 & 0xf) }
}

/// A place in the log of one life of a node: all up to there, and that entry too.
package struct LogPosition: Hashable, Sendable {
    package static let sizeBytes = 10

    package let life: LifeTag
    /// From 1 on, below 2^48.
    package let sequence: UInt64

    package init(_ life: LifeTag, _ sequence: UInt64) {
        precondition(sequence > 0 && sequence >> 48 == 0)
        (self.life, self.sequence) = (life, sequence)
    }

    /// Between nodes: life (4), sequence (6).
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian: life.rawValue)
        bytes.append(bigEndian48: sequence)
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        guard let life = LifeTag(rawValue: try bytes.takeUInt32()) else { throw MalformedBytes() }
        let sequence = try bytes.takeUInt48()
        guard sequence > 0 else { throw MalformedBytes() }
        self.init(life, sequence)
    }
}
