import Foundation
import Links
import Primitives
import Testing

@testable import Replication
@testable import Store

/// Who belongs to the cluster: records that only the node itself and operators write.
@Suite struct MemberTests {
    @Test func membersAreLoggedAndRetireForGood() throws {
        let peer = try PeerStoreTests.Peer()
        let id = NodeID(region: 0x32, node: 3)
        var member = Member(id: id, addresses: ["a:1", "b:2"], logFormat: 3)
        #expect(peer.perform(.logMember(member)).contains(.membersChanged([member])))
        member.isRetired = true
        #expect(peer.perform(.logMember(member)).contains(.membersChanged([member])))
        let retired = member
        member.isRetired = false
        #expect(peer.perform(.logMember(member)).contains(.membersChanged([retired])))
        #expect(try peer.store.holdings().members == [retired])
        #expect(try StoreInspection(directory: peer.directory.store).problems == [])
    }

    /// It is told of from the start, for others to bring it; nobody decides by the members that are left; and what the node
    /// says of itself anew is counted as if it had stood there.
    @Test func aDamagedMember() throws {
        let id = NodeID(region: 0x32, node: 3)
        let member = Member(id: id, addresses: ["a:1", "b:2"], logFormat: 3)
        let (directory, settings, clock) = try {
            let before = try PeerStoreTests.Peer()
            before.perform(.logMember(member))
            before.store.close()
            return (before.directory, before.settings, before.clock)
        }()
        let key = RecordKey.member(id)
        try damageRow(directory.store, "members", key.rowKey)
        let peer = try PeerStoreTests.Peer(in: directory, settings, clock)
        #expect(try peer.store.holdings().members == [])
        #expect(peer.events.told == [.damagedRecord(key: key.requestKey)])
        let name = peer.store.code(Author("2", node: 3).key(0))
        #expect(throws: StoreError.self) { try peer.store.decider(ofName: name.span.bytes) }
        #expect(peer.perform(.logMember(member)).contains(.membersChanged([member])))
        #expect(try peer.store.decider(ofName: name.span.bytes) == .node(id))
        peer.store.close()
        #expect(try StoreInspection(directory: peer.directory.store).problems == [])
    }

    /// Of the names of members that can be read they decide.
    @Test func anotherDamagedMember() throws {
        let (sound, damaged) = (NodeID(region: 0x32, node: 3), NodeID(region: 0x33, node: 1))
        let (directory, settings, clock) = try {
            let before = try PeerStoreTests.Peer()
            for id in [sound, damaged] { before.perform(.logMember(Member(id: id, addresses: [], logFormat: 3))) }
            before.store.close()
            return (before.directory, before.settings, before.clock)
        }()
        try damageRow(directory.store, "members", RecordKey.member(damaged).rowKey)
        let peer = try PeerStoreTests.Peer(in: directory, settings, clock)
        func decider(_ author: Author) throws -> NameDecider {
            try peer.store.decider(ofName: peer.store.code(author.key(0)).span.bytes)
        }
        #expect(try decider(Author("2", node: 3)) == .node(sound))
        #expect(throws: StoreError.self) { try decider(Author("3", node: 1)) }
        peer.store.close()
    }
}
