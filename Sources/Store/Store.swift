import Links
import Primitives
import Replication
import Synchronization

/// A link to be made.
package struct NewLink: Sendable {
    /// Nil: a code is generated.
    package var alias: Alias?
    package var body: LinkBody
    /// Where the body has a request's hash: what its claim made since then is told of, and nothing made. Nil: it is made,
    /// because the claim was decided elsewhere.
    package var claimsSince: Instant?
    package init(alias: Alias? = nil, body: LinkBody) { (self.alias, self.body) = (alias, body) }
}

/// A link as it was made durable.
package struct CreatedLink: Sendable {
    /// The code or alias that it is reached under.
    package let code: [UInt8]
    package let key: LinkKey
    package let stamp: Stamp
    package let origin: Origin
    /// Of the entry in the origin's log.
    package let sequence: UInt64
    package let body: LinkBody
    /// An earlier request of the same claim made it; `body` is what that asked for.
    package var isReplay = false
}

/// The links of the world on this node's disk, and the one thread that changes them.
///
///     any thread ──create──▶ queue ──▶ writer ──commit, fsync──▶ completions
///                                        │ ▲
///                                 lease due │ make it durable
///                                        ▼ │
///                                    housekeeping
///
/// Safety: what is mutable is atomic, behind a mutex, or belongs to one of the two threads.
package final class Store: @unchecked Sendable {
    package typealias Completion = @Sendable (Result<CreatedLink, WriteError>) -> Void

    let settings: StoreSettings
    let directory: DataDirectory
    package let codeSpace: CodeSpace
    /// The node's present life.
    package var origin: Origin { ownOrigin.withLock { $0 } }
    private let ownOrigin: Mutex<Origin>
    /// What the environment of clicks is known by as this store's.
    let clickIdentity: [UInt8]
    /// Whether this start began a new incarnation in a store that had an older one.
    package let didBeginIncarnation: Bool
    let ceilings: Ceilings
    package let coverage: Coverage
    let received = ReceivedNumbers()
    /// What cached answers of this store hold on to.
    package let stamps: CacheStamps
    private let shapedAliases: Atomic<Bool>
    private let mayChange = Atomic(true)
    private let mayIssue = Atomic(true)
    /// As the store keeps it.
    package let codeSecret: [UInt8]
    private let stopping = Atomic(false)
    let queue = WaitingQueue<WriteOperation>(capacity: StoreLimits.queuedWrites)
    let leases = WaitingQueue<Issuer.Lease>(capacity: 1)
    private let published: Mutex<StoreFigures>
    private let currentView: Mutex<StoreView>
    /// Grows with every table and every environment, so that readers notice.
    private let viewVersion = Atomic(0)
    private let readsAhead = Atomic(true)
    let vectorRows: Mutex<VectorRows>
    // Of the thread that scrubs.
    var scrub = Scrub()
    var scrubbedEnvironment: UInt16 = 1
    var scrubPace: ScrubPace?
    var evenClock: EvenClock
    /// The writer has not looked at the last step's findings.
    let scrubWaits = Atomic(false)
    /// By `StoreSettings.ticks`.
    let nextTruncation = Atomic<Int64>(0)
    let damageObserver = Mutex<(@Sendable ([UInt8]) -> Void)?>(nil)
    let waitingBatches = Atomic(0)
    private var threads: [SystemThread] = []
    private let writer: Writer
    private let observed = Mutex<(tell: (@Sendable (OwnHead) -> Void)?, head: OwnHead?)>((nil, nil))
    /// The writer's.
    package let pulse = Pulse()

    /// Opens the store in the settings' directory, or makes one, and starts its threads.
    package convenience init(_ settings: StoreSettings) throws(StoreError) {
        try self.init(settings, DataDirectory(settings.directory))
    }

    /// `directory` is the settings', and held by this process already.
    init(_ settings: StoreSettings, _ directory: DataDirectory) throws(StoreError) {
        let opening = try StoreOpening(settings, directory)
        self.settings = settings
        self.directory = directory
        evenClock = EvenClock(wall: settings.now(), ticks: settings.ticks())
        currentView = Mutex(
            StoreView(
                environment: opening.image.environment, number: 1, catalogue: opening.image.catalogue,
                names: opening.rows.mapValues(\.origin)))
        ownOrigin = Mutex(opening.ownRow.origin)
        didBeginIncarnation = opening.endedRow != nil
        codeSecret = opening.image.codeSecret
        codeSpace = CodeSecret.space(opening.image.codeSecret, settings.regions.map(\.character))
        clickIdentity = ClickRows.identity(
            opening.image.codeSecret, opening.image.identity, opening.ownRow.origin)
        ceilings = Ceilings(opening.image.origins.values)
        coverage = Coverage(opening.rows.values)
        let rows = Array(opening.rows.values)
        received.note(rows, all: rows)
        published = Mutex(StoreFigures())
        let stampKeys: (UInt64, UInt64) = settings.stampKeys ?? (.random(in: 0 ... .max), .random(in: 0 ... .max))
        stamps = CacheStamps(key0: stampKeys.0, key1: stampKeys.1, slotCount: settings.stampSlots)
        do throws(LMDBError) {
            writer = try Writer(
                opening, settings, codeSpace: codeSpace,
                stamps: CodeStamps(stamps, codeSpace, environment: 1))
        } catch {
            throw .system(path: opening.directory.storePath, reason: error.description)
        }
        shapedAliases = Atomic(writer.state.merge.hasShapedAliases)
        vectorRows = Mutex(VectorRows(writer.state))
        try writer.start(self)
        guard settings.hasThreads else { return }
        threads.append(SystemThread("writer", niceness: settings.niceness) { [self] in self.writer.run(self) })
        threads.append(SystemThread("housekeeping", niceness: settings.niceness) { [self] in keepHouse() })
    }

    /// Finishes what waits and ends the threads. To be called once; later writes are refused.
    package func close() {
        stopping.store(true, ordering: .releasing)
        queue.close()
        leases.close()
        if !settings.hasThreads { writer.run(self) }
        for thread in threads { thread.join() }
        threads = []
    }

    /// Makes durable what has gathered, and calls its completions; for a store without threads.
    package func turn() {
        precondition(!settings.hasThreads)
        _ = writer.turn(self, timeoutMilliseconds: 0)
        lease(timeoutMilliseconds: 0)
        _ = writer.turn(self, timeoutMilliseconds: 0)
    }

    /// Something waits for `turn`.
    package var hasWork: Bool { queue.count + leases.count > 0 }

    /// An entry of any kind and value, as a later program, or a faulty one, writes it: into the log alone. For the
    /// simulator.
    package func log(kind: UInt8, key: [UInt8], value: [UInt8], completion: @escaping EffectCompletion) {
        if !queue.push(.entry(kind: kind, key: key, value: value, completion)) { completion(.failure(refusal)) }
    }

    /// `observer` is called on the writer's thread after commits that moved the own log or its ceiling.
    package func observeCommits(_ observer: @escaping @Sendable (OwnHead) -> Void) {
        observed.withLock { $0.tell = observer }
    }

    /// Makes a link durable and then calls `completion` on the writer's thread, which must not be kept.
    package func create(_ link: NewLink, completion: @escaping Completion) {
        if !queue.push(.create(link, completion)) { completion(.failure(refusal)) }
    }

    /// Why the queue takes no more.
    var refusal: WriteError { stopping.load(ordering: .acquiring) ? .stopping : .overloaded }

    /// A reader for one thread.
    package func makeReader() throws(StoreError) -> LinkReader {
        do throws(LMDBError) { return try LinkReader(self) } catch {
            throw .system(path: directory.storePath, reason: error.description)
        }
    }

    /// See `Environment`; off where the store does not fit in memory.
    package func setReadAhead(_ isOn: Bool) throws(StoreError) {
        readsAhead.store(isOn, ordering: .relaxed)
        do throws(LMDBError) { try view.environment.setReadAhead(isOn) } catch {
            throw .system(path: directory.storePath, reason: error.description)
        }
    }

    package var figures: StoreFigures {
        var figures = published.withLock { $0 }
        figures.queuedWrites = queue.count
        return figures
    }

    /// How far the logs of all known origins go on this node's disk.
    package var vector: [OriginPosition] { vectorRows.withLock { $0 }.all.map { OriginPosition($0.row) } }

    /// Whether links that exist may be changed: not while the own clock is known to be wrong.
    var allowsChanges: Bool {
        get { mayChange.load(ordering: .relaxed) }
        set { mayChange.store(newValue, ordering: .relaxed) }
    }

    /// Whether a peer could say how far this node's numbers may go; until then there are Snowflakes.
    var issuesNumbers: Bool {
        get { mayIssue.load(ordering: .relaxed) }
        set { mayIssue.store(newValue, ordering: .relaxed) }
    }

    /// Grows when a peer's snapshot takes the store's place.
    package var environmentNumber: UInt16 { view.number }

    var view: StoreView { currentView.withLock { $0 } }

    /// The view, if it is not the one that the reader has seen.
    func view(newerThan seen: inout Int) -> StoreView? {
        let version = viewVersion.load(ordering: .acquiring)
        if version == seen { return nil }
        seen = version
        return view
    }

    /// An imported code may look like a generated one; only then do generated codes need a second look.
    var hasShapedAliases: Bool { shapedAliases.load(ordering: .acquiring) }

    // MARK: What the writer tells

    func publish(_ figures: StoreFigures) { published.withLock { $0 = figures } }

    func noteShapedAliases() { shapedAliases.store(true, ordering: .releasing) }

    func noteNames(_ names: [UInt16: Origin]) { currentView.withLock { $0.names = names } }

    /// What a transaction changed that is durable now; ceilings last, because they make readers look.
    func publish(_ state: Writer.State) {
        vectorRows.withLock { $0 = VectorRows(state) }
        let hasGrown = currentView.withLock { view in
            let count = view.catalogue.linkTables.count
            view.catalogue = state.merge.catalogue
            return view.catalogue.linkTables.count > count
        }
        if hasGrown { viewVersion.add(1, ordering: .releasing) }
        let origins = state.merge.origins
        for row in origins.touched.map({ origins.rows[$0]! }) + [state.row] {
            ceilings.raise(row.origin.region, row.origin.node, to: row.ceiling)
        }
        ownOrigin.withLock { $0 = state.row.origin }
        received.note(origins.touched.map { origins.rows[$0]! } + [state.row], all: origins.rows.values)
        for row in origins.touched.map({ origins.rows[$0]! }) + [state.row] { coverage.raise(row) }
        tellHead(OwnHead(state.row))
    }

    /// Another store has taken this one's place. Nothing that was cached of the old one is current from now on.
    func replace(by opening: StoreOpening, number: UInt16, _ state: Writer.State) {
        let environment = opening.image.environment
        if !readsAhead.load(ordering: .relaxed) { try? environment.setReadAhead(false) }
        for row in state.merge.origins.rows.values + [state.row] {
            ceilings.raise(row.origin.region, row.origin.node, to: row.ceiling)
        }
        if state.merge.hasShapedAliases { noteShapedAliases() }
        vectorRows.withLock { $0 = VectorRows(state) }
        ownOrigin.withLock { $0 = state.row.origin }
        observed.withLock { $0.head = OwnHead(state.row) }
        let rows = state.merge.origins.rows.values + [state.row]
        received.replace(by: rows)
        coverage.replace(by: rows)
        stamps.replaceEnvironment(with: number)
        currentView.withLock {
            $0 = StoreView(
                environment: environment, number: number, catalogue: state.merge.catalogue,
                names: opening.rows.mapValues(\.origin))
        }
        viewVersion.add(1, ordering: .releasing)
    }

    private func tellHead(_ head: OwnHead) {
        let observer = observed.withLock { observed -> (@Sendable (OwnHead) -> Void)? in
            guard observed.head != head else { return nil }
            observed.head = head
            return observed.tell
        }
        observer?(head)
    }

    /// Looks whether a lease of numbers is wanted, and hands it to the writer. False once none can come.
    @discardableResult
    private func lease(timeoutMilliseconds: Int) -> Bool {
        guard let due = leases.take(atMost: 1, timeoutMilliseconds: timeoutMilliseconds) else { return false }
        for lease in due { queue.pushPastCapacity(settings.mayLease(lease) ? .lease(lease) : .leaseRefused) }
        return true
    }

    /// The thread that prepares leases of numbers, so that the writer never waits for one, scrubs, and truncates where no
    /// replicator orders it.
    private func keepHouse() {
        let start = settings.now()
        var (lastCheck, isBusy) = (start, false)
        while lease(timeoutMilliseconds: isBusy ? StoreLimits.scrubPauseMilliseconds : 1000) {
            let now = settings.now()
            isBusy = scrubIsDue(now, startedAt: start)
            if isBusy { scrub() }
            if settings.truncatesAlone { truncateIfDue(now) }
            if abs(now.millisecondsSince(lastCheck)) >= StoreLimits.staleReaderCheckMilliseconds {
                view.environment.clearStaleReaders()
                lastCheck = now
            }
        }
    }
}

