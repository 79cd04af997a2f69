import Links
import Primitives

/// An environment whose tables, format and identity have been read and found sound: what a running store, `verify` and
/// `dump` stand on.
struct StoreImage {
    let environment: Environment
    let catalogue: Catalogue
    let identity: StoreIdentity
    /// SHA-256 of the code secret, labelled.
    let codeSecret: [UInt8]
    /// By index.
    let origins: [UInt16: OriginRow]

    init(directory: String, mapSizeBytes: Int, readOnly: Bool) throws(StoreError) {
        let path = directory + "/" + StoreFile.name
        do throws(LMDBError) {
            environment = try Environment(
                directory: directory, mapSizeBytes: mapSizeBytes, maximumTables: StoreLimits.tables, readOnly: readOnly)
        } catch {
            throw error.isDamage || error == .versionMismatch
                ? .foreign(path: path, reason: error.description) : .system(path: path, reason: error.description)
        }
        do {
            let transaction = try environment.beginRead()
            guard let catalogue = try Catalogue(transaction) else {
                throw StoreError.foreign(path: path, reason: "it lacks this program's tables")
            }
            self.catalogue = catalogue
            var format = try Self.meta(transaction, catalogue, MetaRow.format, path).bytes
            let found = try format.takeUInt64()
            guard found <= MetaRow.currentFormat else {
                throw StoreError.newerFormat(path: path, found: found, known: MetaRow.currentFormat)
            }
            identity = try StoreIdentity(
                decoding: try Self.meta(transaction, catalogue, MetaRow.identity, path).bytes)
            codeSecret = [UInt8](try Self.meta(transaction, catalogue, MetaRow.codeSecret, path))
            origins = try Self.origins(transaction, catalogue, path)
            try transaction.endKeepingTables()
        } catch let error as StoreError {
            throw error
        } catch {
            throw .damaged(path: path, reason: "\(error)")
        }
        guard origins[identity.originIndex] != nil else {
            throw .damaged(path: path, reason: "no row for this node's own log")
        }
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
