import Links
import Primitives

/// What the scrub came upon; the writer looks at it again, in its own transaction.
enum ScrubFinding: Sendable {
    /// A row that fails its checksum, or whose author is not known. Nil: nor is its key.
    case damagedRecord(RecordKey?)
    /// The tree of the table's pages.
    case damagedTable
    /// The row `seen` of a bucket whose records sum up to `counted`; nil: damaged or missing, and not counted.
    case digest(DigestBucket, seen: Digest?, counted: Digest?)
    /// A damaged row of no bucket.
    case strayDigest(rowKey: [UInt8])
    /// A row of `claims` or `batches` that may go if it is from before.
    case outdated(TableID, rowKey: [UInt8], before: Instant)
    /// A record in the form that it is to have.
    case reducible(PeerRecord)
}

/// Walks all records and digests of a store, some rows at a time: checks checksums, sums buckets up anew, looks for links
/// that expired long ago, and for claims and batches whose time is over. It decides and changes nothing.
///
///     links of each node ─▶ snowflakes, aliases, members, keys, blocks ─▶ claims, batches ─▶ digests ─▶ the next round
///
/// A bucket may take many steps, each of a later snapshot. Its row is read before its first record and after its last: if
/// that has not changed, none of its records has, because every change of a record changes the sum.
struct Scrub {
    private struct Count {
        var seen: Digest?
        var counted = Digest()
        var isCertain = true
    }

    /// Nil between rounds.
    private var place: SnapshotPosition?
    private(set) var rowCount = 0
    /// Buckets that are being counted: all of a table whose keys are spread, else one.
    private var counts: [DigestBucket: Count] = [:]
    /// A damaged key may lie about where its row belongs: what stands beside it is not judged in this round.
    private var isBesideDamage = false

    var isBetweenRounds: Bool { place == nil }

    /// Goes on in one table, by about `rows` rows. `names`: of all origins that the snapshot's records can have.
    mutating func step(
        _ tables: Catalogue, _ names: [UInt16: Origin], reducingBefore: Instant, sweepingBefore: Instant, rows: Int,
        _ transaction: ReadTransaction
    ) -> [ScrubFinding] {
        let order = (tables.recordTables + [.claims, .batches, .digests]).sorted {
            $0.snapshotRank < $1.snapshotRank
        }
        if place == nil { rowCount = 0 }
        let position = place ?? SnapshotPosition(order[0])
        var pass = Pass(
            tables: tables, names: names, reducingBefore: reducingBefore, sweepingBefore: sweepingBefore,
            transaction: transaction)
        do throws(LMDBError) {
            if let next = try walk(position, rows, &pass) {
                place = SnapshotPosition(position.table, next)
                return pass.found
            }
        } catch {
            pass.found.append(.damagedTable)
        }
        (counts, isBesideDamage) = ([:], false)
        place = order.first { $0.snapshotRank > position.table.snapshotRank }.map { SnapshotPosition($0) }
        return pass.found
    }

    /// One snapshot's.
    private struct Pass {
        let tables: Catalogue
        let names: [UInt16: Origin]
        let reducingBefore, sweepingBefore: Instant
        let transaction: ReadTransaction
        var found: [ScrubFinding] = []
    }

    /// The key to go on behind; nil at the table's end.
    private mutating func walk(_ position: SnapshotPosition, _ rows: Int, _ pass: inout Pass) throws(LMDBError)
        -> [UInt8]?
    {
        let table = position.table
        guard let handle = pass.tables.handle(table) else { return nil }
        if position.key.isEmpty, table.spreadsKeys {
            for (bucket, digest) in try digests(of: table, pass) { counts[bucket] = Count(seen: digest) }
        }
        let cursor = try pass.transaction.cursor(handle)
        var row = try position.key.isEmpty ? cursor.move(.first) : cursor.seek(position.key)
        if let found = row, found.key.elementsEqual(position.key) { row = try cursor.move(.next) }
        var (last, seenRows, sizeBytes) = (position.key, 0, 0)
        while let (key, value) = row {
            if seenRows >= rows || sizeBytes >= StoreLimits.partBytes
                || pass.found.count >= StoreLimits.scrubFindings
            {
                // Where all were damaged, on behind them: the key says where as well as any.
                return last == position.key ? Array(key) : last
            }
            let isSound =
                switch table {
                case .digests: look(atDigest: key, value, &pass)
                case .claims, .batches: try look(atTemporary: key, value, table, &pass)
                default: try look(at: key, value, table, &pass)
                }
            if isSound { last = Array(key) }
            (seenRows, rowCount, sizeBytes) = (seenRows + 1, rowCount + 1, sizeBytes + key.count + value.count)
            row = try cursor.move(.next)
        }
        try judge(table, &pass)
        return nil
    }

    // MARK: Rows

