import HTTP
import Links
import Primitives
import Store

/// Who sent a request, as far as it showed.
enum Caller: Equatable, Sendable {
    /// It came without a key.
    case anonymous
    /// It came with a token that has no scope, and may what anybody may.
    case unscoped
    /// `principal`: whom the links belong to that it makes.
    case holder(principal: [UInt8], scopes: KeyScopes)

    /// Nil for nobody in particular.
    var principal: [UInt8]? {
        switch self {
        case .anonymous, .unscoped: nil
        case .holder(let principal, _): principal
        }
    }

    /// Its principal.
    ///
    /// - Throws: `problem` if it shows nothing; if what it shows is without scopes, that.
    func named(or problem: Problem) throws(RefusedRequest) -> [UInt8] {
        switch self {
        case .anonymous: throw RefusedRequest(problem)
        case .unscoped: throw RefusedRequest(.lacksScope(.manageLinks))
        case .holder(let principal, _): return principal
        }
    }

    func allows(_ scope: KeyScopes) -> Bool {
        switch self {
        case .anonymous, .unscoped: false
        case .holder(_, let scopes): scopes.allows(scope)
        }
    }

    /// Whether the link is there for this caller. One that nobody owns is there for all.
    func maySee(_ body: LinkBody) -> Bool {
        guard let owner = body.owner else { return true }
        if allows(.admin) { return true }
        return owner == principal && (allows(.createLinks) || allows(.manageLinks))
    }

    /// Whether this caller may change the link. One that nobody owns only `admin` may.
    func mayChange(_ body: LinkBody) -> Bool {
        allows(.admin) || body.owner != nil && body.owner == principal && allows(.manageLinks)
    }
}

/// Finds out who sent a request, for one thread.
final class Authentication {
    private let store: Store
    private let hasher = SHA256Hasher()
    private let noteFailure: () -> Void
    private let noteDamage: () -> Void
    private let tokens: JWTAuthentication

    /// What the secret of an unknown key is compared with: no secret has this hash.
    private static let noHash = [UInt8](repeating: 0, count: 32)

    init(
        _ store: Store, _ verifiers: JWTVerifiers, noteFailure: @escaping () -> Void, noteDamage: @escaping () -> Void
    ) {
        (self.store, self.noteFailure, self.noteDamage) = (store, noteFailure, noteDamage)
        tokens = JWTAuthentication(store, verifiers, noteDamage: noteDamage)
    }

    /// Whether a request speaks of a key at all.
    static func isShown(in message: Message) -> Bool {
        message.head.has(.authorization) || message.head.has(.xAPIKey)
    }

    /// A request that shows a key which does not hold is refused, even where none is needed, so that its sender learns
    /// of it; and it learns nothing else: wrong, unknown, revoked and expired keys and tokens get one answer.
    func caller(of message: Message, now: Instant) throws(RefusedRequest) -> Caller {
        do throws(RefusedRequest) {
            guard let text = try Self.credentials(message) else { return .anonymous }
            if !message.head.has(.xAPIKey), let caller = try tokens.caller(text, now: now) { return caller }
            guard let key = KeyText(text) else { throw RefusedRequest(.invalidKey) }
            guard let body = try holder(of: key), body.state(at: now) == .active else {
                throw RefusedRequest(.invalidKey)
            }
            return .holder(principal: body.principal, scopes: KeyScopes(body.scopes))
        } catch {
            if error.problem.status == 401 { noteFailure() }
            throw error
        }
    }

    /// The key as it was sent; nil if the request speaks of none.
    private static func credentials(_ message: Message) throws(RefusedRequest) -> [UInt8]? {
        var keys: [[UInt8]] = []
        if message.head.has(.authorization) {
            guard let key = bearer(message.bytes(of: .authorization)) else { throw RefusedRequest(.invalidScheme) }
            keys.append(key)
        }
        if message.head.has(.xAPIKey) { keys.append(message.bytes(of: .xAPIKey)) }
        guard let first = keys.first else { return nil }
        guard keys.allSatisfy({ $0 == first }) else { throw RefusedRequest(.differentKeys) }
        return first
    }

    /// What follows `Bearer`, in any case, and at least one space (RFC 6750 2.1, RFC 9110 11.1).
    private static func bearer(_ value: [UInt8]) -> [UInt8]? {
        let (scheme, rest) = (value.prefix(6), value.dropFirst(6))
        guard scheme.map({ $0 | 0x20 }).elementsEqual("bearer".utf8), rest.first == 0x20 else { return nil }
        return Array(rest.drop { $0 == 0x20 })
    }

    /// The key's words if its secret is right. An unknown key costs the same look-up, hash and comparison.
    ///
    /// Keys have 256 random bits, so one round of SHA-256 keeps them: a slow hash makes guessing dear where secrets are
    /// guessable, and here there is nothing to guess; but it would let anybody keep the API's thread busy.
    private func holder(of key: KeyText) throws(RefusedRequest) -> KeyBody? {
        let found: FoundKey
        do throws(StoreError) { found = try store.findKey(key.id) } catch { throw RefusedRequest(.overloaded) }
        let hash = hasher.hash(key.secret)
        switch found {
        case .key(let stored):
            let isRight = SHA256Hasher.areEqual(hash, stored.body.secretHash ?? Self.noHash)
            return isRight ? stored.body : nil
        case .damaged: noteDamage()
        case .absent: break
        }
        _ = SHA256Hasher.areEqual(hash, Self.noHash)
        return nil
    }
}

extension Message {
    /// A field's bytes as they came; none if it was not sent. For fields that cannot be repeated.
    func bytes(of field: Field) -> [UInt8] { Array(headBytes[head[field].range]) }
}

extension Problem {
    static let invalidKey = unauthorized(
        "The key or token is not valid: unknown, revoked, expired or not as it was given out.")
    static let invalidScheme = unauthorized("The only scheme of Authorization is Bearer, with a key behind it.")
    static let differentKeys = unauthorized("Authorization and X-Api-Key hold different keys; send one.")

    static func lacksScope(_ scope: KeyScopes) -> Problem {
        Problem(.forbidden, "This needs a key with the scope \(scope.names.joined(separator: " ")).")
    }
}
