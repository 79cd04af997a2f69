import Foundation
import Links
import Primitives
import Store
import Testing

@testable import Replication

/// A store as the replicator sees it: effects go in, and events come out once what they tell is durable.
@Suite struct PeerStoreTests {
    /// One thread uses it.
    final class Events: @unchecked Sendable {
        var told: [Event] = []
        var isFull = false
    }

    /// A store without threads in the first region.
    struct Peer {
        let directory: TemporaryDirectory
        let clock: TestClock
        let events: Events
        let settings: StoreSettings
        let peers: PeerStore

        init(_ region: Int = 0) throws {
            (directory, clock, events) = (TemporaryDirectory(), TestClock(), Events())
            var settings = clusterSettings(directory, clock: clock)
            settings.region = threeRegions[region]
            (settings.hasThreads, settings.continuity) = (false, .unproven)
            let events = events
            settings.beforeCommit = { () throws(LMDBError) in if events.isFull { throw LMDBError.diskFull } }
            settings.beforeInstallCommit = settings.beforeCommit
            self.settings = settings
            peers = try PeerStore(settings) { events.told.append($0) }
        }

        /// Of a node that has ended.
        init(in directory: TemporaryDirectory, _ settings: StoreSettings, _ clock: TestClock) throws {
            (self.directory, self.settings, self.clock, events) = (directory, settings, clock, Events())
            let events = events
            peers = try PeerStore(settings) { events.told.append($0) }
        }

        var store: Store { peers.store }

        /// What the store told after the effect.
        @discardableResult
        func perform(_ effect: Effect) -> [Event] {
            events.told = []
            #expect(peers.perform(effect))
            store.turn()
            return events.told
        }

        /// Records of another node's, judged by this one's clock.
        @discardableResult
        func merge(_ records: [UInt8]) -> [Event] {
            perform(.merge(PeerStoreTests.connection, records, reference: clock.now))
        }

        /// All records of the giver, into a store beside this one.
        func receiveSnapshot(from giver: Peer) throws -> (rows: [OriginState], end: SnapshotEnd) {
            (try PeerStoreTests.open(giver), try receiveRecords(from: giver))
        }

        func receiveRecords(from giver: Peer) throws -> SnapshotEnd {
            perform(.beginInstall(resumes: false))
            while true {
                switch giver.perform(.readSnapshot(PeerStoreTests.connection)).first {
                case .snapshotRead(_, let chunk): #expect(perform(.installChunk(chunk)).count == 1)
                case .snapshotRan(_, let end): return end
                default: throw Missing()
                }
            }
        }

        func create(_ destination: String) throws -> CreatedLink { try create(body(destination)) }

        func create(_ link: LinkBody) throws -> CreatedLink {
            var made: Result<CreatedLink, WriteError>?
            nonisolated(unsafe) let out: (Result<CreatedLink, WriteError>) -> Void = { made = $0 }
            store.create(NewLink(body: link)) { out($0) }
            store.turn()
            return try #require(made).get()
        }

        func change(_ key: LinkKey, _ change: LinkChange) throws -> Result<CreatedLink, WriteError> {
            var made: Result<CreatedLink, WriteError>?
            nonisolated(unsafe) let out: (Result<CreatedLink, WriteError>) -> Void = { made = $0 }
            store.change(key, change) { out($0) }
            store.turn()
            return try #require(made)
        }
    }

    static func batch(_ author: Author, _ range: ClosedRange<UInt64>, chainAfter: Bool = true) -> Batch {
        var bytes: [UInt8] = []
        for entry in author.batch(range).entries { bytes.append(lengthPrefixed: entry) }
        let chain = author.batch(range).chain.reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
        return Batch(
            origin: author.origin, first: range.lowerBound, count: range.count, bytes: bytes,
            chainAfter: chainAfter ? Chain(rawValue: chain) : nil, reference: TestClock().now)
    }

    private func applied(_ events: [Event]) throws -> Applied {
        for event in events { if case .applied(let applied) = event { return applied } }
        throw Missing()
    }

    @Test func batches() throws {
        let peer = try Peer()
        var author = Author("2")
        for counter in 0..<6 as Range<UInt64> { author.create(counter) }
        var other = Author("2")
        for counter in 10..<16 as Range<UInt64> { other.create(counter) }
        let rows: [(Batch, Applied.Outcome, head: UInt64)] = [
            (Self.batch(author, 2...3), .gap, 0), (Self.batch(author, 1...2), .done, 2),
            (Self.batch(author, 1...2), .done, 2),
            (Self.batch(author, 3...4, chainAfter: false), .done, 4), (Self.batch(other, 5...6), .chainMismatch, 4),
            (Self.batch(author, 5...6), .done, 6),
        ]
        for (batch, outcome, head) in rows {
            let applied = try applied(peer.perform(.apply(batch)))
            #expect(applied.outcome == outcome && applied.head == head && applied.origin == author.origin)
        }
        peer.events.isFull = true
        author.create(7)
        let failed = try applied(peer.perform(.apply(Self.batch(author, 7...7))))
        #expect(failed.outcome == .failed && failed.head == 6)
    }