    /// False if it is damaged.
    private mutating func look(
        at keyBytes: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ table: TableID, _ pass: inout Pass
    ) throws(LMDBError) -> Bool {
        let key = RecordKey(table, keyBytes)
        guard let key, let payload = Row.payload(table, keyBytes, value),
            let record = try? TableRecord(key, decoding: payload.bytes), let author = pass.names[record.originIndex]
        else {
            pass.found.append(.damagedRecord(key))
            for bucket in counts.keys { counts[bucket]!.isCertain = false }
            isBesideDamage = true
            return false
        }
        let bucket = key.bucket
        if counts[bucket] == nil {
            if !table.spreadsKeys { try judge(table, &pass) }
            counts[bucket] = Count(
                seen: table.spreadsKeys ? nil : try digest(of: bucket, pass), isCertain: !isBesideDamage)
            if !table.spreadsKeys { isBesideDamage = false }
        }
        counts[bucket]!.counted.add(Digest.hash(key.entryKey, stamp: record.stamp, origin: author))
        if case .link(let body) = record.body, body.isReducible(before: pass.reducingBefore, stamp: record.stamp) {
            var reduced = PeerRecord(key, record, of: author)
            reduced.value = []
            body.reduced.encode(into: &reduced.value)
            pass.found.append(.reducible(reduced))
        }
        return true
    }

    private func look(
        atDigest key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ pass: inout Pass
    ) -> Bool {
        if Digest(row: Array(key), value) != nil { return true }
        if let bucket = DigestBucket(rowKey: key.bytes) {
            pass.found.append(.digest(bucket, seen: nil, counted: nil))
        } else {
            pass.found.append(.strayDigest(rowKey: Array(key)))
        }
        return false
    }

    private func look(
        atTemporary key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ table: TableID, _ pass: inout Pass
    ) throws(LMDBError) -> Bool {
        let before = pass.sweepingBefore
        let head = table == .batches ? try pass.transaction.get(pass.tables.batches!, Sweep.headKey(key)) : nil
        let isOver = Sweep.takes(table, key, value, before: before, head: head)
        if isOver { pass.found.append(.outdated(table, rowKey: Array(key), before: before)) }
        return Row.payload(table, key, value) != nil
    }

    // MARK: Buckets

    /// Compares what was counted.
    private mutating func judge(_ table: TableID, _ pass: inout Pass) throws(LMDBError) {
        let stored = try table.spreadsKeys ? digests(of: table, pass) : [:]
        var differing: [(bucket: DigestBucket, seen: Digest?, counted: Digest)] = []
        for (bucket, count) in counts where count.isCertain {
            let digest = try table.spreadsKeys ? stored[bucket] : digest(of: bucket, pass)
            if digest == count.seen, digest != count.counted { differing.append((bucket, digest, count.counted)) }
        }
        // What is beyond the limit waits for the next round.
        for (bucket, seen, counted) in differing.sorted(by: { $0.bucket.bucket < $1.bucket.bucket })
            .prefix(StoreLimits.scrubFindings)
        {
            pass.found.append(.digest(bucket, seen: seen, counted: counted))
        }
        counts.removeAll(keepingCapacity: true)
    }

    /// Nil if it is missing or damaged.
    private func digest(of bucket: DigestBucket, _ pass: Pass) throws(LMDBError) -> Digest? {
        try pass.transaction.get(pass.tables.digests, bucket.rowKey).flatMap { Digest(row: bucket.rowKey, $0) }
    }

    /// Of all buckets of a table whose keys are spread, at most 65 536.
    private func digests(of table: TableID, _ pass: Pass) throws(LMDBError) -> [DigestBucket: Digest] {
        var digests: [DigestBucket: Digest] = [:]
        let cursor = try pass.transaction.cursor(pass.tables.digests)
        var row = try cursor.seek([table.bytes.0, table.bytes.1])
        while let (key, value) = row, key.starts(with: [table.bytes.0, table.bytes.1]) {
            if let bucket = DigestBucket(rowKey: key.bytes) { digests[bucket] = Digest(row: Array(key), value) }
            row = try cursor.move(.next)
        }
        return digests
    }
}

extension TableID {
    /// Whether neighbours among the keys belong to different buckets.
    fileprivate var spreadsKeys: Bool { DigestBucket(table: self, bucket: 0).rowKeys == nil }
}

/// What scrubbing came to, since the start.
package struct ScrubFigures: Equatable, Sendable {
    package var rounds: UInt64 = 0
    /// A record that stays damaged is counted in each round.
    package var damagedRecords: UInt64 = 0
    /// Digests that were not those of their records, and were set right.
    package var correctedDigests: UInt64 = 0
    /// Records that were cut down.
    package var reducedRecords: UInt64 = 0
    /// Rows of claims and batches that were removed.
    package var sweptRows: UInt64 = 0

    package init() {}
}
