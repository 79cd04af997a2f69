import Testing
import lab

/// A cache and its reckoning, in hits per 10 000 of the same million requests: so that a change that costs hits is noticed.
/// Beside them what the W-TinyLFU of libcachesim 0.3.5 has (`.ci/cache-reference`), of requests drawn otherwise by the
/// same laws.
private let expectations: [(trace: RequestTrace, entries: Int, hits: Int, reference: Int)] = [
    (.zipf08, 100, 1614, 1619), (.zipf08, 1000, 3131, 3194), (.zipf08, 10_000, 5548, 5503),
    (.zipf10, 100, 4077, 4078), (.zipf10, 1000, 5984, 6028), (.zipf10, 10_000, 7837, 7803),
    (.zipf12, 100, 6901, 6903), (.zipf12, 1000, 8394, 8419), (.zipf12, 10_000, 9272, 9249),
    (.scan, 100, 3045, 3051), (.scan, 1000, 4482, 4521), (.scan, 10_000, 6070, 6091),
    (.shift, 100, 4005, 3891), (.shift, 1000, 5318, 3703), (.shift, 10_000, 5825, 4413),
]

@Test(arguments: RequestTrace.allCases)
func hitsAreAsManyAsEver(trace: RequestTrace) {
    let requests = trace.requests(1_000_000, objects: 100_000, seed: 1)
    for expected in expectations where expected.trace == trace {
        let hits = HitRatio.ofCodeCache(requests, entries: expected.entries, seed: 1) / 100
        // The logarithms of another C library may draw a few other requests.
        #expect(abs(hits - expected.hits) <= 15, "\(expected)")
        #expect(hits >= expected.reference - 100, "\(expected)")
    }
}

@Test func leastRecentlyUsedIsThat() {
    #expect(HitRatio.ofLeastRecentlyUsed([1, 2, 1, 3, 2, 3, 1], entries: 2) == 2)
    #expect(HitRatio.ofLeastRecentlyUsed([5, 5, 5], entries: 1) == 2)
    #expect(HitRatio.ofLeastRecentlyUsed([], entries: 1) == 0)
}

@Test func tracesAreOfTheirSeed() {
    for trace in RequestTrace.allCases {
        let requests = trace.requests(10_000, objects: 1000, seed: 4)
        #expect(requests == trace.requests(10_000, objects: 1000, seed: 4))
        #expect(requests != trace.requests(10_000, objects: 1000, seed: 5))
        #expect(requests.allSatisfy { $0 < 1000 })
    }
}

@Test func noHitIsStaleOnRealThreads() {
    let outcome = StampRace(workers: 2, lookups: 100_000, seed: 1).run()
    #expect(outcome.stale == 0, "\(outcome)")
    #expect(outcome.hits > 1000 && outcome.overtaken > 1000, "\(outcome)")
}

@Test func stampsThatComeTooLateAreFoundOnRealThreads() {
    let outcome = StampRace(workers: 2, lookups: 50_000, seed: 1, stampsLate: true).run()
    #expect(outcome.stale > 0, "\(outcome)")
}
