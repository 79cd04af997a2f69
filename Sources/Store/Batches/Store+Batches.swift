import Links
import Primitives

/// Batches as the disk has them, each read in one short transaction.
extension Store {
    /// A batch with all its entries; nil: this node has none of that number. A damaged one throws.
    package func batch(_ number: UInt128) throws(StoreError) -> (head: BatchHead, entries: [BatchEntry])? {
        try reading { (view, transaction) throws(LMDBError) in
            let key = ClaimRow.rowKey(number)
            guard let value = try transaction.get(view.catalogue.batches!, key) else { return nil }
            guard let head = key.withUnsafeBytes({ BatchHead($0, value) }) else { throw .corrupted }
            var entries: [BatchEntry] = []
            let cursor = try transaction.cursor(view.catalogue.batches!)
            var row = try cursor.seek(BatchEntry.rowKey(number, 0))
            while entries.count < head.count, let (key, value) = row {
                guard key.elementsEqual(BatchEntry.rowKey(number, entries.count)), let entry = BatchEntry(key, value)
                else { throw .corrupted }
                entries.append(entry)
                row = try cursor.move(.next)
            }
            guard entries.count == head.count else { throw .corrupted }
            return (head, entries)
        }
    }

    /// Entries of a batch that are still to be made, the first ones of index `first` or later, at most `limit`. A
    /// damaged one throws.
    package func waitingEntries(
        _ number: UInt128, from first: Int = 0, atMost limit: Int
    ) throws(StoreError) -> [(index: Int, content: [UInt8])] {
        try reading { (view, transaction) throws(LMDBError) in
            var waiting: [(index: Int, content: [UInt8])] = []
            let cursor = try transaction.cursor(view.catalogue.batches!)
            let head = ClaimRow.rowKey(number)
            var row = try cursor.seek(BatchEntry.rowKey(number, first))
            while waiting.count < limit, let (key, value) = row, key.starts(with: head) {
                guard let entry = BatchEntry(key, value) else { throw .corrupted }
                if !entry.isDone {
                    waiting.append((Int(key[head.count]) << 8 | Int(key[head.count + 1]), entry.content))
                }
                row = try cursor.move(.next)
            }
            return waiting
        }
    }

    /// Those that are not done, and can be read.
    package func unfinishedBatches() throws(StoreError) -> [BatchHead] {
        try reading { (view, transaction) throws(LMDBError) in
            var heads: [BatchHead] = []
            let cursor = try transaction.cursor(view.catalogue.batches!)
            var row = try cursor.move(.first)
            while let (key, value) = row {
                if let head = BatchHead(key, value), head.doneAt == nil { heads.append(head) }
                // Behind the last entry that there can be.
                let end = Array(key.prefix(BatchHead.keySizeBytes)) + [255, 255, 255]
                row = try key.lexicographicallyPrecedes(end) ? cursor.seek(end) : cursor.move(.next)
            }
            return heads.sorted { ($0.takenAt, $0.number) < ($1.takenAt, $1.number) }
        }
    }
}
