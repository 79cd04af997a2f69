import Primitives

/// Hands out the numbers of one node's links.
///
/// Numbers come from a counter below a **ceiling** that was leased, persisted and announced beforehand, at a capped
/// rate. Where they cannot (the node does not know how far it got, the range is used up, a lease is late), a circuit
/// breaker hands out Snowflakes, so that creating goes on, and tries a number again after a back-off:
///
///                  an obstacle                     back-off over, no obstacle: one number
///     closed ───────────────────────▶ open ───────────────────────▶ half-open
///       ▲                               ▲   committed too late, or aborted │
///       │                               └──────────────────────────────────┤
///       └───────────────────────── committed ──────────────────────────────┘
///
/// A value without clock or randomness. The writer copies it before a transaction, issues inside it, and then either
/// calls `committed`, or restores the copy and calls `aborted`: an aborted transaction uses up no number. All other
/// events come between transactions, so that restoring does not undo them. Before it serves, the shell asks
/// `renewalDue` once: a node without a lease begins with Snowflakes.
package struct Issuer: Sendable {
    package enum Continuity: Equatable, Sendable {
        /// No number from the next one on was ever given out.
        case proven
        /// An earlier self may have given out more than the store shows.
        case unproven
    }

    package enum Issue: Equatable, Sendable {
        /// Below 62^7; ascending.
        case number(UInt64)
        /// Ascending as well, whatever the clock does.
        case snowflake(UInt64)
        /// The cap is reached; ask again after so long.
        case capped(retryAfterMilliseconds: Int64)
    }

    package let region: RegionCharacter
    package let node: UInt8
    package internal(set) var limits: Limits
    package internal(set) var continuity: Continuity
    /// The counter of the next number.
    package internal(set) var next: UInt64
    /// Counters below it are leased, or were given out by an earlier self.
    package internal(set) var ceiling: UInt64
    package internal(set) var breaker: Breaker
    /// Numbers wait until another node knows of a ceiling: nobody would know how far a lost disk's went.
    package var isUnheard = false

    /// Of the next Snowflake, at least. Never before the start: a node that lost its disk repeats none of its earlier
    /// self's, however the clock is set later, if it was right when the node began.
    private var nextPosition: UInt64
    private var numberPace: Pace
    private var snowflakePace: Pace
    var rate = RateWindow()

    /// Counters that the last lease added.
    var block: UInt64
    var renewal = Renewal.idle
    /// Since when a renewal has been due, whoever should have asked.
    var dueSince: Instant?
    /// Set from a proof of continuity until a lease from this counter or a later one is durable: before, a restart
    /// would begin below it again.
    var unleasedStart: UInt64?

    /// - next: if continuity is proven, the greater of the persisted lease's `start` and the counter after the highest
    ///   in the store; else `resumed` from that one.
    /// - ceiling: that of the persisted lease, 0 if there is none.
    /// - lastSnowflake: the highest of this node in the store.
    /// - now: the wall clock, or the stamp of this node's latest log entry if that is later, so that a clock that was
    ///   set back before a restart does not earn the same time twice.
    /// - wall: the wall clock alone, from which Snowflakes go on. A stamp may be ahead of it, drawn by another node's clock;
    ///   a node that then lost its disk would begin behind Snowflakes that it had given out. Nil: `now`.
    package init(
        region: RegionCharacter, node: UInt8, next: UInt64, ceiling: UInt64, lastSnowflake: UInt64? = nil,
        continuity: Continuity, limits: Limits, now: Instant, wall: Instant? = nil
    ) {
        limits.check()
        precondition(UInt64(node) < GeneratedNumber.nodes)
        (self.region, self.node, self.next, self.ceiling) = (region, node, next, ceiling)
        (self.continuity, self.limits) = (continuity, limits)
        breaker = continuity == .proven ? .closed : .tripped(.continuityUnproven, limits, now)
        block = ceiling > next ? ceiling - next : 0
        nextPosition = Self.position(wall ?? now)
        numberPace = Pace(limits, followsStepsBack: false, now: now)
        snowflakePace = Pace(limits, followsStepsBack: true, now: now)
        if let lastSnowflake { sawSnowflake(lastSnowflake) }
    }

    /// The first counter that no earlier self can have reached: the highest known one + (now − `at` + 60 s) × cap.
    ///
    /// - highest: the highest number (not counter) of this node that it or any peer knows; nil if none is known.
    /// - at: a time up to which all that this node issued is known: that number's entry's, or that of a later entry
    ///   of the same incarnation's log. Nil exactly if `highest` is.
    ///
    /// Saturates: beyond the range there are only Snowflakes.
    package static func resumed(highest: UInt64?, at: Instant?, now: Instant, limits: Limits) -> UInt64 {
        precondition((highest == nil) == (at == nil))
        let elapsed = at.map { now.millisecondsSince($0) } ?? 0
        let (span, tooLong) = elapsed.addingReportingOverflow(Int64(limits.resumptionMarginMilliseconds))
        // A stamp may be ahead of the clock; a later life shall begin behind an earlier one there too.
        let (product, tooMany) = UInt64(max(0, span)).multipliedReportingOverflow(by: limits.numbersPerSecond)
        guard !tooLong, !tooMany else { return .max }
        let reached = highest.map { GeneratedNumber.counter(of: $0) + 1 } ?? 0
        let (sum, overflow) = reached.addingReportingOverflow(product / 1000 + 1)
        return overflow ? .max : sum
    }

    /// One number for one create.
    package mutating func issue(now: Instant) -> Issue {
        noteWhetherDue(now)
        numberPace.fill(now)
        let obstacle = obstacle(now)
        switch breaker {
        case .closed:
            guard let obstacle else { return number(now) }
            breaker = .tripped(obstacle, limits, now)
            return snowflake(now)
        case .open(let reason, let since, let backOff):
            guard now >= since else {
                breaker = .open(obstacle ?? reason, since: now, backOffMilliseconds: backOff)
                return snowflake(now)
            }
            let waited = now.millisecondsSince(since) >= backOff
            if let obstacle {
                breaker = .open(
                    obstacle, since: waited ? now : since,
                    backOffMilliseconds: waited ? limits.doubled(backOff) : backOff)
                return snowflake(now)
            }
            guard waited, numberPace.waitMilliseconds(now) == 0 else { return snowflake(now) }
            breaker = .halfOpen(reason, since: now, backOffMilliseconds: backOff)
            return number(now)
        case .halfOpen(let reason, let since, let backOff):
            if now < since {
                breaker = .halfOpen(reason, since: now, backOffMilliseconds: backOff)
            } else if now.millisecondsSince(since) >= backOff {
                breaker = .open(obstacle ?? reason, since: now, backOffMilliseconds: limits.doubled(backOff))
            }
            return snowflake(now)
        }
    }

    /// What was issued since the copy was taken is durable.
    package mutating func committed(now: Instant) {
        if case .halfOpen = breaker { breaker = .closed }
    }

    /// The transaction failed and the copy was restored: if it had tried a number, the try failed.
    package mutating func aborted(now: Instant) {
        switch breaker {
        case .closed: return
        case .open(let reason, let since, let backOff), .halfOpen(let reason, let since, let backOff):
            guard now < since || now.millisecondsSince(since) >= backOff else { return }
            breaker = .open(reason, since: now, backOffMilliseconds: limits.doubled(backOff))
        }
    }

    /// Proves continuity: numbers go on from where the earlier self cannot have been, as soon as a lease from there is
    /// durable. Until that lease is, a restart is as unproven as this start was.
    ///
    /// - highest, at: as for `resumed`: the maximum of what this node and all peers heard so far know.
    ///
    /// If continuity is proven already, it moves the counter only if `highest` shows that it is behind.
    package mutating func heardFromPeer(highest: UInt64?, at: Instant?, now: Instant) {
        let isBehind = highest.map { GeneratedNumber.counter(of: $0) >= next } ?? false
        if continuity == .unproven || isBehind {
            next = max(next, Self.resumed(highest: highest, at: at, now: now, limits: limits))
            unleasedStart = next
        }
        continuity = .proven
    }

    /// Proves continuity on an operator's word that there is no peer to hear.
    package mutating func operatorSaysAlone() {
        guard continuity == .unproven else { return }
        continuity = .proven
        unleasedStart = next
    }

    /// The node cannot know any longer how far it got; until it has heard a peer there are only Snowflakes.
    package mutating func doubted(now: Instant) {
        continuity = .unproven
        unleasedStart = nil
        breaker = .tripped(.continuityUnproven, limits, now)
    }

    /// A Snowflake of this node that exists: later ones will be greater.
    package mutating func sawSnowflake(_ number: UInt64) {
        let snowflake = Snowflake(number: number)
        precondition(snowflake.regionIndex == region.index && snowflake.node == node, "another node's Snowflake")
        nextPosition = max(nextPosition, snowflake.position + 1)
    }

    /// A number of this node that exists, of its earlier self or unknown to it: as for `resumed`. Numbers go on beyond
    /// what was given out with it, and it lies below the ceiling, since it could not exist otherwise; whether continuity is
    /// proven does not change.
    package mutating func sawNumber(_ number: UInt64, at: Instant, now: Instant) {
        precondition(GeneratedNumber.node(of: number) == node, "another node's number")
        let counter = GeneratedNumber.counter(of: number)
        ceiling = max(ceiling, counter + 1)
        guard counter >= next else { return }
        next = Self.resumed(highest: number, at: at, now: now, limits: limits)
        unleasedStart = next
    }

    /// The range was enlarged; never beyond 62^7.
    package mutating func rangeRaised(to limit: UInt64) {
        precondition(limit >= limits.rangeLimit && limit <= Base62.sevenCharacters)
        limits.rangeLimit = limit
    }

    /// The counter at which this node's part of the range ends.
    var counterLimit: UInt64 { GeneratedNumber.counters(below: limits.rangeLimit, node: node) }

    /// Why no number can be given out, the weightiest reason first.
    private func obstacle(_ now: Instant) -> Reason? {
        if continuity == .unproven { return .continuityUnproven }
        if next >= counterLimit { return .rangeExhausted }
        if next >= ceiling || unleasedStart != nil || isUnheard { return .leaseLate }
        if numberPace.waitMilliseconds(now) > Pace.longestWaitMilliseconds { return .clockBehind }
        return nil
    }

    private mutating func number(_ now: Instant) -> Issue {
        let wait = numberPace.take(now)
        guard wait == 0 else { return .capped(retryAfterMilliseconds: wait) }
        precondition(continuity == .proven && unleasedStart == nil && next < ceiling && next < counterLimit)
        let number = GeneratedNumber.number(counter: next, node: node)
        next += 1
        rate.count(now)
        noteWhetherDue(now)
        return .number(number)
    }

    /// The first of a millisecond; within the range of Snowflakes.
    private static func position(_ now: Instant) -> UInt64 {
        let elapsed = UInt64(max(0, now.millisecondsSince(Snowflake.epoch)))
        return min(elapsed, Snowflake.lastMillisecond) << Snowflake.sequenceBits
    }

    private mutating func snowflake(_ now: Instant) -> Issue {
        let position = max(Self.position(now), nextPosition)
        // The clock says 2094, and so it did for 2048 Snowflakes.
        guard position < Snowflake.positions else {
            return .capped(retryAfterMilliseconds: Pace.longestWaitMilliseconds)
        }
        let wait = snowflakePace.take(now)
        guard wait == 0 else { return .capped(retryAfterMilliseconds: wait) }
        nextPosition = position + 1
        rate.count(now)
        return .snowflake(Snowflake(position: position, region: region, node: node).number)
    }
}
