import Links
import Primitives

/// What peers say they hold: heads, floors, ceilings and seals.
extension Replicator {
    mutating func received(_ state: PeerState, _ session: PeerSession) {
        sessions[session.id]!.phase = .open
        sessions[session.id]!.credit = state.credit
        if let address = session.address { dials[address]?.failures = 0 }
        clearRejections(of: session.node)
        effects.append(.admitted(session.id, session.node))
        // All of it, so what the node held before a rollback is not believed of it any longer.
        peers[session.node, default: PeerKnowledge()].rows = [:]
        peers[session.node]!.said = [:]
        peers[session.node]!.heardAt = now.ticks
        guard learn(state.rows, session) else { return }
        for row in state.rows where row.origin != own && row.head > head(row.origin) && !isReady {
            goals[row.origin] = max(goals[row.origin] ?? 0, row.head)
        }
        hasHeardPeer = true
        askThoseWhoHaveCome()
        sessions[session.id]!.streams[own] = PeerSession.Stream(
            next: peers[session.node]!.head(own) + 1, through: OriginState.unsealed)
        judgeReadiness()
    }

    mutating func received(_ heads: Heads, _ session: PeerSession) {
        sessions[session.id]!.echo = (heads.sent, now.ticks)
        // Numbers of a peer's: an echo that was never sent says nothing.
        if heads.echo != 0, heads.echo <= now.ticks {
            let trip = now.ticks - Int64(heads.echo) - Int64(heads.held)
            if trip >= 0, trip < ReplicationLimits.silenceTimeout { sessions[session.id]!.roundTrip = max(1, trip) }
        }
        noteClock(session.node, heads.wall)
        _ = learn(heads.rows, session)
    }

    mutating func received(_ ack: Ack, _ session: PeerSession) {
        guard ack.credit >= session.credit else { return close(session.id, .violation) }
        sessions[session.id]!.credit = ack.credit
        for row in ack.rows {
            guard row.origin != own || row.head <= head(own) else { return doubt(.peerKnowsMore(session.node)) }
            let known = peers[session.node]!.rows[row.origin] ?? OriginState(origin: row.origin)
            guard row.head > known.head else { continue }
            var changed = known
            changed.head = row.head
            changed.seal = max(changed.seal, row.head)
            changed.chain = Chain(rawValue: 0)  // An ACK does not say it; the next HEADS do.
            guard peers[session.node]!.rows.hasRoom(for: row.origin) else { return close(session.id, .violation) }
            peers[session.node]!.rows[row.origin] = changed
            noteMoved(row.origin)
            if row.origin == own { effects.append(.acknowledged(session.node, through: row.head)) }
        }
    }

    /// A peer holds more of it, or less.
    private mutating func noteMoved(_ origin: Origin) {
        if movedAt[origin] != nil || movedAt.count < WireLimits.origins { movedAt[origin] = now.ticks }
    }

    /// False if the own incarnation is in doubt now, or the connection is closed.
    private mutating func learn(_ list: [OriginState], _ session: PeerSession) -> Bool {
        for row in list {
            guard peers[session.node]!.rows.hasRoom(for: row.origin) else {
                close(session.id, .violation)
                return false
            }
            let before = peers[session.node]!.head(row.origin)
            peers[session.node]!.rows[row.origin] = row
            peers[session.node]!.said[row.origin] = LogHead(origin: row.origin, head: row.head, chain: row.chain)
            if row.head != before { noteMoved(row.origin) }
            if row.origin == own {
                if row.head > head(own) { doubt(.peerKnowsMore(session.node)) }
                if row.head == head(own), row.head > 0, row.chain != rows[own]!.chain {
                    doubt(.chainMismatch(session.node))
                }
                if row.isSealed { doubt(.sealed(session.node)) }
                guard joining != .reborn else { return false }
                if row.head > before { effects.append(.acknowledged(session.node, through: row.head)) }
                if row.ceiling > 0 { numbersWereHeard() }
                continue
            }
            if row.head == head(row.origin), row.head > 0 {
                if row.chain != rows[row.origin]!.chain { fork(row.origin) } else { prove(row.origin) }
            }
            raiseCeiling(row)
            if row.isSealed || rows[row.origin]?.isSealed == true {
                raiseSeal(row.origin, row.isSealed ? row.seal : row.head)
            }
            noteBehind(row.origin)
        }
        return true
    }

    /// What is here of a log is what others have of it.
    mutating func prove(_ origin: Origin) { doubted.remove(origin) }

    /// It counts here once it is durable: whoever hears that it is known gives out numbers below it.
    private mutating func raiseCeiling(_ row: OriginState) {
        guard row.ceiling > max(rows[row.origin]?.ceiling ?? 0, ceilingsUnderWay[row.origin] ?? 0),
            rows.hasRoom(for: row.origin), ceilingsUnderWay.count < WireLimits.origins
        else { return }
        ceilingsUnderWay[row.origin] = row.ceiling
        effects.append(.ceiling(row.origin, row.ceiling, at: row.stamp))
    }

    mutating func ceilingKept(_ origin: Origin, _ ceiling: UInt64, at stamp: Stamp) {
        if let newest = ceilingsUnderWay[origin], newest <= ceiling { ceilingsUnderWay[origin] = nil }
        guard ceiling > rows[origin]?.ceiling ?? 0, rows.hasRoom(for: origin) else { return }
        var known = rows[origin] ?? OriginState(origin: origin)
        known.ceiling = ceiling
        // Without an entry the stamp says up to when the ceiling is known to have held.
        if known.head == 0 { known.stamp = max(known.stamp, stamp) }
        rows[origin] = known
        announce(origin)
    }

