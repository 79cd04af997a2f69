import COpenSSL
import Glibc
import Server
import Testing

/// One connection to a node's HTTPS, which speaks TLS as a test wants it.
final class SecureClient {
    struct Settings {
        /// The host that it asks for.
        var name: String?
        var versions = TLS1_2_VERSION...TLS1_3_VERSION
        var protocols: [String] = []
        /// Of TLS 1.3, and of TLS 1.2.
        var suites: String?
        var ciphers: String?
        /// As `session` gave it, to be taken up again.
        var session: [UInt8]?
        var receiveBytes: Int32?
    }

    /// The socket.
    let client: Client
    private let context: OpaquePointer
    let connection: OpaquePointer
    private let (input, output) = (BIO_new(BIO_s_mem())!, BIO_new(BIO_s_mem())!)
    private var received: [UInt8] = []
    /// What OpenSSL says of why it cannot go on.
    private(set) var failure: String?
    /// The node has said that nothing more comes, and it has closed.
    private(set) var hasEndedInOrder = false
    private(set) var hasClosed = false
    private(set) var ticketCount = 0

    /// Connected, and the handshake not begun.
    init(to node: RunningNode, _ settings: Settings = Settings()) throws {
        client = try Client(of: node, port: node.tlsPort, receiveBytes: settings.receiveBytes)
        let context = SSL_CTX_new(TLS_client_method())!
        self.context = context
        SSL_CTX_set_security_level(context, 0)
        SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(settings.versions.lowerBound), nil)
        SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(settings.versions.upperBound), nil)
        SSL_CTX_ctrl(
            context, SSL_CTRL_SET_SESS_CACHE_MODE, Int(SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL), nil)
        if let suites = settings.suites { precondition(SSL_CTX_set_ciphersuites(context, suites) == 1) }
        if let ciphers = settings.ciphers { precondition(SSL_CTX_set_cipher_list(context, ciphers) == 1) }
        if !settings.protocols.isEmpty {
            let list = settings.protocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
            precondition(SSL_CTX_set_alpn_protos(context, list, UInt32(list.count)) == 0)
        }
        connection = SSL_new(context)!
        if let name = settings.name {
            _ = name.withCString {
                SSL_ctrl(
                    connection, SSL_CTRL_SET_TLSEXT_HOSTNAME, Int(TLSEXT_NAMETYPE_host_name),
                    UnsafeMutableRawPointer(mutating: $0))
            }
        }
        SSL_set_bio(connection, input, output)
        SSL_set_connect_state(connection)
        if let session = settings.session { resume(session) }
        SSL_CTX_set_ex_data(context, 0, Unmanaged.passUnretained(self).toOpaque())
        SSL_CTX_sess_set_new_cb(context) { connection, _ in
            let client = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), 0)!
            Unmanaged<SecureClient>.fromOpaque(client).takeUnretainedValue().ticketCount += 1
            return 0
        }
    }

    /// Connected, and the handshake done.
    convenience init(open node: RunningNode, _ settings: Settings = Settings()) throws {
        try self.init(to: node, settings)
        guard try shakeHands() else { throw HarnessError("no handshake: \(failure ?? "the node closed")") }
    }

    deinit {
        SSL_free(connection)
        SSL_CTX_free(context)
    }

    private func resume(_ bytes: [UInt8]) {
        bytes.withUnsafeBufferPointer { bytes in
            var place = bytes.baseAddress
            let session = d2i_SSL_SESSION(nil, &place, bytes.count)!
            precondition(SSL_set_session(connection, session) == 1)
            SSL_SESSION_free(session)
        }
    }

    // MARK: TLS

    /// False if it does not come about: `failure`, or the node closed.
    func shakeHands() throws -> Bool {
        while true {
            ERR_clear_error()
            let code = SSL_do_handshake(connection)
            let isOver = code != 1 && !wantsMore(code)
            try push()
            if code == 1 { return true }
            if isOver { return false }
            guard try pull() else { return false }
        }
    }

    private func wantsMore(_ code: Int32) -> Bool {
        switch SSL_get_error(connection, code) {
        case SSL_ERROR_WANT_READ: return true
        case SSL_ERROR_ZERO_RETURN: hasEndedInOrder = true
        default: failure = ERR_reason_error_string(ERR_peek_last_error()).map { String(cString: $0) } ?? "nothing said"
        }
        return false
    }

    /// What shall leave, taken out instead of being sent.
    func takeOutput() -> [UInt8] {
        var data: UnsafeMutablePointer<CChar>?
        let count = edge_BIO_get_mem_data(output, &data)
        let bytes = count > 0 ? Array(UnsafeRawBufferPointer(start: data, count: count)) : []
        edge_BIO_reset(output)
        return bytes
    }

    private func push() throws { try client.send(takeOutput()) }

    /// Waits for what comes. False at the end of the connection.
    func pull() throws -> Bool {
        let deadline = Deadline()
        var bytes = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(client.descriptor, &bytes, bytes.count, 0)
            if count > 0 {
                precondition(BIO_write(input, bytes, Int32(count)) == count)
                return true
            }
            if count == 0 || errno == ECONNRESET || errno == EPIPE {
                hasClosed = true
                return false
            }
            guard errno == EAGAIN || errno == EINTR else { throw HarnessError(String(cString: strerror(errno))) }
            guard deadline.wait(client.descriptor, for: POLLIN) else { throw HarnessError("nothing came") }
        }
    }

    var version: Int32 { SSL_version(connection) }
    var isResumed: Bool { SSL_session_reused(connection) == 1 }
    var cipher: String { String(cString: SSL_CIPHER_get_name(SSL_get_current_cipher(connection))) }

    var chosenProtocol: String? {
        var (name, count): (UnsafePointer<UInt8>?, UInt32) = (nil, 0)
        SSL_get0_alpn_selected(connection, &name, &count)
        return count > 0 ? String(decoding: UnsafeBufferPointer(start: name, count: Int(count)), as: UTF8.self) : nil
    }

    /// The common name of the certificate that it was shown.
    var shownName: String {
        var name = [CChar](repeating: 0, count: 256)
        X509_NAME_get_text_by_NID(
            X509_get_subject_name(SSL_get0_peer_certificate(connection)), NID_commonName, &name, 256)
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Whether it was shown that certificate.
    func isShown(_ identity: TestAuthority.Identity) -> Bool {
        let memory = BIO_new_mem_buf(identity.certificate, Int32(identity.certificate.count))
        defer { BIO_free(memory) }
        let certificate = PEM_read_bio_X509(memory, nil, nil, nil)
        defer { X509_free(certificate) }
        return X509_cmp(certificate, SSL_get0_peer_certificate(connection)) == 0
    }

    /// To be taken up again; what came with a ticket has been read then.
    var session: [UInt8] {
        let session = SSL_get1_session(connection)
        defer { SSL_SESSION_free(session) }
        var bytes = [UInt8](repeating: 0, count: Int(i2d_SSL_SESSION(session, nil)))
        bytes.withUnsafeMutableBufferPointer { buffer in
            var place = buffer.baseAddress
            i2d_SSL_SESSION(session, &place)
        }
        return bytes
    }

    // MARK: HTTP

    /// Puts it into records, which leave with the next push.
    func seal(_ text: String) {
        let bytes = Array(text.utf8)
        precondition(SSL_write(connection, bytes, Int32(bytes.count)) == bytes.count)
    }

    func send(_ text: String) throws {
        seal(text)
        try push()
    }

    /// As `close_notify`.
    func sayEnd() throws {
        SSL_shutdown(connection)
        try push()
    }

    /// What has come, or comes next. False at the end of all.
    private func receive() throws -> Bool {
        while true {
            ERR_clear_error()
            var buffer = [UInt8](repeating: 0, count: 65_536)
            let count = SSL_read(connection, &buffer, Int32(buffer.count))
            if count > 0 {
                received += buffer[..<Int(count)]
                return true
            }
            guard wantsMore(count), try pull() else { return false }
        }
    }

    func read(isHead: Bool = false) throws -> Answer {
        while true {
            if let (answer, count) = try Answer.parse(received[...], isHead: isHead) {
                received.removeFirst(count)
                return answer
            }
            guard try receive() else {
                throw HarnessError("no whole answer: \(failure ?? String(decoding: received, as: UTF8.self))")
            }
        }
    }

    /// All that comes until the node says, or shows, that it is the end.
    func readToEnd() throws -> String {
        while try receive() {}
        return String(decoding: received, as: UTF8.self)
    }

    /// Reads until `text` has come.
    func read(until text: String) throws {
        while !String(decoding: received, as: UTF8.self).contains(text) {
            guard try receive() else { throw HarnessError("it ended before \(text)") }
        }
    }

    @discardableResult
    func get(_ target: String, method: String = "GET", _ fields: String = "") throws -> Answer {
        try send(Client.request(method, target, fields))
        return try read(isHead: method == "HEAD")
    }

    /// The code of a new link.
    func create(_ url: String) throws -> String {
        try send(Client.creation(url, "/api/v1/urls"))
        let answer = try read()
        guard answer.status == 201 else { throw HarnessError(answer.text) }
        return try answer.string("short_code")
    }
}

