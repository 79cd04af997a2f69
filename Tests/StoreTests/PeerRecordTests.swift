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
