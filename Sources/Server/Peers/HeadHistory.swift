/// When the heads of a log came, so that whoever stands behind can be told for how long.
struct HeadHistory {
    private var steps: [(head: UInt64, at: Int64)] = []
    private(set) var head: UInt64 = 0

    /// Steps that come within so many milliseconds are one.
    private var resolution = Self.finest
    private static let finest: Int64 = 10
    /// For more of them the resolution is halved.
    private static let steps = 512

    /// The log goes up to `head` now, at a time in milliseconds that never goes back.
    mutating func note(_ head: UInt64, at now: Int64) {
        guard head > self.head else { return }
        self.head = head
        if let last = steps.last, now - last.at < resolution {
            steps[steps.count - 1].head = head
        } else {
            steps.append((head, now))
        }
        guard steps.count > Self.steps else { return }
        resolution *= 2
        // The earlier time of two stays: what is told is too long rather than too short.
        steps = stride(from: 0, to: steps.count, by: 2).map { first in
            (steps[min(first + 1, steps.count - 1)].head, steps[first].at)
        }
    }

    /// Milliseconds for which the entry behind `known` has been there; 0 if there is none.
    func age(behind known: UInt64, at now: Int64) -> Int64 {
        guard known < head, let step = steps.first(where: { $0.head > known }) else { return 0 }
        return now - step.at
    }

    /// Nobody will ask behind an earlier one.
    mutating func forget(through known: UInt64) {
        steps.removeAll { $0.head <= known }
        if steps.isEmpty { resolution = Self.finest }
    }
}
