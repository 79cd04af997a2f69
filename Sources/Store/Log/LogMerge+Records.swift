import Links
import Primitives

extension LogMerge {
    enum Put {
        case changed
        /// What stood there wins.
        case kept
        /// What stands there cannot be read.
        case damaged
        /// No more origins fit: the record's creator is one.
        case noRoom
    }

    enum PutKind {
        case entry
        /// What is damaged is replaced, and its bucket counted anew, because nobody knows what its share was.
        case repair
        /// The record is of the same write already, and says less from now on.
        case reduction
    }

    /// Makes a record what it is after `change` of the origin at `index`.
    mutating func put(
        _ change: EntryChange, at index: UInt16, as kind: PutKind = .entry, _ sums: inout DigestSums,
        _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> Put {
        guard kind == .reduction || noteNumber(change) else { return .noRoom }
        if case .member = change.key { hasNewMembers = true }
        if case .link(.alias(let name)) = change.key { try noteShape(name, transaction) }
        if let claim = change.claim { try note(claim, transaction) }
        try noteFormat(of: change.key, transaction)
        let (rowKey, entryKey) = (change.key.rowKey, change.key.entryKey)
        let table = try handle(of: change.key, transaction)
        let hash = Digest.hash(entryKey, stamp: change.rank.stamp, origin: change.rank.origin)
        if let key = change.key.answeredLink { stamps?.note(key) }
        switch try stored(change.key, rowKey, table, transaction) {
        case .absent where kind == .reduction: return .kept
        case .record(let rank, let ownerRow) where kind == .reduction:
            guard change.rank == rank else { return .kept }
            try transaction.put(table, rowKey, row(change, index, rowKey))
            try moveOwner(from: ownerRow, to: change.ownerRow, transaction)
        case .absent:
            let value = row(change, index, rowKey)
            if change.key.isGenerated {
                try transaction.putNew(table, rowKey, value, append: true)
            } else {
                try transaction.put(table, rowKey, value)
            }
            try sums.add(hash, to: change.key.bucket, catalogue, transaction)
            try moveOwner(from: nil, to: change.ownerRow, transaction)
            noteReport(wasOpen: false, isOpen: change.isOpenReport)
        case .damaged:
            guard kind == .repair else {
                figures.damagedRecords += 1
                if damagedKeys.count < StoreLimits.damagedKeys { damagedKeys.append(change.key) }
                return .damaged
            }
            try transaction.put(table, rowKey, row(change, index, rowKey))
            if let digest = try count(change.key.bucket, table, transaction) {
                sums.replace(change.key.bucket, by: digest)
            }
            try forgetOwners(of: change.key, transaction)
            try moveOwner(from: nil, to: change.ownerRow, transaction)
        case .record(let rank, let ownerRow):
            if change.key.isGenerated, !change.rank.sharesCreation(with: rank) { figures.conflicts += 1 }
            guard change.rank.beats(rank, at: change.key) else { return .kept }
            try transaction.put(table, rowKey, row(change, index, rowKey))
            let old = Digest.hash(entryKey, stamp: rank.stamp, origin: rank.origin)
            try sums.add(hash, replacing: old, to: change.key.bucket, catalogue, transaction)
            noteReport(wasOpen: change.isReport && !rank.isFinal, isOpen: change.isOpenReport)
            try moveOwner(from: ownerRow, to: change.ownerRow, transaction)
        }
        return .changed
    }

    /// There is such a record, and it cannot be read; unless there is one that can: a damaged key may be another's.
    mutating func putDamaged(
        _ key: RecordKey, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        let table = try handle(of: key, transaction)
        if case .record = try stored(key, key.rowKey, table, transaction) { return }
        if case .link(.alias(let name)) = key { try noteShape(name, transaction) }
        try noteFormat(of: key, transaction)
        // Too short for any row.
        try transaction.put(table, key.rowKey, [])
    }

    /// The sum over a bucket's sound records; nil where its keys are spread over a table too long for a transaction,
    /// which the scheduled pass counts.
    func count(
        _ bucket: DigestBucket, _ table: TableHandle, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> Digest? {
        var (digest, rowCount) = (Digest(), 0)
        let cursor = try transaction.cursor(table)
        let range = bucket.rowKeys
        var row = if let range { try cursor.seek(range.first) } else { try cursor.move(.first) }
        while let (keyBytes, value) = row {
            if let last = range?.last, last.lexicographicallyPrecedes(keyBytes) { break }
            rowCount += 1
            guard rowCount <= StoreLimits.bucketScanRows else { return nil }
            if let key = RecordKey(bucket.table, keyBytes), key.bucket == bucket,
                let payload = Row.payload(bucket.table, keyBytes, value),
                let record = try? TableRecord(key, decoding: payload.bytes),
                let author = origins.names[record.originIndex]
            {
                digest.add(Digest.hash(key.entryKey, stamp: record.stamp, origin: author))
            }
            row = try cursor.move(.next)
        }
        return digest
    }

    private func row(_ change: EntryChange, _ index: UInt16, _ rowKey: [UInt8]) -> [UInt8] {
        Row.sealed(change.key.table, rowKey, payloadBytes: 12 + change.value.count) { payload in
            payload.append(bigEndian: change.rank.stamp)
            payload.append(varint: UInt64(index))
            payload += change.value
        }
    }

    /// Whose a damaged record was, nobody can tell: all rows of the link go. In an index too long for a transaction one may
    /// stay, which `verify` finds.
    private func forgetOwners(
        of key: RecordKey, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        guard case .link = key else { return }
        let suffix = key.entryKey
        var (stale, rowCount): ([[UInt8]], Int) = ([], 0)
        let cursor = try transaction.cursor(catalogue.owners!)
        var row = try cursor.move(.first)
        while let (rowKey, _) = row, rowCount < StoreLimits.bucketScanRows {
            rowCount += 1
            if rowKey.count == OwnerIndex.headSizeBytes + suffix.count,
                rowKey.suffix(suffix.count).elementsEqual(suffix)
            {
                stale.append(Array(rowKey))
            }
            row = try cursor.move(.next)
        }
        for key in stale { try transaction.delete(catalogue.owners!, key) }
    }

    func moveOwner(
        from old: [UInt8]?, to new: [UInt8]?, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        guard old != new else { return }
        if let old {
            // A damaged index may lack it.
            _ = try transaction.deleteIfThere(catalogue.owners!, old)
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
        guard let record = try? TableRecord(key, decoding: payload.bytes),
            let author = origins.names[record.originIndex]
        else { return nil }
        return .record(
            record.body.rank(stamp: record.stamp, origin: author),
            ownerRow: record.body.ownerRow(key, stamp: record.stamp, owners))
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
        case .key, .member, .moderation, .link(.alias): break
        case .link(.snowflake(let number)):
            let snowflake = Snowflake(number: number)
            guard let own, snowflake.regionIndex == own.region.index, snowflake.node == own.node else { break }
            ownNumbers.snowflake = max(number, ownNumbers.snowflake ?? 0)
        case .link(.generated(let region, let node, let number)):
            if let own, own.region.byte == region, own.node == node, number >= ownNumbers.number?.value ?? 0 {
                ownNumbers.number = (number, change.rank.stamp)
            }
            guard let creation = change.rank.creation, !origins.isOwn(creation.origin) else { break }
            let (creator, above) = (creation.origin, GeneratedNumber.counter(of: number) + 1)
            guard
                let index = origins.index(of: creator)
                    ?? origins.add(OriginRow(origin: creator, chainStart: chain.start(creator)))
            else { return false }
            if origins.rows[index]!.ceiling < above {
                // A creation's stamp is whatever a program wrote there; the write's own was judged.
                let time = Stamp(rawValue: min(creation.stamp, change.rank.stamp)).instant
                origins.update(index) { $0.raiseCeiling(to: above, at: time) }
            }
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
