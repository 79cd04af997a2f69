/// What stands under a key of a table whose rows are `Row`s.
enum StoredRow {
    case sound(payload: UnsafeRawBufferPointer)
    /// A row stands there, or may have stood there, and its checksum does not hold.
    case damaged
    case absent
}

extension Cursor {
    /// Looks for `key` where LMDB's own search found nothing, or found a damaged row.
    ///
    /// A key with a flipped bit stands where it stood, but no search leads to it, and searches for its neighbours may
    /// go astray: they end beside it. So a miss looks at the two rows where the search ended; only if one of them is
    /// damaged, at all rows around.
    func search(_ table: TableID, _ key: UnsafeRawBufferPointer) throws(LMDBError) -> StoredRow {
        let next = try seek(key)
        if let next {
            guard let payload = Row.payload(table, next.key, next.value) else { return try scan(table, key) }
            if next.key.elementsEqual(key) { return .sound(payload: payload) }
        }
        let previous = try next == nil ? move(.last) : move(.previous)
        guard let previous, Row.payload(table, previous.key, previous.value) == nil else { return .absent }
        return try scan(table, key)
    }

    func search(_ table: TableID, _ key: [UInt8]) throws(LMDBError) -> StoredRow {
        // The key is read within the call; the row's bytes are the map's.
        let found: Result<StoredRow, LMDBError> = key.withUnsafeBytes { key in
            do throws(LMDBError) { return .success(try search(table, key)) } catch { return .failure(error) }
        }
        return try found.get()
    }

    private func scan(_ table: TableID, _ key: UnsafeRawBufferPointer) throws(LMDBError) -> StoredRow {
        var steps = 0
        while steps < StoreLimits.damageScanRows, try move(.previous) != nil { steps += 1 }
        var row = try steps < StoreLimits.damageScanRows ? move(.first) : move(.next)
        for _ in 0...2 * StoreLimits.damageScanRows {
            guard let current = row else { break }
            if current.key.elementsEqual(key), let payload = Row.payload(table, current.key, current.value) {
                return .sound(payload: payload)
            }
            row = try move(.next)
        }
        return .damaged
    }
}
