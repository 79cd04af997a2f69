import COpenSSL
import Glibc
import Server

/// Makes certificates for tests, in PEM.
final class TestAuthority {
    struct Identity {
        let certificate, key: [UInt8]
    }

    private let key = TestAuthority.makeKey()
    private let authority: OpaquePointer
    var certificate: [UInt8] { Self.pem { PEM_write_bio_X509($0, authority) } }

    init(_ name: String = "test authority") {
        authority = Self.certificate(name, key, days: -1...10)
        Self.extend(authority, NID_basic_constraints, "critical,CA:TRUE")
        Self.extend(authority, NID_key_usage, "critical,keyCertSign")
        precondition(X509_set_issuer_name(authority, X509_get_subject_name(authority)) == 1)
        precondition(X509_sign(authority, key, nil) > 0)
    }

    deinit {
        X509_free(authority)
        EVP_PKEY_free(key)
    }

    /// A certificate with these alternative names (`URI:edge://prod/eu/0`), valid from and to so many days from now.
    func issue(
        _ names: String?, days: ClosedRange<Int> = -1...1, keyType: Int32 = EVP_PKEY_ED25519
    ) -> Identity {
        let ownKey = Self.makeKey(keyType)
        let certificate = Self.certificate("node", ownKey, days: days)
        defer {
            X509_free(certificate)
            EVP_PKEY_free(ownKey)
        }
        if let names { Self.extend(certificate, NID_subject_alt_name, names) }
        precondition(X509_set_issuer_name(certificate, X509_get_subject_name(authority)) == 1)
        precondition(X509_sign(certificate, key, nil) > 0)
        return Identity(
            certificate: Self.pem { PEM_write_bio_X509($0, certificate) },
            key: Self.pem { PEM_write_bio_PrivateKey($0, ownKey, nil, nil, 0, nil, nil) })
    }

    /// What a node with such a certificate has, which trusts this authority.
    func context(_ names: String?, days: ClosedRange<Int> = -1...1) throws -> TLSContext {
        try context(of: issue(names, days: days))
    }

    /// The same with a certificate from anywhere.
    func context(of identity: Identity) throws -> TLSContext {
        try TLSContext(certificate: identity.certificate, key: identity.key, authorities: certificate)
    }

    private static func makeKey(_ type: Int32 = EVP_PKEY_ED25519) -> OpaquePointer {
        let context = EVP_PKEY_CTX_new_id(type, nil)!
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        precondition(EVP_PKEY_keygen_init(context) == 1 && EVP_PKEY_keygen(context, &key) == 1)
        return key!
    }

    private static func certificate(_ name: String, _ key: OpaquePointer, days: ClosedRange<Int>) -> OpaquePointer {
        let certificate = X509_new()!
        X509_set_version(certificate, 2)
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), Int.random(in: 1...Int(Int32.max)))
        X509_gmtime_adj(X509_getm_notBefore(certificate), days.lowerBound * 86_400)
        X509_gmtime_adj(X509_getm_notAfter(certificate), days.upperBound * 86_400)
        X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", 0x1000, name, -1, -1, 0)  // MBSTRING_UTF8
        precondition(X509_set_pubkey(certificate, key) == 1)
        return certificate
    }

    private static func extend(_ certificate: OpaquePointer, _ id: Int32, _ value: String) {
        let part = X509V3_EXT_conf_nid(nil, nil, id, value)
        defer { X509_EXTENSION_free(part) }
        precondition(part != nil && X509_add_ext(certificate, part, -1) == 1, "no extension: \(value)")
    }

    private static func pem(_ write: (OpaquePointer) -> Int32) -> [UInt8] {
        let memory = BIO_new(BIO_s_mem())!
        defer { BIO_free(memory) }
        precondition(write(memory) == 1)
        var data: UnsafeMutablePointer<CChar>?
        let count = edge_BIO_get_mem_data(memory, &data)
        return Array(UnsafeRawBufferPointer(start: data, count: count))
    }
}

/// One end of a connection that speaks TLS as a test wants it, from its own hands to the socket.
final class TLSClient {
    private let context: OpaquePointer
    private let connection: OpaquePointer
    private let (input, output) = (BIO_new(BIO_s_mem())!, BIO_new(BIO_s_mem())!)
    private let client: Client

    /// At most this version of TLS; nobody's certificate is checked.
    init(_ client: Client, identity: TestAuthority.Identity? = nil, version: Int32 = TLS1_3_VERSION) {
        self.client = client
        let context = SSL_CTX_new(TLS_method())!
        self.context = context
        SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(version), nil)
        if let identity {
            Self.read(identity.certificate) { SSL_CTX_use_certificate(context, PEM_read_bio_X509($0, nil, nil, nil)) }
            Self.read(identity.key) { SSL_CTX_use_PrivateKey(context, PEM_read_bio_PrivateKey($0, nil, nil, nil)) }
        }
        connection = SSL_new(context)!
        SSL_set_bio(connection, input, output)
        SSL_set_connect_state(connection)
    }

    deinit {
        SSL_free(connection)
        SSL_CTX_free(context)
    }

    private static func read(_ pem: [UInt8], _ body: (OpaquePointer) -> Int32) {
        let memory = BIO_new_mem_buf(pem, Int32(pem.count))!
        precondition(body(memory) == 1)
        BIO_free(memory)
    }

    /// Moves what came and what shall leave. False once the other side has closed.
    func move() throws -> Bool {
        var data: UnsafeMutablePointer<CChar>?
        let count = edge_BIO_get_mem_data(output, &data)
        if count > 0 {
            let bytes = Array(UnsafeRawBufferPointer(start: data, count: count))
            edge_BIO_reset(output)
            try? client.send(bytes)
        }
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        let received = recv(client.descriptor, &buffer, buffer.count, 0)
        if received > 0 { BIO_write(input, buffer, Int32(received)) }
        return received > 0 || received < 0 && errno == EAGAIN
    }

    /// Whether the handshake is over on this side.
    func shakesHands() -> Bool {
        ERR_clear_error()
        return SSL_do_handshake(connection) == 1
    }

    func write(_ bytes: [UInt8]) { precondition(SSL_write(connection, bytes, Int32(bytes.count)) == bytes.count) }

    func askForNewKeys() { precondition(SSL_key_update(connection, SSL_KEY_UPDATE_REQUESTED) == 1) }

    func read() -> [UInt8] {
        ERR_clear_error()
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = SSL_read(connection, &buffer, Int32(buffer.count))
        return Array(buffer[..<max(0, Int(count))])
    }

    /// A ticket or a session was given that could be taken up again.
    var isResumable: Bool { SSL_SESSION_is_resumable(SSL_get_session(connection)) == 1 }
    var version: Int32 { SSL_version(connection) }
}
