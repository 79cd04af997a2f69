import Links
import Primitives
import Store
import Synchronization

final class PurgeFigures: Sendable {
    let done = Counter()
    let retried = Counter()
    /// Given up.
    let failed = Counter()
    /// Parts of logs that could not be read: what changed there is not known.
    let gaps = Counter()
    let waiting = Atomic(0)
}

/// Tells the cache in front of this node which codes it answers otherwise from now on. It follows the logs as this node holds
/// them, its own and those of the others: so a cache is told once the node that it refills from has the change, and each node
/// tells its own.
///
///     logs ──changes behind the position──▶ PurgeQueue ──orders──▶ senders: one connection each
///       ▲                                       │ ▲                   │
///       │                             given up  │ └─────ends──────────┘
///     position, once durable ◀── all before it ─┴─▶ dead letters
///
/// The logs are the queue: what is in memory is bounded, and what does not fit waits on the disk. A position is made durable
/// after the calls before it came to their end, so a crash has some made again and none left out.
///
/// Safety: `figures` and the queues are made to be shared; the rest belongs to the thread that runs `run`.
final class Purger: @unchecked Sendable {
    static let positionName = "purge-position"
    private static let positionBytes = 1 << 20
    private static let pauseMilliseconds = 50
    /// Of a log that is far ahead, before calls have their turn.
    private static let pagesPerTurn = 16

    let figures = PurgeFigures()
    private let store: Store
    private let limits: PurgeLimits
    private let now: @Sendable () -> Instant
    private let letters: PurgeLetters
    private let makeSender: @Sendable () -> PurgeSender
    /// In both together no more than are under way.
    private let orders: WaitingQueue<Purge>
    private let ends: WaitingQueue<(purge: Purge, failure: String?)>
    private let isEnding = Atomic(false)
    private var queue: PurgeQueue
    /// How far the logs were read, and of that, how far on the disk.
    private var read: ChangePosition
    private var saved: ChangePosition
    private var nextSave: Int64 = 0
    /// The last call that came to its end was given up.
    private var isFailing = false
    private var thread: SystemThread?

    /// Goes on from where the last life stopped; where there was none caches keep nothing yet, and it begins here.
    init(
        _ store: Store, directory: String, _ url: PurgeURL, _ method: PurgeMethod, publicURL: String,
        limits: PurgeLimits = PurgeLimits(), now: @escaping @Sendable () -> Instant
    ) throws(StoreError) {
        (self.store, self.limits, self.now) = (store, limits, now)
        letters = PurgeLetters(directory: directory, limitBytes: limits.letterBytes)
        (orders, ends) = (WaitingQueue(capacity: 2 * limits.senders), WaitingQueue(capacity: 2 * limits.senders))
        queue = PurgeQueue(limits, seed: .random(in: 0 ... .max))
        let publicHost = String(publicURL.drop { $0 != "/" }.dropFirst(2))
        makeSender = { PurgeSender(url, method, publicHost: publicHost, limits) }
        if let bytes = try store.readFile(Self.positionName, limitBytes: Self.positionBytes) {
            // One that cannot be read makes it begin with the oldest that the logs have.
            saved = ChangePosition(text: Array(bytes.dropLast()).span.bytes) ?? ChangePosition()
        } else {
            saved = store.endOfChanges
            try store.replaceFile(Self.positionName, with: Array((saved.text + "\n").utf8))
        }
        read = saved
    }

    /// Nil if there is no cache to be told.
    convenience init?(
        _ store: Store, _ configuration: Configuration, publicURL: String, now: @escaping @Sendable () -> Instant
    ) throws(StoreError) {
        guard let url = configuration.purgeURL else { return nil }
        try self.init(
            store, directory: configuration.data, url, configuration.purgeMethod, publicURL: publicURL, now: now)
    }

