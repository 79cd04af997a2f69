import Links
import Primitives
import Replication
import Testing

@testable import Store

/// A store without a replicator.
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
}
