import Links
import Primitives
import Replication

/// The tables `members`, `keys`, `blocks` and `owners`. A store that no program which knows them has opened to write lacks them.
extension StoreInspection {
    /// A table whose keys are spread over its digests; the number of their buckets that have records.
    mutating func inspectPlain(
        _ image: StoreImage, _ table: TableID, _ transaction: ReadTransaction
    ) throws(LMDBError) -> Int {
        guard let handle = image.catalogue.handle(table) else { return 0 }
        var sums: [DigestBucket: Digest] = [:]
        var rowCount = 0
        let cursor = try transaction.cursor(handle)
        var row = try cursor.move(.first)
        while let (keyBytes, value) = row {
            recordCount += 1
            rowCount += 1
            let key = RecordKey(table, keyBytes)
            if let key, let payload = Row.payload(table, keyBytes, value),
                let record = try? TableRecord(key, decoding: payload.bytes),
                let author = image.origins[record.originIndex]?.origin
            {
                noteRecord(record.originIndex, record.stamp, image)
                sums[key.bucket, default: Digest()].add(Digest.hash(key.entryKey, stamp: record.stamp, origin: author))
            } else {
                note("\(table.name): the record of \(name(key, keyBytes)) is damaged")
            }
            row = try cursor.move(.next)
        }
        let present = try transaction.entryCount(handle)
        if present != rowCount { note("\(table.name): \(present) rows by its header, \(rowCount) in order") }
        return try compare(image, &sums, transaction)
    }

    private func name(_ key: RecordKey?, _ bytes: UnsafeRawBufferPointer) -> String {
        switch key {
        case .key(let id): "the key \(id)"
        case .member(let node): "the node \(node)"
        case .moderation(.block): "a block"
        case .moderation(.report(let id)):
            "the report \(hex(UInt64(id >> 64), 16))\(hex(UInt64(truncatingIfNeeded: id), 16))"
        case .moderation(.audit(let stamp, _)): "the audit trail at \(hex(stamp, 16))"
        case .link, nil: "a key of \(bytes.count) bytes"
        }
    }

    /// That the index has the row of one owned link.
    mutating func inspectOwner(
        _ image: StoreImage, _ key: [UInt8], _ stamp: UInt64, _ transaction: ReadTransaction
    ) throws(LMDBError) {
        ownedCount += 1
        let value = try image.catalogue.owners.flatMap { (table) throws(LMDBError) in try transaction.get(table, key) }
        let payload = value.flatMap { value in key.withUnsafeBytes { Row.payload(.owners, $0, value) } }
        if payload?.isEmpty != true { note("owners: the link written at \(hex(stamp, 16)) is not listed") }
    }

    /// That the index has no rows beyond those.
    mutating func inspectOwners(_ image: StoreImage, _ transaction: ReadTransaction) throws(LMDBError) {
        guard let table = image.catalogue.owners else { return }
        let present = try transaction.entryCount(table)
        if present != ownedCount { note("owners: \(present) rows, and \(ownedCount) links have an owner") }
    }

    /// What an entry's record says of the last write that made it.
    struct Effect {
        let stamp: UInt64
        let originIndex: UInt16
        private let body: RecordBody
        /// It holds something else than the entry, though it should not if both are of one write.
        let differs: Bool

        /// Nil if the record cannot be read.
        init?(of entry: LogEntry, at key: RecordKey, in payload: UnsafeRawBufferPointer) {
            guard let record = try? TableRecord(key, decoding: payload.bytes) else { return nil }
            (stamp, originIndex, body) = (record.stamp, record.originIndex, record.body)
            differs = !body.isReduced && (try? RecordBody(key, decoding: entry.value.span.bytes)) != body
        }

        func rank(_ author: Origin) -> RecordRank { body.rank(stamp: stamp, origin: author) }
    }
}
