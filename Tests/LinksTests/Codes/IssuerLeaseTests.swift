import Links
import Primitives
import Testing

@Test func aFreshNodeLeasesItsFirstBlock() {
    var bench = Bench(ceiling: 0)
    #expect(bench.issuer.renewalDue(now: bench.now)?.ceiling == 16_384)
    #expect(bench.issuer.renewalDue(now: bench.now) == nil)
    bench.leased(upTo: 16_384)
    #expect(bench.issuer.renewalDue(now: bench.now) == nil)
    #expect(bench.create() == Bench.number(0))
}

@Test func aRenewalIsDueWhenAFifthIsLeft() {
    var bench = Bench(next: 0, ceiling: 20_000)
    bench.wait(1000)
    for counter in 0..<16_000 as Range<UInt64> {
        #expect(bench.issuer.renewalDue(now: bench.now) == nil, "counter \(counter)")
        bench.create()
    }
    #expect(bench.issuer.renewalDue(now: bench.now)!.ceiling > 20_000)
}

@Test func blocksFollowTheRate() {
    // Issued in the second before, and the counters leased: 15 minutes at a tenth of it, since the rate is that of
    // ten seconds.
    for (issued, block) in [(0, 16_384), (100, 16_384), (1000, 90_000), (10_000, 900_000)] as [(UInt64, UInt64)] {
        var bench = Bench(next: 0, ceiling: issued)
        bench.wait(1000)
        for _ in 0..<issued { bench.create() }
        #expect(bench.issuer.renewalDue(now: bench.now)?.ceiling == issued + block, "issued \(issued)")
    }
    // Ten seconds at the cap want 45 M; a smaller bound cuts it.
    for (largest, block) in [(1 << 26, 45_000_000), (1 << 20, 1 << 20)] as [(UInt64, UInt64)] {
        var bench = Bench(next: 0, ceiling: 500_000, limits: Bench.limits { $0.largestBlock = largest })
        for _ in 0..<10 {
            bench.wait(1000)
            for _ in 0..<50_000 { bench.create() }
        }
        bench.wait(999)
        #expect(bench.issuer.renewalDue(now: bench.now)?.ceiling == 500_000 + block)
    }
}

@Test func blocksEndAtTheRangeLimit() {
    var bench = Bench(next: 0, ceiling: 0, limits: Bench.limits { $0.rangeLimit = 16 * 1000 })
    #expect(bench.issuer.renewalDue(now: bench.now)?.ceiling == 1000)
    bench.leased(upTo: 1000)
    for _ in 0..<1000 {
        bench.wait(1)
        #expect(bench.create().isNumber)
        #expect(bench.issuer.renewalDue(now: bench.now) == nil)
    }
    #expect(bench.create().isSnowflake)
    bench.issuer.rangeRaised(to: 16 * 3000)
    #expect(bench.issuer.renewalDue(now: bench.now)?.ceiling == 3000)
}

@Test func oneRenewalAtATime() {
    var bench = Bench(ceiling: 0)
    func due(after milliseconds: Int64) -> Bool {
        bench.wait(milliseconds)
        return bench.issuer.renewalDue(now: bench.now) != nil
    }
    #expect(due(after: 0))
    #expect(!due(after: 1) && !due(after: 9998))
    // No answer for 10 s.
    #expect(due(after: 1))
    #expect(!due(after: 9999) && due(after: 1))
    // A late answer to the first counts.
    bench.leased(upTo: 16_384)
    #expect(!due(after: 20_000))
    #expect(bench.create() == Bench.number(0))
}

@Test func failedRenewalsBackOff() {
    var bench = Bench(ceiling: 0)
    for wait in [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000] as [Int64] {
        #expect(bench.issuer.renewalDue(now: bench.now) != nil)
        bench.issuer.leaseFailed(now: bench.now)
        bench.wait(wait - 1)
        #expect(bench.issuer.renewalDue(now: bench.now) == nil, "wait \(wait)")
        bench.wait(1)
    }
    #expect(bench.renew() == true)
    // Success forgets the failures; a failure that nobody asked for changes nothing.
    bench.issuer.leaseFailed(now: bench.now)
    #expect(bench.issuer.figures(now: bench.now).warning == nil)
    #expect(bench.create().isNumber)
}

