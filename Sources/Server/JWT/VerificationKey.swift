import COpenSSL

/// A public key that tokens are checked with.
///
/// Safety: not changed after `init`, and OpenSSL lets several threads check with one key.
final class VerificationKey: @unchecked Sendable {
    let algorithm: JWTAlgorithm
    private let handle: OpaquePointer

    /// - Parameter encoded: SubjectPublicKeyInfo in DER.
    convenience init(_ encoded: [UInt8]) throws(JWTKeyError) {
        defer { ERR_clear_error() }
        var place = encoded.withUnsafeBufferPointer { $0.baseAddress }
        let handle = encoded.withUnsafeBufferPointer {
            place = $0.baseAddress
            return d2i_PUBKEY(nil, &place, $0.count)
        }
        try self.init(handle)
    }

    /// Takes the handle over.
    private init(_ handle: OpaquePointer?) throws(JWTKeyError) {
        guard let handle else { throw JWTKeyError("it is no public key") }
        do throws(JWTKeyError) { algorithm = try Self.algorithm(of: handle) } catch {
            EVP_PKEY_free(handle)
            throw error
        }
        self.handle = handle
    }

    deinit { EVP_PKEY_free(handle) }

    private static func algorithm(of key: OpaquePointer) throws(JWTKeyError) -> JWTAlgorithm {
        switch EVP_PKEY_get_base_id(key) {
        case EVP_PKEY_RSA:
            guard JWTLimits.rsaBits.contains(EVP_PKEY_get_bits(key)) else {
                throw JWTKeyError(
                    "an RSA key has \(JWTLimits.rsaBits.lowerBound) to \(JWTLimits.rsaBits.upperBound) bits here, and "
                        + "this one \(EVP_PKEY_get_bits(key))")
            }
            var exponent: OpaquePointer?
            defer { BN_free(exponent) }
            // With 1 the signature would be the message itself.
            guard EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1, BN_is_odd(exponent) == 1,
                BN_num_bits(exponent) > 1
            else { throw JWTKeyError("the exponent of an RSA key is odd and no less than 3") }
            return .rs256
        case EVP_PKEY_EC:
            var (name, count) = ([CChar](repeating: 0, count: 64), 0)
            guard EVP_PKEY_get_group_name(key, &name, name.count, &count) == 1,
                String(validating: name.prefix(count), as: UTF8.self) == "prime256v1"
            else { throw JWTKeyError("an elliptic curve other than P-256") }
            return .es256
        case EVP_PKEY_ED25519: return .edDSA
        default: throw JWTKeyError("a kind of key other than RSA, P-256 and Ed25519")
        }
    }

    func verifies(_ signature: [UInt8], of bytes: [UInt8]) -> Bool {
        var signature = signature
        if algorithm == .es256 {
            guard signature.count == 64 else { return false }
            signature = DER.signature(signature)
        }
        let context = EVP_MD_CTX_new()
        defer {
            EVP_MD_CTX_free(context)
            ERR_clear_error()
        }
        let hash = algorithm == .edDSA ? nil : EVP_sha256()
        return EVP_DigestVerifyInit(context, nil, hash, nil, handle) == 1
            && EVP_DigestVerify(context, signature, signature.count, bytes, bytes.count) == 1
    }

    /// The keys of a file, in its order: public keys, and those of certificates, whose time does not matter here.
    ///
    /// - Throws: if there is none, one is private, or one cannot be used.
    static func all(pem: [UInt8]) throws(JWTKeyError) -> [VerificationKey] {
        let input = BIO_new_mem_buf(pem, Int32(pem.count))
        defer {
            BIO_free(input)
            ERR_clear_error()
        }
        var keys: [VerificationKey] = []
        var (name, header, data):
            (UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<UInt8>?)
        var count = 0
        ERR_clear_error()
        while PEM_read_bio(input, &name, &header, &data, &count) == 1 {
            defer {
                for memory in [UnsafeMutableRawPointer(name), .init(header)] { CRYPTO_free(memory, nil, 0) }
                CRYPTO_clear_free(data, count, nil, 0)
            }
            keys.append(try key(String(cString: name!), data, count))
            guard keys.count <= JWTLimits.keys else { throw JWTKeyError("more than \(JWTLimits.keys) keys") }
        }
        guard edge_ERR_is_no_pem_start(ERR_peek_last_error()) == 1 else { throw JWTKeyError("its PEM is garbled") }
        guard !keys.isEmpty else { throw JWTKeyError("it holds neither a JSON Web Key Set nor a public key in PEM") }
        return keys
    }

    /// - Parameter label: of the block in PEM (RFC 7468).
    private static func key(
        _ label: String, _ bytes: UnsafeMutablePointer<UInt8>?, _ count: Int
    ) throws(JWTKeyError) -> VerificationKey {
        var place = UnsafePointer(bytes)
        switch label {
        case "PUBLIC KEY": return try VerificationKey(d2i_PUBKEY(nil, &place, count))
        case "RSA PUBLIC KEY": return try VerificationKey(d2i_PublicKey(EVP_PKEY_RSA, nil, &place, count))
        case "CERTIFICATE":
            guard let certificate = d2i_X509(nil, &place, count) else { throw JWTKeyError("a certificate is garbled") }
            defer { X509_free(certificate) }
            return try VerificationKey(X509_get_pubkey(certificate))
        case _ where label.hasSuffix("PRIVATE KEY"):
            throw JWTKeyError("it holds a private key; give the public one alone")
        default: throw JWTKeyError("it holds what is neither a public key nor a certificate")
        }
    }
}
