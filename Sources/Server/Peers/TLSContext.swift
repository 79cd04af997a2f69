import COpenSSL

/// Certificates, and what is demanded of a peer's: TLS 1.3 alone (RFC 8446), a certificate on both sides that chains to the
/// configured authorities, no sessions taken up again, nothing sent before the handshake's end.
///
/// Safety: OpenSSL counts the references to a context, and nothing changes it after `init`.
package final class TLSContext: @unchecked Sendable {
    let context: OpaquePointer

    /// All in PEM: the own certificate with those between it and the authority, its key without a passphrase, and the
    /// authorities of peers' certificates.
    package init(certificate: [UInt8], key: [UInt8], authorities: [UInt8]) throws(TLSFailure) {
        ERR_clear_error()
        guard let context = SSL_CTX_new(TLS_method()) else { throw Self.failure("TLS cannot be set up") }
        self.context = context
        // From here on `deinit` frees the context, also if this throws.
        guard edge_SSL_CTX_set_only_tls_1_3(context) == 1 else { throw Self.failure("TLS 1.3 cannot be set up") }
        _ = SSL_CTX_set_options(context, edge_SSL_OP_PEERS)
        edge_SSL_CTX_set_no_sessions(context)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        try Self.use(certificate, key, in: context)
        try trust(authorities)
    }

    deinit { SSL_CTX_free(context) }

    /// Has a context show the certificate, with those behind it.
    static func use(_ certificate: [UInt8], _ key: [UInt8], in context: OpaquePointer) throws(TLSFailure) {
        let chain = certificates(certificate)
        defer { for certificate in chain { X509_free(certificate) } }
        guard let first = chain.first else { throw failure("the certificate cannot be read") }
        guard SSL_CTX_use_certificate(context, first) == 1 else { throw failure("the certificate cannot be used") }
        for other in chain.dropFirst() where edge_SSL_CTX_add1_chain_cert(context, other) != 1 {
            throw failure("a certificate between the own and the authority cannot be used")
        }
        // Without this OpenSSL would ask whoever sits at the terminal for the passphrase.
        let noPassphrase:
            @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) -> Int32 =
                { _, _, _, _ in -1 }
        let private_ = withMemory(key) { PEM_read_bio_PrivateKey($0, nil, noPassphrase, nil) }
        guard let private_ else { throw failure("the key cannot be read; it must be PEM without a passphrase") }
        defer { EVP_PKEY_free(private_) }
        guard SSL_CTX_use_PrivateKey(context, private_) == 1, SSL_CTX_check_private_key(context) == 1 else {
            throw failure("the key is not the certificate's")
        }
    }

    private func trust(_ authorities: [UInt8]) throws(TLSFailure) {
        let authorities = Self.certificates(authorities)
        defer { for authority in authorities { X509_free(authority) } }
        guard !authorities.isEmpty else { throw Self.failure("the certificate of the authority cannot be read") }
        for authority in authorities where X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority) != 1 {
            throw Self.failure("the certificate of the authority cannot be used")
        }
    }

    /// All that stand in the text; none if one of them cannot be read.
    private static func certificates(_ pem: [UInt8]) -> [OpaquePointer] {
        var found: [OpaquePointer] = []
        withMemory(pem) { memory in
            while let certificate = PEM_read_bio_X509(memory, nil, nil, nil) { found.append(certificate) }
        }
        // The end of the text is told as an error too.
        let error = ERR_peek_last_error()
        if edge_ERR_is_no_pem_start(error) == 1 {
            ERR_clear_error()
            return found
        }
        for certificate in found { X509_free(certificate) }
        return []
    }

    private static func withMemory<Result>(_ bytes: [UInt8], _ body: (OpaquePointer) -> Result) -> Result {
        bytes.withUnsafeBytes { bytes in
            let memory = BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count))!
            defer { BIO_free(memory) }
            return body(memory)
        }
    }

    /// With OpenSSL's own words behind, if it has any.
    static func failure(_ what: String) -> TLSFailure {
        let words = errorWords()
        return TLSFailure(words.map { "\(what): \($0)" } ?? what)
    }

    /// What OpenSSL says of the first error since the last time; nil if there is none. There is none left afterwards.
    static func errorWords() -> String? {
        defer { ERR_clear_error() }
        guard let words = ERR_reason_error_string(ERR_peek_error()) else { return nil }
        return String(cString: words)
    }
}