    @Test func logOfALaterKindAndPoison() throws {
        let peer = try Peer()
        var author = Author("2")
        author.create(1)
        author.write(author.key(2), body("https://example.com/"), kind: 77)
        #expect(try applied(peer.perform(.apply(Self.batch(author, 1...2)))).outcome == .unknownKind(sequence: 2))
        var faulty = Author("3")
        faulty.create(1)
        faulty.write(LinkKey.generated(region: 0x31, node: 0, number: 16), body("https://example.com/"))
        #expect(try applied(peer.perform(.apply(Self.batch(faulty, 1...2)))).outcome == .poison(sequence: 2))
    }

    /// What must come about is tried again once the disk has room.
    @Test func owedUntilThereIsRoom() throws {
        let peer = try Peer()
        peer.events.isFull = true
        let origin = Author("2").origin
        #expect(peer.perform(.seal(origin, 9)).isEmpty)
        let stamp = Stamp(milliseconds: 5, counter: 0)
        #expect(peer.perform(.ceiling(origin, 100, at: stamp)).isEmpty)
        peer.events.isFull = false
        peer.clock.advance(milliseconds: 2000)
        peer.peers.retry()
        peer.store.turn()
        #expect(peer.events.told.contains(.ceilingKept(origin, 100, at: stamp)))
        let row = try #require(peer.store.position(origin))
        #expect(row.seal == 9 && row.ceiling == 100)
        // A seal only grows.
        peer.perform(.seal(origin, 5))
        #expect(peer.store.position(origin)?.seal == 9)
        for isForked in [true, false] {
            peer.perform(.forked(origin, isForked))
            #expect(try peer.store.holdings().forked == (isForked ? [origin] : []))
        }
    }

