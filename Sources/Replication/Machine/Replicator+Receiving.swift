import Links
import Primitives

/// Only what follows on what is held: known + 1 is applied, what is known is ignored, a gap is pulled. One batch of an
/// origin is with the store at a time; the others wait within the credit.
extension Replicator {
    mutating func received(_ entries: Entries, _ session: PeerSession) {
        let size = UInt64(entries.payloadSizeBytes)
        guard session.receivedBytes + size <= session.granted else { return close(session.id, .violation) }
        sessions[session.id]!.receivedBytes += size
        intakes[entries.origin, default: Intake()].take(Intake.Received(connection: session.id, entries: entries))
        advance(entries.origin)
    }

    func isBlocked(_ intake: Intake) -> Bool { intake.quarantine != nil || intake.retryAt != nil }

    /// Works on what waits until a batch is with the store or nothing is left.
    mutating func advance(_ origin: Origin) {
        while let intake = intakes[origin], intake.applying == nil, let received = intake.queue.first {
            intakes[origin]!.queue.removeFirst()
            if origin == own || joining.isFrozen || isBlocked(intake) || !begin(received) { dispose(received) }
        }
        noteBehind(origin)
    }

    /// The bytes are no longer held: they may be granted anew.
    private mutating func dispose(_ received: Intake.Received) {
        sessions[received.connection]?.consumedBytes += UInt64(received.credit)
    }

    /// Whether the store has it now.
    private mutating func begin(_ received: Intake.Received) -> Bool {
        let entries = received.entries
        let known = head(entries.origin)
        guard entries.last > known else {
            counters.entriesIgnored += UInt64(entries.count)
            return false
        }
        guard entries.first <= known + 1 else {
            counters.gaps += 1
            pullAfterGap(entries.origin, received.connection)
            return false
        }
        if entries.first == known + 1, known > 0, entries.chainBefore != rows[entries.origin]!.chain {
            fork(entries.origin)
            return false
        }
        guard let (batch, isCut) = batch(entries, from: known + 1) else {
            if let session = sessions[received.connection] {
                raise(.damagedEntry(entries.origin, from: session.node))
            }
            intakes[entries.origin]!.pulledAt = now.ticks
            return false
        }
        guard batch.count > 0 else {
            quarantine(entries.origin, .clock)
            return false
        }
        intakes[entries.origin]!.applying = (received, isCut)
        effects.append(.apply(batch))
        return true
    }

    /// The entries from `from` on that are not stamped too far ahead. Nil if one is damaged, or not what its place says.
    private func batch(_ entries: Entries, from: UInt64) -> (Batch, isCut: Bool)? {
        var rest = unsafe entries.bytes.span.bytes
        let total = rest.byteCount
        var (start, end, count) = (0, 0, 0)
        let latest = reference.milliseconds + ReplicationLimits.clockTolerance
        for sequence in entries.first...entries.last {
            let offset = total - rest.byteCount
            guard let head = try? EntryHead(takingFrom: &rest), head.sequence == sequence else { return nil }
            if sequence < from { continue }
            if sequence == from { start = offset }
            guard Int64(head.stamp.milliseconds) <= latest else { break }
            (end, count) = (total - rest.byteCount, count + 1)
        }
        let isCut = from + UInt64(count) <= entries.last
        let bytes = count > 0 ? Array(entries.bytes[start..<end]) : []
        return (
            Batch(
                origin: entries.origin, first: from, count: count, bytes: bytes,
                chainAfter: isCut ? nil : entries.chainAfter, reference: reference), isCut
        )
    }

    mutating func applied(_ applied: Applied) {
        // None is under way after a new life began.
        guard let intake = intakes[applied.origin], let (received, isCut) = intake.applying else { return }
        intakes[applied.origin]!.applying = nil
        dispose(received)
        hold(applied, received.connection)
        if applied.outcome != .failed { storeWorks(applied.origin) }
        switch applied.outcome {
        case .done: if isCut { quarantine(applied.origin, .clock) }
        case .gap: pullAfterGap(applied.origin, received.connection)
        case .chainMismatch: fork(applied.origin)
        case .unknownKind: quarantine(applied.origin, .unknownKind)
        case .poison: quarantine(applied.origin, .poison)
        case .failed: storeFailed(applied.origin)
        }
        advance(applied.origin)
        judgeReadiness()
    }

    private mutating func storeFailed(_ origin: Origin) {
        intakes[origin]!.retryAt = now.ticks + pause(intakes[origin]!.failures)
        intakes[origin]!.failures += 1
        if intakes[origin]!.failures >= ReplicationLimits.failuresToTell { raise(.quarantined(origin, .store)) }
    }

    /// Or there is nothing to take.
    mutating func storeWorks(_ origin: Origin) {
        guard intakes[origin]?.failures ?? 0 > 0 else { return }
        intakes[origin]!.failures = 0
        clear(.quarantined(origin, .store))
    }

    /// What the store has synced now is held, acknowledged and announced.
    private mutating func hold(_ applied: Applied, _ connection: ConnectionID) {
        var row = rows[applied.origin] ?? OriginState(origin: applied.origin)
        guard applied.head > row.head else { return }
        counters.entriesApplied += applied.head - row.head
        movedAt[applied.origin] = now.ticks
        (row.head, row.stamp, row.chain) = (applied.head, applied.stamp, applied.chain)
        rows[applied.origin] = row
        if row.isSealed, row.head > row.seal {
            rows[applied.origin]!.seal = row.head
            effects.append(.seal(applied.origin, row.head))
        }
        prove(applied.origin)
        lookups.hasMoved = true
        announce(applied.origin)
        for id in sessions.keys where sessions[id]!.isOpen {
            if id == connection || sessions[id]!.peer == applied.origin { sessions[id]!.acksDue.insert(applied.origin) }
        }
        intakes[applied.origin]!.behindSince = nil
        intakes[applied.origin]!.pulls = 0
        intakes[applied.origin]!.pulledAt = nil
        intakes[applied.origin]!.needsSnapshot = false
        for node in peers.keys.sorted() { clear(.damagedEntry(applied.origin, from: node)) }
    }

    // MARK: Quarantine

    /// A fork stays one, whatever else becomes of a batch that was with the store when it showed.
    mutating func quarantine(_ origin: Origin, _ reason: Quarantine) {
        guard intakes[origin]?.quarantine != .fork else { return }
        intakes[origin, default: Intake()].quarantine = reason
        raise(.quarantined(origin, reason))
        guard reason == .clock else { return }
        intakes[origin]!.retryAt = now.ticks + pause(intakes[origin]!.pulls)
    }

    /// It doubles, because only the next entry tells whether the clocks have met, or the store has room.
    private func pause(_ tries: Int64) -> Int64 {
        min(ReplicationLimits.shortestRetry << min(tries, 10), ReplicationLimits.longestRetry)
    }

    mutating func fork(_ origin: Origin) {
        guard intakes[origin]?.quarantine != .fork else { return }
        quarantine(origin, .fork)
        effects.append(.forked(origin, true))
    }

    mutating func release(_ origin: Origin) {
        guard let reason = intakes[origin]?.quarantine else { return }
        if reason == .fork {
            effects.append(.forked(origin, false))
            doubted.remove(origin)
        }
        intakes[origin]!.quarantine = nil
        intakes[origin]!.retryAt = nil
        clear(.quarantined(origin, reason))
        noteBehind(origin)
    }
}
