import Links
import Primitives

/// What the scrub takes away: rows of `claims` and `batches` whose time is over.
enum Sweep {
    /// Whether a row may go: it is too old, damaged, or an entry without a batch.
    ///
    /// - before: claims of earlier creations may go, and batches that were done before.
    /// - head: the row of the batch that an entry belongs to; nil: there is none.
    static func takes(
        _ table: TableID, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, before: Instant,
        head: UnsafeRawBufferPointer?
    ) -> Bool {
        if table == .claims {
            return ClaimRow(key, value).map { $0.creation.stamp < ClaimRow.stamp(before) } ?? true
        }
        let headKey = headKey(key)
        if key.count == headKey.count { return isOver(headKey, value, before) }
        guard let head else { return true }
        return isOver(headKey, head, before) || BatchEntry(key, value) == nil
    }

    /// The key of the batch that a row belongs to.
    static func headKey(_ key: UnsafeRawBufferPointer) -> [UInt8] { Array(key.prefix(BatchHead.keySizeBytes)) }

    private static func isOver(_ key: [UInt8], _ value: UnsafeRawBufferPointer, _ before: Instant) -> Bool {
        guard let head = key.withUnsafeBytes({ BatchHead($0, value) }) else { return true }
        return head.doneAt.map { $0 < before } ?? false
    }
}

extension Writer {
    /// Whether the row was there, and still may go.
    func sweep(
        _ table: TableID, _ key: [UInt8], before: Instant, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> Bool {
        let handle = catalogue.handle(table)!
        guard let value = try transaction.get(handle, key) else {
            // A damaged key stands where no search leads.
            return false
        }
        // A batch's own row stands before its entries', and has gone by now.
        let headKey = key.withUnsafeBytes { Sweep.headKey($0) }
        let head = table == .batches ? try transaction.get(handle, headKey) : nil
        let isOver = key.withUnsafeBytes { Sweep.takes(table, $0, value, before: before, head: head) }
        guard isOver else { return false }
        try transaction.delete(handle, key)
        return true
    }
}
