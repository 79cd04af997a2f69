import Links
import Primitives
import Testing

private func isOpen(_ bench: Bench, _ reason: Issuer.Reason, backOff: Int64) -> Bool {
    guard case .open(reason, _, backOff) = bench.issuer.breaker else { return false }
    return true
}

/// Each obstacle, how it comes about, and how it goes.
private struct Case: Sendable, CustomTestStringConvertible {
    let reason: Issuer.Reason
    let make: @Sendable () -> Bench
    let mend: @Sendable (inout Bench) -> Void
    /// The first number after it.
    let counter: UInt64
    var testDescription: String { "\(reason)" }
}

private let cases = [
    Case(
        reason: .continuityUnproven, make: { Bench(next: 9, continuity: .unproven) },
        mend: {
            $0.issuer.operatorSaysAlone()
            _ = $0.renew()
        }, counter: 9),
    Case(
        reason: .continuityUnproven, make: { Bench(next: 9, ceiling: 1 << 30, continuity: .unproven) },
        mend: {
            $0.issuer.heardFromPeer(highest: 16 * 1000, at: $0.now, now: $0.now)
            _ = $0.renew()
        }, counter: 3_001_002),
    Case(
        reason: .rangeExhausted, make: { Bench(next: 10, limits: Bench.limits { $0.rangeLimit = 160 }) },
        mend: { $0.issuer.rangeRaised(to: 1600) }, counter: 10),
    Case(
        reason: .leaseLate, make: { Bench(next: 10, ceiling: 10) },
        mend: { $0.leased(upTo: 20) }, counter: 10),
    Case(
        reason: .leaseLate, make: { Bench(next: 10, ceiling: 4) },
        mend: { _ = $0.renew() }, counter: 10),
]

@Test(arguments: cases) private func opensBacksOffAndComesBack(test: Case) {
    var bench = test.make()
    #expect(bench.create().isSnowflake)
    #expect(isOpen(bench, test.reason, backOff: 100))
    // The wait doubles while the obstacle stays.
    for wait in [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000] as [Int64] {
        #expect(isOpen(bench, test.reason, backOff: wait))
        bench.wait(wait - 1)
        #expect(bench.create().isSnowflake)
        #expect(isOpen(bench, test.reason, backOff: wait))
        bench.wait(1)
        #expect(bench.create().isSnowflake)
    }
    test.mend(&bench)
    bench.wait(9999)
    #expect(bench.create().isSnowflake)
    bench.wait(1)
    // One number is tried, Snowflakes beside it.
    #expect(bench.issuer.issue(now: bench.now) == Bench.number(test.counter))
    guard case .halfOpen(test.reason, _, 10_000) = bench.issuer.breaker else {
        Issue.record("not half-open")
        return
    }
    #expect(bench.issuer.issue(now: bench.now).isSnowflake)
    bench.issuer.committed(now: bench.now)
    #expect(bench.issuer.breaker == .closed)
    #expect(bench.create() == Bench.number(test.counter + 1))
}

@Test(arguments: cases) private func anAbortedTryBacksOffAgain(test: Case) {
    var bench = test.make()
    bench.create()
    test.mend(&bench)
    for wait in [100, 200, 400] as [Int64] {
        bench.wait(wait - 1)
        #expect(bench.abortedCreate().isSnowflake)
        bench.wait(1)
        #expect(bench.abortedCreate() == Bench.number(test.counter))
        #expect(isOpen(bench, test.reason, backOff: wait * 2))
    }
    bench.wait(800)
    #expect(bench.create() == Bench.number(test.counter))
    #expect(bench.issuer.breaker == .closed)
}

