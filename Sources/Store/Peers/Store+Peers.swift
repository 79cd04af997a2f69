import Links
import Primitives
import Replication

/// What the replicator reads of a store: each answer in one short transaction.
extension Store {
    package typealias EffectCompletion = @Sendable (Result<[Event], WriteError>) -> Void

    /// Makes what the effect asks for durable, and then calls `completion` on the writer's thread, which must not be
    /// kept, with what the replicator is to be told.
    func carryOut(_ effect: Effect, completion: @escaping EffectCompletion) {
        if !queue.pushPastCapacity(.effect(effect, completion)) { completion(.failure(.stopping)) }
    }

    /// Puts the store that `install` has made in the place of this one, and then calls `completion` on the writer's
    /// thread with what is there now; nil: nothing has changed.
    func replace(
        by install: SnapshotInstall, _ offer: SnapshotOffer, _ end: SnapshotEnd,
        completion: @escaping @Sendable (Holdings?) -> Void
    ) {
        let replacement = StoreReplacement(install: install, offer: offer, end: end, completion: completion)
        if !queue.pushPastCapacity(.replace(replacement)) {
            install.abandon()
            completion(nil)
        }
    }

    /// What is durable here, for a replicator to begin with. Members that cannot be read are told of as damaged records.
    package func holdings() throws(StoreError) -> Holdings {
        var damaged: [RecordKey] = []
        let holdings = try reading { (view, transaction) throws(LMDBError) in
            Holdings(
                origin, try vector(view, transaction).map(\.row),
                members: try Self.members(transaction.cursor(view.catalogue.members!)) { key in
                    if let key { damaged.append(key) }
                },
                isFresh: try transaction.get(view.catalogue.meta, MetaRow.joining) != nil)
        }
        tellDamage(damaged)
        return holdings
    }

    /// Where an origin's log stands, for one whose batch was not applied.
    func unapplied(_ origin: Origin) -> Applied {
        let state = vectorRows.withLock { $0 }.all.first { $0.row.origin == origin }.map { OriginState($0.row) }
        let here = state ?? OriginState(origin: origin)
        return Applied(
            origin: origin, head: here.head, stamp: here.stamp, chain: here.chain, outcome: .failed)
    }

    // MARK: Digests

    /// The sums below a node of the tree; a bucket's key is the path to it. Nil if they cannot be read.
    package func digests(_ node: DigestNode) -> Digests? {
        let now = settings.now()
        return try? reading { (view, transaction) throws(LMDBError) in
            var (children, prefix): ([Digests.Child], [UInt8]) = ([], [])
            prefix.append(bigEndian: node.prefix)
            let common = prefix.prefix(Int(node.level))
            let cursor = try transaction.cursor(view.catalogue.digests)
            var row = try cursor.seek(prefix)
            while let (key, value) = row, key.count == prefix.count, key.prefix(common.count).elementsEqual(common) {
                guard let digest = Digest(row: Array(key), value) else { throw .corrupted }
                let byte = key[common.count]
                if children.last?.byte != byte { children.append(Digests.Child(byte: byte, isQuiet: true, sum: 0)) }
                children[children.count - 1].sum &+= digest.sum
                if abs(now.millisecondsSince(digest.changedAt)) < StoreLimits.quietMilliseconds {
                    children[children.count - 1].isQuiet = false
                }
                row = try cursor.move(.next)
            }
            return Digests(node: node, children: children)
        }
    }

    /// Records of one bucket in order of their keys, about `WireLimits.recordsBytes` at most. One that is damaged is
    /// left out.
    func records(_ request: BucketRequest) -> Records {
        var key: [UInt8] = []
        key.append(bigEndian: request.bucket)
        guard let bucket = DigestBucket(rowKey: key.span.bytes) else { return Records(next: [], bytes: []) }
        let records = try? reading { (view, transaction) throws(LMDBError) in
            guard let handle = view.catalogue.handle(bucket.table) else { return Records(next: [], bytes: []) }
            return try read(bucket, after: request.after, view, transaction.cursor(handle))
        }
        return records ?? Records(next: [], bytes: [])
    }

