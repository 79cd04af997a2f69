import COpenSSL
import Testing

@testable import Server

/// Which signatures hold, by which keys.
@Suite struct SignatureTests {
    private func keys(_ contents: String...) throws -> JWTKeys {
        var keys = JWTKeys()
        for content in contents { try keys.add(Array(content.utf8), of: "file") }
        return keys
    }

    /// Nil if it holds.
    private func refusal(_ token: String, _ keys: JWTKeys) -> JWTRefusal? {
        do throws(JWTRefusal) { try keys.verify(try JSONWebToken(Array(token.utf8))) } catch { return error }
        return nil
    }

    /// RFC 7515 A.2 and A.3, RFC 8037 A.4.
    @Test(arguments: [
        (
            #"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEz"#
                + "P1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5re"
                + "xMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWN"
                + #"moudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#,
            "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290"
                + "Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5"
                + "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0Gar"
                + "ZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rq"
                + "Vt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
        ),
        (
            #"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","#
                + #""y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290"
                + "Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
        ),
        (
            #"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhi"
                + "jcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        ),
    ])
    func vectors(jwk: String, token: String) throws {
        let keys = try keys(keySet(jwk))
        #expect(refusal(token, keys) == nil)
        // One bit of it.
        var changed = Array(token.utf8)
        changed[changed.count - 20] ^= 1
        #expect(refusal(String(decoding: changed, as: UTF8.self), keys) != nil)
    }

    /// Each kind from a set and from PEM, and no other's token.
    @Test func kinds() throws {
        let signers = [TokenSigner.rsa, .p256, .ed25519]
        for signer in signers {
            for file in [keySet(signer.jwk()), signer.publicPEM] {
                let keys = try keys(file)
                #expect(keys.count == 1 && keys.unused.isEmpty)
                for other in signers {
                    let refusal = refusal(other.token(claims()), keys)
                    #expect(refusal == (other === signer ? nil : .algorithm), "\(signer.kind) \(other.kind)")
                }
                #expect(refusal(TokenSigner(signer.kind).token(claims()), keys) == .signature)
            }
        }
    }

    /// What a token says of itself never decides how it is checked.
    @Test func algorithmIsTheKeys() throws {
        let (rsa, p256) = (TokenSigner.rsa, TokenSigner.p256)
        let keys = try keys(keySet(rsa.jwk("r"), p256.jwk("e")), TokenSigner.ed25519.publicPEM)
        for name in ["none", "None", "NONE", "HS256", "HS512", "PS256", "RS512", "ES384", "rs256", ""] {
            let token = rsa.token(claims(), header: #"{"alg":"\#(name)","kid":"r"}"#)
            #expect(refusal(token, keys) == .algorithm, "\(name)")
            let unsigned = token.split(separator: ".").prefix(2).joined(separator: ".") + "."
            #expect(refusal(unsigned, keys) == .algorithm, "\(name)")
        }
        // The public key as everybody has it, for a secret.
        let text = base64url(#"{"alg":"HS256","kid":"r"}"#.utf8) + "." + base64url(claims().utf8)
        for secret in [rsa.publicPEM, rsa.jwk("r")] {
            var (code, count) = ([UInt8](repeating: 0, count: 32), UInt32(0))
            HMAC(EVP_sha256(), secret, Int32(secret.utf8.count), text, text.utf8.count, &code, &count)
            #expect(refusal(text + "." + base64url(code), keys) == .algorithm)
        }
        // The kinds taken for each other.
        #expect(refusal(rsa.token(claims(), header: #"{"alg":"ES256","kid":"r"}"#), keys) == .algorithm)
        #expect(refusal(p256.token(claims(), header: #"{"alg":"RS256","kid":"e"}"#), keys) == .algorithm)
        #expect(refusal(rsa.token(claims(), header: #"{"alg":"RS256","kid":"e"}"#), keys) == .algorithm)
        #expect(refusal(rsa.token(claims(), header: #"{"alg":"EdDSA"}"#), keys) == .signature)
    }

    @Test func choiceOfKeys() throws {
        let (first, second) = (TokenSigner(.edDSA), TokenSigner(.edDSA))
        let (plain, bare) = (TokenSigner(.edDSA), TokenSigner(.edDSA))
        let keys = try keys(keySet(first.jwk("a"), second.jwk("b"), bare.jwk()), plain.publicPEM)
        #expect(refusal(first.token(claims(), kid: "a"), keys) == nil)
        #expect(refusal(second.token(claims(), kid: "b"), keys) == nil)
        // The kid of another key.
        #expect(refusal(first.token(claims(), kid: "b"), keys) == .signature)
        #expect(refusal(plain.token(claims(), kid: "a"), keys) == .signature)
        // Keys with a kid are for tokens that name them.
        #expect(refusal(first.token(claims()), keys) == .signature)
        // Those without one, in a set and in PEM, are for all others.
        for signer in [plain, bare] {
            #expect(refusal(signer.token(claims()), keys) == nil)
            #expect(refusal(signer.token(claims(), kid: "unknown"), keys) == nil)
        }
        let named = try self.keys(keySet(first.jwk("a")))
        #expect(refusal(first.token(claims()), named) == .unknownKey)
        #expect(refusal(first.token(claims(), kid: "unknown"), named) == .unknownKey)
        // Two keys of one kid while the one is taken out of use.
        let twice = try self.keys(keySet(first.jwk("a"), second.jwk("a")))
        #expect(refusal(second.token(claims(), kid: "a"), twice) == nil)
    }

    /// Four keys are tried, and not more; those of another kind do not count.
    @Test func candidates() throws {
        let signers = (0..<5).map { _ in TokenSigner(.edDSA) }
        let keys = try keys(TokenSigner.p256.publicPEM + signers.map(\.publicPEM).joined())
        #expect(keys.count == 6)
        for (index, signer) in signers.enumerated() {
            #expect(refusal(signer.token(claims()), keys) == (index < 4 ? nil : .signature))
        }
    }

    @Test func lengthsOfSignatures() throws {
        for signer in [TokenSigner.rsa, .p256, .ed25519] {
            let keys = try keys(signer.publicPEM)
            let text = base64url(#"{"alg":"\#(signer.kind.rawValue)"}"#.utf8) + "." + base64url(claims().utf8)
            let signature = signer.sign(Array(text.utf8))
            #expect(refusal(text + "." + base64url(signature), keys) == nil)
            let lengths = [
                [], Array(signature.dropLast()), signature + [0], [0] + signature, signature + signature,
                [UInt8](repeating: 0, count: signature.count), [UInt8](repeating: 0xff, count: signature.count),
            ]
            for other in lengths {
                #expect(refusal(text + "." + base64url(other), keys) == .signature, "\(signer.kind) \(other.count)")
            }
        }
    }

    /// RFC 7518 3.4: two numbers of 32 bytes each. DER is none, zero is none, and of the two values of s both are right.
    @Test func halvesOfECDSA() throws {
        let signer = TokenSigner.p256
        let keys = try keys(signer.publicPEM)
        let text = base64url(#"{"alg":"ES256"}"#.utf8) + "." + base64url(claims().utf8)
        let signature = signer.sign(Array(text.utf8))
        let (r, s, zero) = (Array(signature.prefix(32)), Array(signature.suffix(32)), [UInt8](repeating: 0, count: 32))
        for wrong in [zero + s, r + zero, zero + zero, s + r, DER.signature(signature)] {
            #expect(refusal(text + "." + base64url(wrong), keys) == .signature)
        }
        #expect(refusal(text + "." + base64url(r + Self.negative(s)), keys) == nil)
        // The order itself stands for zero.
        #expect(refusal(text + "." + base64url(r + Self.negative(zero)), keys) == .signature)
    }

    /// The order of P-256 (SEC 2, 2.4.2) without `number`.
    private static func negative(_ number: [UInt8]) -> [UInt8] {
        let order: [UInt8] = [
            0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
            0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
        ]
        var (result, borrow) = (order, 0)
        for index in order.indices.reversed() {
            let digit = Int(order[index]) - Int(number[index]) - borrow
            (result[index], borrow) = (UInt8(digit & 0xff), digit < 0 ? 1 : 0)
        }
        return result
    }
}
