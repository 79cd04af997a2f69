import Links
import Primitives

/// What a user does to a link that is there.
package enum LinkChange: Equatable, Sendable {
    /// All that the link says from now on; who made it and when stays.
    case update(LinkBody)
    /// What the patch names; the rest stays as the writer finds it. Not for a link that expired so long ago that it was cut
    /// down.
    case patch(LinkPatch)
    /// For good.
    case delete
}

/// What must hold of a link's record when it is changed, in the writer's own transaction; else nothing is.
package struct ChangeCondition: Sendable {
    /// Whose it is; nil: nobody's.
    package var owner: [UInt8]?
    /// Judges the last write of the link by its stamp and who wrote it; nil: whatever it is.
    package var isCurrent: (@Sendable (Stamp, Origin) -> Bool)?

    package init(owner: [UInt8]?, isCurrent: (@Sendable (Stamp, Origin) -> Bool)? = nil) {
        (self.owner, self.isCurrent) = (owner, isCurrent)
    }

    fileprivate func refusal(_ record: StoredRecord, of author: Origin) -> WriteError? {
        if owner != record.body.owner { return .notFound }
        return isCurrent?(Stamp(rawValue: record.stamp), author) ?? true ? nil : .preconditionFailed
    }
}

extension Store {
    /// Makes the change durable and then calls `completion` on the writer's thread, which must not be kept.
    ///
    /// - audit: the line of the audit trail that is to be written with it.
    package func change(
        _ key: LinkKey, _ change: LinkChange, if condition: ChangeCondition? = nil, audit: AuditBody? = nil,
        completion: @escaping Completion
    ) {
        guard allowsChanges else { return completion(.failure(.clockWrong)) }
        if !queue.push(.change(key, change, condition, audit, completion)) { completion(.failure(refusal)) }
    }
}

extension Writer {
    /// Puts a link's new state into the transaction. A refusal changes nothing. To delete needs no room for links.
    func change(
        _ key: LinkKey, _ change: LinkChange, _ condition: ChangeCondition?, _ act: AuditBody?, _ now: Instant,
        _ transaction: borrowing WriteTransaction, takesLinks: Bool
    ) throws(LMDBError) -> Outcome {
        guard takesLinks || change == .delete else { return .failure(.storageFull) }
        guard let table = catalogue.handle(key.table) else { return .failure(.notFound) }
        let payload: UnsafeRawBufferPointer
        switch try transaction.cursor(table).search(key.table, key.rowKey) {
        case .absent: return .failure(.notFound)
        case .damaged: return .failure(.damagedRecord)
        case .sound(let found): payload = found
        }
        guard let record = try? StoredRecord(decoding: payload.bytes),
            let author = state.merge.origins.names[record.originIndex]
        else { return .failure(.damagedRecord) }
        guard !record.body.flags.contains(.deleted) else { return .failure(.deleted) }
        var body = LinkBody()
        switch change {
        case .update(let wanted):
            body = wanted
            (body.claimID, body.importedCreation) = (record.body.claimID, record.body.importedCreation)
            body.requestHash = record.body.requestHash
        case .patch(let patch):
            guard !record.body.flags.contains(.reduced) else { return .failure(.deleted) }
            body = patch.applied(to: record.body)
        case .delete: body.flags = .deleted
        }
        if let refusal = condition?.refusal(record, of: author) { return .failure(refusal) }
        body.creation = record.body.creation ?? Creation(stamp: record.stamp, origin: author)
        var (entryKey, value): ([UInt8], [UInt8]) = ([], [])
        key.encode(into: &entryKey)
        body.encode(into: &value)
        // Of a peer; own clients' are bounded.
        guard LogEntry.fits(entryKey, value) else { return .failure(.notReadByAll) }
        // A snapshot is taken whole, whatever its stamps. This one would become that of all later changes here.
        guard !state.clock.isLed(by: Stamp(rawValue: record.stamp), now: now) else { return .failure(.clockWrong) }
        let outcome = try put(key, body, (entryKey, value), over: record, author, table, now, transaction)
        try audit(act, now, transaction)
        return outcome
    }

    private func put(
        _ key: LinkKey, _ body: LinkBody, _ entry: (key: [UInt8], value: [UInt8]), over record: StoredRecord,
        _ author: Origin,
        _ table: TableHandle, _ now: Instant, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> Outcome {
        state.merge.stamps!.note(key)
        let stamp = state.clock.stamp(now: now, stored: Stamp(rawValue: record.stamp))
        try transaction.put(table, key.rowKey, sealedRecord(key.table, key.rowKey, stamp, entry.value))
        try state.merge.moveOwner(
            from: owners.row(of: key, record.body, stamp: record.stamp),
            to: owners.row(of: key, body, stamp: stamp.rawValue), transaction)
        try log(LogEntry.Kind.link, entry.key, stamp, entry.value, transaction)
        try addToDigest(
            DigestBucket(key), Digest.hash(entry.key, stamp: stamp.rawValue, origin: state.row.origin),
            replacing: Digest.hash(entry.key, stamp: record.stamp, origin: author), transaction)
        return .success(
            CreatedLink(
                code: Array(codeSpace.text(of: key).utf8), key: key, stamp: stamp, origin: state.row.origin,
                sequence: state.row.head, body: body))
    }
}

extension CreatedLink {
    /// As a peer is told of it.
    package var peerRecord: [UInt8] {
        var (value, bytes): ([UInt8], [UInt8]) = ([], [])
        body.encode(into: &value)
        PeerRecord(.link(key), value, stamp: stamp, of: origin).encode(into: &bytes)
        return bytes
    }
}