@Test func aClockSetBackKeepsNoRenewalWaiting() {
    var bench = Bench(ceiling: 0)
    #expect(bench.issuer.renewalDue(now: bench.now) != nil)
    bench.wait(-3_600_000)
    #expect(bench.issuer.renewalDue(now: bench.now) != nil)
    bench.issuer.leaseFailed(now: bench.now)
    bench.wait(-3_600_000)
    #expect(bench.issuer.renewalDue(now: bench.now) != nil)
}

@Test func staleAnswersNeverLowerTheCeiling() {
    var bench = Bench(next: 0, ceiling: 100_000)
    bench.leased(upTo: 50)
    #expect(bench.issuer.ceiling == 100_000)
    bench.leased(upTo: 100_000)
    #expect(bench.issuer.renewalDue(now: bench.now)?.ceiling == nil)
}

@Test func anUnprovenNodeLeasesNothing() {
    var bench = Bench(ceiling: 0, continuity: .unproven)
    #expect(bench.issuer.renewalDue(now: bench.now) == nil)
    bench.issuer.operatorSaysAlone()
    #expect(bench.issuer.renewalDue(now: bench.now) != nil)
}

@Test func figuresFollow() {
    var bench = Bench(next: 10, ceiling: 100_010)
    let idle = bench.issuer.figures(now: bench.now)
    #expect(idle.numbersLeft == 100_000 && idle.ratePerSecond == 0 && idle.secondsToEmpty == nil)
    #expect(idle.breaker == .closed && idle.warning == nil)
    for _ in 0..<10 {
        bench.wait(1000)
        for _ in 0..<1000 { bench.create() }
    }
    let busy = bench.issuer.figures(now: bench.now)
    #expect(busy.numbersLeft == 90_000 && busy.ratePerSecond == 1000 && busy.secondsToEmpty == 90)
    // A clock set back neither traps nor changes what was counted.
    #expect(bench.issuer.figures(now: Instant(milliseconds: 0)).ratePerSecond == 1000)
    bench.wait(6000)
    #expect(bench.issuer.figures(now: bench.now).ratePerSecond == 500)
    bench.wait(10_000)
    #expect(bench.issuer.figures(now: bench.now).secondsToEmpty == nil)
}

/// What the renewal job does, and how many seconds at 100/s are left.
enum Job: CaseIterable { case prompt, failing, silent, dead }

@Test(arguments: Job.allCases) func warningsComeWithTroubleOnly(job: Job) {
    var bench = Bench(next: 0, ceiling: 100_000)
    var warnings: [UInt64: Issuer.Warning] = [:]
    for second in 0..<1100 as Range<UInt64> {
        for _ in 0..<100 {
            bench.wait(10)
            bench.create()
        }
        switch job {
        case .dead: break
        case .prompt: _ = bench.renew()
        case .silent: _ = bench.issuer.renewalDue(now: bench.now)
        case .failing:
            if bench.issuer.renewalDue(now: bench.now) != nil { bench.issuer.leaseFailed(now: bench.now) }
        }
        warnings[second] = bench.issuer.figures(now: bench.now).warning
    }
    let first = warnings.filter { $0.value == .tenMinutes }.keys.min()
    let second = warnings.filter { $0.value == .twoMinutes }.keys.min()
    // A fifth of the block is 200 s; a lost or missing renewal shows 10 s later.
    switch job {
    case .prompt: #expect(warnings.isEmpty)
    case .failing: #expect(first.map { (798...802).contains($0) } == true)
    case .silent, .dead: #expect(first.map { (807...812).contains($0) } == true)
    }
    if job != .prompt { #expect(second.map { (878...882).contains($0) } == true) }
}

@Test func theEndOfTheRangeWarnsToo() {
    var bench = Bench(next: 0, ceiling: 0, limits: Bench.limits { $0.rangeLimit = 16 * 100_000 })
    bench.leased(upTo: 100_000)
    var seen: [Issuer.Warning?] = []
    for _ in 0..<1000 {
        for _ in 0..<100 {
            bench.wait(10)
            bench.create()
        }
        let warning = bench.issuer.figures(now: bench.now).warning
        if warning != seen.last { seen.append(warning) }
    }
    // The first seconds' rate is that of ten, too low, and so no warning comes from it.
    #expect(seen == [nil, .tenMinutes, .twoMinutes])
    bench.issuer.rangeRaised(to: 16 * 1_000_000)
    #expect(bench.renew() == true)
    #expect(bench.issuer.figures(now: bench.now).warning == nil)
}
