import Links
import Primitives

/// The tables of a store while it is made from a snapshot.
final class SnapshotCopy {
    private let environment: Environment
    private let codeSpace: CodeSpace
    var merge: LogMerge
    private var sums = DigestSums()
    /// The source's latest.
    var vector: [IndexedOrigin]

    init(_ start: SnapshotStart, _ path: String) throws(LMDBError) {
        environment = try Environment(
            directory: path, mapSizeBytes: max(StoreLimits.copyMapBytes, Int(clamping: start.mapSizeBytes)),
            maximumTables: StoreLimits.tables, readOnly: false, syncs: false)
        // Any alias that some region's code could look like costs only a second look.
        codeSpace = CodeSecret.space(start.codeSecret, (0..<62).map { RegionCharacter(index: $0)! })
        vector = start.vector
        let transaction = try environment.beginWrite()
        try Catalogue.create(in: transaction, links: [])
        try transaction.commit()
        let reader = try environment.beginRead()
        guard let catalogue = try Catalogue(reader) else { throw .corrupted }
        try reader.endKeepingTables()
        // The log before the start stays behind.
        let rows = Dictionary(
            start.vector.map { ($0.index, $0.row.withLogCut()) }, uniquingKeysWith: { first, _ in first })
        merge = LogMerge(
            catalogue, OriginTable(rows, ownIndex: nil), codeSpace, hasShapedAliases: false, own: nil)
    }

    /// An origin that came later: its log is replayed whole. False if its life is known under another index.
    func add(_ origin: IndexedOrigin) -> Bool {
        guard merge.origins.index(of: origin.row.origin) == nil else { return false }
        let fresh = OriginRow(origin: origin.row.origin, chainStart: merge.chain.start(origin.row.origin))
        return merge.origins.add(fresh, at: origin.index) != nil
    }

    /// Rows that come once more, at or before `bound`, are skipped.
    func put(
        _ rows: [SnapshotRows.Row], in table: TableID, after bound: [UInt8], _ now: Instant,
        _ report: inout SnapshotReport
    ) throws(LMDBError) {
        let transaction = try environment.beginWrite()
        merge.claimsSince = ClaimRow.oldestStamp(now)
        var last = bound
        if case .links = table, merge.catalogue.handle(table) == nil { _ = try merge.catalogue.add(table, transaction) }
        for row in rows {
            guard isSound(row, in: table) else {
                noteDamaged(row, in: table, &report)
                continue
            }
            guard last.lexicographicallyPrecedes(row.key) else { continue }
            last = row.key
            try put(row, in: table, transaction, &report)
        }
        try sums.write(now, merge.catalogue, transaction)
        try transaction.commit()
    }

    private func isSound(_ row: SnapshotRows.Row, in table: TableID) -> Bool {
        row.key.withUnsafeBytes { key in row.value.withUnsafeBytes { Row.payload(table, key, $0) != nil } }
    }

    /// Rows go over as they are, with their checksums; what follows from them is made again.
    private func put(
        _ row: SnapshotRows.Row, in table: TableID, _ transaction: borrowing WriteTransaction,
        _ report: inout SnapshotReport
    ) throws(LMDBError) {
        switch table {
        case .links, .snowflakes, .aliases, .members, .keys, .blocks:
            guard let key = row.key.withUnsafeBytes({ RecordKey(table, $0) }),
                let record = try? TableRecord(key, decoding: row.value.span.bytes.extracting(4...)),
                let author = merge.origins.names[record.originIndex]
            else { return noteDamaged(row, in: table, &report) }
            try count(key, stamp: record.stamp, author, transaction, &report)
            if let owner = record.body.ownerRow(key, stamp: record.stamp, merge.owners) {
                try transaction.put(merge.catalogue.owners!, owner, Row.sealed(.owners, owner, []))
            }
            if let claim = record.body.claim(key, stamp: record.stamp, of: author) {
                try merge.note(claim, transaction)
            }
        case .meta:
            if row.key == MetaRow.logFormat {
                // Behind the checksum.
                var payload = row.value.span.bytes.extracting(4...)
                merge.logFormat = (try? payload.takeUInt16()) ?? merge.logFormat
            }
        case .origins, .digests, .claims, .batches, .owners, .registers, .totals, .days, .journal:
            preconditionFailure("the builder takes no such rows")
        }
        try transaction.putNew(merge.catalogue.handle(table)!, row.key, row.value, append: true)
    }

