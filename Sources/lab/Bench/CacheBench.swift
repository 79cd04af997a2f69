import Glibc
import Links
import Primitives
import Server

/// How many requests the L1 cache answers, beside a least-recently-used one, and what a hit costs. `.ci/cache-reference`
/// has the same table of other implementations.
struct CacheBench {
    private static let percentages = [0.1, 1, 10]
    private let rounds: Rounds
    private let trace: TraceOptions

    init(_ rounds: Rounds, _ trace: TraceOptions) { (self.rounds, self.trace) = (rounds, trace) }

    func run() throws {
        reportRatios()
        try reportCosts()
    }

    private func reportRatios() {
        var table = Table(
            "hits in per cent of \(Figure.grouped(trace.count)) requests for \(Figure.grouped(trace.objects)) objects",
            [""] + Self.percentages.flatMap { ["L1, \(Figure.number($0)) %", "LRU"] })
        for kind in RequestTrace.allCases {
            let requests = trace.requests(kind)
            table.add(
                [kind.rawValue]
                    + Self.percentages.flatMap { percentage in
                        let entries = Int(Double(trace.objects) * percentage / 100)
                        return [
                            HitRatio.ofCodeCache(requests, entries: entries, seed: trace.seed),
                            HitRatio.ofLeastRecentlyUsed(requests, entries: entries),
                        ].map { Figure.fixed(100 * Double($0) / Double(trace.count), 2) }
                    })
        }
        StandardStream.output.write(table.text + "\n")
    }

    // MARK: Costs

    private static let entries = 65_536
    private static let answerBytes = 100

    private func reportCosts() throws {
        let keys = (0..<60_000).map { Array("c\($0 + 100_000)".utf8) }
        let law = Zipf(objects: keys.count, exponent: 1)
        var random = SeededRandom(seed: trace.seed)
        let order = (0..<(1 << 18)).map { _ in UInt32(law.rank(&random)) }
        let stamps = CacheStamps(key0: random.next(), key1: random.next())
        let cache = CodeCache(entries: Self.entries, stamps: stamps)
        let now = Instant(milliseconds: 0)
        let answer = [UInt8](repeating: 7, count: Self.answerBytes)
        for key in keys {
            cache.insert(
                key.span.bytes, .redirect, answer: answer.span.bytes,
                tag: stamps.tag(environment: 0, transaction: 1), now: now, renderAgainAt: Instant(milliseconds: .max))
        }
        let cells = [UInt8](repeating: 7, count: Self.entries * 192)
        let samples = try rounds.samples([
            Contender(name: "floor: SipHash-1-3 of the key, copy of 100 B from a place by it") { seconds in
                try Self.measure(seconds, keys, order) { key, output in
                    let hash = SipHash.hash13(key.span.bytes, key0: 1, key1: 2)
                    let place = Int(truncatingIfNeeded: hash & UInt64(Self.entries - 1)) * 192
                    cells.withUnsafeBytes {
                        output.copyMemory(from: $0.baseAddress! + place, byteCount: Self.answerBytes)
                    }
                }
            },
            Contender(name: "hit: lookup and copy of 100 B") { seconds in
                try Self.measure(seconds, keys, order) { key, output in
                    if let hit = cache.lookup(key.span.bytes, now: now) { cache.copy(hit, to: output) }
                }
            },
        ])
        guard cache.counters.misses == 0 else { throw LabError("\(cache.counters.misses) of the hits were misses") }
        var table = Table(
            "an L1 hit, \(keys.count) entries by Zipf's law, \(rounds.description)", ["", "time", "of floor"])
        let ratio = median(zip(samples[1], samples[0]).map { $0 / $1 })
        table.add([
            "floor: SipHash-1-3 of the key, copy of 100 B", Figure.duration(median(samples[0])), Figure.ratio(1),
        ])
        table.add(["lookup and copy of 100 B", Figure.duration(median(samples[1])), Figure.ratio(ratio)])
        StandardStream.output.write(table.text + "\n")
    }

    /// Nanoseconds of the processor a request: whatever else the machine does meanwhile is not counted.
    private static func measure(
        _ seconds: Double, _ keys: [[UInt8]], _ order: [UInt32],
        _ request: ([UInt8], UnsafeMutableRawPointer) -> Void
    ) throws -> Double {
        let output = UnsafeMutableRawPointer.allocate(byteCount: answerBytes, alignment: 64)
        defer { output.deallocate() }
        let begin = MonotonicClock.read(CLOCK_THREAD_CPUTIME_ID)
        var (count, now) = (0, begin)
        repeat {
            for index in order { request(keys[Int(index)], output) }
            count += order.count
            now = MonotonicClock.read(CLOCK_THREAD_CPUTIME_ID)
        } while now - begin < UInt64(seconds * 1e9)
        return Double(now - begin) / Double(count)
    }
}
