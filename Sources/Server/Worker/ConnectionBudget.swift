import Synchronization

/// What the connections of one port may take together, over all its workers.
///
/// Who finds no place left makes room by closing a connection that can be spared: the one that has been idle longest,
/// whichever worker has it; else one that keeps the node waiting. Each worker tells after each wake-up what it could
/// spare. One of another worker's is asked for, and the newcomer waits in the kernel's queue until a place is free.
///
/// Safety: `workers` is set before their threads start; the rest is atomic.
final class ConnectionBudget: @unchecked Sendable {
    let limit: Int
    var workers: [Worker] = []
    private let places = Atomic<Int>(0)
    private let kept = Atomic<Int>(0)
    /// Whether somebody waits for a place; false may be told late, and does no harm then.
    private let isAwaited = Atomic<Bool>(false)

    init(limit: Int) {
        precondition(limit > 0)
        self.limit = limit
    }

    // MARK: Places

    var isFull: Bool { places.load(ordering: .relaxed) >= limit }

    /// False if there is none.
    func takePlace() -> Bool {
        if places.add(1, ordering: .relaxed).newValue <= limit { return true }
        places.subtract(1, ordering: .relaxed)
        return false
    }

    func leavePlace() {
        places.subtract(1, ordering: .sequentiallyConsistent)
        if isAwaited.load(ordering: .sequentiallyConsistent), isAwaited.exchange(false, ordering: .relaxed) {
            for worker in workers { worker.wakeUp.signal() }
        }
    }

    /// From now on a free place wakes all workers. False if there is one already.
    func awaitPlace() -> Bool {
        isAwaited.store(true, ordering: .sequentiallyConsistent)
        return places.load(ordering: .sequentiallyConsistent) >= limit
    }

    /// The worker that can best spare a connection; nil if none can.
    func bestSpare(now: Int64) -> Worker? {
        var best: (worker: Worker, spare: Spare)?
        for worker in workers {
            let spare = Spare(key: worker.spare.load(ordering: .relaxed))
            if spare.isFree(at: now), spare.key < best?.spare.key ?? .max { best = (worker, spare) }
        }
        return best?.worker
    }

    // MARK: Bytes

    /// Adds to what is kept; whether that is too much now.
    func keep(_ change: Int) -> Bool {
        kept.add(change, ordering: .relaxed).newValue > ConnectionLimits.keptBytes && change > 0
    }

    var keptBytes: Int { kept.load(ordering: .relaxed) }
    var isOverfull: Bool { keptBytes > ConnectionLimits.keptBytes }
}

/// How well a worker can spare one of its connections: the smaller, the better. In monotonic microseconds.
struct Spare: Equatable {
    let key: Int64
    /// Whoever is idle before whoever is slow.
    private static let slow: Int64 = 1 << 60

    static let none = Spare(key: .max)
    init(key: Int64) { self.key = key }
    /// Idle since then.
    init(idleSince instant: Int64) { key = instant }
    /// Slow enough to be spared from then on.
    init(slowFrom instant: Int64) { key = instant + Self.slow }

    func isFree(at now: Int64) -> Bool { self != .none && (key < Self.slow || key - Self.slow <= now) }
}
