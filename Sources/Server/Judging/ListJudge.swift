import Links
import Primitives
import Store
import Synchronization

/// Keeps the block lists that are in force, and the blocks of links in line with them: on a thread of the lowest priority it
/// reads files that have changed, judges every link of the store when the lists are others than those that it was judged by,
/// and from then on each link that is written, here or elsewhere.
///
///     files ──changed──▶ BlockLists ──▶ creation
///                            │ fingerprint differs: scan
///                            ▼
///     all links, then logs behind the position ──▶ judge ──▶ blocks ──durable──▶ position, in the file `judged`
///
/// What is written while it scans is followed at the same time, so a scan of any length leaves nothing out. A scan that is cut
/// short goes on where it was.
///
/// Safety: `lists` and the figures are made to be shared; the rest belongs to the thread that runs `run`.
final class ListJudge: DestinationJudge, @unchecked Sendable {
    let lists = BlockLists()
    let figures = JudgingFigures()
    /// Links that the scan that runs, or the last one, has judged; whether one runs; and scans that came to their end.
    let scannedLinks = Atomic(0)
    let isScanning = Atomic(false)
    let scans = Counter()
    /// When the lists in force were read, in seconds since 1970, and how often that was refused.
    let readAt = Atomic(0)
    let refusedReads = Counter()

    private let store: Store
    private let live: LiveConfiguration
    private let moderator: Moderator
    private let follower: LinkFollower
    private let now: @Sendable () -> Instant
    private let wakes = WaitingQueue<Void>(capacity: 1)
    private let isEnding = Atomic(false)
    private var state = JudgedState()
    private var saved = JudgedState()
    private var nextSave: Int64 = 0
    private var scanBegan: Int64 = 0
    private var watch: FileWatch
    private var isHeld = false
    private var thread: SystemThread?

    /// - Throws: a `BlockListFileError` or a `StoreError`.
    init(
        _ store: Store, _ live: LiveConfiguration, _ moderation: Moderation, now: @escaping @Sendable () -> Instant
    ) throws {
        (self.store, self.live, self.now) = (store, live, now)
        moderator = Moderator(moderation, figures)
        follower = try LinkFollower(store)
        let paths = live.value.blockLists
        watch = FileWatch(Self.marks(paths))
        if let bytes = try store.readFile(JudgedState.fileName, limitBytes: JudgedState.limitBytes) {
            // One that cannot be read makes it judge all anew.
            state = JudgedState(text: bytes) ?? JudgedState()
        }
        saved = state
        try load(paths)
    }

    /// To be called once.
    func start(niceness: Int32 = JudgingLimits.niceness) {
        thread = SystemThread("block-lists", niceness: niceness) { [self] in run() }
    }

    /// Looks at the files, and at which there are, at once.
    func wake() { _ = wakes.push(()) }

    /// Before the store is closed.
    func close() {
        isEnding.store(true, ordering: .releasing)
        wakes.close()
        thread?.join()
    }

    private func run() {
        var pause = 0
        while !isEnding.load(ordering: .acquiring) {
            let isWoken = wakes.take(atMost: 1, timeoutMilliseconds: pause).map { !$0.isEmpty } ?? false
            let clock = System.monotonicMilliseconds()
            lookAtFiles(clock, isWoken)
            do throws(JudgeUnavailable) {
                let hasMore = try turn()
                if isHeld { Log.write(.info, "judging-goes-on") }
                isHeld = false
                pause = hasMore ? 0 : isIdle ? Int(FileWatch.lookMilliseconds) : JudgingLimits.pauseMilliseconds
            } catch {
                figures.failures.add()
                if !isHeld { Log.write(.warning, "judging-held", ["reason": .string(error.reason)]) }
                isHeld = true
                pause = Int(error.pauseMilliseconds)
            }
            if clock >= nextSave {
                save()
                nextSave = clock + JudgingLimits.saveMilliseconds
            }
        }
        save()
    }

    /// There is nothing to judge by.
    private var isIdle: Bool { lists.value.isEmpty && state.scan == .done }

    private func save() {
        guard state != saved else { return }
        do throws(StoreError) {
            try store.replaceFile(JudgedState.fileName, with: state.text)
            saved = state
        } catch {
            Log.write(.warning, "judged-unsaved", ["reason": .string(error.description)])
        }
    }

    // MARK: Files

    private static func marks(_ paths: [String]) -> [FileMark?] { paths.map { FileMark($0) } }

