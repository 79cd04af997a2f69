/// Decides whether the service manager may be told that the process is alive. It may only while every thread that
/// matters gets on: each counts its own turns, and whoever stands still for too long is named.
///
/// Idle threads turn too, once a second at least, so standing still means to be stuck.
package struct Watchdog {
    /// A thread and how many turns its loop has made.
    package typealias Beats = (thread: String, count: UInt64)

    package enum Action: Equatable {
        /// Tell the manager.
        case feed
        case stalled(thread: String)
        case recovered(thread: String)
    }

    /// Without a turn for so long a thread is stuck, if the manager asks for no less; and never less than the second.
    package static let patienceMilliseconds: Int64 = 10_000
    package static let leastPatienceMilliseconds: Int64 = 2_000
    private static let lookMilliseconds: Int64 = 1_000

    private struct Thread {
        var count: UInt64
        var changedAt: Int64
        var isStalled = false
    }

    /// Half of what the manager waits, as sd_watchdog_enabled(3) advises; nil: it does not watch.
    private let feedMilliseconds: Int64?
    private let patience: Int64
    private var threads: [String: Thread] = [:]
    private var fedAt: Int64?

    package init(watchdogMilliseconds: Int64?) {
        feedMilliseconds = watchdogMilliseconds.map { max(1, $0 / 2) }
        patience = min(Self.patienceMilliseconds, max(Self.leastPatienceMilliseconds, feedMilliseconds ?? .max))
    }

    /// How long to wait at most until the next look.
    package var pauseMilliseconds: Int64 { min(Self.lookMilliseconds, max(1, (feedMilliseconds ?? .max) / 2)) }

    /// What to do now; `now` in monotonic milliseconds.
    package mutating func look(_ beats: [Beats], now: Int64) -> [Action] {
        var actions: [Action] = []
        for (name, count) in beats {
            var thread = threads[name] ?? Thread(count: count, changedAt: now)
            if thread.count != count {
                (thread.count, thread.changedAt) = (count, now)
                if thread.isStalled { actions.append(.recovered(thread: name)) }
                thread.isStalled = false
            } else if !thread.isStalled, now - thread.changedAt > patience {
                thread.isStalled = true
                actions.append(.stalled(thread: name))
            }
            threads[name] = thread
        }
        guard let feedMilliseconds, !threads.values.contains(where: \.isStalled) else { return actions }
        if let fedAt, now + pauseMilliseconds <= fedAt + feedMilliseconds { return actions }
        fedAt = now
        return actions + [.feed]
    }
}
