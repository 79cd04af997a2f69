import Primitives

extension Issuer {
    /// A token bucket; a token is one number.
    ///
    /// For numbers it earns only time that no one saw before: after a step back of the clock it waits until the clock
    /// has caught up. Else more could be issued in a span of wall time than `resumed` reckons with.
    struct Pace: Sendable {
        /// At one token a second or more, a longer wait means that the clock was set back.
        static let longestWaitMilliseconds: Int64 = 1000
        private static let token: UInt64 = 1000

        private let earnedAMillisecond: UInt64
        private let capacity: UInt64
        private let followsStepsBack: Bool
        /// In thousandths of a token.
        private var level: UInt64
        /// The time that has been earned.
        private var filledAt: Instant

        /// Begins with what a millisecond earns, one token at least, since a restart takes longer than that: a full
        /// bucket at each start would let a node that keeps crashing exceed the cap.
        init(_ limits: Limits, followsStepsBack: Bool, now: Instant) {
            earnedAMillisecond = limits.numbersPerSecond
            capacity = limits.numbersPerSecond * limits.burstMilliseconds
            self.followsStepsBack = followsStepsBack
            level = min(max(earnedAMillisecond, Self.token), capacity)
            filledAt = now
        }

        /// 0 if there is a token now.
        func waitMilliseconds(_ now: Instant) -> Int64 {
            var later = self
            later.fill(now)
            guard later.level < Self.token else { return 0 }
            let lacking = (Self.token - later.level + earnedAMillisecond - 1) / earnedAMillisecond
            return later.filledAt.advanced(byMilliseconds: Int64(lacking)).millisecondsSince(now)
        }

        /// Takes a token and returns 0, or leaves everything and returns the wait.
        mutating func take(_ now: Instant) -> Int64 {
            fill(now)
            guard level >= Self.token else { return waitMilliseconds(now) }
            level -= Self.token
            return 0
        }

        mutating func fill(_ now: Instant) {
            guard now > filledAt else {
                if followsStepsBack { filledAt = now }
                return
            }
            let elapsed = UInt64(now.millisecondsSince(filledAt))
            // Beyond a second the bucket is full anyway, and the product is kept small.
            level = min(capacity, level + min(elapsed, 1000) * earnedAMillisecond)
            filledAt = now
        }
    }

    /// The recent rate: issues of the last ten seconds, from two windows of ten seconds of which the older one fades.
    struct RateWindow: Sendable {
        static let windowMilliseconds: Int64 = 10_000

        private var start = Instant(milliseconds: .min)
        private var current: UInt64 = 0
        private var previous: UInt64 = 0

        mutating func count(_ now: Instant) {
            roll(now)
            current += 1
        }

        func perSecond(_ now: Instant) -> Double {
            var rolled = self
            rolled.roll(now)
            let elapsed = now.millisecondsSince(rolled.start)
            let older = Double(rolled.previous) * Double(Self.windowMilliseconds - elapsed)
            return (Double(rolled.current) + older / Double(Self.windowMilliseconds))
                / (Double(Self.windowMilliseconds) / 1000)
        }

        private mutating func roll(_ now: Instant) {
            let elapsed = now.millisecondsSince(start)
            if elapsed < 0 {
                start = now
            } else if elapsed >= 2 * Self.windowMilliseconds {
                (start, current, previous) = (now, 0, 0)
            } else if elapsed >= Self.windowMilliseconds {
                start = start.advanced(byMilliseconds: Self.windowMilliseconds)
                (current, previous) = (0, current)
            }
        }
    }
}
