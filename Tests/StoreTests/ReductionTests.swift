import Links
import Primitives
import Replication
import Store
import Testing

/// Links that expired long ago are cut down to what says that they were there.
@Suite struct ReductionTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()
    private let day: Int64 = 24 * 3_600_000

    private func open() throws -> Quiet { try Quiet(clusterSettings(directory, clock: clock)) }

    /// Expires in a minute.
    private func expiring(_ destination: String = "https://expiring.example.com/a/path/of/some/length") -> LinkBody {
        var link = body(destination)
        link.expiresAt = clock.now.advanced(byMilliseconds: 60_000)
        (link.owner, link.title, link.tags) = (Array("somebody".utf8), "A title", ["one", "two"])
        return link
    }

    /// Time passes, and somebody writes.
    private func wait(days: Int64, _ store: Quiet) throws {
        clock.advance(milliseconds: days * day)
        try store.create("https://later.example.com/")
    }

    private func found(_ store: Store, _ code: [UInt8]) throws -> StoredRecord? {
        let reader = try store.makeReader()
        try reader.begin()
        defer { reader.end() }
        guard case .link(let link) = reader.find(code.span.bytes) else { return nil }
        // Of what was cut down every request learns that it is gone.
        if link.record?.body.flags.contains(.reduced) == true {
            #expect(!link.view.redirects(at: Instant(milliseconds: 0)))
        }
        return link.record
    }

    private func valueBytes(_ table: String) throws -> Int {
        var sizeBytes = 0
        try editStore(directory.store) { raw in sizeBytes = try raw.rows(table).reduce(0) { $0 + $1.value.count } }
        return sizeBytes
    }

    /// Links that expired long ago; one that never does, one that was changed today; how long the log then is.
    private func links(_ expired: inout [CreatedLink]) throws -> (kept: CreatedLink, changed: CreatedLink, UInt64) {
        let store = try open()
        for number in 0..<300 { expired.append(try store.create(expiring("https://e.example.com/\(number)"))) }
        expired.append(try store.create(expiring(), alias: "expired-alias"))
        let kept = try store.create("https://kept.example.com/")
        let changed = try store.create(expiring("https://changed.example.com/"))
        try wait(days: 29, store)
        store.scrubRound()
        #expect(store.scrubbed.reducedRecords == 0)
        try wait(days: 2, store)
        var late = expiring("https://changed.example.com/2")
        late.expiresAt = changed.body.expiresAt
        #expect(try store.change(changed.key, .update(late)).failure == nil)
        defer { store.close() }
        return (kept, changed, store.store.figures.head)
    }

    /// Nothing at first: nobody knows who set the clock while the node was down.
    private func stepOnce() throws {
        let store = try open()
        store.step(rows: 100)
        #expect(store.scrubbed.reducedRecords == 0)
        clock.advance(milliseconds: day)
        store.step(rows: 100)
        #expect((1..<301).contains(store.scrubbed.reducedRecords))
        store.close()
    }

    @Test func expiredLinksAreCutDown() throws {
        var expired: [CreatedLink] = []
        let (kept, changed, head) = try links(&expired)
        let (before, size) = (try digests(directory.store), try valueBytes("links/10"))
        // Some now, the rest after a restart.
        try stepOnce()
        let store = try open()
        clock.advance(milliseconds: day)
        store.scrubRound(rows: 90)
        store.scrubRound()
        for link in expired {
            let record = try #require(try found(store.store, link.code))
            #expect(
                record.body.flags == .reduced && record.body.destination.isEmpty && record.stamp == link.stamp.rawValue)
            #expect(record.body.owner == nil && record.body.title == nil && record.body.tags.isEmpty)
        }
        #expect(try found(store.store, kept.code)?.body == kept.body)
        #expect(try found(store.store, changed.code)?.body.title == "A title")
        // The name stays taken.
        #expect(throws: WriteError.aliasTaken) { try store.create("https://new.example.com/", alias: "expired-alias") }
        #expect(store.store.figures.head == head)
        #expect(store.scrubbed.correctedDigests == 0)
        store.close()
        #expect(try StoreInspection(directory: directory.store).problems == [])
        #expect(try digests(directory.store) == before)
        #expect(try valueBytes("links/10") < size / 2)
        #expect(try valueBytes("owners") == 4)
        #expect(try dump(directory.store, now: clock.now).count == 3)
    }

    /// A change is decided as if nothing had been cut down.
    @Test func theWinnerIsTheSame() throws {
        let since = clock.now
        for (name, isLater, deletes) in [("later", true, false), ("earlier", false, false), ("delete", false, true)] {
            let own = TemporaryDirectory()
            let store = try Quiet(clusterSettings(own, clock: clock))
            var (creator, other) = (Author("2", since: since), Author("3", since: since))
            var link = body("https://first.example.com/")
            link.expiresAt = since.advanced(byMilliseconds: 1000)
            let stamp = creator.write(creator.key(0), link, stamp: UInt64(since.milliseconds + 500) << 16)
            let creation = Creation(stamp: stamp, origin: creator.origin)
            #expect(try store.apply(creator.whole) == .applied)
            try wait(days: 31, store)
            store.scrubRound()
            #expect(store.scrubbed.reducedRecords == 1)
            let change = body("https://second.example.com/", of: creation, deleted: deletes)
            other.write(creator.key(0), change, stamp: isLater ? stamp + 1 : stamp - 1)
            #expect(try store.apply(other.whole) == .applied)
            let record = try #require(try found(store.store, store.store.code(creator.key(0))))
            let wins = isLater || deletes
            #expect(record.body == change || !wins, "\(name)")
            #expect(record.body.flags.contains(.reduced) == !wins, "\(name)")
            #expect(store.store.figures.merged.conflicts == 0)
            store.close()
            #expect(try StoreInspection(directory: own.store).problems == [], "\(name)")
        }
    }

    /// By its owner on this node too.
    @Test func aReducedLinkCanBeChanged() throws {
        let store = try open()
        let link = try store.create(expiring())
        try wait(days: 31, store)
        store.scrubRound()
        let changed = try store.change(link.key, .update(body("https://again.example.com/"))).get()
        #expect(changed.body.creation == Creation(stamp: link.stamp.rawValue, origin: link.origin))
        #expect(try found(store.store, link.code)?.body.destination == Array("https://again.example.com/".utf8))
        store.close()
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// Changed between the look and the cut: it stays as it is.
    @Test func onlyWhatWasSeenIsCutDown() throws {
        let store = try open()
        let link = try store.create(expiring())
        try wait(days: 31, store)
        store.store.change(link.key, .update(expiring("https://extended.example.com/"))) { _ in }
        store.step()
        #expect(store.scrubbed.reducedRecords == 0)
        #expect(try found(store.store, link.code)?.body.destination == Array("https://extended.example.com/".utf8))
        store.close()
    }

    /// A tombstone that says more than it must; one that does not is left as it is.
    @Test func tombstonesAreCutDown() throws {
        let store = try open()
        var author = Author("2", since: clock.now)
        let creation = author.create(0)
        var tombstone = body("", of: creation, deleted: true)
        (tombstone.title, tombstone.owner) = ("A title", Array("somebody".utf8))
        author.write(author.key(0), tombstone)
        author.write(author.key(1), body("", of: author.create(1), deleted: true))
        #expect(try store.apply(author.whole) == .applied)
        try wait(days: 31, store)
        store.scrubRound()
        #expect(store.scrubbed.reducedRecords == 1)
        let record = try #require(try found(store.store, store.store.code(author.key(0))))
        #expect(
            record.body.flags == [.deleted, .reduced] && record.body.title == nil && record.body.creation == creation)
        author.write(author.key(0), body("https://back.example.com/", of: creation))
        #expect(try store.apply(author.batch(author.head...author.head)) == .applied)
        #expect(try found(store.store, store.store.code(author.key(0)))?.body.flags == [.deleted, .reduced])
        store.close()
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// The reduced form travels; what only a snapshot's taker had is logged again, as a link that has expired.
    @Test func snapshotsCarryIt() throws {
        let (giver, taker) = (try PeerStoreTests.Peer(0), try PeerStoreTests.Peer(1))
        for (peer, name) in [(giver, "on-giver"), (taker, "on-taker")] {
            let alias = try Alias(Array(name.utf8).span.bytes, in: peer.store.codeSpace)
            peer.store.create(NewLink(alias: alias, body: expiring())) { _ in }
            peer.store.turn()
            peer.clock.advance(milliseconds: 31 * day)
            _ = try peer.create("https://later.example.com/")
            peer.store.scrubRound()
            #expect(peer.store.figures.scrub.reducedRecords == 1)
        }
        let (rows, end) = try taker.receiveSnapshot(from: giver)
        guard case .installed? = taker.perform(.finishInstall(SnapshotOffer(rows: rows), end)).last else {
            throw Missing()
        }
        let given = try #require(try found(taker.store, Array("on-giver".utf8)))
        #expect(given.body.flags == .reduced && given.body.owner == nil)
        let own = try #require(try found(taker.store, Array("on-taker".utf8)))
        #expect(own.body.flags == [] && own.body.destination.isEmpty && own.body.expiresAt! < taker.clock.now)
        taker.store.close()
        #expect(try StoreInspection(directory: taker.directory.store).problems == [])
    }

    /// A clock that jumps ahead makes links answer 410 until it is set right, and no more.
    @Test func aWrongClockCutsNothingDown() throws {
        let store = try open()
        let link = try store.create(expiring())
        clock.step(milliseconds: 365 * day)
        store.scrubRound()
        // What is written now is stamped with that time.
        try store.create("https://later.example.com/")
        for _ in 0..<3 { store.scrubRound() }
        clock.step(milliseconds: -365 * day)
        store.scrubRound()
        #expect(store.scrubbed.reducedRecords == 0)
        #expect(try found(store.store, link.code)?.body.title == "A title")
        store.close()
    }

    /// A full disk: nothing happened, and the next round does it.
    @Test func aFullDiskOnlyDelays() throws {
        let store = try open()
        try store.create(expiring())
        try wait(days: 31, store)
        store.disk.isFull = true
        store.step()
        #expect(store.scrubbed.reducedRecords == 0)
        store.disk.isFull = false
        clock.advance(milliseconds: 2000)
        // The round that failed, and the next.
        while store.scrubbed.rounds < 2 { store.step() }
        #expect(store.scrubbed.reducedRecords == 1)
        store.close()
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }
}
