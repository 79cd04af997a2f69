import Links
import Primitives

/// Tokens that one thread has verified, by the SHA-256 of their text, until they expire: what a signature costs is paid once.
///
/// The half that was filled last, and the one before: what is asked for stays, and the rest goes when both are full.
struct JWTMemo {
    struct Holder {
        let caller: Caller
        /// Rows that tell that it is revoked: by its `jti`, if it has one, and by its subject.
        let tokenID: KeyID?
        let subjectID: KeyID
        let issuedAt: Instant?
        /// From then on it has expired.
        let end: Instant
    }

    private static let half = JWTLimits.remembered / 2

    private var recent: [[UInt8]: Holder] = [:]
    private var older: [[UInt8]: Holder] = [:]
    /// Of the verifier that has verified them.
    private var number = 0

    var count: Int { recent.count + older.count }

    /// Nil for one that is not known, was verified with other keys or rules, or has expired.
    mutating func find(_ hash: [UInt8], number: Int, now: Instant) -> Holder? {
        if number != self.number {
            (recent, older) = ([:], [:])
            self.number = number
        }
        guard let holder = recent[hash] ?? older[hash], now < holder.end else { return nil }
        if recent[hash] == nil { keep(hash, holder) }
        return holder
    }

    /// - Precondition: `find` has been asked for it with the same number.
    mutating func keep(_ hash: [UInt8], _ holder: Holder) {
        if recent.count >= Self.half { (recent, older) = ([:], recent) }
        older[hash] = nil
        recent[hash] = holder
    }
}
