import Glibc
import Links
import Primitives
import Replication

/// The only one that opens write transactions. It takes all operations that have gathered, applies them in one
/// transaction, syncs once and answers them all.
///
/// Safety: used by the thread that opens the store until `run` begins, then by the writer's thread alone.
final class Writer: @unchecked Sendable {
    /// All that a transaction changes besides the disk; a copy is put back when the transaction fails.
    struct State {
        var issuer: Issuer
        var clock: HybridClock
        var row: OriginRow
        /// The greatest keys of the tables that fill in ascending order.
        var lastNumber: UInt64?
        var lastSnowflake: UInt64?
        /// Of the own life among the origins.
        var originIndex: UInt16
        /// All that other nodes' logs change.
        var merge: LogMerge
        /// Of own entries: the newest that all members read.
        var writtenFormat: UInt8
        var scrub = ScrubFigures()
    }

    let settings: StoreSettings
    private(set) var environment: Environment
    /// See `StoreView`.
    private(set) var environmentNumber: UInt16 = 1
    let codeSpace: CodeSpace
    private(set) var ownTable: TableHandle
    let chain = LogChain()
    let owners = OwnerIndex()
    let directory: DataDirectory
    private var sideFile: SideFile
    /// Removed, and not made anew.
    var isWithoutSideFile = false
    var state: State
    var sums = DigestSums()
    private var figures = StoreFigures()
    var fullSince: Instant?

    init(
        _ opening: StoreOpening, _ settings: StoreSettings, codeSpace: CodeSpace, stamps: CodeStamps
    ) throws(LMDBError) {
        self.settings = settings
        self.codeSpace = codeSpace
        (directory, sideFile) = (opening.directory, opening.sideFile)
        environment = opening.image.environment
        ownTable = opening.image.catalogue.links(region: settings.region.character, node: settings.node)!
        state = try Self.resume(opening, settings, codeSpace)
        state.merge.stamps = stamps
    }

    /// Goes on in another store, which has taken the place of this one.
    func goOn(in opening: StoreOpening, stamps: CacheStamps) throws(LMDBError) {
        var next = try Self.resume(opening, settings, codeSpace)
        environmentNumber += 1
        next.clock = HybridClock(last: max(next.clock.last, state.clock.last))
        (next.scrub, next.merge.figures) = (state.scrub, state.merge.figures)
        next.merge.stamps = CodeStamps(stamps, codeSpace, environment: environmentNumber)
        next.writtenFormat = state.writtenFormat
        state = next
        environment = opening.image.environment
        ownTable = opening.image.catalogue.links(region: settings.region.character, node: settings.node)!
        (sideFile, isWithoutSideFile, sums, fullSince) = (opening.sideFile, false, DigestSums(), nil)
    }

    var catalogue: Catalogue { state.merge.catalogue }

    /// Where numbers, stamps and snowflakes go on.
    private static func resume(
        _ opening: StoreOpening, _ settings: StoreSettings, _ codeSpace: CodeSpace
    ) throws(LMDBError) -> State {
        let catalogue = opening.image.catalogue
        let transaction = try opening.image.environment.beginRead()
        let last = try LastNumber(catalogue, settings, transaction)
        // Snowflakes go on behind what this disk has seen of the clock, though it was set back while the node was down.
        let wall = max(settings.now(), Instant(milliseconds: Int64(opening.ownRow.wall)))
        let next = max(opening.ownRow.firstCounter, last.nextCounter(opening.image.origins.values, settings))
        let snowflakes = try lastSnowflakes(transaction, catalogue, settings, wall)
        var merge = LogMerge(
            catalogue, OriginTable(opening.rows, ownIndex: opening.ownIndex), codeSpace,
            hasShapedAliases: try transaction.get(catalogue.meta, MetaRow.shapedAliases) != nil,
            own: (settings.region.character, settings.node))
        (merge.logFormat, merge.knownLogFormat) = (opening.image.logFormat, settings.logFormat)
        return State(
            issuer: Issuer(
                region: settings.region.character, node: settings.node, next: next, ceiling: opening.ownRow.ceiling,
                lastSnowflake: snowflakes.own, continuity: settings.continuity, limits: settings.issuerLimits,
                now: max(wall, Stamp(rawValue: opening.ownRow.headStamp).instant), wall: wall),
            clock: HybridClock(last: lastStamp(opening, settings)), row: opening.ownRow, lastNumber: last.lastKey,
            lastSnowflake: snowflakes.last, originIndex: opening.ownIndex,
            merge: merge, writtenFormat: try writtenFormat(settings, catalogue, transaction))
    }

