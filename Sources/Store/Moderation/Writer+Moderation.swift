import Links
import Primitives

/// What is written under the keys of moderation.
enum ModerationWrite: Sendable {
    case block(BlockWrite)
}

/// What came of it.
enum Moderated: Sendable {
    case block(WrittenBlock)
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
        }
    }

    private func apply(
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
                let block = StoredBlock(key: write.key, body: stands, stamp: Stamp(rawValue: record.stamp), origin: author)
                return (.unwritten(block), false)
            }
            body = stands
        }
        let wasBlocked = found.isRecord && body.isBlocked
        (body.isBlocked, body.source) = (write.isBlocked, write.source)
        (body.reason, body.by) = (write.reason, write.by)
        state.merge.stamps!.note(write.key)
        let stamp = try put(key, .block(body), over: found, now, transaction)
        let block = StoredBlock(key: write.key, body: body, stamp: stamp, origin: state.row.origin)
        return (
            .moderated(.block(WrittenBlock(block: block, isNew: !wasBlocked, sequence: state.row.head))), true
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
        var (stored, replaced): (Stamp?, UInt128?) = (nil, nil)
        let rowKey = key.bytes
        if case .record(let record, let author) = standing {
            stored = Stamp(rawValue: record.stamp)
            replaced = Digest.hash(rowKey, stamp: record.stamp, origin: author)
        }
        let stamp = state.clock.stamp(now: now, stored: stored)
        var value: [UInt8] = []
        body.encode(into: &value)
        try transaction.put(catalogue.blocks!, rowKey, sealedRecord(.blocks, rowKey, stamp, value))
        try log(LogEntry.Kind.moderation, rowKey, stamp, value, transaction)
        let hash = Digest.hash(rowKey, stamp: stamp.rawValue, origin: state.row.origin)
        try addToDigest(DigestBucket(key), hash, replacing: replaced, transaction)
        return stamp
    }
}

extension Writer.Outcome {
    /// Nothing was written over a block, or over none.
    fileprivate static func unwritten(_ block: StoredBlock?) -> Writer.Outcome {
        .moderated(.block(WrittenBlock(block: block, isNew: false, sequence: nil)))
    }
}
