import Links
import Primitives

/// Taking a snapshot. A node that is below everyone's floor replaces its state by a peer's, and never merges the two:
/// the store sets aside what it holds beyond the peer's vector and logs it again under a new incarnation.
///
/// From the question on the old state takes nothing in and pushes nothing out, so that this remainder is known; it goes
/// on being served, and local writes go on into it. Where a connection ends another peer may go on with the records behind;
/// a chunk that is missing, or a giver that nobody follows within a minute, ends the attempt, and nothing of it is kept.
extension Replicator {
    mutating func handleSnapshot(_ event: Event) {
        switch event {
        case .snapshotOpened(let id, let rows): snapshotOpened(id, rows)
        case .snapshotRead(let id, let bytes): snapshotRead(id, bytes)
        case .snapshotRan(let id, let end): snapshotRan(id, end)
        case .chunkInstalled(let position):
            // Of an attempt that was given up, it gave its credit back then.
            guard partial?.underWay.isEmpty == false else { return }
            let chunk = partial!.underWay.removeFirst()
            sessions[chunk.connection]?.consumedBytes += chunk.sizeBytes
            partial!.position = position
        case .installed(let holdings):
            counters.snapshotsInstalled += 1
            isFresh = true  // It is ready once it has covered the heads again.
            for alarm in raised.sorted(by: { "\($0)" < "\($1)" }) {
                if case .snapshotNeeded = alarm { clear(alarm) }
            }
            (isReady, askedGivers) = (false, [])
            // Some may have shown since the store was told.
            let forked = self.forked
            var fresh = holdings
            fresh.isFresh = true
            beginAnew(fresh)
            for origin in forked where rows[origin] != nil { fork(origin) }
        case .installFailed:
            // Who begins a new life meanwhile neither tries again nor says what it wrote in the old one.
            guard joining != .no, joining != .reborn else { return }
            dropPartial()
            leaveJoining()
            if let head = headWhileFinishing { committed(head) }
            headWhileFinishing = nil
        default: preconditionFailure("not of a snapshot")
        }
    }

    mutating func joinIfNeeded() {
        switch joining {
        case .no: break
        case .waiting(let until): if until > now.ticks { return }
        case .asked, .installing:
            if now.ticks - joiningAt >= ReplicationLimits.snapshotTimeout { leaveJoining() }
            return
        case .paused(let until):
            if now.ticks - partial!.at >= ReplicationLimits.snapshotTimeout { return leaveJoining() }
            if until > now.ticks || !partial!.underWay.isEmpty { return }
        case .finishing, .reborn: return
        }
        guard let origin = intakes.filter(\.value.needsSnapshot).keys.min() else {
            joinWantedAt = nil
            if partial != nil { leaveJoining() }
            return
        }
        let wantedAt = joinWantedAt ?? now.ticks
        joinWantedAt = wantedAt
        guard intakes.values.allSatisfy({ $0.applying == nil }) else { return }
        raise(.snapshotNeeded(origin))
        let isUrgent = now.ticks - wantedAt >= ReplicationLimits.snapshotYield
        let able = holders(origin).filter { covers($0.node, isUrgent) }
        // What failed may fail again: a giver's store is damaged, its line is slow.
        if !able.isEmpty, able.allSatisfy({ askedGivers.contains($0.node) }) { askedGivers = [] }
        guard let session = able.first(where: { !askedGivers.contains($0.node) }) else { return }
        joinWantedAt = nil
        askedGivers.insert(session.node)
        let request = nextRequest()
        joining = .asked(session.id, request: request)
        joiningAt = now.ticks
        send(session.id, .snapshotRequest(SnapshotRequest(after: partial?.position ?? [])), request: request)
        judgeReadiness()
    }

    /// Whether a peer holds all that this node does, but for what it can no longer get because the log here has lost it:
    /// before, this node waits for the peer to pull the rest.
    ///
    /// Where each lacks what the other's log has lost, the one that holds less gives way, or nodes would take one
    /// another's states in turn without end; after a while it does not matter who. Nor does what was written while the peer's
    /// word was on its way, which is logged again: who never stops writing would wait for ever.
    private func covers(_ node: NodeID, _ isUrgent: Bool) -> Bool {
        let theirs = peers[node]!.rows
        let givesWay = (weight(rows), settings.member.id) < (weight(theirs), node)
        var slack = isUrgent ? ReplicationLimits.snapshotSlack : 0
        return rows.values.allSatisfy { row in
            let head = theirs[row.origin]?.head ?? 0
            if head >= row.head || intakes[row.origin]?.quarantine == .fork { return true }
            if row.floor > head, givesWay || isUrgent { return true }
            defer { slack -= min(slack, row.head - head) }
            return row.head - head <= slack
        }
    }

