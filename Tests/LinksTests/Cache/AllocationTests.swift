import CountedAllocator
import Links
import Primitives
import Testing

/// Calls of the allocator that this thread makes meanwhile.
private func allocations(_ body: () -> Void) -> Int {
    CountedAllocator.watchThisThread()
    body()
    return CountedAllocator.stop()
}

@Suite(.serialized) struct AllocationTests {
    @Test func allocationsAreCounted() {
        var kept: [[UInt8]] = []
        kept.reserveCapacity(10)
        let count = allocations { for size in 1...10 { kept.append([UInt8](repeating: 1, count: size * 1000)) } }
        #expect(count == 10)
        #expect(kept.count == 10)
        var cache: CodeCache?
        let stamps = CacheStamps(key0: 1, key1: 2, slotCount: 64)
        #expect(allocations { cache = CodeCache(entries: 64, stamps: stamps) } >= 5)
        #expect(cache!.entryCount == 0)
    }

    /// Nothing is allocated once the cache is there: by no hit, miss, insertion, replacement, eviction or rejection.
    @Test func nothingAfterTheStart() {
        let stamps = CacheStamps(key0: 1, key1: 2)
        let cache = CodeCache(entries: 256, stamps: stamps)
        let keys = (0..<2000).map { Array("code\($0)".utf8) }
        let answer = [UInt8](repeating: 7, count: CacheLimits.longestAnswerBytes)
        var output = [UInt8](repeating: 0, count: answer.count)
        var random = SeededRandom(seed: 11)
        var transaction: UInt64 = 1
        let now = Instant(milliseconds: 1)
        let count = allocations {
            for step in 0..<200_000 {
                let number = Int(truncatingIfNeeded: random.next() & 0xffff) % (step % 2 == 0 ? 100 : 2000)
                let key = keys[number]
                if let hit = cache.lookup(key.span.bytes, now: now) {
                    output.withUnsafeMutableBytes { cache.copy(hit, to: $0.baseAddress!) }
                    continue
                }
                let tag = stamps.tag(environment: 0, transaction: transaction)
                let size = Int(truncatingIfNeeded: random.next() & 0xff) * (step % 50 == 0 ? 9 : 1)
                cache.insert(
                    key.span.bytes, .redirect, answer: answer.span.bytes.extracting(..<size), tag: tag, now: now,
                    renderAgainAt: Instant(milliseconds: .max))
                if step % 100 == 0 {
                    transaction += 1
                    stamps.stamp(key.span.bytes, stamps.tag(environment: 0, transaction: transaction))
                }
            }
        }
        #expect(count == 0)
        let counters = cache.counters
        for happened in [
            counters.hits, counters.misses, counters.overtaken, counters.insertions, counters.evictions,
            counters.rejections,
        ] {
            #expect(happened > 0, "\(counters)")
        }
    }

    /// A visitor's query goes into the room that is there. The first time the runtime may make what all later ones use.
    @Test func nothingForAVisitorsQuery() {
        let (query, url) = (Array("x=1&b=2&é=3&y=%zz".utf8), Array("https://a.example/?b=1#fragment".utf8))
        var room = url + [UInt8](repeating: 0, count: ForwardedQuery.urlBytes)
        var length = 0
        func forward(times: Int) {
            for _ in 0..<times {
                var span = room.mutableSpan
                var bytes = span.mutableBytes
                for place in url.indices { bytes.storeBytes(of: url[place], toByteOffset: place, as: UInt8.self) }
                length = ForwardedQuery.append(query.span.bytes, to: &bytes, count: url.count)
            }
        }
        forward(times: 1)
        #expect(allocations { forward(times: 100) } == 0)
        #expect(
            String(decoding: room[..<length], as: UTF8.self)
                == "https://a.example/?b=1&x=1&%C3%A9=3&y=%25zz#fragment")
    }
}
