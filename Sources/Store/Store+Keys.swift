import Links
import Primitives

/// An API key as it stands in the store.
package struct StoredKey: Sendable {
    package let id: KeyID
    package let body: KeyBody
    package let createdAt: Instant

    init(_ id: KeyID, _ body: KeyBody, stamp: UInt64) {
        (self.id, self.body) = (id, body)
        createdAt = Stamp(rawValue: body.creation?.stamp ?? stamp).instant
    }
}

enum KeyWrite: Sendable {
    case create(KeyID, KeyBody)
    case revoke(KeyID)
    /// The body has no secret.
    case revokeTokens(KeyID, KeyBody)
}

extension Store {
    /// Nil: no key has the id.
    package typealias KeyCompletion = @Sendable (Result<StoredKey?, WriteError>) -> Void

    /// Makes a key durable and then calls `completion` on the writer's thread, which must not be kept. `id` is random.
    ///
    /// - audit: the line of the audit trail that is to be written with it.
    package func createKey(
        _ id: KeyID, _ body: KeyBody, audit: AuditBody? = nil, completion: @escaping KeyCompletion
    ) {
        push(.create(id, body), audit, completion)
    }

    /// Revokes a key for good; one that is revoked already stays as it is. From the completion on no reader that begins
    /// finds its secret.
    package func revokeKey(_ id: KeyID, audit: AuditBody? = nil, completion: @escaping KeyCompletion) {
        push(.revoke(id), audit, completion)
    }

    func push(_ write: KeyWrite, _ audit: AuditBody?, _ completion: @escaping KeyCompletion) {
        if !queue.push(.key(write, audit, completion)) { completion(.failure(refusal)) }
    }
}
