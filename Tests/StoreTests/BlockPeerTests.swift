import Links
import Primitives
import Testing

@testable import Replication
@testable import Store

/// Blocks on their way between stores.
@Suite struct BlockPeerTests {
    private typealias Peer = PeerStoreTests.Peer

    private func peer(_ region: Int) throws -> Peer {
        let peer = try Peer(region)
        peer.perform(.writableFormat(StoreLimits.logFormat))
        peer.perform(.continuityProven(nil))
        return peer
    }

    private func block(_ key: LinkKey, at peer: Peer, _ isBlocked: Bool = true) throws {
        var written: Result<WrittenBlock, WriteError>?
        nonisolated(unsafe) let out: (Result<WrittenBlock, WriteError>) -> Void = { written = $0 }
        peer.store.moderate(.decision(key, isBlocked)) { out($0) }
        peer.store.turn()
        #expect(try #require(written).failure == nil)
    }

    /// Who takes a snapshot has the giver's blocks, and those that it alone had.
    @Test func aSnapshotBringsBlocks() throws {
        let (giver, taker) = (try peer(0), try peer(1))
        let links = try (0..<3).map { try giver.create("https://example.com/\($0)") }
        try block(links[0].key, at: giver)
        try block(links[1].key, at: giver)
        let own = try taker.create("https://only.example.com/")
        try block(own.key, at: taker)
        // Of one link both have a block, and the taker's is later.
        taker.clock.advance(milliseconds: 1000)
        try block(links[1].key, at: taker, false)
        _ = try PeerStoreTests.install(try PeerStoreTests.open(giver), from: giver, at: taker)
        let reader = try taker.store.makeReader()
        for (code, isBlocked) in [
            (links[0].code, true), (links[1].code, false), (links[2].code, false), (own.code, true),
        ] { #expect(try reader.isBlocked(code) == isBlocked) }
        taker.store.close()
        #expect(try StoreInspection(directory: taker.directory.store).problems == [])
        // The first entry of a block is yet to come, and no older program may take this store.
        #expect(throws: StoreError.self) {
            try StoreInspection(directory: taker.directory.store, knownLogFormat: UInt16(LogEntry.firstFormat))
        }
    }

    /// A damaged block comes back from a peer, whose caches obey at once.
    @Test func aDamagedBlockIsMended() throws {
        let (directory, settings, clock, link, records) = try {
            let giver = try peer(0)
            let link = try giver.create("https://example.com/")
            try block(link.key, at: giver)
            let request = RecordKey.moderation(.block(link.key)).requestKey
            #expect(RecordKey(requestKey: request) == .moderation(.block(link.key)))
            let records = giver.store.record(RecordRequest(key: request)).bytes
            #expect(try PeerRecord.decodeAll(records).count == 1)
            giver.store.close()
            return (giver.directory, giver.settings, giver.clock, link, records)
        }()
        try damageRow(directory.store, "blocks", ModerationKey.block(link.key).bytes)
        let damaged = try Peer(in: directory, settings, clock)
        let reader = try damaged.store.makeReader()
        #expect(try reader.destination(link.code) == "damaged")
        let stamp = damaged.store.stamps.tag(environment: 1, transaction: 0)
        #expect(
            damaged.merge(records).contains(
                .merged(PeerStoreTests.connection, changed: 1, missed: 1)))
        let isCurrent = damaged.store.stamps.isCurrent(stamp, link.code.span.bytes)
        #expect(!isCurrent)
        #expect(try reader.isBlocked(link.code) == true)
        damaged.store.close()
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// The longest key there is fits into every frame.
    @Test func theLongestKey() throws {
        let key = RecordKey.moderation(.block(.alias([UInt8](repeating: 0x61, count: 255))))
        #expect(key.requestKey.count <= WireLimits.keyBytes)
        let position = SnapshotPosition(.blocks, key.rowKey)
        #expect(position.bytes.count <= WireLimits.positionBytes && SnapshotPosition(position.bytes) == position)
    }

    /// What a peer tells of a link has its block behind it, and of two the later one counts.
    @Test func aLinkIsToldWithItsBlock() throws {
        let (holder, asker) = (try peer(0), try peer(1))
        let link = try holder.create("https://example.com/")
        func told() throws -> RemoteLink? {
            RemoteLink(
                holder.store.link(of: link.code).record, of: link.code, in: asker.store, now: asker.clock.now)
        }
        #expect(try told()?.isBlocked == false)
        try block(link.key, at: holder)
        #expect(try told()?.isBlocked == true)
        asker.clock.advance(milliseconds: 1000)
        try block(link.key, at: asker, false)
        #expect(try told()?.isBlocked == false)
        holder.clock.advance(milliseconds: 2000)
        asker.clock.advance(milliseconds: 2000)
        try block(link.key, at: holder, false)
        try block(link.key, at: holder)
        #expect(try told()?.isBlocked == true)
        // Another link's block behind it is none that a node tells.
        let other = try holder.create("https://example.com/2")
        try block(other.key, at: holder)
        let mixed =
            holder.store.link(of: link.code).record
            + holder.store.record(RecordRequest(key: RecordKey.moderation(.block(other.key)).requestKey)).bytes
        #expect(RemoteLink(mixed, of: link.code, in: asker.store, now: asker.clock.now) == nil)
    }
}