    private func read(
        _ bucket: DigestBucket, after: [UInt8], _ view: StoreView, _ cursor: borrowing Cursor
    ) throws(LMDBError) -> Records {
        var records = Records(next: [], bytes: [])
        let start = bucket.rowKeys?.first ?? []
        let place = after.isEmpty ? start : after
        var row = try place.isEmpty ? cursor.move(.first) : self.start(at: place, cursor)
        var scanned = 0
        while let (key, value) = row {
            scanned += 1
            // A damaged key may be any, and stands elsewhere than where a search for it leads.
            if after.lexicographicallyPrecedes(key), let record = record(view, bucket.table, key, value) {
                if let last = bucket.rowKeys?.last, last.lexicographicallyPrecedes(key) { break }
                if record.key.bucket == bucket { record.encode(into: &records.bytes) }
                if scanned >= StoreLimits.bucketScanRows || records.bytes.count > Self.recordsLimitBytes {
                    records.next = Array(key)
                    break
                }
            }
            row = try cursor.move(.next)
        }
        return records
    }

    /// One more record still fits into a frame.
    private static let recordsLimitBytes = WireLimits.recordsBytes - LogEntry.maximumSizeBytes - 512

    /// One record; empty if it is not here, or damaged here too.
    func record(_ request: RecordRequest) -> Records {
        var records = Records(next: [], bytes: [])
        guard let key = RecordKey(requestKey: request.key) else { return records }
        let found = try? reading { (view, transaction) throws(LMDBError) -> PeerRecord? in
            guard let handle = view.catalogue.handle(key.table),
                case .sound(let payload) = try transaction.cursor(handle).search(key.table, key.rowKey)
            else { return nil }
            return record(view, key, payload)
        }
        found?.encode(into: &records.bytes)
        return records
    }

    /// Nil if it is damaged.
    private func record(
        _ view: StoreView, _ table: TableID, _ rowKey: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) -> PeerRecord? {
        guard let key = RecordKey(table, rowKey), let payload = Row.payload(table, rowKey, value) else { return nil }
        return record(view, key, payload)
    }

    private func record(_ view: StoreView, _ key: RecordKey, _ payload: UnsafeRawBufferPointer) -> PeerRecord? {
        guard let record = try? TableRecord(key, decoding: payload.bytes), let author = view.names[record.originIndex]
        else { return nil }
        return PeerRecord(key, record, of: author)
    }

    // MARK: Snapshots for peers

    /// Adds records behind `position` to `chunk`, about as many as one is to have; where to go on, nil at the end of all. What is
    /// damaged here is named as that: who took the log's word that it has a record would else deny that it ever was.
    func snapshotRecords(
        after position: SnapshotPosition?, into chunk: inout [PeerRecord]
    ) throws(StoreError) -> SnapshotPosition? {
        try reading { (view, transaction) throws(LMDBError) in
            let (table, rows, next) = try rows(
                view.catalogue.recordTables, after: position, settings.chunkBytes, view, transaction)
            var sizeBytes = 0
            for row in rows {
                let given = row.key.withUnsafeBytes { key in
                    row.value.withUnsafeBytes { record(view, table, key, $0) }
                        ?? RecordKey(table, key).map { PeerRecord(damaged: $0, at: origin) }
                }
                guard let given else { continue }
                sizeBytes += given.value.count + row.key.count + PeerRecord.headSizeBytes
                chunk.append(given)
            }
            // A chunk ends behind a sound record, and none came for so long.
            guard sizeBytes <= WireLimits.chunkBytes else { throw .corrupted }
            return next
        }
    }
}

extension PeerRecord {
    /// Of an encoded record without its key and body, at most.
    static let headSizeBytes = 1 + 2 + 8 + Origin.sizeBytes + 3
}

extension DigestBucket {
    /// The first and last key of a bucket of numbers; nil where keys are spread.
    var rowKeys: (first: [UInt8], last: [UInt8])? {
        func keys(_ shift: UInt64, _ encode: (UInt64) -> [UInt8]) -> (first: [UInt8], last: [UInt8]) {
            (encode(bucket << shift), encode((bucket + 1) << shift &- 1))
        }
        switch table {
        case .links(let region, let node):
            return keys(12) { LinkKey.generated(region: region, node: node, number: $0 & 0xffff_ffff_ffff).rowKey }
        case .snowflakes: return keys(33) { LinkKey.snowflake(number: $0).rowKey }
        case .aliases, .members, .keys, .blocks, .origins, .meta, .digests, .claims, .batches, .owners, .registers,
            .totals, .days, .journal:
            return nil
        }
    }
}