/// What the writer last told about itself.
package struct StoreFigures: Sendable {
    package var issuer: Issuer.Figures?
    package var commits: UInt64 = 0
    package var writes: UInt64 = 0
    package var size = (usedBytes: 0, mapBytes: 0)
    package var isFull = false
    package var queuedWrites = 0
    package var head: UInt64 = 0
    /// Of transactions that were made durable: from their beginning to the end of their sync, and writes in each.
    package var commitMicroseconds = Histogram()
    package var commitWrites = Histogram()
    package static let commitMicrosecondsBounds: [UInt64] = [
        50, 100, 250, 500, 1000, 2500, 5000, 10_000, 50_000, 250_000, 1_000_000,
    ]
    package static let commitWritesBounds: [UInt64] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
    /// Of other nodes' logs.
    package var merged = MergeFigures()
    package var scrub = ScrubFigures()
    /// Rows that stayed behind when a peer's snapshot took the store's place; the file `lost+found` has them.
    package var lostRows: UInt64 = 0

    package init() {}
}

/// The version vector as of one commit.
struct VectorRows {
    private let own: OriginRow
    private let others: [UInt16: OriginRow]
    private let ownIndex: UInt16

    init(_ state: Writer.State) {
        (own, others) = (state.row, state.merge.origins.rows)
        ownIndex = state.merge.origins.index(of: own.origin)!
    }

