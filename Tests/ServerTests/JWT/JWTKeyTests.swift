import COpenSSL
import Testing

@testable import Server

/// What a file of `jwt_keys` may hold.
@Suite struct JWTKeyTests {
    private func read(_ content: String) -> Result<JWTKeys, JWTKeyError> {
        var keys = JWTKeys()
        do throws(JWTKeyError) { try keys.add(Array(content.utf8), of: "file") } catch { return .failure(error) }
        return .success(keys)
    }

    @Test func blanksBeforeASet() throws {
        #expect(try read("\r\n\t " + keySet(TokenSigner.p256.jwk("a"))).get().count == 1)
    }

    /// Of one file, and of several together; and keys of several files are all there.
    @Test func bounds() throws {
        let (one, other) = (TokenSigner.p256.publicPEM, TokenSigner.ed25519)
        #expect(try read(String(repeating: one, count: JWTLimits.keys)).get().count == JWTLimits.keys)
        guard case .failure(let error) = read(String(repeating: one, count: JWTLimits.keys + 1)) else {
            Issue.record("too many keys were taken")
            return
        }
        #expect(error.description == "more than 256 keys")
        let directory = TemporaryDirectory()
        var configuration = Configuration()
        configuration.jwtKeys = [
            directory.write(keySet(TokenSigner.p256.jwk("a")), to: "a"),
            directory.write(keySet(other.jwk("b"), other.jwk("a")), to: "b"),
        ]
        let keys = try #require(try configuration.readJWTKeys())
        #expect(keys.count == 3)
        for (signer, id) in [(TokenSigner.p256, "a"), (other, "a"), (other, "b")] {
            let token = try JSONWebToken(Array(signer.token(claims(), kid: id).utf8))
            #expect(throws: Never.self) { try keys.verify(token) }
        }
        configuration.jwtKeys = ["c", "d"].map { directory.write(String(repeating: one, count: 200), to: $0) }
        do {
            _ = try configuration.readJWTKeys()
            Issue.record("too many keys were taken")
        } catch let error as JWTKeyError {
            #expect(error.description.hasSuffix("400 keys that tokens can be checked with; 1 to 256 are right"))
        }
    }

    /// Files of keys, and names of issuers and audiences.
    @Test(arguments: [
        ("jwt_keys", "more than 16 files"), ("jwt_issuer", "more than 16 names"),
        ("jwt_audience", "more than 16 names"),
    ])
    func tooMany(key: String, said: String) throws {
        func load(_ count: Int) throws {
            let names = (0..<count).map { "n\($0)" }.joined(separator: ",")
            _ = try Configuration.load(
                file: ("edge.conf", Array("jwt_keys = a\n".utf8)), flags: [(key, names)], cores: 2)
        }
        try load(16)
        do {
            try load(17)
            Issue.record("17 are taken")
        } catch let error as ConfigurationErrors {
            #expect(error.errors.contains { $0.description.contains(said) }, "\(error.errors)")
        }
    }

