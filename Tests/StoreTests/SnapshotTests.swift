import Foundation
import Links
import Primitives
import Store
import Testing

/// Copies of a running store, made of parts of different moments.
@Suite struct SnapshotTests {
    let directory = TemporaryDirectory()
    let target = TemporaryDirectory()
    let clock = TestClock()

    /// Everything that a part could be broken by: long fields, every table, tombstones, an alias like a code.
    func fill(_ store: Store) throws -> Links {
        var links: Links = [:]
        func make(_ link: NewLink) throws {
            let made = try store.createAndWait(link).get()
            links[made.code] = String(decoding: link.body.destination, as: UTF8.self)
        }
        for number in 0..<200 { try make(NewLink(body: body("https://example.com/\(number)"))) }
        for number in 0..<100 {
            let alias = try Alias(Array("alias-\(number)".utf8).span.bytes, in: store.codeSpace)
            try make(NewLink(alias: alias, body: body("https://example.org/\(number)")))
        }
        var large = body("https://example.com/large")
        large.owner = Array("somebody".utf8)
        large.title = String(repeating: "title ", count: 700)
        try make(NewLink(body: large))
        large.destination += [UInt8](repeating: 0x78, count: 60_000)
        try make(NewLink(body: large))
        let shaped = store.codeSpace.code(of: 40_000 * 16, region: localRegion.character)
        let alias = try Alias(imported: Array(shaped.description.utf8).span.bytes)
        try make(NewLink(alias: alias, body: body("https://shaped.example.com/")))
        var author = Author()
        let creation = author.create(0)
        author.write(author.key(0), body("", of: creation, deleted: true))
        author.write(KeyID(9), of: author.write(KeyID(9)), deleted: true)
        author.write(KeyID(10))
        author.create(1)
        author.write(.snowflake(number: 5 << 23 | 2 << 17), body("https://snowflake.example.com/"))
        #expect(store.applyAndWait(author.whole) == .applied)
        links[store.code(author.key(1))] = "https://0.example.com/1"
        links[store.code(.snowflake(number: 5 << 23 | 2 << 17))] = "https://snowflake.example.com/"
        return links
    }

    @Test func aQuietStore() throws {
        let own = clusterSettings(directory, clock: clock)
        let (links, report) = try withStore(own) { store in
            let links = try fill(store)
            return (links, try store.copy(to: target.store, limitBytes: 3000))
        }
        #expect(report.isSound && report.recordCount == 308 && report.entryCount == 0)
        let inspection = try StoreInspection(directory: target.store)
        #expect(inspection.problems == [] && inspection.recordCount == 308 && !inspection.hasIdentity)
        #expect(try dump(target.store) == dump(directory.store))
        #expect(try digests(target.store) == digests(directory.store))
        #expect(try readKeys(directory: target.store).keys.count == 2)
        #expect(try FileManager.default.contentsOfDirectory(atPath: target.store).sorted() == ["data.mdb", "lock.mdb"])
        try withStore(clusterSettings(target, clock: clock)) { store in
            #expect(store.didBeginIncarnation)
            try store.expect(links)
            #expect(try store.makeReader().destination(store.code(Author().key(0))) == "")
        }
    }

    @Test func anEmptyStore() throws {
        let report = try withStore(clusterSettings(directory, clock: clock)) { try $0.copy(to: target.store) }
        #expect(report.isSound && report.recordCount == 0)
        #expect(try StoreInspection(directory: target.store).problems == [])
        // No first start: that node's first life stays the other store's.
        try withStore(clusterSettings(target, clock: clock)) { store in
            #expect(store.didBeginIncarnation)
            _ = try store.createAndWait("https://example.com/")
        }
        #expect(try StoreInspection(directory: target.store).problems == [])
    }

