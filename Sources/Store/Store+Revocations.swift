import Links
import Primitives

extension SHA256Hasher {
    /// Under which the revocation of tokens that say this stands among keys: the first 16 bytes of
    /// SHA-256("edge token revocation" ‖ claim ‖ text).
    package func id(revoking claim: TokenClaim, _ text: String) -> KeyID {
        let hash = self.hash(Array("edge token revocation".utf8), [claim.rawValue], Array(text.utf8))
        return KeyID(hash.prefix(16).reduce(0) { $0 << 8 | UInt128($1) })
    }
}

extension Store {
    /// Makes it durable that tokens which say this are revoked, as `revokeKey` does it of a key. Of a subject those that were
    /// issued up to now: the row's `createdAt`, which a later call moves on.
    package func revokeTokens(
        _ claim: TokenClaim, _ text: String, audit: AuditBody? = nil, completion: @escaping KeyCompletion
    ) {
        push(.revokeTokens(SHA256Hasher().id(revoking: claim, text), KeyBody(revoking: claim, text)), audit, completion)
    }
}

extension KeyBody {
    /// Final like that of a key, so that no node takes it for one that opens something.
    init(revoking claim: TokenClaim, _ text: String) {
        self.init()
        (flags, label, revokes) = (.deleted, text, claim)
    }
}
