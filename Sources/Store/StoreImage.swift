import Links
import Primitives

/// An environment whose tables, format and identity have been read and found sound: what a running store, `verify` and
/// `dump` stand on.
struct StoreImage {
    let environment: Environment
    private(set) var catalogue: Catalogue
    let identity: StoreIdentity
    /// SHA-256 of the code secret, labelled.
    let codeSecret: [UInt8]
    /// The newest that an entry of a log had.
    let logFormat: UInt16
    /// By index.
    let origins: [UInt16: OriginRow]
    /// Of the moment at which all this was so, for who only reads; the tables of a running store are open for all.
    let snapshot: ReadTransaction

    /// `mapSizeBytes`: nil for who only reads. `knownLogFormat`: the newest that the program reads.
    init(directory: String, mapSizeBytes: Int?, knownLogFormat: UInt16) throws(StoreError) {
        let path = directory + "/" + StoreFile.name
        do throws(LMDBError) {
            environment = try Environment(
                directory: directory, mapSizeBytes: mapSizeBytes ?? 0, maximumTables: StoreLimits.tables,
                readOnly: mapSizeBytes == nil)
        } catch {
            throw error.isDamage || error == .versionMismatch
                ? .foreign(path: path, reason: error.description) : .system(path: path, reason: error.description)
        }
        do {
            let transaction = try environment.beginRead()
            snapshot = transaction
            guard let catalogue = try Catalogue(transaction) else {
                throw StoreError.foreign(path: path, reason: "it lacks this program's tables")
            }
            self.catalogue = catalogue
            var format = try Self.meta(transaction, catalogue, MetaRow.format, path).bytes
            let found = try format.takeUInt64()
            guard found <= MetaRow.currentFormat else {
                throw StoreError.newerFormat(path: path, found: found, known: MetaRow.currentFormat)
            }
            logFormat = try Self.logFormat(transaction, catalogue, path)
            guard logFormat <= knownLogFormat else {
                throw StoreError.newerLogFormat(path: path, found: logFormat, known: knownLogFormat)
            }
            identity = try StoreIdentity(
                decoding: try Self.meta(transaction, catalogue, MetaRow.identity, path).bytes)
            codeSecret = [UInt8](try Self.meta(transaction, catalogue, MetaRow.codeSecret, path))
            origins = try Self.origins(transaction, catalogue, path)
            if mapSizeBytes != nil { try transaction.endKeepingTables() }
        } catch let error as StoreError {
            throw error
        } catch {
            throw .damaged(path: path, reason: "\(error)")
        }
        guard let own = origins[identity.originIndex]?.origin, let region = RegionCharacter(own.region) else {
            throw .damaged(path: path, reason: "no row for this node's own log")
        }
        guard own.node < 16, catalogue.links(region: region, node: own.node) != nil else {
            throw .damaged(path: path, reason: "the table of this node's own links is missing")
        }
    }

    /// Makes the tables that an earlier program did not know: once it is certain that the store is this node's.
    mutating func addLaterTables() throws(LMDBError) {
        if catalogue.hasAll { return }
        let transaction = try environment.beginWrite()
        try Catalogue.addLater(in: transaction)
        try transaction.commit()
        let reading = try environment.beginRead()
        guard let complete = try Catalogue(reading) else { throw .corrupted }
        catalogue = complete
        try reading.endKeepingTables()
    }

    private static func logFormat(
        _ transaction: ReadTransaction, _ catalogue: Catalogue, _ path: String
    ) throws -> UInt16 {
        guard try transaction.get(catalogue.meta, MetaRow.logFormat) != nil else { return UInt16(LogEntry.firstFormat) }
        var bytes = try meta(transaction, catalogue, MetaRow.logFormat, path).bytes
        return try bytes.takeUInt16()
    }

    private static func meta(
        _ transaction: ReadTransaction, _ catalogue: Catalogue, _ key: [UInt8], _ path: String
    ) throws -> UnsafeRawBufferPointer {
        let name = String(decoding: key, as: UTF8.self)
        return try key.withUnsafeBytes { key in
            guard let value = try transaction.get(catalogue.meta, key) else {
                throw StoreError.damaged(path: path, reason: "row `\(name)` is missing")
            }
            guard let payload = Row.payload(.meta, key, value) else {
                throw StoreError.damaged(path: path, reason: "row `\(name)` fails its checksum")
            }
            return payload
        }
    }

    private static func origins(
        _ transaction: ReadTransaction, _ catalogue: Catalogue, _ path: String
    ) throws -> [UInt16: OriginRow] {
        var rows: [UInt16: OriginRow] = [:]
        let cursor = try transaction.cursor(catalogue.origins)
        var row = try cursor.move(.first)
        while let (key, value) = row {
            var index = key.bytes
            guard key.count == 2, let payload = Row.payload(.origins, key, value) else {
                throw StoreError.damaged(path: path, reason: "a row of the version vector fails its checksum")
            }
            rows[try index.takeUInt16()] = try OriginRow(decoding: payload.bytes)
            row = try cursor.move(.next)
        }
        return rows
    }
}
