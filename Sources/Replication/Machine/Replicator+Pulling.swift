import Links
import Primitives

/// Relay: what an origin cannot bring itself is asked of the nearest node that holds it.
extension Replicator {
    /// Whether someone who is connected holds more of an origin than this node does.
    mutating func noteBehind(_ origin: Origin) {
        guard origin != own else { return }
        let isBehind = sessions.values.contains { $0.isOpen && peers[$0.node]!.head(origin) > head(origin) }
        guard isBehind else {
            intakes[origin]?.behindSince = nil
            intakes[origin]?.needsSnapshot = false
            storeWorks(origin)
            return
        }
        var intake = intakes[origin] ?? Intake()
        intake.behindSince = intake.behindSince ?? now.ticks
        intakes[origin] = intake
    }

    /// Who holds more of it, the nearest first.
    func holders(_ origin: Origin) -> [PeerSession] {
        nearest.filter { peers[$0.node]!.head(origin) > head(origin) }
    }

    func pullDelay(_ origin: Origin) -> Int64 {
        let head = head(origin)
        let trips = sessions.values.lazy.filter { [peers] in $0.isOpen && peers[$0.node]!.head(origin) > head }
            .map(\.roundTrip)
        let trip = trips.min() ?? ReplicationLimits.assumedRoundTrip
        let delay = max(ReplicationLimits.pullDelay, 2 * trip)
        return min(delay << min(intakes[origin]!.pulls, 8), max(delay, ReplicationLimits.longestPullDelay))
    }

    /// When to ask; nil if there is nothing to ask for, or it waits for something else.
    func pullDue(_ origin: Origin) -> Int64? {
        guard let intake = intakes[origin], let since = intake.behindSince, !joining.isFrozen, !intake.needsSnapshot,
            intake.applying == nil, intake.queue.isEmpty, !isBlocked(intake)
        else { return nil }
        return (intake.pulledAt ?? since) + pullDelay(origin)
    }

    mutating func pullWhatIsDue() {
        for origin in intakes.filter({ $1.behindSince != nil || $1.retryAt != nil }).keys.sorted() {
            retry(origin)
            guard let due = pullDue(origin), due <= now.ticks else { continue }
            let able = holders(origin).filter { (peers[$0.node]!.rows[origin]?.floor ?? 0) <= head(origin) }
            guard !able.isEmpty else {
                // Who held it may have left, or lost it: then there is nothing to ask for, and nothing to wake for.
                noteBehind(origin)
                intakes[origin]!.needsSnapshot = intakes[origin]!.behindSince != nil
                continue
            }
            // The nearest first; after it brought nothing, the others in turn.
            pull(origin, able[Int(intakes[origin]!.pulls) % able.count].id)
        }
    }

    private mutating func retry(_ origin: Origin) {
        guard let at = intakes[origin]!.retryAt, at <= now.ticks else { return }
        intakes[origin]!.retryAt = nil
        if intakes[origin]!.quarantine == .clock { release(origin) }
        intakes[origin]!.pulledAt = nil
        if intakes[origin]!.behindSince != nil { intakes[origin]!.behindSince = now.ticks - pullDelay(origin) }
    }

    /// At once, from whoever showed the gap, unless an answer is on its way.
    mutating func pullAfterGap(_ origin: Origin, _ id: ConnectionID) {
        if let at = intakes[origin]!.pulledAt, now.ticks < at + pullDelay(origin) { return }
        guard sessions[id] != nil, origin != own else { return }
        pull(origin, id)
    }

    private mutating func pull(_ origin: Origin, _ id: ConnectionID) {
        counters.pulls += 1
        intakes[origin]!.pulls += 1
        intakes[origin]!.pulledAt = now.ticks
        let from = head(origin) + 1
        let through = max(from, peers[sessions[id]!.node]!.head(origin))
        send(id, .pull(Pull(origin: origin, from: from, through: through)))
    }
}
