import Links
import Primitives

extension LogMerge {
    /// Makes a record what it is after `change` of the origin at `index`; false if there is no room for the origin that
    /// created it.
    mutating func put(
        _ change: EntryChange, at index: UInt16, _ sums: inout DigestSums, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> Bool {
        guard noteNumber(change) else { return false }
        if case .link(.alias(let name)) = change.key { try noteShape(name, transaction) }
        let (rowKey, entryKey) = (change.key.rowKey, change.key.entryKey)
        let table = try handle(of: change.key, transaction)
        let hash = Digest.hash(entryKey, stamp: change.rank.stamp, origin: change.rank.origin)
        if case .link(let key) = change.key { stamps?.note(key) }
        switch try stored(change.key, rowKey, table, transaction) {
        case .absent:
            let value = row(change, index, rowKey)
            if change.key.isGenerated {
                try transaction.putNew(table, rowKey, value, append: true)
            } else {
                try transaction.put(table, rowKey, value)
            }
            try sums.add(hash, to: change.key.bucket, catalogue, transaction)
            try moveOwner(from: nil, to: change.ownerRow, transaction)
        case .damaged: figures.damagedRecords += 1
        case .record(let rank, let ownerRow):
            if change.key.isGenerated, !change.rank.sharesCreation(with: rank) { figures.conflicts += 1 }
            guard change.rank.beats(rank, at: change.key) else { return true }
            try transaction.put(table, rowKey, row(change, index, rowKey))
            let old = Digest.hash(entryKey, stamp: rank.stamp, origin: rank.origin)
            try sums.add(hash, replacing: old, to: change.key.bucket, catalogue, transaction)
            try moveOwner(from: ownerRow, to: change.ownerRow, transaction)
        }
        return true
    }

    private func row(_ change: EntryChange, _ index: UInt16, _ rowKey: [UInt8]) -> [UInt8] {
        Row.sealed(change.key.table, rowKey, payloadBytes: 12 + change.value.count) { payload in
            payload.append(bigEndian: change.rank.stamp)
            payload.append(varint: UInt64(index))
            payload += change.value
        }
    }

    private func moveOwner(
        from old: [UInt8]?, to new: [UInt8]?, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        guard old != new else { return }
        if let old {
            // A damaged index may lack it.
            do throws(LMDBError) { try transaction.delete(catalogue.owners!, old) } catch {
                guard error == .notFound else { throw error }
            }
        }
        if let new { try transaction.put(catalogue.owners!, new, Row.sealed(.owners, new, [])) }
    }

    private enum Stored {
        case absent, damaged
        case record(RecordRank, ownerRow: [UInt8]?)
    }

    /// What stands under a key. A name beside a damaged row may have been that row's.
    private func stored(
        _ key: RecordKey, _ rowKey: [UInt8], _ table: TableHandle, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> Stored {
        let row: StoredRow
        if let value = try transaction.get(table, rowKey) {
            row = rowKey.withUnsafeBytes { Row.payload(key.table, $0, value) }.map { .sound(payload: $0) } ?? .damaged
        } else if key.isGenerated {
            row = .absent
        } else {
            row = try transaction.cursor(table).search(key.table, rowKey)
        }
        switch row {
        case .absent: return .absent
        case .damaged: return .damaged
        case .sound(let payload): return decoded(key, payload) ?? .damaged
        }
    }

    private func decoded(_ key: RecordKey, _ payload: UnsafeRawBufferPointer) -> Stored? {
        switch key {
        case .link(let link):
            guard let record = try? StoredRecord(decoding: payload.bytes),
                let author = origins.names[record.originIndex]
            else { return nil }
            return .record(
                RecordRank(record.body, stamp: record.stamp, origin: author),
                ownerRow: owners.row(of: link, record.body, stamp: record.stamp))
        case .key:
            guard let record = try? KeyRecord(decoding: payload.bytes), let author = origins.names[record.originIndex]
            else { return nil }
            return .record(RecordRank(record.body, stamp: record.stamp, origin: author), ownerRow: nil)
        }
    }

    private mutating func handle(
        of key: RecordKey, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> TableHandle {
        if let handle = catalogue.handle(key.table) { return handle }
        return try catalogue.add(key.table, transaction)
    }

    /// A number that exists is below its node's ceiling, also where another node's change of the link comes before its
    /// creator's own entries.
    private mutating func noteNumber(_ change: EntryChange) -> Bool {
        switch change.key {
        case .key, .link(.alias): break
        case .link(.snowflake(let number)):
            let snowflake = Snowflake(number: number)
            guard let own, snowflake.regionIndex == own.region.index, snowflake.node == own.node else { break }
            ownNumbers.snowflake = max(number, ownNumbers.snowflake ?? 0)
        case .link(.generated(let region, let node, let number)):
            if let own, own.region.byte == region, own.node == node, number >= ownNumbers.number?.value ?? 0 {
                ownNumbers.number = (number, change.rank.stamp)
            }
            let (creator, above) = (change.rank.creation!.origin, GeneratedNumber.counter(of: number) + 1)
            guard !origins.isOwn(creator) else { break }
            guard
                let index = origins.index(of: creator)
                    ?? origins.add(OriginRow(origin: creator, chainStart: chain.start(creator)))
            else { return false }
            if origins.rows[index]!.ceiling < above { origins.update(index) { $0.ceiling = above } }
        }
        return true
    }

    /// From the first imported alias that looks like a generated code, codes are looked for among the aliases too.
    mutating func noteShape(
        _ name: [UInt8], _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        guard codeSpace.hasGeneratedShape(name.span.bytes), !hasShapedAliases else { return }
        try transaction.put(catalogue.meta, MetaRow.shapedAliases, Row.sealed(.meta, MetaRow.shapedAliases, [1]))
        hasShapedAliases = true
    }
}
