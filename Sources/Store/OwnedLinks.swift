import Links
import Primitives

/// Which of an owner's links are wanted. They come newest first.
package struct OwnedQuery: Sendable {
    package let owner: [UInt8]
    /// At most so many; positive.
    package let limit: Int
    /// Those that stand behind it.
    package var after: ListPosition?
    /// Those that were made then or later.
    package var createdFrom: Instant?
    /// Those that were made before.
    package var createdBefore: Instant?

    package init(owner: [UInt8], limit: Int) {
        precondition(limit > 0)
        (self.owner, self.limit) = (owner, limit)
    }
}

/// A link with what its owner's list says of it.
package struct OwnedLink: Sendable {
    package let code: [UInt8]
    package let key: LinkKey
    /// Who wrote the record.
    package let origin: Origin
    package let record: StoredRecord
    package let isBlocked: Bool
}

package struct OwnedPage: Sendable {
    package var links: [OwnedLink] = []
    /// Behind which the next page begins; nil: there is none.
    package var next: ListPosition?
    /// The page has fewer links than it may, because looking on would have taken too long.
    package var isCutShort = false
    /// What is left out, because a record, or a row of the list or beside it, fails its checksum.
    package var damagedCount = 0
}

extension Store {
    /// A page of the links that `matches` takes, read in one short transaction: it looks at `StoreLimits.listedRows`
    /// links, or at one and as many more as `isOver` lets it. Where the rows of the list themselves are damaged beyond
    /// what can be left out, the store is.
    package func ownedLinks(
        _ query: OwnedQuery, isOver: () -> Bool, matches: (LinkBody, _ code: [UInt8]) -> Bool
    ) throws(StoreError) -> OwnedPage {
        try reading { (view, transaction) throws(LMDBError) in
            var walk = OwnedWalk(query, codeSpace, view, transaction)
            try walk.run(isOver, matches)
            return walk.page
        }
    }
}

/// Goes backwards over the rows of one owner in `owners`.
private struct OwnedWalk {
    private let query: OwnedQuery
    private let space: CodeSpace
    private let view: StoreView
    private let transaction: ReadTransaction
    /// The owner's rows begin with it, and those that are wanted sort before `bound`.
    private let head, bound: [UInt8]
    private var origins: [UInt16: Origin] = [:]
    private(set) var page = OwnedPage()

    private enum Found {
        case link(OwnedLink)
        /// Of a region that this node answers no codes of, or newer than the tables that it knows of.
        case unknown
        case damaged
    }

    init(_ query: OwnedQuery, _ space: CodeSpace, _ view: StoreView, _ transaction: ReadTransaction) {
        (self.query, self.space, self.view, self.transaction) = (query, space, view, transaction)
        let index = OwnerIndex()
        head = index.head(query.owner)
        let bounds = [
            query.after.map { index.key(query.owner, createdAt: $0.createdAt, $0.key) },
            query.createdBefore.map { index.key(query.owner, createdAt: $0) },
        ]
        // No link key begins with 255.
        bound =
            bounds.compactMap(\.self).min { $0.lexicographicallyPrecedes($1) } ?? head
            + [UInt8](repeating: 255, count: 7)
    }

    mutating func run(
        _ isOver: () -> Bool, _ matches: (LinkBody, _ code: [UInt8]) -> Bool
    ) throws(LMDBError) {
        let cursor = try transaction.cursor(view.catalogue.owners!)
        var (last, seen) = (ListPosition?.none, 0)
        var row = try start(cursor)
        while let (key, value) = row {
            guard Row.payload(.owners, key, value) != nil else {
                try noteDamage()
                row = try cursor.move(.previous)
                continue
            }
            if key.lexicographicallyPrecedes(bound) {
                guard key.starts(with: head) else { return }
                guard let position = OwnerIndex.position(key) else { throw .corrupted }
                if let from = query.createdFrom, position.createdAt < from { return }
                if page.links.count == query.limit || seen == StoreLimits.listedRows || seen > 0 && isOver() {
                    (page.next, page.isCutShort) = (last, page.links.count < query.limit)
                    return
                }
                (last, seen) = (position, seen + 1)
                switch try link(position.key) {
                case .link(let link): if matches(link.record.body, link.code) { page.links.append(link) }
                case .unknown: break
                case .damaged: try noteDamage()
                }
            }
            row = try cursor.move(.previous)
        }
    }

    /// The row before `bound`, or one that lies behind it where a damaged row may have led the search astray: that ends
    /// beside it.
    private func start(_ cursor: borrowing Cursor) throws(LMDBError) -> Cursor.Pair? {
        let next = try cursor.seek(bound)
        var row = try next == nil ? cursor.move(.last) : cursor.move(.previous)
        let isSound = [next, row].allSatisfy { $0.map { Row.payload(.owners, $0.key, $0.value) != nil } ?? true }
        guard !isSound else { return row }
        for _ in 0..<StoreLimits.damageScanRows {
            guard let further = try cursor.move(.next) else { return try cursor.move(.last) }
            row = further
        }
        return row
    }

    private mutating func link(_ key: LinkKey) throws(LMDBError) -> Found {
        guard let code = code(of: key), let table = view.catalogue.handle(key.table) else { return .unknown }
        guard case .sound(let payload) = try transaction.cursor(table).search(key.table, key.rowKey),
            let record = try? StoredRecord(decoding: payload.bytes), record.body.owner == query.owner,
            let origin = try origin(record.originIndex)
        else { return .damaged }
        let block = try view.block(of: key, transaction)
        return .link(OwnedLink(code: code, key: key, origin: origin, record: record, isBlocked: block.isInForce))
    }

    /// Nil: this node answers no codes of its region.
    private func code(of key: LinkKey) -> [UInt8]? {
        if case .alias(let name) = key { return name }
        return space.generatedCode(of: key).map { Array($0.description.utf8) }
    }

    private mutating func origin(_ index: UInt16) throws(LMDBError) -> Origin? {
        if let known = origins[index] { return known }
        let origin = try OriginRow.find(index, view.catalogue, transaction)?.origin
        origins[index] = origin
        return origin
    }

    /// Where there is no end of it, no page would come to one.
    private mutating func noteDamage() throws(LMDBError) {
        page.damagedCount += 1
        if page.damagedCount > StoreLimits.damageScanRows { throw .corrupted }
    }
}
