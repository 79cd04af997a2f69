import COpenSSL

/// A client's TLS, on the server's side. It has no socket: what came is opened, and what is sealed leaves by the wire of
/// the thread that has the connection.
///
///     handshake ──▶ open ──▶ ended      the client has said that it sends no more
///         └───────────┴────▶ failed     nothing can be sent but the alert that is on the wire
///
/// Used by one thread at a time.
final class TLSSession {
    enum State: Equatable { case handshake, open, ended, failed }

    private let connection: OpaquePointer
    /// Read from and written to; the connection owns it.
    private let bio: OpaquePointer
    /// What new connections have may be newer.
    private let identities: TLSIdentities
    private(set) var state = State.handshake
    private var hasSaidEnd = false
    /// Where its bytes come from and go to.
    var wire: TLSWire { didSet { wire.lead(bio) } }

    init(_ identities: TLSIdentities, _ wire: TLSWire) {
        (self.identities, self.wire) = (identities, wire)
        // What fails here is memory alone.
        connection = SSL_new(identities.initial)!
        bio = TLSWire.makeBIO()
        SSL_set_bio(connection, bio, bio)
        wire.lead(bio)
        SSL_set_accept_state(connection)
    }

    deinit { SSL_free(connection) }

    /// A part of a record has come, and OpenSSL holds it.
    var holdsPart: Bool { SSL_has_pending(connection) == 1 }
    /// The handshake took up an earlier session.
    var isResumed: Bool { SSL_session_reused(connection) == 1 }
    /// Nil before the handshake's end.
    var version: TLSVersion? {
        guard state != .handshake else { return nil }
        return SSL_version(connection) == TLS1_3_VERSION ? .tls13 : .tls12
    }

    /// Goes on with what came; the number of plain bytes, which stand in `plain`. What is to be said in return, as in a
    /// handshake, is on the wire then.
    ///
    /// - Parameter plain: room for as many bytes as came, and `TLSLimits.recordBytes` more.
    func open(_ bytes: UnsafeRawBufferPointer, into plain: UnsafeMutableRawBufferPointer) -> Int {
        precondition(plain.count >= bytes.count + TLSLimits.recordBytes)
        return wire.feed(bytes) {
            ERR_clear_error()
            if state == .handshake, !shakeHands() { return 0 }
            var filled = 0
            while state == .open, !wire.input.isEmpty {
                var count = 0
                let code = SSL_read_ex(connection, plain.baseAddress! + filled, plain.count - filled, &count)
                if code == 1 { filled += count } else { note(SSL_get_error(connection, code)) }
            }
            return filled
        }
    }

    /// True once both sides are done.
    private func shakeHands() -> Bool {
        let code = SSL_do_handshake(connection)
        if code == 1 {
            state = .open
        } else if SSL_get_error(connection, code) != SSL_ERROR_WANT_READ {
            state = .failed
        }
        return code == 1
    }

    private func note(_ error: Int32) {
        switch error {
        case SSL_ERROR_WANT_READ: precondition(wire.input.isEmpty, "OpenSSL reads all that there is")
        case SSL_ERROR_ZERO_RETURN: state = .ended
        default: state = .failed
        }
    }

    /// Puts the bytes on the wire, in as few records as hold them. Nothing, once the session has failed.
    func seal(_ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty, state == .open || state == .ended, !hasSaidEnd else { return }
        ERR_clear_error()
        var count = 0
        if SSL_write_ex(connection, bytes.baseAddress, bytes.count, &count) != 1 { state = .failed }
    }

    /// Tells the client that nothing more will be sent (close_notify), once; it stands on the wire then.
    func sayEnd() {
        guard state == .open || state == .ended, !hasSaidEnd else { return }
        hasSaidEnd = true
        ERR_clear_error()
        SSL_shutdown(connection)
        ERR_clear_error()
    }
}

package enum TLSVersion: UInt8, Sendable { case tls12 = 2, tls13 = 3 }

/// Bounds of HTTPS.
enum TLSLimits {
    /// Plain bytes of a record (RFC 8446 5.1).
    static let recordBytes = 16_384
    /// Keys of tickets change so often.
    static let ticketSlotMilliseconds: Int64 = 12 * 3_600_000
    /// How long a session may be taken up again.
    static let sessionSeconds = 12 * 3600
    /// Pairs of a certificate and its key.
    static let pairs = 64
    /// How often it is looked whether a certificate is about to end.
    static let endLookMilliseconds: Int64 = 3_600_000
    /// From when on that is said.
    static let endNoticeSeconds = 14 * 86_400
    static let challengeTokenBytes = 128
    static let challengeFileBytes = 4096
}
