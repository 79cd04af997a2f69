import Links
import Primitives

/// Where a reader of a snapshot stands: behind a row of a table, or before the first one if the key is empty.
package struct SnapshotPosition: Equatable, Sendable {
    var table: TableID
    var key: [UInt8]

    init(_ table: TableID, _ key: [UInt8] = []) { (self.table, self.key) = (table, key) }

    /// The table's id and the key.
    package var bytes: [UInt8] { [table.bytes.0, table.bytes.1] + key }

    /// The same, in hexadecimal.
    package var text: String { bytes.map { hex(UInt64($0), 2) }.joined() }

    /// Nil if `text` is not what `text` gives.
    package init?(text: String) {
        guard let bytes = [UInt8](hexadecimal: text) else { return nil }
        self.init(bytes)
    }

    init?(_ bytes: [UInt8]) {
        guard bytes.count >= 2, bytes.count <= 2 + ModerationKey.maximumSizeBytes,
            let table = TableID(bytes[0], bytes[1])
        else { return nil }
        self.init(table, Array(bytes[2...]))
    }
}

/// What a snapshot begins with. All that is read later is at least as new.
package struct SnapshotStart: Equatable, Sendable {
    /// Of the source's store.
    package var format: UInt64
    /// Payload of the row `code-secret`.
    var codeSecret: [UInt8]
    package var mapSizeBytes: UInt64
    /// Records and bytes of the source, for showing how far a copy is.
    package var recordCount: UInt64
    package var usedBytes: UInt64
    var vector: [IndexedOrigin]
}

/// Some neighbouring rows of one table, as they stand there, damaged ones too.
package struct SnapshotRows: Equatable, Sendable {
    struct Row: Equatable, Sendable {
        var key, value: [UInt8]
    }

    /// Of the transaction that the rows were read in.
    var vector: [IndexedOrigin]
    var table: TableID
    var rows: [Row]
    /// Nil at the end of the last table.
    package var next: SnapshotPosition?
}

/// A row of the table `origins`.
struct IndexedOrigin: Equatable, Sendable {
    var index: UInt16
    var row: OriginRow
}

/// A snapshot travels in parts, each read in a transaction of its own:
///
///     crc32c   4   over all that follows
///     version  1   1
///     kind     1   see Kind
///     content  the rest
package enum SnapshotPart: Equatable, Sendable {
    case start(SnapshotStart)
    case rows(SnapshotRows)
    case log(LogBatch)

    package enum Kind {
        package static let start: UInt8 = 1
        package static let rows: UInt8 = 2
        package static let log: UInt8 = 3
    }

    package static let version: UInt8 = 1

    package var bytes: [UInt8] {
        var content: [UInt8] = [Self.version]
        switch self {
        case .start(let start):
            content.append(Kind.start)
            start.encode(into: &content)
        case .rows(let rows):
            content.append(Kind.rows)
            rows.encode(into: &content)
        case .log(let batch):
            content.append(Kind.log)
            batch.encode(into: &content)
        }
        var crc = CRC32C()
        crc.append(content.span.bytes)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(4 + content.count)
        bytes.append(bigEndian: crc.value)
        return bytes + content
    }

    /// Takes the whole of `bytes`; a wrong checksum or an unknown version is malformed.
    package init(decoding bytes: [UInt8]) throws(MalformedBytes) {
        var rest = bytes.span.bytes
        let expected = try rest.takeUInt32()
        var crc = CRC32C()
        crc.append(rest)
        guard crc.value == expected, try rest.takeByte() == Self.version else { throw MalformedBytes() }
        switch try rest.takeByte() {
        case Kind.start: self = .start(try SnapshotStart(decoding: &rest))
        case Kind.rows: self = .rows(try SnapshotRows(decoding: &rest))
        case Kind.log: self = .log(try LogBatch(decoding: &rest))
        default: throw MalformedBytes()
        }
        guard rest.byteCount == 0 else { throw MalformedBytes() }
    }
}

