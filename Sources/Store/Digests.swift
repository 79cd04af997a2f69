import Links
import Primitives
import Replication

/// Sums by which two nodes find out whether they hold the same: for each bucket of keys the sum mod 2^128 of a hash of
/// every record's key and stamp.
///
/// A bucket is 4096 neighbouring numbers of a table of generated links (so that a batch of new links touches one or
/// two), about a second of snowflakes, or a 65 536th of a table's other keys.
///
/// Row: key table id (2) and bucket (6); payload sum (16), records (8), milliseconds of the last change (6).
struct DigestBucket: Hashable {
    var table: TableID
    var bucket: UInt64

    init(table: TableID, bucket: UInt64) { (self.table, self.bucket) = (table, bucket) }

    init(_ key: LinkKey) {
        table = key.table
        switch key {
        case .generated(_, _, let number): bucket = number >> 12
        case .snowflake(let number): bucket = number >> 33
        case .alias(let name): bucket = Self.spread(name)
        }
    }

    init(_ key: KeyID) { (table, bucket) = (.keys, Self.spread(key.bytes)) }

    init(_ key: ModerationKey) { (table, bucket) = (.blocks, Self.spread(key.bytes)) }

    init(_ member: NodeID) { (table, bucket) = (.members, Self.spread([member.region, member.node])) }

    private static func spread(_ key: [UInt8]) -> UInt64 { SipHash.hash24(key.span.bytes, key0: 0, key1: 0) >> 48 }

    init?(rowKey: RawSpan) {
        var bytes = rowKey
        guard bytes.byteCount == 8, let first = try? bytes.takeByte(), let second = try? bytes.takeByte(),
            let bucket = try? bytes.takeUInt48()
        else { return nil }
        switch (first, second) {
        case (0, 1): table = .snowflakes
        case (0, 2): table = .aliases
        case (0, 6): table = .members
        case (0, 7): table = .keys
        case (0, 8): table = .blocks
        case (0x30..., 0..<16): table = .links(region: first, node: second)
        default: return nil
        }
        self.bucket = bucket
    }

    var rowKey: [UInt8] {
        var key = [table.bytes.0, table.bytes.1]
        key.append(bigEndian48: bucket)
        return key
    }
}

struct Digest: Equatable {
    var sum: UInt128 = 0
    var records: UInt64 = 0
    /// Milliseconds of the last change, of one that was read; no part of what is compared.
    private(set) var changedAt = Instant(milliseconds: 0)

    static func == (left: Digest, right: Digest) -> Bool { (left.sum, left.records) == (right.sum, right.records) }

    /// Unkeyed: it finds bugs and lost records, not forgers, whom the transport keeps out.
    ///
    /// `key`: as in a log entry.
    static func hash(_ key: [UInt8], stamp: UInt64, origin: Origin) -> UInt128 {
        var bytes = key
        bytes.append(bigEndian: stamp)
        origin.encode(into: &bytes)
        return SipHash.hash24x128(bytes.span.bytes, key0: 0, key1: 0)
    }

    mutating func add(_ hash: UInt128) {
        sum &+= hash
        records += 1
    }

    /// `replaced`: the hash of the record that stood under the key before; nil: none did.
    mutating func add(_ hash: UInt128, replacing replaced: UInt128?) {
        guard let replaced else { return add(hash) }
        sum &+= hash &- replaced
    }

    func payload(changedAt: Instant) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: sum)
        bytes.append(bigEndian: records)
        bytes.append(bigEndian48: UInt64(changedAt.milliseconds) & 0xffff_ffff_ffff)
        return bytes
    }

    init() {}

    init(decoding payload: RawSpan) throws(MalformedBytes) {
        var bytes = payload
        sum = UInt128(try bytes.takeUInt64()) << 64 | UInt128(try bytes.takeUInt64())
        records = try bytes.takeUInt64()
        changedAt = Instant(milliseconds: Int64(try bytes.takeUInt48()))
    }
}
