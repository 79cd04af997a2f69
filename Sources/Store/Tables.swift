import Links
import Primitives

/// The tables of the environment. A table's two-byte id goes into the checksum of its rows, so that a row that turns
/// up in another table is recognised.
enum TableID: Hashable {
    case links(region: UInt8, node: UInt8)
    case snowflakes, aliases, origins, meta, digests, members, keys, blocks, claims, batches, owners, registers
    /// Of the environment of clicks, which has a table `meta` too.
    case totals, days, journal

    /// Region characters are above 0x2f, so the other tables' first byte is free.
    var bytes: (UInt8, UInt8) {
        switch self {
        case .links(let region, let node): (region, node)
        case .snowflakes: (0, 1)
        case .aliases: (0, 2)
        case .origins: (0, 3)
        case .meta: (0, 4)
        case .digests: (0, 5)
        case .members: (0, 6)
        case .keys: (0, 7)
        case .blocks: (0, 8)
        case .claims: (0, 9)
        case .batches: (0, 10)
        case .owners: (0, 11)
        case .registers: (0, 12)
        case .totals: (0, 13)
        case .days: (0, 14)
        case .journal: (0, 15)
        }
    }

    var name: String {
        switch self {
        case .links(let region, let node): "links/\(Character(UnicodeScalar(region)))\(String(node, radix: 16))"
        case .snowflakes: "snowflakes"
        case .aliases: "aliases"
        case .origins: "origins"
        case .meta: "meta"
        case .digests: "digests"
        case .members: "members"
        case .keys: "keys"
        case .blocks: "blocks"
        case .claims: "claims"
        case .batches: "batches"
        case .owners: "owners"
        case .registers: "registers"
        case .totals: "totals"
        case .days: "days"
        case .journal: "journal"
        }
    }

    /// Of a table that travels, or whose rows are checked by their id.
    init?(_ first: UInt8, _ second: UInt8) {
        if RegionCharacter(first) != nil, second < 16 {
            self = .links(region: first, node: second)
        } else if let table = Self.travelling.first(where: { $0.bytes == (first, second) }) {
            self = table
        } else {
            return nil
        }
    }

    private static let travelling: [TableID] = [
        .snowflakes, .aliases, .origins, .meta, .digests, .members, .keys, .blocks, .owners, .registers,
    ]

    /// The log's rows carry the checksum of the entry in them, and are no rows of this kind.
    static let logName = "log"
}

/// A row's value: CRC32C over table, key and payload, then the payload.
enum Row {
    static func sealed(_ table: TableID, _ key: [UInt8], _ payload: [UInt8]) -> [UInt8] {
        sealed(table, key, payloadBytes: payload.count) { $0 += payload }
    }

    /// `append` adds the payload, which has about `payloadBytes`.
    static func sealed(
        _ table: TableID, _ key: [UInt8], payloadBytes: Int, _ append: (inout [UInt8]) -> Void
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(4 + payloadBytes)
        bytes.append(bigEndian: UInt32(0))  // Becomes the checksum.
        append(&bytes)
        bytes.replace(at: 0, bigEndian: checksum(table, key.span.bytes, bytes.span.bytes.extracting(4...)))
        return bytes
    }

    /// The payload; nil if the checksum does not hold.
    static func payload(
        _ table: TableID, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer? {
        guard value.count >= 4 else { return nil }
        let payload = UnsafeRawBufferPointer(rebasing: value[4...])
        let stored = UInt32(bigEndian: value.loadUnaligned(as: UInt32.self))
        return checksum(table, key.bytes, payload.bytes) == stored ? payload : nil
    }

    private static func checksum(_ table: TableID, _ key: RawSpan, _ payload: RawSpan) -> UInt32 {
        var crc = CRC32C()
        crc.append(table.bytes.0)
        crc.append(table.bytes.1)
        crc.append(key)
        crc.append(payload)
        return crc.value
    }
}

extension LinkKey {
    var table: TableID {
        switch self {
        case .generated(let region, let node, _): .links(region: region, node: node)
        case .snowflake: .snowflakes
        case .alias: .aliases
        }
    }

    /// The key of the link's row in its table.
    var rowKey: [UInt8] {
        var bytes: [UInt8] = []
        switch self {
        case .generated(_, _, let number): bytes.append(bigEndian48: number)
        case .snowflake(let number): bytes.append(bigEndian: number)
        case .alias(let name): bytes = name
        }
        return bytes
    }

    init?(table: TableID, rowKey: UnsafeRawBufferPointer) {
        var bytes = rowKey.bytes
        switch table {
        case .links(let region, let node):
            guard bytes.byteCount == 6, let number = try? bytes.takeUInt48() else { return nil }
            self = .generated(region: region, node: node, number: number)
        case .snowflakes:
            guard bytes.byteCount == 8, let number = try? bytes.takeUInt64() else { return nil }
            self = .snowflake(number: number)
        case .aliases:
            guard !rowKey.isEmpty else { return nil }
            self = .alias([UInt8](rowKey))
        case .origins, .meta, .digests, .members, .keys, .blocks, .claims, .batches, .owners, .registers, .totals,
            .days, .journal:
            return nil
        }
    }
}