extension SnapshotStart {
    /// Format (8), code secret (32), map's size (8), records (8), used bytes (8), vector.
    fileprivate func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian: format)
        bytes += codeSecret
        bytes.append(bigEndian: mapSizeBytes)
        bytes.append(bigEndian: recordCount)
        bytes.append(bigEndian: usedBytes)
        vector.encode(into: &bytes)
    }

    fileprivate init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        format = try bytes.takeUInt64()
        codeSecret = try bytes.takeBytes(CodeSecret.sizeBytes)
        mapSizeBytes = try bytes.takeUInt64()
        recordCount = try bytes.takeUInt64()
        usedBytes = try bytes.takeUInt64()
        vector = try [IndexedOrigin](decoding: &bytes)
    }
}

extension SnapshotRows {
    /// Vector, next position (length-prefixed, empty at the end), table id (2), rows: varint count, each its key and its
    /// value, both length-prefixed.
    fileprivate func encode(into bytes: inout [UInt8]) {
        vector.encode(into: &bytes)
        bytes.append(lengthPrefixed: next.map { [$0.table.bytes.0, $0.table.bytes.1] + $0.key } ?? [])
        bytes += [table.bytes.0, table.bytes.1]
        bytes.append(varint: UInt64(rows.count))
        for row in rows {
            bytes.append(lengthPrefixed: row.key)
            bytes.append(lengthPrefixed: row.value)
        }
    }

    fileprivate init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        vector = try [IndexedOrigin](decoding: &bytes)
        let position = try bytes.takeLengthPrefixed()
        next = SnapshotPosition(position)
        guard next != nil || position.isEmpty, let table = TableID(try bytes.takeByte(), try bytes.takeByte()) else {
            throw MalformedBytes()
        }
        self.table = table
        let count = try bytes.takeVarint()
        rows = []
        for _ in 0..<count {
            rows.append(Row(key: try bytes.takeLengthPrefixed(), value: try bytes.takeLengthPrefixed()))
        }
    }
}

extension [IndexedOrigin] {
    /// Varint count, then each index (2) and the origin row's payload, length-prefixed.
    fileprivate func encode(into bytes: inout [UInt8]) {
        bytes.append(varint: UInt64(count))
        for origin in self {
            bytes.append(bigEndian: origin.index)
            bytes.append(lengthPrefixed: origin.row.payload)
        }
    }

    fileprivate init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        self = []
        let count = try bytes.takeVarint()
        guard count <= UInt64(StoreLimits.origins) else { throw MalformedBytes() }
        for _ in 0..<count {
            let (index, length) = (try bytes.takeUInt16(), try bytes.takeLength())
            append(IndexedOrigin(index: index, row: try OriginRow(decoding: bytes.extracting(..<length))))
            bytes = bytes.extracting(length...)
        }
        guard Set(map(\.index)).count == self.count, Set(map(\.row.origin)).count == self.count else {
            throw MalformedBytes()
        }
    }
}

extension [UInt8] {
    /// Nil unless all of `text` is pairs of hexadecimal digits.
    init?(hexadecimal text: String) {
        let digits = text.utf8.map { UInt8(String(UnicodeScalar($0)), radix: 16) }
        guard digits.count % 2 == 0, !digits.contains(nil) else { return nil }
        self = stride(from: 0, to: digits.count, by: 2).map { digits[$0]! << 4 | digits[$0 + 1]! }
    }
}

extension Origin {
    /// Its 10 bytes in hexadecimal.
    package var hexadecimal: String {
        var bytes: [UInt8] = []
        encode(into: &bytes)
        return bytes.map { hex(UInt64($0), 2) }.joined()
    }

    /// Nil if `text` is not what `hexadecimal` gives.
    package init?(hexadecimal text: String) {
        guard let bytes = [UInt8](hexadecimal: text), bytes.count == Self.sizeBytes else { return nil }
        var span = bytes.span.bytes
        guard let origin = try? Origin(decoding: &span) else { return nil }
        self = origin
    }
}
