import COpenSSL
import Glibc
import Links

/// Who signs tokens: a key of each kind, as an identity provider has it.
///
/// Safety: not changed after `init`.
final class TokenSigner: @unchecked Sendable {
    enum Kind: String { case rs256 = "RS256", es256 = "ES256", edDSA = "EdDSA" }

    let kind: Kind
    private let key: OpaquePointer

    /// Made once: primes take their time.
    static let rsa = TokenSigner(.rs256)
    static let p256 = TokenSigner(.es256)
    static let ed25519 = TokenSigner(.edDSA)

    /// - Parameters:
    ///   - bits: of an RSA key.
    ///   - curve: of the others.
    init(_ kind: Kind, bits: Int32 = 2048, curve: Int32 = NID_X9_62_prime256v1) {
        self.kind = kind
        let types = [Kind.rs256: EVP_PKEY_RSA, .es256: EVP_PKEY_EC, .edDSA: EVP_PKEY_ED25519]
        let context = EVP_PKEY_CTX_new_id(types[kind]!, nil)
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        precondition(EVP_PKEY_keygen_init(context) == 1)
        if kind == .rs256 { precondition(EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits) == 1) }
        if kind == .es256 { precondition(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, curve) == 1) }
        precondition(EVP_PKEY_keygen(context, &key) == 1)
        self.key = key!
    }

    init(ed25519PEM pem: [UInt8]) {
        let input = BIO_new_mem_buf(pem, Int32(pem.count))
        defer { BIO_free(input) }
        kind = .edDSA
        key = PEM_read_bio_PrivateKey(input, nil, nil, nil)!
    }

    deinit { EVP_PKEY_free(key) }

    // MARK: The key

    var publicPEM: String { written { PEM_write_bio_PUBKEY($0, key) } }
    var privatePEM: String { written { PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) } }

    /// The public key as RFC 7518 6 and RFC 8037 2 have it; `more` members begin with a comma.
    func jwk(_ id: String? = nil, _ more: String = "") -> String {
        let id = id.map { #","kid":"\#($0)""# } ?? ""
        switch kind {
        case .rs256: return #"{"kty":"RSA","n":"\#(number("n"))","e":"\#(number("e"))"\#(id)\#(more)}"#
        case .es256:
            let point = encoded.suffix(64)
            let (x, y) = (base64url(point.prefix(32)), base64url(point.suffix(32)))
            return #"{"kty":"EC","crv":"P-256","x":"\#(x)","y":"\#(y)"\#(id)\#(more)}"#
        case .edDSA: return #"{"kty":"OKP","crv":"Ed25519","x":"\#(base64url(encoded.suffix(32)))"\#(id)\#(more)}"#
        }
    }

    /// SubjectPublicKeyInfo.
    private var encoded: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(i2d_PUBKEY(key, nil)))
        bytes.withUnsafeMutableBufferPointer { buffer in
            var place = buffer.baseAddress
            precondition(i2d_PUBKEY(key, &place) == buffer.count)
        }
        return bytes
    }

    private func number(_ name: String) -> String {
        var number: OpaquePointer?
        precondition(EVP_PKEY_get_bn_param(key, name, &number) == 1)
        defer { BN_free(number) }
        var bytes = [UInt8](repeating: 0, count: Int(BN_num_bits(number) + 7) / 8)
        BN_bn2bin(number, &bytes)
        return base64url(bytes)
    }

    private func written(_ write: (OpaquePointer) -> Int32) -> String {
        let output = BIO_new(BIO_s_mem())!
        defer { BIO_free(output) }
        precondition(write(output) == 1)
        var bytes = [UInt8](repeating: 0, count: Int(BIO_ctrl_pending(output)))
        BIO_read(output, &bytes, Int32(bytes.count))
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: Tokens

    /// A token that says `claims`, JSON, under a header with this `kid` and `more`, or another header.
    func token(_ claims: String, kid: String? = nil, _ more: String = "", header: String? = nil) -> String {
        let kid = kid.map { #","kid":"\#($0)""# } ?? ""
        let header = header ?? #"{"alg":"\#(kind.rawValue)"\#(kid)\#(more)}"#
        let text = base64url(Array(header.utf8)) + "." + base64url(Array(claims.utf8))
        return text + "." + base64url(sign(Array(text.utf8)))
    }

    /// As it stands in a token.
    func sign(_ bytes: [UInt8]) -> [UInt8] {
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        precondition(EVP_DigestSignInit(context, nil, kind == .edDSA ? nil : EVP_sha256(), nil, key) == 1)
        var signature = [UInt8](repeating: 0, count: 1024)
        var count = signature.count
        precondition(EVP_DigestSign(context, &signature, &count, bytes, bytes.count) == 1)
        signature.removeSubrange(count...)
        guard kind == .es256 else { return signature }
        let pair = signature.withUnsafeBufferPointer { buffer in
            var place = buffer.baseAddress
            return d2i_ECDSA_SIG(nil, &place, buffer.count)
        }
        defer { ECDSA_SIG_free(pair) }
        var halves = [UInt8](repeating: 0, count: 64)
        halves.withUnsafeMutableBufferPointer { buffer in
            BN_bn2binpad(ECDSA_SIG_get0_r(pair), buffer.baseAddress, 32)
            BN_bn2binpad(ECDSA_SIG_get0_s(pair), buffer.baseAddress! + 32, 32)
        }
        return halves
    }
}

func base64url(_ bytes: some Sequence<UInt8>) -> String {
    var text: [UInt8] = []
    Base64URL.encode(Array(bytes), into: &text)
    return String(decoding: text, as: UTF8.self)
}

func keySet(_ keys: String...) -> String { #"{"keys":[\#(keys.joined(separator: ","))]}"# }

/// What a token says that holds for an hour, with `more` that begins with a comma.
func claims(_ subject: String = "alice", _ more: String = #","scope":"links:create links:manage""#) -> String {
    #"{"sub":"\#(subject)","exp":\#(time(nil) + 3600)\#(more)}"#
}
