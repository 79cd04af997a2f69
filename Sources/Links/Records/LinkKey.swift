import Primitives

/// What a link is stored under.
package enum LinkKey: Hashable, Sendable {
    /// A generated code's number; its low four bits are the node. Stored in the table of its region and node.
    case generated(region: UInt8, node: UInt8, number: UInt64)
    /// A number handed out while the ordinary range could not be used.
    case snowflake(number: UInt64)
    /// A chosen name, or an imported code.
    case alias([UInt8])

    /// Which of the three, without the rest.
    package enum Kind: Sendable { case generated, snowflake, alias }

    private enum Tag {
        static let generated: UInt8 = 1
        static let snowflake: UInt8 = 2
        static let alias: UInt8 = 3
    }

    /// What the encoded key of an alias begins with.
    package static let aliasHead = Tag.alias

    /// The longest encoded key: an alias of 255 bytes.
    package static let maximumSizeBytes = 256

    /// That of a generated code.
    package init(_ decoded: DecodedCode) {
        switch decoded {
        case .generated(let region, let node, let number):
            self = .generated(region: region.byte, node: node, number: number)
        case .snowflake(_, _, let number): self = .snowflake(number: number)
        }
    }

    /// The form used in log entries and digests, the same on every node.
    ///
    ///     generated   01  region  node  number (6 bytes, big-endian)
    ///     snowflake   02  number (8 bytes, big-endian)
    ///     alias       03  the string's bytes
    package func encode(into bytes: inout [UInt8]) {
        switch self {
        case .generated(let region, let node, let number):
            bytes += [Tag.generated, region, node]
            bytes.append(bigEndian48: number)
        case .snowflake(let number):
            bytes.append(Tag.snowflake)
            bytes.append(bigEndian: number)
        case .alias(let name):
            bytes.append(Tag.alias)
            bytes += name
        }
    }

    /// Takes the whole of `bytes`.
    package init(decoding bytes: RawSpan) throws(MalformedBytes) {
        var bytes = bytes
        switch try bytes.takeByte() {
        case Tag.generated:
            let (region, node) = (try bytes.takeByte(), try bytes.takeByte())
            self = .generated(region: region, node: node, number: try bytes.takeUInt48())
            guard bytes.byteCount == 0, node < 16 else { throw MalformedBytes() }
        case Tag.snowflake:
            self = .snowflake(number: try bytes.takeUInt64())
            guard bytes.byteCount == 0 else { throw MalformedBytes() }
        case Tag.alias:
            guard (1..<Self.maximumSizeBytes).contains(bytes.byteCount) else { throw MalformedBytes() }
            self = .alias(try bytes.takeBytes(bytes.byteCount))
        default:
            throw MalformedBytes()
        }
    }
}
