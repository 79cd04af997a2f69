import Foundation
import Links
import Primitives
import Replication
import Store
import Testing

/// An owner's links, page by page.
@Suite struct OwnedLinksTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    private static let owner = Array("a".utf8)

    private func owned(_ owner: String = "a", _ destination: String = "https://example.com/") -> LinkBody {
        var link = body(destination)
        link.owner = Array(owner.utf8)
        return link
    }

    @discardableResult
    private func create(_ store: Store, _ owner: String = "a", alias: String? = nil) throws -> CreatedLink {
        clock.advance(milliseconds: 1)
        let alias = try alias.map { try Alias(Array($0.utf8).span.bytes, in: store.codeSpace) }
        return try store.createAndWait(NewLink(alias: alias, body: owned(owner))).get()
    }

    // MARK: Pages

    @Test func newestFirst() throws {
        try withStore(settings(directory, clock: clock)) { store in
            var codes: [[UInt8]] = []
            for number in 0..<20 {
                codes.insert(try create(store, alias: number % 3 == 0 ? "alias-\(number)" : nil).code, at: 0)
                try create(store, "b")
                _ = try store.createAndWait("https://nobody.example.com/")
            }
            for limit in [1, 3, 5, 19, 20, 21, 100] {
                let pages = try store.pages(limit: limit)
                #expect(pages.flatMap(\.links).map(\.code) == codes, "\(limit) a page")
                #expect(pages.count == (20 + limit - 1) / limit)
                #expect(pages.allSatisfy { !$0.isCutShort && $0.damagedCount == 0 })
            }
            #expect(try store.pages(of: "b", limit: 100).flatMap(\.links).count == 20)
            #expect(try store.pages(of: "c", limit: 100).map(\.links.count) == [0])
            let link = try #require(try store.pages(limit: 1).first?.links.first)
            #expect(link.record.body.owner == Self.owner && link.origin == store.origin)
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// Made in one millisecond, they stand in the order of their keys.
    @Test func ofOneMillisecond() throws {
        try withStore(settings(directory, clock: clock)) { store in
            let made = store.createMany((0..<50).map { _ in NewLink(body: owned()) })
            let codes = try made.map { try $0.get().code }
            #expect(try store.pages(limit: 7).flatMap(\.links).map(\.code) == codes.reversed())
        }
    }

    /// What is there all the time is given once, whatever comes and goes between two pages.
    @Test(arguments: [1, 2, 3] as [UInt64]) func whileLinksComeAndGo(seed: UInt64) throws {
        print("seed \(seed)")
        var random = SeededRandom(seed: seed)
        try withStore(settings(directory, clock: clock)) { store in
            var links: [CreatedLink] = []
            for _ in 0..<60 { links.append(try create(store)) }
            var (gone, seen, position) = (Set<[UInt8]>(), [[UInt8]](), ListPosition?.none)
            repeat {
                let page = try store.page(limit: 5, after: position)
                (seen, position) = (seen + page.links.map(\.code), page.next)
                try create(store)
                for change in [LinkChange.delete, .update(owned("b")), .update(owned("a", "https://changed.example/"))]
                {
                    let link = links.randomElement(using: &random)!
                    guard !gone.contains(link.code) else { continue }
                    #expect(store.changeAndWait(link.key, change))
                    if case .update(let body) = change, body.owner == Self.owner { continue }
                    gone.insert(link.code)
                }
            } while position != nil
            #expect(Set(seen).count == seen.count)
            #expect(Set(links.map(\.code)).subtracting(gone).isSubset(of: seen))
        }
    }

    @Test func byInstant() throws {
        try withStore(settings(directory, clock: clock)) { store in
            let links = try (0..<10).map { _ in try create(store) }
            func codes(_ from: Int?, _ before: Int?, limit: Int = 3) throws -> [[UInt8]] {
                try store.pages(
                    limit: limit, from: from.map { links[$0].stamp.instant },
                    before: before.map { links[$0].stamp.instant }
                ).flatMap(\.links).map(\.code)
            }
            let newest = links.reversed().map(\.code)
            #expect(try codes(nil, nil) == newest)
            #expect(try codes(7, nil) == Array(newest[..<3]))
            #expect(try codes(nil, 7) == Array(newest[3...]))
            #expect(try codes(2, 7) == Array(newest[3..<8]) && codes(2, 7, limit: 5) == codes(2, 7))
            #expect(try codes(7, 7) == [] && codes(7, 2) == [])
            let far = [Int64.min, .max].map { Instant(milliseconds: $0) }
            #expect(try store.pages(limit: 3, from: far[0], before: far[1]).flatMap(\.links).count == 10)
            #expect(try store.pages(limit: 3, from: far[1]).flatMap(\.links).isEmpty)
            #expect(try store.pages(limit: 3, before: far[0]).flatMap(\.links).isEmpty)
        }
    }

    /// A page is read in bounded time, and says so; the next one goes on where it ended.
    @Test func cutShort() throws {
        try withStore(settings(directory, clock: clock)) { store in
            let count = StoreLimits.listedRows + 10
            var codes: [[UInt8]] = []
            // No more in a second than a node gives numbers for.
            for _ in 0..<10 {
                clock.advance(milliseconds: 1000)
                codes += try store.createMany((0..<count / 10).map { _ in NewLink(body: owned()) }).map {
                    try $0.get().code
                }
            }
            let none = try store.page(limit: 5, matches: { _, _ in false })
            #expect(none.isCutShort && none.links.isEmpty && none.next != nil)
            let rest = try store.page(limit: 5, after: none.next, matches: { _, _ in false })
            #expect(!rest.isCutShort && rest.links.isEmpty && rest.next == nil)
            // The oldest of all is on the second page.
            let last = codes[0]
            #expect(try store.pages(limit: 5) { _, code in code == last }.map { $0.links.map(\.code) } == [[], [last]])
            let newest = Array(codes.reversed())
            var looks = 0
            func isThirdLook() -> Bool {
                looks += 1
                return looks == 3
            }
            let short = try store.page(limit: 5, isOver: isThirdLook)
            #expect(short.isCutShort && short.links.map(\.code) == Array(newest[..<3]) && short.next != nil)
            // One is looked at however late it is, so that there is an end.
            let one = try store.page(limit: 5, after: short.next, isOver: { true })
            #expect(one.isCutShort && one.links.map(\.code) == [newest[3]])
            // A full page is no short one.
            #expect(try !store.page(limit: 1, isOver: { true }).isCutShort)
        }
    }

    // MARK: What is listed

    @Test func expiredAndInactiveOnesButNoTombstones() throws {
        try withStore(settings(directory, clock: clock)) { store in
            var expiring = owned()
            expiring.expiresAt = clock.now.advanced(byMilliseconds: 10)
            let expired = try store.createAndWait(NewLink(body: expiring)).get()
            let (inactive, deleted) = (try create(store), try create(store))
            var off = owned()
            off.flags.insert(.inactive)
            #expect(store.changeAndWait(inactive.key, .update(off)))
            #expect(store.changeAndWait(deleted.key, .delete))
            clock.advance(milliseconds: 1000)
            #expect(try store.pages(limit: 10).flatMap(\.links).map(\.code) == [inactive.code, expired.code])
        }
    }

    /// The index follows the record, whoever writes that: own changes, entries of other nodes, in either order.
    @Test func followsTheRecord() throws {
        try withStore(clusterSettings(directory, clock: clock)) { (store) throws in
            var (author, other) = (Author("2", since: clock.now), Author("3", since: clock.now))
            var creations: [Creation] = []
            for counter in 0..<4 as Range<UInt64> {
                let stamp = author.write(author.key(counter), owned())
                creations.append(Creation(stamp: stamp, origin: author.origin))
            }
            func change(_ counter: Int, _ owner: String, deleted: Bool = false) -> LinkBody {
                var link = body("https://changed.example/", of: creations[counter], deleted: deleted)
                if !deleted { link.owner = Array(owner.utf8) }
                return link
            }
            other.write(author.key(1), change(1, "b"), stamp: author.stamp + 1)
            other.write(author.key(2), change(2, "", deleted: true), stamp: author.stamp + 2)
            // Loses.
            other.write(author.key(3), change(3, "b"), stamp: author.stamp + 3)
            author.write(author.key(3), change(3, "a"), stamp: author.stamp + 10)
            for batch in [author.batch(1...2), other.whole, author.whole] {
                #expect(store.applyAndWait(batch) == .applied)
            }
            func codes(_ owner: String) throws -> [[UInt8]] {
                try store.pages(of: owner, limit: 2).flatMap(\.links).map(\.code)
            }
            #expect(try codes("a") == [3, 0].map { store.code(author.key($0)) })
            #expect(try codes("b") == [store.code(author.key(1))])
            #expect(store.changeAndWait(author.key(1), .update(owned("a"))))
            #expect(store.changeAndWait(author.key(0), .delete))
            #expect(try codes("a") == [3, 1].map { store.code(author.key($0)) } && codes("b") == [])
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// A snapshot that takes the store's place, with a link of the old one that is logged again; and what is made then.
    @Test func afterASnapshot() throws {
        let (giver, taker) = (try PeerStoreTests.Peer(0), try PeerStoreTests.Peer(1))
        func create(_ peer: PeerStoreTests.Peer, _ destination: String) throws -> CreatedLink {
            peer.clock.advance(milliseconds: 5)
            return try peer.create(owned("a", destination))
        }
        let old = try create(taker, "https://only.example.com/")
        let given = try (0..<5).map { try create(giver, "https://example.com/\($0)") }
        #expect(try giver.change(given[2].key, .delete).failure == nil)
        _ = try PeerStoreTests.install(try PeerStoreTests.open(giver), from: giver, at: taker)
        let later = try create(taker, "https://later.example.com/")
        let listed = try taker.store.pages(limit: 2).flatMap(\.links).map(\.code)
        #expect(Set(listed) == Set([later.code, old.code] + [4, 3, 1, 0].map { given[$0].code }))
        #expect(
            listed.count == 6
                && listed.filter { given.map(\.code).contains($0) } == [4, 3, 1, 0].map { given[$0].code })
        taker.store.close()
        #expect(try StoreInspection(directory: taker.directory.store).problems == [])
    }

    /// A backup, and a node that is made of it.
    @Test func afterABackup() throws {
        let target = TemporaryDirectory()
        let codes = try withStore(clusterSettings(directory, clock: clock)) { store in
            let links = try (0..<5).map { _ in try create(store) }
            #expect(store.changeAndWait(links[2].key, .delete))
            #expect(try store.copy(to: target.store).isSound)
            return [4, 3, 1, 0].map { links[$0].code }
        }
        #expect(try StoreInspection(directory: target.store).problems == [])
        try withStore(clusterSettings(target, clock: clock)) { (store) throws in
            #expect(try store.pages(limit: 3).flatMap(\.links).map(\.code) == codes)
        }
    }

    /// Cut down long after it expired, it is listed no more; an extension made elsewhere brings it back to its place.
    @Test func afterReduction() throws {
        let store = try Quiet(clusterSettings(directory, clock: clock))
        var expiring = owned()
        expiring.expiresAt = clock.now.advanced(byMilliseconds: 60_000)
        let link = try store.create(expiring)
        clock.advance(milliseconds: 1)
        let kept = try store.create(owned())
        clock.advance(milliseconds: 31 * 24 * 3_600_000)
        // The clock has gone on.
        try store.create("https://later.example.com/")
        store.scrubRound()
        #expect(store.scrubbed.reducedRecords == 1)
        #expect(try store.store.pages(limit: 5).flatMap(\.links).map(\.code) == [kept.code])
        var (other, extended) = (Author("3", since: clock.now), owned())
        extended.creation = Creation(stamp: link.stamp.rawValue, origin: link.origin)
        extended.expiresAt = clock.now.advanced(byMilliseconds: 60_000)
        other.write(link.key, extended)
        #expect(try store.apply(other.whole) == .applied)
        let listed = try store.store.pages(limit: 5).flatMap(\.links)
        #expect(listed.map(\.code) == [kept.code, link.code])
        #expect(listed.last?.record.body.expiresAt == extended.expiresAt)
        let reader = try store.store.makeReader()
        try reader.begin()
        guard case .link(let found) = reader.find(link.code.span.bytes) else { throw Missing() }
        #expect(found.view.redirects(at: clock.now))
        reader.end()
        store.close()
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// A region that the configuration no longer names: its links are there, and nobody reaches them by a code.
    @Test func ofARegionThatIsNotKnown() throws {
        let code = try withStore(clusterSettings(directory, clock: clock)) { store in
            var author = Author("2", since: clock.now)
            author.write(author.key(0), owned())
            let code = try create(store).code
            for counter in 1..<3 as Range<UInt64> { author.write(author.key(counter), owned()) }
            #expect(store.applyAndWait(author.whole) == .applied)
            #expect(try store.pages(limit: 1).flatMap(\.links).count == 4)
            return code
        }
        var fewer = clusterSettings(directory, clock: clock)
        fewer.regions = [localRegion]
        try withStore(fewer) { store in
            let pages = try store.pages(limit: 1)
            #expect(pages.flatMap(\.links).map(\.code) == [code] && pages.allSatisfy { $0.damagedCount == 0 })
        }
    }

    // MARK: Damage

    /// A closed store of links of one owner, among others; its file, and the codes.
    private func makeSound(_ count: Int) throws -> (codes: [[UInt8]], file: [UInt8]) {
        let codes = try withStore(settings(directory, clock: clock)) { store in
            try create(store, "b")
            let codes = try (0..<count).map { _ in try create(store).code }
            try create(store, "c")
            return codes
        }
        return (codes.reversed(), read(directory.file))
    }

    private func listed(limits: Int...) throws -> [(codes: [[UInt8]], damagedCount: Int)] {
        try withStore(settings(directory, clock: clock)) { store in
            try limits.map { limit in
                let pages = try store.pages(limit: limit)
                return (pages.flatMap(\.links).map(\.code), pages.reduce(0) { $0 + $1.damagedCount })
            }
        }
    }

    /// Whichever bit of a row of the list flips, where it leads a search, or of a record: all others are listed, once.
    @Test(arguments: ["owners", RawTable.linksName]) func everyBit(table: String) throws {
        let (codes, bytes) = try makeSound(12)
        let identity = read(directory.identity)
        let rows = RawFile(bytes).nodes.filter { $0.table == table }
        #expect(rows.count == 14)
        for row in [rows[1], rows[6], rows[12]] {
            for bit in 8 * row.key.lowerBound..<8 * row.value.upperBound {
                // Others of each row, and of each byte of it.
                guard bit % 11 == row.key.lowerBound % 11 else { continue }
                var damaged = bytes
                damaged[bit / 8] ^= 1 << UInt8(bit % 8)
                try write(damaged, to: directory.file)
                try write(identity, to: directory.identity)
                for (found, damagedCount) in try listed(limits: 1, 5) {
                    #expect(Set(found).count == found.count, "bit \(bit)")
                    #expect(found == codes.filter(Set(found).contains), "bit \(bit): in order")
                    #expect(found.count >= 11 && (found.count == 12 || damagedCount > 0), "bit \(bit): \(found.count)")
                }
            }
        }
    }

    /// More damage than can be left out: no page that looks like an end.
    @Test func manyDamagedRows() throws {
        _ = try makeSound(300)
        try editStore(directory.store) { raw in
            for row in try raw.rows("owners") { try raw.put("owners", row.key, [1, 2, 3, 4]) }
        }
        #expect {
            try listed(limits: 5)
        } throws: {
            if case StoreError.damaged = $0 { true } else { false }
        }
    }

    /// A row whose link is not there, or is somebody else's, and one whose key is none.
    @Test func rowsThatLie() throws {
        let (codes, bytes) = try makeSound(3)
        let rows = RawFile(bytes).nodes.filter { $0.table == "owners" }.map { Array(bytes[$0.key]) }
        let heads = Dictionary(grouping: rows) { Array($0.prefix(16)) }
        let head = try #require(heads.first { $0.value.count == 3 }).key
        let other = try #require(heads.first { $0.value.count == 1 }).value[0]
        let later = [UInt8](repeating: 0x7F, count: 6)
        for (name, key, isFatal) in [
            ("nothing", head + later + [3] + Array("nothing".utf8), false),
            ("another's link", head + Array(other.dropFirst(16)), false), ("no key", head + later + [9], true),
        ] {
            try editStore(directory.store) { try $0.put("owners", key, sealed(RawTable.owners, key, [])) }
            if isFatal {
                #expect(throws: StoreError.self) { try listed(limits: 5) }
            } else {
                let found = try listed(limits: 5)[0]
                #expect(found.codes == codes && found.damagedCount == 1, "\(name)")
            }
            try editStore(directory.store) { try $0.delete("owners", key) }
        }
    }
}

extension Store {
    fileprivate func page(
        of owner: String = "a", limit: Int, after: ListPosition? = nil, from: Instant? = nil, before: Instant? = nil,
        isOver: () -> Bool = { false }, matches: (LinkBody, [UInt8]) -> Bool = { _, _ in true }
    ) throws -> OwnedPage {
        var query = OwnedQuery(owner: Array(owner.utf8), limit: limit)
        (query.after, query.createdFrom, query.createdBefore) = (after, from, before)
        return try ownedLinks(query, isOver: isOver, matches: matches)
    }

    /// All of them, one after the other.
    fileprivate func pages(
        of owner: String = "a", limit: Int, from: Instant? = nil, before: Instant? = nil,
        matches: (LinkBody, [UInt8]) -> Bool = { _, _ in true }
    ) throws -> [OwnedPage] {
        var pages: [OwnedPage] = []
        repeat {
            pages.append(
                try page(of: owner, limit: limit, after: pages.last?.next, from: from, before: before, matches: matches)
            )
        } while pages.last!.next != nil && pages.count < 10_000
        return pages
    }
}