    /// What a snapshot told of a log nobody has judged here, until an entry of it comes. Where the wall clock is behind what is
    /// known stamps go on from there, each time at another distance: of an earlier day's disk the same ones would be given to
    /// other writes.
    private static func lastStamp(_ opening: StoreOpening, _ settings: StoreSettings) -> Stamp {
        let (now, gap) = (settings.now(), settings.stampGap())
        func known(_ stamp: UInt64) -> UInt64 { Stamp(rawValue: stamp).instant > now ? stamp + gap : stamp }
        let origins = opening.image.origins.values
        let judged = origins.filter { !$0.isHeadTold }.map(\.headStamp).max() ?? 0
        let told = min(known(origins.map(\.headStamp).max() ?? 0), HybridClock.furthest(now).rawValue)
        return Stamp(rawValue: max(known(max(judged, opening.ownRow.headStamp)), told))
    }

    /// Who has peers begins with what everyone reads, until the replicator knows better; who stays alone goes by the
    /// members that are known here.
    private static func writtenFormat(
        _ settings: StoreSettings, _ catalogue: Catalogue, _ transaction: ReadTransaction
    ) throws(LMDBError) -> UInt8 {
        guard settings.continuity == .proven else { return LogEntry.firstFormat }
        let me = NodeID(region: settings.region.character.byte, node: settings.node)
        let others = try Store.members(transaction.cursor(catalogue.members!)).filter { !$0.isRetired && $0.id != me }
        return LogEntry.format(others.map(\.logFormat).reduce(settings.logFormat, min))
    }

    /// The table's last key, and this node's own last one as far as it could matter: of an earlier millisecond than
    /// now, the next one is greater anyway.
    private static func lastSnowflakes(
        _ transaction: ReadTransaction, _ catalogue: Catalogue, _ settings: StoreSettings, _ now: Instant
    ) throws(LMDBError) -> (last: UInt64?, own: UInt64?) {
        let cursor = try transaction.cursor(catalogue.snowflakes)
        var last: UInt64?
        var row = try cursor.move(.last)
        while let (key, value) = row {
            var bytes = key.bytes
            let number = try? bytes.takeUInt64()
            last = last ?? number
            // A damaged key may tell of any time.
            if let number, Row.payload(.snowflakes, key, value) != nil {
                let snowflake = Snowflake(number: number)
                if snowflake.instant < now { break }
                if snowflake.regionIndex == settings.region.character.index, snowflake.node == settings.node {
                    return (last, number)
                }
            }
            row = try cursor.move(.previous)
        }
        return (last, nil)
    }

    /// Before anything else runs: the first block of numbers.
    func start(_ store: Store) throws(StoreError) {
        let now = settings.now()
        if let lease = state.issuer.renewalDue(now: now) {
            commit([settings.mayLease(lease) ? .lease(lease) : .leaseRefused], store)
        }
        store.publish(state)
        publish(store)
    }

    func run(_ store: Store) {
        while turn(store, timeoutMilliseconds: 1000) {}
        closeSideFile()
    }

    /// Waits for operations and makes what has gathered durable. False once no more can come.
    func turn(_ store: Store, timeoutMilliseconds: Int) -> Bool {
        guard
            let operations = store.queue.take(
                atMost: StoreLimits.writesPerCommit, timeoutMilliseconds: timeoutMilliseconds)
        else { return false }
        store.pulse.beat()
        if !operations.isEmpty { carryOut(operations[...], store) }
        if let lease = state.issuer.renewalDue(now: settings.now()), !store.leases.push(lease) {
            state.issuer.leaseFailed(now: settings.now())
        }
        if operations.isEmpty { publish(store) }
        return true
    }

    /// What came before another store takes this one's place is made durable here, what came after it there.
    private func carryOut(_ operations: ArraySlice<WriteOperation>, _ store: Store) {
        for (index, operation) in zip(operations.indices, operations) {
            guard case .replace(let replacement) = operation else { continue }
            if index > operations.startIndex { commit(Array(operations[..<index]), store) }
            replace(replacement, store)
            return carryOut(operations[(index + 1)...], store)
        }
        if !operations.isEmpty { commit(Array(operations), store) }
    }

