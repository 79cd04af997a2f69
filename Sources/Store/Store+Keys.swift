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
    package func createKey(_ id: KeyID, _ body: KeyBody, completion: @escaping KeyCompletion) {
        push(.create(id, body), completion)
    }

    /// Revokes a key for good; one that is revoked already stays as it is. From the completion on no reader that begins
    /// finds its secret.
    package func revokeKey(_ id: KeyID, completion: @escaping KeyCompletion) { push(.revoke(id), completion) }

    func push(_ write: KeyWrite, _ completion: @escaping KeyCompletion) {
        if !queue.push(.key(write, completion)) { completion(.failure(refusal)) }
    }
}
