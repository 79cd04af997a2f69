import Links
import Primitives
import Testing

/// One node over its lives: random creates, aborts, renewals, clock steps, restarts and lost disks, against what was
/// really given out.
private struct World {
    /// What a disk or a peer may know.
    struct Known {
        var number: UInt64?
        /// When the log that the number is in ended.
        var at: Int64
        /// Which log that is: one for each disk.
        var life = 0
        var snowflake: UInt64?
        /// The persisted lease.
        var start: UInt64 = 0
        var ceiling: UInt64
        /// When the latest entry was made.
        var latest: Int64
        /// No lease was made durable since the disk was lost.
        var isRestored = false
    }

    static let region = RegionCharacter(UInt8(ascii: "1"))!
    static let node: UInt8 = 3

    let seed: UInt64
    var random: SeededRandom
    var limits = Issuer.Limits()
    var issuer: Issuer
    var clock = Bench.start
    /// The latest time that there was, and the latest one that the issuer saw.
    var latest = Bench.start
    var seen = Bench.start
    /// When the disk was new. Before its first entry the clock must not be set back: see `Issuer.nextPosition`.
    var birth = Bench.start
    var life = 0

    var numbers: Set<UInt64> = []
    var snowflakes: Set<UInt64> = []
    var disk = Known(at: Bench.start, ceiling: 0, latest: Bench.start)
    /// The disk after each commit, for backups and for peers that know a part.
    var history: [Known] = []
    /// Times at which numbers were issued since the last lost disk, on a clock that never goes back.
    var times: [Int64] = []
    var starts = 0

    var renewals: [(lease: Issuer.Lease, arrives: Int64, succeeds: Bool)] = []
    var jobIsAlive = true
    var violations: [String] = []

    var now: Instant { Instant(milliseconds: clock) }

    init(seed: UInt64, rangeLimit: UInt64) {
        self.seed = seed
        random = SeededRandom(seed: seed)
        limits.numbersPerSecond = [1000, 1500, 50_000].randomElement(using: &random)!
        limits.burstMilliseconds = .random(in: 10...1000, using: &random)
        limits.smallestBlock = .random(in: 1...500, using: &random)
        limits.largestBlock = .random(in: 500...5000, using: &random)
        // So large that a resumed counter may lie below the ceiling of before.
        if seed % 4 == 1 { (limits.smallestBlock, limits.largestBlock) = (1 << 25, 1 << 26) }
        limits.rangeLimit = rangeLimit
        issuer = Issuer(
            region: Self.region, node: Self.node, next: 0, ceiling: 0, continuity: .proven, limits: limits,
            now: Instant(milliseconds: clock))
    }

    mutating func chance(_ part: Int, of whole: Int) -> Bool { Int.random(in: 0..<whole, using: &random) < part }

    mutating func step(losesDisks: Bool) {
        passTime()
        deliverRenewals()
        if jobIsAlive { askForRenewal() }
        transaction()
        if chance(1, of: 100) { jobIsAlive.toggle() }
        if chance(1, of: 100) { restart() }
        if chance(1, of: 50) { hear() }
        if losesDisks, chance(1, of: 200) { loseDisk() }
        if issuer.next * 16 + 16 > limits.rangeLimit, chance(1, of: 20) { raiseRange() }
        issuer.checkInvariants()
    }

    mutating func passTime() {
        switch Int.random(in: 0..<100, using: &random) {
        case 0: clock += .random(in: 10_000...1_200_000, using: &random)
        case 1...3: clock += .random(in: 1000...10_000, using: &random)
        case 4:
            clock = max(
                clock - .random(in: 1...50_000, using: &random), latest - 50_000, disk.latest < birth ? birth : 0)
        default: clock += .random(in: 0...20, using: &random)
        }
        latest = max(latest, clock)
    }

    mutating func askForRenewal() {
        guard let lease = issuer.renewalDue(now: now) else { return }
        if !(lease.ceiling > disk.ceiling || lease.ceiling > issuer.ceiling) { violated("a lease that adds nothing") }
        guard !chance(1, of: 10) else { return }
        renewals.append((lease, clock + .random(in: 0...15_000, using: &random), !chance(1, of: 4)))
        if chance(3, of: 4) { renewals[renewals.count - 1].arrives = clock }
    }

    mutating func deliverRenewals() {
        for renewal in renewals where renewal.arrives <= clock {
            if renewal.succeeds {
                persist(renewal.lease)
            } else {
                issuer.leaseFailed(now: now)
            }
        }
        renewals.removeAll { $0.arrives <= clock }
    }

