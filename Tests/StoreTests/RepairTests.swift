import Links
import Primitives
import Store
import Testing

@testable import Replication

/// What differs is found by digests, and mended with the records of whoever has them.
@Suite struct RepairTests {
    typealias Peer = PeerStoreTests.Peer
    let connection = PeerStoreTests.connection

    private func digests(_ peer: Peer, _ node: DigestNode) throws -> Digests {
        let read = DigestRead(node: node)
        guard case .digestsRead(_, _, let digests)? = peer.perform(.readDigests(connection, read)).first
        else { throw Missing() }
        return try #require(digests)
    }

    /// The only bucket there is, once it is quiet.
    func records(of peer: Peer) throws -> [UInt8] {
        var node = DigestNode.root
        while !node.childrenAreBuckets {
            let child = try #require(try digests(peer, node).children.first)
            #expect(!child.isQuiet)
            node = DigestNode(level: node.level + 1, prefix: node.childPrefix(child.byte))
        }
        peer.clock.advance(milliseconds: 61_000)
        let bucket = try #require(try digests(peer, node).children.first)
        #expect(bucket.isQuiet)
        let request = BucketRequest(bucket: node.childPrefix(bucket.byte), after: [])
        guard case .recordsRead(_, _, let records)? = peer.perform(.readBucket(connection, request: 1, request)).first
        else { throw Missing() }
        #expect(records.next.isEmpty)
        return records.bytes
    }

    /// Equal stores have equal sums at every node of the tree; a bucket's records make another store equal.
    @Test func digestsLeadToWhatDiffers() throws {
        let (left, right) = (try Peer(0), try Peer(1))
        left.perform(.continuityProven(nil))
        let link = try left.create("https://example.com/")
        #expect(try digests(left, .root).children.count == 1 && digests(right, .root).children.isEmpty)
        let records = try records(of: left)
        #expect(right.merge(records).contains(.merged(connection, changed: 1, others: [link.origin])))
        #expect(right.merge(records).contains(.merged(connection, changed: 0)))
        #expect(try digests(right, .root).children.map(\.sum) == digests(left, .root).children.map(\.sum))
        #expect(try right.store.makeReader().destination(link.code) == "https://example.com/")
        #expect(try StoreInspection(directory: right.directory.store).problems == [])
    }

    /// Nobody knows what a damaged record's share of its bucket's sum was, and the peer's copy may be a later write:
    /// the sum is that of what stands there afterwards.
    @Test(arguments: [false, true]) func aRepairedRecordIsCounted(isAlias: Bool) throws {
        var author = Author("3")
        let name = Array("name".utf8)
        let key = isAlias ? LinkKey.alias(name) : author.key(0)
        let stamp = author.write(key, body("https://third.example.com/0"))
        author.create(1)
        let creation = Creation(stamp: stamp, origin: author.origin)
        author.write(key, body("https://third.example.com/later", of: creation))
        let (earlier, whole) = (PeerStoreTests.batch(author, 1...2), PeerStoreTests.batch(author, 1...3))
        let (directory, settings, clock) = try {
            let before = try Peer(0)
            before.perform(.apply(earlier))
            before.store.close()
            return (before.directory, before.settings, before.clock)
        }()
        try damageRow(directory.store, isAlias ? "aliases" : "links/30", isAlias ? name : [0, 0, 0, 0, 0, 0])
        let (damaged, sound) = (try Peer(in: directory, settings, clock), try Peer(1))
        sound.perform(.apply(whole))
        let code = damaged.store.code(key)
        #expect(try damaged.store.makeReader().destination(code) == "damaged")
        var bytes: [UInt8] = []
        key.encode(into: &bytes)
        let read = sound.perform(.readRecord(connection, request: 1, RecordRequest(key: bytes))).first
        guard case .recordsRead(_, _, let records)? = read else { throw Missing() }
        #expect(damaged.merge(records.bytes).contains(.merged(connection, changed: 1, others: [author.origin])))
        #expect(try damaged.store.makeReader().destination(code) == "https://third.example.com/later")
        // The sums are of the records, which are the same; of the log one entry is still to come, and changes nothing.
        #expect(try digests(damaged, .root).children.map(\.sum) == digests(sound, .root).children.map(\.sum))
        damaged.perform(.apply(PeerStoreTests.batch(author, 3...3)))
        #expect(damaged.store.position(author.origin)?.head == 3)
        #expect(try digests(damaged, .root).children.map(\.sum) == digests(sound, .root).children.map(\.sum))
        damaged.store.close()
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// A node whose disk is an older one, without a link that it had made; and that link, as peers have it.
    private func makeRolledBack() throws -> (
        directory: TemporaryDirectory, (StoreSettings, TestClock), CreatedLink, [UInt8]
    ) {
        let lost = try Peer()
        let older = (read(lost.directory.file), read(lost.directory.identity))
        lost.perform(.continuityProven(nil))
        lost.store.turn()
        // Until then the circuit breaker is open.
        lost.clock.advance(milliseconds: 10_000)
        let link = try lost.create("https://example.com/")
        guard case .generated = link.key else { throw Missing() }
        let records = try records(of: lost)
        lost.store.close()
        try write(older.0, to: lost.directory.file)
        try write(older.1, to: lost.directory.identity)
        return (lost.directory, (lost.settings, lost.clock), link, records)
    }

    /// A number of its own that this disk never leased lies below the ceiling once the node has it, also in the life that
    /// begins when peers notice.
    @Test(arguments: [false, true]) func anOwnNumberComesBackByRepair(newLife: Bool) throws {
        let (directory, (settings, clock), link, records) = try makeRolledBack()
        let peer = try Peer(in: directory, settings, clock)
        #expect(peer.store.origin == link.origin)
        #expect(peer.merge(records).contains(.merged(connection, changed: 1, others: [link.origin])))
        if newLife { peer.perform(.beginIncarnation(.chainMismatch(NodeID(region: 0x32, node: 0)))) }
        #expect(try peer.store.makeReader().destination(link.code) == "https://example.com/")
        peer.store.close()
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// What a repair brings of a log that is here as far as that should have been here, unless the log has two versions.
    @Test(arguments: [(0, false, 0), (1, false, 1), (1, true, 0)]) func whatShouldHaveBeenHere(
        held: UInt64, isForked: Bool, missed: Int
    ) throws {
        let (left, right) = (try Peer(0), try Peer(1))
        var (one, other) = (Author("3"), Author("3"))
        one.create(0)
        other.create(1)
        left.perform(.apply(PeerStoreTests.batch(one, 1...1)))
        if held > 0 { right.perform(.apply(PeerStoreTests.batch(other, 1...1))) }
        right.perform(.forked(one.origin, isForked))
        let others: Set = missed == 0 ? [one.origin] : []
        let merged = Event.merged(connection, changed: 1, missed: missed, others: others)
        #expect(try right.merge(records(of: left)).contains(merged))
    }
}
