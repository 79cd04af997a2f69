import Glibc
import Links
import Primitives
import Synchronization

/// A writer and workers on threads of their own, at the stamps that keep hits from being stale. To be built with
/// ThreadSanitizer, which looks for accesses without order:
///
///     swift build -c release --sanitize=thread --product lab --scratch-path .build-thread
///     .build-thread/release/lab race
package final class StampRace: @unchecked Sendable {
    // Safety: what threads share are atomics, made before the first thread and gone after the last.
    package struct Outcome {
        package var hits = 0
        /// Hits older than what was published before the lookup, or than what the same worker had seen.
        package var stale = 0
        package var overtaken = 0
    }

    /// Lookups of all workers together that each transaction waits for, and that they may do before the next.
    private static let lookupsPerTransaction: UInt64 = 16
    private static let lookupsAhead: UInt64 = 64
    /// How long a stamp that comes too late stays away: enough to meet every key.
    private static let lookupsUnstamped: UInt64 = 2000

    private let stamps = CacheStamps(key0: 3, key1: 5, slotCount: 1024)
    private let keys: [[UInt8]]
    /// By key: the transaction that wrote it last, as it is stored, and as anybody was told.
    private let stored, published: UnsafeMutablePointer<Atomic<UInt64>>
    private let committed = Atomic<UInt64>(1)
    private let lookupsDone = Atomic<UInt64>(0)
    private let lookupsAllowed = Atomic<UInt64>(lookupsAhead)
    private let workersDone = Atomic<Int>(0)
    private let workers, lookups: Int
    private let seed: UInt64
    private let stampsLate: Bool
    private let outcomes: WaitingQueue<Outcome>

    /// `stampsLate`: breaks the rule, by stamping long after publishing.
    package init(workers: Int, lookups: Int, seed: UInt64, stampsLate: Bool = false) {
        (self.workers, self.lookups, self.seed, self.stampsLate) = (workers, lookups, seed, stampsLate)
        keys = (0..<48).map { Array("key\($0)".utf8) }
        stored = .allocate(capacity: keys.count)
        published = .allocate(capacity: keys.count)
        outcomes = WaitingQueue(capacity: workers)
        for index in keys.indices {
            (stored + index).initialize(to: Atomic(1))
            (published + index).initialize(to: Atomic(1))
        }
    }

    deinit {
        for atomics in [stored, published] {
            atomics.deinitialize(count: keys.count)
            atomics.deallocate()
        }
    }

    /// Waits until all workers have done their lookups.
    package func run() -> Outcome {
        let threads =
            [SystemThread("race-writer") { self.write() }]
            + (0..<workers).map { number in SystemThread("race-\(number)") { self.work(number) } }
        for thread in threads { thread.join() }
        return (outcomes.take(atMost: workers, timeoutMilliseconds: 0) ?? []).reduce(into: Outcome()) {
            $0.hits += $1.hits
            $0.stale += $1.stale
            $0.overtaken += $1.overtaken
        }
    }

    private var isOver: Bool { workersDone.load(ordering: .acquiring) == workers }

    private func waitForWriter() {
        while lookupsDone.load(ordering: .relaxed) >= lookupsAllowed.load(ordering: .acquiring) { sched_yield() }
    }

    /// Lets the workers go on until there are `count` lookups more.
    private func letLookUp(_ count: UInt64) {
        let done = lookupsDone.load(ordering: .acquiring)
        lookupsAllowed.store(done + count + Self.lookupsAhead, ordering: .releasing)
        while lookupsDone.load(ordering: .acquiring) < done + count, !isOver { sched_yield() }
    }

    private func write() {
        var random = SeededRandom(seed: seed)
        var transaction: UInt64 = 1
        while !isOver {
            transaction += 1
            let changed = (0..<Int.random(in: 1...3, using: &random)).map { _ in
                Int.random(in: 0..<keys.count, using: &random)
            }
            if !stampsLate { stamp(changed, transaction) }
            for key in changed { stored[key].store(transaction, ordering: .releasing) }
            committed.store(transaction, ordering: .releasing)
            for key in changed { published[key].store(transaction, ordering: .releasing) }
            if stampsLate {
                letLookUp(Self.lookupsUnstamped)
                stamp(changed, transaction)
            }
            letLookUp(Self.lookupsPerTransaction)
        }
    }

    private func stamp(_ changed: [Int], _ transaction: UInt64) {
        let tag = stamps.tag(environment: 0, transaction: transaction)
        for index in changed {
            let key = keys[index]
            stamps.stamp(key.span.bytes, tag)
        }
    }

    private func work(_ number: Int) {
        var random = SeededRandom(seed: seed &+ UInt64(number) &+ 1)
        let cache = CodeCache(entries: 128, stamps: stamps)
        var seen = [UInt64](repeating: 0, count: keys.count)
        var outcome = Outcome()
        for _ in 0..<lookups {
            let index = Int.random(in: 0..<keys.count, using: &random)
            seen[index] = max(seen[index], published[index].load(ordering: .acquiring))
            if let value = cached(index, cache) {
                outcome.hits += 1
                if value < seen[index] { outcome.stale += 1 }
                seen[index] = max(seen[index], value)
            } else {
                seen[index] = max(seen[index], fill(index, cache))
            }
            lookupsDone.wrappingAdd(1, ordering: .releasing)
            waitForWriter()
        }
        outcome.overtaken = Int(cache.counters.overtaken)
        outcomes.pushPastCapacity(outcome)
        workersDone.wrappingAdd(1, ordering: .releasing)
    }

    private func cached(_ index: Int, _ cache: borrowing CodeCache) -> UInt64? {
        let key = keys[index]
        guard let hit = cache.lookup(key.span.bytes, now: Instant(milliseconds: 0)) else { return nil }
        var value: UInt64 = 0
        withUnsafeMutableBytes(of: &value) { cache.copy(hit, to: $0.baseAddress!) }
        return value
    }

    private func fill(_ index: Int, _ cache: borrowing CodeCache) -> UInt64 {
        let tag = stamps.tag(environment: 0, transaction: committed.load(ordering: .acquiring))
        let value = stored[index].load(ordering: .acquiring)
        let (key, answer) = (keys[index], [value])
        cache.insert(
            key.span.bytes, .redirect, answer: answer.span.bytes, tag: tag, now: Instant(milliseconds: 0),
            renderAgainAt: Instant(milliseconds: .max))
        return value
    }
}
