import Links
import Primitives
import Testing

@testable import Replication

/// What is not known stays not known: of forks, of lives that begin in place, of nodes that have just come.
struct DoubtTests {
    private static let born = Holdings(
        own: Origin(region: 0x31, node: 0, incarnation: 12), rows: [Bench.row(Bench.own, 5, chain: 5)],
        members: [Bench.settings().member], isFresh: false)

    /// A batch was with the store when the log's other version showed: whatever becomes of it, the fork stays.
    @Test(arguments: [.unknownKind(sequence: 7), .poison(sequence: 7), .failed, .done] as [Applied.Outcome])
    func aForkStaysOne(outcome: Applied.Outcome) {
        var bench = Bench(rows: [Bench.row(Bench.third, 5, chain: 5)])
        let id = bench.connect()
        bench.receive(id, .entries(Bench.entries(6...6, Bench.third)))
        #expect(bench.batches.count == 1)
        _ = bench.connect(
            Bench.hello(Bench.third, run: 3), state: [Bench.row(Bench.third, 5, chain: 55)])
        #expect(bench.machine.quarantines == [Bench.third: .fork])
        bench.applied(Bench.third, outcome == .done ? 6 : 5, outcome)
        #expect(bench.machine.quarantines == [Bench.third: .fork])
        bench.wait(ReplicationLimits.shortestRetry * 2)
        #expect(bench.machine.quarantines == [Bench.third: .fork])
    }

    /// What an ended life was known to end with is not what somebody holds of it.
    @Test func aSealIsNoHead() {
        let bench = Bench(rows: [Bench.row(Bench.third, 5, chain: 5, seal: 5)])
        #expect(bench.machine.holds([Bench.head(Bench.third, 5)]))
        #expect(!bench.machine.holds([Bench.head(Bench.third, 6)]))
    }

