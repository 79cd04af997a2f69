import Foundation
import Links
import Primitives
import Store
import Testing

/// Entries of other nodes' logs in a running store.
@Suite struct ApplyTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    @Test func foreignLinksAreServedAndKept() throws {
        var author = Author()
        for counter in 0..<300 { author.create(UInt64(counter)) }
        author.write(.alias(Array("foreign".utf8)), body("https://alias.example.com/"))
        author.ceiling = 1000
        let links = try withStore(clusterSettings(directory, clock: clock)) { store in
            let reader = try store.makeReader()
            var links: Links = [:]
            for counter in 0..<300 {
                links[store.code(author.key(UInt64(counter)))] = "https://0.example.com/\(counter)"
            }
            links[Array("foreign".utf8)] = "https://alias.example.com/"
            // A reader from before the table of that node existed.
            #expect(try reader.destination(store.code(author.key(0))) == "absent")
            #expect(store.applyAndWait(author.whole) == .applied)
            for (code, destination) in links { #expect(try reader.destination(code) == destination) }
            let position = try #require(store.position(author.origin))
            #expect(position.head == 301 && position.chain == author.chains[301] && position.ceiling == 1000)
            #expect(store.figures.merged.entries == 301 && store.figures.merged.conflicts == 0)
            // Between what came and the ceiling a code may exist, above it cannot.
            #expect(try reader.destination(store.code(author.key(999))) == "absent")
            #expect(reader.counters.impossible == 1)
            #expect(try store.logBatch(author.origin, from: 1).get() == author.whole)
            // Own links go on beside.
            let own = try store.createAndWait("https://own.example.com/")
            links[own.code] = "https://own.example.com/"
            return links
        }
        try withStore(clusterSettings(directory, clock: clock)) { store in
            try store.expect(links)
            #expect(store.position(author.origin)?.head == 301)
            author.create(300)
            #expect(store.applyAndWait(author.batch(302...302)) == .applied)
        }
        let inspection = try StoreInspection(directory: directory.store)
        #expect(inspection.problems == [] && inspection.recordCount == 303 && inspection.entryCount == 303)
    }

