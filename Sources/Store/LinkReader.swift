import Links
import Primitives

/// What a lookup found. The bytes in it are the map's own: good until the reader's snapshot ends.
package enum Found {
    case link(FoundLink)
    case absent
    /// A row stands there, or stood there, and its checksum does not hold.
    case damaged
}

package struct FoundLink {
    package let key: LinkKey.Kind
    package let view: RedirectView
    /// Stamp, origin index and body.
    fileprivate let payload: UnsafeRawBufferPointer
    private let bodyOffset: Int

    fileprivate init?(_ key: LinkKey.Kind, _ payload: UnsafeRawBufferPointer) {
        var rest = payload.bytes
        guard (try? StoredRecord.skipToBody(&rest)) != nil, let view = try? RedirectView(body: rest) else { return nil }
        (self.key, self.view, self.payload) = (key, view, payload)
        bodyOffset = payload.count - rest.byteCount
    }

    /// The destination without `view.prefix`.
    package var destination: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: payload[(bodyOffset + view.destinationOffset)...])
    }

    /// The whole record, copied; nil if it cannot be decoded.
    package var record: StoredRecord? { try? StoredRecord(decoding: payload.bytes) }
}

/// Looks up links for one thread. Between `begin` and `end` it holds a snapshot, which must not last longer than 50 ms
/// and never across a wait, because pages freed meanwhile cannot be used again.
package final class LinkReader {
    /// What was looked up in the store so far, by this thread.
    package struct Counters: Sendable {
        /// Searches of a table.
        package var lookups: UInt64 = 0
        /// Strings that cannot be a link's code by arithmetic: no table was searched.
        package var impossible: UInt64 = 0
        package var damaged: UInt64 = 0
    }

    package private(set) var counters = Counters()
    private let store: Store
    private let transaction: ReadTransaction

    init(_ store: Store) throws(LMDBError) {
        self.store = store
        transaction = try store.environment.beginRead()
        transaction.reset()
    }

    /// Takes a snapshot of all that is committed.
    package func begin() throws(StoreError) {
        do throws(LMDBError) { try transaction.renew() } catch {
            throw .system(path: store.directory.storePath, reason: error.description)
        }
    }

    package func end() { transaction.reset() }

    /// What `code` means: a generated code's link if it can exist, else the alias of that name.
    package func find(_ code: RawSpan) -> Found {
        if let decoded = store.codeSpace.decode(code) {
            let found = find(decoded)
            guard case .absent = found, store.hasShapedAliases else { return found }
        } else if store.codeSpace.hasGeneratedShape(code), !store.hasShapedAliases {
            counters.impossible += 1
            return .absent
        }
        guard code.byteCount <= LinkKey.maximumSizeBytes, code.byteCount > 0 else { return .absent }
        return code.withUnsafeBytes { search(store.catalogue.aliases, .aliases, $0, .alias) }
    }

    private func find(_ decoded: DecodedCode) -> Found {
        switch decoded {
        case .generated(let region, let node, let number):
            guard store.ceilings.allows(number, region: region, node: node),
                let table = store.catalogue.links(region: region, node: node)
            else {
                counters.impossible += 1
                return .absent
            }
            return withUnsafeBytes(of: number.bigEndian) { bytes in
                search(
                    table, .links(region: region.byte, node: node), UnsafeRawBufferPointer(rebasing: bytes[2...]),
                    .generated)
            }
        case .snowflake(_, _, let number):
            return withUnsafeBytes(of: number.bigEndian) {
                search(store.catalogue.snowflakes, .snowflakes, $0, .snowflake)
            }
        }
    }

    private func search(
        _ table: TableHandle, _ id: TableID, _ key: UnsafeRawBufferPointer, _ kind: LinkKey.Kind
    ) -> Found {
        counters.lookups += 1
        do throws(LMDBError) {
            if let value = try transaction.get(table, key) { return judge(id, key, value, kind) }
            return try searchAround(table, id, key, kind)
        } catch {
            return damaged()
        }
    }

    private func judge(
        _ id: TableID, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ kind: LinkKey.Kind
    ) -> Found {
        guard let payload = Row.payload(id, key, value), let link = FoundLink(kind, payload) else { return damaged() }
        return .link(link)
    }

    private func damaged() -> Found {
        counters.damaged += 1
        return .damaged
    }

    /// A key with a flipped bit stands where it stood, but no search leads to it, and searches for its neighbours may go
    /// astray as well. So a miss looks at the two rows where the search ended; only if one of them is damaged, at all
    /// rows around.
    private func searchAround(
        _ table: TableHandle, _ id: TableID, _ key: UnsafeRawBufferPointer, _ kind: LinkKey.Kind
    ) throws(LMDBError) -> Found {
        let cursor = try transaction.cursor(table)
        let next = try cursor.seek(key)
        if let next, Row.payload(id, next.key, next.value) == nil { return try scan(cursor, id, key, kind) }
        let previous = try next == nil ? cursor.move(.last) : cursor.move(.previous)
        guard let previous, Row.payload(id, previous.key, previous.value) == nil else { return .absent }
        return try scan(cursor, id, key, kind)
    }

    private func scan(
        _ cursor: borrowing Cursor, _ id: TableID, _ key: UnsafeRawBufferPointer, _ kind: LinkKey.Kind
    ) throws(LMDBError) -> Found {
        for _ in 0..<StoreLimits.damageScanRows where try cursor.move(.previous) == nil { break }
        for _ in 0...2 * StoreLimits.damageScanRows {
            guard let row = try cursor.move(.next) else { break }
            if row.key.elementsEqual(key) { return judge(id, row.key, row.value, kind) }
        }
        return damaged()
    }
}
