import Links
import Primitives

/// Applies entries of other nodes' logs to a store's tables: the log, the records by the winner rule, the version vector
/// and the digests, all in the caller's transaction.
///
/// Used by the writer of a running store and by the builder of a snapshot. A value: its owner puts a copy back when the
/// transaction fails.
struct LogMerge {
    /// The greatest number, with its stamp, and the greatest Snowflake of the own node that entries brought.
    struct OwnNumbers {
        var number: (value: UInt64, stamp: UInt64)?
        var snowflake: UInt64?
    }

    /// Whose numbers are noticed; nil: nobody's.
    let own: (region: RegionCharacter, node: UInt8)?
    /// Whose codes an alias could be taken for.
    let codeSpace: CodeSpace
    let chain = LogChain()
    let owners = OwnerIndex()
    var catalogue: Catalogue
    var origins: OriginTable
    var hasShapedAliases: Bool
    var figures = MergeFigures()
    var ownNumbers = OwnNumbers()
    /// Nil where nobody reads the store yet.
    var stamps: CodeStamps?
    /// Keys of records that were found damaged, since this was last emptied.
    var damagedKeys: [RecordKey] = []
    /// A member's record changed, since this was last set back.
    var hasNewMembers = false
    /// The newest that an entry in the logs here had, and the newest that this program reads.
    var logFormat = UInt16(LogEntry.firstFormat)
    var knownLogFormat = StoreLimits.logFormat
    /// Reports that nobody has decided; nil until they are counted.
    var openReports: Int?
    /// Claims of earlier creations are not kept: the least stamp.
    var claimsSince: UInt64 = 0

    init(
        _ catalogue: Catalogue, _ origins: OriginTable, _ codeSpace: CodeSpace, hasShapedAliases: Bool,
        own: (region: RegionCharacter, node: UInt8)?
    ) {
        (self.catalogue, self.origins, self.codeSpace) = (catalogue, origins, codeSpace)
        (self.hasShapedAliases, self.own) = (hasShapedAliases, own)
    }

