import Links
import Primitives
import Store

/// Finds out whose a token is, for one thread.
final class JWTAuthentication {
    private let store: Store
    private let verifiers: JWTVerifiers
    private let hasher = SHA256Hasher()
    private let noteDamage: () -> Void
    private var memo = JWTMemo()
    /// Lines of the log: when the last one was written, and what has been passed over since.
    private var toldAt: Int64?
    private var untold = 0

    init(_ store: Store, _ verifiers: JWTVerifiers, noteDamage: @escaping () -> Void) {
        (self.store, self.verifiers, self.noteDamage) = (store, verifiers, noteDamage)
    }

    /// Nil for a credential that is not to be taken for a token.
    ///
    /// - Throws: one and the same answer for all tokens that do not hold.
    func caller(_ text: [UInt8], now: Instant) throws(RefusedRequest) -> Caller? {
        guard let verifier = verifiers.current, JSONWebToken.hasForm(text) else { return nil }
        let found: Result<Caller, JWTRefusal>
        do throws(StoreError) { found = try check(text, verifier, now: now) } catch {
            throw RefusedRequest(.overloaded)
        }
        do throws(JWTRefusal) { return try found.get() } catch {
            verifiers.counts.note { $0.refused[error, default: 0] += 1 }
            tell(error)
            throw RefusedRequest(.invalidKey)
        }
    }

    private func check(
        _ text: [UInt8], _ verifier: JWTVerifiers.Verifier, now: Instant
    ) throws(StoreError) -> Result<Caller, JWTRefusal> {
        let hash = hasher.hash(text)
        let known = memo.find(hash, number: verifier.number, now: now)
        let holder: JWTMemo.Holder
        if let known {
            holder = known
        } else {
            do throws(JWTRefusal) { holder = try verified(text, verifier, now) } catch { return .failure(error) }
            memo.keep(hash, holder)
        }
        if try isRevoked(holder) { return .failure(.revoked) }
        verifiers.counts.note { if known == nil { $0.verified += 1 } else { $0.remembered += 1 } }
        return .success(holder.caller)
    }

    private func verified(
        _ text: [UInt8], _ verifier: JWTVerifiers.Verifier, _ now: Instant
    ) throws(JWTRefusal) -> JWTMemo.Holder {
        let claims = try verifier.claims(of: text, now: now)
        let caller: Caller =
            claims.scopes.isEmpty
            ? .unscoped : .holder(principal: Array(claims.subject.utf8), scopes: claims.scopes)
        return JWTMemo.Holder(
            caller: caller, tokenID: claims.id.map { hasher.id(revoking: .jti, $0) },
            subjectID: hasher.id(revoking: .sub, claims.subject), issuedAt: claims.issuedAt,
            end: claims.end(verifier.rules))
    }

    /// Asked each time, so that a revocation counts as soon as it is here. A row that cannot be read may say anything.
    private func isRevoked(_ holder: JWTMemo.Holder) throws(StoreError) -> Bool {
        if let id = holder.tokenID {
            switch try store.findKey(id) {
            case .absent: break
            case .key: return true
            case .damaged:
                noteDamage()
                return true
            }
        }
        switch try store.findKey(holder.subjectID) {
        case .absent: return false
        case .key(let revocation): return holder.issuedAt.map { $0 <= revocation.createdAt } ?? true
        case .damaged:
            noteDamage()
            return true
        }
    }

    /// Nothing of the token.
    private func tell(_ refusal: JWTRefusal) {
        let now = System.monotonicMilliseconds()
        if let toldAt, now - toldAt < JWTLimits.logMilliseconds { return untold += 1 }
        Log.write(.info, "jwt-refused", ["reason": .string(refusal.rawValue), "untold": .init(untold)])
        (toldAt, untold) = (now, 0)
    }
}