    /// An ended incarnation's last sequence is the highest that anyone reports. It only grows.
    mutating func raiseSeal(_ origin: Origin, _ reported: UInt64) {
        guard rows.hasRoom(for: origin) else { return }
        var row = rows[origin] ?? OriginState(origin: origin)
        let heads = peers.values.map { $0.head(origin) }.max() ?? 0
        let seal = max(row.isSealed ? row.seal : 0, reported, heads, row.head)
        guard !row.isSealed || seal > row.seal else { return }
        row.seal = seal
        rows[origin] = row
        effects.append(.seal(origin, seal))
        announce(origin)
    }

    /// A node speaks under this origin, so its other incarnations have ended.
    mutating func endOlderLives(_ origin: Origin) {
        var others = Set(rows.keys)
        for peer in peers.values { others.formUnion(peer.rows.keys) }
        for other in others.sorted() where NodeID(other) == NodeID(origin) && other != origin { raiseSeal(other, 0) }
    }

    mutating func sealOwnOlderLives() { endOlderLives(own) }

    mutating func raiseFloor(_ origin: Origin, _ floor: UInt64) {
        guard floor > rows[origin]?.floor ?? 0 else { return }
        precondition(floor <= head(origin), "truncated beyond the head")
        rows[origin]!.floor = floor
        announce(origin)
    }

    /// Never decide between two versions of the own log, never wait for peers to: take a new life.
    mutating func doubt(_ reason: IncarnationReason) {
        guard joining != .reborn else { return }
        if joining != .no { leaveJoining() }
        joining = .reborn
        raise(.incarnationInDoubt)
        if case .chainMismatch = reason { fork(own) }
        effects.append(.beginIncarnation(reason))
        judgeReadiness()
    }

    /// The rows that changed, or only a sign of life.
    mutating func sendHeads(_ id: ConnectionID) {
        let session = sessions[id]!
        let changed = session.dirty.sorted().compactMap { rows[$0] }
        sessions[id]!.dirty = []
        sessions[id]!.headsSentAt = now.ticks
        let echo = session.echo.map { ($0.sent, UInt32(clamping: now.ticks - $0.at)) } ?? (0, 0)
        send(
            id,
            .heads(
                Heads(
                    wall: now.wall, sent: UInt64(clamping: max(1, now.ticks)), echo: echo.0, held: echo.1, rows: changed
                )))
    }

    // MARK: Ready, and continuous

    /// What anyone says of how far this node's numbers go.
    private var ownNumbers: [OriginState] {
        (Array(rows.values) + peers.values.flatMap(\.rows.values)).filter {
            NodeID($0.origin) == settings.member.id && $0.ceiling > 0
        }
    }

    /// All who could know of this node's numbers were heard. Who knows of none may be as new as this node, or may have
    /// been cut off while it had an earlier disk; and then no time tells how far its numbers went.
    var everyoneReported: Bool {
        let reported = members.values.filter { $0.isRetired || peers[$0.id]?.heardAt != nil }
        let known = Set(reported.flatMap(\.addresses))
        return allMembersReported
            && dials.allSatisfy { address, dial in
                dial.phase == .own || known.contains(address) || dial.node.map { peers[$0]?.heardAt != nil } ?? false
            }
    }

    /// Numbers go on beyond what anyone knows, once a peer was heard, and all of them if it knows of none; in a fresh
    /// store once its heads are covered too. If none knows of any, one has to hear first where they begin.
    mutating func proveContinuity(isAlone: Bool = false) {
        let highest = ownNumbers.max { ($0.ceiling, $0.stamp) < ($1.ceiling, $1.stamp) }
        guard !isContinuous, isAlone || tellsTime(since: highest?.stamp.instant) else { return }
        isContinuous = true
        numbersAreUnheard =
            !isAlone
            && !peers.values.flatMap(\.rows.values).contains {
                NodeID($0.origin) == settings.member.id && $0.ceiling > 0
            }
        effects.append(.issuing(allowed: !numbersAreUnheard))
        effects.append(.continuityProven(highest.map { Highest(ceiling: $0.ceiling, at: $0.stamp.instant) }))
    }

    /// A peer knows of a ceiling: whatever is given out from now on, it can be told how far that may have gone.
    mutating func numbersWereHeard() {
        guard numbersAreUnheard else { return }
        numbersAreUnheard = false
        effects.append(.issuing(allowed: true))
    }

    mutating func judgeReadiness() {
        // Nothing to find out: ready is for good until this node must join anew.
        guard !isReady || joining.isFrozen || isFresh || !isContinuous else { return }
        // What nobody holds any longer (its holder took another's state, or was retired) cannot be waited for.
        goals = goals.filter { goal in
            head(goal.key) < goal.value && intakes[goal.key]?.quarantine == nil
                && peers.contains { members[$0]?.isRetired != true && $1.head(goal.key) > head(goal.key) }
        }
        let isAlone = dials.values.allSatisfy { $0.phase == .own }
        let hasCovered = hasHeardPeer && goals.isEmpty
        if hasCovered { isFresh = false }
        if hasHeardPeer, !isFresh, !ownNumbers.isEmpty || everyoneReported { proveContinuity() }
        if isAlone, members.values.allSatisfy({ $0.id == settings.member.id || $0.isRetired }) {
            proveContinuity(isAlone: true)
        }
        let waited = now.ticks - lifeBeganAt >= ReplicationLimits.readyWithoutPeers
        let isUnheard = !hasHeardPeer && !isFresh && waited
        let becomes = !joining.isFrozen && (isReady || isAlone || hasCovered || isUnheard)
        guard becomes != isReady else { return }
        isReady = becomes
        effects.append(.readiness(becomes))
        judgeFormat()
    }
}