    /// Puts the new entries of a batch into the transaction. Before it is committed, `origins` and `sums` have to be
    /// written.
    ///
    /// - latestStamp: entries with a greater one are not applied.
    mutating func apply(
        _ batch: LogBatch, latestStamp: UInt64, _ sums: inout DigestSums, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> ApplyOutcome {
        if origins.isOwn(batch.origin) { return .ownLife }
        guard batch.origin.node < 16, batch.origin.incarnation != 0, RegionCharacter(batch.origin.region) != nil,
            batch.first > 0
        else { return .malformed(sequence: 0) }
        let known = origins.index(of: batch.origin)
        let row =
            known.map { origins.rows[$0]! } ?? OriginRow(origin: batch.origin, chainStart: chain.start(batch.origin))
        guard batch.first <= row.head + 1 else { return .gap(expected: row.head + 1) }
        guard batch.last > row.head else {
            guard try isKnown(batch, row, known, transaction) else { return .chainMismatch }
            return try take(batch.ceiling, of: row, at: known) == nil ? .tooManyOrigins : .applied
        }
        let steps: [Step]
        let malformed: UInt64?
        switch look(at: batch, after: row) {
        case .sound(let sound, let end): (steps, malformed) = (sound, end)
        case .refused(let outcome): return outcome
        }
        guard let index = try take(batch.ceiling, of: row, at: known) else { return .tooManyOrigins }
        for step in steps {
            guard step.stamp <= latestStamp else { return .ahead(sequence: step.sequence) }
            switch step.change {
            case .unknown(let kind): return .unknownKind(kind, sequence: step.sequence)
            case .record(let change):
                guard try put(change, at: index, &sums, transaction) != .noRoom else { return .tooManyOrigins }
                noteReceived(change, at: index, of: batch.origin)
            }
            try noteFormat(step.format, transaction)
            try transaction.putNew(
                catalogue.log, LogRow.key(index, step.sequence), step.chain + step.bytes,
                append: index == origins.lastIndex)
            origins.update(index) { row in
                (row.head, row.headStamp, row.headChain) = (step.sequence, step.stamp, step.chain)
                row.isHeadTold = false
                if row.seal < row.head { row.seal = row.head }
            }
            figures.entries += 1
        }
        return malformed.map { .malformed(sequence: $0) } ?? .applied
    }

    private mutating func noteReceived(_ change: EntryChange, at index: UInt16, of origin: Origin) {
        guard case .link(.generated(let region, let node, let number)) = change.key, region == origin.region,
            node == origin.node
        else { return }
        origins.update(index) { $0.firstCounter = max($0.firstCounter, GeneratedNumber.counter(of: number) + 1) }
    }

    /// An entry of a format comes into a log: programs that do not read it are to leave this store alone from now on.
    mutating func noteFormat(_ format: UInt8, _ transaction: borrowing WriteTransaction) throws(LMDBError) {
        guard format > logFormat else { return }
        logFormat = UInt16(format)
        var payload: [UInt8] = []
        payload.append(bigEndian: logFormat)
        try transaction.put(catalogue.meta, MetaRow.logFormat, Row.sealed(.meta, MetaRow.logFormat, payload))
    }

    /// A record comes without its entry, which is of the format that its kind began with or of a later one.
    mutating func noteFormat(of key: RecordKey, _ transaction: borrowing WriteTransaction) throws(LMDBError) {
        if case .moderation = key { try noteFormat(LogEntry.moderationFormat, transaction) }
    }

    /// A report comes, is decided, or opens again.
    mutating func noteReport(wasOpen: Bool, isOpen: Bool) {
        guard let count = openReports, wasOpen != isOpen else { return }
        openReports = max(0, count + (isOpen ? 1 : -1))
    }

    /// The origin's index, made for a new one, with its ceiling raised; nil if there is no room for another origin.
    private mutating func take(_ ceiling: UInt64, of row: OriginRow, at known: UInt16?) throws(LMDBError) -> UInt16? {
        guard let index = known ?? origins.add(row) else { return nil }
        let ceiling = min(ceiling, GeneratedNumber.endOfCounters)
        if ceiling > origins.rows[index]!.ceiling { origins.update(index) { $0.ceiling = ceiling } }
        return index
    }

    // MARK: Looking at a batch

    /// An entry that is to be applied.
    struct Step {
        enum Change {
            case record(EntryChange)
            case unknown(kind: UInt8)
        }

        let format: UInt8
        let sequence, stamp: UInt64
        let bytes: [UInt8]
        /// After this entry.
        let chain: [UInt8]
        let change: Change
    }

    private enum Steps {
        /// And the sequence of the entry behind them that cannot be applied, if there is one: all nodes come as far.
        case sound([Step], malformed: UInt64?)
        case refused(ApplyOutcome)
    }

    /// Decodes all of a batch that is new, and follows its chain to the end: a batch that is not what was sent is refused.
    private func look(at batch: LogBatch, after row: OriginRow) -> Steps {
        var steps: [Step] = []
        var (running, stamp) = (row.headChain, row.headStamp)
        var malformed: UInt64?
        steps.reserveCapacity(batch.entries.count)
        for (offset, bytes) in batch.entries.enumerated() {
            let sequence = batch.first + UInt64(offset)
            guard sequence > row.head else { continue }
            running = chain.next(running, bytes)
            guard malformed == nil else { continue }
            guard let entry = try? LogEntry(decoding: bytes.span.bytes), entry.sequence == sequence,
                entry.stamp > stamp,
                let change = change(entry, batch.origin)
            else {
                malformed = sequence
                continue
            }
            stamp = entry.stamp
            steps.append(
                Step(
                    format: entry.format, sequence: sequence, stamp: stamp, bytes: bytes, chain: running,
                    change: change))
        }
        guard batch.chain.isEmpty || running == batch.chain, malformed == nil || !steps.isEmpty else {
            return .refused(malformed.map { .malformed(sequence: $0) } ?? .chainMismatch)
        }
        return .sound(steps, malformed: malformed)
    }

    /// Nil if the entry is malformed.
    private func change(_ entry: LogEntry, _ origin: Origin) -> Step.Change? {
        guard entry.format <= knownLogFormat, EntryChange.kinds.contains(entry.kind) else {
            return .unknown(kind: entry.kind)
        }
        return (try? EntryChange(entry, of: origin, owners)).map { .record($0) }
    }

    /// Whether a batch that brings nothing new is of the log that is known here, as far as that can be told.
    func isKnown(
        _ batch: LogBatch, _ row: OriginRow, _ index: UInt16?, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> Bool {
        if batch.chain.isEmpty { return true }
        if batch.last == row.head { return batch.chain == row.headChain }
        if batch.last <= row.floor { return batch.last < row.floor || batch.chain == row.floorChain }
        guard let index, let value = try transaction.get(catalogue.log, LogRow.key(index, batch.last)) else {
            throw .corrupted
        }
        return value.prefix(OriginRow.chainSizeBytes).elementsEqual(batch.chain)
    }
}

/// What applying other nodes' logs came to, since the start.
package struct MergeFigures: Equatable, Sendable {
    /// Entries that were applied.
    package var entries: UInt64 = 0
    /// Of them, those for a generated code which another creation has.
    package var conflicts: UInt64 = 0
    /// Of them, those whose record stays as it was, because it is damaged.
    package var damagedRecords: UInt64 = 0
}
