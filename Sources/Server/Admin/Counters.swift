import Synchronization

/// Counts what one thread does and any thread may read: a relaxed load and store, no locked instruction.
struct Counter: ~Copyable {
    private let count = Atomic<UInt64>(0)

    /// By one thread at a time.
    @inline(__always)
    func add(_ amount: UInt64 = 1) {
        count.store(count.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    var value: UInt64 { count.load(ordering: .relaxed) }
}

/// What a worker counts. One for each, so that nothing is shared on the way of a redirect.
final class WorkerCounters: Sendable {
    /// Upper bounds of the latency histogram's buckets, in microseconds.
    static let latencyBoundsMicroseconds = [50, 100, 250, 500, 1000, 2500, 5000, 10_000, 50_000, 250_000, 1_000_000]

    let redirects = Counter()
    let unknownCodes = Counter()
    let goneCodes = Counter()
    let damagedRecords = Counter()
    let refusals = Counter()
    let connectionsOpened = Counter()
    let connectionsClosed = Counter()
    let bytesSent = Counter()
    let accessLogDrops = Counter()
    let answers = AnswerCounts()
    let latencySumMicroseconds = Counter()
    private let latencies = LatencyBuckets()

    /// `count` redirects that took this long each, from the wake-up that read them to their last byte's write.
    func noteLatency(microseconds: Int64, count: UInt64) {
        latencySumMicroseconds.add(UInt64(max(0, microseconds)) &* count)
        latencies.add(microseconds, count)
    }

    /// Not cumulative; the last is for all beyond the bounds.
    var latencyCounts: [UInt64] { latencies.values }
}

/// Safety: each bucket is atomic; the memory lives as long as the value.
private final class LatencyBuckets: @unchecked Sendable {
    private let buckets: UnsafeMutablePointer<Atomic<UInt64>>
    private static let count = WorkerCounters.latencyBoundsMicroseconds.count + 1

    init() {
        buckets = .allocate(capacity: Self.count)
        for index in 0..<Self.count { (buckets + index).initialize(to: Atomic(0)) }
    }

    deinit {
        buckets.deinitialize(count: Self.count)
        buckets.deallocate()
    }

    func add(_ microseconds: Int64, _ count: UInt64) {
        var index = 0
        while index < Self.count - 1, microseconds > WorkerCounters.latencyBoundsMicroseconds[index] { index += 1 }
        let bucket = buckets + index
        bucket.pointee.store(bucket.pointee.load(ordering: .relaxed) &+ count, ordering: .relaxed)
    }

    var values: [UInt64] { (0..<Self.count).map { buckets[$0].load(ordering: .relaxed) } }
}
