import Links
import Primitives
import Testing

/// A node 3 of region `1`, and the time on its wall.
struct Bench {
    static let region = RegionCharacter(UInt8(ascii: "1"))!
    static let node: UInt8 = 3
    /// 2026-01-01.
    static let start: Int64 = 1_767_225_600_000

    var issuer: Issuer
    var clock = Bench.start

    var now: Instant { Instant(milliseconds: clock) }

    init(
        next: UInt64 = 0, ceiling: UInt64 = 1 << 20, lastSnowflake: UInt64? = nil,
        continuity: Issuer.Continuity = .proven, limits: Issuer.Limits = Bench.limits(), start: Int64 = Bench.start
    ) {
        issuer = Issuer(
            region: Self.region, node: Self.node, next: next, ceiling: ceiling, lastSnowflake: lastSnowflake,
            continuity: continuity, limits: limits, now: Instant(milliseconds: start))
        clock = start
    }

    static func limits(_ change: (inout Issuer.Limits) -> Void = { _ in }) -> Issuer.Limits {
        var limits = Issuer.Limits()
        change(&limits)
        return limits
    }

    mutating func wait(_ milliseconds: Int64) { clock += milliseconds }

    /// Issues and commits.
    @discardableResult mutating func create() -> Issuer.Issue {
        let issue = issuer.issue(now: now)
        issuer.committed(now: now)
        issuer.checkInvariants()
        return issue
    }

    mutating func abortedCreate() -> Issuer.Issue {
        let copy = issuer
        let issue = issuer.issue(now: now)
        issuer = copy
        issuer.aborted(now: now)
        issuer.checkInvariants()
        return issue
    }

    mutating func renew() -> Bool {
        guard let lease = issuer.renewalDue(now: now) else { return false }
        issuer.leased(lease, now: now)
        return true
    }

    /// The bench's Snowflake of these milliseconds since the epoch.
    static func snowflake(_ milliseconds: UInt64, _ sequence: UInt64) -> UInt64 {
        let place = milliseconds << 23 | UInt64(region.index) << 17
        return place | UInt64(node) << 11 | sequence
    }

    mutating func leased(upTo ceiling: UInt64) {
        issuer.leased(Issuer.Lease(start: min(issuer.next, ceiling), ceiling: ceiling), now: now)
    }

    static func number(_ counter: UInt64) -> Issuer.Issue { .number(counter * 16 + UInt64(node)) }
}

extension Issuer.Issue {
    var isSnowflake: Bool { if case .snowflake = self { true } else { false } }
    var isNumber: Bool { if case .number = self { true } else { false } }
    var isCapped: Bool { if case .capped = self { true } else { false } }
}

private func instant(_ milliseconds: Int64) -> Instant { Instant(milliseconds: milliseconds) }

@Test func numbersAscendByCounter() {
    var bench = Bench(next: 7)
    #expect((0..<5).map { _ in bench.create() } == (7..<12).map { Bench.number($0) })
}

@Test func aRestoredCopyLosesNoNumber() {
    var bench = Bench()
    bench.create()
    let copy = bench.issuer
    #expect(bench.issuer.issue(now: bench.now) == Bench.number(1))
    #expect(bench.issuer.issue(now: bench.now) == Bench.number(2))
    bench.issuer = copy
    bench.issuer.aborted(now: bench.now)
    #expect(bench.create() == Bench.number(1))
}

@Test func nothingAtOrAboveTheCeiling() {
    var bench = Bench(next: 8, ceiling: 10)
    #expect(bench.create() == Bench.number(8))
    #expect(bench.create() == Bench.number(9))
    #expect(bench.create().isSnowflake)
}

@Test func theRangeEndsWhereItsNumbersDo() {
    // Node 3: counters 0…6 make 3…99; the next would be 115.
    for (limit, expected) in [(100, 7), (99, 6), (116, 8), (115, 7), (4, 1), (3, 0), (0, 0)] as [(UInt64, Int)] {
        var bench = Bench(limits: Bench.limits { $0.rangeLimit = limit })
        let issues = (0..<10).map { _ in bench.create() }
        #expect(issues.count { $0.isNumber } == expected, "limit \(limit)")
        #expect(issues.dropFirst(expected).allSatisfy { $0.isSnowflake })
    }
}

@Test(
    arguments: [
        // highest, at, now, counter
        (nil, nil, 0, 3_000_001),
        (16 * 100 + 3, 0, 0, 101 + 3_000_001),
        (16 * 100 + 15, 0, 1000, 101 + 3_050_001),
        // A stamp ahead of the clock.
        (0, 5000, 1000, 1 + 2_800_001),
        (0, 70_000, 1000, 2),
        (0, 0, 1, 1 + 3_000_051),
        (0, 0, Int64.max, UInt64.max),
        (UInt64.max, 0, 0, UInt64.max / 16 + 1 + 3_000_001),
    ] as [(UInt64?, Int64?, Int64, UInt64)])
func resumption(highest: UInt64?, at: Int64?, now: Int64, expected: UInt64) {
    let counter = Issuer.resumed(
        highest: highest, at: at.map(instant), now: instant(now), limits: Bench.limits())
    #expect(counter == expected)
}

