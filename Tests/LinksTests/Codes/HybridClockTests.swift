import Links
import Primitives
import Testing

private func at(_ milliseconds: Int64) -> Instant { Instant(milliseconds: milliseconds) }
private func stamp(_ milliseconds: UInt64, _ counter: UInt16) -> Stamp {
    Stamp(milliseconds: milliseconds, counter: counter)
}

@Test(
    arguments: [
        // last, stored, now, expected
        (stamp(0, 0), nil, 1000, stamp(1000, 0)),
        (stamp(1000, 0), nil, 1000, stamp(1000, 1)),
        (stamp(1000, 7), nil, 999, stamp(1000, 8)),
        (stamp(1000, 7), nil, -5, stamp(1000, 8)),
        (stamp(1000, 7), nil, 1001, stamp(1001, 0)),
        (stamp(1000, 7), stamp(1000, 3), 1000, stamp(1000, 8)),
        (stamp(1000, 7), stamp(2000, 3), 1000, stamp(2000, 4)),
        (stamp(1000, 7), stamp(2000, 3), 3000, stamp(3000, 0)),
        (stamp(1000, 0xffff), nil, 1000, stamp(1001, 0)),
        (stamp(1000, 0), stamp(1000, 0xffff), 1000, stamp(1001, 0)),
        (stamp(0, 0), nil, Int64.max, stamp(Stamp.lastMillisecond, 0)),
        (stamp(0, 0), nil, Int64.min, stamp(0, 1)),
    ] as [(Stamp, Stamp?, Int64, Stamp)])
func localStamps(last: Stamp, stored: Stamp?, now: Int64, expected: Stamp) {
    var clock = HybridClock(last: last)
    #expect(clock.stamp(now: at(now), stored: stored) == expected)
    #expect(clock.last == expected)
}

@Test(
    arguments: [
        // last, received, now, reception, last after
        (stamp(10, 0), stamp(5, 0), 10, .advanced, stamp(10, 0)),
        (stamp(10, 0), stamp(10, 9), 10, .advanced, stamp(10, 9)),
        (stamp(10, 0), stamp(60_010, 0xffff), 10, .advanced, stamp(60_010, 0xffff)),
        (stamp(10, 0), stamp(60_011, 0), 10, .tooFarAhead(milliseconds: 60_001), stamp(10, 0)),
        (stamp(90_000, 0), stamp(89_000, 0), 10, .tooFarAhead(milliseconds: 88_990), stamp(90_000, 0)),
        (stamp(10, 0), Stamp(rawValue: .max), 10, .tooFarAhead(milliseconds: Stamp.lastMillisecond - 10), stamp(10, 0)),
    ] as [(Stamp, Stamp, Int64, HybridClock.Reception, Stamp)])
func receivedStamps(last: Stamp, received: Stamp, now: Int64, expected: HybridClock.Reception, after: Stamp) {
    var clock = HybridClock(last: last)
    #expect(clock.receive(received, now: at(now)) == expected)
    #expect(clock.last == after)
}

@Test func stampsArePacked() {
    let value = stamp(0x1234_5678_9abc, 0xdef0)
    #expect(value.rawValue == 0x1234_5678_9abc_def0)
    #expect(value.milliseconds == 0x1234_5678_9abc && value.counter == 0xdef0)
    #expect(value.instant == at(0x1234_5678_9abc))
    #expect(stamp(1, 0xffff) < stamp(2, 0) && stamp(2, 0) < stamp(2, 1))
}

/// Whatever the wall clocks do, a stamp is greater than all that its node gave out or saw before.
@Test(arguments: 1...20 as ClosedRange<UInt64>) func stampsAscend(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var clocks = [HybridClock(), HybridClock(), HybridClock()]
    var walls: [Int64] = [1_000_000, 1_030_000, 990_000]
    var seen = clocks.map(\.last)
    for _ in 0..<5000 {
        let node = Int.random(in: 0..<3, using: &random)
        walls[node] += Int64.random(in: -3...4, using: &random)
        let copy = clocks[node]
        let given = clocks[node].stamp(now: at(walls[node]))
        #expect(given > seen[node], "seed \(seed)")
        if Int.random(in: 0..<10, using: &random) == 0 {
            clocks[node] = copy
            continue
        }
        seen[node] = given
        let other = Int.random(in: 0..<3, using: &random)
        let isNear = given.milliseconds <= UInt64(walls[other]) + HybridClock.toleranceMilliseconds
        let reception = clocks[other].receive(given, now: at(walls[other]))
        #expect((reception == .advanced) == isNear, "seed \(seed)")
        if isNear { seen[other] = max(seen[other], given) }
        #expect(clocks[other].last == seen[other], "seed \(seed)")
    }
}
