import CLinux
import Glibc
import HTTP
import Primitives

/// Writing, deadlines and draining.
extension Worker {
    /// Sends what this wake-up has put into the output for one connection.
    func flush(_ connection: Connection) {
        defer {
            output.clear()
            countRedirects()
        }
        if !connection.output.isEmpty {
            connection.output.append(contentsOf: output.bytes)
            return show(.writing, connection)
        }
        if output.count > 0 {
            switch System.write(connection.descriptor, output.bytes) {
            case .done(let count):
                counters.bytesSent.add(UInt64(count))
                if count < output.count { connection.output = Array(output.bytes[count...]) }
            case .notNow: connection.output = Array(output.bytes)
            case .failed: return drop(connection)
            }
        }
        settle(connection)
    }

    func writeOn(_ connection: Connection) {
        switch connection.output.withUnsafeBytes({ System.write(connection.descriptor, $0) }) {
        case .done(let count):
            counters.bytesSent.add(UInt64(count))
            connection.lastProgress = monotonicNow
            connection.output.removeFirst(count)
        case .notNow: return
        case .failed: return drop(connection)
        }
        if connection.output.isEmpty, case .open = connection.phase {
            take(UnsafeRawBufferPointer(start: nil, count: 0), connection)
            return flush(connection)
        }
        settle(connection)
    }

    /// What the connection waits for next. One that does not take its answers is not read from.
    func settle(_ connection: Connection) {
        guard connection.output.isEmpty, !connection.isHeldBack else { return show(.writing, connection) }
        switch connection.phase {
        case .open, .lingering: show(.reading, connection)
        // It may be readable, which is looked at once; but it is writable all the time.
        case .awaitingAnswer: if connection.interest == .writing { show(.nothing, connection) }
        case .closing:
            if connection.hasEnded { return drop(connection) }
            System.shutdownWriting(connection.descriptor)
            connection.phase = .lingering
            connection.lastProgress = monotonicNow
            connection.requestStart = monotonicNow
            show(.reading, connection)
        }
    }

    private func countRedirects() {
        guard redirectsInOutput > 0 else { return }
        counters.redirects.add(redirectsInOutput)
        counters.answers.add(.code, redirectStatus, redirectsInOutput)
        counters.noteLatency(
            microseconds: System.monotonicMicroseconds() - wakeUpMicroseconds, count: redirectsInOutput)
        redirectsInOutput = 0
    }

    // MARK: Deadlines and draining

    func sweep() {
        nextSweep = monotonicNow + ConnectionLimits.sweepMilliseconds
        if let acceptsAgainAt, monotonicNow >= acceptsAgainAt {
            self.acceptsAgainAt = nil
            events.change(listener.descriptor, EPOLLIN, token: Self.listenerToken)
        }
        for connection in connections.all where connection.isOverdue(at: monotonicNow) {
            if case .open = connection.phase, connection.output.isEmpty, connection.requestStart != nil {
                counters.refusals.add()
                refuse(.requestTimeout, connection)
                connection.phase = .closing
                flush(connection)
            } else {
                drop(connection)
            }
        }
    }

    /// From now on every answer closes its connection, and idle connections are closed; new ones are still let in, so
    /// that whoever asks for readiness learns of the drain.
    func beginDraining() {
        isDraining = true
        for connection in connections.all where connection.isIdle {
            // A request may have come just now; and on a connection without any so far, the first is on its way.
            readOn(connection)
            if connection.isIdle, !connection.isFresh, self.connection(connection.handle) === connection {
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
            acceptConnections()
        } while counters.connectionsOpened.value > before
        acceptsAgainAt = nil
        events.remove(listener.descriptor)
        System.shutListener(listener.descriptor)
    }

    /// Connections that are owed something. One that has just been opened is: its first request is on its way.
    var busyCount: Int {
        connections.all.count { connection in
            if case .lingering = connection.phase { return false }
            if connection.isFresh, monotonicNow - connection.lastProgress < ConnectionLimits.freshMilliseconds {
                return true
            }
            return !connection.isIdle
        }
    }
}
