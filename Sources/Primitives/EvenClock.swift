/// Since when wall time has gone on evenly with steady time. What happened before that, before the start or before
/// somebody set the clock, is of an age that wall time does not tell.
package struct EvenClock: Sendable {
    /// Wall time may go so far from steady time before that counts as a step.
    private static let toleranceMilliseconds: Int64 = 1000

    private var offset: Int64
    private var since: Int64

    /// `ticks`: milliseconds of a clock that never goes back.
    package init(wall: Instant, ticks: Int64) { (offset, since) = (wall.milliseconds - ticks, ticks) }

    /// To be called often enough that no step is followed by its contrary in between.
    package mutating func note(wall: Instant, ticks: Int64) {
        if abs(wall.milliseconds - ticks - offset) >= Self.toleranceMilliseconds {
            self = EvenClock(wall: wall, ticks: ticks)
        }
    }

    /// Whether it has been even for so many milliseconds.
    package func isEven(for milliseconds: Int64, at ticks: Int64) -> Bool { ticks - since >= milliseconds }
}
