import Links
import Primitives
import Testing

@testable import Replication

struct ComparisonTests {
    private static let bucket: UInt64 = 0x0002_0000_0000_0105

    /// Connected, vectors that are equal but for `more`, a minute later: the machine has asked for the root.
    private func compared(_ more: [OriginState] = []) -> (bench: Bench, id: ConnectionID)? {
        var bench = Bench(rows: [Bench.row(Bench.second, 2, chain: 2)] + more)
        let id = bench.connect(state: [Bench.row(Bench.second, 2, chain: 2)])
        for _ in 0..<8 {
            bench.wait(8000)
            let isAsked = bench.frames.contains(.digestsRequest(.root))
            let request = bench.effects
            bench.receive(id, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [])))
            if isAsked {
                bench.effects = request
                return (bench, id)
            }
        }
        return nil
    }

    /// Where somebody always writes vectors are hardly ever equal: both hold what either did some seconds ago.
    @Test(arguments: [true, false]) func underSteadyWrites(isServed: Bool) throws {
        var bench = Bench(rows: [Bench.row(Bench.second, 2, chain: 2)])
        let id = bench.connect(state: [Bench.row(Bench.second, 2, chain: 2)])
        var (asked, acknowledged): (Bool, UInt64) = (false, 0)
        for turn in 0..<1000 where !asked {
            bench.committed(UInt64(turn) + 1)
            bench.wait(100)
            asked = bench.frames.contains(.digestsRequest(.root))
            // Some entries are always on their way.
            if isServed, turn > 5 { acknowledged = UInt64(turn) - 5 }
            let row = Bench.row(Bench.own, acknowledged, chain: 1)
            bench.receive(id, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [row])))
        }
        #expect(asked == isServed)
    }

    /// Who takes long to answer is not told to differ in what has come meanwhile.
    @Test func aWalkThatTakesLong() throws {
        var (bench, id) = try #require(compared())
        descend(&bench, id, mineQuiet: true, theirsQuiet: true, pause: 5500)
        #expect(bench.alarms == [] && bench.frames == [])
    }

    private func request(_ bench: Bench) -> UInt32 { bench.machine.lastRequest }

    /// Down the path to `bucket`, each level with one child that differs and one that does not.
    private func descend(
        _ bench: inout Bench, _ id: ConnectionID, mineQuiet: Bool, theirsQuiet: Bool, pause: Int64 = 0
    ) {
        for level in 0..<8 as Range<UInt8> {
            let mask = level == 0 ? 0 : UInt64.max << (64 - 8 * UInt64(level))
            let node = DigestNode(level: level, prefix: Self.bucket & mask)
            #expect(bench.frames.contains(.digestsRequest(node)), "level \(level)")
            let byte = UInt8(truncatingIfNeeded: Self.bucket >> (56 - 8 * UInt64(level)))
            func digests(_ sum: UInt128, _ quiet: Bool) -> Digests {
                Digests(
                    node: node,
                    children: [
                        .init(byte: byte, isQuiet: quiet, sum: sum), .init(byte: 0xff, isQuiet: true, sum: 9),
                    ])
            }
            bench.now.ticks += pause
            bench.receive(id, .digests(digests(1, theirsQuiet)), request: request(bench))
            #expect(bench.effects.contains(.readDigests(id, DigestRead(node: node, request: nil))))
            bench.tell(.digestsRead(id, DigestRead(node: node, request: nil), digests(2, mineQuiet)))
        }
    }

    @Test func differenceIsRepairedAndAlarmed() throws {
        var (bench, id) = try #require(compared())
        descend(&bench, id, mineQuiet: true, theirsQuiet: true)
        #expect(bench.frames == [.bucketRequest(BucketRequest(bucket: Self.bucket, after: []))])
        bench.receive(id, .records(Records(next: [3, 98], bytes: [1])), request: request(bench))
        #expect(bench.effects.contains(.merge(id, [1], reference: bench.now.wall)))
        bench.tell(.merged(id, changed: 2, others: [Bench.second]))
        #expect(bench.alarms == [.diverged(bucket: Self.bucket)])
        #expect(bench.frames == [.bucketRequest(BucketRequest(bucket: Self.bucket, after: [3, 98]))])
        bench.receive(id, .records(Records(next: [], bytes: [2])), request: request(bench))
        bench.tell(.merged(id, changed: 1))
        #expect(bench.machine.counters.recordsRepaired == 3 && bench.machine.counters.bucketsRepaired == 1)
        #expect(bench.frames == [])
    }

    /// What an ended life left on some nodes only is repaired, and no bug: neither where their heads of it differ, nor beyond
    /// where all have it. But what the logs here have should be here.
    @Test(arguments: [UInt64(0), 2], [0, 1]) func differenceThatHasItsReason(held: UInt64, missed: Int) throws {
        var (bench, id) = try #require(compared([Bench.row(Bench.third, held, chain: 2, seal: 4)]))
        descend(&bench, id, mineQuiet: true, theirsQuiet: true)
        #expect(bench.machine.counters.bucketsRepaired == 1)
        #expect(bench.frames == [.bucketRequest(BucketRequest(bucket: Self.bucket, after: []))])
        bench.receive(id, .records(Records(next: [], bytes: [1])), request: request(bench))
        bench.tell(.merged(id, changed: 2, missed: missed, others: [Bench.third]))
        #expect(bench.alarms == (missed > 0 ? [.diverged(bucket: Self.bucket)] : []))
    }

    @Test(arguments: [(true, false), (false, true)]) func bucketsThatAreNotQuiet(mine: Bool, theirs: Bool) throws {
        var (bench, id) = try #require(compared())
        descend(&bench, id, mineQuiet: mine, theirsQuiet: theirs)
        #expect(bench.alarms == [] && bench.frames == [] && bench.machine.counters.bucketsRepaired == 0)
    }

    /// The store tells by wall time how old a change is. A clock that was set, in either direction, tells wrongly, here
    /// and to a peer that asks, until it has gone on for as long.
    @Test(arguments: [-3_600_000, 3_600_000]) func noBucketIsQuietOnceTheClockWasSet(step: Int64) throws {
        var (bench, id) = try #require(compared())
        bench.now.wall = bench.now.wall.advanced(byMilliseconds: step)
        descend(&bench, id, mineQuiet: true, theirsQuiet: true)
        #expect(bench.alarms == [] && bench.machine.counters.bucketsRepaired == 0)

        let node = DigestNode(level: 7, prefix: Self.bucket & ~0xff)
        let read = DigestRead(node: node, request: 5)
        let digests = Digests(node: node, children: [.init(byte: 5, isQuiet: true, sum: 1)])
        func answer() -> Frame? {
            bench.receive(id, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [])))
            bench.tell(.digestsRead(id, read, digests))
            return bench.frames.first
        }
        for second in 0..<62 {
            guard case .digests(let answer)? = answer() else { return #expect(Bool(false)) }
            #expect(answer.children[0].isQuiet == (second >= 60))
            bench.now.ticks += 1000
            bench.now.wall = bench.now.wall.advanced(byMilliseconds: 1000)
        }
    }

    @Test func pagesThatDoNotAscendEndIt() throws {
        var (bench, id) = try #require(compared())
        descend(&bench, id, mineQuiet: true, theirsQuiet: true)
        bench.receive(id, .records(Records(next: [3, 98], bytes: [1])), request: request(bench))
        bench.tell(.merged(id, changed: 2))
        bench.receive(id, .records(Records(next: [3, 98], bytes: [1])), request: request(bench))
        #expect(bench.closes == [.violation])
    }

    @Test func unequalVectorsAreNotCompared() {
        var bench = Bench(rows: [Bench.row(Bench.second, 2, chain: 2)])
        let id = bench.connect()
        for _ in 0..<20 {
            bench.wait(8000)
            #expect(!bench.frames.contains(.digestsRequest(.root)))
            bench.receive(id, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [])))
        }
    }

    /// An ended origin whose heads differ for good holds no comparison back: a sealed one, or that of a retired member.
    @Test(arguments: [(4, false), (OriginState.unsealed, true), (OriginState.unsealed, false)] as [(UInt64, Bool)])
    func endedOriginsThatDiffer(seal: UInt64, isRetired: Bool) {
        let author = Member(id: NodeID(Bench.third), addresses: ["c"], logFormat: 1, isRetired: isRetired)
        var bench = Bench(rows: [Bench.row(Bench.third, 2, chain: 2, seal: seal)], members: [author])
        let id = bench.connect()
        var asked = 0
        for _ in 0..<20 {
            bench.wait(8000)
            asked += bench.frames.count { $0 == .digestsRequest(.root) }
            bench.receive(id, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [])))
        }
        #expect((asked > 0) == (seal == 4 || isRetired))
    }

    @Test func unansweredQuestionIsGivenUp() throws {
        var (bench, id) = try #require(compared())
        var asked = 0
        for _ in 0..<10 {
            bench.wait(8000)
            asked += bench.frames.count { $0 == .digestsRequest(.root) }
            bench.receive(id, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [])))
        }
        #expect(asked == 1, "a new round after a minute")
    }

    @Test func answersQuestions() {
        var bench = Bench()
        let id = bench.connect()
        bench.receive(id, .digestsRequest(.root), request: 4)
        let read = DigestRead(node: .root, request: 4)
        #expect(bench.effects.contains(.readDigests(id, read)))
        bench.tell(.digestsRead(id, read, Digests(node: .root, children: [])))
        #expect(bench.sent.map(\.request) == [4] && bench.frames == [.digests(Digests(node: .root, children: []))])
        let bucket = BucketRequest(bucket: 1, after: [])
        bench.receive(id, .bucketRequest(bucket), request: 5)
        #expect(bench.effects.contains(.readBucket(id, request: 5, bucket)))
        bench.receive(id, .recordRequest(RecordRequest(key: [3, 97])), request: 6)
        #expect(bench.effects.contains(.readRecord(id, request: 6, RecordRequest(key: [3, 97]))))
        bench.tell(.recordsRead(id, request: 6, Records(next: [], bytes: [1])))
        #expect(bench.frames == [.records(Records(next: [], bytes: [1]))])
    }

    @Test func silentPeerIsPassedOver() {
        var bench = Bench()
        let ids = [bench.connect(), bench.connect(Bench.hello(Bench.third, run: 3))]
        bench.tell(.damagedRecord(key: [3, 97]))
        var asked: [ConnectionID] = []
        for _ in 0..<8 {
            for id in ids {
                bench.receive(id, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [])))
            }
            bench.wait(5000)
            asked += bench.sent.filter { $0.frame.type == .recordRequest }.map(\.id)
        }
        #expect(asked == [ids[1]] && bench.machine.comparison.damaged.isEmpty)
    }

    /// A damaged record is fetched from the nearest peer, and from the next one if that has none.
    @Test func damagedRecordIsFetched() {
        var bench = Bench()
        let first = bench.connect()
        let second = bench.connect(Bench.hello(Bench.third, run: 3))
        bench.tell(.damagedRecord(key: [3, 97]))
        #expect(bench.sent.map(\.id) == [first] && bench.frames == [.recordRequest(RecordRequest(key: [3, 97]))])
        bench.tell(.damagedRecord(key: [3, 97]))
        #expect(bench.frames == [], "it is asked for already")
        bench.receive(first, .records(Records(next: [], bytes: [])), request: bench.machine.lastRequest)
        #expect(bench.sent.map(\.id) == [second])
        bench.receive(second, .records(Records(next: [], bytes: [1])), request: bench.machine.lastRequest)
        #expect(bench.effects.contains(.merge(second, [1], reference: bench.now.wall)))
        bench.tell(.merged(second, changed: 1))
        #expect(bench.frames == [] && bench.machine.comparison.damaged.isEmpty)
    }
}