    /// Between any two parts the store goes on: own links, foreign ones, changes, deletes, and nodes that are new.
    @Test(arguments: [1, 2, 3, 4] as [UInt64]) func aStoreThatGoesOn(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let own = clusterSettings(directory, clock: clock)
        var (before, after) = (Links(), Links())
        var authors = [
            Author("2", since: clock.now), Author("3", since: clock.now), Author("2", node: 5, since: clock.now),
        ]
        try withStore(own) { store in
            before = try fill(store)
            authors[0] = Author("3", node: 9, since: clock.now)
            var made: [(LinkKey, Creation)] = []
            let report = try store.copy(to: target.store, limitBytes: 2000) { request in
                guard UInt64.random(in: 0..<3, using: &random) > 0 else { return }
                let link = try store.createAndWait("https://late.example.com/\(after.count)")
                after[link.code] = "https://late.example.com/\(after.count)"
                let index = Int.random(in: 0..<3, using: &random)
                let head = authors[index].head
                let counter = head + 1
                if let (key, creation) = made.randomElement(using: &random), Bool.random(using: &random) {
                    authors[index].write(
                        key, body("https://changed.example.com/", of: creation, deleted: counter % 3 == 0))
                } else {
                    made.append((authors[index].key(counter), authors[index].create(counter)))
                }
                authors[index].write(KeyID(UInt128(made.count)))
                #expect(store.applyAndWait(authors[index].batch(head + 1...authors[index].head)) == .applied)
            }
            #expect(report.isSound, "seed \(seed): \(report.problems)")
            #expect(report.entryCount > 20, "seed \(seed)")
        }
        let inspection = try StoreInspection(directory: target.store)
        #expect(inspection.problems == [], "seed \(seed)")
        // Everything from before the start is there, and nothing that was never written.
        let copied = try dump(target.store)
        #expect(copied.count >= before.count, "seed \(seed)")
        try withStore(clusterSettings(target, clock: clock)) { copy in
            try copy.expect(before)
            let reader = try copy.makeReader()
            for (code, destination) in after {
                #expect([destination, "absent"].contains(try reader.destination(code)), "seed \(seed)")
            }
            // The logs go on where the copy ends, and lead to what the source has.
            for author in authors where author.head > 0 {
                #expect(copy.applyAndWait(author.whole) == .applied, "seed \(seed)")
            }
        }
    }

    /// Reading between commits keeps no page: the store's file grows exactly as it does without.
    @Test func theStoreDoesNotGrowByIt() throws {
        func pages(copying: Bool) throws -> Int {
            let (source, copy) = (TemporaryDirectory(), TemporaryDirectory())
            var own = clusterSettings(source, clock: TestClock())
            // A thread beside would make commits of its own when it gets to run.
            own.hasThreads = false
            return try withStore(own) { store in
                let builder = try SnapshotBuilder(directory: copy.store, now: { [clock] in clock.now })
                for round in 0..<400 {
                    for number in 0..<3 {
                        store.create(NewLink(body: body("https://example.com/\(round)/\(number)"))) { made in
                            #expect((try? made.get()) != nil)
                        }
                        store.turn()
                    }
                    if copying, builder.request != .nothing {
                        try builder.take(store.part(builder.request, limitBytes: 500))
                    }
                }
                #expect(!copying || builder.request != .start)
                return store.figures.size.usedBytes
            }
        }
        #expect(try pages(copying: true) == pages(copying: false))
    }

    /// A copy that runs beside the writer's thread: at most the pages that a commit frees while one part is read.
    @Test func concurrentlyToo() throws {
        func used(copying: Bool) throws -> Int {
            let (source, copy) = (TemporaryDirectory(), TemporaryDirectory())
            return try withStore(clusterSettings(source, clock: clock)) { store in
                let (stops, parts) = (Flag(false), DispatchSemaphore(value: 0))
                let reader = SystemThread("copy") {
                    while copying, !stops.value {
                        try? FileManager.default.removeItem(atPath: copy.store)
                        _ = try? store.copy(to: copy.store, limitBytes: 4096) { _ in parts.signal() }
                    }
                }
                for _ in 0..<40 {
                    let results = store.createMany((0..<50).map { NewLink(body: body("https://example.com/\($0)")) })
                    #expect(results.allSatisfy { (try? $0.get()) != nil })
                    guard copying else { continue }
                    // No part is held over more than two batches, however long the reader has to wait for a processor.
                    while parts.wait(timeout: .now()) == .success {}
                    #expect(parts.wait(timeout: .now() + 60) == .success)
                }
                stops.value = true
                reader.join()
                return store.figures.size.usedBytes
            }
        }
        let (with, without) = (try used(copying: true), try used(copying: false))
        #expect(with - without < 1 << 20, "\(with) and \(without) bytes")
    }
}

extension Store {
    func part(_ request: SnapshotBuilder.Request, limitBytes: Int = StoreLimits.partBytes) throws -> SnapshotPart {
        switch request {
        case .start: .start(try snapshotStart())
        case .rows(let after): .rows(try snapshotRows(after: after, limitBytes: limitBytes))
        case .log(let origin, let from, let through):
            .log(try logBatch(origin, from: from, through: through, limitBytes: limitBytes).get())
        case .nothing: throw Missing()
        }
    }

    /// Copies the store part by part; `between` is called before each.
    @discardableResult
    func copy(
        to directory: String, limitBytes: Int = StoreLimits.partBytes,
        between: (SnapshotBuilder.Request) throws -> Void = { _ in }
    ) throws -> SnapshotReport {
        let builder = try SnapshotBuilder(directory: directory, now: { TestClock().now })
        while builder.request != .nothing {
            try between(builder.request)
            try builder.take(try SnapshotPart(decoding: part(builder.request, limitBytes: limitBytes).bytes))
        }
        return try builder.finish()
    }
}
