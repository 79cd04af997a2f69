import Links
import Primitives
import Replication
import Store
import Testing

/// All links of a store page by page, and names that look like generated codes.
@Suite struct AllLinksTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    private func pages(_ store: Store, rows: Int) throws -> [LinkPage] {
        var pages: [LinkPage] = []
        var last: LinkKey?
        repeat {
            var seen = 0
            pages.append(
                try store.allLinks(after: last) {
                    seen += 1
                    return seen >= rows
                })
            last = pages.last!.next
        } while last != nil
        return pages
    }

    @Test func everyLinkOnce() throws {
        try withStore(settings(directory, clock: clock)) { store in
            #expect(try pages(store, rows: 1).flatMap(\.links).isEmpty)
            var codes: Set<String> = []
            for number in 0..<40 {
                let alias = number % 3 == 0 ? "alias-\(number)" : nil
                let made = try store.createAndWait("https://example.com/\(number)", alias: alias)
                codes.insert(String(decoding: made.code, as: UTF8.self))
            }
            for rows in [1, 2, 7, 13, 14, 39, 40, 1000] {
                let pages = try pages(store, rows: rows)
                let found = pages.flatMap(\.links).map { String(decoding: $0.code, as: UTF8.self) }
                #expect(found.count == 40 && Set(found) == codes, "\(rows) rows a page")
                #expect(pages.allSatisfy { $0.damagedCount == 0 && $0.links.count <= rows })
                // In the order of their keys, aliases first.
                #expect(found.prefix(14).allSatisfy { $0.hasPrefix("alias-") })
            }
        }
    }

    /// A name that is a number's code is the number's node's; others are anyone's.
    @Test func deciders() throws {
        try withStore(settings(directory, clock: clock)) { store in
            let made = try store.createAndWait("https://example.com/")
            let own = NodeID(region: store.origin.region, node: store.origin.node)
            #expect(try store.decider(ofName: made.code.span.bytes) == .node(own))
            #expect(try store.decider(ofName: Array("plain-name".utf8).span.bytes) == .anyone)
        }
    }

    /// No alias takes the place of a link that has the code already, and no link that of an alias.
    @Test func shapedAliases() throws {
        try withStore(settings(directory, clock: clock)) { store in
            let made = try store.createAndWait("https://example.com/")
            let alias = try Alias(imported: made.code.span.bytes)
            let refused = store.createAndWait(NewLink(alias: alias, body: body("https://example.org/")))
            #expect(throws: WriteError.aliasTaken) { try refused.get() }
            #expect(try store.makeReader().destination(made.code) == "https://example.com/")
        }
    }
}
