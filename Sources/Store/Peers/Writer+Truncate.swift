import Links
import Primitives
import Replication

extension Writer {
    /// Removes what may go from the logs, oldest first in each, and raises the floors in the same transaction. What one
    /// transaction leaves goes in the next.
    func truncate(
        _ order: Truncation, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> (floors: [Floor], changes: Bool) {
        let size = environment.size
        let logBytes = try environment.beginRead().size(catalogue.log).pages * size.pageSizeBytes
        // By how much the log is too long, each origin's is shortened: the newest of none go before older ones of another.
        let allowed = size.mapSizeBytes / StoreLimits.logShareOfMap
        let share = Double(max(0, logBytes - allowed)) / Double(max(1, logBytes))
        var (budget, floors): (Int, [Floor]) = (StoreLimits.truncatedEntries, [])
        for row in order.rows where budget > 0 {
            let isOwn = row.origin == state.row.origin
            guard let index = state.merge.origins.index(of: row.origin) else { continue }
            let before = isOwn ? state.row : state.merge.origins.rows[index]!
            let gone = try removable(row, order, index, before, share, budget, transaction)
            guard let last = gone.last else { continue }
            for entry in gone { try transaction.delete(catalogue.log, LogRow.key(index, entry.sequence)) }
            budget -= gone.count
            if isOwn {
                (state.row.floor, state.row.floorChain) = (last.sequence, last.chain)
            } else {
                state.merge.origins.update(index) { ($0.floor, $0.floorChain) = (last.sequence, last.chain) }
            }
            floors.append(Floor(origin: row.origin, floor: last.sequence))
        }
        return (floors, !floors.isEmpty)
    }

    /// The entries of one log that may go, with the chain after each; of its oldest part, `share`, whatever their age. One that
    /// is damaged goes with those before if the next one does; the log never ends with it, because nobody knows its chain.
    private func removable(
        _ row: Truncation.Row, _ order: Truncation, _ index: UInt16, _ position: OriginRow, _ share: Double,
        _ budget: Int, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> [(sequence: UInt64, chain: [UInt8])] {
        var (gone, damaged): ([(sequence: UInt64, chain: [UInt8])], [UInt64]) = ([], [])
        let cursor = try transaction.cursor(catalogue.log)
        var next = try cursor.seek(LogRow.key(index, position.floor + 1))
        let last = row.damaged > 0 ? position.head : min(position.head, row.pinned)
        let tooLong = position.floor + UInt64((Double(position.head - position.floor) * share).rounded(.up))
        while gone.count + damaged.count < budget {
            let sequence = position.floor + UInt64(gone.count + damaged.count) + 1
            guard sequence <= last, let (key, value) = next, key.elementsEqual(LogRow.key(index, sequence)) else {
                break
            }
            next = try cursor.move(.next)
            let entry = try? LogEntry(
                decoding: UnsafeRawBufferPointer(rebasing: value.dropFirst(OriginRow.chainSizeBytes)).bytes)
            guard let entry, sequence != row.damaged || sequence == position.head else {
                damaged.append(sequence)
                continue
            }
            let instant = Stamp(rawValue: entry.stamp).instant
            let isSettled = sequence <= row.acknowledged && instant < order.settledBefore
            guard
                isSettled || instant < order.cappedBefore || sequence <= tooLong
                    || (damaged.last ?? sequence) <= row.damaged
            else { break }
            gone += damaged.map { ($0, []) } + [(sequence, Array(value.prefix(OriginRow.chainSizeBytes)))]
            damaged = []
        }
        // The chain at the head stands in the vector, too.
        if damaged.last == position.head, position.head == row.damaged {
            gone += damaged.map { ($0, position.headChain) }
        }
        if gone.last?.sequence == position.head { gone[gone.count - 1].chain = position.headChain }
        // No checksum covers it, and it becomes the floor's.
        while let last = gone.last, last.sequence < position.head {
            if let (key, value) = try cursor.seek(LogRow.key(index, last.sequence + 1)),
                key.elementsEqual(LogRow.key(index, last.sequence + 1)), value.count > OriginRow.chainSizeBytes,
                chain.next(last.chain, Array(value.dropFirst(OriginRow.chainSizeBytes)))
                    .elementsEqual(value.prefix(OriginRow.chainSizeBytes))
            {
                break
            }
            gone.removeLast()
        }
        return gone
    }
}
