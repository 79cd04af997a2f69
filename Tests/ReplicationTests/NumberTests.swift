import Links
import Primitives
import Testing

@testable import Replication

/// From where numbers go on, and what has to be known before they do.
@Suite struct NumberTests {
    /// Numbers go on beyond the highest ceiling of this node that anyone knows.
    @Test func continuityFromWhatPeersKnow() {
        var bench = Bench()
        let former = Origin(region: 0x31, node: 0, incarnation: 10)
        var known = Bench.row(former, 3, chain: 3, ceiling: 900)
        known.stamp = Stamp(milliseconds: 1_600_000_000_000, counter: 0)
        let id = bench.open(certified: NodeID(Bench.second))
        bench.receive(id, .hello(Bench.hello()))
        bench.receive(id, .state(PeerState(credit: 0, rows: [known])))
        let highest = Highest(ceiling: 900, at: Instant(milliseconds: 1_600_000_000_000))
        #expect(bench.effects.contains(.continuityProven(highest)))
        var alone = Bench()
        alone.tell(.command(.noPeers))
        #expect(alone.effects.contains(.continuityProven(nil)) && alone.effects.contains(.issuing(allowed: true)))
    }

    /// Who knows nothing of this node's numbers may be as new as it is: one of two that lost their disks together must
    /// not take the other's word for it.
    @Test(arguments: [0, 900] as [UInt64]) func continuityWhereTheFirstPeerKnowsNothing(ceiling: UInt64) {
        let former = Origin(region: 0x31, node: 0, incarnation: 10)
        var bench = Bench(isFresh: true)
        _ = bench.connect(at: "b")
        #expect(bench.machine.isReady && !bench.machine.isContinuous)
        let known = ceiling > 0 ? [Bench.row(former, 0, ceiling: ceiling)] : []
        _ = bench.connect(Bench.hello(Bench.third, run: 3), at: "c", state: known)
        #expect(bench.machine.isContinuous)
        let highest = ceiling > 0 ? Highest(ceiling: ceiling, at: Instant(milliseconds: 0)) : nil
        #expect(bench.effects.contains(.continuityProven(highest)))
        #expect(bench.effects.contains(.issuing(allowed: ceiling > 0)))
    }

    /// Two lives of a node whose clock is behind would begin at the same number, so it waits with numbers: until its
    /// last known one's time is not ahead of its clock, and until no peer's clock is, or not most of theirs.
    @Test(arguments: [false, true]) func continuityWaitsForTheClock(isStampAhead: Bool) {
        var bench = Bench(peers: ["b"])
        let tolerance = ReplicationLimits.clockTolerance
        let later = bench.now.wall.advanced(byMilliseconds: tolerance + 1000)
        var known = Bench.row(Origin(region: 0x31, node: 0, incarnation: 10), 3, chain: 3, ceiling: 900)
        known.stamp = Stamp(milliseconds: UInt64((isStampAhead ? later : bench.now.wall).milliseconds), counter: 0)
        let id = bench.connect(Bench.hello(wall: isStampAhead ? bench.now.wall : later), state: [known])
        #expect(!bench.machine.isContinuous)
        bench.wait(999)
        #expect(!bench.machine.isContinuous)
        let wall = isStampAhead ? bench.now.wall : bench.now.wall.advanced(byMilliseconds: tolerance)
        bench.receive(id, .heads(Heads(wall: wall, sent: 1, echo: 0, held: 0, rows: [])))
        bench.wait(1)
        #expect(bench.machine.isContinuous)
        #expect(bench.effects.contains(.continuityProven(Highest(ceiling: 900, at: known.stamp.instant))))
        // A second peer whose clock agrees is enough as well.
        var three = Bench()
        _ = three.connect(Bench.hello(wall: later), at: "b", state: [])
        _ = three.connect(Bench.hello(Bench.third, run: 3), at: "c", state: [known])
        #expect(three.machine.isContinuous == !isStampAhead)
    }

