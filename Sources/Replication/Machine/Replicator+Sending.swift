import Links
import Primitives

/// To each peer a cursor for each origin: own entries at once, others' when it pulls. A slow peer costs its cursors and
/// no more than the credit that it granted.
extension Replicator {
    mutating func committed(_ head: OwnHead) {
        var row = rows[own]!
        // What was committed while the store was asked for a new life belongs to the one before.
        guard head.head >= row.head, joining != .reborn else { return }
        // Of a store that a snapshot is replacing right now: set aside, if that succeeds, so peers must not hear of it.
        if joining == .finishing { return headWhileFinishing = head }
        (row.head, row.stamp, row.chain) = (head.head, head.stamp, head.chain)
        row.ceiling = max(row.ceiling, head.ceiling)
        rows[own] = row
        lookups.hasMoved = true
        announce(own)
    }

    mutating func received(_ pull: Pull, _ session: PeerSession) {
        guard pull.from > rows[pull.origin]?.floor ?? 0 else {
            // It learns the floor from the row, and that it needs a snapshot.
            sessions[session.id]!.dirty.insert(pull.origin)
            return sendHeads(session.id)
        }
        let through = pull.origin == own ? OriginState.unsealed : pull.through
        sessions[session.id]!.streams[pull.origin] = PeerSession.Stream(next: pull.from, through: through)
    }

    /// One read at a time, as far as the credit goes.
    mutating func pump(_ id: ConnectionID) {
        guard let session = sessions[id], session.isOpen, !session.isReading,
            session.creditLeft >= ReplicationLimits.creditForOneRead
        else { return }
        if pumpSnapshot(session) { return }
        // While this node joins, what the peer it joins has of the own log is what is set aside from.
        let pausesOwn = joining.isFrozen
        let rows = self.rows
        guard let origin = session.nextStream(now, { pausesOwn && $0 == own ? 0 : rows[$0]?.head ?? 0 }) else { return }
        let stream = session.streams[origin]!
        sessions[id]!.isReading = true
        sessions[id]!.lastServed = origin
        effects.append(
            .readLog(
                LogRead(
                    connection: id, origin: origin, from: stream.next, through: min(stream.through, head(origin)),
                    limitBytes: WireLimits.entriesBytes - LogEntry.maximumSizeBytes - 3)))
    }

    mutating func logRead(_ read: LogRead, _ result: LogReadResult) {
        guard let session = sessions[read.connection] else { return }
        sessions[read.connection]!.isReading = false
        // A PULL may have moved the cursor meanwhile.
        guard let stream = session.streams[read.origin], stream.next == read.from else { return }
        switch result {
        case .belowFloor(let floor):
            sessions[read.connection]!.streams[read.origin] = nil
            raiseFloor(read.origin, min(floor, head(read.origin)))
        case .damaged(let sequence):
            sessions[read.connection]!.streams[read.origin] = nil
            raise(.damagedLog(read.origin))
            // Who lacks it gets it elsewhere, or with a snapshot: the record is there. Else it would be asked for without end.
            guard let sequence else { return }
            damagedLogs[read.origin] = max(sequence, damagedLogs[read.origin] ?? 0)
            truncate()
        case .entries(let entries):
            precondition(entries.origin == read.origin && entries.first == read.from && entries.last <= read.through)
            let theirs = peers[session.node]!.rows[read.origin]
            if read.origin == own, let theirs, theirs.head > 0, theirs.head + 1 == read.from,
                theirs.chain.rawValue != 0, theirs.chain != entries.chainBefore
            {
                return doubt(.chainMismatch(session.node))
            }
            send(read.connection, .entries(entries))
            sessions[read.connection]!.sentBytes += UInt64(entries.payloadSizeBytes)
            sessions[read.connection]!.streams[read.origin]!.next = entries.last + 1
            sessions[read.connection]!.streams[read.origin]!.sentAt = now.ticks
            if entries.last >= stream.through { sessions[read.connection]!.streams[read.origin] = nil }
        }
    }

    /// After the sync, cumulative, now and then; at once when a quarter of the window can be granted anew.
    mutating func acknowledge(_ id: ConnectionID) {
        guard let session = sessions[id], session.isOpen, joining != .reborn else { return }
        let grant = session.consumedBytes + ReplicationLimits.creditWindow
        let isLow = grant - session.granted >= ReplicationLimits.creditWindow / 4
        guard isLow || session.acknowledgementDue.map({ $0 <= now.ticks }) ?? false else { return }
        let acked = session.acksDue.sorted().map { Ack.Row(origin: $0, head: head($0)) }
        sessions[id]!.acksDue = []
        sessions[id]!.acknowledgedAt = now.ticks
        sessions[id]!.granted = grant
        send(id, .ack(Ack(credit: grant, rows: acked)))
    }
}
