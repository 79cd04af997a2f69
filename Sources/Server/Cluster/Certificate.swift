import COpenSSL
import Glibc

/// Why a certificate is not what it should be.
struct CertificateError: Error, Equatable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A key that signs: Ed25519 (RFC 8032), or whatever else a file holds.
struct PrivateKey: ~Copyable {
    let handle: OpaquePointer

    /// A new one, from OpenSSL's generator.
    init() {
        let context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nil)
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        let isMade = EVP_PKEY_keygen_init(context) == 1 && EVP_PKEY_keygen(context, &key) == 1
        precondition(isMade, "making a key has no way to fail")
        handle = key!
    }

    /// Nil if it holds none. One behind a pass phrase counts as none: nobody is there to be asked.
    init?(pem: [UInt8]) {
        let input = BIO_new_mem_buf(pem, Int32(pem.count))
        defer { BIO_free(input) }
        guard let handle = PEM_read_bio_PrivateKey(input, nil, { _, _, _, _ in -1 }, nil) else { return nil }
        self.handle = handle
    }

    deinit { EVP_PKEY_free(handle) }

    /// RSA, EC and so on, as OpenSSL numbers them (`EVP_PKEY_RSA`).
    var type: Int32 { EVP_PKEY_get_base_id(handle) }

    var pem: [UInt8] { written { PEM_write_bio_PrivateKey($0, handle, nil, nil, 0, nil, nil) } }
}

/// An X.509 certificate (RFC 5280).
struct Certificate: ~Copyable {
    let handle: OpaquePointer

    private static let scheme = "edge://"

    /// What names a node among all clusters.
    static func name(cluster: String, region: String, node: Int) -> String { "\(scheme)\(cluster)/\(region)/\(node)" }

    /// Takes it over.
    init(_ handle: OpaquePointer) { self.handle = handle }

    /// The first of a file; nil if it holds none.
    init?(pem: [UInt8]) {
        let input = BIO_new_mem_buf(pem, Int32(pem.count))
        defer { BIO_free(input) }
        guard let handle = PEM_read_bio_X509(input, nil, { _, _, _, _ in -1 }, nil) else { return nil }
        self.handle = handle
    }

    deinit { X509_free(handle) }

    var pem: [UInt8] { written { PEM_write_bio_X509($0, handle) } }

    /// The subject's O, which of an authority names the cluster.
    var organization: String? {
        var text = [CChar](repeating: 0, count: 256)
        let count = X509_NAME_get_text_by_NID(
            X509_get_subject_name(handle), NID_organizationName, &text, Int32(text.count))
        guard count >= 0, count < text.count - 1 else { return nil }
        return String(validating: text.prefix(Int(count)), as: UTF8.self)
    }

    /// Seconds since 1970.
    var end: Int {
        var time = tm()
        return ASN1_TIME_to_tm(X509_get0_notAfter(handle), &time) == 1 ? timegm(&time) : 0
    }

    /// The URIs among the alternative names of the subject that name nodes.
    var nodes: [String] { names(GEN_URI).filter { $0.hasPrefix(Self.scheme) } }

    /// The DNS names among them, in lower case.
    var hosts: [String] { names(GEN_DNS).map { $0.lowercased() } }

    private func names(_ type: Int32) -> [String] {
        guard let names = X509_get_ext_d2i(handle, NID_subject_alt_name, nil, nil) else { return [] }
        defer { GENERAL_NAMES_free(OpaquePointer(names)) }
        return (0..<OPENSSL_sk_num(OpaquePointer(names))).compactMap { index in
            let name = OPENSSL_sk_value(OpaquePointer(names), index)!.assumingMemoryBound(to: GENERAL_NAME.self)
            guard name.pointee.type == type else { return nil }
            // Both kinds are of this type.
            let text = name.pointee.d.ia5
            let bytes = UnsafeBufferPointer(start: ASN1_STRING_get0_data(text), count: Int(ASN1_STRING_length(text)))
            // A zero byte would be the end of the name for some readers and not for others.
            return bytes.contains(0) ? nil : String(validating: bytes, as: UTF8.self)
        }
    }

    func belongs(to key: borrowing PrivateKey) -> Bool { X509_check_private_key(handle, key.handle) == 1 }

    /// Why the node of that name cannot use it, whatever the time; nil if it can.
    func objection(_ name: String, keyPEM: [UInt8], authorityPEM: [UInt8]) -> String? {
        guard nodes == [name] else {
            return "it names \(nodes.isEmpty ? "no node" : nodes.joined(separator: " and ")), and this is \(name)"
        }
        guard let key = PrivateKey(pem: keyPEM) else { return "replication_tls_key holds no private key in PEM" }
        guard belongs(to: key) else { return "replication_tls_key holds another certificate's key" }
        return distrust(authorityPEM).map { "by replication_tls_ca: \($0)" }
    }

    /// Why it does not go back to one of the authorities in a file; nil if it does.
    private func distrust(_ authorityPEM: [UInt8]) -> String? {
        let (store, context) = (X509_STORE_new(), X509_STORE_CTX_new())
        let input = BIO_new_mem_buf(authorityPEM, Int32(authorityPEM.count))
        defer {
            BIO_free(input)
            X509_STORE_CTX_free(context)
            X509_STORE_free(store)
        }
        while let authority = PEM_read_bio_X509(input, nil, { _, _, _, _ in -1 }, nil) {
            X509_STORE_add_cert(store, authority)
            X509_free(authority)
        }
        X509_STORE_set_flags(store, UInt(X509_V_FLAG_NO_CHECK_TIME))
        guard X509_STORE_CTX_init(context, store, handle, nil) == 1, X509_verify_cert(context) == 1 else {
            return String(cString: X509_verify_cert_error_string(Int(X509_STORE_CTX_get_error(context))))
        }
        return nil
    }
}

/// What `write` puts into a buffer.
private func written(_ write: (OpaquePointer) -> Int32) -> [UInt8] {
    let output = BIO_new(BIO_s_mem())!
    defer { BIO_free(output) }
    precondition(write(output) == 1, "writing to memory has no way to fail")
    var bytes = [UInt8](repeating: 0, count: Int(BIO_ctrl_pending(output)))
    precondition(BIO_read(output, &bytes, Int32(bytes.count)) == bytes.count)
    return bytes
}