@Test func afterAClosingTheNextWaitIsTheFirstAgain() {
    var bench = Bench(next: 5, ceiling: 5)
    for round in 1...5 as ClosedRange<UInt64> {
        for _ in 0..<20 {
            #expect(bench.create().isSnowflake)
            bench.wait(1000)
        }
        bench.leased(upTo: 5 + round * 10)
        bench.wait(10_000)
        for _ in 0..<10 { #expect(bench.create().isNumber) }
        #expect(bench.create().isSnowflake)
        #expect(isOpen(bench, .leaseLate, backOff: 100))
    }
}

@Test func anAbortWhileClosedChangesNothing() {
    var bench = Bench()
    #expect(bench.abortedCreate().isNumber)
    #expect(bench.issuer.breaker == .closed)
}

@Test func aTryThatNeverReturnsIsGivenUp() {
    var bench = Bench(next: 5, ceiling: 5)
    bench.create()
    bench.leased(upTo: 50)
    bench.wait(100)
    #expect(bench.issuer.issue(now: bench.now) == Bench.number(5))
    bench.wait(99)
    #expect(bench.issuer.issue(now: bench.now).isSnowflake)
    bench.wait(1)
    #expect(bench.issuer.issue(now: bench.now).isSnowflake)
    #expect(isOpen(bench, .leaseLate, backOff: 200))
    bench.wait(200)
    // The first one may be on the disk: it is not given out again.
    #expect(bench.create() == Bench.number(6))
    #expect(bench.issuer.breaker == .closed)
}

@Test func aClockSetBackKeepsNoTryWaiting() {
    var bench = Bench(next: 5, ceiling: 5, limits: Bench.limits { $0.numbersPerSecond = 1000 })
    bench.wait(500)
    bench.create()
    bench.leased(upTo: 50)
    bench.wait(-3_600_000)
    #expect(bench.create().isSnowflake)
    bench.wait(100)
    #expect(bench.issuer.issue(now: bench.now) == Bench.number(5))
    bench.wait(-3_600_000)
    #expect(bench.issuer.issue(now: bench.now).isSnowflake)
    bench.wait(100)
    #expect(bench.issuer.issue(now: bench.now).isSnowflake)
    #expect(isOpen(bench, .leaseLate, backOff: 200))
}

@Test func timeIsNotEarnedTwice() {
    var bench = Bench(limits: Bench.limits { $0.numbersPerSecond = 1000 })
    bench.wait(10_000)
    bench.wait(-3000)
    #expect(bench.create().isNumber)
    bench.wait(3000)
    for _ in 0..<1000 { #expect(bench.create().isNumber) }
    #expect(bench.create() == .capped(retryAfterMilliseconds: 1))
    // Back by less than a second: the cap asks to wait. By more: Snowflakes, until the clock has caught up.
    bench.wait(-500)
    #expect(bench.create() == .capped(retryAfterMilliseconds: 501))
    bench.wait(-2500)
    #expect(bench.create().isSnowflake)
    #expect(isOpen(bench, .clockBehind, backOff: 100))
    var numbers = 0
    while bench.clock < Bench.start + 10_000 {
        bench.wait(10)
        if bench.create().isNumber { numbers += 1 }
    }
    #expect(numbers == 0)
    bench.wait(10_000)
    #expect(bench.create().isNumber)
    #expect(bench.issuer.breaker == .closed)
}

@Test func snowflakesArePacedOnTheirOwn() {
    var bench = Bench(ceiling: 0, limits: Bench.limits { ($0.numbersPerSecond, $0.burstMilliseconds) = (1000, 100) })
    bench.wait(5000)
    #expect((0..<101).map { _ in bench.create() }.count { $0.isSnowflake } == 100)
    #expect(bench.create() == .capped(retryAfterMilliseconds: 1))
    // A clock set back costs what was not earned yet, and no more.
    bench.wait(-3_600_000)
    #expect(bench.create() == .capped(retryAfterMilliseconds: 1))
    bench.wait(1)
    #expect(bench.create().isSnowflake)
}

@Test func theWeightiestReasonIsNamed() {
    var bench = Bench(next: 10, ceiling: 5, continuity: .unproven, limits: Bench.limits { $0.rangeLimit = 100 })
    bench.create()
    #expect(isOpen(bench, .continuityUnproven, backOff: 100))
    bench.issuer.operatorSaysAlone()
    bench.create()
    #expect(isOpen(bench, .rangeExhausted, backOff: 100))
    bench.issuer.rangeRaised(to: 1000)
    bench.create()
    #expect(isOpen(bench, .leaseLate, backOff: 100))
}

@Test func aPeerMovesTheCounterOnlyForward() {
    var bench = Bench(next: 5_000_000, ceiling: 1 << 40, continuity: .unproven)
    bench.issuer.heardFromPeer(highest: 16 * 1000, at: bench.now, now: bench.now)
    #expect(bench.issuer.next == 5_000_000 && bench.issuer.continuity == .proven)
    // Nothing new.
    bench.issuer.heardFromPeer(highest: 16 * 4_999_999 + 3, at: Instant(milliseconds: 0), now: bench.now)
    bench.issuer.heardFromPeer(highest: nil, at: nil, now: bench.now)
    #expect(bench.issuer.next == 5_000_000)
    // A number that this node believed to be free.
    bench.issuer.heardFromPeer(highest: 16 * 5_000_000 + 3, at: bench.now, now: bench.now)
    #expect(bench.issuer.next == 8_000_002)
}

@Test func aPeerWithoutAnyNumberProvesContinuity() {
    var bench = Bench(ceiling: 1 << 30, continuity: .unproven)
    bench.issuer.heardFromPeer(highest: nil, at: nil, now: bench.now)
    // The lease made before is no use: after a restart the node would stand where it stood.
    bench.wait(100)
    #expect(bench.create().isSnowflake)
    #expect(isOpen(bench, .leaseLate, backOff: 200))
    bench.issuer.leased(Issuer.Lease(start: 3_000_000, ceiling: 1 << 30 + 1), now: bench.now)
    bench.wait(200)
    #expect(bench.create().isSnowflake)
    bench.issuer.leased(Issuer.Lease(start: 3_000_001, ceiling: 1 << 30 + 2), now: bench.now)
    bench.wait(400)
    #expect(bench.create() == Bench.number(3_000_001))
}

@Test func goingOnBeyondTheRangeMeansSnowflakes() {
    var bench = Bench(ceiling: 1 << 40, continuity: .unproven)
    bench.issuer.heardFromPeer(highest: 16, at: Instant(milliseconds: 0), now: bench.now)
    bench.wait(100)
    #expect(bench.create().isSnowflake)
    #expect(isOpen(bench, .rangeExhausted, backOff: 200))
    #expect(bench.issuer.renewalDue(now: bench.now) == nil)
    #expect(bench.issuer.figures(now: bench.now).numbersLeft == 0)
    #expect(bench.issuer.figures(now: bench.now).warning == .twoMinutes)
}
