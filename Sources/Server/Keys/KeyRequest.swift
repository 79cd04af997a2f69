import Links
import Primitives
import Store

/// Bounds of what may be said of a key.
enum KeyLimits {
    static let nameBytes = 1...128
    static let ownerBytes = 1...64
    /// Of whoever links belong to: a key's owner, or the subject of tokens.
    static let principalBytes = 1...255
    static let expiresInSeconds = 1...LinkLimits.expiresInSeconds
    static let defaultScopes: KeyScopes = [.createLinks, .manageLinks]
}

/// Tokens that are to be revoked: by `jti` the one of that name, by `sub` all of that subject that were issued up to now.
package struct TokenRevocation: Equatable, Sendable {
    package let claim: TokenClaim
    package let text: String
}

extension TokenRevocation {
    init(json: [UInt8]) throws(RefusedRequest) {
        let members = try JSONMembers(json, known: ["jti", "sub"])
        switch (try members.string("jti"), try members.string("sub")) {
        case (let text?, nil): self.init(claim: .jti, text: text)
        case (nil, let text?): self.init(claim: .sub, text: text)
        default: throw RefusedRequest(Problem(.invalidJSON, "One of the members \"jti\" and \"sub\" is wanted."))
        }
    }

    var json: [UInt8] {
        var json: [UInt8] = [UInt8(ascii: "{")]
        json.append(jsonKey: claim == .jti ? "jti" : "sub", string: text)
        json.append(UInt8(ascii: "}"))
        return json
    }

    /// The line of the audit trail that is written with it.
    func act(by principal: [UInt8]) -> AuditBody {
        AuditBody("revoke-tokens", on: "\(claim == .jti ? "jti" : "sub") \(text)", by: principal)
    }

    /// Puts it into the store, as `Store.revokeTokens` does.
    func perform(
        on store: Store, audit: AuditBody, completion: @escaping Store.KeyCompletion
    ) throws(RefusedRequest) {
        guard JWTLimits.nameBytes.contains(text.utf8.count), isPlain(text) else {
            throw RefusedRequest(
                Problem(
                    .invalidKey,
                    "What tokens are revoked by has 1 to \(JWTLimits.nameBytes.upperBound) bytes of plain text."))
        }
        store.revokeTokens(claim, text, audit: audit, completion: completion)
    }
}

/// A key to be made, as a command line or the body of `POST /keys` asks for it.
package struct KeyRequest: Equatable, Sendable {
    package let name: String
    /// Nil: those that a client needs for its own links.
    package let scopes: [String]?
    /// Nil: the key's own id.
    package let owner: String?
    package let expiresInSeconds: Int64?
}

extension KeyRequest {
    private static let members = ["name", "scopes", "owner", "expires_in"]

    init(json: [UInt8]) throws(RefusedRequest) {
        let members = try JSONMembers(json, known: Self.members)
        name = try members.required("name", try members.string("name"))
        scopes = try members.strings("scopes")
        owner = try members.string("owner")
        expiresInSeconds = try members.integer("expires_in")
    }

    var json: [UInt8] {
        var json: [UInt8] = [UInt8(ascii: "{")]
        json.append(jsonKey: "name", string: name)
        if let scopes { json.append(jsonKey: "scopes", strings: scopes) }
        if let owner { json.append(jsonKey: "owner", string: owner) }
        if let expiresInSeconds {
            json.append(jsonKey: "expires_in")
            json += Array(String(expiresInSeconds).utf8)
        }
        json.append(UInt8(ascii: "}"))
        return json
    }

    /// A new key of this request, with what the store keeps of it. Its id and its secret come from the system's
    /// generator, which serves cryptography.
    func newKey(now: Instant) throws(RefusedRequest) -> (key: KeyText, body: KeyBody) {
        var body = KeyBody()
        guard KeyLimits.nameBytes.contains(name.utf8.count), isPlain(name) else {
            throw Self.refused("The name has 1 to \(KeyLimits.nameBytes.upperBound) bytes without control characters.")
        }
        body.label = name
        let known = KeyScopes.named.map(\.name)
        let wanted = scopes ?? KeyLimits.defaultScopes.names
        guard !wanted.isEmpty, wanted.allSatisfy(known.contains) else {
            throw Self.refused("The scopes are one or more of \(known.joined(separator: ", ")).")
        }
        body.scopes = KeyScopes(wanted).names
        let any = UInt128.min ... .max
        let key = KeyText(id: KeyID(.random(in: any)), secret: (.random(in: any), .random(in: any)))
        body.secretHash = SHA256Hasher().hash(key.secret)
        body.principal = Array((owner ?? key.id.description).utf8)
        guard KeyLimits.ownerBytes.contains(body.principal.count), body.principal.allSatisfy(Self.isOwnerByte) else {
            throw Self.refused(
                "The owner has 1 to \(KeyLimits.ownerBytes.upperBound) of the characters A-Z, a-z, 0-9, '.', '_', '@' "
                    + "and '-'.")
        }
        if let expiresInSeconds {
            guard KeyLimits.expiresInSeconds.contains(expiresInSeconds) else {
                throw Self.refused("It expires in 1 to \(KeyLimits.expiresInSeconds.upperBound) seconds.")
            }
            body.expiresAt = now.advanced(byMilliseconds: expiresInSeconds * 1000)
        }
        return (key, body)
    }

    /// Fewer than a subject of tokens may have, which is a principal as well.
    private static func isOwnerByte(_ byte: UInt8) -> Bool { byte.isLetterOrDigit || "._@-".utf8.contains(byte) }

    private static func refused(_ detail: String) -> RefusedRequest { RefusedRequest(Problem(.invalidKey, detail)) }
}
