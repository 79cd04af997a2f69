import Links
import Primitives
import Store
import Testing

/// What the logs of a store say of links, in pages.
@Suite struct ChangePageTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    /// All pages of at most `count` behind `start`.
    private func pages(_ store: Store, after start: ChangePosition = ChangePosition(), of count: Int) throws
        -> [LinkWrite]
    {
        var (writes, position) = ([LinkWrite](), start)
        while true {
            let page = try store.changes(after: position, atMost: count).get()
            #expect(page.writes.count <= count)
            writes += page.writes
            if page.end == position { return writes }
            position = page.end
        }
    }

    /// Entries of two other nodes and of this one, in the order of their stamps, whatever the pages' size.
    @Test(arguments: [1, 7, 1000]) func severalLogs(count: Int) throws {
        var (first, second) = (Author(), Author("3", incarnation: 9))
        for counter in 0..<40 {
            let creation = first.create(UInt64(counter))
            if counter % 4 == 0 { first.write(first.key(UInt64(counter)), body("https://new.example/", of: creation)) }
            if counter % 10 == 0 { first.write(first.key(UInt64(counter)), body("", of: creation, deleted: true)) }
            second.create(UInt64(counter))
            // What is said of others than links is passed over.
            second.write(KeyID(UInt128(counter)))
        }
        try withStore(clusterSettings(directory, clock: clock)) { store in
            #expect(store.applyAndWait(first.whole) == .applied && store.applyAndWait(second.whole) == .applied)
            clock.advance(milliseconds: 10)
            let own = try store.createAndWait("https://own.example/", alias: "an-alias")
            let writes = try pages(store, of: count)
            #expect(writes.count == 40 + 10 + 4 + 40 + 1)
            #expect(writes.map(\.stamp) == writes.map(\.stamp).sorted())
            for origin in [first.origin, second.origin, own.origin] {
                let sequences = writes.filter { $0.origin == origin }.map(\.sequence)
                #expect(sequences == sequences.sorted() && Set(sequences).count == sequences.count)
            }
            #expect(writes.count { $0.kind == .updated } == 10 && writes.count { $0.kind == .deleted } == 4)
            #expect(writes.allSatisfy { $0.replacesAnswer == ($0.kind != .created) })
            #expect(writes.last?.code == Array("an-alias".utf8) && writes.last?.content == .link(own.body))
            #expect(writes.first?.code == store.code(first.key(0)))
            // Behind any of them the rest follows.
            var middle = ChangePosition()
            for write in writes[..<20] { middle[write.origin] = write.sequence }
            let rest = try pages(store, after: middle, of: count)
            #expect(rest.map(\.sequence) == writes[20...].map(\.sequence))
            #expect(try pages(store, after: store.endOfChanges, of: count).isEmpty)
        }
    }

    /// More than one read takes: nothing is left out, and nothing comes before what is older.
    @Test func longLogs() throws {
        var (long, short) = (Author(), Author("3", incarnation: 9))
        for counter in 0..<3000 {
            long.create(UInt64(counter), "https://example.com/" + String(repeating: "a", count: 200))
            if counter % 500 == 0 {
                short.write(short.key(UInt64(counter)), body("https://short.example/"), stamp: long.stamp)
            }
        }
        try withStore(clusterSettings(directory, clock: clock)) { store in
            #expect(store.applyAndWait(long.whole) == .applied && store.applyAndWait(short.whole) == .applied)
            let first = try store.changes(after: ChangePosition(), atMost: 100_000).get()
            #expect((1..<3006).contains(first.writes.count), "a read is bounded")
            let writes = try pages(store, of: 1000)
            #expect(writes.count == 3006 && writes.map(\.stamp) == writes.map(\.stamp).sorted())
        }
    }

    /// Of two writes of a link the one whose version is greater is what the store has.
    @Test func versions() throws {
        var (first, second) = (Author(), Author("3", incarnation: 9))
        let creation = first.create(0)
        let stamp = first.write(first.key(0), body("https://late.example/", of: creation), stamp: first.stamp + 9)
        second.write(first.key(0), body("https://early.example/", of: creation), stamp: stamp - 1)
        var versions: [String] = []
        try withStore(clusterSettings(directory, clock: clock)) { store in
            #expect(store.applyAndWait(first.whole) == .applied && store.applyAndWait(second.whole) == .applied)
            versions = try pages(store, of: 10).map(\.version)
            #expect(versions.count == 3 && versions[2] > versions[1] && versions[1] > versions[0])
            #expect(try store.makeReader().destination(store.code(first.key(0))) == "https://late.example/")
            // A delete is final, be it stamped before.
            second.write(first.key(1), body("", of: creation, deleted: true), stamp: stamp + 1)
            first.write(first.key(1), body("https://after.example/", of: creation), stamp: stamp + 2)
            #expect(store.applyAndWait(second.batch(2...2)) == .applied)
            #expect(store.applyAndWait(first.batch(3...3)) == .applied)
            let both = try pages(store, of: 10).suffix(2)
            #expect(both.map(\.kind) == [.deleted, .updated] && both.first!.version > both.last!.version)
        }
    }

    @Test func damage() throws {
        var author = Author()
        for counter in 0..<10 { author.create(UInt64(counter)) }
        try withStore(clusterSettings(directory, clock: clock)) { #expect($0.applyAndWait(author.whole) == .applied) }
        var rowKey: [UInt8] = []
        rowKey.append(bigEndian: UInt16(1))
        rowKey.append(bigEndian48: 6)
        try damageRow(directory.store, "log", rowKey)
        try withStore(clusterSettings(directory, clock: clock)) { store in
            let page = try store.changes(after: ChangePosition(), atMost: 100).get()
            #expect(page.writes.map(\.sequence) == [1, 2, 3, 4, 5])
            #expect(throws: ChangeReadError.damaged(author.origin, sequence: 6)) {
                try store.changes(after: page.end, atMost: 100).get()
            }
        }
    }

    @Test func files() throws {
        try withStore(clusterSettings(directory, clock: clock)) { store in
            #expect(try store.readFile("some", limitBytes: 10) == nil)
            for text in ["abc", "d"] {
                try store.replaceFile("some", with: Array(text.utf8))
                #expect(try store.readFile("some", limitBytes: 10) == Array(text.utf8))
            }
            #expect(try store.readFile("some", limitBytes: 0) == [0x64])
        }
    }
}
