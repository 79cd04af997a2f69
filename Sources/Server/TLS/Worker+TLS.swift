import Glibc
import HTTP
import Primitives

/// What a worker that serves HTTPS has besides.
///
/// Safety: the worker's thread's.
final class WorkerTLS {
    let server: ServerTLS
    let listener: Listener
    let wire = TLSWire()
    /// What one read came to. OpenSSL may have held a part of a record from before, and what was read may have been held
    /// back with the beginning of a proxy's header.
    let plain = UnsafeMutableRawBufferPointer.allocate(
        byteCount: ProxyHeader.longest + ConnectionLimits.readBytes + TLSLimits.recordBytes, alignment: 16)

    init(_ server: ServerTLS, _ listener: Listener) { (self.server, self.listener) = (server, listener) }

    deinit { plain.deallocate() }
}

/// Connections that speak TLS. What `Connection` holds of them is what any other has: plain bytes of requests, and what is to
/// be sent as it leaves.
extension Worker {
    /// Opens what was read, and answers what is whole of it.
    func readRecords(_ records: UnsafeRawBufferPointer, _ connection: Connection, _ session: TLSSession) {
        guard let tls else { preconditionFailure("TLS is spoken on its own port") }
        guard connection.mayBeginWithProxyHeader else {
            openRecords(records, connection, session, tls)
            return flush(connection)
        }
        // What a proxy says stands before everything else.
        connection.input.append(contentsOf: records)
        if takeProxyHeader(connection) {
            let rest = connection.input
            connection.input = []
            rest.withUnsafeBytes { openRecords($0, connection, session, tls) }
        }
        flush(connection)
    }

    private func openRecords(
        _ records: UnsafeRawBufferPointer, _ connection: Connection, _ session: TLSSession, _ tls: WorkerTLS
    ) {
        if !connection.hasBegunTLS, let first = records.first {
            connection.hasBegunTLS = true
            // A letter begins a method, and no record.
            if (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(first) { return refusePlain(connection) }
        }
        let wasShaking = session.state == .handshake
        let count = session.open(records, into: tls.plain)
        connection.holdsPartOfRecord = session.holdsPart
        if wasShaking { note(session) }
        switch session.state {
        case .handshake, .open: break
        case .ended: connection.hasEnded = true
        case .failed:
            connection.input = []
            connection.phase = .closing
            return
        }
        if count > 0 { connection.isFresh = false }
        if count > 0 || connection.hasEnded {
            take(UnsafeRawBufferPointer(rebasing: tls.plain[..<count]), connection)
        }
    }

    /// A handshake went on.
    private func note(_ session: TLSSession) {
        switch session.state {
        case .handshake: break
        case .failed: counters.tls.add(.failed)
        case .open, .ended:
            switch (session.version, session.isResumed) {
            case (.tls12, false): counters.tls.add(.full12)
            case (.tls12, true): counters.tls.add(.resumed12)
            case (.tls13, false): counters.tls.add(.full13)
            case (.tls13, true): counters.tls.add(.resumed13)
            case (nil, _): preconditionFailure("a session that is open has a version")
            }
        }
    }

    /// Plain HTTP is told in plain HTTP that it came to the wrong port.
    private func refusePlain(_ connection: Connection) {
        counters.tls.add(.plain)
        counters.refusals.add()
        connection.session = nil
        connection.phase = .closing
        refuse(.plainRequest, connection)
    }

    /// Puts the turn's answers on the wire, with the end behind the last one.
    func seal(_ connection: Connection, _ session: TLSSession) {
        session.seal(output.bytes)
        if case .closing = connection.phase { session.sayEnd() }
    }

    /// Tells a client whose connection is closed, though nothing is wrong with it, that no more comes: nobody can cut a
    /// connection unnoticed. Not where something is owed.
    func bidFarewell(_ connection: Connection) {
        guard let session = connection.session, let tls, connection.output.isEmpty else { return }
        tls.wire.output.clear()
        session.sayEnd()
        if tls.wire.output.count > 0 { _ = System.write(connection.descriptor, tls.wire.output.bytes) }
        tls.wire.output.clear()
    }
}

/// What came of TLS handshakes. Time-outs are counted with those of connections.
enum TLSOutcome: Int, CaseIterable {
    case full12, resumed12, full13, resumed13
    /// An alert was sent or came, or what came is no TLS.
    case failed
    /// The client went away before the end.
    case abandoned
    /// Plain HTTP.
    case plain
}

/// Safety: as `CounterRow`.
final class TLSCounters: Sendable {
    private let row = CounterRow(count: TLSOutcome.allCases.count)

    func add(_ outcome: TLSOutcome) { row.add(outcome.rawValue) }
    func value(_ outcome: TLSOutcome) -> UInt64 { row.values[outcome.rawValue] }
}
