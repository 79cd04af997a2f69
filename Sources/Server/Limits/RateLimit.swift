/// How often something may be asked for: a bucket of `burst` tokens that gains `tokens` of them each period. In the file:
/// `10/s burst 50`.
package struct RateLimit: Hashable, Sendable, CustomStringConvertible {
    package enum Period: String, CaseIterable, Sendable {
        case second = "s"
        case minute = "m"
        case hour = "h"

        var microseconds: UInt64 {
            switch self {
            case .second: 1_000_000
            case .minute: 60_000_000
            case .hour: 3_600_000_000
            }
        }
    }

    package let tokens: Int
    package let period: Period
    package let burst: Int

    /// - Precondition: both numbers within `RateLimit.numbers`.
    package init(_ tokens: Int, per period: Period, burst: Int) {
        precondition(Self.numbers.contains(tokens) && Self.numbers.contains(burst))
        (self.tokens, self.period, self.burst) = (tokens, period, burst)
    }

    package var description: String { "\(tokens)/\(period.rawValue) burst \(burst)" }

    /// What either number may be.
    package static let numbers = 1...1_000_000
}

/// Time for a bucket. Its unit is the tick, a 256th of the time that a token takes: so whole numbers serve any rate, and a
/// bucket fits into one word.
extension RateLimit {
    package static let ticksPerToken: UInt64 = 256

    /// What is owed when the bucket is empty.
    var capacityTicks: UInt64 { UInt64(burst) * Self.ticksPerToken }

    /// A debt beyond the capacity is believed up to here, because threads read their clocks at different times, though
    /// never ten seconds apart.
    var horizonTicks: UInt64 { capacityTicks + ticks(10_000_000) + Self.ticksPerToken }

    /// Whole ticks in so many microseconds, rounded down: of one clock's readings none is lost, whatever lies between.
    @inline(__always)
    package func ticks(_ microseconds: UInt64) -> UInt64 {
        let product = microseconds.multipliedFullWidth(by: UInt64(tokens) * Self.ticksPerToken)
        precondition(product.high < period.microseconds, "the time is out of range")
        return period.microseconds.dividingFullWidth(product).quotient
    }

    /// How long so many ticks take, in seconds, rounded up.
    private func seconds(_ ticks: UInt64) -> UInt64 {
        let product = ticks.multipliedFullWidth(by: period.microseconds)
        let divisor = UInt64(tokens) * Self.ticksPerToken * 1_000_000
        let (quotient, remainder) = divisor.dividingFullWidth(product)
        return quotient + (remainder > 0 ? 1 : 0)
    }

    /// In which the bucket fills, in seconds: at least 1.
    var windowSeconds: UInt64 { max(1, seconds(capacityTicks)) }

    /// Tokens left where `debt` ticks are owed.
    package func remaining(_ debt: UInt64) -> UInt64 {
        debt >= capacityTicks ? 0 : (capacityTicks - debt) / Self.ticksPerToken
    }

    /// Until there is one token more, in seconds; 0 if the bucket is full.
    package func secondsToNextToken(_ debt: UInt64) -> UInt64 {
        if debt == 0 { return 0 }
        return seconds(debt + (remaining(debt) + 1) * Self.ticksPerToken - capacityTicks)
    }
}
