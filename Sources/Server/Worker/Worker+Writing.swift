import CLinux
import Glibc
import HTTP
import Primitives

/// Writing and draining.
extension Worker {
    /// Sends what this turn has put into the output for one connection.
    func flush(_ connection: Connection) {
        let isAlive: Bool
        if let session = connection.session, let tls {
            seal(connection, session)
            isAlive = send(tls.wire.output.bytes, connection)
            tls.wire.output.clear()
        } else {
            isAlive = send(output.bytes, connection)
        }
        output.clear()
        if isAlive { settle(connection) } else { drop(connection) }
    }

    /// False if the connection is gone.
    private func send(_ bytes: UnsafeRawBufferPointer, _ connection: Connection) -> Bool {
        if !connection.output.isEmpty {
            connection.output.append(contentsOf: bytes)
        } else if bytes.count > 0 {
            switch System.write(connection.descriptor, bytes) {
            case .done(let count):
                counters.bytesSent.add(UInt64(count))
                if count < bytes.count { connection.output = Array(bytes[count...]) }
            case .notNow: connection.output = Array(bytes)
            case .failed: return false
            }
        }
        return true
    }

    func writeOn(_ connection: Connection) {
        if !connection.output.isEmpty {
            switch connection.output.withUnsafeBytes({ System.write(connection.descriptor, $0) }) {
            case .done(let count):
                counters.bytesSent.add(UInt64(count))
                connection.hasProgressed = true
                // The memory goes too: many wait with nothing to send.
                connection.output = count == connection.output.count ? [] : Array(connection.output[count...])
            case .notNow: return
            case .failed: return drop(connection)
            }
        }
        settle(connection)
    }

    /// What the connection waits for next. One that does not take its answers is not read from.
    func settle(_ connection: Connection) {
        if !connection.output.isEmpty {
            show(.writing, connection)
        } else if connection.isHeldBack {
            show(.nothing, connection)
            queue(connection)
        } else {
            switch connection.phase {
            case .open, .lingering: show(.reading, connection)
            // It may be readable, which is looked at once; but it is writable all the time.
            case .awaitingAnswer:
                if connection.clientEnd != nil {
                    show(.end, connection)
                } else if connection.interest == .writing {
                    show(.nothing, connection)
                }
            case .closing:
                if connection.hasEnded { return drop(connection) }
                System.shutdownWriting(connection.descriptor)
                connection.phase = .lingering
                show(.reading, connection)
            }
        }
        place(connection)
    }

    // MARK: Further turns

    private func queue(_ connection: Connection) {
        guard !connection.isQueued else { return }
        connection.isQueued = true
        waitingForTurn.append(connection.handle)
    }

    /// Goes on with connections that had more requests than a turn answers. Those that have had few come first at each
    /// wake-up, however many of these there are.
    func takeFurtherTurns() {
        guard !waitingForTurn.isEmpty else { return }
        let turns = Array(waitingForTurn.prefix(ConnectionLimits.furtherTurnsPerWakeUp))
        waitingForTurn.removeFirst(turns.count)
        for handle in turns {
            guard let connection = connection(handle) else { continue }
            connection.isQueued = false
            take(UnsafeRawBufferPointer(start: nil, count: 0), connection)
            flush(connection)
        }
    }

    // MARK: Draining

    /// From now on every answer closes its connection, and idle connections are closed; new ones are still let in, so
    /// that whoever asks for readiness learns of the drain.
    func beginDraining() {
        isDraining = true
        for connection in connections.all where connection.standing == .idle {
            // A request may have come just now; and on a connection without any so far, the first is on its way.
            readOn(connection)
            if connection.standing == .idle, !connection.isFresh, self.connection(connection.handle) === connection {
                drop(connection)
            }
        }
    }

    /// Nobody is let in any more, but for those who wait at the door already.
    func shut() {
        guard !isShut else { return }
        isShut = true
        acceptsAgainAt = nil
        var before: UInt64
        repeat {
            before = counters.connectionsOpened.value
            for door in doors { acceptConnections(door.listener) }
        } while counters.connectionsOpened.value > before
        acceptsAgainAt = nil
        for (listener, _) in doors {
            events.remove(listener.descriptor)
            System.shutListener(listener.descriptor)
        }
    }

    /// Whether connections are owed something. One that has just been opened is: its first request is on its way, or its
    /// handshake. All that are idle while draining are such; the youngest stands last.
    var isBusy: Bool {
        let owed: [Connection.Standing] = [.head, .body, .answer, .writing]
        if owed.contains(where: { connections.count($0) > 0 }) { return true }
        return [Connection.Standing.idle, .handshake].contains { standing in
            guard let youngest = connections.last(standing), youngest.isFresh else { return false }
            return wakeUpMicroseconds - youngest.since < ConnectionLimits.freshMilliseconds * 1000
        }
    }
}
