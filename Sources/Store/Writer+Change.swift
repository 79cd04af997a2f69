import Links
import Primitives

/// What a user does to a link that is there.
package enum LinkChange: Equatable, Sendable {
    /// All that the link says from now on; who made it and when stays.
    case update(LinkBody)
    /// For good.
    case delete
}

extension Store {
    /// Makes the change durable and then calls `completion` on the writer's thread, which must not be kept.
    package func change(_ key: LinkKey, _ change: LinkChange, completion: @escaping Completion) {
        guard allowsChanges else { return completion(.failure(.clockWrong)) }
        if !queue.push(.change(key, change, completion)) { completion(.failure(refusal)) }
    }
}

extension Writer {
    /// Puts a link's new state into the transaction. A refusal changes nothing. To delete needs no room for links.
    func change(
        _ key: LinkKey, _ change: LinkChange, _ now: Instant, _ transaction: borrowing WriteTransaction,
        takesLinks: Bool
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
        if case .update(let wanted) = change {
            body = wanted
            (body.claimID, body.importedCreation) = (record.body.claimID, record.body.importedCreation)
        } else {
            body.flags = .deleted
        }
        body.creation = record.body.creation ?? Creation(stamp: record.stamp, origin: author)
        return try put(key, body, over: record, author, table, now, transaction)
    }

    private func put(
        _ key: LinkKey, _ body: LinkBody, over record: StoredRecord, _ author: Origin, _ table: TableHandle,
        _ now: Instant, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> Outcome {
        state.merge.stamps!.note(key)
        let stamp = state.clock.stamp(now: now, stored: Stamp(rawValue: record.stamp))
        var value: [UInt8] = []
        body.encode(into: &value)
        try transaction.put(table, key.rowKey, sealedRecord(key.table, key.rowKey, stamp, value))
        try state.merge.moveOwner(
            from: owners.row(of: key, record.body, stamp: record.stamp),
            to: owners.row(of: key, body, stamp: stamp.rawValue), transaction)
        var entryKey: [UInt8] = []
        key.encode(into: &entryKey)
        try log(LogEntry.Kind.link, entryKey, stamp, value, transaction)
        try addToDigest(
            DigestBucket(key), Digest.hash(entryKey, stamp: stamp.rawValue, origin: state.row.origin),
            replacing: Digest.hash(entryKey, stamp: record.stamp, origin: author), transaction)
        return .success(
            CreatedLink(
                code: Array(codeSpace.text(of: key).utf8), key: key, stamp: stamp, origin: state.row.origin,
                sequence: state.row.head, body: body))
    }
}
