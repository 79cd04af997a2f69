import Links
import Store

/// Acts of admins, as they are told. The log has an event of each; the trail in the store has it too, written with the act
/// where that is a write of the store, else right after.
extension AuditBody {
    /// Who has no key: whoever uses the machine itself, and whom the admin port let in. No key's owner and no token's subject
    /// begins with a colon.
    static let `operator` = Array(":operator".utf8)
    static let adminPort = Array(":admin-port".utf8)

    static func creation(of new: (key: KeyText, body: KeyBody), by principal: [UInt8]) -> AuditBody {
        let owner = String(decoding: new.body.principal, as: UTF8.self)
        return AuditBody(
            "create-key", on: "\(new.key.id)", by: principal,
            detail: "for \(owner): " + new.body.scopes.joined(separator: " "))
    }

    /// Of an act that is in the trail already, or cannot be.
    func tell() {
        Log.write(
            .info, "admin-act",
            [
                "act": .string(act), "subject": .string(subject), "by": .string(String(decoding: by, as: UTF8.self)),
                "outcome": .string(outcome), "detail": .string(detail),
            ])
    }

    /// Of an act that no write of the store made. Any thread.
    func tell(to store: Store) {
        tell()
        store.audit(self) { [act] result in
            guard case .failure(let error) = result else { return }
            Log.write(
                .warning, "audit-not-kept", ["act": .string(act), "reason": .string(Problem(error).detail)])
        }
    }
}

/// What came of reports that were handed in.
final class ReportCounts: Sendable {
    let taken = Counter()
    /// There was one already, or the link had as many as it may.
    let known = Counter()
    /// There were as many as may be.
    let refused = Counter()

    func note(_ outcome: ReportOutcome) {
        switch outcome {
        case .taken: taken.add()
        case .known: known.add()
        case .tooMany: refused.add()
        }
    }
}
