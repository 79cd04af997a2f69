import Links
import Primitives

/// How many of a trace's requests a cache answers.
package enum HitRatio {
    /// What each request looks for: seven characters, as codes have them.
    private static func key(_ object: UInt32) -> [UInt8] {
        let digits = Array("0123456789abcdefghijklmnopqrstuv".utf8)
        return (0..<7).map { digits[Int(object >> UInt32(5 * $0)) & 31] }
    }

    /// Hits of the L1 cache that workers have, of `entries` places.
    package static func ofCodeCache(_ trace: [UInt32], entries: Int, seed: UInt64) -> Int {
        var random = SeededRandom(seed: seed)
        let stamps = CacheStamps(key0: random.next(), key1: random.next(), slotCount: 1024)
        let cache = CodeCache(entries: entries, stamps: stamps)
        let keys = (0...(trace.max() ?? 0)).map(key)
        let tag = stamps.tag(environment: 0, transaction: 1)
        let now = Instant(milliseconds: 0)
        for object in trace {
            let key = keys[Int(object)]
            if cache.lookup(key.span.bytes, now: now) == nil {
                cache.insert(
                    key.span.bytes, .redirect, answer: key.span.bytes, tag: tag, now: now,
                    renderAgainAt: Instant(milliseconds: .max))
            }
        }
        return Int(cache.counters.hits)
    }

    /// Hits of a cache that always throws out what was not asked for the longest: the yardstick that everybody knows.
    package static func ofLeastRecentlyUsed(_ trace: [UInt32], entries: Int) -> Int {
        let last = Int(trace.max() ?? 0) + 1
        var (previous, next) = ([Int](repeating: last, count: last + 1), [Int](repeating: last, count: last + 1))
        var isIn = [Bool](repeating: false, count: last)
        var (used, hits) = (0, 0)
        func unlink(_ object: Int) {
            (next[previous[object]], previous[next[object]]) = (next[object], previous[object])
        }
        for object in trace.map(Int.init) {
            if isIn[object] {
                hits += 1
                unlink(object)
            } else if used == entries {
                isIn[previous[last]] = false
                unlink(previous[last])
            } else {
                used += 1
            }
            isIn[object] = true
            (previous[object], next[object]) = (last, next[last])
            (previous[next[last]], next[last]) = (object, object)
        }
        return hits
    }
}