    @Test func privateKeysAreRefused() {
        for signer in [TokenSigner.rsa, .p256, .ed25519] {
            for content in [
                signer.privatePEM, signer.publicPEM + signer.privatePEM, keySet(signer.jwk("a", #","d":"AQID""#)),
                keySet(TokenSigner.rsa.jwk(), signer.jwk("a", #","d":null"#)),
            ] {
                guard case .failure(let error) = read(content) else {
                    Issue.record("a private key was taken")
                    continue
                }
                #expect(error.description == "it holds a private key; give the public one alone")
            }
        }
        for secret in [#"{"kty":"oct","k":"AQID"}"#, #"{"kty":"oct"}"#, #"{"k":"AQID"}"#] {
            guard case .failure(let error) = read(keySet(secret)) else {
                Issue.record("a secret was taken")
                continue
            }
            #expect(error.description.contains("private"))
        }
    }

    /// Other uses, other algorithms and what is garbled are passed over, each with its name and reason.
    @Test func unusedKeys() throws {
        let (rsa, p256, ed25519) = (TokenSigner.rsa, TokenSigner.p256, TokenSigner.ed25519)
        let cases: [(key: String, reason: String)] = [
            (rsa.jwk("a", #","use":"enc""#), "use"), (rsa.jwk("a", #","key_ops":["sign"]"#), "key_ops"),
            (rsa.jwk("a", #","key_ops":"verify""#), "key_ops"), (rsa.jwk("a", #","alg":"RS512""#), "alg"),
            (rsa.jwk("a", #","alg":"ES256""#), "alg"), (p256.jwk("a", #","alg":"RS256""#), "alg"),
            (ed25519.jwk("a", #","alg":"Ed448""#), "alg"), (ed25519.jwk("a", #","alg":7"#), "alg is no string"),
            (#"{"kid":"a","kty":"RSA","n":"AQAB"}"#, "e is not"),
            (#"{"kid":"a","kty":"RSA","n":"+","e":"AQAB"}"#, "n is not"),
            (#"{"kid":"a","kty":"RSA","n":"","e":"AQAB"}"#, "key"), (TokenSigner(.rs256, bits: 1024).jwk("a"), "2048"),
            (Self.withExponent("AQ"), "exponent"), (Self.withExponent("AQAA"), "exponent"),
            (#"{"kid":"a","kty":"EC","crv":"P-384","x":"AQ","y":"AQ"}"#, "type"), (#"{"kid":"a","kty":"EC"}"#, "type"),
            (#"{"kid":"a","kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}"#, "x is not"),
            (Self.besideCurve(), "no public key"),
            (#"{"kid":"a","kty":"OKP","crv":"X25519","x":"AQ"}"#, "type"),
            (#"{"kid":"a","kty":"OKP","crv":"Ed25519","x":"AQ"}"#, "x is not"), (#"{"kid":"a"}"#, "type"),
            (#"{"kid":"a","kty":1}"#, "kty is no string"),
        ]
        for (key, reason) in cases {
            let keys = try read(keySet(key, ed25519.jwk("good"))).get()
            #expect(keys.count == 1 && keys.unused.count == 1, "\(key)")
            let unused = try #require(keys.unused.first)
            #expect(unused.file == "file" && unused.id == "a" && unused.reason.contains(reason), "\(key): \(unused)")
        }
        let unnamed = try read(keySet(#"{"kid":7,"kty":"RSA"}"#)).get()
        #expect(unnamed.count == 0 && unnamed.unused == [.init(file: "file", id: nil, reason: "kid is no string")])
        for more in [#","use":"sig""#, #","key_ops":["sign","verify"]"#, #","alg":"RS256""#, #","x5t":"AQ""#] {
            #expect(try read(keySet(rsa.jwk("a", more))).get().count == 1, "\(more)")
        }
    }

    private static func withExponent(_ exponent: String) -> String {
        TokenSigner.rsa.jwk("a").replacing(/"e":"[^"]*"/, with: "\"e\":\"\(exponent)\"")
    }

    /// No point of the curve.
    private static func besideCurve() -> String {
        let one = base64url([UInt8](repeating: 0, count: 31) + [1])
        return #"{"kid":"a","kty":"EC","crv":"P-256","x":"\#(one)","y":"\#(one)"}"#
    }

    @Test func malformedSets() {
        for (content, reason) in [
            ("{", "JSON"), ("{}", "JSON Web Key Set"), (#"{"keys":{}}"#, "JSON Web Key Set"),
            (#"{"keys":[1]}"#, "no object"),
            (#"{"keys":[],"keys":[]}"#, "name of an earlier one"), (TokenSigner.rsa.jwk(), "JSON Web Key Set"),
        ] {
            guard case .failure(let error) = read(content) else {
                Issue.record("\(content) was taken")
                continue
            }
            #expect(error.description.contains(reason), "\(error)")
        }
    }

    @Test func pem() throws {
        let (rsa, p256, ed25519) = (TokenSigner.rsa, TokenSigner.p256, TokenSigner.ed25519)
        let mixed = "of the staff:\n\(rsa.publicPEM)\r\n\(p256.publicPEM)-- \n\(ed25519.publicPEM)"
        #expect(try read(mixed).get().count == 3)
        #expect(try read(mixed.replacing("\n", with: "\r\n")).get().count == 3)
        // A certificate's key, though its time is over.
        let identity = TestAuthority().issue("DNS:a.example", days: -3 ... -2)
        let certified = try read(String(decoding: identity.certificate, as: UTF8.self)).get()
        let token = TokenSigner(ed25519PEM: identity.key).token(claims())
        #expect(certified.count == 1 && (try? certified.verify(JSONWebToken(Array(token.utf8)))) != nil)
        for (content, reason) in [
            ("", "neither"), ("nonsense", "neither"), ("[1]", "neither"),
            (ed25519.publicPEM.replacing("MCow", with: "MCo!"), "garbled"),
            (String(rsa.publicPEM.dropLast(40)), "garbled"),
            ("-----BEGIN PUBLIC KEY-----\nAQID\n-----END PUBLIC KEY-----\n", "no public key"),
            ("-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n", "certificate is garbled"),
            ("-----BEGIN X509 CRL-----\nAQID\n-----END X509 CRL-----\n", "neither a public key nor"),
            (TokenSigner(.rs256, bits: 1024).publicPEM, "2048"),
            (TokenSigner(.es256, curve: NID_secp384r1).publicPEM, "P-256"),
        ] {
            guard case .failure(let error) = read(content) else {
                Issue.record("\(content) was taken")
                continue
            }
            #expect(error.description.contains(reason), "\(content): \(error)")
        }
    }
}
