import Links
import Store
import Synchronization

/// Counts what one thread does and any thread may read: a relaxed load and store, no locked instruction.
struct Counter: ~Copyable {
    private let count = Atomic<UInt64>(0)

    /// By one thread at a time.
    @inline(__always)
    func add(_ amount: UInt64 = 1) {
        count.store(count.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    /// To what the same thread counts elsewhere.
    @inline(__always)
    func set(_ value: UInt64) { count.store(value, ordering: .relaxed) }

    var value: UInt64 { count.load(ordering: .relaxed) }
}

/// What a worker counts. One for each, so that nothing is shared on the way of a redirect.
final class WorkerCounters: Sendable {
    /// Upper bounds of the latency histogram's buckets, in microseconds.
    static let latencyBoundsMicroseconds = [50, 100, 250, 500, 1000, 2500, 5000, 10_000, 50_000, 250_000, 1_000_000]

    let redirects = Counter()
    let unknownCodes = Counter()
    let goneCodes = Counter()
    let blockedCodes = Counter()
    let damagedRecords = Counter()
    let refusals = Counter()
    let connectionsOpened = Counter()
    let connectionsClosed = Counter()
    let bytesSent = Counter()
    let bytesReceived = Counter()
    let wakeUps = Counter()
    let acceptRests = Counter()
    /// Page faults that waited for the disk.
    let majorFaults = Counter()
    /// Connections closed for others: such as were idle, and such as kept the node waiting.
    let sparedIdle = Counter()
    let sparedSlow = Counter()
    private let expiries = CounterRow(count: Connection.Standing.allCases.count)
    private let sheddings = CounterRow(count: Shedding.allCases.count)
    let accessLogDrops = Counter()
    let clickDrops = Counter()
    /// Redirects given while clicks were not to be counted.
    let uncountedClicks = Counter()
    let tls = TLSCounters()
    let answers = AnswerCounts()
    let tokens = TokenCounts()
    let lookups = LookupCounters()
    let latencySumMicroseconds = Counter()
    private let latencies = CounterRow(count: latencyBoundsMicroseconds.count + 1)

    func spared(_ standing: Connection.Standing) { if standing == .idle { sparedIdle.add() } else { sparedSlow.add() } }

    /// A connection's time was over.
    func expired(_ standing: Connection.Standing) { expiries.add(standing.rawValue) }
    func expiryCount(_ standing: Connection.Standing) -> UInt64 { expiries.values[standing.rawValue] }

    /// A request was refused because there is too much to do.
    func shed(_ reason: Shedding) { sheddings.add(reason.rawValue) }
    func shedCount(_ reason: Shedding) -> UInt64 { sheddings.values[reason.rawValue] }

    /// `count` redirects that took this long each, from the wake-up that read them to their last byte's write.
    func noteLatency(microseconds: Int64, count: UInt64) {
        latencySumMicroseconds.add(UInt64(max(0, microseconds)) &* count)
        var index = 0
        while index < Self.latencyBoundsMicroseconds.count, microseconds > Self.latencyBoundsMicroseconds[index] {
            index += 1
        }
        latencies.add(index, count)
    }

    /// Not cumulative; the last is for all beyond the bounds.
    var latencyCounts: [UInt64] { latencies.values }
}

/// How a worker's cache and store lookups went, as of its last wake-up.
final class LookupCounters: Sendable {
    let hits = Counter()
    let misses = Counter()
    let expired = Counter()
    let overtaken = Counter()
    let insertions = Counter()
    let evictions = Counter()
    let rejections = Counter()
    let entries = Counter()
    let searches = Counter()
    let impossible = Counter()

    func set(_ cache: CodeCache.Counters, entryCount: Int, _ reader: LinkReader.Counters) {
        hits.set(cache.hits)
        searches.set(reader.lookups)
        impossible.set(reader.impossible)
        guard cache.misses != misses.value else { return }
        misses.set(cache.misses)
        expired.set(cache.expired)
        overtaken.set(cache.overtaken)
        insertions.set(cache.insertions)
        evictions.set(cache.evictions)
        rejections.set(cache.rejections)
        entries.set(UInt64(entryCount))
    }
}

/// Counters side by side, each as `Counter`.
///
/// Safety: each is atomic; the memory lives as long as the value.
final class CounterRow: @unchecked Sendable {
    private let counts: UnsafeMutablePointer<Atomic<UInt64>>
    private let count: Int

    init(count: Int) {
        self.count = count
        counts = .allocate(capacity: count)
        for index in 0..<count { (counts + index).initialize(to: Atomic(0)) }
    }

    deinit {
        counts.deinitialize(count: count)
        counts.deallocate()
    }

    func add(_ index: Int, _ amount: UInt64 = 1) {
        precondition(index < count)
        let counter = counts + index
        counter.pointee.store(counter.pointee.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    var values: [UInt64] { (0..<count).map { counts[$0].load(ordering: .relaxed) } }
}
