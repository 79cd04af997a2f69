import Glibc
import Store
import Synchronization

/// Another node's log, applied to a new store as replication does it: batches of so many bytes, two of them on their way.
enum LogReplay {
    struct Outcome {
        var seconds = 0.0
        var entries: UInt64 = 0
        var batches = 0
    }

    /// Applies all that the store in `source` wrote itself to a new one in `directory`.
    static func make(from source: String, in directory: String) throws -> Outcome {
        let (from, to) = (
            try Store(LinkPopulation.settings(source)), try Store(LinkPopulation.settings(directory, node: 1))
        )
        defer {
            from.close()
            to.close()
        }
        var outcome = Outcome()
        outcome.seconds = try MonotonicClock.seconds {
            for position in from.vector where position.head > 0 {
                outcome.batches += try replay(position, from, to)
                outcome.entries += position.head
            }
        }
        return outcome
    }

    private static func replay(_ position: OriginPosition, _ from: Store, _ to: Store) throws -> Int {
        let onTheWay = Answers(2)
        var (next, batches) = (position.floor + 1, 0)
        while next <= position.head {
            let batch = try from.logBatch(position.origin, from: next).get()
            onTheWay.awaitPlace()
            to.apply(batch) { onTheWay.note($0) }
            (next, batches) = (batch.last + 1, batches + 1)
        }
        onTheWay.awaitAll()
        if let failure = onTheWay.failure { throw LabError("a batch was not applied: \(failure)") }
        return batches
    }
}

/// Batches that wait for their answers, at most so many.
///
/// Safety: a semaphore is made for many threads; it goes away when all have answered.
private final class Answers: @unchecked Sendable {
    private let places = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    private let size: Int
    private let first = Mutex<ApplyOutcome?>(nil)

    init(_ size: Int) {
        self.size = size
        sem_init(places, 0, UInt32(size))
    }

    deinit {
        sem_destroy(places)
        places.deallocate()
    }

    var failure: ApplyOutcome? { first.withLock { $0 } }

    func awaitPlace() { while sem_wait(places) != 0 {} }
    func awaitAll() { for _ in 0..<size { awaitPlace() } }

    func note(_ outcome: ApplyOutcome) {
        if outcome != .applied { first.withLock { $0 = $0 ?? outcome } }
        sem_post(places)
    }
}
