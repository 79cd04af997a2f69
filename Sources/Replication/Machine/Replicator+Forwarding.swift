import Links
import Primitives

/// Changes of links that another node has to make for a client of this one, and the other way round: see `Forwarding`.
extension Replicator {
    /// Who decides whether a condition holds for a change of a link that `node` made: the node itself, in whatever life; if it
    /// is retired, the least member of its region that is not, or where there is none, the least of all. Witnesses do not.
    package func decider(of node: NodeID) -> NodeID {
        guard members[node]?.isRetired == true else { return node }
        let able = members.values.filter { !$0.isRetired && !$0.isWitness }.map(\.id)
        return able.filter { $0.region == node.region }.min() ?? able.min() ?? settings.member.id
    }

    // MARK: To others

    mutating func forward(_ forward: Forward) {
        precondition(forwarding.sent[forward.id] == nil, "a forward's number is given once")
        let node =
            switch forward.whom {
            case .decider(let author): decider(of: author)
            case .holder(let holder): holder
            }
        let sizeBytes = forward.request.sizeBytes
        guard node != settings.member.id else { return end(forward.id, .own) }
        guard forwarding.sent.count < ReplicationLimits.forwards,
            forwarding.sentBytes + sizeBytes <= ReplicationLimits.forwardedBytes
        else { return end(forward.id, .overloaded) }
        guard let connection = connection(to: node) else { return end(forward.id, .unreachable) }
        let sent = Forwarding.Sent(
            connection: connection, request: nextRequest(), sizeBytes: sizeBytes,
            deadline: now.ticks + forward.timeout)
        forwarding.sent[forward.id] = sent
        forwarding.ids[sent.request] = forward.id
        forwarding.sentBytes += sizeBytes
        forwarding.nextAt = min(forwarding.nextAt, sent.deadline)
        send(connection, .changeRequest(forward.request), request: sent.request)
    }

    private mutating func end(_ id: UInt64, _ outcome: ForwardOutcome) {
        if let sent = forwarding.sent.removeValue(forKey: id) {
            forwarding.ids[sent.request] = nil
            forwarding.sentBytes -= sent.sizeBytes
        }
        effects.append(.forwarded(id, outcome))
    }

    /// One that is no longer waited for, or that nobody asked that peer for, says nothing.
    mutating func received(_ answer: ChangeAnswer, _ request: UInt32, _ session: PeerSession) {
        guard let id = forwarding.ids[request], forwarding.sent[id]!.connection == session.id else { return }
        end(id, .answered(answer))
    }

    /// The connection is gone, and with it the answers; what its peer asked for and has not begun is not done.
    mutating func forwardsLost(_ connection: ConnectionID) {
        for (id, sent) in forwarding.sent.sorted(by: { $0.key < $1.key }) where sent.connection == connection {
            end(id, .unanswered)
        }
        for asker in forwarding.waiting.keys where asker.connection == connection {
            forwarding.waiting[asker] = nil
            settle(asker)
        }
    }

    // MARK: From others

    mutating func received(_ wanted: ChangeRequest, _ request: UInt32, _ session: PeerSession) {
        let asker = Forwarding.Asker(connection: session.id, request: request)
        guard forwarding.taken[asker] == nil else { return close(session.id, .violation) }
        func refuse(_ outcome: ChangeAnswer.Outcome) {
            send(session.id, .changeAnswer(ChangeAnswer(outcome)), request: request)
        }
        guard forwarding.taken.count < ReplicationLimits.forwards,
            forwarding.takenBytes + wanted.sizeBytes <= ReplicationLimits.forwardedBytes
        else { return refuse(.overloaded) }
        // What is not here may be among what this node has still to take.
        guard isReady, !joining.isFrozen else { return refuse(.behind) }
        forwarding.taken[asker] = wanted.sizeBytes
        forwarding.takenBytes += wanted.sizeBytes
        if covers(wanted.positions) { return begin(wanted, asker) }
        let deadline = now.ticks + ReplicationLimits.changeWait
        forwarding.waiting[asker] = Forwarding.Waiting(wanted: wanted, deadline: deadline)
        forwarding.nextAt = min(forwarding.nextAt, deadline)
    }

    private mutating func covers(_ positions: [LogPosition]) -> Bool {
        for position in positions where !covers(position) { return false }
        return true
    }

    private mutating func begin(_ wanted: ChangeRequest, _ asker: Forwarding.Asker) {
        effects.append(.change(asker.connection, request: asker.request, wanted))
    }

    private mutating func settle(_ asker: Forwarding.Asker) {
        forwarding.takenBytes -= forwarding.taken.removeValue(forKey: asker)!
    }

    /// After heads have moved.
    mutating func beginCoveredChanges() {
        for (asker, waiting) in forwarding.waiting.sorted(by: { $0.key < $1.key })
        where covers(waiting.wanted.positions) {
            forwarding.waiting[asker] = nil
            begin(waiting.wanted, asker)
        }
    }

    /// The store has said what came of it.
    mutating func changed(_ id: ConnectionID, _ request: UInt32, _ answer: ChangeAnswer) {
        settle(Forwarding.Asker(connection: id, request: request))
        guard sessions[id]?.isOpen == true else { return }
        send(id, .changeAnswer(answer), request: request)
    }

    // MARK: Time

    mutating func endForwardsThatAreDue() {
        guard forwarding.nextAt <= now.ticks else { return }
        forwarding.nextAt = .max
        for (id, sent) in forwarding.sent.sorted(by: { $0.key < $1.key }) {
            if sent.deadline <= now.ticks {
                end(id, .unanswered)
            } else {
                forwarding.nextAt = min(forwarding.nextAt, sent.deadline)
            }
        }
        for (asker, waiting) in forwarding.waiting.sorted(by: { $0.key < $1.key }) {
            if waiting.deadline <= now.ticks {
                forwarding.waiting[asker] = nil
                changed(asker.connection, asker.request, ChangeAnswer(.behind))
            } else {
                forwarding.nextAt = min(forwarding.nextAt, waiting.deadline)
            }
        }
    }
}