    func publish(_ store: Store) {
        let size = environment.size
        figures.size = (size.usedBytes, size.mapSizeBytes)
        figures.issuer = state.issuer.figures(now: settings.now())
        figures.head = state.row.head
        figures.isFull = fullSince != nil
        (figures.merged, figures.scrub) = (state.merge.figures, state.scrub)
        store.publish(figures)
    }

    // MARK: One transaction

    /// Nothing of a batch is visible, and nobody is answered, before the disk has it.
    private func commit(_ operations: [WriteOperation], _ store: Store) {
        let now = settings.now()
        let start = monotonicMicroseconds()
        let saved = state
        do throws(LMDBError) {
            let takesLinks = try hasRoom(now)
            let outcomes = try apply(operations, now, takesLinks: takesLinks, store)
            state.issuer.committed(now: now)
            let isSameLife = state.row.origin == saved.row.origin
            let writes = state.row.head - (isSameLife ? saved.row.head : 0)
            let entries = state.merge.figures.entries - saved.merge.figures.entries
            if writes + entries > 0 || state.row.ceiling != saved.row.ceiling {
                noteCommit(writes: writes + entries, microseconds: monotonicMicroseconds() - start)
            }
            store.publish(state)
            state.merge.origins.forgetTouched()
            renewSideFile()
            answer(operations, outcomes, store)
        } catch {
            state = saved
            sums.forget()
            state.issuer.aborted(now: now)
            state.issuer.leaseFailed(now: now)
            endUnlessHarmless(error)
            recover(operations, error, now, store)
        }
    }

    func noteLost(_ rows: UInt64) { figures.lostRows += rows }

    private func noteCommit(writes: UInt64, microseconds: UInt64) {
        figures.commits += 1
        figures.writes += writes
        figures.commitWrites.note(writes, bounds: StoreFigures.commitWritesBounds)
        figures.commitMicroseconds.note(microseconds, bounds: StoreFigures.commitMicrosecondsBounds)
    }

