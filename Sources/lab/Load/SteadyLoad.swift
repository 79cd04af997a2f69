import Glibc
import Primitives
import Synchronization

/// Requests at a steady rate until it is stopped. Its thread sleeps in between, so that it takes no processor from who is
/// measured: what has become due is sent together, over a few connections, and answered before more is sent. What a slow
/// node makes late is made up for.
package final class SteadyLoad: Sendable {
    package struct Outcome: Sendable {
        package var answers = 0
        /// Answers of another status than expected, and one such status.
        package var failures = 0
        package var failureStatus = 0
        package var seconds = 0.0
        package var latency = LatencyHistogram()

        package init() {}
        package var successes: Int { answers - failures }
    }

    private static let turnNanoseconds: UInt64 = 10_000_000
    /// Of one turn, so that a node that stood still is not flooded.
    private static let requestsAtOnce = 1000

    private let outcome = Mutex<Result<Outcome, LabError>>(.success(Outcome()))
    private let isStopping = Atomic(false)
    private let thread = Mutex<SystemThread?>(nil)

    /// `port` is on 127.0.0.1.
    package init(_ workload: Workload, port: UInt16, perSecond: Int, connections: Int = 16) {
        thread.withLock {
            $0 = SystemThread("steady-load") { [self] in
                do {
                    try run(try LoadGenerator(workload, port: port, connections: connections), perSecond)
                } catch {
                    outcome.withLock { $0 = .failure(error as? LabError ?? LabError("\(error)")) }
                }
            }
        }
    }

    /// So far. Throws if the node broke a connection or gave no answer.
    package var current: Outcome { get throws { try outcome.withLock { $0 }.get() } }

    /// Once all answers are there. Throws as `current`.
    package func stop() throws -> Outcome {
        isStopping.store(true, ordering: .releasing)
        thread.withLock { $0.take() }?.join()
        return try current
    }

    private func run(_ load: consuming LoadGenerator, _ perSecond: Int) throws {
        let start = MonotonicClock.nanoseconds
        var total = Outcome()
        while !isStopping.load(ordering: .acquiring) {
            let elapsed = MonotonicClock.nanoseconds - start
            let due = min(Int(Double(elapsed) * Double(perSecond) / 1e9) - total.answers, Self.requestsAtOnce)
            if due > 0 {
                let part = try load.run(seconds: 3600, groups: due)
                total.answers += part.answers
                total.failures += part.failures
                if part.failures > 0 { total.failureStatus = part.failureStatus }
                total.latency.add(part.latency)
            }
            total.seconds = Double(MonotonicClock.nanoseconds - start) / 1e9
            outcome.withLock { $0 = .success(total) }
            let spent = MonotonicClock.nanoseconds - start - elapsed
            if spent < Self.turnNanoseconds { usleep(UInt32((Self.turnNanoseconds - spent) / 1000)) }
        }
    }
}
