import Links
import Primitives
import Replication
import Store
import Testing

/// Stamps that come along with snapshots, repairs and ceilings, whose writers' clocks nobody has judged.
struct StampTests {
    private typealias Peer = PeerStoreTests.Peer

    /// A record whose writer's clock is far ahead waits, as its entry does: who changes it would go on from there.
    @Test func aStampFarAheadIsNotMerged() throws {
        let (left, right) = (try Peer(0), try Peer(1))
        left.perform(.continuityProven(nil))
        right.perform(.continuityProven(nil))
        left.clock.step(milliseconds: 121_001)
        let link = try left.create("https://example.com/")
        let records = try RepairTests().records(of: left)
        right.clock.advance(milliseconds: 61_000)
        #expect(right.merge(records).contains(.merged(PeerStoreTests.connection, changed: 0)))
        #expect(try right.store.makeReader().destination(link.code) == "absent")
        #expect(try right.create("https://example.com/2").stamp.milliseconds == UInt64(right.clock.now.milliseconds))
        right.clock.advance(milliseconds: 1)
        #expect(right.merge(records).contains(.merged(PeerStoreTests.connection, changed: 1, others: [link.origin])))
        #expect(try right.create("https://example.com/3").stamp > link.stamp)
    }

    /// A snapshot is taken as it is. What its giver's clock stamped far ahead becomes no stamp of this node's.
    @Test func aStampFarAheadInASnapshot() throws {
        let (giver, taker) = (try Peer(0), try Peer(1))
        giver.perform(.continuityProven(nil))
        giver.clock.step(milliseconds: 86_400_000)
        let link = try giver.create("https://example.com/")
        let (rows, end) = try taker.receiveSnapshot(from: giver)
        taker.perform(.finishInstall(SnapshotOffer(rows: rows), end))
        taker.perform(.continuityProven(nil))
        taker.clock.advance(milliseconds: 60_000)
        #expect(try taker.change(link.key, .delete).failure == .clockWrong)
        let other = try taker.create("https://example.com/2")
        #expect(other.stamp.milliseconds <= UInt64(taker.clock.now.milliseconds))
        taker.clock.advance(milliseconds: 86_400_000)
        #expect(try taker.change(link.key, .delete).failure == nil)
    }

    /// By its head's stamp a node knows which records are of the log that it holds; but its own clock goes no further than an
    /// entry could have taken it, after a start neither.
    @Test func anAdoptedLogKeepsItsStamp() throws {
        let (directory, settings, clock) = try {
            let (giver, taker) = (try Peer(0), try Peer(1))
            giver.clock.step(milliseconds: 90_000)
            let link = try giver.create("https://example.com/")
            let (rows, end) = try taker.receiveSnapshot(from: giver)
            taker.perform(.finishInstall(SnapshotOffer(rows: rows), end))
            #expect(taker.store.position(giver.store.origin)?.headStamp == link.stamp)
            taker.store.close()
            return (taker.directory, taker.settings, taker.clock)
        }()
        let again = try Peer(in: directory, settings, clock)
        let stamp = try again.create("https://example.com/2").stamp
        #expect(stamp.milliseconds <= UInt64(clock.now.milliseconds) + HybridClock.toleranceMilliseconds + 16)
    }

    /// What a snapshot told of is judged once an entry comes; and what came as entries stays judged when a snapshot tells of it.
    @Test func aHeadIsToldUntilAnEntryComes() throws {
        let (giver, taker) = (try Peer(0), try Peer(1))
        var (early, late) = (Author("3"), Author("3", incarnation: 8))
        early.create(0)
        late.create(1)
        late.create(2)
        for peer in [giver, taker] { peer.perform(.apply(PeerStoreTests.batch(early, 1...1))) }
        giver.perform(.apply(PeerStoreTests.batch(late, 1...1)))
        let (rows, end) = try taker.receiveSnapshot(from: giver)
        taker.perform(.finishInstall(SnapshotOffer(rows: rows), end))
        #expect(taker.store.position(early.origin)?.isHeadTold == false)
        #expect(taker.store.position(late.origin)?.isHeadTold == true)
        taker.perform(.apply(PeerStoreTests.batch(late, 2...2)))
        #expect(taker.store.position(late.origin)?.head == 2 && taker.store.position(late.origin)?.isHeadTold == false)
    }

