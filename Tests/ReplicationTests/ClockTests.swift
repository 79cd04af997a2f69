import Links
import Primitives
import Testing

@testable import Replication

/// Whose clock is wrong, and what is not done by a wrong one.
struct ClockTests {
    /// With two peers at least, of which more than half look ahead, the own clock is wrong.
    @Test(
        arguments: [
            ([61_000], false), ([61_000, 0], false), ([61_000, 62_000], true), ([60_000, 60_000], false),
            ([61_000, 62_000, 0], true), ([-90_000, -90_000], false),
        ] as [([Int64], Bool)])
    func ownClock(offsets: [Int64], isWrong: Bool) {
        var (bench, ids) = (Bench(), [ConnectionID]())
        for (index, offset) in offsets.enumerated() {
            let origin = Origin(region: 0x32 + UInt8(index), node: 0, incarnation: 5)
            let hello = Bench.hello(
                origin, run: UInt64(index) + 2, wall: bench.now.wall.advanced(byMilliseconds: offset))
            ids.append(bench.open(certified: NodeID(origin)))
            bench.receive(ids[index], .hello(hello))
            bench.receive(ids[index], .state(PeerState(credit: 0, rows: [])))
            if index < offsets.count - 1 { #expect(!bench.effects.contains(.localChanges(allowed: true))) }
        }
        #expect(bench.machine.ownClockIsWrong == isWrong)
        let origin = Origin(region: 0x32, node: 0, incarnation: 5)
        bench.receive(ids[0], .entries(Bench.entries(1...1, origin, stamp: bench.now.wall.milliseconds + 61_000)))
        #expect(bench.batches.isEmpty != isWrong, "it goes on applying")
        guard isWrong else { return }
        for id in ids { bench.receive(id, LivesTests.heads(bench, [])) }
        #expect(!bench.machine.ownClockIsWrong)
    }

    @Test func ownClockIsTold() {
        var bench = Bench()
        var told: [Effect] = []
        for index in 0..<2 as Range<UInt8> {
            let origin = Origin(region: 0x32 + index, node: 0, incarnation: 5)
            let id = bench.open(certified: NodeID(origin))
            bench.receive(
                id,
                .hello(
                    Bench.hello(origin, run: UInt64(index) + 2, wall: bench.now.wall.advanced(byMilliseconds: 70_000))))
            told += bench.effects
        }
        #expect(told.contains(.localChanges(allowed: false)) && told.contains(.alarm(.ownClockWrong)))
        #expect(!bench.machine.status.mayChange)
        bench.wait(61_000)
        #expect(bench.machine.status.mayChange)
        #expect(
            bench.effects.contains(.localChanges(allowed: true)) && bench.effects.contains(.cleared(.ownClockWrong)))
    }

    /// After a standstill a frame comes before the timer, and no opinion counts any more.
    @Test func noOpinionIsLeft() {
        var (bench, ids) = (Bench(), [ConnectionID]())
        for index in 0..<2 as Range<UInt8> {
            let origin = Origin(region: 0x32 + index, node: 0, incarnation: 5)
            let ahead = bench.now.wall.advanced(byMilliseconds: 70_000)
            ids.append(bench.connect(Bench.hello(origin, run: UInt64(index) + 2, wall: ahead)))
        }
        #expect(bench.machine.ownClockIsWrong)
        bench.now.ticks += ReplicationLimits.clockOpinionAge + 1
        let origin = Origin(region: 0x32, node: 0, incarnation: 5)
        bench.receive(ids[0], .entries(Bench.entries(1...1, origin)))
        #expect(bench.batches.map(\.first) == [1])
    }

    /// A clock that is ahead of a peer's makes nothing old.
    @Test func truncationByAClockAhead() {
        var bench = Bench(rows: [Bench.row(Bench.own, 9, chain: 9)])
        let theirs = bench.now.wall.advanced(byMilliseconds: -8 * 86_400_000)
        let id = bench.open(certified: NodeID(Bench.second))
        bench.receive(id, .hello(Bench.hello(Bench.second, run: 2, wall: theirs)))
        bench.wait(60_000)
        let aged = theirs.advanced(byMilliseconds: 60_000 - ReplicationLimits.hardCapAge)
        #expect(
            bench.effects.contains { if case .truncate(let order) = $0 { order.cappedBefore == aged } else { false } })
    }
}
