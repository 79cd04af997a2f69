import Primitives

extension Issuer {
    /// Why Snowflakes are handed out instead of numbers.
    package enum Reason: Equatable, Sendable, CaseIterable {
        /// No peer was heard yet, and no operator said that there is none.
        case continuityUnproven
        /// The node's counters up to the range limit are used up.
        case rangeExhausted
        /// The leased block was used up before the next one was durable.
        case leaseLate
        /// The wall clock was set back by more than a second, and the time until it catches up was issued in already.
        case clockBehind
    }

    package enum Breaker: Equatable, Sendable {
        /// Numbers.
        case closed
        /// Snowflakes only, until the back-off is over.
        case open(Reason, since: Instant, backOffMilliseconds: Int64)
        /// One number is on its way to the disk; Snowflakes until it got there. If that takes longer than the
        /// back-off, it counts as failed.
        case halfOpen(Reason, since: Instant, backOffMilliseconds: Int64)

        static func tripped(_ reason: Reason, _ limits: Limits, _ now: Instant) -> Breaker {
            .open(reason, since: now, backOffMilliseconds: limits.firstBackOffMilliseconds)
        }
    }
}
