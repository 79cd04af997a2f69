import Links
import Primitives
import Store
import Testing

@testable import Replication

/// What differs is found by digests, and mended with the records of whoever has them.
@Suite struct RepairTests {
    private typealias Peer = PeerStoreTests.Peer
    private let connection = PeerStoreTests.connection

    private func digests(_ peer: Peer, _ node: DigestNode) throws -> Digests {
        let read = DigestRead(node: node)
        guard case .digestsRead(_, _, let digests)? = peer.perform(.readDigests(connection, read)).first
        else { throw Missing() }
        return try #require(digests)
    }

    /// The only bucket there is, once it is quiet.
    private func records(of peer: Peer) throws -> [UInt8] {
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
        #expect(right.perform(.merge(connection, records)).contains(.merged(connection, changed: 1)))
        #expect(right.perform(.merge(connection, records)).contains(.merged(connection, changed: 0)))
        #expect(try digests(right, .root).children.map(\.sum) == digests(left, .root).children.map(\.sum))
        #expect(try right.store.makeReader().destination(link.code) == "https://example.com/")
        #expect(try StoreInspection(directory: right.directory.store).problems == [])
    }

    /// An older disk, put back unnoticed, gets a number of its own that it never leased: from then on it lies below the
    /// ceiling, also in the life that begins when peers notice.
    @Test(arguments: [false, true]) func anOwnNumberComesBackByRepair(newLife: Bool) throws {
        let peer = try Peer()
        let older = (read(peer.directory.file), read(peer.directory.identity))
        peer.perform(.continuityProven(nil))
        peer.store.turn()
        let link = try peer.create("https://example.com/")
        #expect({ if case .generated = link.key { true } else { false } }())
        let records = try records(of: peer)
        peer.store.close()
        try write(older.0, to: peer.directory.file)
        try write(older.1, to: peer.directory.identity)
        let back = try Peer(in: peer.directory, peer.settings, peer.clock)
        #expect(back.store.origin == link.origin)
        #expect(back.perform(.merge(connection, records)).contains(.merged(connection, changed: 1)))
        if newLife { back.perform(.beginIncarnation(.chainMismatch(NodeID(region: 0x32, node: 0)))) }
        #expect(try back.store.makeReader().destination(link.code) == "https://example.com/")
        back.store.close()
        #expect(try StoreInspection(directory: peer.directory.store).problems == [])
    }
}
