import CLinux
import Glibc
import Primitives
import Replication

/// Bytes as they come and go, and the ends of connections.
extension PeerTransport {
    // MARK: Reading

    /// Level-triggered: what is not read in this turn is there in the next.
    func read(_ connection: PeerConnection) {
        // The machine first says whether who sent the frame before is a peer.
        if !connection.isAuthenticated, connection.deliveryTurn == turn || !connection.heldBack.isEmpty { return }
        var left = connection.isAuthenticated ? TransportLimits.readBytes : TransportLimits.readBytesOfStrangers
        while left > 0, isPresent(connection) {
            let room = min(left, wireBuffer.count)
            switch System.read(connection.descriptor, UnsafeMutableRawBufferPointer(rebasing: wireBuffer[..<room])) {
            case .done(0): return endedByPeer(connection)
            case .done(let count):
                counted.bytesIn += UInt64(count)
                take(UnsafeRawBufferPointer(rebasing: wireBuffer[..<count]), connection)
                if count < room { return }
                left -= count
            case .notNow: return
            case .failed(let code): return ended(connection, String(cString: strerror(code)))
            }
        }
    }

    /// The peer will send no more. To whom it closes at the same time it still says what it has to say.
    private func endedByPeer(_ connection: PeerConnection) {
        guard case .closing = connection.phase else { return ended(connection, "the peer closed the connection") }
        connection.peerHasEnded = true
        watch(connection, writing: true)
    }

    private func ended(_ connection: PeerConnection, _ reason: String) {
        if case .handshaking = connection.phase { return failHandshake(connection, reason) }
        drop(connection)
    }

    private func take(_ bytes: UnsafeRawBufferPointer, _ connection: PeerConnection) {
        switch connection.phase {
        case .connecting, .handshaking, .open: break
        case .closing, .lingering: return
        }
        guard let channel = connection.channel else { return cut(bytes, connection) }
        channel.take(bytes)
        if case .handshaking = connection.phase, !shakeHands(connection) { return }
        decrypt(channel, connection)
    }

    private func decrypt(_ channel: TLSChannel, _ connection: PeerConnection) {
        do throws(TLSFailure) {
            while isPresent(connection) {
                switch try channel.read(plainBuffer) {
                case .bytes(let count): cut(UnsafeRawBufferPointer(rebasing: plainBuffer[..<count]), connection)
                case .ended: return drop(connection)
                case .later:
                    channel.moveOutput(to: &connection.wire)
                    if !connection.wire.isEmpty { markDirty(connection) }
                    return
                }
            }
        } catch { failHandshake(connection, error.reason) }
    }

    /// Cuts the stream into frames, and holds back what stands behind a frame that the machine must judge first.
    private func cut(_ bytes: UnsafeRawBufferPointer, _ connection: PeerConnection) {
        var rest = RawSpan(_unsafeBytes: bytes)
        while rest.byteCount > 0 {
            if !connection.isAuthenticated, connection.deliveryTurn == turn {
                if connection.heldBack.isEmpty { heldBack.append(connection) }
                return connection.heldBack.append(rest)
            }
            do throws(MalformedBytes) {
                guard let frame = try connection.reader.take(&rest) else { return }
                connection.deliveryTurn = turn
                counted.framesIn += 1
                pending.append(.received(connection.id, frame))
            } catch { return refuseFrame(connection) }
        }
    }

    private func refuseFrame(_ connection: PeerConnection) {
        counted.malformedFrames += 1
        let reason = "the header of a frame cannot be accepted; a payload may have \(connection.reader.limit) bytes"
        end(connection, .init(kind: .malformedFrame, address: connection.address, reason: reason))
    }

    func deliverHeldBack() {
        let connections = heldBack
        heldBack = []
        for connection in connections where isPresent(connection) && connection.isKnownToMachine {
            let bytes = connection.heldBack
            connection.heldBack = []
            bytes.withUnsafeBytes { cut($0, connection) }
        }
    }

    // MARK: Writing

    /// Gives the system what it takes, as much as one turn allows, in as few calls as that needs.
    func write(_ connection: PeerConnection) {
        var left = TransportLimits.writeBytes
        while left > 0, fillWire(connection), !connection.wire.isEmpty {
            let limit = min(left, connection.wire.count)
            switch connection.wire.withFirst(limit, { System.write(connection.descriptor, $0) }) {
            case .done(let count):
                connection.wire.removeFirst(count)
                connection.writeDeadline = .max
                counted.bytesOut += UInt64(count)
                left = count < limit ? 0 : left - count
            case .notNow: left = 0
            case .failed: return stopWriting(connection)
            }
        }
        guard isPresent(connection) else { return }
        if connection.queuedBytes > 0 {
            if connection.writeDeadline == .max { connection.writeDeadline = now + settings.limits.writeTimeout }
            return watch(connection, writing: true)
        }
        watch(connection, writing: false)
        if case .closing = connection.phase { shut(connection) }
    }

