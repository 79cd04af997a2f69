import Links
import Primitives

@testable import Replication

/// A store in memory, small enough to be obviously right: what it holds is a value, and the disk is a copy of it.
struct Image {
    struct Record: Equatable {
        var isDeleted: Bool
        var stamp: UInt64
        var origin: Origin
        var sequence: UInt64
        var kind: UInt8
        var value: [UInt8]

        /// The greatest wins.
        static func < (left: Record, right: Record) -> Bool {
            let (l, r) = (left.isDeleted ? 1 : 0, right.isDeleted ? 1 : 0)
            return (l, left.stamp, left.origin, left.sequence) < (r, right.stamp, right.origin, right.sequence)
        }
    }

    struct Row {
        var state: OriginState
        /// Entry and the chain behind it, by sequence.
        var log: [UInt64: (entry: [UInt8], chain: Chain)] = [:]
        var floorChain = Chain(rawValue: 0)
    }

    var own: Origin
    var rows: [Origin: Row] = [:]
    /// By kind and key.
    var records: [[UInt8]: Record] = [:]
    /// When each bucket changed last, in ticks.
    var changed: [UInt64: Int64] = [:]
    var isFresh = true

    init(own: Origin) {
        self.own = own
        rows[own] = Row(state: OriginState(origin: own))
    }

