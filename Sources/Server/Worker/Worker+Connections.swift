import CLinux
import Glibc
import HTTP

/// Letting connections in, and closing them: for a newcomer, or because their time is over.
extension Worker {
    func acceptConnections(_ listener: Listener) {
        for turn in 0..<ConnectionLimits.acceptsPerWakeUp {
            // Only the first is known to be there, and nobody is closed for one who may not be.
            guard budget.takePlace() || (turn == 0 && makeRoom() && budget.takePlace()) else {
                if turn == 0, budget.awaitPlace() { restFromAccepting(awaitingPlace: true) }
                return
            }
            guard acceptOne(listener, isKnown: turn == 0) else { return }
        }
    }

    /// Into a place that was taken; false if no more can be accepted now. `isKnown`: somebody waits. The system tells that
    /// no descriptors are left whether or not somebody does.
    private func acceptOne(_ listener: Listener, isKnown: Bool) -> Bool {
        var peer = sockaddr_storage()
        for hasMadeRoom in [false, true] {
            switch System.accept(listener.descriptor, &peer) {
            case .done(let descriptor):
                open(Int32(descriptor), IPAddress(peer) ?? IPAddress(ipv4: 0), listener)
                return true
            case .notNow:
                budget.leavePlace()
                return false
            case .failed(let code) where [EMFILE, ENFILE, ENOMEM, ENOBUFS].contains(code):
                // Whoever is here is served, but for one that can be spared; who waits outside is looked at again in a
                // moment, without spinning.
                if isKnown, !hasMadeRoom, closeSpare() { continue }
                budget.leavePlace()
                if isKnown { restFromAccepting(awaitingPlace: false) }
                return false
            case .failed:  // The client went away before it was let in.
                budget.leavePlace()
                return true
            }
        }
        preconditionFailure("the second failure rests")
    }

    private func restFromAccepting(awaitingPlace: Bool) {
        counters.acceptRests.add()
        for (listener, token) in doors { events.change(listener.descriptor, Self.noEvents, token: token) }
        acceptsAgainAt = monotonicNow + ConnectionLimits.acceptRestMilliseconds
        awaitsPlace = awaitingPlace
    }

    func acceptAgain() {
        acceptsAgainAt = nil
        for (listener, token) in doors { events.change(listener.descriptor, EPOLLIN, token: token) }
    }

    private func open(_ descriptor: Int32, _ peer: IPAddress, _ listener: Listener) {
        System.setNoDelay(descriptor)
        let connection = connections.add(descriptor, now: wakeUpMicroseconds)
        note(peer, connection)
        connection.mayBeginWithProxyHeader = connection.isTrustedProxy
        counters.connectionsOpened.add()
        if let tls, listener === tls.listener {
            connection.session = TLSSession(tls.server.identities, tls.wire)
            connections.move(connection, to: .handshake, at: wakeUpMicroseconds)
        }
        if !events.add(descriptor, EPOLLIN, token: connection.handle.token) { drop(connection) }
    }

    func drop(_ connection: Connection) {
        bidFarewell(connection)
        close(connection.descriptor)
        release(connection)
        budget.leavePlace()
    }

    /// It is no longer this worker's.
    func release(_ connection: Connection) {
        counters.connectionsClosed.add()
        connection.clientEnd?.note()
        _ = budget.keep(-connection.accountedBytes)
        connections.remove(connection)
    }

    // MARK: Standing

    /// Puts a connection that was looked at where it belongs.
    func place(_ connection: Connection) {
        let standing = connection.presentStanding
        if standing != connection.standing || connection.hasProgressed {
            connection.hasProgressed = false
            connections.move(connection, to: standing, at: wakeUpMicroseconds)
        }
        let kept = connection.keptBytes
        guard kept != connection.accountedBytes else { return }
        let change = kept - connection.accountedBytes
        connection.accountedBytes = kept
        if budget.keep(change) { relieve(by: connection) }
    }

    /// The connections together keep too much, and this one has just come to keep more: who keeps the node waiting
    /// makes room, else this one.
    private func relieve(by connection: Connection) {
        while budget.isOverfull, let slow = firstSlow(), slow !== connection {
            counters.spared(slow.standing)
            drop(slow)
        }
        guard budget.isOverfull else { return }
        counters.shed(.keptBytes)
        switch connection.standing {
        case .handshake, .idle, .lingering: return
        case .answer:
            // It is told with the answer that nothing behind its request was looked at.
            guard case .awaitingAnswer(var form) = connection.phase else { return }
            form.keepsAlive = false
            connection.phase = .awaitingAnswer(form)
            connection.input = []
            place(connection)
        case .writing: drop(connection)
        case .head, .body: cut(connection, .overloaded)
        }
    }