    /// By index.
    var rows: [UInt16: OriginRow] { others.merging([ownIndex: own]) { $1 } }

    /// By index, ascending.
    var all: [(index: UInt16, row: OriginRow)] {
        (others.map { (index: $0.key, row: $0.value) } + [(ownIndex, own)]).sorted { $0.index < $1.index }
    }
}

enum WriteOperation: Sendable {
    case create(NewLink, Store.Completion)
    /// With the line of the audit trail that goes with it.
    case key(KeyWrite, AuditBody?, Store.KeyCompletion)
    /// Entries of another node's log.
    case apply(LogBatch, Store.Application)
    /// Make a block of numbers durable.
    case lease(Issuer.Lease)
    case leaseRefused
    case change(LinkKey, LinkChange, ChangeCondition?, AuditBody?, Store.Completion)
    case entry(kind: UInt8, key: [UInt8], value: [UInt8], Store.EffectCompletion)
    /// What the replicator wants of the store.
    case effect(Effect, Store.EffectCompletion)
    /// Of one step in the environment of this number; `endsRound`: it was the last of a round.
    case scrubbed([ScrubFinding], endsRound: Bool, environment: UInt16)
    case replace(StoreReplacement)
    case batch(BatchWrite, Store.BatchCompletion)
    case moderate(ModerationWrite, Store.ModerationCompletion)
    /// Of the acceptor of aliases.
    case registers(RegisterChange, Store.RegisterCompletion)
}
