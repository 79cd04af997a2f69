import Links
import Store

/// Acts of admins, as they are told. The log has an event of each; the trail in the store has it too, written with the act
/// where that is a write of the store, else right after.
extension AuditBody {
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