    /// Whoever changed what an entry brought has a later stamp, also after a start at which the clock is behind and of the log
    /// no entry is left.
    @Test func aTruncatedLogKeepsItsStamp() throws {
        let (directory, settings, clock, stamp) = try {
            let peer = try Peer(0)
            var author = Author("3")
            let stamp = author.write(
                author.key(0), body("https://example.com/"), stamp: UInt64(peer.clock.now.milliseconds + 50_000) << 16)
            peer.perform(.apply(PeerStoreTests.batch(author, 1...1)))
            peer.clock.advance(milliseconds: ReplicationLimits.settledAge + 60_000)
            let row = Truncation.Row(origin: author.origin, acknowledged: 1, pinned: .max)
            peer.perform(.truncate(Truncation([row], now: peer.clock.now)))
            #expect(peer.store.position(author.origin)?.floor == 1)
            peer.clock.step(milliseconds: -(ReplicationLimits.settledAge + 80_000))
            peer.store.close()
            return (peer.directory, peer.settings, peer.clock, stamp)
        }()
        let again = try Peer(in: directory, settings, clock)
        #expect(try again.create("https://example.com/2").stamp.rawValue > stamp)
    }

    /// Where the wall clock is behind what a disk knows, stamps go on from there: of two copies of it at different places, or
    /// two writes of one key would have the same rank.
    @Test func anEarlierDiskGivesOtherStamps() throws {
        let peer = try Peer()
        peer.clock.step(milliseconds: 30_000)
        let last = try peer.create("https://example.com/").stamp
        peer.clock.step(milliseconds: -30_000)
        peer.store.close()
        let stamps = try (0..<2).map { _ in
            let copy = TemporaryDirectory()
            try copy.restore(peer.directory.contents)
            var settings = peer.settings
            settings.directory = copy.store
            let again = try Peer(in: copy, settings, peer.clock)
            defer { again.store.close() }
            return try again.create("https://example.com/2").stamp
        }
        #expect(stamps[0] != stamps[1] && stamps.allSatisfy { $0 > last })
        #expect(stamps.allSatisfy { $0.milliseconds <= last.milliseconds + 16 })
    }

    /// Of a node without an entry here, the time up to which its ceiling is known to have held tells how far its numbers may
    /// have gone since; it outlives a start and goes along with a snapshot, and is no bound to the first entry's stamp.
    @Test func aCeilingKeepsItsTime() throws {
        let taker = try Peer(1)
        var author = Author("3")
        let time = Stamp(milliseconds: UInt64(taker.clock.now.milliseconds) + 5000, counter: 0)
        let (directory, settings, clock) = try {
            let peer = try Peer(0)
            #expect(
                peer.perform(.ceiling(author.origin, 100, at: time))
                    == [.ceilingKept(author.origin, 100, at: time)])
            #expect(peer.perform(.ceiling(peer.store.origin, 100, at: time)).isEmpty, "its own is its own")
            peer.store.close()
            return (peer.directory, peer.settings, peer.clock)
        }()
        let again = try Peer(in: directory, settings, clock)
        let (rows, end) = try taker.receiveSnapshot(from: again)
        taker.perform(.finishInstall(SnapshotOffer(rows: rows), end))
        for holdings in try [again.store.holdings(), taker.store.holdings()] {
            let row = try #require(holdings.rows.first { $0.origin == author.origin })
            #expect(row.head == 0 && row.ceiling == 100 && row.stamp == time)
        }
        author.create(1)
        for store in [again, taker] {
            store.perform(.apply(PeerStoreTests.batch(author, 1...1)))
            #expect(store.store.position(author.origin)?.head == 1)
        }
    }

    /// A faulty program may write of a link's creation what it likes: its stamp goes into no row that peers could not read.
    @Test func aCreationOfNoTime() throws {
        let peer = try Peer(0)
        var author = Author("3")
        let creator = Author("2")
        let creation = Creation(stamp: .max, origin: creator.origin)
        let stamp = author.write(creator.key(7), body("https://example.com/", of: creation))
        peer.perform(.apply(PeerStoreTests.batch(author, 1...1)))
        let row = try #require(try peer.store.holdings().rows.first { $0.origin == creator.origin })
        #expect(row.head == 0 && row.ceiling == 8 && row.stamp.isCredible)
        #expect(row.stamp.milliseconds == Stamp(rawValue: stamp).milliseconds)
    }
}
