import Links
import Primitives

extension Writer {
    /// Puts a key's new state into the transaction; whether anything changed. A refusal changes nothing.
    ///
    /// `takesLinks` false: there is no room for what users make. Revoking is what the rest of the room is kept for.
    func apply(
        _ write: KeyWrite, _ act: AuditBody?, _ now: Instant, _ transaction: borrowing WriteTransaction,
        takesLinks: Bool
    ) throws(LMDBError) -> (outcome: Outcome, changes: Bool) {
        let applied = try apply(write, now, transaction, takesLinks: takesLinks)
        if applied.changes { try audit(act, now, transaction) }
        return applied
    }

    private func apply(
        _ write: KeyWrite, _ now: Instant, _ transaction: borrowing WriteTransaction, takesLinks: Bool
    ) throws(LMDBError) -> (outcome: Outcome, changes: Bool) {
        switch write {
        case .create(let id, let body):
            guard takesLinks else { return (.failure(.storageFull), false) }
            let stamp = state.clock.stamp(now: now)
            try put(id, body, stamp, replacing: nil, transaction)
            return (.key(StoredKey(id, body, stamp: stamp.rawValue)), true)
        case .revoke(let id):
            return try revoke(id, now, transaction)
        case .revokeTokens(let id, let body):
            return try revokeTokens(id, body, now, transaction)
        }
    }

    private func revokeTokens(
        _ id: KeyID, _ body: KeyBody, _ now: Instant, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> (outcome: Outcome, changes: Bool) {
        let (stamp, replaced): (Stamp, UInt128?)
        switch try transaction.cursor(catalogue.keys!).search(.keys, id.bytes) {
        case .absent: (stamp, replaced) = (state.clock.stamp(now: now), nil)
        case .damaged: return (.failure(.damagedRecord), false)
        case .sound(let payload):
            guard let record = try? KeyRecord(decoding: payload.bytes),
                let author = state.merge.origins.names[record.originIndex]
            else { return (.failure(.damagedRecord), false) }
            // A token is revoked once and for all; of a subject there may be newer ones.
            if body.revokes == .jti { return (.key(StoredKey(id, record.body, stamp: record.stamp)), false) }
            stamp = state.clock.stamp(now: now, stored: Stamp(rawValue: record.stamp))
            replaced = Digest.hash(id.bytes, stamp: record.stamp, origin: author)
        }
        try put(id, body, stamp, replacing: replaced, transaction)
        return (.key(StoredKey(id, body, stamp: stamp.rawValue)), true)
    }

    private func revoke(
        _ id: KeyID, _ now: Instant, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> (outcome: Outcome, changes: Bool) {
        let found = try transaction.cursor(catalogue.keys!).search(.keys, id.bytes)
        switch found {
        case .absent: return (.key(nil), false)
        case .damaged: return (.failure(.damagedRecord), false)
        case .sound(let payload):
            guard let record = try? KeyRecord(decoding: payload.bytes),
                let author = state.merge.origins.names[record.originIndex]
            else { return (.failure(.damagedRecord), false) }
            if record.body.flags.contains(.deleted) {
                return (.key(StoredKey(id, record.body, stamp: record.stamp)), false)
            }
            let stamp = state.clock.stamp(now: now, stored: Stamp(rawValue: record.stamp))
            let creation = record.body.creation ?? Creation(stamp: record.stamp, origin: author)
            let body = record.body.revoked(creation)
            let replaced = Digest.hash(id.bytes, stamp: record.stamp, origin: author)
            try put(id, body, stamp, replacing: replaced, transaction)
            return (.key(StoredKey(id, body, stamp: stamp.rawValue)), true)
        }
    }

    /// `replaced`: the hash of the record that stands there; nil: none does.
    private func put(
        _ id: KeyID, _ body: KeyBody, _ stamp: Stamp, replacing replaced: UInt128?,
        _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        var value: [UInt8] = []
        body.encode(into: &value)
        let row = sealedRecord(.keys, id.bytes, stamp, value)
        if replaced == nil {
            try transaction.putNew(catalogue.keys!, id.bytes, row, append: false)
        } else {
            try transaction.put(catalogue.keys!, id.bytes, row)
        }
        try log(LogEntry.Kind.key, id.bytes, stamp, value, transaction)
        let hash = Digest.hash(id.bytes, stamp: stamp.rawValue, origin: state.row.origin)
        try addToDigest(DigestBucket(id), hash, replacing: replaced, transaction)
    }
}
