import Links
import Primitives
import Testing

/// One cache, a key and an answer at a time.
struct CodeCacheTests {
    private let stamps = CacheStamps(key0: 7, key1: 9)
    private let start = Instant(milliseconds: 1_700_000_000_000)
    private let never = Instant(milliseconds: .max)
    private func tag(_ transaction: UInt64, environment: UInt16 = 0) -> CacheTag {
        stamps.tag(environment: environment, transaction: transaction)
    }

    private func bytes(_ count: Int, _ seed: Int = 0) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 * 31 + seed) }
    }

    @Test func memoryIsWithinItsBudget() {
        #expect(CodeCache.sizeBytes(entries: 65_536) / 65_536 <= 224)
        #expect(CodeCache.sizeBytes(entries: 1 << 22) >> 22 <= 224)
    }

    /// Around each length at which an entry takes another cell, with the shortest key and the longest.
    @Test func answersOfEveryLengthComeBackWhole() {
        // Its window holds the longest.
        let cache = CodeCache(entries: 4096, stamps: stamps)
        for keyCount in [1, 7, 64] {
            let edges = (0...11).flatMap { further in (-1...1).map { 152 - keyCount + 188 * further + $0 } }
            for count in edges + [0, 1, CacheLimits.longestAnswerBytes] {
                let (key, answer) = (bytes(keyCount, count), bytes(count, 3))
                cache.insert(
                    key.span.bytes, .redirect, answer: answer.span.bytes, tag: tag(1), now: start, renderAgainAt: never)
                #expect((cache.find(key, start) == answer) as Bool, "key of \(keyCount), answer of \(count)")
                cache.checkInvariants()
            }
        }
    }

    @Test(arguments: CodeCache.Kind.allCases)
    func lifeEnds(kind: CodeCache.Kind) {
        let cache = CodeCache(entries: 64, stamps: stamps)
        let longest = kind == .redirect ? CacheLimits.redirectMilliseconds : CacheLimits.negativeMilliseconds
        var lives: Set<Int64> = []
        for number in 0..<100 {
            let key = Array("key\(number)".utf8)
            let now = start.advanced(byMilliseconds: Int64(number) * 100_000)
            cache.insert(key.span.bytes, kind, answer: key.span.bytes, tag: tag(1), now: now, renderAgainAt: never)
            #expect(cache.lookup(key.span.bytes, now: now)?.kind == kind)
            let life = (0...longest).partition {
                cache.lookup(key.span.bytes, now: now.advanced(byMilliseconds: $0)) == nil
            }
            #expect((longest * 3 / 4...longest).contains(life), "\(life)")
            lives.insert(life)
        }
        #expect(lives.count > 80, "lives are spread: \(lives.count) of 100 differ")
    }

    @Test func rendersAgainInTime() {
        let cache = CodeCache(entries: 64, stamps: stamps)
        let key = Array("abc".utf8)
        let end = start.advanced(byMilliseconds: 1000)
        cache.insert(key.span.bytes, .redirect, answer: key.span.bytes, tag: tag(1), now: start, renderAgainAt: end)
        #expect(cache.find(key, start.advanced(byMilliseconds: 999)) != nil)
        #expect(cache.find(key, end) == nil)
        #expect(cache.counters.expired == 1)
        // What is over already does not come in, and does not take the place of what is there.
        cache.insert(key.span.bytes, .redirect, answer: key.span.bytes, tag: tag(1), now: end, renderAgainAt: end)
        #expect(cache.counters.insertions == 1)
    }

    @Test func aClockSetBackEndsLives() {
        let cache = CodeCache(entries: 64, stamps: stamps)
        let key = Array("abc".utf8)
        cache.insert(key.span.bytes, .redirect, answer: key.span.bytes, tag: tag(1), now: start, renderAgainAt: never)
        #expect(cache.find(key, start.advanced(byMilliseconds: -3_600_000)) == nil)
    }

    @Test func stampsEndLives() {
        let cache = CodeCache(entries: 64, stamps: stamps)
        let (key, other) = (Array("abc".utf8), Array("abd".utf8))
        for key in [key, other] {
            cache.insert(
                key.span.bytes, .notFound, answer: key.span.bytes, tag: tag(5), now: start, renderAgainAt: never)
        }
        stamps.stamp(key.span.bytes, tag(5))
        #expect(cache.find(key, start) != nil)
        stamps.stamp(key.span.bytes, tag(6))
        #expect(cache.find(key, start) == nil)
        #expect(cache.find(other, start) != nil)
        #expect(cache.counters.overtaken == 1)
        // What was read before the stamp is not taken any more; what was read after is, in the same place.
        cache.insert(key.span.bytes, .redirect, answer: key.span.bytes, tag: tag(5), now: start, renderAgainAt: never)
        #expect(cache.find(key, start) == nil)
        cache.insert(key.span.bytes, .redirect, answer: key.span.bytes, tag: tag(6), now: start, renderAgainAt: never)
        #expect(cache.find(key, start) == key)
        #expect(cache.entryCount == 2)
        cache.checkInvariants()
    }

    @Test func anotherStoreEndsAllLives() {
        let cache = CodeCache(entries: 64, stamps: stamps)
        let key = Array("abc".utf8)
        cache.insert(key.span.bytes, .redirect, answer: key.span.bytes, tag: tag(900), now: start, renderAgainAt: never)
        stamps.replaceEnvironment(with: 1)
        #expect(cache.find(key, start) == nil)
        cache.insert(key.span.bytes, .redirect, answer: key.span.bytes, tag: tag(901), now: start, renderAgainAt: never)
        #expect(cache.find(key, start) == nil, "read in the old store after all")
        cache.insert(
            key.span.bytes, .redirect, answer: key.span.bytes, tag: tag(1, environment: 1), now: start,
            renderAgainAt: never)
        #expect(cache.find(key, start) == key)
    }

    /// A crawler that asks for everything once does not displace what is asked for again and again.
    @Test func scansPassThrough() {
        let cache = CodeCache(entries: 1000, stamps: stamps)
        let hot = (0..<500).map { Array("hot\($0)".utf8) }
        for _ in 0..<4 { for key in hot { cache.request(key, tag(1), start) } }
        for number in 0..<5_000 { cache.request(Array("cold\(number)".utf8), tag(1), start) }
        #expect(hot.count { cache.find($0, start) != nil } > 490)
        #expect(cache.counters.rejections > 3_000)
    }

    /// A long answer that was asked for a little more often than each of many short ones is not worth all their places.
    @Test func longAnswersPayForTheirPlaces() {
        let cache = CodeCache(entries: 64, stamps: stamps)
        for _ in 0..<3 { for number in 0..<63 { cache.request(Array("short\(number)".utf8), tag(1), start) } }
        let (key, answer) = (Array("long".utf8), bytes(2048))
        for _ in 0..<5 {
            _ = cache.lookup(key.span.bytes, now: start)
            cache.insert(
                key.span.bytes, .redirect, answer: answer.span.bytes, tag: tag(1), now: start, renderAgainAt: never)
        }
        #expect(cache.find(key, start) == nil)
        #expect(cache.counters.rejections >= 5)
    }
}

extension CodeCache {
    /// The answer's bytes; nil if there is none.
    borrowing func find(_ key: [UInt8], _ now: Instant) -> [UInt8]? {
        guard let hit = lookup(key.span.bytes, now: now) else { return nil }
        // One more, so that what lies behind the answer is seen to stay.
        var bytes = [UInt8](repeating: 0xee, count: hit.byteCount + 1)
        bytes.withUnsafeMutableBytes { copy(hit, to: $0.baseAddress!) }
        precondition(bytes.removeLast() == 0xee)
        return bytes
    }

    /// What a worker does: the key is its own answer.
    borrowing func request(_ key: [UInt8], _ tag: CacheTag, _ now: Instant) {
        if lookup(key.span.bytes, now: now) != nil { return }
        insert(
            key.span.bytes, .redirect, answer: key.span.bytes, tag: tag, now: now,
            renderAgainAt: Instant(milliseconds: .max))
    }
}

extension ClosedRange<Int64> {
    /// The first for which `isBeyond` holds; it holds for all that follow.
    func partition(_ isBeyond: (Int64) -> Bool) -> Int64 {
        var (low, high) = (lowerBound, upperBound)
        while low < high {
            let middle = low + (high - low) / 2
            if isBeyond(middle) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
