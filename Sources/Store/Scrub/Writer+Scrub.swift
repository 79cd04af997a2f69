import Links
import Primitives
import Replication

/// What the scrub found, looked at again.
extension Writer {
    /// Sets digests right, cuts records down and removes what is outdated. The damaged records, and whether there is
    /// anything to commit.
    func settle(
        _ findings: [ScrubFinding], endsRound: Bool, _ now: Instant, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> (damaged: [RecordKey], changes: Bool) {
        var (damaged, changes): ([RecordKey], Bool) = ([], false)
        if endsRound { state.scrub.rounds += 1 }
        for finding in findings {
            switch finding {
            case .damagedRecord(let key):
                state.scrub.damagedRecords += 1
                if let key { damaged.append(key) }
            case .damagedTable: state.scrub.damagedRecords += 1
            case .digest(let bucket, let seen, let counted):
                guard try correct(bucket, seen: seen, counted: counted, now, transaction) else { continue }
                state.scrub.correctedDigests += 1
                changes = true
            case .strayDigest(let rowKey):
                guard try transaction.deleteIfThere(catalogue.digests, rowKey) else { continue }
                state.scrub.correctedDigests += 1
                changes = true
            case .outdated(let table, let rowKey, let before):
                guard try sweep(table, rowKey, before: before, transaction) else { continue }
                state.scrub.sweptRows += 1
                changes = true
            case .reducible(let record):
                guard try reduce(record, transaction) else { continue }
                state.scrub.reducedRecords += 1
                changes = true
            }
        }
        return (damaged, changes)
    }

    /// Counts a bucket again, or, where that takes longer than a transaction may, believes the scrub's own count if the
    /// bucket's row is still the one that it saw.
    private func correct(
        _ bucket: DigestBucket, seen: Digest?, counted: Digest?, _ now: Instant,
        _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> Bool {
        try sums.write(now, catalogue, transaction)
        let key = bucket.rowKey
        let stored = try transaction.get(catalogue.digests, key).flatMap { Digest(row: key, $0) }
        let sum: Digest?
        if let table = catalogue.handle(bucket.table) {
            sum = try state.merge.count(bucket, table, transaction) ?? (stored == seen ? counted : nil)
        } else {
            sum = Digest()
        }
        guard let sum, sum != stored else { return false }
        sums.replace(bucket, by: sum)
        return true
    }

    /// Only if the record is of the same write as the one that was seen.
    private func reduce(
        _ record: PeerRecord, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> Bool {
        guard let index = state.merge.origins.index(of: record.origin),
            let change = try? EntryChange(
                record.key, record.value, stamp: record.stamp, of: record.origin, owners, takesReduced: true)
        else { return false }
        return try state.merge.put(change, at: index, as: .reduction, &sums, transaction) == .changed
    }
}

extension WriteTransaction {
    /// False if there is no such row.
    func deleteIfThere(_ table: TableHandle, _ key: [UInt8]) throws(LMDBError) -> Bool {
        do throws(LMDBError) { try delete(table, key) } catch {
            guard error == .notFound else { throw error }
            return false
        }
        return true
    }
}
