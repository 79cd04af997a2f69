import Primitives

/// Who wrote a log: one life of one node. A node whose store is in doubt takes a new incarnation and never
/// writes under the old one again.
package struct Origin: Hashable, Sendable {
    /// The region's base62 character.
    package var region: UInt8
    /// 0…15, unique within the region.
    package var node: UInt8
    /// Random, never zero.
    package var incarnation: UInt64

    package init(region: UInt8, node: UInt8, incarnation: UInt64) {
        (self.region, self.node, self.incarnation) = (region, node, incarnation)
    }

    package static let sizeBytes = 10

    /// The incarnation is random: it alone tells nearly all apart.
    package func hash(into hasher: inout Hasher) { hasher.combine(incarnation) }

    /// Region, node, incarnation (8 bytes, big-endian).
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(region)
        bytes.append(node)
        bytes.append(bigEndian: incarnation)
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        region = try bytes.takeByte()
        node = try bytes.takeByte()
        incarnation = try bytes.takeUInt64()
    }
}

extension Origin: CustomStringConvertible {
    /// Region character, node, incarnation in hexadecimal: `1/0/4f1c2d3e5a6b7c8d`.
    package var description: String {
        let digits = String(incarnation, radix: 16)
        let padding = String(repeating: "0", count: 16 - digits.count)
        return "\(Character(UnicodeScalar(region)))/\(node)/\(padding)\(digits)"
    }
}

/// An order for the rare case that two origins stamp a change of one key alike; any total order does.
extension Origin: Comparable {
    package static func < (left: Origin, right: Origin) -> Bool {
        (left.region, left.node, left.incarnation) < (right.region, right.node, right.incarnation)
    }
}
