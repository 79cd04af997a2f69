import Links
import Primitives

/// A signed token in its compact form (RFC 7515 3.1), taken apart: what its sender says of it, and nothing is checked.
///
///     base64url(header) . base64url(payload) . base64url(signature)
struct JSONWebToken: Equatable {
    let algorithm: JWTAlgorithm
    /// Names the key.
    let keyID: String?
    let payload: [UInt8]
    let signature: [UInt8]
    /// Header and payload as they came: what the signature is for.
    let signed: [UInt8]

    private static let dot = UInt8(ascii: ".")

    /// Whether a credential is to be taken for a token: no key of this program has a dot in it.
    static func hasForm(_ text: [UInt8]) -> Bool { text.count { $0 == dot } == 2 }

    init(_ text: [UInt8]) throws(JWTRefusal) {
        guard text.count <= JWTLimits.tokenBytes else { throw .malformed }
        let parts = text.split(separator: Self.dot, omittingEmptySubsequences: false)
        guard parts.count == 3, let header = Base64URL.decode(Array(parts[0]).span.bytes),
            let payload = Base64URL.decode(Array(parts[1]).span.bytes),
            let signature = Base64URL.decode(Array(parts[2]).span.bytes),
            case .object(let members)? = try? JSONValue(header)
        else { throw .malformed }
        guard members["crit"] == nil else { throw .critical }
        guard case .string(let name)? = members["alg"] else { throw .malformed }
        guard let algorithm = JWTAlgorithm(rawValue: name) else { throw .algorithm }
        switch members["kid"] {
        case nil: keyID = nil
        case .string(let id)?: keyID = id
        default: throw .malformed
        }
        (self.algorithm, self.payload, self.signature) = (algorithm, payload, signature)
        signed = Array(text[..<parts[1].endIndex])
    }
}

/// What the configuration asks of tokens.
struct JWTRules: Equatable, Sendable {
    /// One of them; empty: whatever it is.
    var issuers: [String] = []
    var audiences: [String] = []
    /// By so much clocks may differ.
    var leewayMilliseconds: Int64 = 30_000
}

/// What a token says (RFC 7519 4.1), of it what counts here.
struct JWTClaims: Equatable {
    let subject: String
    /// `jti`
    let id: String?
    let expiresAt: Instant
    let notBefore: Instant?
    let issuedAt: Instant?
    /// Absent if it is no string.
    let issuer: String?
    let audiences: [String]
    let scopes: KeyScopes

    init(_ payload: [UInt8]) throws(JWTRefusal) {
        guard case .object(let members)? = try? JSONValue(payload) else { throw .claims }
        // In the audit trail a colon tells those apart who have no name.
        guard let subject = try Self.name(members["sub"]), !subject.hasPrefix(":"),
            let expiresAt = try Self.instant(members["exp"])
        else { throw .claims }
        (self.subject, self.expiresAt) = (subject, expiresAt)
        id = try Self.name(members["jti"])
        (notBefore, issuedAt) = (try Self.instant(members["nbf"]), try Self.instant(members["iat"]))
        if case .string(let text)? = members["iss"] { issuer = text } else { issuer = nil }
        if case .string(let text)? = members["aud"] {
            audiences = [text]
        } else {
            audiences = try Self.strings(members["aud"])
        }
        // RFC 8693 4.2 has a string with spaces; others send an array, or call it scp.
        let scopes = members["scope"] ?? members["scp"]
        if case .string(let text)? = scopes {
            self.scopes = KeyScopes(text.split(separator: " ").map(String.init))
        } else {
            self.scopes = KeyScopes(try Self.strings(scopes))
        }
    }

    /// - Throws: if its time is not now, or it comes from somebody else, or is for somebody else.
    func check(_ rules: JWTRules, now: Instant) throws(JWTRefusal) {
        guard now < end(rules) else { throw .expired }
        if let notBefore, now.advanced(byMilliseconds: rules.leewayMilliseconds) < notBefore { throw .early }
        guard rules.issuers.isEmpty || issuer.map(rules.issuers.contains) == true else { throw .issuer }
        guard rules.audiences.isEmpty || !rules.audiences.allSatisfy({ !audiences.contains($0) }) else {
            throw .audience
        }
    }

    /// From then on it has expired.
    func end(_ rules: JWTRules) -> Instant { expiresAt.advanced(byMilliseconds: rules.leewayMilliseconds) }

    private static func name(_ value: JSONValue?) throws(JWTRefusal) -> String? {
        guard let value else { return nil }
        guard case .string(let text) = value, JWTLimits.nameBytes.contains(text.utf8.count), isPlain(text) else {
            throw .claims
        }
        return text
    }

    private static func strings(_ value: JSONValue?) throws(JWTRefusal) -> [String] {
        guard let value else { return [] }
        guard case .array(let elements) = value else { throw .claims }
        return try elements.map { (element) throws(JWTRefusal) in
            guard case .string(let text) = element else { throw .claims }
            return text
        }
    }

    /// NumericDate: seconds since 1970, with or without a fraction (RFC 7519 2).
    private static func instant(_ value: JSONValue?) throws(JWTRefusal) -> Instant? {
        let seconds: Double
        switch value {
        case nil: return nil
        case .integer(let number)?: seconds = Double(number)
        case .number(let number)?: seconds = number
        default: throw .claims
        }
        guard abs(seconds) <= JWTLimits.seconds else { throw .claims }
        return Instant(milliseconds: Int64(seconds * 1000))
    }
}
