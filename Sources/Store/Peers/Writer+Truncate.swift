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
            for entry in gone { _ = try transaction.deleteIfThere(catalogue.log, LogRow.key(index, entry.sequence)) }
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

    /// The entries of one log that may go, with the chain after each; of its oldest part, `share`, whatever their age. Those up
    /// to one that is damaged go in any case. The log begins anew behind a row of which the chain is certain.
    private func removable(
        _ row: Truncation.Row, _ order: Truncation, _ index: UInt16, _ position: OriginRow, _ share: Double,
        _ budget: Int, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> [(sequence: UInt64, chain: [UInt8])] {
        var (gone, certain): ([(sequence: UInt64, chain: [UInt8])], Int) = ([], 0)
        let tooLong = position.floor + UInt64((Double(position.head - position.floor) * share).rounded(.up))
        while gone.count < budget, position.floor + UInt64(gone.count) < position.head {
            let sequence = position.floor + UInt64(gone.count) + 1
            let found = try logRow(index, sequence, transaction)
            let isCut = position.floor + UInt64(certain) < row.damaged
            if !isCut {
                let instant = found.map { Stamp(rawValue: $0.entry.stamp).instant }
                let isOld = instant.map {
                    sequence <= row.acknowledged && $0 < order.settledBefore || $0 < order.cappedBefore
                }
                // What cannot be read goes with the next one.
                guard sequence <= row.pinned, isOld ?? true || sequence <= tooLong else { break }
            }
            gone.append((sequence, sequence == position.head ? position.headChain : found?.chain ?? []))
            if isCut, try isCertain(gone.last!, index, position, transaction) { certain = gone.count }
        }
        if position.floor + UInt64(certain) >= row.damaged {
            var count = gone.count
            while count > certain, try !isCertain(gone[count - 1], index, position, transaction) { count -= 1 }
            certain = count
        }
        return Array(gone.prefix(certain))
    }

    /// No checksum covers a chain, and it becomes the floor's: it leads to the next row, or stands in the vector.
    private func isCertain(
        _ last: (sequence: UInt64, chain: [UInt8]), _ index: UInt16, _ position: OriginRow,
        _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> Bool {
        if last.sequence == position.head { return true }
        guard !last.chain.isEmpty, let next = try logRow(index, last.sequence + 1, transaction) else { return false }
        return chain.next(last.chain, next.bytes) == next.chain
    }

    /// Nil if it is damaged, or does not stand where it should.
    private func logRow(
        _ index: UInt16, _ sequence: UInt64, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> (chain: [UInt8], entry: LogEntry, bytes: [UInt8])? {
        guard let value = try transaction.get(catalogue.log, LogRow.key(index, sequence)),
            value.count > OriginRow.chainSizeBytes
        else { return nil }
        let bytes = Array(value.dropFirst(OriginRow.chainSizeBytes))
        guard let entry = try? LogEntry(decoding: bytes.span.bytes), entry.sequence == sequence else { return nil }
        return (Array(value.prefix(OriginRow.chainSizeBytes)), entry, bytes)
    }
}
