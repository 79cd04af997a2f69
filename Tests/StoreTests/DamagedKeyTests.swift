import Links
import Primitives
import Testing

@testable import Replication
@testable import Store

/// A row whose key has a flipped bit stands where no search leads, under a name that is another row's or nobody's. Whoever
/// asks for all rows gets all the others.
@Suite struct DamagedKeyTests {
    /// Enough that chunks end among them.
    private static let count = 400

    private let (directory, clock, settings): (TemporaryDirectory, TestClock, StoreSettings)
    private let (sound, author): ([String: [UInt8]], Author)

    init() throws {
        var author = Author("3")
        for number in 0..<Self.count { author.create(UInt64(number), Self.destination(number)) }
        for number in 0..<Self.count { author.write(Self.name(number), body(Self.destination(number))) }
        let before = try PeerStoreTests.Peer(0)
        for first in stride(from: 1, to: UInt64(2 * Self.count), by: 50) {
            before.perform(.apply(PeerStoreTests.batch(author, first...first + 49)))
        }
        before.store.close()
        (directory, clock, settings) = (before.directory, before.clock, before.settings)
        (sound, self.author) = (directory.contents, author)
    }

    private static func destination(_ number: Int) -> String {
        "https://third.example.com/\(number)/" + String(repeating: "x", count: 1000)
    }

    private static func name(_ number: Int) -> LinkKey { .alias(Array("name-\(1000 + number)".utf8)) }

    /// - from: places before the key's end.
    private func giver(
        flipping bit: Int, from: Int, of row: Int, in table: String = "links/30"
    ) throws -> PeerStoreTests.Peer {
        var bytes = sound["data.mdb"]!
        let node = try #require(RawFile(bytes).nodes.filter { $0.table == table }.dropFirst(row).first)
        bytes[node.key.upperBound - from] ^= 1 << UInt8(bit)
        try directory.restore(sound.merging(["data.mdb": bytes]) { $1 })
        return try PeerStoreTests.Peer(in: directory, settings, clock)
    }

    @Test(
        arguments: [0, 3, 100, 170, 174, 178, 182, 186, 190, 255, 256, 399],
        [(0, 1), (0, 2), (1, 2), (4, 2), (7, 4)])
    func hidesNoNeighbours(row: Int, flip: (bit: Int, from: Int)) throws {
        let giver = try giver(flipping: flip.bit, from: flip.from, of: row)
        let taker = try PeerStoreTests.Peer(1)
        _ = try PeerStoreTests.install(try PeerStoreTests.open(giver), from: giver, at: taker)
        let reader = try taker.store.makeReader()
        for number in 0..<Self.count where number != row {
            let found = try reader.destination(taker.store.code(author.key(UInt64(number))))
            #expect(found == Self.destination(number), "\(number)")
        }
        #expect(try reader.destination(taker.store.code(author.key(UInt64(row)))) != Self.destination(row))
        taker.store.close()
        #expect(try StoreInspection(directory: taker.directory.store).problems.allSatisfy { !$0.contains("digest") })
        var given: Set<LinkKey> = []
        for key in [author.key(0), author.key(UInt64(Self.count - 1))] {
            let rowKey = DigestBucket(key).rowKey
            var request = BucketRequest(bucket: rowKey.reduce(0) { $0 << 8 | UInt64($1) }, after: [])
            repeat {
                let records = giver.store.records(request)
                for record in try PeerRecord.decodeAll(records.bytes) {
                    if case .link(let key) = record.key { given.insert(key) }
                }
                request.after = records.next
            } while !request.after.isEmpty
        }
        #expect(given == Set((0..<Self.count).filter { $0 != row }.map { author.key(UInt64($0)) }))
        giver.store.close()
    }

    /// Names stand in one table, and what is beside a damaged one is not known to be absent while they come.
    @Test(arguments: [0, 3, 170, 182, 190, 399], [(0, 1), (4, 1), (1, 2), (4, 5)])
    func names(row: Int, flip: (bit: Int, from: Int)) throws {
        let giver = try giver(flipping: flip.bit, from: flip.from, of: row, in: "aliases")
        let taker = try PeerStoreTests.Peer(1)
        _ = try PeerStoreTests.install(try PeerStoreTests.open(giver), from: giver, at: taker)
        let reader = try taker.store.makeReader()
        for number in 0..<Self.count where number != row {
            #expect(
                try reader.destination(taker.store.code(Self.name(number))) == Self.destination(number), "\(number)")
            let read = giver.store.record(RecordRequest(key: RecordKey.link(Self.name(number)).requestKey))
            #expect(try PeerRecord.decodeAll(read.bytes).count == 1, "\(number)")
        }
        taker.store.close()
        #expect(try StoreInspection(directory: taker.directory.store).problems.allSatisfy { !$0.contains("digest") })
        giver.store.close()
    }

    /// A chunk whose last record is damaged says nothing of where the next giver has to begin.
    @Test func anotherGoesOnBehindASoundRecord() throws {
        let (giver, taker) = (
            try giver(flipping: 4, from: 2, of: Self.count - 1, in: "aliases"), try PeerStoreTests.Peer(1)
        )
        _ = try PeerStoreTests.open(giver)
        taker.perform(.beginInstall(resumes: false))
        var position: [UInt8] = []
        while case .snapshotRead(_, let chunk)? = giver.perform(.readSnapshot(PeerStoreTests.connection)).first {
            guard case .chunkInstalled(let at)? = taker.perform(.installChunk(chunk)).first else { throw Missing() }
            position = at
        }
        #expect(position == SnapshotPosition(Self.name(0).table, Self.name(Self.count - 2).rowKey).bytes)
        giver.store.close()
        taker.store.close()
    }

    /// So many in a row that no chunk has the room: another has to give.
    @Test func tooMuchIsDamaged() throws {
        var author = Author("3")
        for number in 0..<9000 { author.create(UInt64(number), "https://third.example.com/") }
        let (directory, settings, clock) = try {
            let before = try PeerStoreTests.Peer(0)
            for first in stride(from: 1, to: UInt64(9000), by: 1000) {
                before.perform(.apply(PeerStoreTests.batch(author, first...first + 999)))
            }
            before.store.close()
            return (before.directory, before.settings, before.clock)
        }()
        try damageRows(directory.store, "links/30", (0..<9000).map { author.key(UInt64($0)).rowKey })
        let giver = try PeerStoreTests.Peer(in: directory, settings, clock)
        _ = try PeerStoreTests.open(giver)
        let end = giver.perform(.readSnapshot(PeerStoreTests.connection)).first
        #expect(end == .snapshotRan(PeerStoreTests.connection, SnapshotEnd(.failed)))
        giver.store.close()
    }
}