    /// Encrypts what waits, once the wire has taken what was encrypted before. False if that cannot be.
    private func fillWire(_ connection: PeerConnection) -> Bool {
        guard connection.wire.isEmpty, !connection.frames.isEmpty, let channel = connection.channel else { return true }
        do throws(TLSFailure) {
            let count = min(connection.frames.count, TransportLimits.encryptedAtOnce)
            try connection.frames.withFirst(count) { (bytes) throws(TLSFailure) in try channel.write(bytes) }
            connection.frames.removeFirst(count)
            channel.moveOutput(to: &connection.wire)
            return true
        } catch {
            failHandshake(connection, error.reason)
            return false
        }
    }

    /// The peer takes nothing any more. What it sent before may still be here: reading finds the end.
    private func stopWriting(_ connection: PeerConnection) {
        connection.frames.removeAll()
        connection.wire.removeAll()
        connection.writeDeadline = .max
        watch(connection, writing: false)
        if case .closing = connection.phase { drop(connection) }
    }

    /// All has left: says so, and waits for the peer to close.
    private func shut(_ connection: PeerConnection) {
        connection.phase = .lingering
        if connection.peerHasEnded { return drop(connection) }
        if let channel = connection.channel {
            channel.sayEnd()
            channel.moveOutput(to: &connection.wire)
            let bytes = connection.wire.count
            // 24 bytes find room in a queue that is empty; a peer that does not get them sees the end all the same.
            if case .done(let count) = connection.wire.withFirst(bytes, { System.write(connection.descriptor, $0) }) {
                counted.bytesOut += UInt64(count)
            }
            connection.wire.removeAll()
        }
        System.shutdownWriting(connection.descriptor)
    }

    func watch(_ connection: PeerConnection, writing: Bool) {
        let events = (connection.peerHasEnded ? 0 : EPOLLIN.rawValue) | (writing ? EPOLLOUT.rawValue : 0)
        guard connection.interest.rawValue != events else { return }
        connection.interest = EPOLL_EVENTS(rawValue: events)
        set.change(connection.descriptor, connection.interest, token: connection.id.rawValue)
    }

    // MARK: Ending

    /// Whatever comes first: a connection's phase or its peer's patience ends, or letting in begins anew.
    var nextDeadline: Int64 {
        let waiting = lookups.values.reduce(acceptsAgainAt) { min($0, $1.deadline) }
        return connections.values.reduce(waiting) { min($0, $1.deadline, $1.writeDeadline) }
    }

    func expire() {
        let now = now
        if now >= acceptsAgainAt { acceptAgain() }
        for (question, dial) in lookups where now >= dial.deadline {
            lookups[question] = nil
            fail(dial, "its name was not looked up in time")
        }
        for connection in connections.values where now >= min(connection.deadline, connection.writeDeadline) {
            now >= connection.deadline ? expirePhase(connection) : expireWriting(connection)
        }
    }

    private func expirePhase(_ connection: PeerConnection) {
        switch connection.phase {
        case .connecting(let dial): giveUp(connection, dial, "no answer in time")
        case .handshaking: failHandshake(connection, "the handshake did not end in time")
        case .closing, .lingering: drop(connection)
        case .open: preconditionFailure("an open connection has no end")
        }
    }

    private func expireWriting(_ connection: PeerConnection) {
        counted.stalledPeers += 1
        let reason = "it takes nothing; \(connection.queuedBytes) bytes wait for it"
        end(connection, .init(kind: .stalled, address: connection.address, reason: reason))
    }

    /// Ends it at once, for a reason that the log shall have.
    func end(_ connection: PeerConnection, _ notice: TransportNotice) {
        note(notice, ofStranger: connection.isStranger)
        if case .handshaking = connection.phase, let address = connection.dialled {
            counted.failedDials += 1
            pending.append(.connectFailed(address: address))
        }
        drop(connection)
    }

    func drop(_ connection: PeerConnection) {
        guard connections.removeValue(forKey: connection.id) != nil else { return }
        // The last reference closes the descriptor.
        if connection.isDirty { dirty.removeAll { $0 === connection } }
        if !connection.heldBack.isEmpty { heldBack.removeAll { $0 === connection } }
        if connection.isKnownToMachine { pending.append(.closed(connection.id)) }
        set.remove(connection.descriptor)
    }
}
