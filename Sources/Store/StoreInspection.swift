import Links
import Primitives

/// Checks a whole store: every record's checksum, the log's contiguity and chains, the digests, the owner index. Reads
/// only; the store may be in use.
package struct StoreInspection {
    /// What does not hold, the first of it in words.
    package private(set) var problems: [String] = []
    package private(set) var problemCount = 0
    package internal(set) var recordCount = 0
    package private(set) var entryCount = 0
    /// False for a backup, and for a store that shall begin a new incarnation.
    package let hasIdentity: Bool

    private static let describedProblems = 100
    /// By origin index: records whose last write was the origin's, and entries of its log that are a record's last
    /// write.
    var recordsByOrigin: [UInt16: Int] = [:]
    private var effectsByOrigin: [UInt16: Int] = [:]
    /// Links that have an owner, and so a row in `owners`.
    var ownedCount = 0
    let owners = OwnerIndex()

    package var isSound: Bool { problemCount == 0 }

    /// Looks at the store in `directory`. Throws if it cannot be opened at all.
    package init(directory: String, knownLogFormat: UInt16 = StoreLimits.logFormat) throws(StoreError) {
        let image = try openForReading(directory, knownLogFormat)
        // Read after the snapshot was taken: a running node's lease only grows.
        let side = try SideFile.read(directory + "/identity")
        hasIdentity = side != nil
        do throws(LMDBError) {
            let transaction = image.snapshot
            var digestRows = 0
            for table in image.catalogue.linkTables + [.snowflakes, .aliases] {
                digestRows += try inspectRecords(image, table, transaction)
            }
            digestRows += try inspectPlain(image, .members, transaction)
            digestRows += try inspectPlain(image, .keys, transaction)
            digestRows += try inspectPlain(image, .blocks, transaction)
            try inspectOwners(image, transaction)
            try inspectRegisters(image, transaction)
            try inspectClaims(image, transaction)
            try inspectBatches(image, transaction)
            let present = try transaction.entryCount(image.catalogue.digests)
            if present != digestRows { note("\(present) digests, and \(digestRows) buckets have records") }
            for (index, row) in image.origins.sorted(by: { $0.key < $1.key }) {
                try inspectLog(image, index, row, transaction)
            }
            try inspectLogOwners(image, transaction)
            if try transaction.get(image.catalogue.meta, MetaRow.repaired) == nil { inspectAuthors(image) }
        } catch {
            note("the file's structure is damaged: \(error)")
        }
        inspect(side, image)
    }

    mutating func note(_ problem: String) {
        problemCount += 1
        if problems.count < Self.describedProblems { problems.append(problem) }
    }

    // MARK: Records and digests

    /// The number of buckets that have records.
    private mutating func inspectRecords(
        _ image: StoreImage, _ table: TableID, _ transaction: ReadTransaction
    ) throws(LMDBError) -> Int {
        let handle = image.catalogue.handle(table)!
        var sums: [DigestBucket: Digest] = [:]
        var bucketCount = 0
        var current: DigestBucket?
        var previous: [UInt8] = []
        let cursor = try transaction.cursor(handle)
        let ceiling = ceiling(image, table)
        let regions = image.origins.values.compactMap { RegionCharacter($0.origin.region) }
        let space = CodeSecret.space(image.codeSecret, regions)
        var rowCount = 0
        var row = try cursor.move(.first)
        while let (keyBytes, value) = row {
            recordCount += 1
            rowCount += 1
            if !previous.isEmpty, !previous.lexicographicallyPrecedes(keyBytes) {
                note("\(table.name): row \(rowCount), \(keyName(keyBytes)), is out of order")
            }
            previous = Array(keyBytes)
            if let key = LinkKey(table: table, rowKey: keyBytes),
                let hash = try inspectRecord(image, table, key, keyBytes, value, transaction)
            {
                let bucket = DigestBucket(key)
                // Numbers ascend, so a bucket of them is complete when the next begins; aliases are spread.
                if table != .aliases, let done = current, done != bucket {
                    bucketCount += try compare(image, &sums, transaction)
                }
                current = bucket
                sums[bucket, default: Digest()].add(hash)
                if case .generated(_, _, let number) = key, GeneratedNumber.counter(of: number) >= ceiling {
                    note("\(rowName(keyBytes, table, space)) lies above the ceiling")
                }
            } else {
                note("\(rowName(keyBytes, table, space)) is damaged")
            }
            row = try cursor.move(.next)
        }
        let present = try transaction.entryCount(handle)
        if present != rowCount { note("\(table.name): \(present) rows by its header, \(rowCount) in order") }
        return try bucketCount + compare(image, &sums, transaction)
    }

    /// The counter below which the table's numbers lie.
    private func ceiling(_ image: StoreImage, _ table: TableID) -> UInt64 {
        guard case .links(let region, let node) = table else { return .max }
        let rows = image.origins.values.filter { $0.origin.region == region && $0.origin.node == node }
        return rows.map(\.ceiling).max() ?? 0
    }

    private mutating func inspectRecord(
        _ image: StoreImage, _ table: TableID, _ key: LinkKey, _ keyBytes: UnsafeRawBufferPointer,
        _ value: UnsafeRawBufferPointer, _ transaction: ReadTransaction
    ) throws(LMDBError) -> UInt128? {
        guard let payload = Row.payload(table, keyBytes, value),
            let record = try? StoredRecord(decoding: payload.bytes), let origin = image.origins[record.originIndex]
        else { return nil }
        noteRecord(record.originIndex, record.stamp, image)
        if let owner = record.body.owner, !record.body.flags.contains(.deleted) {
            let created = record.body.creation?.stamp ?? record.stamp
            let instant = record.body.importedCreation ?? Stamp(rawValue: created).instant
            try inspectOwner(image, owners.key(owner, createdAt: instant, key), record.stamp, transaction)
        }
        var entryKey: [UInt8] = []
        key.encode(into: &entryKey)
        return Digest.hash(entryKey, stamp: record.stamp, origin: origin.origin)
    }

    /// Compares finished sums with the rows kept in the write transactions; leaves `sums` empty.
    mutating func compare(
        _ image: StoreImage, _ sums: inout [DigestBucket: Digest], _ transaction: ReadTransaction
    ) throws(LMDBError) -> Int {
        for (bucket, digest) in sums {
            let key = bucket.rowKey
            let value = try transaction.get(image.catalogue.digests, key)
            let payload = value.flatMap { value in key.withUnsafeBytes { Row.payload(.digests, $0, value) } }
            if payload.flatMap({ try? Digest(decoding: $0.bytes) }) != digest {
                note("\(bucket.table.name): the digest of bucket \(bucket.bucket) is not that of its records")
            }
        }
        let count = sums.count
        sums.removeAll()
        return count
    }

    // MARK: Log

    private mutating func inspectLog(
        _ image: StoreImage, _ index: UInt16, _ row: OriginRow, _ transaction: ReadTransaction
    ) throws(LMDBError) {
        let chain = LogChain()
        var expected = row.floor
        var running = row.floor == 0 ? chain.start(row.origin) : row.floorChain
        var lastStamp: UInt64 = 0
        let cursor = try transaction.cursor(image.catalogue.log)
        var current = try cursor.seek(LogRow.key(index, row.floor + 1))
        while let (keyBytes, value) = current {
            var key = keyBytes.bytes
            guard key.byteCount == 8, let owner = try? key.takeUInt16(), let sequence = try? key.takeUInt48(),
                owner == index
            else { break }
            entryCount += 1
            expected += 1
            guard sequence == expected, value.count > OriginRow.chainSizeBytes else {
                note("log of \(row.origin): entry \(expected) is missing, \(sequence) comes next")
                return
            }
            let entryBytes = UnsafeRawBufferPointer(rebasing: value[OriginRow.chainSizeBytes...])
            running = chain.next(running, Array(entryBytes))
            if !running.elementsEqual(value.prefix(OriginRow.chainSizeBytes)) {
                note("log of \(row.origin): the chain breaks at entry \(sequence)")
                return
            }
            guard let entry = try? LogEntry(decoding: entryBytes.bytes), entry.sequence == sequence,
                entry.stamp > lastStamp
            else {
                note("log of \(row.origin): entry \(sequence) is damaged")
                return
            }
            if entry.format > image.logFormat {
                note(
                    "log of \(row.origin): entry \(sequence) has format \(entry.format), the store says \(image.logFormat)"
                )
            }
            lastStamp = entry.stamp
            try inspectEffect(image, index, row, entry, transaction)
            current = try cursor.move(.next)
        }
        if expected != row.head || running != row.headChain || (expected > row.floor && lastStamp != row.headStamp) {
            note("log of \(row.origin): it ends at \(expected), the version vector says \(row.head)")
        }
    }

    /// An entry and its effect are of one transaction: the key's record is this entry's, or a later one's.
    private mutating func inspectEffect(
        _ image: StoreImage, _ index: UInt16, _ row: OriginRow, _ entry: LogEntry, _ transaction: ReadTransaction
    ) throws(LMDBError) {
        guard let place = place(of: entry) else { return }
        guard let (table, rowKey) = place, let handle = image.catalogue.handle(table),
            let value = try transaction.get(handle, rowKey)
        else {
            note("log of \(row.origin): entry \(entry.sequence) has no record")
            return
        }
        guard let change = try? EntryChange(entry, of: row.origin, owners) else {
            return note("log of \(row.origin): entry \(entry.sequence) is malformed")
        }
        guard let payload = rowKey.withUnsafeBytes({ Row.payload(table, $0, value) }),
            let effect = Effect(of: entry, at: change.key, in: payload),
            let author = image.origins[effect.originIndex]?.origin
        else { return }
        let stands = effect.rank(author)
        let isOvertaken =
            author == row.origin && stands.stamp < entry.stamp && stands.precedence <= change.rank.precedence
            && !isRefused(change, by: stands)
        if isOvertaken || change.rank.beats(stands, at: change.key) {
            note("log of \(row.origin): entry \(entry.sequence) is newer than its record")
        }
        guard effect.stamp == entry.stamp, effect.originIndex == index else { return }
        effectsByOrigin[index, default: 0] += 1
        if effect.differs { note("log of \(row.origin): entry \(entry.sequence) and its record differ") }
    }

    /// A generated code's later creation changes nothing.
    private func isRefused(_ change: EntryChange, by stands: RecordRank) -> Bool {
        guard change.key.isGenerated, !change.rank.sharesCreation(with: stands),
            case .link(let body)? = try? RecordBody(change.key, decoding: change.value.span.bytes)
        else { return false }
        return body.creation != nil
    }

    /// Where an entry's record stands, or nil in that place for a key that is none; nil for a kind that is not known.
    private func place(of entry: LogEntry) -> (table: TableID, rowKey: [UInt8])?? {
        do throws(MalformedBytes) {
            return try RecordKey(kind: entry.kind, entry.key.span.bytes).map { ($0.table, $0.rowKey) }
        } catch {
            return .some(nil)
        }
    }

    /// Of another node a snapshot's records may be newer than its vector, until that node's log has caught up.
    mutating func noteRecord(_ index: UInt16, _ stamp: UInt64, _ image: StoreImage) {
        let row = image.origins[index]!
        guard index == image.identity.originIndex || row.head > 0 && stamp <= row.headStamp else { return }
        recordsByOrigin[index, default: 0] += 1
    }

    /// A record's last write is an entry of its author's log, as long as that is whole.
    private mutating func inspectAuthors(_ image: StoreImage) {
        for (index, row) in image.origins.sorted(by: { $0.key < $1.key }) where row.floor == 0 {
            let (records, effects) = (recordsByOrigin[index] ?? 0, effectsByOrigin[index] ?? 0)
            if records != effects { note("log of \(row.origin): it tells of \(effects) of its \(records) records") }
        }
    }

    /// Rows of the log that belong to no origin.
    private mutating func inspectLogOwners(
        _ image: StoreImage, _ transaction: ReadTransaction
    ) throws(LMDBError) {
        let present = try transaction.entryCount(image.catalogue.log)
        if present != entryCount { note("the log has \(present) rows, \(entryCount) of them in order") }
    }

    private mutating func inspect(_ side: SideFile?, _ image: StoreImage) {
        let row = image.origins[image.identity.originIndex]!
        guard let side else { return }
        if side.origin != row.origin { note("the file `identity` tells of another incarnation") }
        if row.seal != OriginRow.unsealed { note("the log of the present incarnation is sealed") }
        if let closedAt = side.closedAt, closedAt != row.head {
            note("the log ends at \(row.head), and the file `identity` says that it was closed at \(closedAt)")
        }
        if row.head > side.sequenceLease { note("the log is ahead of the lease in the file `identity`") }
    }

    /// The code that users know, and the key as it stands there.
    private func rowName(_ key: UnsafeRawBufferPointer, _ table: TableID, _ space: CodeSpace) -> String {
        "\(table.name): the record of \(space.name(of: key, in: table)), key \(keyName(key)),"
    }

    private func keyName(_ key: UnsafeRawBufferPointer) -> String { key.map { hex(UInt64($0), 2) }.joined() }
}

/// Opens a store without the right to change it; it may be in use by its node.
func openForReading(
    _ directory: String, _ knownLogFormat: UInt16 = StoreLimits.logFormat
) throws(StoreError) -> StoreImage {
    let path = directory + "/" + StoreFile.name
    guard try StoreFile.inspect(path) == .present else { throw .system(path: path, reason: "no such file") }
    return try StoreImage(directory: directory, mapSizeBytes: nil, knownLogFormat: knownLogFormat)
}
