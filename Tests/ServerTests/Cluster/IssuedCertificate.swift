import COpenSSL
import Foundation

/// A certificate and its key as OpenSSL reads them, by calls of the tests' own.
final class IssuedCertificate {
    let handle: OpaquePointer

    init(_ path: String) throws {
        let input = BIO_new_file(path, "r")
        defer { BIO_free(input) }
        guard let input, let handle = PEM_read_bio_X509(input, nil, nil, nil) else { throw HarnessError(path) }
        self.handle = handle
    }

    deinit { X509_free(handle) }

    /// What OpenSSL says of it as a certificate for that purpose at that time, in words; `ok` if all is well.
    func verdict(of authority: IssuedCertificate, _ purpose: Int32, at time: Int) -> String {
        let (store, context, parameters) = (X509_STORE_new(), X509_STORE_CTX_new(), X509_VERIFY_PARAM_new())
        defer {
            X509_VERIFY_PARAM_free(parameters)
            X509_STORE_CTX_free(context)
            X509_STORE_free(store)
        }
        X509_VERIFY_PARAM_set_time(parameters, time)
        X509_VERIFY_PARAM_set_purpose(parameters, purpose)
        X509_VERIFY_PARAM_set_flags(parameters, UInt(X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE))
        precondition(X509_STORE_set1_param(store, parameters) == 1 && X509_STORE_add_cert(store, authority.handle) == 1)
        precondition(X509_STORE_CTX_init(context, store, handle, nil) == 1)
        if X509_verify_cert(context) == 1 { return "ok" }
        return String(cString: X509_verify_cert_error_string(Int(X509_STORE_CTX_get_error(context))))
    }

    /// The value of an extension as OpenSSL prints it; nil if there is none.
    func text(of id: Int32) -> String? {
        let index = X509_get_ext_by_NID(handle, id, -1)
        guard index >= 0 else { return nil }
        return printed { X509V3_EXT_print($0, X509_get_ext(handle, index), 0, 0) }
    }

    func isCritical(_ id: Int32) -> Bool {
        X509_EXTENSION_get_critical(X509_get_ext(handle, X509_get_ext_by_NID(handle, id, -1))) == 1
    }

    var subject: String {
        printed { X509_NAME_print_ex($0, X509_get_subject_name(handle), 0, UInt(XN_FLAG_SEP_COMMA_PLUS)) }
    }

    /// In hexadecimal digits.
    var serial: String {
        let number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(handle), nil)
        let text = BN_bn2hex(number)!
        defer {
            BN_free(number)
            CRYPTO_free(text, nil, 0)
        }
        return String(cString: text)
    }

    /// Seconds since 1970.
    var begin: Int { seconds(X509_get0_notBefore(handle)) }
    var end: Int { seconds(X509_get0_notAfter(handle)) }

    func hasKey(of path: String) -> Bool {
        let input = BIO_new_file(path, "r")
        let key = PEM_read_bio_PrivateKey(input, nil, nil, nil)
        defer {
            EVP_PKEY_free(key)
            BIO_free(input)
        }
        return X509_check_private_key(handle, key) == 1
    }

    private func seconds(_ text: UnsafePointer<ASN1_TIME>?) -> Int {
        var time = tm()
        precondition(ASN1_TIME_to_tm(text, &time) == 1)
        return timegm(&time)
    }

    private func printed(_ print: (OpaquePointer) -> Int32) -> String {
        let output = BIO_new(BIO_s_mem())!
        defer { BIO_free(output) }
        precondition(print(output) > 0)
        var bytes = [UInt8](repeating: 0, count: Int(BIO_ctrl_pending(output)))
        precondition(BIO_read(output, &bytes, Int32(bytes.count)) == bytes.count)
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension IssuedCertificate {
    /// Changes a certificate in its file, and signs it again with the key in another file.
    static func change(_ path: String, signing keyPath: String, _ change: (OpaquePointer) -> Void) throws {
        let certificate = try IssuedCertificate(path)
        change(certificate.handle)
        let key = try key(keyPath)
        defer { EVP_PKEY_free(key) }
        precondition(X509_sign(certificate.handle, key, nil) > 0)
        try write(path) { PEM_write_bio_X509($0, certificate.handle) }
    }

    /// Puts a key behind a pass phrase.
    static func encrypt(_ path: String) throws {
        let key = try key(path)
        defer { EVP_PKEY_free(key) }
        try write(path) { PEM_write_bio_PrivateKey($0, key, EVP_aes_128_cbc(), Array("pass".utf8), 4, nil, nil) }
    }

    private static func key(_ path: String) throws -> OpaquePointer {
        let input = BIO_new_file(path, "r")
        defer { BIO_free(input) }
        guard let key = PEM_read_bio_PrivateKey(input, nil, nil, nil) else { throw HarnessError(path) }
        return key
    }

    /// Owner and mode stay as they are.
    private static func write(_ path: String, _ write: (OpaquePointer) -> Int32) throws {
        let output = BIO_new_file(path, "w")!
        defer { BIO_free(output) }
        guard write(output) == 1 else { throw HarnessError(path) }
    }
}