    /// However long ago the process started: what the doubt showed has to be here first.
    @Test func aNewLifeInPlaceIsNotReadyAtOnce() {
        var bench = Bench(rows: [Bench.row(Bench.own, 5, chain: 5)])
        bench.wait(ReplicationLimits.readyWithoutPeers)
        #expect(bench.machine.isReady)
        let theirs = [Bench.row(Bench.own, 6, chain: 6)]
        _ = bench.connect(state: theirs)
        #expect(bench.effects.contains(.beginIncarnation(.peerKnowsMore(NodeID(Bench.second)))))
        bench.tell(.incarnationBegan(Self.born))
        #expect(!bench.machine.isReady)
        let id = bench.connect(state: theirs)
        #expect(!bench.machine.isReady)
        bench.receive(id, .entries(Bench.entries(6...6, Bench.own)))
        bench.applied(Bench.own, 6)
        #expect(bench.machine.isReady)
        // Then nobody is there to show anything.
        bench.receive(
            id,
            .heads(
                Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [Bench.row(Self.born.own, 3, chain: 3)])))
        var again = Self.born
        again.own.incarnation += 1
        bench.tell(.incarnationBegan(again))
        #expect(!bench.machine.isReady)
        bench.wait(ReplicationLimits.readyWithoutPeers)
        #expect(bench.machine.isReady)
    }

    /// A doubt while the store is being replaced: neither a failure of that nor what was written meanwhile goes on in the
    /// old life.
    @Test func aDoubtWhileFinishing() throws {
        var bench = Bench(rows: [Bench.row(Bench.second, 2, chain: 2)])
        let theirs = [Bench.row(Bench.second, 9, chain: 9, floor: 5)]
        let id = bench.connect(state: theirs)
        bench.wait(400)
        let asked = try #require(bench.sent.first { $0.frame == .snapshotRequest(SnapshotRequest()) })
        bench.receive(id, .snapshotOffer(SnapshotOffer(rows: theirs)), request: asked.request)
        bench.receive(id, .snapshotEnd(SnapshotEnd(.complete)), request: asked.request)
        bench.committed(1)
        let own = bench.machine.own
        bench.receive(
            id, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [Bench.row(own, 3, chain: 3)])))
        #expect(bench.effects.contains(.beginIncarnation(.peerKnowsMore(NodeID(Bench.second)))))
        bench.tell(.installFailed)
        bench.wait(10)
        #expect(bench.machine.joining == .reborn && bench.reads == [] && bench.machine.rows[own]!.head == 0)
        // Nor does it come back with the next attempt that fails.
        let next = Origin(region: own.region, node: own.node, incarnation: 12)
        bench.tell(
            .incarnationBegan(
                Holdings(
                    own: next, rows: [Bench.row(Bench.second, 2)], members: [Bench.settings().member], isFresh: false)))
        #expect(bench.machine.headWhileFinishing == nil && bench.machine.rows[next]!.head == 0)
    }

    /// An acknowledgement says no chain: what was said before it still is compared.
    @Test func whatAPeerHoldsByItsChain() {
        var bench = Bench(peers: [])
        let id = bench.connect(state: [Bench.row(Bench.third, 2, chain: 2)])
        bench.receive(id, .ack(Ack(credit: 4 << 20, rows: [.init(origin: Bench.third, head: 5)])))
        let held = bench.machine.held(by: [NodeID(Bench.second)])
        #expect(
            held == [LogHead(origin: Bench.third, head: 5, chain: Chain(rawValue: 0)), Bench.head(Bench.third, 2)])
    }

    /// Of two givers' parts nobody knows which version's records they are.
    @Test func giversWithTwoVersions() {
        var partial = PartialInstall(
            rows: [Bench.row(Bench.second, 5, chain: 5), Bench.row(Bench.third, 5, chain: 5)], at: 0)
        partial.lower(to: [Bench.row(Bench.second, 5, chain: 55), Bench.row(Bench.third, 4, chain: 44)])
        #expect(partial.forked == [Bench.second])
    }

    /// One log that nobody can go on with does not hold back what makes all else equal.
    @Test(arguments: [.unknownKind(sequence: 2), .poison(sequence: 2)] as [Applied.Outcome])
    func logsWithoutAnEndAreLeftOut(outcome: Applied.Outcome) {
        var bench = Bench(rows: [Bench.row(Bench.second, 1, chain: 1)])
        let id = bench.connect(state: [Bench.row(Bench.second, 2, chain: 2)])
        bench.receive(id, .entries(Bench.entries(2...2)))
        bench.applied(Bench.second, 1, outcome)
        var asked = 0
        for _ in 0..<20 {
            bench.wait(8000)
            asked += bench.frames.count { $0 == .digestsRequest(.root) }
            bench.receive(id, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [])))
        }
        #expect((asked > 0) == (outcome == .poison(sequence: 2)))
    }

    /// What cannot be streamed comes by comparing alone: also to a node of which nobody takes entries, as long as there is
    /// something of the kind, and a minute after somebody took some.
    @Test(arguments: [(true, false), (false, false), (true, true)])
    func nobodyTakesTheOwnEntries(isPoisoned: Bool, isTaken: Bool) {
        var bench = Bench(rows: [Bench.row(Bench.second, 1, chain: 1)])
        let id = bench.connect(state: [Bench.row(Bench.second, isPoisoned ? 2 : 1, chain: isPoisoned ? 2 : 1)])
        if isPoisoned {
            bench.receive(id, .entries(Bench.entries(2...2)))
            bench.applied(Bench.second, 1, .poison(sequence: 2))
        }
        bench.committed(1000)
        var asked = 0
        for turn in 0..<20 as Range<UInt64> {
            bench.wait(8000)
            asked += bench.frames.count { $0 == .digestsRequest(.root) }
            let credit = bench.machine.sessions[id]!.credit
            let row = Ack.Row(origin: Bench.own, head: isTaken ? turn + 1 : 0)
            bench.receive(id, .ack(Ack(credit: credit, rows: [row])))
        }
        #expect((asked > 0) == (isPoisoned && !isTaken))
    }

    /// An ended life that differs is compared once there was time to take what is missing: a minute from when the peer came.
    @Test func whoHasJustComeIsNotCompared() {
        var bench = Bench(rows: [Bench.row(Bench.third, 2, chain: 2, seal: 2)])
        func comes() -> ConnectionID { bench.connect(state: [Bench.row(Bench.third, 0, seal: 2)]) }
        bench.wait(ReplicationLimits.quietFor + ReplicationLimits.digestInterval)
        let id = comes()
        var asked: Int64?
        let cameAt = bench.now.ticks
        while asked == nil, bench.now.ticks - cameAt < 10 * ReplicationLimits.quietFor {
            bench.wait(1000)
            if bench.frames.contains(.digestsRequest(.root)) { asked = bench.now.ticks - cameAt }
            bench.receive(id, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [])))
            if bench.frames.contains(.digestsRequest(.root)) { asked = bench.now.ticks - cameAt }
        }
        #expect(asked ?? 0 >= ReplicationLimits.quietFor)
    }
}
