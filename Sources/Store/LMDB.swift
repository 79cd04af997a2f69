import CLMDB
import Glibc

/// What LMDB answered; negative codes are its own, positive ones the system's `errno`.
package struct LMDBError: Error, Equatable, CustomStringConvertible {
    package let code: Int32

    package var description: String { String(cString: mdb_strerror(code)) }

    /// A disk without room, for `StoreSettings.beforeCommit`.
    package static let diskFull = LMDBError(code: ENOSPC)
    static let notFound = LMDBError(code: MDB_NOTFOUND)
    static let mapFull = LMDBError(code: MDB_MAP_FULL)
    static let transactionFull = LMDBError(code: MDB_TXN_FULL)
    static let versionMismatch = LMDBError(code: MDB_VERSION_MISMATCH)
    static let corrupted = LMDBError(code: MDB_CORRUPTED)

    /// LMDB met a page that no page of a sound tree can be.
    var isDamage: Bool { [MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_INVALID, MDB_BAD_TXN, MDB_BAD_VALSIZE].contains(code) }

    /// LMDB's own errors come before a commit writes its first byte, except the one that tells of an earlier failure.
    var isBeforeWriting: Bool { code < 0 && code != MDB_PANIC }

    static func check(_ code: Int32) throws(LMDBError) {
        if code != MDB_SUCCESS { throw LMDBError(code: code) }
    }
}

/// The handle of one table, valid in every transaction begun after the one that opened it has committed.
struct TableHandle: Equatable, Sendable {
    let raw: MDB_dbi

    /// LMDB's own: the pages that are free, and the names of the tables.
    static let free = TableHandle(raw: 0)
    static let main = TableHandle(raw: 1)
}

/// One memory-mapped file.
///
/// Safety: LMDB allows an environment to be used from many threads; transactions belong to one thread at a time, which
/// their owners see to.
final class Environment: @unchecked Sendable {
    private let raw: OpaquePointer
    fileprivate let pageSizeBytes: Int

    struct Size: Equatable {
        /// Pages up to the highest ever used, and a page's size.
        var pages, pageSizeBytes, mapSizeBytes: Int
        var usedBytes: Int { pages * pageSizeBytes }
    }

    /// `syncs`: false for a file that means nothing before `sync` was called.
    init(
        directory: String, mapSizeBytes: Int, maximumTables: Int, readOnly: Bool, syncs: Bool = true
    ) throws(LMDBError) {
        var environment: OpaquePointer?
        try LMDBError.check(mdb_env_create(&environment))
        // Once `raw` is set, `deinit` closes it, even if this throws.
        let created = environment!
        do throws(LMDBError) {
            // Who only reads takes the map's size from the file, so that a store that grows meanwhile stays readable.
            if !readOnly { try LMDBError.check(mdb_env_set_mapsize(created, mapSizeBytes)) }
            try LMDBError.check(mdb_env_set_maxdbs(created, MDB_dbi(maximumTables)))
            try LMDBError.check(mdb_env_set_maxreaders(created, 510))
            let flags =
                UInt32(MDB_NOTLS) | (readOnly ? UInt32(MDB_RDONLY) : 0) | (syncs ? 0 : UInt32(MDB_NOSYNC))
            try LMDBError.check(mdb_env_open(created, directory, flags, 0o600))
        } catch {
            mdb_env_close(created)
            throw error
        }
        var statistics = MDB_stat()
        mdb_env_stat(created, &statistics)
        (raw, pageSizeBytes) = (created, Int(statistics.ms_psize))
    }

    deinit { mdb_env_close(raw) }

    var descriptor: Int32 {
        var descriptor: Int32 = -1
        mdb_env_get_fd(raw, &descriptor)
        return descriptor
    }

    var size: Size {
        var info = MDB_envinfo()
        mdb_env_info(raw, &info)
        return Size(pages: info.me_last_pgno + 1, pageSizeBytes: pageSizeBytes, mapSizeBytes: info.me_mapsize)
    }