/// Certificates for hosts, and a node that shows them.
struct SecureSite {
    let directory = TemporaryDirectory()
    let authority = TestAuthority()
    /// By name of the files, without their ends.
    private(set) var identities: [String: TestAuthority.Identity] = [:]

    /// A pair for each name: `a` is for a.example and all below it.
    init(_ names: String...) { for name in names { issue(name) } }

    func certificate(_ name: String) -> String { "\(directory.path)/\(name).pem" }
    func key(_ name: String) -> String { "\(directory.path)/\(name).key" }

    /// Writes a new certificate, and its key.
    mutating func issue(
        _ name: String, as host: String? = nil, days: ClosedRange<Int> = -1...60, keyType: Int32 = EVP_PKEY_ED25519
    ) {
        let host = (host ?? name) + ".example"
        let identity = authority.issue("DNS:\(host),DNS:*.\(host)", days: days, keyType: keyType)
        identities[name] = identity
        _ = directory.write(String(decoding: identity.key, as: UTF8.self), to: name + ".key")
        _ = directory.write(String(decoding: identity.certificate, as: UTF8.self), to: name + ".pem", mode: 0o644)
    }

    /// A node that shows `a`, whose files are in its directory.
    static func node(_ flags: [String] = []) throws -> RunningNode {
        let site = SecureSite("a")
        return try RunningNode(site.flags("a") + flags, in: site.directory)
    }

    func flags(_ names: String...) -> [String] {
        [
            "--listen_tls", "127.0.0.1:0", "--tls_certificate", names.map(certificate).joined(separator: ","),
            "--tls_key", names.map(key).joined(separator: ","),
        ]
    }
}
