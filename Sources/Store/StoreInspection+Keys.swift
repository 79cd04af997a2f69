import Links
import Primitives

/// The tables `keys` and `owners`. A store that no program which knows them has opened to write lacks both.
extension StoreInspection {
    /// The number of digests' buckets that have keys.
    mutating func inspectKeys(_ image: StoreImage, _ transaction: ReadTransaction) throws(LMDBError) -> Int {
        guard let table = image.catalogue.keys else { return 0 }
        var sums: [DigestBucket: Digest] = [:]
        var rowCount = 0
        let cursor = try transaction.cursor(table)
        var row = try cursor.move(.first)
        while let (keyBytes, value) = row {
            recordCount += 1
            rowCount += 1
            if let payload = Row.payload(.keys, keyBytes, value), let id = try? KeyID(decoding: keyBytes.bytes),
                let record = try? KeyRecord(decoding: payload.bytes),
                let author = image.origins[record.originIndex]?.origin
            {
                recordsByOrigin[record.originIndex, default: 0] += 1
                let hash = Digest.hash(id.bytes, stamp: record.stamp, origin: author)
                sums[DigestBucket(id), default: Digest()].add(hash)
            } else {
                let name = (try? KeyID(decoding: keyBytes.bytes))?.description ?? "of \(keyBytes.count) bytes"
                note("keys: the record of the key \(name) is damaged")
            }
            row = try cursor.move(.next)
        }
        let present = try transaction.entryCount(table)
        if present != rowCount { note("keys: \(present) rows by its header, \(rowCount) in order") }
        return try compare(image, &sums, transaction)
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
        private let body: Body
        private enum Body { case link(LinkBody), key(KeyBody) }
        /// It holds something else than the entry, though it should not if both are of one write.
        let differs: Bool

        /// Nil if the record cannot be read.
        init?(of entry: LogEntry, in payload: UnsafeRawBufferPointer) {
            if entry.kind == LogEntry.Kind.key {
                guard let record = try? KeyRecord(decoding: payload.bytes) else { return nil }
                (stamp, originIndex, body) = (record.stamp, record.originIndex, .key(record.body))
                differs = (try? KeyBody(decoding: entry.value.span.bytes)) != record.body
            } else {
                guard let record = try? StoredRecord(decoding: payload.bytes) else { return nil }
                (stamp, originIndex, body) = (record.stamp, record.originIndex, .link(record.body))
                differs =
                    !record.body.flags.contains(.reduced)
                    && (try? LinkBody(decoding: entry.value.span.bytes)) != record.body
            }
        }

        func rank(_ author: Origin) -> RecordRank {
            switch body {
            case .link(let body): RecordRank(body, stamp: stamp, origin: author)
            case .key(let body): RecordRank(body, stamp: stamp, origin: author)
            }
        }
    }
}
