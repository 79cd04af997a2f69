import Links
import Primitives

/// What is written under the keys of moderation.
enum ModerationWrite: Sendable {
    case block(BlockWrite)
    case report(UInt128, ReportBody)
    case decide(ReportDecision)
    case audit(AuditBody)
}

/// What came of it.
enum Moderated: Sendable {
    case block(WrittenBlock)
    case report(ReportOutcome)
    /// Nil: there is no such report.
    case decided(DecidedReport?)
    case audited
}

extension Store {
    typealias ModerationCompletion = @Sendable (Result<Moderated, WriteError>) -> Void
}

/// Blocks in the writer's transaction.
extension Writer {
    /// Puts a write into the transaction; whether anything changed. A refusal changes nothing.
    ///
    /// - takesLinks: false where there is no room for what users make. What somebody decided is what the rest of the room
    ///   is kept for.
    func apply(
        _ write: ModerationWrite, _ now: Instant, _ transaction: borrowing WriteTransaction, takesLinks: Bool
    ) throws(LMDBError) -> (outcome: Outcome, changes: Bool) {
        guard state.writtenFormat >= LogEntry.moderationFormat else { return (.failure(.notReadByAll), false) }
        switch write {
        case .block(let write):
            guard takesLinks || write.source == .decision else { return (.failure(.storageFull), false) }
            return try apply(write, now, transaction)
        case .report(let id, let body):
            guard takesLinks else { return (.failure(.storageFull), false) }
            return try take(id, body, now, transaction)
        case .decide(let decision): return try decide(decision, now, transaction)
        case .audit(let act):
            let isKept = try audit(act, now, transaction)
            return (.moderated(.audited), isKept)
        }
    }

    func apply(
        _ write: BlockWrite, _ now: Instant, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> (outcome: Outcome, changes: Bool) {
        let key = ModerationKey.block(write.key)
        let found = try standing(at: key, transaction)
        var body = BlockBody()
        switch found {
        case .damaged: return (.failure(.damagedRecord), false)
        case .absent:
            guard write.changes(nil) else { return (.unwritten(nil), false) }
        case .record(let record, let author):
            guard case .moderation(.block(let stands)) = record.body else {
                preconditionFailure("a block's key has a block")
            }
            guard write.changes(stands) else {
                let block = StoredBlock(
                    key: write.key, body: stands, stamp: Stamp(rawValue: record.stamp), origin: author)
                return (.unwritten(block), false)
            }
            body = stands
        }
        let wasBlocked = found.isRecord && body.isBlocked
        if found.isRecord, body.source == .decision, write.source != .decision { body.turn += 1 }
        (body.isBlocked, body.source) = (write.isBlocked, write.source)
        (body.reason, body.by, body.liftedFor) = (write.reason, write.by, write.liftedFor)
        state.merge.stamps!.note(write.key)
        let stamp = try put(key, .block(body), over: found, now, transaction)
        let block = StoredBlock(key: write.key, body: body, stamp: stamp, origin: state.row.origin)
        let sequence = state.row.head
        if write.source == .decision {
            let act = AuditBody(
                write.isBlocked ? "block" : "lift-block", on: name(of: write.key), by: write.by, detail: write.reason)
            try audit(act, now, transaction)
        }
        return (
            .moderated(.block(WrittenBlock(block: block, isNew: !wasBlocked, sequence: sequence))), true
        )
    }

    /// What stands under a key of moderation.
    enum StoredModeration {
        case absent, damaged
        case record(TableRecord, author: Origin)

        var isRecord: Bool { if case .record = self { true } else { false } }
    }

    func standing(
        at key: ModerationKey, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> StoredModeration {
        let rowKey = key.bytes
        guard let value = try transaction.get(catalogue.blocks!, rowKey) else { return .absent }
        guard let payload = rowKey.withUnsafeBytes({ Row.payload(.blocks, $0, value) }),
            let record = try? TableRecord(.moderation(key), decoding: payload.bytes),
            let author = state.merge.origins.names[record.originIndex]
        else { return .damaged }
        return .record(record, author: author)
    }

    /// Record, log entry and digest; the stamp that they have.
    ///
    /// - Precondition: what stands there is not damaged.
    @discardableResult
    func put(
        _ key: ModerationKey, _ body: ModerationBody, over standing: StoredModeration, _ now: Instant,
        _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> Stamp {
        var stored: Stamp?
        if case .record(let record, _) = standing { stored = Stamp(rawValue: record.stamp) }
        let stamp = state.clock.stamp(now: now, stored: stored)
        try put(key, body, over: standing, at: stamp, transaction)
        return stamp
    }

    /// - Precondition: `stamp` is the clock's last.
    func put(
        _ key: ModerationKey, _ body: ModerationBody, over standing: StoredModeration, at stamp: Stamp,
        _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        var replaced: UInt128?
        let rowKey = key.bytes
        var wasOpen = false
        if case .record(let record, let author) = standing {
            replaced = Digest.hash(rowKey, stamp: record.stamp, origin: author)
            if case .moderation(let old) = record.body { wasOpen = old.isOpenReport }
        }
        state.merge.noteReport(wasOpen: wasOpen, isOpen: body.isOpenReport)
        var value: [UInt8] = []
        body.encode(into: &value)
        try transaction.put(catalogue.blocks!, rowKey, sealedRecord(.blocks, rowKey, stamp, value))
        try log(LogEntry.Kind.moderation, rowKey, stamp, value, transaction)
        let hash = Digest.hash(rowKey, stamp: stamp.rawValue, origin: state.row.origin)
        try addToDigest(DigestBucket(key), hash, replacing: replaced, transaction)
    }
}

extension Writer.Outcome {
    /// Nothing was written over a block, or over none.
    fileprivate static func unwritten(_ block: StoredBlock?) -> Writer.Outcome {
        .moderated(.block(WrittenBlock(block: block, isNew: false, sequence: nil)))
    }
}
