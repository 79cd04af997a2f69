import Links
import Primitives
import Replication
import Testing

@testable import Store

/// The store's own round: digests are counted again, checksums checked. Each test takes the steps itself.
@Suite struct ScrubTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    /// Without threads; opened again it goes on.
    private func open() throws -> Quiet { try Quiet(clusterSettings(directory, clock: clock)) }

    /// Generated links in several buckets, aliases, an API key, another node's links.
    private func fill() throws {
        let store = try open()
        for number in 0..<600 { try store.create("https://\(number).example.com/") }
        for number in 0..<40 { try store.create("https://alias.example.com/", alias: "alias-\(number)") }
        var author = Author("2")
        for counter in 0..<300 as Range<UInt64> { author.create(counter) }
        author.write(KeyID(7))
        #expect(try store.apply(author.whole) == .applied)
        store.close()
    }

    private func fill(_ author: Author) throws {
        let store = try open()
        for first in stride(from: 1, through: author.head, by: StoreLimits.entriesPerBatch) {
            let last = min(first + UInt64(StoreLimits.entriesPerBatch) - 1, author.head)
            #expect(try store.apply(author.batch(first...last)) == .applied)
        }
        store.close()
    }

    private func bucket(_ table: String) -> [UInt8] {
        let ids: [String: [UInt8]] = ["links": RawTable.links, "aliases": RawTable.aliases, "keys": RawTable.keys]
        return ids[table]!
    }

    private typealias Harm = (
        name: String, change: (RawTransaction, _ row: (key: [UInt8], value: [UInt8])) throws -> Void
    )

    private var harms: [Harm] {
        [
            (
                "another sum",
                { raw, row in
                    var payload = Array(row.value.dropFirst(4))
                    payload[15] ^= 1
                    try raw.put("digests", row.key, sealed(RawTable.digests, row.key, payload))
                }
            ),
            (
                "another count",
                { raw, row in
                    var payload = Array(row.value.dropFirst(4))
                    payload[23] ^= 1
                    try raw.put("digests", row.key, sealed(RawTable.digests, row.key, payload))
                }
            ),
            (
                "a flipped bit",
                { raw, row in
                    var value = row.value
                    value[9] ^= 1
                    try raw.put("digests", row.key, value)
                }
            ),
            ("no row", { raw, row in try raw.delete("digests", row.key) }),
        ]
    }

    @Test(arguments: ["links", "aliases", "keys"]) func aFlippedDigestIsSetRight(table: String) throws {
        try fill()
        let contents = directory.contents
        for (name, harm) in harms {
            try directory.restore(contents)
            try editStore(directory.store) { raw in
                try harm(raw, try #require(try raw.rows("digests").first { $0.key.starts(with: bucket(table)) }))
            }
            #expect(try !StoreInspection(directory: directory.store).isSound, "\(table): \(name)")
            let store = try open()
            store.scrubRound(rows: 37)
            // A damaged row is met twice, at its bucket's end and among the digests.
            #expect(store.scrubbed.correctedDigests == 1, "\(table): \(name)")
            store.scrubRound(rows: 4096)
            #expect(store.scrubbed.correctedDigests == 1 && store.scrubbed.rounds == 2, "\(table): \(name)")
            #expect(store.scrubbed.damagedRecords == 0)
            store.close()
            #expect(try StoreInspection(directory: directory.store).problems == [], "\(table): \(name)")
        }
    }

    /// A row whose key was damaged belongs to no bucket, or to one without records.
    @Test func strayDigestsGo() throws {
        try fill()
        try editStore(directory.store) { raw in
            try raw.put("digests", [0x31, 0, 0, 0, 0, 0, 9, 9], [UInt8](repeating: 7, count: 34))
            try raw.put("digests", [0x34, 0, 0, 0, 0, 0, 9, 9], [UInt8](repeating: 7, count: 34))
            try raw.put("digests", [0, 99, 0, 0, 0, 0, 0, 1], [UInt8](repeating: 7, count: 34))
        }
        let store = try open()
        store.scrubRound()
        #expect(store.scrubbed.correctedDigests == 3)
        store.close()
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// What is written between the steps of a round is no difference.
    @Test(arguments: [1, 2, 3] as [UInt64]) func changesMeanwhile(seed: UInt64) throws {
        try fill()
        var random = SeededRandom(seed: seed)
        let store = try open()
        var keys: [LinkKey] = []
        while store.scrubbed.rounds < 3 {
            clock.advance(milliseconds: 10)
            for number in 0..<Int.random(in: 0...6, using: &random) {
                let alias = Bool.random(using: &random) ? "more-\(keys.count)-\(number)" : nil
                keys.append(try store.create("https://more.example.com/\(number)", alias: alias).key)
            }
            if let key = keys.randomElement(using: &random) {
                _ = try store.change(
                    key, Bool.random(using: &random) ? .delete : .update(body("https://changed.example/")))
            }
            store.step(rows: .random(in: 1...60, using: &random))
        }
        #expect(store.scrubbed.correctedDigests == 0, "seed \(seed)")
        store.close()
        #expect(try StoreInspection(directory: directory.store).problems == [], "seed \(seed)")
    }

    /// Where the writer cannot count a bucket in one transaction, it takes the scrub's count, unless the bucket's row has
    /// changed since.
    @Test func aTableTooLongToCountAgain() throws {
        var author = Author("2")
        for number in 0...StoreLimits.bucketScanRows {
            author.write(.alias(Array("name-\(number)".utf8)), body("https://example.com/\(number)"))
        }
        try fill(author)
        let right = try digests(directory.store)
        let changed = LinkKey.alias(Array("name-77".utf8))
        let buckets = [DigestBucket(changed).rowKey, DigestBucket(.alias(Array("name-78".utf8))).rowKey]
        try editStore(directory.store) { raw in
            for key in buckets {
                var payload = Array(try raw.get("digests", key).dropFirst(4))
                payload[3] ^= 1
                try raw.put("digests", key, sealed(RawTable.digests, key, payload))
            }
        }
        let store = try open()
        store.step(rows: 9000)
        store.step(rows: 9000)
        store.step(rows: 9000)
        #expect(store.scrubbed.rounds == 0 && store.scrubbed.correctedDigests == 0)
        #expect(try store.change(changed, .update(body("https://changed.example.com/"))).failure == nil)
        while store.scrubbed.rounds == 0 { store.step(rows: 9000) }
        #expect(store.scrubbed.correctedDigests == 1)
        store.scrubRound(rows: 9000)
        #expect(store.scrubbed.correctedDigests == 2)
        store.close()
        #expect(try StoreInspection(directory: directory.store).problems == [])
        #expect(try digests(directory.store)[buckets[1]] == right[buckets[1]])
    }

    /// A damaged record is told, its bucket's sum left alone until it is repaired; then it is the old one again.
    @Test func damageIsTold() throws {
        try fill()
        let whole = try digests(directory.store)
        let generated: [UInt8] = [0, 0, 0, 0, 0x05, 0]
        try damageRow(directory.store, RawTable.linksName, generated)
        try damageRow(directory.store, "aliases", Array("alias-3".utf8))
        try damageRow(directory.store, "keys", KeyID(7).bytes)
        var settings = clusterSettings(directory, clock: clock)
        settings.hasThreads = false
        let events = PeerStoreTests.Events()
        let peers = try PeerStore(settings) { events.told.append($0) }
        peers.store.scrubRound(rows: 50)
        let told = Set(events.told.compactMap { event in if case .damagedRecord(let key) = event { key } else { nil } })
        let number = generated.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        var expected: Set<[UInt8]> = [[0x80 | LogEntry.Kind.key] + KeyID(7).bytes]
        for key in [LinkKey.generated(region: 0x31, node: 0, number: number), .alias(Array("alias-3".utf8))] {
            var bytes: [UInt8] = []
            key.encode(into: &bytes)
            expected.insert(bytes)
        }
        #expect(told == expected)
        #expect(peers.store.figures.scrub.damagedRecords == 3 && peers.store.figures.scrub.correctedDigests == 0)
        peers.store.close()
        #expect(try digests(directory.store) == whole)
    }

    /// Rows are spread over the day; the first round begins after a minute, and a clock that was set back does not stop it.
    @Test func pace() throws {
        let store = try open()
        for number in 0..<99 { try store.create("https://\(number).example.com/") }
        let start = clock.now
        func isDue() -> Bool { store.store.scrubIsDue(clock.now, startedAt: start) }
        #expect(!isDue())
        clock.advance(milliseconds: StoreLimits.firstScrubMilliseconds)
        #expect(isDue())
        let began = clock.now
        store.step(rows: 50)
        let rows = try #require(store.store.scrubPace).rows
        #expect(rows >= 99 && store.store.scrub.rowCount == 50 && !isDue())
        clock.advance(milliseconds: StoreLimits.scrubRoundMilliseconds * 50 / Int64(rows) + 1)
        #expect(isDue())
        store.scrubRound()
        #expect(!isDue())
        clock.advance(
            milliseconds: began.advanced(byMilliseconds: StoreLimits.scrubRoundMilliseconds)
                .millisecondsSince(clock.now))
        #expect(isDue())
        store.step()
        clock.advance(milliseconds: -2 * StoreLimits.scrubRoundMilliseconds)
        #expect(isDue())
        store.close()
    }

    /// Where LMDB itself gives up, the round goes on with the next table.
    @Test func aDamagedTableIsPassedBy() throws {
        try fill()
        var bytes = read(directory.file)
        for start in stride(from: 2 * RawFile.pageSizeBytes, to: bytes.count, by: RawFile.pageSizeBytes) {
            let (flags, slots) = (bytes[start + 10], (Int(bytes[start + 13]) << 8 | Int(bytes[start + 12])) / 2 - 8)
            guard flags == 1, bytes[start + 11] == 0, slots >= 4 else { continue }
            // The second child of a branch page lies far beyond the file.
            let node = start + Int(bytes[start + 19]) << 8 + Int(bytes[start + 18])
            bytes[node + 3] = 0x7f
        }
        try write(bytes, to: directory.file)
        let store = try open()
        store.scrubRound()
        #expect(store.scrubbed.damagedRecords >= 1 && store.scrubbed.rounds == 1)
        #expect(store.scrubbed.correctedDigests == 0)
        store.close()
    }
}

/// A store whose writer turns when it is told to.
final class Quiet {
    /// One thread uses it.
    final class Disk: @unchecked Sendable { var isFull = false }

    let store: Store
    let disk = Disk()

    init(_ settings: StoreSettings) throws {
        var settings = settings
        let disk = disk
        settings.hasThreads = false
        settings.beforeCommit = { () throws(LMDBError) in if disk.isFull { throw LMDBError.diskFull } }
        store = try Store(settings)
    }

    var scrubbed: ScrubFigures { store.figures.scrub }

    func close() { store.close() }

    func step(rows: Int = 4096, after age: Int64 = StoreLimits.reducedAfterMilliseconds) {
        store.scrub(reducedAfter: age, rows: rows)
        store.turn()
    }

    func scrubRound(rows: Int = 4096) { store.scrubRound(rows: rows) }

    @discardableResult
    func create(_ body: LinkBody, alias: String? = nil) throws -> CreatedLink {
        let alias = try alias.map { try Alias(Array($0.utf8).span.bytes, in: store.codeSpace) }
        return try wait { store.create(NewLink(alias: alias, body: body), completion: $0) }.get()
    }

    @discardableResult
    func create(_ destination: String, alias: String? = nil) throws -> CreatedLink {
        try create(body(destination), alias: alias)
    }

    func change(_ key: LinkKey, _ change: LinkChange) throws -> Result<CreatedLink, WriteError> {
        try wait { store.change(key, change, completion: $0) }
    }

    func apply(_ batch: LogBatch) throws -> ApplyOutcome { try wait { store.apply(batch, completion: $0) } }

    private func wait<Answer>(_ ask: (@escaping @Sendable (Answer) -> Void) -> Void) throws -> Answer {
        var answer: Answer?
        nonisolated(unsafe) let set: (Answer) -> Void = { answer = $0 }
        ask { set($0) }
        store.turn()
        guard let answer else { throw Missing() }
        return answer
    }
}

extension Store {
    /// Steps until a round has ended, of a store without threads.
    func scrubRound(rows: Int = 4096, after age: Int64 = StoreLimits.reducedAfterMilliseconds) {
        let rounds = figures.scrub.rounds
        for _ in 0..<10_000 where figures.scrub.rounds == rounds {
            scrub(reducedAfter: age, rows: rows)
            turn()
        }
        #expect(figures.scrub.rounds == rounds + 1)
    }
}
