import Analytics
import Links
import Primitives

/// The handles of the tables of clicks.
struct ClickTables: Sendable {
    let meta, totals, days, journal: TableHandle

    /// Opens them. In an environment without any table they are made; where one is missing, it is another's.
    init(_ environment: Environment, identity: [UInt8], now: Instant) throws(LMDBError) {
        let transaction = try environment.beginRead()
        if try transaction.entryCount(.main) == 0 {
            transaction.reset()
            try Self.create(environment, identity, now)
        }
        let snapshot = try environment.beginRead()
        meta = try snapshot.openTable(TableID.meta.name)
        totals = try snapshot.openTable(TableID.totals.name)
        days = try snapshot.openTable(TableID.days.name)
        journal = try snapshot.openTable(TableID.journal.name)
        try snapshot.endKeepingTables()
    }

    private static func create(_ environment: Environment, _ identity: [UInt8], _ now: Instant) throws(LMDBError) {
        let transaction = try environment.beginWrite()
        for table in [TableID.totals, .days, .journal] { _ = try transaction.openTable(table.name) }
        let meta = try transaction.openTable(TableID.meta.name)
        let key = NetworkKey(day: ClickDay(now), key0: .random(in: 0 ... .max), key1: .random(in: 0 ... .max))
        var (format, progress, network, who): ([UInt8], [UInt8], [UInt8], [UInt8]) = ([], [], [], identity)
        format.append(bigEndian: ClickRows.currentFormat)
        for _ in 0..<2 { progress.append(bigEndian: UInt64(0)) }
        key.encode(into: &network)
        who.append(bigEndian: now.milliseconds)
        for (name, payload) in [
            (ClickRows.format, format), (ClickRows.identity, who), (ClickRows.progress, progress),
            (ClickRows.networkKey, network),
        ] { try transaction.put(meta, name, Row.sealed(.meta, name, payload)) }
        try transaction.commit()
    }
}

/// What the rows of `meta` say.
struct ClickMeta {
    let since: Instant
    let networkKey: NetworkKey
    let sequence: UInt64
    let folds: UInt64

    /// Throws where a row is missing, damaged, or of another store.
    init(_ environment: Environment, _ tables: ClickTables, identity: [UInt8]) throws(LMDBError) {
        let snapshot = try environment.beginRead()
        do {
            var format = try Self.payload(ClickRows.format, snapshot, tables).bytes
            guard try format.takeUInt64() == ClickRows.currentFormat else { throw LMDBError.versionMismatch }
            var who = try Self.payload(ClickRows.identity, snapshot, tables).bytes
            guard try who.takeBytes(identity.count) == identity else { throw LMDBError.notFound }
            since = Instant(milliseconds: Int64(bitPattern: try who.takeUInt64()))
            var progress = try Self.payload(ClickRows.progress, snapshot, tables).bytes
            (sequence, folds) = (try progress.takeUInt64(), try progress.takeUInt64())
            var key = try Self.payload(ClickRows.networkKey, snapshot, tables).bytes
            networkKey = try NetworkKey(decoding: &key)
        } catch {
            throw error as? LMDBError ?? .corrupted
        }
    }

    private static func payload(
        _ name: [UInt8], _ snapshot: ReadTransaction, _ tables: ClickTables
    ) throws(LMDBError) -> UnsafeRawBufferPointer {
        guard let value = try snapshot.get(tables.meta, name),
            let payload = name.withUnsafeBytes({ Row.payload(.meta, $0, value) })
        else { throw .corrupted }
        return payload
    }

    static func write(
        _ progress: (sequence: UInt64, folds: UInt64), _ tables: ClickTables, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        var payload: [UInt8] = []
        payload.append(bigEndian: progress.sequence)
        payload.append(bigEndian: progress.folds)
        try transaction.put(tables.meta, ClickRows.progress, Row.sealed(.meta, ClickRows.progress, payload))
    }

    static func write(
        _ key: NetworkKey, _ tables: ClickTables, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        var payload: [UInt8] = []
        key.encode(into: &payload)
        try transaction.put(tables.meta, ClickRows.networkKey, Row.sealed(.meta, ClickRows.networkKey, payload))
    }

    /// How often a partition was folded as of this snapshot.
    static func folds(_ snapshot: ReadTransaction, _ tables: ClickTables) throws(LMDBError) -> UInt64 {
        var progress = try payload(ClickRows.progress, snapshot, tables).bytes
        guard (try? progress.takeUInt64()) != nil, let folds = try? progress.takeUInt64() else { throw .corrupted }
        return folds
    }
}
