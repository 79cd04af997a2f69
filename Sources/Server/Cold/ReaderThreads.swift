import Glibc
import Links
import Primitives
import Store
import Synchronization

/// The threads that look codes up where the store does not fit in memory, so that a page that has to come from the disk
/// holds up nobody but those who asked for its code.
///
///     worker ──enter──▶ FlightTable ──first of its code──▶ queue ──▶ reader-N: snapshot, find
///        ▲                   │ others join                               │
///        └── mailbox, wake-up ◀───────────── land ◀───────────────────────┘
///
/// A snapshot is taken for one lookup and let go of behind it. While the disk keeps one waiting, pages that commits free
/// are not used again: what that can cost is bounded by what is committed meanwhile, on the same disk.
///
/// Safety: the table is behind a mutex; each reader belongs to one thread; the rest is atomic or does not change.
final class ReaderThreads: @unchecked Sendable {
    private let store: Store
    private let mustEnd: @Sendable (String) -> Never
    private let flights = Mutex(
        FlightTable<HandedOver>(
            .init(
                lookups: ReaderLimits.lookups, requests: ReaderLimits.requests, bytes: ReaderLimits.requestBytes)))
    /// No more than the table has, so it needs no bound of its own.
    private let queue = WaitingQueue<[UInt8]>(capacity: ReaderLimits.lookups)
    private let usesThreads = Atomic<Bool>(false)
    private var threads: [SystemThread] = []
    private let running: Atomic<Int>
    let counters: [Counters]
    /// For tests: called with what was found before anybody learns of it. Set before the first request.
    var onFound: @Sendable (FoundCode) -> Void = { _ in }

    /// Of one thread.
    final class Counters: Sendable {
        let lookups = Counter()
        let searches = Counter()
        let impossible = Counter()
    }

    /// Figures of one moment.
    struct Figures {
        var lookups: UInt64 = 0
        var joins: UInt64 = 0
        var waitingLookups = 0
        var waitingRequests = 0
    }

    init(_ store: Store, count: Int, mustEnd: @escaping @Sendable (String) -> Never) throws(StoreError) {
        (self.store, self.mustEnd) = (store, mustEnd)
        running = Atomic(count)
        var readers: [(LinkReader, Counters)] = []
        for _ in 0..<count { readers.append((try store.makeReader(), Counters())) }
        counters = readers.map(\.1)
        for (index, (reader, counters)) in readers.enumerated() {
            let owned = OwnedReader(reader: reader)
            threads.append(SystemThread("reader-\(index)") { [self] in run(owned.reader, counters) })
        }
    }

    /// Whether workers are to leave lookups to these threads.
    var isOn: Bool { usesThreads.load(ordering: .relaxed) }

    func turn(on: Bool) { usesThreads.store(on, ordering: .relaxed) }

    var figures: Figures {
        flights.withLock {
            Figures(
                lookups: counters.reduce(0) { $0 + $1.lookups.value }, joins: $0.joinCount,
                waitingLookups: $0.lookupCount, waitingRequests: $0.requestCount)
        }
    }

    /// Looks `code` up for a request of a worker whose snapshot has `tag`; nil if its answer will be delivered, else why
    /// it has to be refused.
    func take(_ call: HandedOver, _ code: [UInt8], _ tag: CacheTag) -> Shedding? {
        switch flights.withLock({ $0.enter(code, call, tag, bytes: call.byteCount) }) {
        case .joins: nil
        case .refused: .lookups
        // Who comes after the closing finds a worker that has been told to stop.
        case .begins: queue.pushPastCapacity(code) ? nil : .lookups
        }
    }

    /// Begins no lookup any more, and waits for those that run until `deadline`, in monotonic milliseconds. A thread that
    /// the disk holds longer ends with the process.
    func close(deadline: Int64) {
        queue.closeAndDiscard()
        while running.load(ordering: .acquiring) > 0, System.monotonicMilliseconds() < deadline { usleep(2_000) }
        let haveEnded = running.load(ordering: .acquiring) == 0
        for thread in threads { if haveEnded { thread.join() } else { thread.detach() } }
        threads = []
    }

    // MARK: The threads

    private func run(_ reader: LinkReader, _ counters: Counters) {
        while let codes = queue.take(atMost: 1, timeoutMilliseconds: 1000) {
            for code in codes { lookUp(code, reader, counters) }
            try? reader.lookAround()
        }
        running.subtract(1, ordering: .releasing)
    }

    private func lookUp(_ code: [UInt8], _ reader: LinkReader, _ counters: Counters) {
        var goesOn = true
        while goesOn {
            do throws(StoreError) { try reader.begin() } catch { mustEnd(error.description) }
            let found = FoundCode(code, by: reader)
            reader.end()
            counters.lookups.add()
            counters.searches.set(reader.counters.lookups)
            counters.impossible.set(reader.counters.impossible)
            onFound(found)
            let served: [HandedOver]
            (served, goesOn) = flights.withLock { flights in
                // Under the lock: whoever asks after this finds no lookup to join.
                flights.land(code, found.tag, isCurrent: isCurrent(found))
            }
            deliver(found, to: served)
        }
    }

    /// That a code is impossible may change without a stamp.
    private func isCurrent(_ found: FoundCode) -> Bool {
        if case .impossible = found.content { return false }
        return store.stamps.isCurrent(found.tag, found.code.span.bytes)
    }

    private func deliver(_ found: FoundCode, to calls: [HandedOver]) {
        var told: Set<ObjectIdentifier> = []
        for call in calls {
            let isFirst = told.insert(ObjectIdentifier(call.worker)).inserted
            call.worker.deliver(Worker.Delivery(call: call, content: .found(found, isFirst: isFirst)))
        }
    }
}

/// Safety: handed to its thread before anybody else could use it.
private struct OwnedReader: @unchecked Sendable { let reader: LinkReader }