@Test func theCapHoldsAndSaysHowLong() {
    var bench = Bench(limits: Bench.limits { ($0.numbersPerSecond, $0.burstMilliseconds) = (2000, 500) })
    #expect((0..<3).map { _ in bench.create().isNumber } == [true, true, false])
    #expect(bench.create() == .capped(retryAfterMilliseconds: 1))
    bench.wait(1)
    #expect((0..<3).map { _ in bench.create().isNumber } == [true, true, false])
    // However long it rests, no more than the burst gathers.
    bench.wait(1_000_000)
    #expect((0..<1001).count { _ in bench.create().isNumber } == 1000)
    var slow = Bench(limits: Bench.limits { $0.numbersPerSecond = 1 })
    #expect(slow.create().isNumber)
    #expect(slow.create() == .capped(retryAfterMilliseconds: 1000))
    slow.wait(400)
    #expect(slow.create() == .capped(retryAfterMilliseconds: 600))
}

@Test func snowflakesAscendWhateverTheClockDoes() {
    var bench = Bench(ceiling: 0, limits: Bench.limits { $0.numbersPerSecond = 10_000_000 })
    bench.wait(1000)
    var last: UInt64 = 0
    func take(_ bench: inout Bench) -> Snowflake {
        guard case .snowflake(let number) = bench.create() else {
            Issue.record("not a Snowflake")
            return Snowflake(number: 0)
        }
        #expect(number > last)
        last = number
        return Snowflake(number: number)
    }
    let first = take(&bench)
    #expect(first.instant == bench.now && first.sequence == 0)
    #expect(first.regionIndex == Bench.region.index && first.node == Bench.node)
    for _ in 1..<2048 { _ = take(&bench) }
    // The millisecond is full: borrow from the next.
    let borrowed = take(&bench)
    #expect(borrowed.instant.milliseconds == bench.clock + 1 && borrowed.sequence == 0)
    bench.wait(-3_600_000)
    #expect(take(&bench).sequence == 1)
    bench.wait(3_600_002)
    #expect(take(&bench).sequence == 0)
}

@Test func snowflakesGoOnAfterARestart() {
    let clock = UInt64(Bench.start - Snowflake.epoch.milliseconds)
    let highest = Bench.snowflake(clock + 5, 2047)
    var bench = Bench(ceiling: 0, lastSnowflake: highest)
    #expect(bench.create() == .snowflake(Bench.snowflake(clock + 6, 0)))
    bench.issuer.sawSnowflake(Bench.snowflake(clock + 9, 4))
    #expect(bench.create() == .snowflake(Bench.snowflake(clock + 9, 5)))
    bench.issuer.sawSnowflake(highest)
    #expect(bench.create() == .snowflake(Bench.snowflake(clock + 9, 6)))
}

@Test func snowflakesBeforeTheEpochAndAfterTheEnd() {
    var early = Bench(ceiling: 0, start: 0)
    #expect(early.create() == .snowflake(Bench.snowflake(0, 0)))
    let end: UInt64 = 1 << 41 - 1
    var late = Bench(ceiling: 0, lastSnowflake: Bench.snowflake(end, 2046))
    #expect(late.create() == .snowflake(Bench.snowflake(end, 2047)))
    #expect(late.create() == .capped(retryAfterMilliseconds: 1000))
    late.clock = .max
    #expect(late.create() == .capped(retryAfterMilliseconds: 1000))
}

@Suite struct IssuerNumberTests {
    /// A number that comes back from elsewhere moves the counter beyond what was given out with it, and proves nothing.
    @Test func aNumberFromElsewhere() {
        var bench = Bench(next: 100)
        bench.issuer.sawNumber(GeneratedNumber.number(counter: 99, node: Bench.node), at: bench.now, now: bench.now)
        #expect(bench.issuer.next == 100)
        let number = GeneratedNumber.number(counter: 5000, node: Bench.node)
        bench.issuer.sawNumber(number, at: bench.now, now: bench.now)
        let resumed = Issuer.resumed(highest: number, at: bench.now, now: bench.now, limits: Bench.limits())
        #expect(bench.issuer.next == resumed && resumed > 5000 && bench.issuer.continuity == .proven)
        // Until a lease from there is durable, a restart would begin below it.
        guard case .snowflake = bench.create() else {
            Issue.record("a number without a lease")
            return
        }
        var unproven = Bench(next: 0, continuity: .unproven)
        unproven.issuer.sawNumber(number, at: unproven.now, now: unproven.now)
        #expect(unproven.issuer.continuity == .unproven && unproven.issuer.next > 5000)
    }
}

/// A leased block that nobody else knows of is not touched.
@Test func unheardNumbersWait() {
    var bench = Bench(next: 100)
    bench.issuer.isUnheard = true
    for _ in 0..<3 {
        guard case .snowflake = bench.create() else { Issue.record("a number that nobody heard of"); return }
    }
    bench.issuer.isUnheard = false
    bench.clock += 60_000
    #expect(bench.create() == .number(GeneratedNumber.number(counter: 100, node: Bench.node)))
}

/// Snowflakes follow the wall clock, not a stamp that another node's clock drew ahead: a node that then lost its disk would
/// give out the same ones again.
@Test func snowflakesDoNotFollowStampsAhead() {
    let wall = Instant(milliseconds: Bench.start)
    var issuer = Issuer(
        region: Bench.region, node: Bench.node, next: 0, ceiling: 0, continuity: .unproven, limits: Bench.limits(),
        now: wall.advanced(byMilliseconds: 50_000), wall: wall)
    guard case .snowflake(let number) = issuer.issue(now: wall) else {
        Issue.record("not a Snowflake")
        return
    }
    #expect(Snowflake(number: number).instant == wall)
}
