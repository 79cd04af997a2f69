import COpenSSL

/// One connection's TLS, between bytes of the wire and bytes of the peers. It has no socket: what comes is put in with
/// `take`, what shall leave is taken out with `moveOutput`.
///
/// Used by one thread at a time.
final class TLSChannel {
    enum Reading {
        case bytes(Int)
        /// When more has come.
        case later
        /// The peer said that it sends no more.
        case ended
    }

    private let connection: OpaquePointer
    /// From the wire and to it; the connection owns both.
    private let input, output: OpaquePointer
    private let context: TLSContext

    init(_ context: TLSContext, isDialler: Bool) {
        self.context = context
        // What fails here is memory alone.
        connection = SSL_new(context.context)!
        (input, output) = (BIO_new(BIO_s_mem())!, BIO_new(BIO_s_mem())!)
        SSL_set_bio(connection, input, output)
        if isDialler { SSL_set_connect_state(connection) } else { SSL_set_accept_state(connection) }
    }

    deinit { SSL_free(connection) }

    /// From the wire.
    func take(_ bytes: UnsafeRawBufferPointer) {
        let count = BIO_write(input, bytes.baseAddress, Int32(bytes.count))
        precondition(count == bytes.count, "memory takes all")
    }

    /// Goes on with what has come; true once both sides have shown certificates that the own side can check.
    func shakeHands() throws(TLSFailure) -> Bool {
        ERR_clear_error()
        let code = SSL_do_handshake(connection)
        if code == 1 { return true }
        guard SSL_get_error(connection, code) == SSL_ERROR_WANT_READ else { throw failure() }
        return false
    }

    func read(_ buffer: UnsafeMutableRawBufferPointer) throws(TLSFailure) -> Reading {
        ERR_clear_error()
        let count = SSL_read(connection, buffer.baseAddress, Int32(buffer.count))
        if count > 0 { return .bytes(Int(count)) }
        switch SSL_get_error(connection, count) {
        case SSL_ERROR_WANT_READ: return .later
        case SSL_ERROR_ZERO_RETURN: return .ended
        default: throw failure()
        }
    }

    /// Takes all of it.
    func write(_ bytes: UnsafeRawBufferPointer) throws(TLSFailure) {
        ERR_clear_error()
        let count = SSL_write(connection, bytes.baseAddress, Int32(bytes.count))
        guard count == bytes.count else { throw failure() }
    }

    /// Tells the peer that nothing more will be sent (close_notify).
    func sayEnd() {
        ERR_clear_error()
        SSL_shutdown(connection)
        ERR_clear_error()
    }

    /// To the wire.
    func moveOutput(to queue: inout ByteQueue) {
        var data: UnsafeMutablePointer<CChar>?
        let count = edge_BIO_get_mem_data(output, &data)
        guard count > 0 else { return }
        queue.append(UnsafeRawBufferPointer(start: data, count: count))
        edge_BIO_reset(output)
    }

    /// The URIs among the alternative names of the peer's certificate, which the handshake has checked.
    var peerNames: [String] {
        guard let certificate = SSL_get0_peer_certificate(connection),
            let names = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil)
        else { return [] }
        let list = OpaquePointer(names)
        defer { GENERAL_NAMES_free(list) }
        return (0..<OPENSSL_sk_num(list)).compactMap { index in
            let name = OPENSSL_sk_value(list, index)!.assumingMemoryBound(to: GENERAL_NAME.self)
            guard name.pointee.type == GEN_URI, let text = name.pointee.d.uniformResourceIdentifier else { return nil }
            let bytes = UnsafeBufferPointer(start: ASN1_STRING_get0_data(text), count: Int(ASN1_STRING_length(text)))
            // A zero byte would be the end of the name for some readers and not for others.
            return bytes.contains(0) ? nil : String(validating: bytes, as: UTF8.self)
        }
    }

    private func failure() -> TLSFailure {
        let words = TLSContext.errorWords()
        let code = SSL_get_verify_result(connection)
        if code != Int(X509_V_OK) {
            return TLSFailure(
                "the certificate is not accepted: \(String(cString: X509_verify_cert_error_string(code)))")
        }
        return TLSFailure(words ?? "the peer broke off")
    }
}