    private func count(
        _ key: RecordKey, stamp: UInt64, _ author: Origin, _ transaction: borrowing WriteTransaction,
        _ report: inout SnapshotReport
    ) throws(LMDBError) {
        let hash = Digest.hash(key.entryKey, stamp: stamp, origin: author)
        try sums.add(hash, to: key.bucket, merge.catalogue, transaction)
        report.recordCount += 1
    }

    private func noteDamaged(_ row: SnapshotRows.Row, in table: TableID, _ report: inout SnapshotReport) {
        report.noteDamaged(row.key, row.key.withUnsafeBytes { codeSpace.name(of: $0, in: table) }, in: table)
    }

    func apply(_ batch: LogBatch, _ now: Instant) throws(LMDBError) -> ApplyOutcome {
        let transaction = try environment.beginWrite()
        merge.claimsSince = ClaimRow.oldestStamp(now)
        let outcome = try merge.apply(batch, latestStamp: .max, &sums, transaction)
        try sums.write(now, merge.catalogue, transaction)
        try transaction.commit()
        return outcome
    }

    // MARK: Comparing

    /// Compares digests of the source with the copy's, which are of the same vector: the part's rows with the same rows
    /// here, and with none that the part does not have.
    func compare(
        _ part: SnapshotRows, after bound: [UInt8], _ report: inout SnapshotReport
    ) throws(LMDBError) {
        let transaction = try environment.beginRead()
        let cursor = try transaction.cursor(merge.catalogue.digests)
        var theirs: [[UInt8]: Digest] = [:]
        var unreadable: Set<[UInt8]> = []
        for row in part.rows {
            guard let digest = row.value.withUnsafeBytes({ Digest(row: row.key, $0) }) else {
                report.problems.append("a row of digests is damaged: \(row.key.map { hex(UInt64($0), 2) }.joined())")
                unreadable.insert(row.key)
                continue
            }
            theirs[row.key] = digest
        }
        var row = try cursor.seek(bound.isEmpty ? [0] : bound)
        while let (key, value) = row {
            let key = Array(key)
            if let end = part.next?.key, end.lexicographicallyPrecedes(key) { break }
            if bound.lexicographicallyPrecedes(key), !unreadable.contains(key), let ours = Digest(row: key, value) {
                report.note(key, ours, theirs.removeValue(forKey: key) ?? Digest())
            }
            row = try cursor.move(.next)
        }
        for (key, digest) in theirs where bound.lexicographicallyPrecedes(key) { report.note(key, Digest(), digest) }
    }

    // MARK: The end

    /// The version vector, with what else the source knows of each origin; then all of it on the disk.
    func complete() throws(LMDBError) {
        let transaction = try environment.beginWrite()
        for origin in vector {
            merge.origins.update(origin.index) { row in
                (row.firstCounter, row.ceiling) = (origin.row.firstCounter, max(row.ceiling, origin.row.ceiling))
                (row.seal, row.later, row.headStamp) = (origin.row.seal, origin.row.later, origin.row.headStamp)
                (row.wall, row.isHeadTold) = (origin.row.wall, origin.row.isHeadTold)
            }
        }
        try merge.origins.write(merge.catalogue.origins, transaction)
        try transaction.commit()
        try StoreFile.cover(environment.descriptor, usedBytes: environment.size.usedBytes)
        try environment.sync()
    }
}

extension OriginRow {
    /// As of a store that holds all that the log did, and no entry of it.
    fileprivate func withLogCut() -> OriginRow {
        var row = self
        (row.floor, row.floorChain) = (head, headChain)
        return row
    }
}

extension SnapshotReport {
    /// Where searches go astray, a row may come twice.
    fileprivate mutating func noteDamaged(_ key: [UInt8], _ name: String, in table: TableID) {
        guard omittedRows[table, default: []].insert(key).inserted else { return }
        if damaged.count < SnapshotReport.describedRows { damaged.append(name) }
    }

    private static let describedRows = 1000

    /// A bucket of the copy and the same one of the source.
    fileprivate mutating func note(_ rowKey: [UInt8], _ ours: Digest, _ theirs: Digest) {
        guard ours != theirs, let bucket = DigestBucket(rowKey: rowKey.span.bytes) else { return }
        let missing = Int(clamping: theirs.records) - Int(clamping: ours.records)
        if missing <= 0 || omittedRows[bucket.table] == nil {
            problems.append("\(bucket.table.name): the digest of bucket \(bucket.bucket) is not that of its records")
        } else {
            missingRecords[bucket.table, default: 0] += missing
        }
    }
}
