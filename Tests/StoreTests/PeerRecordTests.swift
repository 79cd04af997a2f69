import Links
import Primitives
import Replication
import Testing

@testable import Store

/// Records as they travel between stores.
@Suite struct PeerRecordTests {
    private static let origin = Origin(region: 0x31, node: 2, incarnation: 9)
    private static let name = LinkKey.alias(Array("name".utf8))
    /// No region has this character.
    private static let ofNoRegion = LinkKey.generated(region: 0, node: 1, number: 17)

    private func encoded(_ record: PeerRecord) -> [UInt8] {
        var bytes: [UInt8] = []
        record.encode(into: &bytes)
        return bytes
    }

    private func written(_ encode: (inout [UInt8]) -> Void) -> [UInt8] {
        var bytes: [UInt8] = []
        encode(&bytes)
        return bytes
    }

    /// One of each kind, and one that is damaged.
    private func examples() -> [PeerRecord] {
        var link = LinkBody()
        link.destination = Array("https://example.com/a".utf8)
        (link.owner, link.claimID, link.requestHash) = ([1, 2], 77, 5)
        var member = MemberBody()
        (member.addresses, member.logFormat) = (["127.0.0.1:8181", "[::1]:8181"], 2)
        var key = KeyBody()
        (key.secretHash, key.scopes, key.label) = ([UInt8](repeating: 7, count: 32), ["links:read"], "it")
        let report = ReportBody(Self.name, category: "phishing", reportedAt: Instant(milliseconds: 5))
        let audit = AuditBody("block", on: "/name", by: [7])
        let generated = LinkKey.generated(region: 0x31, node: 2, number: 18)
        let bodies: [(RecordKey, [UInt8])] = [
            (.link(Self.name), written { link.encode(into: &$0) }),
            (.link(generated), written { link.encode(into: &$0) }),
            (.member(NodeID(Self.origin)), written { member.encode(into: &$0) }),
            (.key(KeyID(5)), written { key.encode(into: &$0) }),
            (.moderation(.block(Self.name)), written { BlockBody().encode(into: &$0) }),
            (.moderation(.report(5)), written { report.encode(into: &$0) }),
            (.moderation(.audit(stamp: 5, origin: Self.origin)), written { audit.encode(into: &$0) }),
            (.link(Self.name), []),
        ]
        return bodies.map { PeerRecord($0.0, $0.1, stamp: Stamp(rawValue: 1 << 40), of: Self.origin) }
    }

    @Test func roundTrip() throws {
        let records = examples()
        let bytes = records.flatMap { encoded($0) }
        #expect(try PeerRecord.decodeAll(bytes) == records)
        for record in records where !record.isDamaged {
            #expect(throws: Never.self) {
                try EntryChange(
                    record.key, record.value, stamp: record.stamp, of: record.origin, OwnerIndex(),
                    takesReduced: true)
            }
        }
    }

    @Test func neverTrapsOnDamage() {
        let examples = examples()
        var random = SeededRandom(seed: 8)
        for _ in 0..<5000 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 1...2, using: &random) {
                bytes += encoded(examples.randomElement(using: &random)!)
            }
            for _ in 0..<Int.random(in: 0...2, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            bytes.removeLast(Int.random(in: 0...4, using: &random))
            fuzzPeerRecords(bytes.span.bytes)
        }
    }

    /// What would be no store's, or would not go into a log again.
    @Test func recordsBeyondWhatCanBe() {
        let longest = LogEntry.maximumSizeBytes - LogEntry.headSizeBytes - 5
        let changes: [(Bool, (inout PeerRecord) -> Void)] = [
            (true, { _ in }), (false, { $0.key = .link(Self.ofNoRegion) }),
            (true, { $0.key = .link(.generated(region: 0x31, node: 1, number: 17)) }),
            (true, { $0.value = [UInt8](repeating: 0x61, count: longest) }),
            (false, { $0.value = [UInt8](repeating: 0x61, count: longest + 1) }),
            (false, { $0.stamp = 1 << 63 }), (false, { $0.origin.region = 0 }), (false, { $0.origin.node = 16 }),
            (false, { $0.origin.incarnation = 0 }),
        ]
        for (index, (isSound, change)) in changes.enumerated() {
            var record = PeerRecord(damaged: .link(Self.name), at: Self.origin)
            change(&record)
            let expected: [PeerRecord]? = isSound ? [record] : nil
            let decoded = try? PeerRecord.decodeAll(encoded(record))
            #expect(decoded == expected, "change \(index)")
        }
    }

    /// There is no table for such a link: the snapshot fails, and nothing else.
    @Test func aSnapshotWithALinkOfNoRegion() throws {
        let taker = try PeerStoreTests.Peer(1)
        let link = try taker.create("https://example.com/")
        taker.perform(.beginInstall(resumes: false))
        let chunk = encoded(PeerRecord(damaged: .link(Self.ofNoRegion), at: Self.origin))
        #expect(taker.perform(.installChunk(chunk)) == [.installFailed])
        #expect(try taker.store.makeReader().destination(link.code) == "https://example.com/")
    }
}
