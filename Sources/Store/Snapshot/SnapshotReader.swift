import Links
import Primitives

/// Reading a running store whole, part by part, each in a short transaction of its own, so that no page is kept from
/// being used again. The store keeps nothing of it: whoever asks says where it stands.
///
/// The parts are of different moments. What makes them one state is the log: see `SnapshotBuilder`.
extension Store {
    /// The version vector that replaying the log has to begin at.
    package func snapshotStart() throws(StoreError) -> SnapshotStart {
        try reading { (view, transaction) throws(LMDBError) in
            var recordCount = 0
            for table in view.catalogue.recordTables {
                recordCount += try transaction.entryCount(view.catalogue.handle(table)!)
            }
            let format = try meta(MetaRow.format, view, transaction)
            let size = view.environment.size
            return SnapshotStart(
                format: format.reduce(0) { $0 << 8 | UInt64($1) },
                codeSecret: try meta(MetaRow.codeSecret, view, transaction),
                mapSizeBytes: UInt64(size.mapSizeBytes), recordCount: UInt64(recordCount),
                usedBytes: UInt64(size.usedBytes), vector: try vector(view, transaction))
        }
    }

    /// The rows behind `position`, or the first ones of all: about `limitBytes` of one table.
    package func snapshotRows(
        after position: SnapshotPosition?, limitBytes: Int = StoreLimits.partBytes
    ) throws(StoreError) -> SnapshotRows {
        try reading { (view, transaction) throws(LMDBError) in
            let vector = try vector(view, transaction)
            let tables = view.catalogue.recordTables + [.meta, .digests]
            let (table, rows, next) = try rows(tables, after: position, limitBytes, view, transaction)
            return SnapshotRows(vector: vector, table: table, rows: rows, next: next)
        }
    }

    /// About `limitBytes` of one of `tables`, in the order in which they travel; rows that are damaged have no value.
    func rows(
        _ tables: [TableID], after position: SnapshotPosition?, _ limitBytes: Int, _ view: StoreView,
        _ transaction: ReadTransaction
    ) throws(LMDBError) -> (table: TableID, rows: [SnapshotRows.Row], next: SnapshotPosition?) {
        let order = tables.sorted { $0.snapshotRank < $1.snapshotRank }
        let position = position ?? SnapshotPosition(order[0])
        var rows: [SnapshotRows.Row] = []
        // A table that is not here has no rows.
        if let handle = view.catalogue.handle(position.table),
            let last = try read(position, limitBytes, transaction.cursor(handle), into: &rows)
        {
            return (position.table, rows, SnapshotPosition(position.table, last))
        }
        let next = order.first { $0.snapshotRank > position.table.snapshotRank }
        return (position.table, rows, next.map { SnapshotPosition($0) })
    }

    /// The key to go on behind; nil at the table's end. That is a sound row's, because a damaged key stands elsewhere
    /// than where a search for it leads.
    private func read(
        _ position: SnapshotPosition, _ limitBytes: Int, _ cursor: borrowing Cursor,
        into rows: inout [SnapshotRows.Row]
    ) throws(LMDBError) -> [UInt8]? {
        var row = try position.key.isEmpty ? cursor.move(.first) : start(at: position.key, cursor)
        var (sizeBytes, last) = (0, position.key)
        while let (key, value) = row {
            if sizeBytes >= limitBytes, last != position.key, rows.last!.key == last { return last }
            row = try cursor.move(.next)
            let isSound = Row.payload(position.table, key, value) != nil && value.count <= StoreLimits.rowBytes
            // A damaged length may be any: what is not sound only has to be named.
            let kept = SnapshotRows.Row(
                key: Array(key.prefix(ModerationKey.maximumSizeBytes)), value: isSound ? Array(value) : [])
            if isSound {
                guard last.lexicographicallyPrecedes(kept.key) else { continue }
                last = kept.key
            }
            rows.append(kept)
            sizeBytes += kept.key.count + kept.value.count + PeerRecord.headSizeBytes
        }
        return nil
    }

    /// The row of `key`, or some before where it is not, because a damaged neighbour may have led the search astray.
    func start(at key: [UInt8], _ cursor: borrowing Cursor) throws(LMDBError) -> Cursor.Pair? {
        var row = try cursor.seek(key)
        if let found = row, found.key.elementsEqual(key) { return found }
        for _ in 0..<StoreLimits.damageScanRows {
            guard let before = try row == nil ? cursor.move(.last) : cursor.move(.previous) else {
                return try cursor.move(.first)
            }
            row = before
        }
        return row
    }

    func vector(
        _ view: StoreView, _ transaction: ReadTransaction
    ) throws(LMDBError) -> [IndexedOrigin] {
        let cursor = try transaction.cursor(view.catalogue.origins)
        var vector: [IndexedOrigin] = []
        var row = try cursor.move(.first)
        while let (key, value) = row {
            var keyBytes = key.bytes
            guard let payload = Row.payload(.origins, key, value), let index = try? keyBytes.takeUInt16(),
                let origin = try? OriginRow(decoding: payload.bytes)
            else { throw .corrupted }
            vector.append(IndexedOrigin(index: index, row: origin))
            guard vector.count <= StoreLimits.origins else { throw .corrupted }
            row = try cursor.move(.next)
        }
        return vector
    }

    private func meta(
        _ key: [UInt8], _ view: StoreView, _ transaction: ReadTransaction
    ) throws(LMDBError) -> [UInt8] {
        guard let value = try transaction.get(view.catalogue.meta, key),
            let payload = key.withUnsafeBytes({ Row.payload(.meta, $0, value) })
        else { throw .corrupted }
        return Array(payload)
    }
}

extension TableID {
    /// Ascending in the order of a snapshot: digests last, because they are what a copy is compared with. The version vector
    /// comes with each part, the log on its own, and owners follow from the records.
    var snapshotRank: Int {
        switch self {
        case .links(let region, let node): Int(region) << 8 | Int(node)
        case .digests: .max
        case .snowflakes, .aliases, .origins, .meta, .members, .keys, .blocks, .claims, .batches, .owners, .registers,
            .totals, .days, .journal:
            1 << 16 | Int(bytes.1)
        }
    }
}
