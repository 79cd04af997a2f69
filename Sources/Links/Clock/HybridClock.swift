import Primitives

/// A hybrid logical time (Kulkarni et al., "Logical Physical Clocks", 2014): 48-bit Unix milliseconds above a 16-bit
/// counter, so that one past a full counter is the next millisecond.
package struct Stamp: Hashable, Comparable, Sendable {
    package static let lastMillisecond: UInt64 = 1 << 48 - 1

    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Traps if the milliseconds take more than 48 bits.
    package init(milliseconds: UInt64, counter: UInt16) {
        precondition(milliseconds <= Self.lastMillisecond)
        rawValue = milliseconds << 16 | UInt64(counter)
    }

    package var milliseconds: UInt64 { rawValue >> 16 }
    package var counter: UInt16 { UInt16(truncatingIfNeeded: rawValue) }
    package var instant: Instant { Instant(milliseconds: Int64(milliseconds)) }

    package static func < (left: Stamp, right: Stamp) -> Bool { left.rawValue < right.rawValue }

    /// Of a clock before the year 6429. One beyond is taken from nobody, so that what follows a stamp is always one too.
    package var isCredible: Bool { rawValue < 1 << 63 }

    /// The smallest greater stamp. Traps after the last one, at the end of the year 10889.
    var successor: Stamp { Stamp(rawValue: rawValue + 1) }
}

/// The node's clock for stamps. It takes the wall clock as a parameter and never runs behind what it has given out or
/// received.
///
/// A value: the writer restores a copy when its transaction aborts.
package struct HybridClock: Sendable {
    /// A stamp further ahead of the wall clock is not believed.
    package static let toleranceMilliseconds: UInt64 = 60_000

    package enum Reception: Equatable, Sendable {
        /// The next local stamp will be greater than the one received.
        case advanced
        /// More than the tolerance ahead of the wall clock, by this much in all; the clock stayed.
        case tooFarAhead(milliseconds: UInt64)
    }

    /// The greatest stamp given out or received; persisted with each commit.
    package private(set) var last: Stamp

    package init(last: Stamp = Stamp(rawValue: 0)) { self.last = last }

    /// A stamp for a local change: max(now, last + 1, stored + 1). `stored` is the stamp that the changed key has in
    /// the store, so that a change always wins over what it replaces.
    package mutating func stamp(now: Instant, stored: Stamp? = nil) -> Stamp {
        var stamp = max(Stamp(milliseconds: Self.wall(now), counter: 0), last.successor)
        if let stored { stamp = max(stamp, stored.successor) }
        last = stamp
        return stamp
    }

    /// The first stamp of the last millisecond that is believed at `now`.
    package static func furthest(_ now: Instant) -> Stamp {
        Stamp(milliseconds: min(wall(now) + toleranceMilliseconds, Stamp.lastMillisecond), counter: 0)
    }

    package static func isTooFarAhead(_ stamp: Stamp, of now: Instant) -> Bool {
        stamp.milliseconds > furthest(now).milliseconds
    }

    /// Whether a change of what has this stamp would take the clock to where it does not go by itself.
    package func isLed(by stored: Stamp, now: Instant) -> Bool { stored > last && Self.isTooFarAhead(stored, of: now) }

    package mutating func receive(_ stamp: Stamp, now: Instant) -> Reception {
        guard !Self.isTooFarAhead(stamp, of: now) else {
            return .tooFarAhead(milliseconds: stamp.milliseconds - Self.wall(now))
        }
        last = max(last, stamp)
        return .advanced
    }

    /// Milliseconds within a stamp's range.
    private static func wall(_ now: Instant) -> UInt64 {
        min(UInt64(max(0, now.milliseconds)), Stamp.lastMillisecond)
    }
}
