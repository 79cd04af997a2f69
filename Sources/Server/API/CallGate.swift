import Synchronization

/// Decides whether one more request may wait for the API thread. What cannot be done soon is refused at once, because a
/// client that waits long gives up and asks again, and then the thread works for nobody.
///
/// Any thread enters; one thread begins and ends. Instants are monotonic microseconds. Two that enter at the same
/// moment may both be let in: the bounds hold but for one request a worker.
package final class CallGate: Sendable {
    package enum Refusal: Equatable, Sendable { case tooManyBytes, tooOld }

    /// Heads and bodies that wait, in all.
    package static let queuedBytes = 64 << 20
    /// Nobody is let in while the request that is being worked on, and so whoever waits behind it, is older.
    package static let ageMicroseconds: Int64 = 500_000

    private let bytes = Atomic<Int>(0)
    /// When the request in work came; `.max`: none is.
    private let workSince = Atomic<Int64>(.max)

    package init() {}

    /// Nil if it may wait; then `end` will follow for its bytes.
    package func enter(bytes added: Int, at now: Int64) -> Refusal? {
        let since = workSince.load(ordering: .relaxed)
        if since != .max, now - since > Self.ageMicroseconds { return .tooOld }
        if bytes.add(added, ordering: .relaxed).newValue <= Self.queuedBytes { return nil }
        bytes.subtract(added, ordering: .relaxed)
        return .tooManyBytes
    }

    /// A request that came then is worked on now.
    package func begin(since instant: Int64) { workSince.store(instant, ordering: .relaxed) }

    /// A request is done, or was not let in after all.
    package func end(bytes ended: Int) { bytes.subtract(ended, ordering: .relaxed) }

    /// Nothing is left of what was taken to be worked on.
    package func rest() { workSince.store(.max, ordering: .relaxed) }

    package var waitingBytes: Int { bytes.load(ordering: .relaxed) }
}