    static func chain(_ before: Chain, _ entry: [UInt8], _ origin: Origin) -> Chain {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: before.rawValue)
        origin.encode(into: &bytes)
        bytes += entry
        return Chain(rawValue: SipHash.hash24x128(bytes.span.bytes, key0: 1, key1: 2))
    }

    var states: [OriginState] { rows.values.map(\.state).sorted { $0.origin < $1.origin } }
    func head(_ origin: Origin) -> UInt64 { rows[origin]?.state.head ?? 0 }

    var members: [Member] {
        records.filter { $0.value.kind == 2 }.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { key, record in
            let id = NodeID(region: key[1], node: key[2])
            return Member(
                id: id, addresses: [World.address(id)], logFormat: UInt16(record.value[1]),
                isRetired: record.value[0] == 1)
        }
    }

    var holdings: Holdings { Holdings(own: own, rows: states, members: members, isFresh: isFresh) }

    mutating func merge(_ key: [UInt8], _ record: Record, ticks: Int64) -> Bool {
        if let present = records[key], !(present < record) { return false }
        records[key] = record
        changed[Self.bucket(key)] = ticks
        return true
    }

    /// One entry behind the head of its origin's log.
    mutating func append(_ bytes: [UInt8], _ origin: Origin, ticks: Int64) {
        let entry = try! LogEntry(decoding: bytes.span.bytes)
        var row = rows[origin] ?? Row(state: OriginState(origin: origin))
        precondition(entry.sequence == row.state.head + 1)
        row.state.chain = Self.chain(row.state.chain, bytes, origin)
        row.state.head = entry.sequence
        row.state.seal = max(row.state.seal, entry.sequence)
        row.state.stamp = Stamp(rawValue: entry.stamp)
        row.log[entry.sequence] = (bytes, row.state.chain)
        rows[origin] = row
        let record = Record(
            isDeleted: entry.kind == 1 && entry.value[0] == 1, stamp: entry.stamp, origin: origin,
            sequence: entry.sequence, kind: entry.kind, value: entry.value)
        _ = merge([entry.kind] + entry.key, record, ticks: ticks)
    }

    /// A local change; its stamp is above all that this store has seen.
    mutating func write(kind: UInt8 = 1, _ key: [UInt8], _ value: [UInt8], wall: Int64, ticks: Int64) -> Record {
        let seen = rows.values.map(\.state.stamp.rawValue).max() ?? 0
        write(kind: kind, key, value, stamp: max(UInt64(wall) << 16, seen + 1), ticks: ticks)
        return records[[kind] + key]!
    }

    mutating func write(kind: UInt8, _ key: [UInt8], _ value: [UInt8], stamp: UInt64, ticks: Int64) {
        var bytes: [UInt8] = []
        LogEntry(kind: kind, sequence: head(own) + 1, stamp: stamp, key: key, value: value).encode(into: &bytes)
        append(bytes, own, ticks: ticks)
    }

    /// Under a new incarnation what is beyond `vector` is logged again, oldest first.
    mutating func logAgain(_ old: Image, beyond vector: [OriginState], ticks: Int64) {
        let heads = Dictionary(uniqueKeysWithValues: vector.map { ($0.origin, $0.head) })
        let rest = old.records.filter { $0.value.sequence > heads[$0.value.origin] ?? 0 }
        for (key, record) in rest.sorted(by: { ($0.value.stamp, $0.key[1]) < ($1.value.stamp, $1.key[1]) }) {
            write(kind: record.kind, Array(key.dropFirst()), record.value, stamp: record.stamp, ticks: ticks)
        }
    }

    // MARK: The machine's reads

    mutating func apply(_ batch: Batch, ticks: Int64) -> Applied {
        var (outcome, rest, copy) = (Applied.Outcome.done, batch.bytes.span.bytes, self)
        if head(batch.origin) + 1 != batch.first {
            outcome = .gap
        } else {
            while rest.byteCount > 0 {
                let bytes = try! rest.takeLengthPrefixed()
                guard let entry = try? LogEntry(decoding: bytes.span.bytes), entry.kind <= 2 else {
                    outcome = .unknownKind(sequence: copy.head(batch.origin) + 1)
                    break
                }
                copy.append(bytes, batch.origin, ticks: ticks)
            }
            if outcome == .done, let after = batch.chainAfter, copy.rows[batch.origin]!.state.chain != after {
                outcome = .chainMismatch
            } else {
                self = copy
            }
        }
        let state = rows[batch.origin]?.state ?? OriginState(origin: batch.origin)
        return Applied(
            origin: batch.origin, head: state.head, stamp: state.stamp, chain: state.chain, outcome: outcome)
    }

    func read(_ read: LogRead) -> LogReadResult {
        guard let row = rows[read.origin], read.from > row.state.floor else {
            return .belowFloor(rows[read.origin]?.state.floor ?? 0)
        }
        var (bytes, count): ([UInt8], Int) = ([], 0)
        // A few at a time, so that streams are cut.
        for sequence in read.from...min(read.through, read.from + 4) {
            bytes.append(lengthPrefixed: row.log[sequence]!.entry)
            count += 1
        }
        let before = read.from == row.state.floor + 1 ? row.floorChain : row.log[read.from - 1]!.chain
        return .entries(
            Entries(
                origin: read.origin, first: read.from, chainBefore: before,
                chainAfter: row.log[read.from + UInt64(count) - 1]!.chain, count: count, bytes: bytes))
    }

    mutating func truncate(_ origin: Origin, through floor: UInt64) {
        guard var row = rows[origin], floor > row.state.floor else { return }
        row.floorChain = row.log[floor]!.chain
        for sequence in row.state.floor + 1...floor { row.log[sequence] = nil }
        row.state.floor = floor
        rows[origin] = row
    }

    // MARK: Digests and snapshots

    static func bucket(_ key: [UInt8]) -> UInt64 { 2 << 48 | UInt64(key.last! % 4) << 8 | UInt64(key[0]) }

    static func digest(_ key: [UInt8], _ record: Record) -> UInt128 {
        var bytes = key
        bytes.append(bigEndian: record.stamp)
        record.origin.encode(into: &bytes)
        return SipHash.hash24x128(bytes.span.bytes, key0: 0, key1: 0)
    }

    func digests(_ node: DigestNode, ticks: Int64) -> Digests {
        var children: [UInt8: Digests.Child] = [:]
        for (key, record) in records {
            let bucket = Self.bucket(key)
            let shift = UInt64(56 - 8 * Int(node.level))
            guard node.level == 0 || bucket >> (shift + 8) == node.prefix >> (shift + 8) else { continue }
            let byte = UInt8(truncatingIfNeeded: bucket >> shift)
            var child = children[byte] ?? Digests.Child(byte: byte, isQuiet: true, sum: 0)
            child.sum &+= Self.digest(key, record)
            if ticks - (changed[bucket] ?? .min / 2) < 60_000 { child.isQuiet = false }
            children[byte] = child
        }
        return Digests(node: node, children: children.values.sorted { $0.byte < $1.byte })
    }

    static func encode(_ list: some Sequence<(key: [UInt8], value: Record)>) -> [UInt8] {
        var bytes: [UInt8] = []
        for (key, record) in list {
            bytes.append(lengthPrefixed: key)
            bytes += [record.isDeleted ? 1 : 0]
            bytes.append(bigEndian: record.stamp)
            record.origin.encode(into: &bytes)
            bytes.append(bigEndian: record.sequence)
            bytes.append(lengthPrefixed: record.value)
        }
        return bytes
    }

    static func decode(_ bytes: [UInt8]) -> [(key: [UInt8], value: Record)] {
        var (rest, list): (RawSpan, [(key: [UInt8], value: Record)]) = (bytes.span.bytes, [])
        while rest.byteCount > 0 {
            let key = try! rest.takeLengthPrefixed()
            let record = Record(
                isDeleted: try! rest.takeByte() == 1, stamp: try! rest.takeUInt64(),
                origin: try! Origin(decoding: &rest),
                sequence: try! rest.takeUInt64(), kind: key[0], value: try! rest.takeLengthPrefixed())
            list.append((key, record))
        }
        return list
    }

    /// Records in order of their keys, behind one.
    func records(after key: [UInt8], atMost count: Int) -> [(key: [UInt8], value: Record)] {
        let sorted = records.filter { key.lexicographicallyPrecedes($0.key) }
            .sorted { $0.key.lexicographicallyPrecedes($1.key) }
        return Array(sorted.prefix(count))
    }
}
