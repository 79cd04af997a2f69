import Links
import Primitives
import Store
import Testing

@testable import Replication

/// Two formats of log entries in one cluster: what is written waits for all readers, and a store that holds an entry of a
/// newer format is left alone by older programs.
@Suite struct LogFormatTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    private func settings(_ format: UInt16, _ directory: TemporaryDirectory? = nil) -> StoreSettings {
        var settings = clusterSettings(directory ?? self.directory, clock: clock)
        settings.logFormat = format
        return settings
    }

    /// Formats of all entries of a log, from its floor on.
    private func formats(_ store: Store, _ origin: Origin) throws -> [UInt8] {
        let floor = try #require(store.position(origin)).floor
        let batch = try store.logBatch(origin, from: floor + 1).get()
        return try batch.entries.map { try LogEntry(decoding: $0.span.bytes).format }
    }

    private func expectRefused(_ format: UInt16, _ directory: TemporaryDirectory? = nil) {
        let directory = directory ?? self.directory
        let expected = StoreError.newerLogFormat(path: directory.file, found: format, known: format - 1)
        let before = directory.contents
        #expect(throws: expected) { try Store(settings(format - 1, directory)) }
        #expect(throws: expected) { try StoreInspection(directory: directory.store, knownLogFormat: format - 1) }
        #expect(throws: expected) {
            try dumpStore(directory: directory.store, now: clock.now, knownLogFormat: format - 1) { _ in true }
        }
        #expect(directory.contents == before)
    }

    /// A node that stays alone writes what it reads itself, and what the members that it knows do.
    @Test func alone() throws {
        try withStore(settings(1)) { _ = try $0.createAndWait("https://example.com/1") }
        try withStore(settings(2)) { store in
            _ = try store.createAndWait("https://example.com/2")
            #expect(try formats(store, store.origin) == [1, 2])
        }
        #expect(try StoreInspection(directory: directory.store, knownLogFormat: 2).problems == [])
        expectRefused(2)
        // A member of that program has come meanwhile; so the next one waits for it.
        let member = Member(id: NodeID(region: 0x32, node: 0), addresses: [], logFormat: 2)
        try withPeers(settings(2)) { peers in perform(.logMember(member), peers) }
        try withStore(settings(3)) { store in
            _ = try store.createAndWait("https://example.com/4")
            #expect(try formats(store, store.origin) == [1, 2, 1, 2])
        }
    }

    /// A store without threads, of a node that has peers.
    private func withPeers(
        _ settings: StoreSettings, tell: @escaping @Sendable (Event) -> Void = { _ in },
        _ use: (PeerStore) throws -> Void
    ) throws {
        var settings = settings
        (settings.continuity, settings.hasThreads) = (.unproven, false)
        let peers = try PeerStore(settings, tell: tell)
        defer { peers.store.close() }
        try use(peers)
    }

    private func perform(_ effect: Effect, _ peers: PeerStore) {
        #expect(peers.perform(effect))
        peers.store.turn()
    }

    private func create(_ peers: PeerStore) {
        peers.store.create(NewLink(body: body("https://example.com/"))) { _ in }
        peers.store.turn()
    }

    /// With peers it is the replicator that says what all read.
    @Test func withPeers() throws {
        try withPeers(settings(3)) { peers in
            create(peers)
            for format in [2, 3, 1, 0, 2] as [UInt16] {
                perform(.writableFormat(format), peers)
                create(peers)
            }
            let written = try formats(peers.store, peers.store.origin)
            #expect(written == [1, 2, 3, 1, 1, 2])
        }
        expectRefused(3)
    }

    /// A format that could not be taken up for want of room is not taken up later, when not all read it any more.
    @Test func whatWasTakenBackIsNotOwed() throws {
        let peer = try PeerStoreTests.Peer()
        for last in [1, 2] as [UInt16] {
            peer.events.isFull = true
            #expect(peer.peers.perform(.writableFormat(3 - last)))
            create(peer.peers)
            peer.perform(.writableFormat(last))
            peer.events.isFull = false
            peer.clock.advance(milliseconds: 2000)
            peer.peers.retry()
            create(peer.peers)
            let written = try formats(peer.store, peer.store.origin)
            #expect(written.last == UInt8(last))
        }
        peer.store.close()
    }

    /// Nor is the mark of a log with two versions.
    @Test func aMarkThatWasTakenBackIsNotOwed() throws {
        let peer = try PeerStoreTests.Peer()
        let origin = Author("2").origin
        for isForked in [true, false] {
            peer.events.isFull = true
            peer.perform(.forked(origin, !isForked))
            peer.events.isFull = false
            peer.clock.advance(milliseconds: 2000)
            peer.perform(.forked(origin, isForked))
            peer.peers.retry()
            peer.store.turn()
            #expect(try peer.store.holdings().forked == (isForked ? [origin] : []))
        }
        peer.store.close()
    }

    /// Until an entry of it is there, an older program may take the store.
    @Test func beforeTheFirstEntry() throws {
        try withPeers(settings(2)) { peers in perform(.writableFormat(2), peers) }
        try withStore(settings(1)) { _ = try $0.createAndWait("https://example.com/") }
    }

    @Test func entriesOfOthers() throws {
        var author = Author()
        author.create(0)
        author.write(author.key(1), body("https://example.com/1"), format: 2)
        try withStore(settings(1)) { store in
            #expect(store.applyAndWait(author.whole) == .unknownKind(LogEntry.Kind.link, sequence: 2))
            #expect(store.position(author.origin)?.head == 1)
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
        try withStore(settings(2)) { store in
            #expect(store.applyAndWait(author.whole) == .applied)
            let written = try formats(store, author.origin)
            #expect(written == [1, 2])
        }
        #expect(try StoreInspection(directory: directory.store, knownLogFormat: 2).problems == [])
        expectRefused(2)
    }

    /// An entry beyond what the store says of itself would meet an older program.
    @Test func verifyComparesThem() throws {
        try withStore(settings(2)) { _ = try $0.createAndWait("https://example.com/") }
        try editStore(directory.store) { try $0.delete("meta", Array("log-format".utf8)) }
        let problems = try StoreInspection(directory: directory.store, knownLogFormat: 2).problems
        #expect(problems.count == 1 && problems[0].hasSuffix("entry 1 has format 2, the store says 1"), "\(problems)")
    }

    /// A backup says what its source did, though it has none of the entries.
    @Test func backup() throws {
        let backup = TemporaryDirectory()
        try withStore(settings(2)) { store in
            _ = try store.createAndWait("https://example.com/")
            #expect(try store.copy(to: backup.store).isSound)
        }
        expectRefused(2, backup)
    }

    /// A peer's snapshot takes the place of a store that had such entries.
    @Test func snapshot() throws {
        let events = PeerStoreTests.Events()
        try withPeers(settings(2), tell: { events.told.append($0) }) { taker in
            perform(.writableFormat(2), taker)
            create(taker)
            perform(.beginInstall(resumes: false), taker)
            perform(.finishInstall(SnapshotOffer(rows: []), SnapshotEnd(.complete)), taker)
            let isInstalled = if case .installed? = events.told.last { true } else { false }
            #expect(isInstalled)
            // What the old store had is logged again as everybody reads it.
            let again = try formats(taker.store, taker.store.origin)
            #expect(again == [1])
        }
        expectRefused(2)
    }
}
