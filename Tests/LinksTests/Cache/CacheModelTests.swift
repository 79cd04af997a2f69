import Links
import Primitives
import Testing

/// Random lookups, insertions, changes and waits beside a dictionary: what the cache gives is what was last put in under
/// the key, not overtaken and not over.
@Test(arguments: [UInt64](1...6))
func cacheAgreesWithADictionary(seed: UInt64) {
    struct Known {
        var answer: [UInt8]
        var transaction: UInt64
        var latestEnd: Int64
    }
    var random = SeededRandom(seed: seed)
    // Few slots, so that keys share them.
    let stamps = CacheStamps(key0: random.next(), key1: random.next(), slotCount: 256)
    let cache = CodeCache(entries: 64 << Int.random(in: 0...3, using: &random), stamps: stamps)
    var known: [[UInt8]: Known] = [:]
    var (transaction, now) = (UInt64(1), Int64(1_000_000))
    var hits = 0
    for step in 0..<60_000 {
        // Half of the requests go to a few keys.
        let number = Int.random(in: 0..<(Bool.random(using: &random) ? 50 : 800), using: &random)
        let key = Array(String(repeating: "k", count: number % 58).utf8) + Array("\(number)".utf8)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<2:
            transaction += 1
            stamps.stamp(key.span.bytes, stamps.tag(environment: 0, transaction: transaction))
            known[key] = nil
        case 2: now += Int64.random(in: 0...8_000, using: &random)
        default:
            if let answer = cache.find(key, Instant(milliseconds: now)) {
                hits += 1
                #expect(answer == known[key]?.answer, "seed \(seed), step \(step)")
                #expect(now < known[key]?.latestEnd ?? .min, "seed \(seed), step \(step)")
                continue
            }
            let isLong = Int.random(in: 0..<20, using: &random) == 0
            let count = Int.random(in: 0...(isLong ? CacheLimits.longestAnswerBytes : 200), using: &random)
            let answer = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* step) }
            let end = now + Int64.random(in: 1...90_000, using: &random)
            cache.insert(
                key.span.bytes, .redirect, answer: answer.span.bytes,
                tag: stamps.tag(environment: 0, transaction: transaction), now: Instant(milliseconds: now),
                renderAgainAt: Instant(milliseconds: end))
            known[key] = Known(
                answer: answer, transaction: transaction, latestEnd: min(end, now + CacheLimits.redirectMilliseconds))
        }
        if step % 500 == 0 { cache.checkInvariants() }
    }
    cache.checkInvariants()
    let counters = cache.counters
    #expect(hits == counters.hits && counters.hits > 10_000, "seed \(seed): \(counters)")
    for count in [counters.expired, counters.overtaken, counters.evictions, counters.rejections] {
        #expect(count > 0, "seed \(seed): \(counters)")
    }
}