    /// Reads files that have changed and stand still now. After a reload of the configuration they are read as they are.
    private func lookAtFiles(_ clock: Int64, _ isWoken: Bool) {
        let paths = live.value.blockLists
        guard let marks = isWoken ? Self.marks(paths) : watch.changed({ Self.marks(paths) }, now: clock) else {
            return
        }
        do throws(BlockListFileError) {
            try load(paths)
            watch.take(marks)
        } catch {
            if isEnding.load(ordering: .acquiring) { return }
            watch.refuse(marks)
            refusedReads.add()
            Log.write(.error, "block-lists-refused", ["reason": .string(error.description)])
        }
    }

    private func load(_ paths: [String]) throws(BlockListFileError) {
        let list = try BlockListFiles.read(paths) { isEnding.load(ordering: .acquiring) }
        for figures in list.lists {
            for line in figures.told {
                Log.write(
                    .warning, "block-list-line",
                    [
                        "list": .string(figures.name), "line": .init(line.line),
                        "reason": .string(line.reason.description),
                    ])
            }
        }
        let isTold = !paths.isEmpty || !lists.value.isEmpty
        lists.replace(with: list)
        readAt.store(Int(now().milliseconds / 1000), ordering: .relaxed)
        if isTold {
            Log.write(.info, "block-lists-read", ["lists": .init(paths.count), "entries": .init(list.entryCount)])
        }
    }

    // MARK: Judging

    /// Of the lists in force, and of those that were.
    var names: Set<String> { Set(state.names) }

    private var url = NormalisedURL()

    func judge(_ links: [JudgedLink]) throws(JudgeUnavailable) -> [Verdict?] {
        let list = lists.value
        return links.map { link in
            // What cannot be read as a URL was not made here, and nobody is led there.
            guard !list.isEmpty, (try? url.read(link.destination)) != nil,
                let match = list.find(url, forwardsQuery: link.forwardsQuery)
            else { return nil }
            return Verdict(list: match.list, reason: match.line.map { "\(match.list):\($0)" } ?? match.list)
        }
    }

    /// Whether there is more to do.
    private func turn() throws(JudgeUnavailable) -> Bool {
        let list = lists.value
        if state.fingerprint != list.fingerprint { beginScan(list) }
        if isIdle { return false }
        var hasMore = false
        if case .after(let key) = state.scan {
            try scan(behind: key)
            hasMore = true
        }
        return try follow() || hasMore
    }

    private func beginScan(_ list: BlockList) {
        // What is written from here on is followed.
        state.position = store.endOfChanges
        state.fingerprint = list.fingerprint
        state.names = Set(state.names).union(list.lists.map(\.name)).sorted()
        rescan()
    }

    /// One that runs goes on where it is, and begins once more at its end: lists that change ever again leave no link out.
    private func rescan() {
        if case .after(.some) = state.scan {
            state.isAgain = true
            return
        }
        state.scan = .after(nil)
        scannedLinks.store(0, ordering: .relaxed)
        scanBegan = System.monotonicMilliseconds()
    }

    private func scan(behind key: LinkKey?) throws(JudgeUnavailable) {
        isScanning.store(true, ordering: .relaxed)
        let end = System.monotonicMicroseconds() + JudgingLimits.scanMicroseconds
        let page: LinkPage
        do throws(StoreError) {
            page = try store.allLinks(after: key) { System.monotonicMicroseconds() >= end }
        } catch {
            throw .store(error.description)
        }
        try settle(
            page.links.map { link in
                let body = link.record.body
                return JudgedLink(
                    key: link.key, destination: body.destination, forwardsQuery: body.flags.contains(.forwardsQuery))
            })
        scannedLinks.add(page.links.count, ordering: .relaxed)
        state.scan = page.next.map { .after($0) } ?? (state.isAgain ? .after(nil) : .done)
        if page.next == nil { state.isAgain = false }
        guard state.scan == .done else { return }
        // Lists that are gone have no blocks any more.
        state.names = lists.value.lists.map(\.name).sorted()
        isScanning.store(false, ordering: .relaxed)
        scans.add()
        Log.write(
            .info, "links-judged",
            [
                "links": .init(scannedLinks.load(ordering: .relaxed)),
                "ms": .init(System.monotonicMilliseconds() - scanBegan), "blocked": .init(figures.blocked.value),
                "lifted": .init(figures.lifted.value),
            ])
    }

    /// Whether there may be more.
    private func follow() throws(JudgeUnavailable) -> Bool {
        switch follower.read(after: state.position) {
        case .page(let page):
            if page.end == state.position { return false }
            try settle(page.links)
            state.position = page.end
            return true
        case .gap(let reason, let position):
            figures.gaps.add()
            Log.write(.warning, "judging-gap", ["reason": .string(reason)])
            state.position = position
            rescan()
            return true
        case .failed(let reason): throw .store(reason)
        }
    }

    private func settle(_ links: [JudgedLink]) throws(JudgeUnavailable) {
        let verdicts = try judge(links)
        try moderator.apply(verdicts, to: links, names: names)
    }
}
