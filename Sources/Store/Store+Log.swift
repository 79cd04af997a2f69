import Links
import Primitives
import Replication
import Synchronization

extension Store {
    package typealias Application = @Sendable (ApplyOutcome) -> Void

    /// Makes entries of another node's log durable, merged into the records, and then calls `completion` on the
    /// writer's thread, which must not be kept. What is known already is skipped.
    ///
    /// - Precondition: at most `StoreLimits.entriesPerBatch` entries.
    package func apply(_ batch: LogBatch, completion: @escaping Application) {
        precondition(batch.entries.count <= StoreLimits.entriesPerBatch)
        // A batch weighs much more than a create, so few of them wait, and creates always find a place beside them.
        guard waitingBatches.add(1, ordering: .relaxed).newValue <= StoreLimits.waitingBatches else {
            waitingBatches.subtract(1, ordering: .relaxed)
            return completion(.refused(.overloaded))
        }
        let isQueued = queue.push(
            .apply(batch) { [self] outcome in
                waitingBatches.subtract(1, ordering: .relaxed)
                completion(outcome)
            })
        guard !isQueued else { return }
        waitingBatches.subtract(1, ordering: .relaxed)
        completion(.refused(refusal))
    }

    /// What a peer is sent of a log, and the chains around it.
    package func entries(_ read: LogRead) -> LogReadResult {
        let result = try? reading { (view, transaction) throws(LMDBError) -> LogReadResult in
            guard let index = view.index(of: read.origin) else { return .belowFloor(0) }
            var reader = try LogReader(index, read.from, view.catalogue, transaction)
            let failure = try reader.read(
                through: read.through, limitBytes: read.limitBytes, view.catalogue, transaction)
            switch failure {
            case nil where !reader.batch.entries.isEmpty: return .entries(Entries(reader.batch, after: reader.before))
            case .truncated(let floor): return .belowFloor(floor)
            case .damaged(let sequence): return .damaged(sequence: sequence)
            case nil, .unknownOrigin, .beyond, .failed: return .damaged(sequence: nil)
            }
        }
        return result ?? .damaged(sequence: nil)
    }

    /// Whether these logs are here as far as these heads, and in this version. What was truncated away beyond a head nobody
    /// can compare any more: then not.
    package func holds(_ heads: [LogHead]) -> Bool {
        let holds = try? reading { (view, transaction) throws(LMDBError) in
            let indexes = Dictionary(view.names.map { ($1, $0) }, uniquingKeysWith: max)
            for head in heads where head.head > 0 && head.chain != Chain(rawValue: 0) {
                guard let index = indexes[head.origin],
                    let row = try OriginRow.find(index, view.catalogue, transaction)
                else { return false }
                // Also where the last entry is damaged.
                if head.head == row.head, Chain(row.headChain) == head.chain { continue }
                var reader = try LogReader(index, head.head + 1, view.catalogue, transaction)
                let failure = try reader.read(through: head.head, limitBytes: 0, view.catalogue, transaction)
                guard failure == nil, Chain(reader.before) == head.chain else { return false }
            }
            return true
        }
        return holds ?? false
    }

    /// Entries of an origin's log from `first` on, read in one short transaction: up to `last`, to the log's end, or
    /// until there are about `limitBytes` of them.
    package func logBatch(
        _ origin: Origin, from first: UInt64, through last: UInt64 = .max, limitBytes: Int = StoreLimits.partBytes
    ) -> Result<LogBatch, LogReadError> {
        precondition(first > 0)
        do throws(StoreError) {
            return try reading { (view, transaction) throws(LMDBError) in
                guard let index = view.index(of: origin) else { return .failure(.unknownOrigin) }
                var reader = try LogReader(index, first, view.catalogue, transaction)
                let failure = try reader.read(
                    through: last, limitBytes: limitBytes, view.catalogue, transaction)
                if let failure { return .failure(failure) }
                return .success(reader.batch)
            }
        } catch {
            return .failure(.failed(reason: error.description))
        }
    }
}

/// Why a part of a log cannot be read.
package enum LogReadError: Error, Equatable, Sendable {
    case unknownOrigin
    /// Entries up to `floor` are no longer here.
    case truncated(floor: UInt64)
    /// The log ends before.
    case beyond(head: UInt64)
    case damaged(sequence: UInt64)
    case failed(reason: String)
}

