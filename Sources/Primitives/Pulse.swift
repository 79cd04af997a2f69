import Synchronization

/// A thread's sign that it gets on: it beats once for each turn of its loop, and no other thread does so for it.
package final class Pulse: Sendable {
    private let count = Atomic<UInt64>(0)

    package init() {}

    package func beat() { count.store(count.load(ordering: .relaxed) &+ 1, ordering: .relaxed) }

    package var beats: UInt64 { count.load(ordering: .relaxed) }
}

/// How often values fell between bounds. Bounds are the user's; the last place is for all beyond them.
package struct Histogram: Sendable {
    package static let places = 12
    package private(set) var counts = InlineArray<12, UInt64>(repeating: 0)
    package private(set) var sum: UInt64 = 0

    package init() {}

    /// - Precondition: `bounds` ascend, and are one fewer than the places.
    package mutating func note(_ value: UInt64, bounds: [UInt64]) {
        precondition(bounds.count == Self.places - 1)
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
        sum &+= value
    }
}
