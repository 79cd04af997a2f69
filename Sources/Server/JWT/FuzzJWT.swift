import Links
import Primitives

/// Reads `bytes` as a token, and as what a token says. Never traps; a token has one text, and no signature is right by chance.
package func fuzzJWT(_ bytes: RawSpan) {
    let text = [UInt8](bytes)
    if let token = try? JSONWebToken(text) {
        var again = token.signed + [UInt8(ascii: ".")]
        Base64URL.encode(token.signature, into: &again)
        precondition(again == text, "a token must have one text")
        checkClaims(token.payload)
        var keys = JWTKeys()
        do throws(JWTKeyError) { try keys.add(Array(exampleKeys.utf8), of: "example") } catch {
            preconditionFailure("these are sound keys")
        }
        precondition((try? keys.verify(token)) == nil, "nothing here signs with these keys")
    }
    checkClaims(text)
}

private func checkClaims(_ payload: [UInt8]) {
    guard let claims = try? JWTClaims(payload) else { return }
    precondition(JWTLimits.nameBytes.contains(claims.subject.utf8.count))
    for milliseconds in [0, 1 << 41, 1 << 47] as [Int64] {
        try? claims.check(JWTRules(), now: Instant(milliseconds: milliseconds))
    }
    let end = claims.end(JWTRules())
    precondition((try? claims.check(JWTRules(), now: end)) == nil, "what is over is over")
}

/// Reads `bytes` as a file of `jwt_keys`. Never traps, and what is taken has as many keys as it says.
package func fuzzJWTKeys(_ bytes: RawSpan) {
    var keys = JWTKeys()
    do throws(JWTKeyError) {
        try keys.add([UInt8](bytes), of: "file")
        precondition(keys.unused.allSatisfy { !$0.reason.isEmpty })
        for algorithm in JWTAlgorithm.allCases {
            var text: [UInt8] = []
            Base64URL.encode(Array("{\"alg\":\"\(algorithm.rawValue)\"}".utf8), into: &text)
            text += Array(".e30.".utf8)
            Base64URL.encode([UInt8](repeating: 1, count: 64), into: &text)
            guard let token = try? JSONWebToken(text) else { preconditionFailure("this is a token") }
            precondition((try? keys.verify(token)) == nil, "a made-up signature must not hold")
        }
    } catch {
        precondition(!error.description.isEmpty)
    }
}

/// The public keys of RFC 7517 A.1 and RFC 8032 7.1: what fuzzes has nothing to sign with.
private let exampleKeys =
    #"{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","#
    + #""y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"},"#
    + #"{"kty":"OKP","crv":"Ed25519","x":"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"}]}"#