/// A batch while it is read, within one transaction.
private struct LogReader {
    private(set) var batch: LogBatch
    /// The chain before the first entry.
    private(set) var before: [UInt8] = []
    private let index: UInt16
    private let row: OriginRow

    init(
        _ index: UInt16, _ first: UInt64, _ tables: Catalogue, _ transaction: ReadTransaction
    ) throws(LMDBError) {
        guard let row = try OriginRow.find(index, tables, transaction) else { throw .corrupted }
        (self.index, self.row) = (index, row)
        batch = LogBatch(origin: row.origin, first: first, entries: [], chain: [], ceiling: row.ceiling)
    }

    mutating func read(
        through last: UInt64, limitBytes: Int, _ tables: Catalogue, _ transaction: ReadTransaction
    ) throws(LMDBError) -> LogReadError? {
        guard batch.first > row.floor else { return .truncated(floor: row.floor) }
        guard batch.first <= row.head + 1 else { return .beyond(head: row.head) }
        guard let before = try chain(at: batch.first - 1, tables.log, transaction) else {
            return .damaged(sequence: batch.first - 1)
        }
        (self.before, batch.chain) = (before, before)
        let cursor = try transaction.cursor(tables.log)
        var sizeBytes = 0
        var next = try cursor.seek(LogRow.key(index, batch.first))
        while batch.last < min(last, row.head), sizeBytes < limitBytes,
            batch.entries.count < StoreLimits.entriesPerBatch
        {
            let sequence = batch.last + 1
            guard let (_, entry) = next.flatMap({ sound($0, sequence) }) else {
                // What stands before goes out first.
                if batch.entries.isEmpty { return .damaged(sequence: sequence) }
                break
            }
            batch.entries.append(entry)
            sizeBytes += entry.count + LogEntry.lengthSizeBytes
            next = try cursor.move(.next)
        }
        guard !batch.entries.isEmpty else { return nil }
        guard let end = try chain(at: batch.last, tables.log, transaction) else {
            return .damaged(sequence: batch.last)
        }
        batch.chain = end
        return nil
    }

    /// After the entry of `sequence`; nil if it is damaged. No checksum covers a chain, and with one flipped bit a peer would
    /// take the log for another version of itself: so it must follow from the row before, or lead to the one behind.
    private func chain(
        at sequence: UInt64, _ log: TableHandle, _ transaction: ReadTransaction
    ) throws(LMDBError) -> [UInt8]? {
        if sequence == row.floor { return row.floorChain }
        if sequence == row.head { return row.headChain }
        let cursor = try transaction.cursor(log)
        guard let value = try transaction.get(log, LogRow.key(index, sequence)), value.count > OriginRow.chainSizeBytes
        else { return nil }
        let stored = Array(value.prefix(OriginRow.chainSizeBytes))
        let chains = LogChain()
        let behind = try cursor.seek(LogRow.key(index, sequence + 1)).flatMap { sound($0, sequence + 1) }
        if let behind, chains.next(stored, behind.entry) == behind.chain { return stored }
        let entry = try cursor.seek(LogRow.key(index, sequence)).flatMap { sound($0, sequence) }?.entry
        let before =
            sequence - 1 == row.floor
            ? row.floorChain
            : try cursor.seek(LogRow.key(index, sequence - 1)).flatMap { sound($0, sequence - 1) }?.chain
        guard let entry, let before else { return nil }
        let following = chains.next(before, entry)
        let leads = behind.map { chains.next(following, $0.entry) == $0.chain } ?? false
        return following == stored || leads ? following : nil
    }

    /// Nil if the row is another one's, or its entry fails its checksum.
    private func sound(_ row: Cursor.Pair, _ sequence: UInt64) -> (chain: [UInt8], entry: [UInt8])? {
        guard row.key.elementsEqual(LogRow.key(index, sequence)), row.value.count > OriginRow.chainSizeBytes else {
            return nil
        }
        let entry = UnsafeRawBufferPointer(rebasing: row.value[OriginRow.chainSizeBytes...])
        guard LogEntry.isSound(entry.bytes) else { return nil }
        return (Array(row.value.prefix(OriginRow.chainSizeBytes)), Array(entry))
    }
}
