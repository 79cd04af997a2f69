import COpenSSL
import Glibc
import Links

/// A key of its own, Ed25519, that signs JSON Web Tokens.
final class TokenKey {
    static let issuer = "https://id.example"
    static let audience = "https://sho.rt"

    private let handle: OpaquePointer

    init() throws {
        let context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nil)
        defer { EVP_PKEY_CTX_free(context) }
        var handle: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_keygen(context, &handle) == 1 else {
            throw LabError("no key can be made")
        }
        self.handle = handle!
    }

    deinit { EVP_PKEY_free(handle) }

    /// A JSON Web Key Set with its public half.
    func writeKeySet(to path: String) throws {
        var (bytes, count) = ([UInt8](repeating: 0, count: 32), 32)
        guard EVP_PKEY_get_raw_public_key(handle, &bytes, &count) == 1 else { throw LabError("the key has no bytes") }
        let key = String(decoding: Self.text(bytes), as: UTF8.self)
        let set = Array(#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"\#(key)"}]}"#.utf8)
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw LabError("\(path): \(String(cString: strerror(errno)))") }
        defer { close(file) }
        guard write(file, set, set.count) == set.count else { throw LabError("\(path): not written") }
    }

    /// As many tokens, of one length, that hold until `end`, in seconds since 1970.
    func tokens(_ count: Int, end: Int) throws -> [[UInt8]] {
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        return try (0..<count).map { number in
            let claims =
                #"{"iss":"\#(Self.issuer)","aud":"\#(Self.audience)","sub":"someone","scope":"links:create","#
                + #""jti":"\#(1_000_000_000 + number)","iat":\#(end - 3600),"exp":\#(end)}"#
            var token = Self.text(Array(#"{"alg":"EdDSA","typ":"JWT"}"#.utf8))
            token += [UInt8(ascii: ".")] + Self.text(Array(claims.utf8))
            var (signature, size) = ([UInt8](repeating: 0, count: 64), 64)
            guard EVP_DigestSignInit(context, nil, nil, nil, handle) == 1,
                EVP_DigestSign(context, &signature, &size, token, token.count) == 1
            else { throw LabError("no token can be signed") }
            return token + [UInt8(ascii: ".")] + Self.text(signature)
        }
    }

    private static func text(_ bytes: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        Base64URL.encode(bytes, into: &text)
        return text
    }
}
