import CLMDB
import Primitives
import Testing

struct RawStoreError: Error { var code: Int32 }

/// Changes the tables of a closed store with LMDB alone, as no sound program would.
func editStore(_ directory: String, create: Bool = false, _ change: (RawTransaction) throws -> Void) throws {
    var environment: OpaquePointer?
    try check(mdb_env_create(&environment))
    defer { mdb_env_close(environment) }
    try check(mdb_env_set_mapsize(environment, 1 << 30))
    try check(mdb_env_set_maxdbs(environment, 100))
    try check(mdb_env_open(environment, directory, 0, 0o600))
    var transaction: OpaquePointer?
    try check(mdb_txn_begin(environment, nil, 0, &transaction))
    do { try change(RawTransaction(raw: transaction!, creates: create)) } catch {
        mdb_txn_abort(transaction)
        throw error
    }
    try check(mdb_txn_commit(transaction))
}

private func check(_ code: Int32) throws { if code != 0 { throw RawStoreError(code: code) } }

struct RawTransaction {
    fileprivate let raw: OpaquePointer
    fileprivate let creates: Bool

    func get(_ table: String, _ key: [UInt8]) throws -> [UInt8] {
        try call(table, key, []) { handle, key, value in mdb_get(raw, handle, &key, &value) }
    }

    func put(_ table: String, _ key: [UInt8], _ value: [UInt8]) throws {
        try call(table, key, value) { handle, key, value in mdb_put(raw, handle, &key, &value, 0) }
    }

    func delete(_ table: String, _ key: [UInt8]) throws {
        try call(table, key, []) { handle, key, _ in mdb_del(raw, handle, &key, nil) }
    }

    /// Removes a table, as if no program had ever made it.
    func drop(_ table: String) throws { try check(mdb_drop(raw, try handle(table), 1)) }

    /// All rows in order.
    func rows(_ table: String) throws -> [(key: [UInt8], value: [UInt8])] {
        var cursor: OpaquePointer?
        try check(mdb_cursor_open(raw, try handle(table), &cursor))
        defer { mdb_cursor_close(cursor) }
        var rows: [(key: [UInt8], value: [UInt8])] = []
        var (key, value) = (MDB_val(), MDB_val())
        while mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0 { rows.append((Array(key), Array(value))) }
        return rows
    }

    private func handle(_ table: String) throws -> MDB_dbi {
        var handle: MDB_dbi = 0
        try check(mdb_dbi_open(raw, table, creates ? UInt32(MDB_CREATE) : 0, &handle))
        return handle
    }

    @discardableResult
    private func call(
        _ table: String, _ key: [UInt8], _ value: [UInt8],
        _ operation: (MDB_dbi, inout MDB_val, inout MDB_val) -> Int32
    ) throws -> [UInt8] {
        let handle = try handle(table)
        var (key, value) = (key, value)
        return try key.withUnsafeMutableBytes { key in
            try value.withUnsafeMutableBytes { value in
                var keyValue = MDB_val(mv_size: key.count, mv_data: key.baseAddress)
                var valueValue = MDB_val(mv_size: value.count, mv_data: value.baseAddress)
                try check(operation(handle, &keyValue, &valueValue))
                return Array(valueValue)
            }
        }
    }
}

extension [UInt8] {
    fileprivate init(_ value: MDB_val) { self.init(UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size)) }
}

/// The ids of tables in their rows' checksums.
enum RawTable {
    static let snowflakes: [UInt8] = [0, 1], aliases: [UInt8] = [0, 2], origins: [UInt8] = [0, 3]
    static let meta: [UInt8] = [0, 4], digests: [UInt8] = [0, 5], keys: [UInt8] = [0, 7], owners: [UInt8] = [0, 11]
    /// The links of region `1`, node 0.
    static let links: [UInt8] = [0x31, 0]
    static let linksName = "links/10"
}

/// A row's value with a checksum that holds.
func sealed(_ table: [UInt8], _ key: [UInt8], _ payload: [UInt8]) -> [UInt8] {
    var crc = CRC32C()
    crc.append((table + key + payload).span.bytes)
    var bytes: [UInt8] = []
    bytes.append(bigEndian: crc.value)
    return bytes + payload
}

/// Fields of a row of `origins`, by their place in the payload.
struct RawOrigin {
    enum Field {
        static let head = 10..<16, headChain = 24..<40, first = 62..<70, ceiling = 70..<78, seal = 78..<84
    }

    let index: [UInt8]
    var payload: [UInt8]

    subscript(field: Range<Int>) -> UInt64 {
        get { payload[field].reduce(0) { $0 << 8 | UInt64($1) } }
        set {
            for (shift, place) in field.reversed().enumerated() {
                payload[place] = UInt8(truncatingIfNeeded: newValue >> UInt64(8 * shift))
            }
        }
    }

    static func all(_ transaction: RawTransaction) throws -> [RawOrigin] {
        try transaction.rows("origins").map { RawOrigin(index: $0.key, payload: Array($0.value.dropFirst(4))) }
    }

    func write(_ transaction: RawTransaction) throws {
        try transaction.put("origins", index, sealed(RawTable.origins, index, payload))
    }
}

/// The rows of `origins` of a closed store.
func readOrigins(_ directory: String) throws -> [RawOrigin] {
    var origins: [RawOrigin] = []
    try editStore(directory) { origins = try RawOrigin.all($0) }
    return origins
}
