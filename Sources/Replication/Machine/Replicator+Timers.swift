/// What becomes due, and when to be woken for it.
extension Replicator {
    mutating func runTimers() {
        closeWhatIsLate()
        dialWhatIsDue()
        judgeOwnClock()
        forgetTwins()
        pullWhatIsDue()
        joinIfNeeded()
        compareIfDue()
        lookUpWhatIsDue()
        endForwardsThatAreDue()
        if now.ticks - truncatedAt >= ReplicationLimits.truncationInterval { truncate() }
        for id in sessionIDs where sessions[id]!.isOpen && headsDue(sessions[id]!) <= now.ticks { sendHeads(id) }
        judgeReadiness()
    }

    private mutating func closeWhatIsLate() {
        for id in sessionIDs {
            guard let session = sessions[id] else { continue }
            if !session.isAuthenticated, now.ticks >= session.openedAt + ReplicationLimits.authenticationTimeout {
                close(id, .authenticationTimeout)
            } else if now.ticks >= session.heardAt + ReplicationLimits.silenceTimeout {
                close(id, .silence)
            }
        }
    }

    private func headsDue(_ session: PeerSession) -> Int64 {
        session.headsSentAt
            + (session.dirty.isEmpty ? ReplicationLimits.keepAliveInterval : ReplicationLimits.headsInterval)
    }

    /// The earliest of all that is waited for; never in the past, so that the shell makes progress.
    mutating func scheduleDeadline() {
        var next = truncatedAt + ReplicationLimits.truncationInterval
        func at(_ instant: Int64) { next = min(next, instant) }
        for session in sessions.values {
            at(
                session.isAuthenticated
                    ? session.heardAt + ReplicationLimits.silenceTimeout
                    : session.openedAt + ReplicationLimits.authenticationTimeout)
            if session.isOpen { at(headsDue(session)) }
            if let due = session.acknowledgementDue { at(due) }
            // What is due and not sent waits for credit or for the store, which give notice.
            for (origin, stream) in session.streams {
                if let due = stream.due(head(origin)), due > now.ticks { at(due) }
            }
        }
        for dial in dials.values { if case .waiting(let until) = dial.phase { at(until) } }
        for seenAt in twinSeenAt.values { at(seenAt + ReplicationLimits.twinMemory) }
        for (origin, intake) in intakes {
            if let retryAt = intake.retryAt { at(retryAt) }
            if intake.behindSince != nil, let due = pullDue(origin) { at(due) }
        }
        if case .waiting(let until) = joining, until > now.ticks { at(until) }
        if case .paused(let until) = joining {
            at(partial!.at + ReplicationLimits.snapshotTimeout)
            if partial!.underWay.isEmpty { at(max(until, now.ticks + ReplicationLimits.snapshotResume)) }
        }
        if joining.connection != nil { at(joiningAt + ReplicationLimits.snapshotTimeout) }
        if !isReady { at(max(lifeBeganAt + ReplicationLimits.readyWithoutPeers, now.ticks + 1000)) }
        at(lookups.nextAt)
        at(forwarding.nextAt)
        if comparison.step != nil { at(comparison.askedAt + ReplicationLimits.requestTimeout) }
        if sessions.values.contains(where: \.isOpen) {
            at(max(comparedAt + ReplicationLimits.digestInterval, now.ticks + 1000))
        }
        next = max(next, now.ticks + 1)
        guard next != deadline else { return }
        deadline = next
        effects.append(.setDeadline(next))
    }
}