    /// A stop may come between the disk and the issuer, and does where `restart` drops what is on its way.
    mutating func persist(_ lease: Issuer.Lease) {
        disk.start = max(disk.start, lease.start)
        disk.ceiling = max(disk.ceiling, lease.ceiling)
        disk.isRestored = false
        if !chance(1, of: 20) { issuer.leased(lease, now: now) }
    }

    mutating func transaction() {
        let (copy, seenBefore) = (issuer, seen)
        var issued: [Issuer.Issue] = []
        for _ in 0..<Int.random(in: 0...60, using: &random) {
            let issue = issuer.issue(now: now)
            seen = max(seen, clock)
            if case .capped(let wait) = issue { if !((1...1000).contains(wait)) { violated("wait of \(wait)") } }
            issued.append(issue)
        }
        guard !chance(1, of: 7) else {
            (issuer, seen) = (copy, seenBefore)
            if chance(1, of: 2) { issuer.aborted(now: now) }
            return
        }
        for issue in issued { record(issue) }
        issuer.committed(now: now)
        history.append(disk)
    }

    mutating func record(_ issue: Issuer.Issue) {
        switch issue {
        case .number(let number):
            if !(numbers.insert(number).inserted) { violated("number \(number) twice") }
            if !(number % 16 == UInt64(Self.node)) { violated("number \(number) of another node") }
            if !(number / 16 < disk.ceiling) { violated("number \(number) from ceiling \(disk.ceiling)") }
            if !(number < limits.rangeLimit) { violated("number \(number) beyond the range") }
            if !(disk.number.map { number > $0 } ?? true) { violated("number \(number) descends") }
            if !(issuer.continuity == .proven) { violated("a number without continuity") }
            (disk.number, disk.life) = (number, life)
            times.append(seen)
        case .snowflake(let number):
            if !(snowflakes.insert(number).inserted) { violated("Snowflake \(number) twice") }
            if !(disk.snowflake.map { number > $0 } ?? true) { violated("Snowflake \(number) descends") }
            disk.snowflake = number
        case .capped: return
        }
        disk.latest = max(disk.latest, seen)
        if disk.life == life { disk.at = seen }
    }

    /// With its disk, after a crash or a stop.
    mutating func restart() {
        clock += 1
        latest = max(latest, clock)
        renewals = []
        if disk.isRestored { return startUnproven() }
        let next = max(disk.start, disk.number.map { $0 / 16 + 1 } ?? 0)
        start(next: next, continuity: .proven)
    }

    /// With an old backup, or nothing. The clock has caught up meanwhile, as it must for Snowflakes.
    mutating func loseDisk() {
        clock = max(clock, latest) + 1
        if let snowflake = disk.snowflake {
            clock = max(clock, Snowflake(number: snowflake).instant.milliseconds + 1)
        }
        (latest, birth) = (clock, clock)
        renewals = []
        disk = history.randomElement(using: &random) ?? Known(at: clock, ceiling: 0, latest: clock)
        disk.isRestored = true
        life += 1
        times = []
        startUnproven()
    }

    mutating func startUnproven() {
        let next = Issuer.resumed(
            highest: disk.number, at: disk.number.map { _ in Instant(milliseconds: disk.at) }, now: now, limits: limits)
        start(next: next, continuity: .unproven)
    }

    mutating func start(next: UInt64, continuity: Issuer.Continuity) {
        starts += 1
        seen = max(clock, disk.latest)
        issuer = Issuer(
            region: Self.region, node: Self.node, next: next, ceiling: disk.ceiling, lastSnowflake: disk.snowflake,
            continuity: continuity, limits: limits, now: Instant(milliseconds: seen))
    }

    /// A peer that knows some of it; the node joins that with what it knows itself.
    mutating func hear() {
        guard let peer = history.randomElement(using: &random) else { return }
        let best = (peer.number ?? 0) > (disk.number ?? 0) ? peer : disk
        guard let number = best.number else {
            if numbers.isEmpty { issuer.heardFromPeer(highest: nil, at: nil, now: now) }
            return
        }
        if best.life == disk.life, number == disk.number, chance(1, of: 2) { return issuer.operatorSaysAlone() }
        issuer.heardFromPeer(highest: number, at: Instant(milliseconds: best.at), now: now)
    }

