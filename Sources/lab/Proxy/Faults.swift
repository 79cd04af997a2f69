/// What a link does to the bytes of one direction.
package struct Faults: Equatable, Sendable {
    package enum Passage: Equatable, Sendable {
        case open
        /// Bytes wait, and leave when the way is open again: a cut that ends in time.
        case held
        /// Bytes vanish.
        case dropped
        /// Nothing is read any more: the sender's buffers fill.
        case stalled
    }

    package var passage = Passage.open
    /// From a byte's coming to its leaving.
    package var delayMilliseconds = 0.0
    /// Of the line before the delay; nil: no limit.
    package var bytesPerSecond: Int?
    /// How probably a chunk leaves twice.
    package var duplicates = 0.0
    /// How probably one bit of a byte is turned over.
    package var flips = 0.0

    package init() {}
}

/// What a proxy did.
package struct FaultFigures: Sendable {
    /// Open now; made; reset by a cut; not made because the target did not answer.
    package var connections = 0
    package var accepted = 0
    package var cut = 0
    package var unanswered = 0
    /// By direction: what left.
    package var bytes = [0, 0]
    package var chunks = [0, 0]
    package var dropped = [0, 0]
    package var duplicated = [0, 0]
    package var flipped = [0, 0]
    /// Waiting now.
    package var queued = [0, 0]
    /// How much later than wanted a chunk left, in nanoseconds, where its taker took it at once.
    package var lateness = LatencyHistogram()

    package init() {}
}