    /// Entries that a node has seen.
    private func weight(_ rows: [Origin: OriginState]) -> UInt64 { rows.values.reduce(0) { $0 + $1.head } }

    mutating func received(_ offer: SnapshotOffer, _ request: UInt32, _ id: ConnectionID) {
        guard joining == .asked(id, request: request) else { return }
        joining = .installing(id, request: request, chunks: 0)
        joiningAt = now.ticks
        effects.append(.beginInstall(resumes: partial != nil))
        if partial == nil { partial = PartialInstall(rows: offer.rows, at: now.ticks) }
        partial!.lower(to: offer.rows)
        partial!.forked.formUnion(offer.forked)
        partial!.at = now.ticks
    }

    mutating func received(_ chunk: SnapshotChunk, _ request: UInt32, _ id: ConnectionID) {
        let size = UInt64(chunk.payloadSizeBytes)
        guard let session = sessions[id], session.receivedBytes + size <= session.granted else {
            return close(id, .violation)
        }
        sessions[id]!.receivedBytes += size
        guard case .installing(id, request, let chunks) = joining else {
            // Of an attempt that was given up.
            sessions[id]!.consumedBytes += size
            return
        }
        guard chunk.index == chunks else {
            leaveJoining()
            return close(id, .violation)
        }
        joining = .installing(id, request: request, chunks: chunks + 1)
        joiningAt = now.ticks
        partial!.at = now.ticks
        partial!.underWay.append((id, size))
        effects.append(.installChunk(chunk.bytes))
    }

    mutating func received(_ end: SnapshotEnd, _ request: UInt32, _ id: ConnectionID) {
        switch joining {
        case .installing(id, request, let chunks):
            if end.outcome != .complete { return pauseJoining() }
            guard end.chunks == chunks else { return leaveJoining() }
            joining = .finishing
            let rows = keepingKnown(partial!.rows, from: sessions[id]!.node)
            let forked = partial!.forked.union(self.forked).sorted()
            effects.append(.finishInstall(SnapshotOffer(forked: forked, rows: rows), end))
        case .asked(id, request): if partial == nil { leaveJoining() } else { pauseJoining() }
        default: return
        }
    }

    /// Logs of which this node knows two versions.
    var forked: [Origin] { quarantines.filter { $0.value == .fork }.keys.sorted() }

    /// What this node holds beyond the offer goes into the new store's records, so it may go on saying so; and does where
    /// another node says so too, who would else send this node back for what it had. Of what nobody else holds the log
    /// is gone: it is logged again, and nobody is to wait for it.
    private func keepingKnown(_ offer: [OriginState], from giver: NodeID) -> [OriginState] {
        let others = peers.filter { $0.key != giver && members[$0.key]?.isRetired != true }.values
        var kept = Dictionary(uniqueKeysWithValues: offer.map { ($0.origin, $0) })
        for (origin, mine) in rows where origin != own && intakes[origin]?.quarantine == nil {
            let offered = kept[origin] ?? OriginState(origin: origin)
            guard mine.head > offered.head, others.contains(where: { $0.head(origin) >= mine.head }) else { continue }
            var row = mine
            row.ceiling = max(mine.ceiling, offered.ceiling)
            let seals = [mine, offered].filter(\.isSealed).map(\.seal)
            row.seal = seals.max().map { max($0, mine.head) } ?? OriginState.unsealed
            kept[origin] = row
        }
        return kept.values.sorted { $0.origin < $1.origin }
    }

    /// Its giver gives no more, or is gone. What has come is kept for another, for a while.
    mutating func pauseJoining() {
        guard partial != nil else { return leaveJoining(for: ReplicationLimits.snapshotResume) }
        joining = .paused(until: now.ticks + ReplicationLimits.snapshotResume)
    }

    /// What its givers may send does not shrink with each attempt that fails.
    private mutating func dropPartial() {
        for chunk in partial?.underWay ?? [] { sessions[chunk.connection]?.consumedBytes += chunk.sizeBytes }
        partial = nil
    }

    /// It is tried again after a while.
    mutating func leaveJoining(for pause: Int64 = ReplicationLimits.snapshotRetry) {
        if partial != nil { effects.append(.abandonInstall) }
        dropPartial()
        joining = .waiting(until: now.ticks + pause)
        for origin in intakes.keys { noteBehind(origin) }
        judgeReadiness()
    }
}
