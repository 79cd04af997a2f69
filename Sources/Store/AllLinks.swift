import Links

/// Some of all links of a store, and where to go on.
package struct LinkPage: Sendable {
    package var links: [OwnedLink] = []
    /// Behind which the next page begins; nil: there is none.
    package var next: LinkKey?
    /// What is left out, because a record fails its checksum or its author is not known.
    package var damagedCount = 0
}

extension Store {
    /// The links behind `last`, whoever owns them, in the order of their keys: aliases, then generated codes by region and
    /// node, then Snowflakes. Read in one short transaction: at least one row, and as many more as `isOver` lets it.
    /// Tombstones, and links that expired long ago and were cut down, are passed over.
    package func allLinks(after last: LinkKey?, isOver: () -> Bool) throws(StoreError) -> LinkPage {
        try reading { (view, transaction) throws(LMDBError) in
            var page = LinkPage()
            let tables = [.aliases] + view.catalogue.linkTables + [.snowflakes]
            let start = last.map { key in tables.firstIndex(of: key.table) ?? tables.count } ?? 0
            for (index, table) in tables.enumerated().dropFirst(start) {
                let from = index == start ? last : nil
                if try !read(table, after: from, into: &page, view, transaction, isOver) { return page }
            }
            page.next = nil
            return page
        }
    }

    /// False if there is no time for more.
    private func read(
        _ table: TableID, after last: LinkKey?, into page: inout LinkPage, _ view: StoreView,
        _ transaction: ReadTransaction, _ isOver: () -> Bool
    ) throws(LMDBError) -> Bool {
        guard let handle = view.catalogue.handle(table) else { return true }
        let cursor = try transaction.cursor(handle)
        var row = if let last { try cursor.seek(last.rowKey) } else { try cursor.move(.first) }
        if let last, let (key, _) = row, key.elementsEqual(last.rowKey) { row = try cursor.move(.next) }
        while let (rowKey, value) = row {
            if page.next != nil, isOver() { return false }
            guard let key = LinkKey(table: table, rowKey: rowKey) else { throw .corrupted }
            page.next = key
            if let payload = Row.payload(table, rowKey, value),
                let record = try? StoredRecord(decoding: payload.bytes), let origin = view.names[record.originIndex]
            {
                let isThere = record.body.flags.isDisjoint(with: [.deleted, .reduced])
                if isThere, let code = code(of: key) {
                    let block = try view.block(of: key, transaction)
                    page.links.append(
                        OwnedLink(code: code, key: key, origin: origin, record: record, isBlocked: block.isInForce))
                }
            } else {
                page.damagedCount += 1
            }
            row = try cursor.move(.next)
        }
        return true
    }

    /// Nil: this node answers no codes of its region.
    func code(of key: LinkKey) -> [UInt8]? {
        if case .alias(let name) = key { return name }
        return codeSpace.generatedCode(of: key).map { Array($0.description.utf8) }
    }
}
