import Dispatch
import Links
import Primitives
import Replication
import Testing

@testable import Store

struct CoverageTests {
    private func position(_ author: Author, _ sequence: UInt64) -> LogPosition {
        LogPosition(LifeTag(author.origin)!, sequence)
    }

    @Test func whatIsHereIsCovered() throws {
        let directory = TemporaryDirectory()
        try withStore(clusterSettings(directory)) { store in
            let own = LifeTag(store.origin)!
            let made = try store.createAndWait("https://example.com/")
            #expect(store.coverage.covers(LogPosition(own, made.sequence)))
            #expect(!store.coverage.covers(LogPosition(own, made.sequence + 1)))
            var author = Author()
            for counter in 0..<3 { author.create(UInt64(counter)) }
            #expect(!store.coverage.covers(position(author, 1)))
            let version = store.coverage.version
            #expect(store.applyAndWait(author.batch(1...2)) == .applied)
            #expect(store.coverage.covers(position(author, 2)) && !store.coverage.covers(position(author, 3)))
            #expect(store.coverage.version > version)
            #expect(store.coverage.unsettled(atMost: 4).contains(position(author, 2)))
            store.coverage.settle(author.origin, through: 2)
            #expect(store.coverage.isSettled(position(author, 2)) && !store.coverage.isSettled(position(author, 3)))
            #expect(!store.coverage.unsettled(atMost: 4).contains { $0.life == LifeTag(author.origin) })
        }
        // A start knows it too.
        try withStore(clusterSettings(directory)) { #expect($0.coverage.covers(position(Author(), 2))) }
    }

    /// Another life of the node counts for nothing, and two that cannot be told apart cover nothing.
    @Test func lives() throws {
        let directory = TemporaryDirectory()
        try withStore(clusterSettings(directory)) { store in
            var (first, second) = (Author(incarnation: 1 << 48), Author(incarnation: 2 << 48))
            for counter in 0..<5 { first.create(UInt64(counter)) }
            second.create(100)
            #expect(store.applyAndWait(first.whole) == .applied && store.applyAndWait(second.whole) == .applied)
            #expect(store.coverage.covers(position(first, 5)) && store.coverage.covers(position(second, 1)))
            #expect(!store.coverage.covers(position(second, 2)))
            var twin = Author(incarnation: 1 << 48 | 1)
            twin.create(200)
            #expect(LifeTag(twin.origin) == LifeTag(first.origin))
            #expect(store.applyAndWait(twin.whole) == .applied)
            #expect(!store.coverage.covers(position(first, 1)) && !store.coverage.covers(position(twin, 1)))
            first.create(300)
            #expect(store.applyAndWait(first.whole) == .applied)
            #expect(!store.coverage.covers(position(first, 1)))
        }
    }

    /// Between what has come of a node's numbers and its ceiling a code may be elsewhere; nowhere else.
    @Test func generatedCodes() throws {
        let directory = TemporaryDirectory()
        try withStore(clusterSettings(directory)) { store in
            var author = Author()
            author.ceiling = 1000
            author.create(10)
            // Another node's change of a link comes before the entry that made it.
            var editor = Author("3", incarnation: 9)
            editor.write(
                author.key(500), body("https://edited.example.com/", of: Creation(stamp: 1, origin: author.origin)))
            let id = NodeID(region: UInt8(ascii: "2"), node: 0)
            func elsewhere(_ counter: UInt64) -> NodeID? {
                store.authorElsewhere(of: store.code(author.key(counter)).span.bytes, now: TestClock().now)
            }
            #expect(elsewhere(11) == nil, "nobody knows of a ceiling")
            #expect(store.applyAndWait(editor.whole) == .applied)
            #expect(store.applyAndWait(author.whole) == .applied)
            let rows: [(UInt64, NodeID?)] = [
                (9, nil), (10, nil), (11, id), (499, id), (999, id), (1000, nil), (5000, nil),
            ]
            for (counter, expected) in rows { #expect(elsewhere(counter) == expected, "\(counter)") }
            // Its own numbers it knows, and aliases it does not ask for.
            let own = try store.createAndWait("https://example.com/")
            guard case .generated(let region, let node, let number) = own.key else { throw Missing() }
            let next = store.code(.generated(region: region, node: node, number: number + 16))
            #expect(store.authorElsewhere(of: next.span.bytes, now: TestClock().now) == nil)
            #expect(store.authorElsewhere(of: Array("some-alias".utf8).span.bytes, now: TestClock().now) == nil)
        }
    }

    /// What ended before all of it came may have numbers below those of the life after it.
    @Test func endedLives() throws {
        let directory = TemporaryDirectory()
        try withStore(clusterSettings(directory)) { store in
            var (first, second) = (Author(incarnation: 1 << 48), Author(incarnation: 2 << 48))
            (first.ceiling, second.ceiling) = (100, 1000)
            first.create(5)
            second.create(500)
            #expect(store.applyAndWait(first.whole) == .applied && store.applyAndWait(second.whole) == .applied)
            let code = store.code(first.key(50))
            func elsewhere() -> NodeID? { store.authorElsewhere(of: code.span.bytes, now: TestClock().now) }
            #expect(elsewhere() == nil)
            store.seal(first.origin, at: 3)
            #expect(elsewhere() == NodeID(region: UInt8(ascii: "2"), node: 0))
            first.create(6)
            first.create(7)
            #expect(store.applyAndWait(first.whole) == .applied)
            #expect(elsewhere() == nil)
        }
    }

    @Test func snowflakes() throws {
        let clock = TestClock()
        let directory = TemporaryDirectory()
        try withStore(clusterSettings(directory, clock: clock)) { store in
            var author = Author(since: clock.now)
            author.create(1)
            #expect(store.applyAndWait(author.whole) == .applied)
            func elsewhere(_ milliseconds: Int64, region: Character = "2") -> NodeID? {
                let time = UInt64(clock.now.milliseconds - Snowflake.epoch.milliseconds + milliseconds)
                let index = UInt64(RegionCharacter(region.asciiValue!)!.index)
                return store.authorElsewhere(
                    of: store.code(.snowflake(number: time << 23 | index << 17)).span.bytes, now: clock.now)
            }
            let id = NodeID(region: UInt8(ascii: "2"), node: 0)
            let rows: [(Int64, NodeID?)] = [
                (0, id), (-59_000, id), (-61_000, nil), (59_000, id), (61_000, nil), (-86_400_000, nil),
            ]
            for (milliseconds, expected) in rows { #expect(elsewhere(milliseconds) == expected, "\(milliseconds)") }
            #expect(elsewhere(0, region: "1") == nil)
        }
    }
}

extension Store {
    fileprivate func seal(_ origin: Origin, at sequence: UInt64) {
        let done = DispatchSemaphore(value: 0)
        carryOut(.seal(origin, sequence)) { _ in done.signal() }
        done.wait()
    }
}