    /// Whether a page that is read brings its neighbours along, which is a waste where memory does not hold all of them.
    /// As `MDB_NORDAHEAD`, which can be said only at the opening.
    func setReadAhead(_ isOn: Bool) throws(LMDBError) {
        let transaction = try beginRead()
        guard let row = try transaction.cursor(.main).move(.first) else { throw .corrupted }
        // LMDB does not tell where its map is. The row's page begins with its number, and page 0 with LMDB's mark.
        let page = UnsafeRawPointer(
            bitPattern: UInt(bitPattern: row.key.baseAddress) & ~UInt(bitPattern: pageSizeBytes - 1))
        guard let page else { throw .corrupted }
        let map = UnsafeMutableRawPointer(mutating: page) - page.load(as: Int.self) * pageSizeBytes
        guard map.load(fromByteOffset: 16, as: UInt32.self) == 0xBEEF_C0DE else { throw .corrupted }
        let advice = isOn ? MADV_NORMAL : MADV_RANDOM
        if madvise(map, size.mapSizeBytes, advice) != 0 { throw LMDBError(code: errno) }
    }

    /// All that was committed is on the disk.
    func sync() throws(LMDBError) { try LMDBError.check(mdb_env_sync(raw, 1)) }

    /// Frees the slots of readers whose process died; their snapshots would keep pages from being used again.
    func clearStaleReaders() {
        var dead: Int32 = 0
        mdb_reader_check(raw, &dead)
    }

    func beginRead() throws(LMDBError) -> ReadTransaction {
        var transaction: OpaquePointer?
        try LMDBError.check(mdb_txn_begin(raw, nil, UInt32(MDB_RDONLY), &transaction))
        return ReadTransaction(raw: transaction!, environment: self)
    }

    func beginWrite() throws(LMDBError) -> WriteTransaction {
        var transaction: OpaquePointer?
        try LMDBError.check(mdb_txn_begin(raw, nil, 0, &transaction))
        return WriteTransaction(raw: transaction!)
    }
}

/// A snapshot, used by one thread at a time; `reset` lets go of it, `renew` takes the newest.
final class ReadTransaction {
    fileprivate let raw: OpaquePointer
    private let environment: Environment  // Outlives its transactions.
    private var isEnded = false

    fileprivate init(raw: OpaquePointer, environment: Environment) {
        self.raw = raw
        self.environment = environment
    }

    deinit { if !isEnded { mdb_txn_abort(raw) } }

    /// Ends the snapshot such that the tables opened in it stay open.
    func endKeepingTables() throws(LMDBError) {
        isEnded = true
        try LMDBError.check(mdb_txn_commit(raw))
    }

    /// Of the last commit that the snapshot shows.
    var id: UInt64 { UInt64(mdb_txn_id(raw)) }

    func reset() { mdb_txn_reset(raw) }
    func renew() throws(LMDBError) { try LMDBError.check(mdb_txn_renew(raw)) }

    func openTable(_ name: String) throws(LMDBError) -> TableHandle {
        var handle: MDB_dbi = 0
        try LMDBError.check(mdb_dbi_open(raw, name, 0, &handle))
        var flags: UInt32 = 0
        try LMDBError.check(mdb_dbi_flags(raw, handle, &flags))
        // Every table is a plain one; a flipped flag would change the order of its keys.
        guard flags == 0 else { throw .corrupted }
        return TableHandle(raw: handle)
    }

    /// The value's bytes, good until the transaction is reset; nil if there is no such key.
    func get(_ table: TableHandle, _ key: UnsafeRawBufferPointer) throws(LMDBError) -> UnsafeRawBufferPointer? {
        var value = MDB_val()
        return try found(lmdbGet(raw, table, key, &value), value, environment.pageSizeBytes)
    }

    func get(_ table: TableHandle, _ key: [UInt8]) throws(LMDBError) -> UnsafeRawBufferPointer? {
        var value = MDB_val()
        return try found(key.withUnsafeBytes { lmdbGet(raw, table, $0, &value) }, value, environment.pageSizeBytes)
    }

    func cursor(_ table: TableHandle) throws(LMDBError) -> Cursor {
        try Cursor(raw, table, pageSizeBytes: environment.pageSizeBytes)
    }

    func entryCount(_ table: TableHandle) throws(LMDBError) -> Int { try size(table).rows }

