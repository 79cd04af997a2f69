import Primitives

extension Issuer {
    package enum Warning: Equatable, Sendable {
        /// Less than ten minutes to empty, and no renewal in sight.
        case tenMinutes
        /// Less than two.
        case twoMinutes
    }

    /// For metrics.
    package struct Figures: Equatable, Sendable {
        /// Numbers below the ceiling that are not given out yet.
        package let numbersLeft: UInt64
        /// Issues of both kinds, over about the last ten seconds.
        package let ratePerSecond: Double
        /// At that rate; nil if nothing was issued.
        package let secondsToEmpty: UInt64?
        package let breaker: Breaker
        /// Set while a renewal fails or is overdue, or the range itself runs out, and little time is left.
        package let warning: Warning?
    }

    package static let tenMinutesSeconds: UInt64 = 600
    package static let twoMinutesSeconds: UInt64 = 120

    package func figures(now: Instant) -> Figures {
        let rate = rate.perSecond(now)
        let seconds = rate > 0 ? UInt64(min(Double(left) / rate, 1e15)) : nil
        return Figures(
            numbersLeft: left, ratePerSecond: rate, secondsToEmpty: seconds, breaker: breaker,
            warning: warning(seconds, now))
    }

    private func warning(_ seconds: UInt64?, _ now: Instant) -> Warning? {
        guard let seconds, isAtRangeEnd || isRenewalInTrouble(now) else { return nil }
        if seconds < Self.twoMinutesSeconds { return .twoMinutes }
        return seconds < Self.tenMinutesSeconds ? .tenMinutes : nil
    }

    /// Facts that must hold between calls; for tests and the simulator.
    package func checkInvariants() {
        precondition(limits.rangeLimit <= Base62.sevenCharacters && UInt64(node) < GeneratedNumber.nodes)
        precondition(left == 0 || next + left <= min(ceiling, counterLimit))
        if continuity == .unproven, case .open(let reason, _, _) = breaker {
            precondition(reason == .continuityUnproven)
        }
        precondition(continuity == .proven || breaker != .closed)
    }
}