    /// The old life is sealed, nothing is issued, and the file `identity` tells of the new one.
    @Test func aNewLifeInPlace() throws {
        let peer = try Peer()
        peer.perform(.continuityProven(nil))
        _ = try peer.create("https://example.com/1")
        let before = peer.store.origin
        // What was found of its log goes with it.
        peer.perform(.forked(before, true))
        let events = peer.perform(.beginIncarnation(.chainMismatch(NodeID(region: 0x32, node: 0))))
        let after = peer.store.origin
        #expect(after != before && peer.store.position(before)?.seal == 1)
        let holdings = try peer.store.holdings()
        #expect(events.contains(.incarnationBegan(holdings)) && holdings.own == after && holdings.forked == [before])
        let link = try peer.create("https://example.com/2")
        #expect(link.origin == after)
        #expect({ if case .snowflake = link.key { true } else { false } }())
        #expect(
            String(decoding: read(peer.directory.identity), as: UTF8.self).contains(
                String(after.incarnation, radix: 16)))
        peer.store.close()
        #expect(try StoreInspection(directory: peer.directory.store).problems == [])
    }

    /// Until a peer has heard how far numbers go there are Snowflakes.
    @Test func numbersWaitUntilTheyAreHeardOf() throws {
        let peer = try Peer()
        peer.perform(.issuing(allowed: false))
        peer.perform(.continuityProven(nil))
        for _ in 0..<3 {
            peer.store.turn()
            peer.clock.advance(milliseconds: 10_000)
            let key = try peer.create("https://example.com/").key
            #expect({ if case .snowflake = key { true } else { false } }())
        }
        // A full disk changes nothing in the order of the two.
        peer.events.isFull = true
        peer.perform(.issuing(allowed: false))
        _ = try? peer.create("https://example.com/")
        peer.events.isFull = false
        peer.perform(.issuing(allowed: true))
        peer.peers.retry()
        peer.store.turn()
        peer.clock.advance(milliseconds: 60_000)
        let key = try peer.create("https://example.com/").key
        #expect({ if case .generated = key { true } else { false } }())
    }

    @Test func truncationRaisesTheFloor() throws {
        let peer = try Peer()
        var author = Author("2")
        for counter in 0..<8 as Range<UInt64> { author.create(counter) }
        peer.perform(.apply(Self.batch(author, 1...8)))
        func order(acknowledged: UInt64, pinned: UInt64, settled: Int64, capped: Int64) -> Effect {
            .truncate(
                Truncation(
                    rows: [.init(origin: author.origin, acknowledged: acknowledged, pinned: pinned)],
                    settledBefore: peer.clock.now.advanced(byMilliseconds: settled),
                    cappedBefore: peer.clock.now.advanced(byMilliseconds: capped)))
        }
        // Too young, then as far as all have it, then as far as no snapshot needs it.
        #expect(peer.perform(order(acknowledged: 8, pinned: 8, settled: -1000, capped: -1000)) == [.truncated([])])
        #expect(
            peer.perform(order(acknowledged: 3, pinned: 8, settled: 1000, capped: -1000))
                == [.truncated([Floor(origin: author.origin, floor: 3)])])
        #expect(
            peer.perform(order(acknowledged: 3, pinned: 6, settled: 1000, capped: 1000))
                == [.truncated([Floor(origin: author.origin, floor: 6)])])
        let read = LogRead(
            connection: ConnectionID(rawValue: 1), origin: author.origin, from: 5, through: 8, limitBytes: 1000)
        #expect(peer.perform(.readLog(read)) == [.logRead(read, .belowFloor(6))])
        #expect(try StoreInspection(directory: peer.directory.store).problems == [])
    }

    static let connection = ConnectionID(rawValue: 5)

    static func open(_ giver: Peer) throws -> [OriginState] {
        guard case .snapshotOpened(_, let rows)? = giver.perform(.openSnapshot(Self.connection, after: [])).first else {
            throw Missing()
        }
        return rows
    }

    static func install(_ rows: [OriginState], from giver: Peer, at taker: Peer) throws -> Holdings {
        let end = try taker.receiveRecords(from: giver)
        guard case .installed(let holdings)? = taker.perform(.finishInstall(SnapshotOffer(rows: rows), end)).last else {
            throw Missing()
        }
        return holdings
    }

    /// Records that came after the vector was read are sound before their log entries come, for `verify` too.
    @Test func aSnapshotMayBeNewerThanItsVector() throws {
        let (giver, taker) = (try Peer(0), try Peer(1))
        giver.perform(.continuityProven(nil))
        let rows = try Self.open(giver)
        #expect(rows.first { $0.origin == giver.store.origin }?.head == 0)
        let link = try giver.create("https://example.com/")
        _ = try Self.install(rows, from: giver, at: taker)
        #expect(try taker.store.makeReader().destination(link.code) == "https://example.com/")
        taker.store.close()
        #expect(try StoreInspection(directory: taker.directory.store).problems == [])
    }

    /// A log that the vector goes on covering as the old store had it: others have its records as they are, so they are
    /// not logged again.
    @Test func recordsOfAKeptLogStayAsTheyAre() throws {
        for isKept in [false, true] {
            let (giver, taker) = (try Peer(0), try Peer(1))
            var author = Author("3")
            author.create(0, "https://third.example.com/")
            #expect(try applied(taker.perform(.apply(Self.batch(author, 1...1)))).outcome == .done)
            let mine = try #require(try taker.store.holdings().rows.first { $0.origin == author.origin })
            let holdings = try Self.install(try Self.open(giver) + (isKept ? [mine] : []), from: giver, at: taker)
            #expect(holdings.rows.first { $0.origin == author.origin }?.head ?? 0 == (isKept ? 1 : 0))
            #expect(holdings.rows.first { $0.origin == holdings.own }?.head == (isKept ? 0 : 1))
            let code = taker.store.code(author.key(0))
            #expect(try taker.store.makeReader().destination(code) == "https://third.example.com/")
            taker.store.close()
            #expect(try StoreInspection(directory: taker.directory.store).problems == [])
        }
    }

    /// A whole snapshot, with what the old store alone holds logged again under a new life.
    @Test func aSnapshotReplacesTheStore() throws {
        let (giver, taker) = (try Peer(0), try Peer(1))
        giver.perform(.continuityProven(nil))
        var keys: [LinkKey] = []
        for number in 0..<40 { keys.append(try giver.create("https://example.com/\(number)").key) }
        #expect((try giver.change(keys[3], .delete)).failure == nil)
        let own = try taker.create("https://only.example.com/")
        let (rows, end) = try taker.receiveSnapshot(from: giver)
        let before = taker.store.origin
        // Who reads meanwhile goes on in the old store; what is written after it is in the new one.
        let reader = try taker.store.makeReader()
        try reader.begin()
        taker.events.told = []
        #expect(taker.peers.perform(.finishInstall(SnapshotOffer(rows: rows), end)))
        let later = try taker.create("https://later.example.com/")
        let installed = taker.events.told.compactMap { if case .installed(let holdings) = $0 { holdings } else { nil } }
        let holdings = try #require(installed.first)
        #expect(holdings.own != before && holdings.isFresh && taker.store.origin == holdings.own)
        #expect(later.origin == holdings.own && taker.store.environmentNumber == 2)
        #expect(holdings.rows.first { $0.origin == giver.store.origin }?.floor == 41)
        let (there, here) = (Array(taker.store.codeSpace.text(of: keys[0]).utf8), own.code)
        #expect(!reader.findsNothing(here) && reader.findsNothing(there))
        #expect(deletedFiles(in: taker.directory.store) > 0)
        reader.end()
        #expect(try reader.destination(here) == "https://only.example.com/")
        #expect(try reader.destination(there) == "https://example.com/0")
        #expect(try reader.destination(later.code) == "https://later.example.com/")
        #expect(deletedFiles(in: taker.directory.store) == 0)
        #expect(try taker.store.logBatch(holdings.own, from: 1).get().entries.count == 2)
        taker.store.close()
        #expect(try StoreInspection(directory: taker.directory.store).problems == [])
        #expect(try dump(taker.directory.store).count == 41)
    }

    /// What cannot be logged again is kept beside the store, and told; all else comes along.
    @Test func whatStaysBehindIsKept() throws {
        let giver = try Peer(0)
        let (directory, settings, clock, links) = try {
            let before = try Peer(1)
            let links = try (0..<3).map { try before.create("https://only.example.com/\($0)") }
            before.store.close()
            return (before.directory, before.settings, before.clock, links)
        }()
        guard case .snowflake(let number) = links[1].key else { throw Missing() }
        var key: [UInt8] = []
        key.append(bigEndian: number)
        try damageRow(directory.store, "snowflakes", key)
        let taker = try Peer(in: directory, settings, clock)
        let (rows, end) = try taker.receiveSnapshot(from: giver)
        #expect(taker.perform(.finishInstall(SnapshotOffer(rows: rows), end)).count == 1)
        #expect(taker.store.figures.lostRows == 1)
        let kept = String(decoding: read(taker.directory.store + "/lost+found"), as: UTF8.self)
        #expect(kept.split(separator: "\n").count == 1)
        #expect(kept.contains(#""table":"snowflakes""#))
        #expect(kept.contains("/" + String(decoding: links[1].code, as: UTF8.self)))
        // The destination is still there to be read.
        #expect(kept.contains("only.example.com/".utf8.map { String($0, radix: 16) }.joined()))
        let reader = try taker.store.makeReader()
        for index in [0, 2] { #expect(try reader.destination(links[index].code).hasSuffix("/\(index)")) }
        #expect(try reader.destination(links[1].code) == "absent")
        taker.store.close()
        #expect(try StoreInspection(directory: taker.directory.store).problems == [])
    }

    /// Files without a name that this process still has open.
    private func deletedFiles(in directory: String) -> Int {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        return names.compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + $0) }
            .count { $0.hasPrefix(directory) && $0.hasSuffix("(deleted)") }
    }

    /// A wrong sum, a cut chunk: the old store goes on as if nothing had been.
    @Test func aBadSnapshotChangesNothing() throws {
        let taker = try Peer(1)
        let link = try taker.create("https://example.com/")
        taker.perform(.beginInstall(resumes: false))
        #expect(taker.perform(.installChunk([1, 2, 3])) == [.installFailed])
        taker.perform(.beginInstall(resumes: false))
        let end = SnapshotEnd(.complete, records: 3, sum: 9)
        #expect(taker.perform(.finishInstall(SnapshotOffer(rows: []), end)).last == .installFailed)
        #expect(try taker.store.makeReader().destination(link.code) == "https://example.com/")
        #expect(!FileManager.default.fileExists(atPath: taker.directory.store + "/joining"))
    }

    @Test func changesAreRefusedInWords() throws {
        let peer = try Peer()
        let link = try peer.create("https://example.com/1")
        #expect(try peer.change(link.key, .update(body("https://example.com/2"))).get().stamp > link.stamp)
        #expect(try peer.change(.alias(Array("nobody".utf8)), .delete).failure == .notFound)
        peer.perform(.localChanges(allowed: false))
        #expect(try peer.change(link.key, .delete).failure == .clockWrong)
        peer.perform(.localChanges(allowed: true))
        #expect(try peer.change(link.key, .delete).failure == nil)
        #expect(try peer.change(link.key, .delete).failure == .deleted)
        peer.store.close()
        #expect(try StoreInspection(directory: peer.directory.store).problems == [])
    }
}
