import Links
import Primitives

/// What a look for a key found.
package enum FoundKey {
    case key(StoredKey)
    case absent
    /// A row stands there, or stood there, and its checksum does not hold.
    case damaged
}

extension Store {
    /// Of all that is committed.
    package func findKey(_ id: KeyID) throws(StoreError) -> FoundKey {
        do throws(StoreError) {
            return try reading { (view, transaction) throws(LMDBError) in
                switch try transaction.cursor(view.catalogue.keys!).search(.keys, id.bytes) {
                case .absent: return .absent
                case .damaged: return .damaged
                case .sound(let payload):
                    guard let record = try? KeyRecord(decoding: payload.bytes) else { return .damaged }
                    return .key(StoredKey(id, record.body, stamp: record.stamp))
                }
            }
        } catch {
            if case .damaged = error { return .damaged }
            throw error
        }
    }

    /// Every key, by id, revoked ones too; and how many rows are damaged.
    package func allKeys() throws(StoreError) -> (keys: [StoredKey], damagedCount: Int) {
        try reading { (view, transaction) throws(LMDBError) in try storedKeys(view.catalogue, transaction) }
    }
}

/// Every key of the store in `directory`, as `allKeys` gives them. Reads only; the store may be in use.
package func readKeys(directory: String) throws(StoreError) -> (keys: [StoredKey], damagedCount: Int) {
    let image = try openForReading(directory)
    do throws(LMDBError) { return try storedKeys(image.catalogue, image.snapshot) } catch {
        throw .damaged(path: directory + "/" + StoreFile.name, reason: error.description)
    }
}

private func storedKeys(
    _ catalogue: Catalogue, _ transaction: ReadTransaction
) throws(LMDBError) -> (keys: [StoredKey], damagedCount: Int) {
    var (keys, damagedCount) = ([StoredKey](), 0)
    guard let table = catalogue.keys else { return (keys, damagedCount) }
    let cursor = try transaction.cursor(table)
    var row = try cursor.move(.first)
    while let (key, value) = row {
        if let payload = Row.payload(.keys, key, value), let id = try? KeyID(decoding: key.bytes),
            let record = try? KeyRecord(decoding: payload.bytes)
        {
            keys.append(StoredKey(id, record.body, stamp: record.stamp))
        } else {
            damagedCount += 1
        }
        row = try cursor.move(.next)
    }
    return (keys, damagedCount)
}