    func size(_ table: TableHandle) throws(LMDBError) -> (rows: Int, pages: Int) {
        var statistics = MDB_stat()
        try LMDBError.check(mdb_stat(raw, table.raw, &statistics))
        let pages = statistics.ms_branch_pages + statistics.ms_leaf_pages + statistics.ms_overflow_pages
        return (statistics.ms_entries, pages)
    }

    /// Pages that were used once and are free now. Walks their list, which LMDB shows to readers only.
    func freePageCount() throws(LMDBError) -> Int {
        let cursor = try cursor(.free)
        var count = 0
        var row = try cursor.move(.first)
        while let (_, value) = row {
            guard value.count >= 8 else { throw .corrupted }
            count += value.loadUnaligned(as: Int.self)  // The first word of a list of pages is its length.
            row = try cursor.move(.next)
        }
        return count
    }
}

/// The one transaction that may write; given up unless committed.
struct WriteTransaction: ~Copyable {
    private let raw: OpaquePointer

    fileprivate init(raw: OpaquePointer) { self.raw = raw }

    deinit { mdb_txn_abort(raw) }

    /// What snapshots have that show its commit, and later ones exceed; also that of the next transaction, if this one
    /// is given up.
    var id: UInt64 { UInt64(mdb_txn_id(raw)) }

    /// Writes and syncs; afterwards every reader that begins sees it.
    consuming func commit() throws(LMDBError) {
        let code = mdb_txn_commit(raw)
        discard self
        try LMDBError.check(code)
    }

    func openTable(_ name: String, create: Bool = true) throws(LMDBError) -> TableHandle {
        var handle: MDB_dbi = 0
        try LMDBError.check(mdb_dbi_open(raw, name, create ? UInt32(MDB_CREATE) : 0, &handle))
        return TableHandle(raw: handle)
    }

    func get(_ table: TableHandle, _ key: [UInt8]) throws(LMDBError) -> UnsafeRawBufferPointer? {
        let raw = raw
        var value = MDB_val()
        return try found(key.withUnsafeBytes { bytes in lmdbGet(raw, table, bytes, &value) }, value, nil)
    }

    func put(_ table: TableHandle, _ key: [UInt8], _ value: [UInt8]) throws(LMDBError) {
        try LMDBError.check(put(table, key, value, flags: 0))
    }

    /// A row whose key is in no row yet; else the table is damaged, and nothing is overwritten.
    ///
    /// `append`: the key sorts behind every other of the table, so that pages are filled to the brim. Where a damaged
    /// last key belies that, the row goes where the order has it.
    func putNew(_ table: TableHandle, _ key: [UInt8], _ value: [UInt8], append: Bool) throws(LMDBError) {
        var code = append ? put(table, key, value, flags: MDB_APPEND) : MDB_KEYEXIST
        if code == MDB_KEYEXIST { code = put(table, key, value, flags: MDB_NOOVERWRITE) }
        if code == MDB_KEYEXIST { throw .corrupted }
        try LMDBError.check(code)
    }

    private func put(_ table: TableHandle, _ key: [UInt8], _ value: [UInt8], flags: Int32) -> Int32 {
        let raw = raw
        return key.withUnsafeBytes { key in
            value.withUnsafeBytes { value in
                var keyValue = MDB_val(key)
                var valueValue = MDB_val(value)
                return mdb_put(raw, table.raw, &keyValue, &valueValue, UInt32(flags))
            }
        }
    }

    func delete(_ table: TableHandle, _ key: [UInt8]) throws(LMDBError) {
        let raw = raw
        try LMDBError.check(
            key.withUnsafeBytes { key in
                var keyValue = MDB_val(key)
                return mdb_del(raw, table.raw, &keyValue, nil)
            })
    }

    /// No row stays, whether or not it can be found.
    func empty(_ table: TableHandle) throws(LMDBError) { try LMDBError.check(mdb_drop(raw, table.raw, 0)) }

    func cursor(_ table: TableHandle) throws(LMDBError) -> Cursor { try Cursor(raw, table, pageSizeBytes: nil) }
}

/// Walks a table in key order.
struct Cursor: ~Copyable {
    enum Move { case first, last, next, previous }
    typealias Pair = (key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)

