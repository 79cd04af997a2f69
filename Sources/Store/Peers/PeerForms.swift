import Links
import Primitives
import Replication

/// How the store's terms and the protocol's stand for each other.
extension Chain {
    /// - Precondition: 16 bytes.
    init(_ bytes: [UInt8]) {
        precondition(bytes.count == OriginRow.chainSizeBytes)
        self.init(rawValue: bytes.reduce(0) { $0 << 8 | UInt128($1) })
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: rawValue)
        return bytes
    }
}

extension OriginState {
    init(_ row: OriginRow) {
        self.init(origin: row.origin)
        (head, stamp, chain) = (row.head, Stamp(rawValue: row.headStamp), Chain(row.headChain))
        (floor, ceiling, seal) = (row.floor, row.ceiling, row.seal)
        if head == 0, row.headStamp == 0 { stamp = Stamp(milliseconds: row.wall, counter: 0) }
    }
}

extension OwnHead {
    init(_ row: OriginRow) {
        self.init(
            head: row.head, stamp: Stamp(rawValue: row.headStamp), chain: Chain(row.headChain), ceiling: row.ceiling)
    }
}

extension LogBatch {
    /// Malformed if a length goes beyond the batch.
    init(_ batch: Batch) throws(MalformedBytes) {
        self.init(
            origin: batch.origin, first: batch.first, entries: [], chain: batch.chainAfter?.bytes ?? [], ceiling: 0)
        reference = batch.reference
        var rest = batch.bytes.span.bytes
        entries.reserveCapacity(batch.count)
        while rest.byteCount > 0 { entries.append(try rest.takeLengthPrefixed()) }
    }
}

extension Entries {
    /// `before`: the chain before the first entry.
    init(_ batch: LogBatch, after before: [UInt8]) {
        var bytes: [UInt8] = []
        for entry in batch.entries { bytes.append(lengthPrefixed: entry) }
        self.init(
            origin: batch.origin, first: batch.first, chainBefore: Chain(before), chainAfter: Chain(batch.chain),
            count: batch.entries.count, bytes: bytes)
    }
}

extension Member {
    init(_ id: NodeID, _ body: MemberBody) {
        self.init(
            id: id, addresses: body.addresses, isWitness: body.isWitness, logFormat: body.logFormat,
            isRetired: body.isRetired)
    }

    /// `unknown`: what a later program wrote of it, which is kept.
    func body(keeping unknown: [UnknownField]) -> MemberBody {
        var body = MemberBody()
        (body.isRetired, body.addresses, body.isWitness) = (isRetired, addresses, isWitness)
        (body.logFormat, body.unknown) = (logFormat, unknown)
        return body
    }
}

/// A record on its way between stores, where indexes of origins mean nothing.
///
///     kind    1               of its log entries
///     key     varint, bytes   as in log entries
///     stamp   8
///     origin  10              who wrote it
///     body    varint, bytes   as it stands in the store; empty: damaged where it comes from
struct PeerRecord: Equatable {
    var key: RecordKey
    var stamp: UInt64
    var origin: Origin
    var value: [UInt8]

    func encode(into bytes: inout [UInt8]) {
        bytes.append(key.kind)
        bytes.append(lengthPrefixed: key.entryKey)
        bytes.append(bigEndian: stamp)
        origin.encode(into: &bytes)
        bytes.append(lengthPrefixed: value)
    }

    init(_ key: RecordKey, _ record: TableRecord, of origin: Origin) {
        (self.key, stamp, self.origin, value) = (key, record.stamp, origin, record.value)
    }

    /// A record that is damaged in the store of the life `giver`.
    init(damaged key: RecordKey, at giver: Origin) {
        (self.key, stamp, origin, value) = (key, 0, giver, [])
    }

    var isDamaged: Bool { value.isEmpty }

    init(_ key: RecordKey, _ value: [UInt8], stamp: Stamp, of origin: Origin) {
        (self.key, self.stamp, self.origin, self.value) = (key, stamp.rawValue, origin, value)
    }

    /// Malformed is what no store has: also more than a log entry holds.
    init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        let kind = try bytes.takeByte()
        let keyBytes = try bytes.takeLengthPrefixed()
        guard let key = try RecordKey(kind: kind, keyBytes.span.bytes) else { throw MalformedBytes() }
        self.key = key
        stamp = try bytes.takeUInt64()
        origin = try Origin(decoding: &bytes)
        value = try bytes.takeLengthPrefixed()
        guard origin.node < 16, origin.incarnation != 0, RegionCharacter(origin.region) != nil,
            Stamp(rawValue: stamp).isCredible,
            LogEntry.headSizeBytes + keyBytes.count + value.count <= LogEntry.maximumSizeBytes
        else { throw MalformedBytes() }
        // Of a damaged one no body tells who created it, and so whether there can be such a table.
        if case .link(.generated(let region, _, _)) = key, RegionCharacter(region) == nil { throw MalformedBytes() }
    }

    static func decodeAll(_ bytes: [UInt8]) throws(MalformedBytes) -> [PeerRecord] {
        var (rest, records): (RawSpan, [PeerRecord]) = (bytes.span.bytes, [])
        while rest.byteCount > 0 { records.append(try PeerRecord(decoding: &rest)) }
        return records
    }

    var digest: UInt128 { Digest.hash(key.entryKey, stamp: stamp, origin: origin) }
}

extension RecordKey {
    /// The key of a RECORD-REQUEST: a link's as in log entries; another's behind a byte that no link's begins with.
    var requestKey: [UInt8] { if case .link = self { entryKey } else { [0x80 | kind] + entryKey } }

    init?(requestKey: [UInt8]) {
        let key: RecordKey?
        if let first = requestKey.first, first & 0x80 != 0 {
            let bytes = Array(requestKey[1...])
            key = try? RecordKey(kind: first & 0x7f, bytes.span.bytes)
        } else {
            key = try? RecordKey(kind: LogEntry.Kind.link, requestKey.span.bytes)
        }
        guard let key else { return nil }
        self = key
    }
}