    /// Where nobody knows of a number, none is given out before somebody has heard of a ceiling; or an operator says that
    /// there is nobody.
    @Test(arguments: [false, true]) func numbersWaitUntilTheyAreHeardOf(saysAlone: Bool) {
        var bench = Bench(isFresh: true)
        func heads(_ rows: [OriginState]) -> Heads {
            Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: rows)
        }
        let id = bench.connect(at: "b")
        _ = bench.connect(Bench.hello(Bench.third, run: 3), at: "c")
        #expect(bench.effects.contains(.issuing(allowed: false)))
        bench.receive(id, .heads(heads([Bench.row(Bench.own, 0)])))
        #expect(!bench.effects.contains(.issuing(allowed: true)))
        if saysAlone {
            bench.tell(.command(.noPeers))
        } else {
            bench.receive(id, .heads(heads([Bench.row(Bench.own, 0, ceiling: 50)])))
        }
        #expect(bench.effects.contains(.issuing(allowed: true)))
        bench.receive(id, .heads(heads([Bench.row(Bench.own, 0, ceiling: 90)])))
        #expect(!bench.effects.contains(.issuing(allowed: true)), "that is known")
    }

    /// Who hears that its ceiling is known gives out numbers. A peer that says so before a sync, and ends, leaves nobody who
    /// knows how far they went.
    @Test func aCeilingIsToldOnceItIsDurable() {
        var bench = Bench()
        let id = bench.connect()
        var row = Bench.row(Bench.third, 0, ceiling: 9)
        row.stamp = Stamp(milliseconds: 77, counter: 0)
        func told() -> [UInt64] {
            bench.frames.flatMap { frame -> [OriginState] in
                switch frame {
                case .heads(let heads): heads.rows
                case .state(let state): state.rows
                default: []
                }
            }.filter { $0.origin == Bench.third }.map(\.ceiling)
        }
        let heads = Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [row])
        bench.receive(id, .heads(heads))
        #expect(bench.effects.contains(.ceiling(Bench.third, 9, at: row.stamp)))
        bench.receive(id, .heads(heads))
        #expect(!bench.effects.contains(.ceiling(Bench.third, 9, at: row.stamp)), "it is under way")
        bench.wait(1000)
        #expect(told().isEmpty)
        let fourth = Origin(region: 0x34, node: 0, incarnation: 44)
        let other = bench.open(certified: NodeID(fourth))
        bench.receive(other, .hello(Bench.hello(fourth, run: 4)))
        #expect(bench.frames.map(\.type).contains(.state) && told().isEmpty)
        bench.receive(other, .state(PeerState(credit: 4 << 20, rows: [])))
        bench.tell(.ceilingKept(Bench.third, 9, at: row.stamp))
        bench.wait(1000)
        #expect(told() == [9, 9], "to both")
    }

    /// All rows have to go into one frame.
    @Test func originsThatAreMadeUp() {
        func rows(_ region: UInt8) -> [OriginState] {
            (1...WireLimits.origins).map {
                Bench.row(Origin(region: region, node: 0, incarnation: UInt64($0)), 0, ceiling: 9, seal: 0)
            }
        }
        var bench = Bench()
        let first = bench.connect(state: rows(0x34))
        #expect(bench.closes.isEmpty)
        bench.receive(
            first, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [Bench.row(Bench.third, 1)])))
        #expect(bench.closes == [.violation], "nobody knows of so many")
        let second = bench.connect(Bench.hello(Bench.third, run: 3), state: rows(0x35))
        #expect(bench.closes.isEmpty)
        bench.receive(second, .ack(Ack(credit: 4 << 20, rows: [.init(origin: Bench.second, head: 7)])))
        #expect(bench.closes == [.violation])
        let other = bench.open(certified: NodeID(Bench.third))
        bench.receive(other, .hello(Bench.hello(Bench.third, run: 3)))
        let states = bench.frames.compactMap { if case .state(let state) = $0 { state.rows.count } else { nil } }
        #expect(states == [WireLimits.origins])
    }
}