    mutating func raiseRange() {
        limits.rangeLimit = min(limits.rangeLimit + .random(in: 1...50_000, using: &random), Base62.sevenCharacters)
        issuer.rangeRaised(to: limits.rangeLimit)
    }

    /// All causes vanish: the node must hand out numbers again, and soon.
    mutating func recover() {
        clock = latest + 1
        latest = clock
        if let known = history.last(where: { $0.number == numbers.max() }), let number = known.number {
            issuer.heardFromPeer(highest: number, at: Instant(milliseconds: known.at), now: now)
        } else {
            issuer.operatorSaysAlone()
        }
        limits.rangeLimit = max(limits.rangeLimit, min((issuer.next + 1_000_000) * 16, Base62.sevenCharacters))
        issuer.rangeRaised(to: limits.rangeLimit)
        renewals = []
        for _ in 0..<400 {
            clock += 100
            latest = clock
            if let lease = issuer.renewalDue(now: now) {
                disk.ceiling = max(disk.ceiling, lease.ceiling)
                issuer.leased(lease, now: now)
            }
            record(issuer.issue(now: now))
            issuer.committed(now: now)
        }
        if !(issuer.breaker == .closed) { violated("still \(issuer.breaker)") }
        if !(issuer.issue(now: now).isNumber) { violated("no number after recovery") }
    }

    /// In any window no more than the cap × its length and the burst; each start may add a millisecond's worth, since
    /// on a clock that was set back a restart takes no time.
    mutating func checkCap() {
        let rate = Int64(limits.numbersPerSecond)
        let allowed = rate * Int64(limits.burstMilliseconds) + Int64(starts + 1) * max(rate, 1000)
        var lowest = Int64.max
        for (index, time) in times.enumerated() {
            // In thousandths of numbers.
            let height = Int64(index) * 1000 - rate * (time - Bench.start)
            lowest = min(lowest, height)
            if !(height - lowest + 1000 <= allowed) { violated("too many numbers before \(time)") }
        }
    }

    mutating func violated(_ what: String) {
        if violations.count < 5 { violations.append("seed \(seed): \(what)") }
    }
}

@Test(arguments: 1...60 as ClosedRange<UInt64>)
func noNumberTwiceWithinOneDisk(seed: UInt64) {
    var world = World(seed: seed, rangeLimit: seed % 3 == 0 ? Base62.sevenCharacters : 16 * 3000 * seed)
    for _ in 0..<2000 { world.step(losesDisks: false) }
    world.checkCap()
    world.recover()
    #expect(world.violations == [])
    #expect(world.numbers.count > 400)
    #expect(world.snowflakes.count > 100)
}

@Test(arguments: 1...60 as ClosedRange<UInt64>)
func noNumberTwiceAfterLostDisks(seed: UInt64) {
    var world = World(seed: seed, rangeLimit: Base62.sevenCharacters)
    for _ in 0..<2000 { world.step(losesDisks: true) }
    world.checkCap()
    world.recover()
    #expect(world.violations == [])
    #expect(world.numbers.count > 400)
    #expect(world.snowflakes.count > 100)
}

/// A node at its cap from a full bucket on: whatever part of its log a peer has, and although its clock may be set back
/// by less than the margin at the end, `resumed` clears all that was given out, by no more than the margin and a burst.
@Test(arguments: 1...10 as ClosedRange<UInt64>)
func resumingClearsANodeAtItsCap(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let rate: UInt64 = 1000
    var bench = Bench(ceiling: 1 << 40, limits: Bench.limits { $0.numbersPerSecond = rate })
    bench.wait(10_000)
    var log: [(highest: UInt64, at: Instant)] = []
    for _ in 0..<300_000 {
        bench.wait(.random(in: 0...2, using: &random))
        while case .number(let number) = bench.create() { log.append((number, bench.now)) }
    }
    let highest = log.last!.highest / 16
    for _ in 0..<1000 {
        let known = log.randomElement(using: &random)!
        let back = Int64.random(in: 0...58_000, using: &random)
        let now = Instant(milliseconds: bench.clock - back)
        let resumed = Issuer.resumed(
            highest: known.highest, at: known.at, now: now, limits: bench.issuer.limits)
        #expect(resumed > highest, "seed \(seed)")
        // Where the clock did not go behind the known entry, the excess is bounded.
        if now >= known.at { #expect(resumed <= highest + 61 * rate + 2, "seed \(seed)") }
    }
}
