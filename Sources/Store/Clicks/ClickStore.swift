import Analytics
import CLinux
import Glibc
import Links
import Primitives

/// Why clicks were not written.
package enum ClickStoreError: Error, Equatable, CustomStringConvertible {
    /// What is there cannot be used: damaged, or another store's.
    case unusable(reason: String)
    /// The disk or the map is full. Nothing was written, and it may go on later.
    case full
    /// It is not known what was written; after it was opened anew, it is.
    case failed(reason: String)

    package var description: String {
        switch self {
        case .unusable(let reason): reason
        case .full: "no room on the disk or in the map"
        case .failed(let reason): reason
        }
    }
}

/// What was clicked, on the disk: an LMDB environment of its own beside the store, which may be lost without it.
///
///     tally ──append──▶ journal ──fold──▶ totals, days
///
/// `append` writes down what was counted since the last time, in one row or few, and syncs: that is what a click waits for until
/// it is durable. `fold` adds up a part of the journal into the rows of links, and removes it in the same transaction: so each
/// click is counted once, whatever is cut short.
///
/// One thread writes; `ClickStore.read` may be called by any.
package final class ClickStore {
    package let path: String
    /// Since when it counts.
    package let since: Instant
    /// Of the day when it was last written, or was made.
    package let networkKey: NetworkKey
    /// Rows whose checksum did not hold; they were left out.
    private var damagedRows: UInt64 = 0
    private var commits: UInt64 = 0
    /// The highest sequence of the journal, ever.
    package private(set) var sequence: UInt64
    /// How often a partition was folded.
    package private(set) var folds: UInt64
    let environment: Environment
    let tables: ClickTables
    private var writtenKey: NetworkKey

    // MARK: Opening

    /// Opens the environment in the directory `clicks` of the store's own, or makes one.
    package init(_ store: Store) throws(ClickStoreError) {
        path = Self.path(store)
        let now = store.settings.now()
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw .failed(reason: "\(path): \(systemReason())") }
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFDIR { throw .unusable(reason: "no directory") }
        try Self.checkFile(path + "/" + StoreFile.name)
        do throws(LMDBError) {
            environment = try Environment(
                directory: path, mapSizeBytes: ClickLimits.mapSizeBytes, maximumTables: 8, readOnly: false)
            tables = try ClickTables(environment, identity: store.clickIdentity, now: now)
            let meta = try ClickMeta(environment, tables, identity: store.clickIdentity)
            (since, networkKey, sequence, folds) = (meta.since, meta.networkKey, meta.sequence, meta.folds)
            writtenKey = meta.networkKey
        } catch {
            throw Self.opening(error, path)
        }
    }

    package static func path(_ store: Store) -> String { store.directory.path + "/clicks" }

    /// LMDB makes a new store of an empty file, and dies of one that is cut short.
    private static func checkFile(_ path: String) throws(ClickStoreError) {
        do throws(StoreError) { _ = try StoreFile.inspect(path) } catch {
            switch error {
            case .system(_, let reason): throw .failed(reason: "\(path): \(reason)")
            // What a first start left that was cut short at once.
            case .empty: if unlink(path) != 0 { throw .failed(reason: "\(path): \(systemReason())") }
            case .truncated(_, let needed, let actual):
                throw .unusable(reason: "cut short: \(actual) of \(needed) bytes")
            case .foreign(_, let reason), .damaged(_, let reason): throw .unusable(reason: reason)
            default: throw .unusable(reason: error.description)
            }
        }
    }

    private static func opening(_ error: LMDBError, _ path: String) -> ClickStoreError {
        if error.code == ENOSPC || error == .mapFull { return .full }
        if error.isDamage || error == .versionMismatch || error == .notFound {
            return .unusable(reason: error.description)
        }
        return .failed(reason: "\(path): \(error.description)")
    }

    /// Moves what cannot be used out of the way; where to.
    package static func setAside(_ store: Store) throws(ClickStoreError) -> String {
        let path = path(store)
        var place = 1
        while place < ClickLimits.setAside, access("\(path).aside-\(place)", F_OK) == 0 { place += 1 }
        let target = "\(path).aside-\(place)"
        if access(target, F_OK) == 0 {
            for file in [StoreFile.name, "lock.mdb"] { unlink(target + "/" + file) }
            if rmdir(target) != 0, unlink(target) != 0 { throw .failed(reason: "\(target): \(systemReason())") }
        }
        guard rename(path, target) == 0 else { throw .failed(reason: "\(path): \(systemReason())") }
        return target
    }

    // MARK: Writing

    /// Writes all that `tally` holds to the journal, and syncs.
    package func append(_ tally: ClickTally) throws(ClickStoreError) {
        guard tally.count > 0 else { return }
        try requireRoom(pages: 64 + tally.count / 16)
        do throws(LMDBError) {
            let transaction = try environment.beginWrite()
            let last = try writeJournal(tally, transaction)
            try commit(transaction, sequence: last, folds: folds)
        } catch {
            throw Self.failure(error)
        }
    }

    /// The sequence of the last row.
    private func writeJournal(
        _ tally: ClickTally, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> UInt64 {
        var rows = [[UInt8]](repeating: [], count: ClickLimits.partitions)
        var last = sequence
        for index in 0..<tally.count {
            let entry = tally.entry(at: index)
            let partition = ClickRows.partition(entry.code)
            ClickRows.append(entry, to: &rows[partition])
            guard rows[partition].count > ClickLimits.journalRowBytes else { continue }
            last += 1
            try putJournal(partition, last, rows[partition], transaction)
            rows[partition].removeAll(keepingCapacity: true)
        }
        for partition in rows.indices where !rows[partition].isEmpty {
            last += 1
            try putJournal(partition, last, rows[partition], transaction)
        }
        return last
    }

    private func putJournal(
        _ partition: Int, _ sequence: UInt64, _ payload: [UInt8], _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        let key = ClickRows.journalKey(partition, sequence)
        try transaction.put(tables.journal, key, Row.sealed(.journal, key, payload))
    }

    /// Adds what the journal holds of a partition to `tally`.
    package func pending(_ partition: Int, into tally: ClickTally) throws(ClickStoreError) {
        do throws(LMDBError) {
            let snapshot = try environment.beginRead()
            defer { withExtendedLifetime(snapshot) {} }
            let cursor = try snapshot.cursor(tables.journal)
            var row = try cursor.seek(ClickRows.journalKey(partition, 0))
            while let (key, value) = row, key.first == UInt8(partition) {
                let payload = Row.payload(.journal, key, value)
                if payload == nil || (try? ClickRows.take(payload!, into: tally)) == nil { damagedRows += 1 }
                row = try cursor.move(.next)
            }
        } catch {
            throw Self.failure(error)
        }
    }

    /// Adds a partition, of which `tally` holds all that is in the journal, to its links' rows, removes it from the journal,
    /// and removes some rows of days that are over long since. `links`: what the tally's codes name, in its order.
    package func fold(
        _ partition: Int, _ tally: ClickTally, links: [LinkKey], today: ClickDay, networkKey: NetworkKey
    ) throws(ClickStoreError) {
        precondition(links.count == tally.count)
        try requireRoom(pages: 256 + 8 * tally.count)
        // In the order of the table, so that a page is copied once.
        let changes = tally.indices.map { (key: ClickRows.key(links[$0]), entry: tally.entry(at: $0)) }
            .sorted { $0.key.lexicographicallyPrecedes($1.key) }
        do throws(LMDBError) {
            let transaction = try environment.beginWrite()
            for change in changes {
                try add(change.entry.counts, .totals, tables.totals, change.key, transaction)
            }
            for change in changes {
                let key = ClickRows.key(change.entry.day, change.key)
                try add(change.entry.counts, .days, tables.days, key, transaction)
            }
            try removeJournal(partition, transaction)
            try removeDays(before: today.earlier(by: ClickLimits.days - 1), transaction)
            if networkKey != writtenKey { try ClickMeta.write(networkKey, tables, transaction) }
            try commit(transaction, sequence: sequence, folds: folds + 1)
        } catch {
            throw Self.failure(error)
        }
        writtenKey = networkKey
    }

    private func add(
        _ counts: ClickCounts, _ id: TableID, _ table: TableHandle, _ key: [UInt8],
        _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        var sum = counts
        if let value = try transaction.get(table, key) {
            if let old = ClickCounts(id, key, value) { sum += old } else { damagedRows += 1 }
        }
        var payload: [UInt8] = []
        sum.encode(into: &payload)
        try transaction.put(table, key, Row.sealed(id, key, payload))
    }

    private func removeJournal(_ partition: Int, _ transaction: borrowing WriteTransaction) throws(LMDBError) {
        while true {
            let cursor = try transaction.cursor(tables.journal)
            guard let row = try cursor.seek(ClickRows.journalKey(partition, 0)), row.key.first == UInt8(partition)
            else {
                return
            }
            try transaction.delete(tables.journal, [UInt8](row.key))
        }
    }

    private func removeDays(before day: ClickDay, _ transaction: borrowing WriteTransaction) throws(LMDBError) {
        for _ in 0..<ClickLimits.expiriesPerFold {
            let cursor = try transaction.cursor(tables.days)
            guard let row = try cursor.move(.first) else { return }
            var key = row.key.bytes
            // A key that is none is in nobody's way, but before all others: it goes too.
            if let number = try? key.takeUInt32(), number >= day.number { return }
            try transaction.delete(tables.days, [UInt8](row.key))
        }
    }

    /// Ends a transaction with the progress that it makes.
    private func commit(
        _ transaction: consuming WriteTransaction, sequence: UInt64, folds: UInt64
    ) throws(LMDBError) {
        try ClickMeta.write((sequence, folds), tables, transaction)
        try transaction.commit()
        (self.sequence, self.folds) = (sequence, folds)
        commits += 1
        try StoreFile.cover(environment.descriptor, usedBytes: environment.size.usedBytes)
    }

    private static func failure(_ error: LMDBError) -> ClickStoreError {
        if error == .mapFull { return .full }
        if error.isDamage { return .unusable(reason: error.description) }
        return .failed(reason: error.description)
    }

    /// Clicks never take the disk's last place.
    private func requireRoom(pages: Int) throws(ClickStoreError) {
        var status = statvfs()
        guard fstatvfs(environment.descriptor, &status) == 0 else { throw .failed(reason: systemReason()) }
        let free = Int(status.f_bavail) * Int(status.f_frsize)
        guard free >= ClickLimits.freeDiskBytes + pages * environment.size.pageSizeBytes else { throw .full }
    }

    package var usedBytes: Int { environment.size.usedBytes }

    /// Transactions that were made durable, and damaged rows that were met, since the last time.
    package func takeFigures() -> (commits: UInt64, damagedRows: UInt64) {
        defer { (commits, damagedRows) = (0, 0) }
        return (commits, damagedRows)
    }

    /// The part of the journal that a code belongs to, for ever.
    package static func partition(_ code: UnsafeRawBufferPointer) -> Int { ClickRows.partition(code) }
}

extension ClickTally {
    fileprivate var indices: Range<Int> { 0..<count }
}

extension ClickCounts {
    /// A row of `totals` or `days`; nil if it is damaged.
    init?(_ id: TableID, _ key: [UInt8], _ value: UnsafeRawBufferPointer) {
        guard let payload = key.withUnsafeBytes({ Row.payload(id, $0, value) }) else { return nil }
        var bytes = payload.bytes
        guard let counts = try? ClickCounts(decoding: &bytes), bytes.byteCount == 0 else { return nil }
        self = counts
    }
}