    private func monotonicMicroseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000
    }

    /// After a transaction that left nothing. Damage stops only the write that met it: the others are made one by one.
    private func recover(_ operations: [WriteOperation], _ error: LMDBError, _ now: Instant, _ store: Store) {
        if [EMFILE, ENFILE].contains(error.code) {
            return answer(operations, [Outcome](repeating: .failure(.overloaded), count: operations.count), store)
        }
        let isFull = !error.isBeforeWriting || error == .mapFull || error == .transactionFull
        if isFull { fullSince = now }
        guard isFull || operations.count == 1 else { return operations.forEach { commit([$0], store) } }
        let refusal: WriteError = isFull ? .storageFull : .damagedRecord
        answer(operations, [Outcome](repeating: .failure(refusal), count: operations.count), store)
    }

    private func apply(
        _ operations: [WriteOperation], _ now: Instant, takesLinks: Bool, _ store: Store
    ) throws(LMDBError) -> [Outcome] {
        let transaction = try environment.beginWrite()
        state.merge.stamps!.begin(transaction)
        state.merge.claimsSince = ClaimRow.oldestStamp(now)
        state.issuer.isUnheard = !store.issuesNumbers
        var outcomes: [Outcome] = []
        outcomes.reserveCapacity(operations.count)
        var isChanged = false
        for operation in operations {
            switch operation {
            case .create(let link, _):
                let head = state.row.head
                outcomes.append(takesLinks ? try create(link, now, transaction) : .failure(.storageFull))
                if state.row.head != head { isChanged = true }
            case .key(let write, let act, _):
                let (outcome, changes) = try apply(write, act, now, transaction, takesLinks: takesLinks)
                if changes { isChanged = true }
                outcomes.append(outcome)
            case .batch(let write, _):
                let (outcome, changes) = try apply(write, now, transaction, takesLinks: takesLinks)
                if changes { isChanged = true }
                outcomes.append(outcome)
            case .moderate(let write, _):
                let (outcome, changes) = try apply(write, now, transaction, takesLinks: takesLinks)
                if changes { isChanged = true }
                outcomes.append(outcome)
            case .apply(let batch, _):
                outcomes.append(.applied(takesLinks ? try apply(batch, now, transaction) : .refused(.storageFull)))
                if !state.merge.origins.touched.isEmpty { isChanged = true }
            case .change(let key, let change, let condition, let act, _):
                let outcome = try self.change(key, change, condition, act, now, transaction, takesLinks: takesLinks)
                if case .success = outcome { isChanged = true }
                outcomes.append(outcome)
            case .entry(let kind, let key, let value, _):
                try log(kind, key, state.clock.stamp(now: now), value, transaction)
                isChanged = true
                outcomes.append(.events([]))
            case .effect(let effect, _):
                let (outcome, changes) = try carryOut(effect, now, transaction, takesLinks: takesLinks)
                if changes || !state.merge.origins.touched.isEmpty { isChanged = true }
                outcomes.append(outcome)
            case .scrubbed(let findings, let endsRound, let environment):
                let (damaged, changes) = try settle(
                    environment == environmentNumber ? findings : [], endsRound: endsRound, now, transaction)
                if changes { isChanged = true }
                outcomes.append(.scrubbed(damaged: damaged))
            case .lease(let lease):
                state.issuer.leased(lease, now: now)
                isChanged = true
                outcomes.append(.leased)
            case .registers(let change, _):
                let isKept = try keep(change, transaction, takesLinks: takesLinks)
                if isKept { isChanged = true }
                outcomes.append(.kept(isKept))
            case .replace: preconditionFailure("not in a transaction")
            case .leaseRefused:
                state.issuer.leaseFailed(now: now)
                outcomes.append(.leased)
            }
        }
        guard isChanged else { return outcomes }
        try complete(now, store, transaction)
        try settings.beforeCommit()
        try transaction.commit()
        return outcomes
    }

    /// What every commit that changes something says beside it.
    private func complete(
        _ now: Instant, _ store: Store, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        // Where numbers go on is said by every commit, not only by the table's last row, which may be damaged.
        (state.row.firstCounter, state.row.ceiling) = (state.issuer.next, state.issuer.ceiling)
        state.row.noteWall(now)
        try writeOwnRow(transaction)
        try state.merge.origins.write(catalogue.origins, transaction)
        try sums.write(now, catalogue, transaction)
        try keepSideFileAhead(of: store)
        // Whoever finds a record finds its author, and whoever finds none has looked wherever one could be. A transaction
        // that fails now leaves a name that no record has.
        if !state.merge.origins.touched.isEmpty { store.noteNames(state.merge.origins.names) }
        if state.merge.hasShapedAliases { store.noteShapedAliases() }
    }

    private func writeOwnRow(_ transaction: borrowing WriteTransaction) throws(LMDBError) {
        let key = OriginRow.key(state.originIndex)
        try transaction.put(catalogue.origins, key, Row.sealed(.origins, key, state.row.payload))
    }

    /// The side file speaks of a sequence before the store holds it, and no longer of a closed store.
    private func keepSideFileAhead(of store: Store) throws(LMDBError) {
        // A life that begins in this transaction gets its file once it is there; one that is to end has none.
        guard state.row.origin == store.origin, !endsWithoutSideFile else { return }
        let isOther = sideFile.origin != state.row.origin
        guard isOther || sideFile.closedAt != nil || state.row.head > sideFile.sequenceLease else { return }
        try replaceSideFile()
    }

    /// The file is gone because the present life was to end, and the transaction that ends it has not been committed yet: the
    /// next start is to end it in any case.
    private var endsWithoutSideFile: Bool { isWithoutSideFile && sideFile.origin == state.row.origin }

    /// After a new life began: until then there is none, so that whenever it is cut short, a new life begins again.
    private func renewSideFile() {
        // The next commit tries again.
        if sideFile.origin != state.row.origin { try? replaceSideFile() }
    }

    private func replaceSideFile() throws(LMDBError) {
        var ahead = sideFile
        if ahead.origin != state.row.origin { (ahead.origin, ahead.sequenceLease) = (state.row.origin, 0) }
        ahead.closedAt = nil
        if ahead.sequenceLease == 0 || state.row.head > ahead.sequenceLease {
            ahead.sequenceLease = state.row.head + SideFile.leaseStep
        }
        try directory.replace(directory.identityPath, with: Array(ahead.text.utf8))
        (sideFile, isWithoutSideFile) = (ahead, false)
    }

    /// What is closed in order says where its log ends, so that an older copy put in its place is noticed. If it cannot
    /// be said, the store is as good as after a crash.
    private func closeSideFile() {
        // Nor of a life that is to end, or has none yet.
        guard !isWithoutSideFile, sideFile.origin == state.row.origin else { return }
        var closed = sideFile
        closed.closedAt = state.row.head
        try? directory.replace(directory.identityPath, with: Array(closed.text.utf8))
    }
}