    @Test func duplicatesGapsAndForks() throws {
        var author = Author()
        for counter in 0..<20 { author.create(UInt64(counter)) }
        var fork = Author()
        for counter in 0..<20 { fork.create(UInt64(counter), counter == 4 ? "https://fork.example.com/" : nil) }
        try withStore(clusterSettings(directory, clock: clock)) { store in
            let steps: [(LogBatch, ApplyOutcome, head: UInt64?)] = [
                (author.batch(2...5), .gap(expected: 1), nil),
                (fork.batch(1...4), .applied, 4),
                (author.batch(1...5), .applied, 5),
                (author.batch(1...5), .applied, 5),
                (author.batch(3...4), .applied, 5),
                (author.batch(4...9), .applied, 9),
                (author.batch(11...12), .gap(expected: 10), 9),
                (fork.batch(1...5), .chainMismatch, 9),
                (fork.batch(5...9), .chainMismatch, 9),
                (fork.batch(8...12), .chainMismatch, 9),
                (author.batch(1...20), .applied, 20),
            ]
            for (index, step) in steps.enumerated() {
                #expect(store.applyAndWait(step.0) == step.1, "step \(index)")
                #expect(store.position(author.origin)?.head == step.head, "step \(index)")
            }
            #expect(store.figures.merged.entries == 20)
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// What stands before a bad entry is applied, whatever else comes with it; nothing if that is not what was sent.
    @Test func malformedEntries() throws {
        func batch(_ spoil: (inout Author) -> Void) -> LogBatch {
            var author = Author()
            author.create(0)
            spoil(&author)
            author.create(9)
            return author.whole
        }
        var sample = Author()
        let creation = sample.create(1)
        var reduced = body("https://example.com/")
        reduced.flags.insert(.reduced)
        let cases: [(String, LogBatch)] = [
            (
                "checksum",
                batch { author in
                    author.create(1)
                    var entry = author.entries[1]
                    entry[30] ^= 1
                    author = Author()
                    author.create(0)
                    author.append(entry)
                }
            ),
            ("sequence", batch { $0.append(sample.entries[0]) }),
            ("stamp not ascending", batch { $0.write($0.key(1), body("https://a.example/"), stamp: $0.stamp) }),
            ("cut down", batch { $0.write($0.key(1), reduced) }),
            (
                "another node's number",
                batch { $0.write(.generated(region: 0x32, node: 1, number: 17), body("https://a.example/")) }
            ),
            (
                "number and node differ",
                batch { $0.write(.generated(region: 0x32, node: 0, number: 17), body("https://a.example/")) }
            ),
            (
                "number out of range",
                batch { $0.write(.generated(region: 0x32, node: 0, number: 1 << 44), body("https://a.example/")) }
            ),
            ("a snowflake of nobody", batch { $0.write(.snowflake(number: .max), body("https://a.example/")) }),
            (
                "change of what another created",
                batch {
                    $0.write(
                        $0.key(1),
                        body(
                            "https://a.example/",
                            of: .init(stamp: creation.stamp, origin: Origin(region: 0x33, node: 0, incarnation: 1))))
                }
            ),
            ("too long", batch { $0.append([UInt8](repeating: 0, count: 65_537)) }),
            ("empty", batch { $0.append([]) }),
        ]
        try withStore(clusterSettings(directory, clock: clock)) { store in
            for (name, batch) in cases {
                var other = batch
                other.chain[0] ^= 1
                let head = store.position(batch.origin)?.head
                #expect(store.applyAndWait(other) == .malformed(sequence: 2), "\(name)")
                #expect(store.position(batch.origin)?.head == head, "\(name)")
                #expect(store.applyAndWait(batch) == .malformed(sequence: 2), "\(name)")
                #expect(store.position(batch.origin)?.head == 1, "\(name)")
            }
        }
        let inspection = try StoreInspection(directory: directory.store)
        #expect(inspection.problems == [] && inspection.entryCount == 1)
    }

    @Test(
        arguments: [
            Origin(region: 0x20, node: 0, incarnation: 1), Origin(region: 0x32, node: 16, incarnation: 1),
            Origin(region: 0x32, node: 0, incarnation: 0),
        ])
    func originsThatCannotBe(origin: Origin) throws {
        try withStore(clusterSettings(directory, clock: clock)) { store in
            let batch = LogBatch(origin: origin, first: 1, entries: [], chain: [], ceiling: 0)
            #expect(store.applyAndWait(batch) == .malformed(sequence: 0))
            #expect(store.vector.count == 1)
        }
    }

    @Test func anUnknownKindOrAFutureStampStopsThere() throws {
        var author = Author()
        author.create(0)
        author.create(1)
        author.write(author.key(2), body("https://kind.example.com/"), kind: 77)
        author.create(3)
        var ahead = Author("3")
        ahead.create(0)
        let milliseconds = UInt64(clock.now.milliseconds)
        ahead.write(ahead.key(1), body("https://edge.example.com/"), stamp: (milliseconds + 60_000) << 16 | 0xffff)
        ahead.write(ahead.key(2), body("https://ahead.example.com/"), stamp: (milliseconds + 60_001) << 16)
        try withStore(clusterSettings(directory, clock: clock)) { store in
            for _ in 0..<2 {
                #expect(store.applyAndWait(author.whole) == .unknownKind(77, sequence: 3))
                #expect(store.position(author.origin)?.head == 2)
                #expect(store.applyAndWait(ahead.whole) == .ahead(sequence: 3))
                #expect(store.position(ahead.origin)?.head == 2)
            }
            // What is made here now is later than what was received.
            let later = try store.createAndWait("https://example.com/").stamp
            #expect(later.milliseconds >= milliseconds + 60_000)
            clock.advance(milliseconds: 1)
            #expect(store.applyAndWait(ahead.whole) == .applied)
            ahead.write(ahead.key(3), body("https://far.example.com/"), stamp: (milliseconds + 9_000_000) << 16)
            var trusting = ahead.batch(4...4)
            trusting.reference = Instant(milliseconds: Int64(milliseconds) + 8_990_000)
            #expect(store.applyAndWait(trusting) == .applied)
            // By the time that is believed the stamp is none of the future, and moves the clock.
            let moved = try store.createAndWait("https://example.com/").stamp
            #expect(moved.milliseconds == milliseconds + 9_000_000)
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// The present life is this node's alone; an ended one comes back like anyone's, and numbers go on beyond it.
    @Test func ownLivesFromElsewhere() throws {
        let own = clusterSettings(directory, clock: clock)
        let (origin, batch) = try withStore(own) { store in
            for _ in 0..<5 { _ = try store.createAndWait("https://example.com/") }
            let batch = try store.logBatch(store.origin, from: 1).get()
            #expect(store.applyAndWait(batch) == .applied)
            var other = batch
            other.chain[0] ^= 1
            #expect(store.applyAndWait(other) == .chainMismatch)
            other = batch
            other.entries.append([1])
            #expect(store.applyAndWait(other) == .ownLife)
            return (store.origin, batch)
        }
        #expect(batch.entries.count == 5)
        // The same node, without anything that it had.
        let lost = TemporaryDirectory()
        try withStore(clusterSettings(lost, clock: clock)) { store in
            #expect(store.origin != origin)
            #expect(store.applyAndWait(batch) == .applied)
            let codes = Set(try (0..<5).map { _ in try store.createAndWait("https://example.com/").code })
            for entry in batch.entries {
                let written = try LogEntry(decoding: entry.span.bytes)
                let key = try LinkKey(decoding: written.key.span.bytes)
                #expect(!codes.contains(store.code(key)))
            }
            #expect(codes.count == 5)
        }
        #expect(try StoreInspection(directory: lost.store).problems == [])
    }

    @Test func aDamagedRecordStays() throws {
        var author = Author()
        let creation = author.create(0)
        author.create(1)
        let own = clusterSettings(directory, clock: clock)
        try withStore(own) { #expect($0.applyAndWait(author.whole) == .applied) }
        try damageRow(directory.store, "links/20", [0, 0, 0, 0, 0, 0])
        author.write(author.key(0), body("https://changed.example.com/", of: creation))
        try withStore(own) { store in
            #expect(store.applyAndWait(author.batch(3...3)) == .applied)
            #expect(store.figures.merged.damagedRecords == 1)
            let found = try store.makeReader().destination(store.code(author.key(0)))
            #expect(found == "damaged")
        }
    }

    @Test func fullOfOrigins() throws {
        let own = clusterSettings(directory, clock: clock)
        try withStore(own) { #expect($0.vector.count == 1) }
        try editStore(directory.store) { transaction in
            let first = try RawOrigin.all(transaction)[0]
            for index in 1..<4095 {
                var (life, key) = (first.payload, [UInt8]())
                key.append(bigEndian: UInt16(index))
                life.replaceSubrange(2..<10, with: [0, 0, 0, 0, 0, 0] + key)
                try RawOrigin(index: key, payload: life).write(transaction)
            }
        }
        try withStore(own) { store in
            var author = Author()
            author.create(0)
            var changer = Author("2", node: 1)
            let creation = Creation(stamp: 1, origin: Origin(region: 0x33, node: 0, incarnation: 5))
            let link = LinkKey.generated(region: 0x33, node: 0, number: 16)
            changer.write(link, body("https://example.com/", of: creation))
            // Room for one: for the changer, and not for who created what it changed.
            #expect(store.applyAndWait(changer.whole) == .tooManyOrigins)
            #expect(store.applyAndWait(author.whole) == .tooManyOrigins)
            #expect(store.vector.count == 4096 && store.position(changer.origin)?.head == 0)
        }
    }

    @Test func fullStoreAndFullQueue() throws {
        let gate = DispatchSemaphore(value: 0)
        let store = try Store(clusterSettings(directory, clock: clock))
        // The writer stands in a completion.
        let entered = DispatchSemaphore(value: 0)
        store.create(NewLink(body: body("https://example.com/"))) { _ in
            entered.signal()
            gate.wait()
        }
        entered.wait()
        var author = Author()
        author.create(0)
        let answers = AnswerList()
        for _ in 0..<StoreLimits.waitingBatches + 3 { store.apply(author.whole) { answers.add($0) } }
        #expect(answers.all == [ApplyOutcome](repeating: .refused(.overloaded), count: 3))
        gate.signal()
        store.close()
        #expect(answers.all.count { $0 == .applied } == StoreLimits.waitingBatches)
        #expect(store.applyAndWait(author.whole) == .refused(.stopping))
    }

    /// The index of an origin that came to nothing goes to the next one, and a reader that looked meanwhile sees whose it
    /// is then.
    @Test func aFailedCommitLeavesNoName() throws {
        let disk = Quiet.Disk()
        var settings = clusterSettings(directory, clock: clock)
        settings.beforeCommit = { () throws(LMDBError) in if disk.isFull { throw LMDBError.diskFull } }
        var (first, second) = (Author("2"), Author("3"))
        first.create(0)
        second.create(0)
        try withStore(settings) { store in
            let reader = try store.makeReader()
            disk.isFull = true
            #expect(store.applyAndWait(first.whole) == .refused(.storageFull))
            disk.isFull = false
            try reader.begin()
            #expect((0..<4).allSatisfy { reader.origin(at: $0) != first.origin })
            reader.end()
            clock.advance(milliseconds: 60_000)
            #expect(store.applyAndWait(second.whole) == .applied)
            try reader.begin()
            defer { reader.end() }
            guard case .link(let link) = reader.find(store.code(second.key(0)).span.bytes), let record = link.record
            else { return #expect(Bool(false), "no link") }
            #expect(reader.origin(at: record.originIndex) == second.origin)
        }
    }

    /// 90 % of the map is for users and peers alike.
    @Test func fullMap() throws {
        var own = clusterSettings(directory, clock: clock)
        own.mapSizeBytes = 16 << 20
        try withStore(own) { store in
            var author = Author()
            var outcome = ApplyOutcome.applied
            while outcome == .applied, author.head < 1000 {
                author.create(author.head, "https://example.com/" + String(repeating: "x", count: 60_000))
                outcome = store.applyAndWait(author.batch(author.head...author.head))
            }
            #expect(outcome == .refused(.storageFull) && author.head > 50)
            #expect(store.position(author.origin)?.head == author.head - 1)
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }
}

/// Outcomes in the order in which they came.
final class AnswerList: @unchecked Sendable {
    private let lock = NSLock()
    private var outcomes: [ApplyOutcome] = []
    func add(_ outcome: ApplyOutcome) { lock.withLock { outcomes.append(outcome) } }
    var all: [ApplyOutcome] { lock.withLock { outcomes } }
}
