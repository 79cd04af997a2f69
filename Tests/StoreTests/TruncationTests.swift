import Links
import Primitives
import Replication
import Testing

@testable import Store

/// What goes of the logs of a store without a replicator, and, with one, of those that take too much of the map.
@Suite struct TruncationTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    /// How far the logs are gone after what is due was done.
    private func floors(_ store: Store) throws -> [UInt64] {
        clock.advance(milliseconds: ReplicationLimits.truncationInterval)
        store.truncateIfDue(clock.now)
        _ = try store.createAndWait("https://example.com/")
        return store.vector.map(\.floor)
    }

    @Test func alone() throws {
        try withStore(settings(directory, clock: clock)) { store in
            for _ in 0..<5 { _ = try store.createAndWait("https://example.com/") }
            #expect(try floors(store) == [0])
            let head = store.figures.head
            clock.advance(milliseconds: ReplicationLimits.settledAge)
            #expect(try floors(store) == [head])
            // Not before it is due again.
            clock.advance(milliseconds: ReplicationLimits.settledAge)
            #expect(try floors(store) == [head + 1])
            clock.step(milliseconds: ReplicationLimits.settledAge)
            store.truncateIfDue(clock.now)
            _ = try store.createAndWait("https://example.com/")
            #expect(store.vector.map(\.floor) == [head + 1])
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// Other nodes may come back for it, and their logs may be all that is left of them.
    @Test func withOthers() throws {
        try withStore(clusterSettings(directory, clock: clock)) { store in
            var author = Author()
            author.create(1)
            #expect(store.applyAndWait(author.whole) == .applied)
            _ = try store.createAndWait("https://example.com/")
            clock.advance(milliseconds: ReplicationLimits.settledAge)
            #expect(try floors(store).allSatisfy { $0 == 0 })
            clock.advance(milliseconds: ReplicationLimits.hardCapAge)
            #expect(try floors(store).allSatisfy { $0 > 0 })
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// Above a quarter of the map the oldest entries go whatever their age and whoever lacks them, until the log is short
    /// enough; but none that a snapshot needs.
    @Test func aQuarterOfTheMap() throws {
        var small = clusterSettings(directory, clock: clock)
        (small.mapSizeBytes, small.hasThreads, small.continuity) = (4 << 20, false, .unproven)
        let peer = try PeerStoreTests.Peer(in: directory, small, clock)
        var author = Author()
        let destination = "https://example.com/" + String(repeating: "x", count: 60_000)
        for counter in 0..<20 as Range<UInt64> { author.create(counter, destination) }
        let (origin, first, second) = (
            author.origin, PeerStoreTests.batch(author, 1...8), PeerStoreTests.batch(author, 9...20)
        )
        func truncated(pinned: UInt64) -> [Event] {
            let row = Truncation.Row(origin: origin, acknowledged: 3, pinned: pinned)
            return peer.perform(.truncate(Truncation([row], now: clock.now)))
        }
        peer.perform(.apply(first))
        #expect(peer.store.position(origin)?.head == 8)
        #expect(truncated(pinned: 8) == [.truncated([])])
        peer.perform(.apply(second))
        #expect(peer.store.position(origin)?.head == 20)
        #expect(truncated(pinned: 2) == [.truncated([Floor(origin: origin, floor: 2)])])
        while case .truncated(let floors)? = truncated(pinned: 20).first, !floors.isEmpty {}
        // As many as are too many.
        let floor = try #require(peer.store.position(origin)?.floor)
        #expect(floor > 2 && floor <= 7, "\(floor)")
        peer.store.close()
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }
}