    /// To be called once.
    func start() {
        for index in 0..<limits.senders {
            // Nobody waits for one that waits for a server: it ends when the call does, or with the process.
            SystemThread("purge-\(index)", niceness: API.niceness) { [makeSender, orders, ends] in
                let sender = makeSender()
                while let taken = orders.take(atMost: 1, timeoutMilliseconds: 60_000) {
                    for purge in taken { ends.pushPastCapacity((purge, sender.send(purge.code))) }
                }
            }.detach()
        }
        thread = SystemThread("purge", niceness: API.niceness) { [self] in run() }
    }

    /// What is owed stays so, for the next life. Before the store is closed.
    func close() {
        isEnding.store(true, ordering: .releasing)
        orders.closeAndDiscard()
        thread?.join()
    }

    private func run() {
        nextSave = System.monotonicMilliseconds() + limits.saveMilliseconds
        var isBehind = false
        while !isEnding.load(ordering: .acquiring) {
            let ended = ends.take(atMost: 256, timeoutMilliseconds: isBehind ? 0 : Self.pauseMilliseconds) ?? []
            for (purge, failure) in ended { settle(purge, failure) }
            isBehind = readOn()
            let clock = System.monotonicMilliseconds()
            // Each sender finds its next call without waiting for this thread.
            for purge in queue.takeDue(at: clock, underWayAtMost: 2 * limits.senders) { orders.pushPastCapacity(purge) }
            figures.waiting.store(queue.count, ordering: .relaxed)
            if clock >= nextSave {
                save()
                nextSave = clock + limits.saveMilliseconds
            }
        }
        save()
    }

    // MARK: What is owed

    /// Whether there is more to be read, and room for it.
    private func readOn() -> Bool {
        for _ in 0..<Self.pagesPerTurn {
            guard queue.room > 0 else { return false }
            switch store.changes(after: read, atMost: queue.room) {
            case .success(let page):
                let clock = System.monotonicMilliseconds()
                for write in page.writes where write.replacesAnswer {
                    let code = String(decoding: write.code, as: UTF8.self)
                    queue.add(Purge(code: code, origin: write.origin, sequence: write.sequence), at: clock)
                }
                if page.end == read { return false }
                read = page.end
            case .failure(.truncated(let origin, let floor)):
                read[origin] = floor
                noteGap("the log of \(origin) begins behind \(floor)")
            case .failure(.damaged(let origin, let sequence)):
                read[origin] = max(read[origin] + 1, sequence)
                noteGap("entry \(sequence) of the log of \(origin) is damaged")
            case .failure(.failed(let reason)):
                Log.write(.warning, "purge-log-unreadable", ["reason": .string(reason)])
                return false
            }
        }
        return true
    }

    /// It is not known which codes changed.
    private func noteGap(_ reason: String) {
        figures.gaps.add()
        Log.write(.error, "purge-gap", ["reason": .string(reason)])
        keepLetter("*", reason)
    }

    private func settle(_ purge: Purge, _ failure: String?) {
        let isGivenUp = queue.end(purge, hasFailed: failure != nil, at: System.monotonicMilliseconds())
        guard let failure else {
            figures.done.add()
            if isFailing { Log.write(.info, "purges-recovered") }
            return isFailing = false
        }
        guard isGivenUp else { return figures.retried.add() }
        figures.failed.add()
        if !isFailing { Log.write(.error, "purges-fail", ["code": .string(purge.code), "reason": .string(failure)]) }
        isFailing = true
        keepLetter(purge.code, failure)
    }

    private func keepLetter(_ code: String, _ error: String) {
        if letters.write(PurgeLetters.line(at: now(), code: code, error: error)) { return }
        Log.write(.error, "purge-letter-lost", ["code": .string(code), "reason": .string(error)])
    }

    private func save() {
        let done = queue.done(of: read)
        guard done != saved else { return }
        do throws(StoreError) {
            try store.replaceFile(Self.positionName, with: Array((done.text + "\n").utf8))
            saved = done
        } catch {
            Log.write(.warning, "purge-position-unsaved", ["reason": .string(error.description)])
        }
    }
}
