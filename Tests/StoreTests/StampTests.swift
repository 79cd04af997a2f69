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
        #expect(right.merge(records).contains(.merged(PeerStoreTests.connection, changed: 1)))
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