    /// Answers and closes a connection whose request is not whole.
    private func cut(_ connection: Connection, _ problem: Problem) {
        connection.input = []
        connection.reader = RequestReader()
        connection.phase = .closing
        refuse(problem, connection)
        flush(connection)
    }

    // MARK: Making room

    /// Closes what can best be spared if it is this worker's, else asks whose it is. Whether it was this worker's.
    private func makeRoom() -> Bool {
        tellSpare()
        guard let worker = budget.bestSpare(now: wakeUpMicroseconds) else { return false }
        if worker === self { return closeSpare() }
        worker.sparesAsked.add(1, ordering: .relaxed)
        worker.wakeUp.signal()
        return false
    }

    /// Makes as much room as other workers asked for, as long as it is needed. What they knew of this one may have been old:
    /// if another worker's connection turns out to be the better one to close, that one is asked.
    func closeAskedSpares() {
        guard sparesAsked.load(ordering: .relaxed) > 0 else { return }
        let asked = sparesAsked.exchange(0, ordering: .relaxed)
        for _ in 0..<min(asked, ConnectionLimits.acceptsPerWakeUp) where budget.isFull { _ = makeRoom() }
    }

    /// Closes the connection that has been idle longest, else the one that has kept the node waiting too long by the
    /// measure of a full table. False if there is none.
    private func closeSpare() -> Bool {
        for _ in 0..<ConnectionLimits.spareTries {
            guard let idle = connections.first(.idle) else { break }
            // A request may have come just now.
            let (handle, received) = (idle.handle, counters.bytesReceived.value)
            readOn(idle)
            guard let idle = connection(handle) else { return true }
            guard counters.bytesReceived.value == received else { continue }
            counters.spared(.idle)
            drop(idle)
            return true
        }
        guard let slow = firstSlow() else { return false }
        counters.spared(slow.standing)
        drop(slow)
        return true
    }

    private static let slowStandings: [Connection.Standing] = [.handshake, .lingering, .head, .writing, .body]

    /// The first that has kept the node waiting longer than a full table allows.
    private func firstSlow() -> Connection? {
        let spare = slowSpare()
        guard spare.spare.isFree(at: wakeUpMicroseconds) else { return nil }
        return spare.connection
    }

    private func slowSpare() -> (connection: Connection?, spare: Spare) {
        var best: (connection: Connection?, spare: Spare) = (nil, .none)
        for standing in Self.slowStandings {
            guard let connection = connections.first(standing), let timeout = timeouts[standing] else { continue }
            let spare = Spare(slowFrom: connection.since + timeout / ConnectionLimits.pressedShare)
            if spare.key < best.spare.key { best = (connection, spare) }
        }
        return best
    }

    /// Tells the other workers how well this one could spare a connection.
    func tellSpare() {
        let best = connections.first(.idle).map { Spare(idleSince: $0.since) } ?? slowSpare().spare
        spare.store(best.key, ordering: .relaxed)
    }

    // MARK: Deadlines

    /// Closes who has taken longer than its time, as far as a wake-up has time for it.
    func sweep() {
        nextSweep = monotonicNow + ConnectionLimits.sweepMilliseconds
        try? reader.lookAround()
        counters.majorFaults.set(System.majorFaultsOfThread())
        var left = ConnectionLimits.expiriesPerWakeUp
        for standing in Connection.Standing.allCases {
            guard let timeout = timeouts[standing] else { continue }
            while let connection = connections.first(standing), wakeUpMicroseconds - connection.since > timeout {
                guard left > 0 else {
                    nextSweep = monotonicNow
                    return
                }
                left -= 1
                expire(connection)
            }
        }
    }

    private func expire(_ connection: Connection) {
        counters.expired(connection.standing)
        switch connection.standing {
        case .head, .body:
            counters.refusals.add()
            cut(connection, .requestTimeout)
        case .handshake, .idle, .answer, .writing, .lingering: drop(connection)
        }
    }
}
