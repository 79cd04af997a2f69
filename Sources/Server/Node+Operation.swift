import Store

/// What the main thread and the admin port ask of a running node.
extension Node {
    /// Puts another configuration in effect: workers and the API take it over with their next turn. If the access log
    /// cannot be opened anew, nothing changes. By the main thread alone.
    func reload(_ configuration: Configuration) throws(AccessLogError) {
        let sink = try AccessLogSink.open(configuration.accessLog)
        Log.configure(format: configuration.logFormat)
        admission.replace(with: configuration)
        // Only now is it told that there is something new.
        live.replace(with: configuration)
        accessLog.write(to: sink)
    }

    /// Whose turns show that the node works.
    var beats: [Watchdog.Beats] {
        workers.enumerated().map { ("worker-\($0)", $1.pulse.beats) }
            + [("api", api.pulse.beats), ("writer", store.pulse.beats)]
    }

    var workerCounters: [WorkerCounters] { workers.filter(\.servesRedirects).map(\.counters) }

    /// Dropped by the workers because the log was behind, or lost by its thread.
    var accessLogDropCount: UInt64 {
        workers.reduce(accessLog.lostLineCount) { $0 + $1.counters.accessLogDrops.value }
    }

    /// Dropped by the workers because the ring was full, or lost behind it.
    var clickDropCount: UInt64 { workers.reduce(clicks.figures.lost.value) { $0 + $1.counters.clickDrops.value } }
}

/// Counted by the main thread.
final class ReloadCounts: Sendable {
    let applied = Counter()
    let refused = Counter()
}
