import Glibc
import Links
import Primitives

/// Rows of a replaced store that could not be logged again: damaged ones, and such as no entry can say. They are kept in
/// the file `lost+found` of the data directory, a JSON line each, for an operator to look at.
///
///     {"lost_at": RFC 3339, "table": name, "name": code, alias or key in hex, "key": hex, "value": hex of the row}
struct LostAndFound {
    private var lines: [UInt8] = []
    private(set) var count: UInt64 = 0
    private let now: Instant
    private let space: CodeSpace

    static let name = "lost+found"

    init(_ space: CodeSpace, now: Instant) { (self.space, self.now) = (space, now) }

    mutating func add(_ table: TableID, key: some Sequence<UInt8>, value: some Sequence<UInt8>) {
        func hexadecimal(_ bytes: some Sequence<UInt8>) -> String { bytes.map { hex(UInt64($0), 2) }.joined() }
        let name = Array(key).withUnsafeBytes { space.name(of: $0, in: table) }
        lines.append(0x7B)
        lines.append(jsonKey: "lost_at", string: CalendarTime(now).rfc3339)
        lines.append(jsonKey: "table", string: table.name)
        lines.append(jsonKey: "name", string: name)
        lines.append(jsonKey: "key", string: hexadecimal(key))
        lines.append(jsonKey: "value", string: hexadecimal(value))
        lines += [0x7D, 0x0A]
        count += 1
    }

    /// Behind what the file holds already; on the disk when this returns.
    func save(in directory: DataDirectory) throws(LMDBError) {
        guard count > 0 else { return }
        let file = open(directory.path + "/" + Self.name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw LMDBError(code: errno) }
        defer { close(file) }
        var rest = lines[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            guard written > 0 else { throw LMDBError(code: written < 0 ? errno : ENOSPC) }
            rest = rest.dropFirst(written)
        }
        guard fsync(file) == 0 else { throw LMDBError(code: errno) }
        do throws(StoreError) { try directory.sync() } catch { throw LMDBError(code: EIO) }
    }
}
