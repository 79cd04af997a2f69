import Links
import Primitives
import Replication
import Testing

@testable import Store

/// What requests that may come again have made: the table `claims`, on whoever makes a link or applies its entry.
@Suite struct ClaimTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    private func open() throws -> Quiet { try Quiet(clusterSettings(directory, clock: clock)) }

    private func link(_ destination: String, claim: UInt128 = 7, request: UInt64 = 1, alias: String? = nil) throws
        -> NewLink
    {
        var body = body(destination)
        (body.claimID, body.requestHash) = (claim, request)
        var link = NewLink(alias: try alias.map { try Alias(imported: Array($0.utf8).span.bytes) }, body: body)
        link.claimsSince = clock.now.advanced(byMilliseconds: -StoreLimits.claimsKeptMilliseconds)
        return link
    }

    private func made(_ store: Quiet, _ link: NewLink) throws -> Result<CreatedLink, WriteError> {
        let result = Box<Result<CreatedLink, WriteError>>()
        store.store.create(link) { result.value = $0 }
        store.store.turn()
        return try #require(result.value)
    }

    /// One thread uses it.
    private final class Box<Value>: @unchecked Sendable { var value: Value? }

    private func found(_ store: Store, _ claim: UInt128 = 7, since: Instant? = nil) throws -> CreatedLink? {
        guard case .link(let link, _)? = try store.claimed(claim, since: since ?? Instant(milliseconds: 0)) else {
            return nil
        }
        return link
    }

    private func expectSound() throws {
        let inspection = try StoreInspection(directory: directory.store)
        #expect(inspection.isSound, "\(inspection.problems)")
    }

    /// The same request again gets what the first one made, whatever became of that since; another one gets nothing.
    @Test func again() throws {
        let code = try againAndAgain()
        try expectSound()
        let reopened = try open()
        #expect(try made(reopened, try link("https://first.example/")).get().code == code)
        reopened.close()
    }

    private func againAndAgain() throws -> [UInt8] {
        let store = try open()
        let first = try made(store, try link("https://first.example/")).get()
        #expect(!first.isReplay)
        let head = store.store.figures.head
        clock.advance(milliseconds: 1000)
        let second = try made(store, try link("https://first.example/")).get()
        #expect(second.isReplay && second.code == first.code && second.stamp == first.stamp)
        #expect(second.origin == first.origin && second.body == first.body && store.store.figures.head == head)
        for (request, alias) in [(2, nil), (2, "name")] as [(UInt64, String?)] {
            let other = try made(store, try link("https://other.example/", request: request, alias: alias))
            #expect(throws: WriteError.requestDiffers) { try other.get() }
        }
        // Another claim is another link.
        #expect(try made(store, try link("https://first.example/", claim: 8)).get().code != first.code)
        for change in [LinkChange.update(body("https://changed.example/")), .delete] {
            store.store.change(first.key, change) { _ in }
            store.store.turn()
            let again = try made(store, try link("https://first.example/")).get()
            #expect(again.isReplay && again.stamp == first.stamp && again.body == first.body)
        }
        // Both in one transaction: one makes the link, the other finds it.
        let results = Box<[CreatedLink]>()
        results.value = []
        for _ in 0..<3 {
            store.store.create(try link("https://third.example/", claim: 9)) { results.value!.append(try! $0.get()) }
        }
        store.store.turn()
        #expect(Set(results.value!.map(\.code)).count == 1 && results.value!.map(\.isReplay) == [false, true, true])
        store.close()
        return first.code
    }

    /// After a day the key is free; the scrub then takes the row away.
    @Test func aDay() throws {
        let store = try open()
        let first = try made(store, try link("https://first.example/")).get()
        clock.advance(milliseconds: StoreLimits.claimsKeptMilliseconds)
        #expect(try made(store, try link("https://first.example/")).get().code == first.code)
        clock.advance(milliseconds: 2)
        let second = try made(store, try link("https://second.example/", request: 2)).get()
        #expect(second.code != first.code)
        #expect(try found(store.store)?.code == second.code)
        clock.advance(milliseconds: 2 * StoreLimits.claimsKeptMilliseconds)
        // A stamp that is as late as the clock, which alone would not be believed.
        try store.create("https://later.example/")
        store.scrubRound()
        #expect(try found(store.store) == nil && store.store.figures.scrub.sweptRows == 1)
        store.close()
        try expectSound()
        try editStore(directory.store) { (raw) throws in #expect(try raw.rows("claims").isEmpty) }
    }

    /// Bounded steps: many rows go over some of them.
    @Test func manySwept() throws {
        let store = try open()
        for claim in 1...700 as ClosedRange<UInt128> {
            _ = try made(store, try link("https://a.example/", claim: claim))
        }
        clock.advance(milliseconds: 2 * StoreLimits.claimsKeptMilliseconds)
        try store.create("https://later.example/")
        store.scrubRound()
        store.scrubRound()
        #expect(store.store.figures.scrub.sweptRows == 700)
        store.close()
        try expectSound()
    }

    // MARK: Other nodes

    private func claimed(_ destination: String, _ claim: UInt128 = 7, of creation: Creation? = nil) -> LinkBody {
        var body = body(destination)
        (body.claimID, body.requestHash, body.creation) = (claim, 1, creation)
        return body
    }

    /// What another node made is found here once its entry is, and nothing more is made; wherever two nodes made something,
    /// the earlier creation is found, in whatever order the entries come.
    @Test func elsewhere() throws {
        let since = clock.now
        var (early, late) = (Author("2", since: since), Author("3", since: since.advanced(byMilliseconds: 5)))
        early.write(early.key(1), claimed("https://early.example/"))
        late.write(late.key(1), claimed("https://late.example/"))
        clock.advance(milliseconds: 1000)
        for order in [[early, late], [late, early]] {
            let other = TemporaryDirectory()
            let store = try Quiet(clusterSettings(other, clock: clock))
            for author in order {
                #expect(try store.apply(author.whole) == .applied)
                let again = try made(store, try link("https://early.example/")).get()
                #expect(again.isReplay && again.origin == (author.origin == order[0].origin ? author : early).origin)
            }
            #expect(try found(store.store)?.code == store.store.code(early.key(1)))
            // Both links stay.
            try store.store.expect([store.store.code(late.key(1)): "https://late.example/"])
            store.close()
            let inspection = try StoreInspection(directory: other.store)
            #expect(inspection.isSound, "\(inspection.problems)")
        }
    }

    /// A change that comes before the creation, from another node's log, does not pass for it.
    @Test func aChangeFirst() throws {
        var (maker, changer) = (Author("2"), Author("3"))
        let stamp = maker.write(maker.key(1), claimed("https://made.example/"))
        let creation = Creation(stamp: stamp, origin: maker.origin)
        changer.write(maker.key(1), claimed("https://changed.example/", of: creation), stamp: stamp + 5)
        let store = try open()
        #expect(try store.apply(changer.whole) == .applied)
        let before = try #require(try found(store.store))
        #expect(before.stamp.rawValue == stamp && before.origin == maker.origin)
        #expect(try store.apply(maker.whole) == .applied)
        let after = try #require(try found(store.store))
        #expect(after.stamp == before.stamp && after.body.destination == Array("https://made.example/".utf8))
        try store.store.expect([store.store.code(maker.key(1)): "https://changed.example/"])
        store.close()
        try expectSound()
    }

    /// What was made too long ago is no claim any more, wherever the entry comes from.
    @Test func oldEntries() throws {
        var author = Author("2", since: clock.now.advanced(byMilliseconds: -StoreLimits.claimsKeptMilliseconds - 1))
        author.write(author.key(1), claimed("https://old.example/"))
        let store = try open()
        #expect(try store.apply(author.whole) == .applied)
        #expect(try found(store.store) == nil)
        store.close()
    }

    // MARK: Damage

    /// Nothing is made where it is not known whether it was; the scrub takes the damaged row away.
    @Test func damagedRow() throws {
        try fill()
        try damageRow(directory.store, "claims", ClaimRow.rowKey(7))
        let inspection = try StoreInspection(directory: directory.store)
        #expect(inspection.problems.contains { $0.contains("claims: the row of key") }, "\(inspection.problems)")
        let damaged = try open()
        guard case .damaged? = try damaged.store.claimed(7, since: Instant(milliseconds: 0)) else {
            Issue.record("it is not damaged")
            return
        }
        #expect(throws: WriteError.damagedRecord) { try made(damaged, try link("https://first.example/")).get() }
        damaged.scrubRound()
        #expect(try damaged.store.claimed(7, since: Instant(milliseconds: 0)) == nil)
        damaged.close()
        try expectSound()
    }

    private func fill() throws {
        let store = try open()
        _ = try made(store, try link("https://first.example/")).get()
        store.close()
    }

    @Test func aRowWithoutItsLink() throws {
        let store = try open()
        let first = try made(store, try link("https://first.example/")).get()
        store.close()
        try editStore(directory.store) { try $0.delete(RawTable.linksName, first.key.rowKey) }
        let inspection = try StoreInspection(directory: directory.store)
        #expect(inspection.problems.contains { $0.contains("has no record") }, "\(inspection.problems)")
    }

    // MARK: Copies

    /// A store made from another's records finds what was made within a day.
    @Test func copies() throws {
        let store = try open()
        let old = try made(store, try link("https://old.example/", claim: 6)).get()
        clock.advance(milliseconds: StoreLimits.claimsKeptMilliseconds)
        let first = try made(store, try link("https://first.example/")).get()
        clock.advance(milliseconds: 1000)
        let copy = TemporaryDirectory()
        try self.copy(store.store, to: copy)
        store.close()
        let inspection = try StoreInspection(directory: copy.store)
        #expect(inspection.isSound, "\(inspection.problems)")
        let restored = try Quiet(clusterSettings(copy, clock: clock))
        let again = try made(restored, try link("https://first.example/")).get()
        #expect(
            again.isReplay && again.code == first.code && again.stamp == first.stamp && again.origin == first.origin)
        #expect(try found(restored.store, 6) == nil && old.code != first.code)
        restored.close()
    }

    private func copy(_ store: Store, to copy: TemporaryDirectory) throws {
        let clock = clock
        let builder = try SnapshotBuilder(directory: copy.store, now: { clock.now })
        while builder.request != .nothing {
            switch builder.request {
            case .start: try builder.take(.start(try store.snapshotStart()))
            case .rows(let after): try builder.take(.rows(try store.snapshotRows(after: after)))
            case .log(let origin, let from, let through):
                try builder.take(.log(try store.logBatch(origin, from: from, through: through).get()))
            case .nothing: break
            }
        }
        #expect(try builder.finish().isSound)
    }

    /// So does a store in whose place a peer's snapshot has come, also of what it made itself; its batches stay.
    @Test func aSnapshotInPlace() throws {
        let (giver, taker) = (try PeerStoreTests.Peer(0), try PeerStoreTests.Peer(1))
        giver.perform(.continuityProven(nil))
        let theirs = try giver.create(claimed("https://theirs.example/", 1))
        let own = try taker.create(claimed("https://own.example/", 2))
        #expect((try taker.change(own.key, .update(body("https://changed.example/")))).failure == nil)
        let head = BatchHead(number: 3, request: 1, takenAt: taker.clock.now, count: 1, principal: [1])
        taker.store.takeBatch(head, [BatchEntry(isDone: false, content: [5])]) { _ in }
        taker.store.turn()
        let (rows, end) = try taker.receiveSnapshot(from: giver)
        #expect(taker.peers.perform(.finishInstall(SnapshotOffer(rows: rows), end)))
        taker.store.turn()
        #expect(taker.store.environmentNumber == 2)
        #expect(try found(taker.store, 1)?.code == theirs.code)
        let again = try #require(try found(taker.store, 2))
        #expect(again.stamp == own.stamp && again.body.destination == own.body.destination)
        #expect(try taker.store.batch(3)?.head == head && taker.store.unfinishedBatches() == [head])
        taker.store.close()
        #expect(try StoreInspection(directory: taker.directory.store).problems == [])
    }
}
