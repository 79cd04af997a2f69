import Links
import Primitives

/// What a lookup found. The bytes in it are the map's own: good until the reader's snapshot ends.
package enum Found {
    case link(FoundLink)
    case absent
    /// It cannot exist, by arithmetic; this may change before the next snapshot, and without a stamp.
    case impossible
    /// A row stands there, or stood there, and its checksum does not hold.
    case damaged
}

package struct FoundLink {
    package let key: LinkKey.Kind
    package let view: RedirectView
    /// It leads nowhere, whatever its owner says.
    package let isBlocked: Bool
    /// Stamp, origin index and body.
    fileprivate let payload: UnsafeRawBufferPointer
    private let bodyOffset: Int

    fileprivate init?(_ key: LinkKey.Kind, _ payload: UnsafeRawBufferPointer, isBlocked: Bool) {
        var rest = payload.bytes
        guard (try? StoredRecord.skipToBody(&rest)) != nil, let view = try? RedirectView(body: rest) else { return nil }
        (self.key, self.view, self.payload, self.isBlocked) = (key, view, payload, isBlocked)
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

    @exclusivity(unchecked) package private(set) var counters = Counters()
    private let store: Store
    /// Of tables that the snapshot has, at least those.
    @exclusivity(unchecked) private var view: StoreView
    @exclusivity(unchecked) private var viewVersion = 0
    @exclusivity(unchecked) private var transaction: ReadTransaction
    /// Between `begin` and `end`.
    @exclusivity(unchecked) package private(set) var isOpen = false
    /// Of what is found from `begin` on.
    @exclusivity(unchecked) package private(set) var tag: CacheTag
    /// Of the block that was looked for last, so that no lookup makes room for one.
    @exclusivity(unchecked) private var blockKey: [UInt8] = []
    @exclusivity(unchecked) private var spent: [ReadTransaction] = []
    private static let replacements = 8

    init(_ store: Store) throws(LMDBError) {
        self.store = store
        view = store.view
        transaction = try view.environment.beginRead()
        tag = store.stamps.tag(environment: view.number, transaction: 0)
        transaction.reset()
        blockKey.reserveCapacity(ModerationKey.maximumSizeBytes)
    }

    /// Takes a snapshot of all that is committed.
    package func begin() throws(StoreError) {
        do throws(LMDBError) {
            // Before the snapshot: a table is told of after its commit.
            try lookAround()
            try transaction.renew()
        } catch {
            throw .system(path: store.directory.storePath, reason: error.description)
        }
        tag = store.stamps.tag(environment: view.number, transaction: transaction.id)
        isOpen = true
    }

    /// Between snapshots: lets go of an environment that another one has replaced. Its file takes room until nobody reads
    /// in it any more.
    package func lookAround() throws(LMDBError) {
        precondition(!isOpen)
        var seen = viewVersion
        guard let newer = store.view(newerThan: &seen) else { return }
        if newer.number != view.number {
            transaction = try newer.environment.beginRead()
            transaction.reset()
        }
        // Only now: where the new environment has no room for a reader, the next look tries again.
        (view, viewVersion) = (newer, seen)
    }

    /// Who wrote records that carry this index, as the snapshot has it; nil for an index that it has no sound row of. What
    /// the writer has in memory may be of a transaction that came to nothing.
    package func origin(at index: UInt16) -> Origin? {
        try? OriginRow.find(index, view.catalogue, transaction)?.origin
    }

    package func end() {
        guard isOpen else { return }
        isOpen = false
        transaction.reset()
        if !spent.isEmpty { spent.removeAll() }
    }

    /// What `code` means: a generated code's link if it can exist, else the alias of that name.
    package func find(_ code: RawSpan) -> Found {
        if let decoded = store.codeSpace.decode(code) {
            let found = find(decoded)
            switch found {
            case .absent where store.hasShapedAliases: return findAlias(code)
            case .impossible where store.hasShapedAliases:
                // What is no alias either is told of by arithmetic still.
                let alias = findAlias(code)
                if case .absent = alias { return .impossible }
                return alias
            case .absent, .impossible, .link, .damaged: return found
            }
        } else if store.codeSpace.hasGeneratedShape(code), !store.hasShapedAliases {
            counters.impossible += 1
            return .impossible
        }
        return findAlias(code)
    }

    /// Whether `find` reads pages of the store for `code`, which may have to come from the disk; if not, it is impossible.
    package func needsSearch(_ code: RawSpan) -> Bool {
        guard (1..<LinkKey.maximumSizeBytes).contains(code.byteCount) else { return false }
        if store.hasShapedAliases { return true }
        switch store.codeSpace.decode(code) {
        case .generated(let region, let node, let number)?:
            return store.ceilings.allows(number, region: region, node: node)
                && view.catalogue.links(region: region, node: node) != nil
        case .snowflake?: return true
        case nil: return !store.codeSpace.hasGeneratedShape(code)
        }
    }

    private func findAlias(_ code: RawSpan) -> Found {
        guard code.byteCount < LinkKey.maximumSizeBytes, code.byteCount > 0 else { return .impossible }
        return code.withUnsafeBytes { search(view.catalogue.aliases, .aliases, $0, .alias) }
    }

    /// What the link of `code` is stored under, for one that is there.
    package func key(of code: RawSpan) -> LinkKey {
        guard let decoded = store.codeSpace.decode(code) else { return .alias([UInt8](code)) }
        // Only then may an alias look like a generated code.
        if store.hasShapedAliases, case .link(let link) = find(code), link.key == .alias {
            return .alias([UInt8](code))
        }
        return LinkKey(decoded)
    }

    /// As `find`, after the same work for a link that is there as for none: to find nothing takes a look around where
    /// the search ended, and a string that no code can be needs no search at all. For answers that must not tell.
    package func findEvenly(_ code: RawSpan) -> Found {
        let searches = counters.lookups
        let found = find(code)
        let isAbsent =
            switch found {
            case .absent, .impossible: true
            case .link, .damaged: false
            }
        Self.nobody.withUnsafeBytes { nobody in
            if !isAbsent || counters.lookups == searches {
                _ = search(view.catalogue.aliases, .aliases, nobody, .alias)
            }
            if isAbsent { _ = try? transaction.get(view.catalogue.aliases, nobody) }
        }
        return found
    }

    /// No link has this name: it is reserved.
    private static let nobody = Array("api".utf8)

    private func find(_ decoded: DecodedCode) -> Found {
        switch decoded {
        case .generated(let region, let node, let number):
            guard store.ceilings.allows(number, region: region, node: node),
                let table = view.catalogue.links(region: region, node: node)
            else {
                counters.impossible += 1
                return .impossible
            }
            return withUnsafeBytes(of: number.bigEndian) { bytes in
                search(
                    table, .links(region: region.byte, node: node), UnsafeRawBufferPointer(rebasing: bytes[2...]),
                    .generated)
            }
        case .snowflake(_, _, let number):
            return withUnsafeBytes(of: number.bigEndian) {
                search(view.catalogue.snowflakes, .snowflakes, $0, .snowflake)
            }
        }
    }

    private func search(
        _ table: TableHandle, _ id: TableID, _ key: UnsafeRawBufferPointer, _ kind: LinkKey.Kind
    ) -> Found {
        counters.lookups += 1
        do throws(LMDBError) {
            if let value = try transaction.get(table, key), let payload = Row.payload(id, key, value) {
                return try judge(payload, id, key, kind)
            }
            switch try transaction.cursor(table).search(id, key) {
            case .sound(let payload): return try judge(payload, id, key, kind)
            case .absent: return .absent
            case .damaged: return damaged()
            }
        } catch {
            replaceTransaction()
            return damaged()
        }
    }

    private func judge(
        _ payload: UnsafeRawBufferPointer, _ id: TableID, _ key: UnsafeRawBufferPointer, _ kind: LinkKey.Kind
    ) throws(LMDBError) -> Found {
        guard let isBlocked = try isBlocked(id, key, kind) else { return damaged() }
        return FoundLink(kind, payload, isBlocked: isBlocked).map { .link($0) } ?? damaged()
    }

    /// Whether there is a block in force; nil if there is a row of one that cannot be read. In a table without rows the
    /// search ends at once. It is for this key alone: a damaged row beside it says nothing of other links.
    private func isBlocked(
        _ id: TableID, _ key: UnsafeRawBufferPointer, _ kind: LinkKey.Kind
    ) throws(LMDBError) -> Bool? {
        blockKey.removeAll(keepingCapacity: true)
        blockKey += ModerationKey.blockHead
        if kind == .alias {
            blockKey.append(LinkKey.aliasHead)
            blockKey += key
        } else {
            LinkKey(table: id, rowKey: key)!.encode(into: &blockKey)
        }
        guard let blocks = view.catalogue.blocks, let value = try transaction.get(blocks, blockKey) else {
            return false
        }
        guard var payload = blockKey.withUnsafeBytes({ Row.payload(.blocks, $0, value) })?.bytes,
            (try? StoredRecord.skipToBody(&payload)) != nil, let flags = try? payload.takeByte()
        else { return nil }
        return BlockBody.isBlocked(flags: flags)
    }

    private func damaged() -> Found {
        counters.damaged += 1
        return .damaged
    }

    /// A transaction in which LMDB met a damaged page answers nothing more. Others take its place, so that one bad page
    /// does not hide all links until the snapshot ends; what was found in it stays good until then.
    private func replaceTransaction() {
        guard spent.count < Self.replacements, let fresh = try? view.environment.beginRead() else { return }
        spent.append(transaction)
        transaction = fresh
    }
}
