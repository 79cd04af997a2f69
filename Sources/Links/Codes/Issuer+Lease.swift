import Primitives

extension Issuer {
    /// A block to be made durable, and announced, before a number of it is given out.
    package struct Lease: Equatable, Sendable {
        /// The counter at which the node stands: after a restart it begins no lower.
        package let start: UInt64
        /// The new ceiling: a counter, exclusive. No number of this node from `ceiling × 16` on exists.
        package let ceiling: UInt64

        package init(start: UInt64, ceiling: UInt64) {
            precondition(start <= ceiling)
            (self.start, self.ceiling) = (start, ceiling)
        }
    }

    /// Where the next lease stands. Failures are those in a row.
    enum Renewal: Equatable, Sendable {
        case idle
        case asked(since: Instant, failures: Int)
        case failed(since: Instant, failures: Int)
    }

    /// The lease to make now; nil if enough is left, one is on its way, the last one failed a moment ago, or there is
    /// nothing to lease. Whoever gets it answers with `leased` or `leaseFailed`.
    package mutating func renewalDue(now: Instant) -> Lease? {
        noteWhetherDue(now)
        guard isRenewalDue else { return nil }
        let failures: Int
        switch renewal {
        case .idle:
            failures = 0
        case .asked(let since, let before):
            guard hasPassed(limits.renewalTimeoutMilliseconds, since: since, now) else { return nil }
            failures = before + 1
        case .failed(let since, let before):
            guard hasPassed(retryMilliseconds(before), since: since, now) else { return nil }
            failures = before
        }
        renewal = .asked(since: now, failures: failures)
        let base = max(ceiling, next)
        return Lease(start: next, ceiling: base + min(nextBlock(now), counterLimit - base))
    }

    /// The lease is durable. Late and repeated answers are welcome: what is durable stays so.
    package mutating func leased(_ lease: Lease, now: Instant) {
        guard lease.ceiling > ceiling else { return }
        block = lease.ceiling - min(max(ceiling, next), lease.ceiling)
        ceiling = lease.ceiling
        if let unleasedStart, lease.start >= unleasedStart { self.unleasedStart = nil }
        renewal = .idle
        noteWhetherDue(now)
    }

    /// The lease asked for last could not be made durable.
    package mutating func leaseFailed(now: Instant) {
        guard case .asked(_, let failures) = renewal else { return }
        renewal = .failed(since: now, failures: failures + 1)
    }

    /// Counters that can be given out without another lease.
    var left: UInt64 {
        let end = unleasedStart == nil ? min(ceiling, counterLimit) : 0
        return end > next ? end - next : 0
    }

    /// No lease can give more.
    var isAtRangeEnd: Bool { max(ceiling, next) >= counterLimit }

    /// The last lease failed or was lost, or none was made for the time that one may take.
    func isRenewalInTrouble(_ now: Instant) -> Bool {
        if let dueSince, now.millisecondsSince(dueSince) >= limits.renewalTimeoutMilliseconds { return true }
        switch renewal {
        case .idle: return false
        case .asked(_, let failures), .failed(_, let failures): return failures > 0
        }
    }

    mutating func noteWhetherDue(_ now: Instant) {
        if !isRenewalDue {
            dueSince = nil
        } else if dueSince == nil {
            dueSince = now
        }
    }

    /// A node that does not know how far it got has nothing to lease: what follows may be its earlier self's.
    private var isRenewalDue: Bool {
        continuity == .proven && !isAtRangeEnd
            && left <= max(block, limits.smallestBlock) * limits.renewalPercent / 100
    }

    private func nextBlock(_ now: Instant) -> UInt64 {
        let wanted = rate.perSecond(now) * Double(limits.blockSeconds)
        return max(limits.smallestBlock, UInt64(min(wanted, Double(limits.largestBlock))))
    }

    private func retryMilliseconds(_ failures: Int) -> Int64 {
        (1..<min(max(failures, 1), 32)).reduce(limits.firstBackOffMilliseconds) { wait, _ in limits.doubled(wait) }
    }

    /// A clock that was set back does not keep anyone waiting.
    private func hasPassed(_ milliseconds: Int64, since: Instant, _ now: Instant) -> Bool {
        now < since || now.millisecondsSince(since) >= milliseconds
    }
}
