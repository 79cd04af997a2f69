import Primitives

/// Whom to connect to, and when.
extension Replicator {
    /// Addresses of the configuration and of the members, once each.
    mutating func learnAddresses() {
        for address in addresses where dials[address] == nil {
            dials[address] = Dial(phase: .waiting(until: now.ticks))
        }
        let others = members.values.filter { $0.id != settings.member.id && !$0.isRetired }
        for member in others {
            for address in member.addresses where dials[address] == nil {
                dials[address] = Dial(phase: .waiting(until: now.ticks), node: member.id)
            }
        }
        let known = Set(addresses).union(others.flatMap(\.addresses))
        for address in dials.keys where !known.contains(address) { dials[address] = nil }
    }

    func isConnected(_ node: NodeID) -> Bool {
        sessions.values.contains { $0.isAuthenticated && $0.node == node }
    }

    mutating func dialWhatIsDue() {
        guard joining != .reborn else { return }
        for address in dials.keys.sorted() {
            guard case .waiting(let until) = dials[address]!.phase, until <= now.ticks else { continue }
            if let node = dials[address]!.node, isConnected(node) {
                dials[address]!.phase = .waiting(until: now.ticks + ReplicationLimits.longestBackOff)
                continue
            }
            dials[address]!.phase = .connecting
            effects.append(.connect(address: address))
        }
    }

    /// Twice as long after each failure, by half more or less at random.
    mutating func backOff(_ address: String) {
        guard var dial = dials[address], dial.phase != .own else { return }
        let whole = min(
            ReplicationLimits.firstBackOff << min(dial.failures, 16), ReplicationLimits.longestBackOff)
        dial.failures += 1
        dial.phase = .waiting(until: now.ticks + .random(in: whole / 2...whole * 3 / 2, using: &random))
        dials[address] = dial
    }

    mutating func opened(_ session: PeerSession) {
        precondition(sessions[session.id] == nil)
        let strangers = sessions.values.count { !$0.isAuthenticated && $0.role == .listener }
        sessions[session.id] = session
        if let address = session.address { dials[address]?.phase = .connected(session.id) }
        if session.role == .listener, strangers >= ReplicationLimits.unauthenticatedConnections {
            return reject(session.id, .busy, "too many connections wait for their proof")
        }
        if joining == .reborn { return reject(session.id, .busy, "a new incarnation is about to begin") }
        if session.role == .dialler { sendHello(session.id) }
    }

    /// The connection is gone, whoever closed it.
    mutating func forget(_ id: ConnectionID) {
        guard let session = sessions.removeValue(forKey: id) else { return }
        if session.providing != nil { effects.append(.closeSnapshot(id)) }
        unpin(id)
        for origin in intakes.keys { intakes[origin]!.queue.removeAll { $0.connection == id } }
        if joining.connection == id { pauseJoining() }
        comparison.closed(id)
        lookupsLost(id)
        forwardsLost(id)
        if session.isAuthenticated { judgeOwnClock() }
        if let address = session.address, dials[address]?.phase == .connected(id) { backOff(address) }
        guard session.isOpen, !isConnected(session.node) else { return }
        // Its other addresses may be tried at once.
        for (address, dial) in dials where dial.node == session.node {
            if case .waiting(let until) = dial.phase {
                dials[address]!.phase = .waiting(until: min(until, now.ticks + ReplicationLimits.firstBackOff))
            }
        }
    }
}