    private let raw: OpaquePointer
    /// Nil in a write transaction.
    private let pageSizeBytes: Int?

    fileprivate init(
        _ transaction: OpaquePointer, _ table: TableHandle, pageSizeBytes: Int?
    ) throws(LMDBError) {
        var cursor: OpaquePointer?
        try LMDBError.check(mdb_cursor_open(transaction, table.raw, &cursor))
        (raw, self.pageSizeBytes) = (cursor!, pageSizeBytes)
    }

    deinit { mdb_cursor_close(raw) }

    /// Nil beyond the last row.
    func move(_ move: Move) throws(LMDBError) -> Pair? {
        let operation =
            switch move {
            case .first: MDB_FIRST
            case .last: MDB_LAST
            case .next: MDB_NEXT
            case .previous: MDB_PREV
            }
        return try row(MDB_val(), operation)
    }

    /// The first row whose key is `key` or sorts behind it.
    func seek(_ key: UnsafeRawBufferPointer) throws(LMDBError) -> Pair? { try row(MDB_val(key), MDB_SET_RANGE) }

    func seek(_ key: [UInt8]) throws(LMDBError) -> Pair? {
        // The key is read within the call; the row's bytes are the map's.
        let found: Result<Pair?, LMDBError> = key.withUnsafeBytes { key in
            do throws(LMDBError) { return .success(try seek(key)) } catch { return .failure(error) }
        }
        return try found.get()
    }

    private func row(_ key: MDB_val, _ operation: MDB_cursor_op) throws(LMDBError) -> Pair? {
        var (key, value) = (key, MDB_val())
        let code = mdb_cursor_get(raw, &key, &value, operation)
        if code == MDB_NOTFOUND { return nil }
        try LMDBError.check(code)
        return (inPage(key, pageSizeBytes), inPage(value, pageSizeBytes))
    }
}

private func lmdbGet(
    _ transaction: OpaquePointer, _ table: TableHandle, _ key: UnsafeRawBufferPointer, _ value: inout MDB_val
) -> Int32 {
    var keyValue = MDB_val(key)
    return mdb_get(transaction, table.raw, &keyValue, &value)
}

private func found(
    _ code: Int32, _ value: MDB_val, _ pageSizeBytes: Int?
) throws(LMDBError) -> UnsafeRawBufferPointer? {
    if code == MDB_NOTFOUND { return nil }
    try LMDBError.check(code)
    return inPage(value, pageSizeBytes)
}

/// The bytes, or none if they would reach beyond their page: their length is damaged then, and reading on could leave
/// the file, which is fatal.
///
/// A value too long for a leaf begins 16 bytes into pages of its own, whose header has their number at 12. A write
/// transaction's pages are copies anywhere in memory; there the longest value written is the bound.
private func inPage(_ bytes: MDB_val, _ pageSizeBytes: Int?) -> UnsafeRawBufferPointer {
    let (headerSizeBytes, overflowFlag, longestBytes) = (16, 4 as UInt16, 1 << 17)
    let (start, count) = (UnsafeRawPointer(bytes.mv_data), bytes.mv_size)
    guard let start, count > 0, count <= longestBytes || pageSizeBytes != nil else {
        return UnsafeRawBufferPointer(start: start, count: 0)
    }
    guard let pageSizeBytes else { return UnsafeRawBufferPointer(start: start, count: count) }
    let offset = Int(bitPattern: start) & (pageSizeBytes - 1)
    if count <= pageSizeBytes - offset { return UnsafeRawBufferPointer(start: start, count: count) }
    guard offset == headerSizeBytes else { return UnsafeRawBufferPointer(start: start, count: 0) }
    let page = start - headerSizeBytes
    let fits =
        page.load(fromByteOffset: 10, as: UInt16.self) & overflowFlag != 0
        && count <= Int(page.load(fromByteOffset: 12, as: UInt32.self)) * pageSizeBytes - headerSizeBytes
    return UnsafeRawBufferPointer(start: start, count: fits ? count : 0)
}

extension MDB_val {
    fileprivate init(_ bytes: UnsafeRawBufferPointer) {
        self.init(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
    }
}
