import Primitives
import Server
import Synchronization
import Testing

/// Milliseconds as the limiter counts them.
private func milliseconds(_ time: Int64) -> Int64 { 1_000_000_000 + time * 1000 }

private func limiter(_ limit: RateLimit) -> Limiter { Limiter(.create, limit, LimitRefusals()) }

@Suite struct LimiterTests {
    private let someone = LimitSubject(hash: 0x1234_5678_9abc_def0)

    /// Times in milliseconds, and those at which a request passes.
    @Test(
        arguments: [
            (
                RateLimit(10, per: .second, burst: 3), [0, 0, 0, 0, 99, 100, 101, 199, 200, 300, 300],
                [0, 0, 0, 100, 200, 300]
            ),
            (
                RateLimit(1, per: .second, burst: 1), [0, 1, 999, 1000, 1001, 1999, 2000, 5000, 5000],
                [0, 1000, 2000, 5000]
            ),
            (RateLimit(1, per: .hour, burst: 2), [0, 0, 0, 3_580_000, 3_600_000, 3_600_000], [0, 0, 3_600_000]),
            (RateLimit(6, per: .minute, burst: 1), [0, 9_999, 10_000, 19_999, 20_000], [0, 10_000, 20_000]),
            // Idling saves no more than the burst.
            (RateLimit(10, per: .second, burst: 2), [0, 1_000_000, 1_000_000, 1_000_000], [0, 1_000_000, 1_000_000]),
            (RateLimit(3, per: .second, burst: 1), [0, 330, 334, 660, 668, 668, 1002], [0, 334, 668, 1002]),
        ] as [(RateLimit, [Int64], [Int64])])
    func transitions(limit: RateLimit, times: [Int64], expected: [Int64]) {
        let limiter = limiter(limit)
        #expect(times.filter { limiter.take(someone, at: milliseconds($0)).isAllowed } == expected)
    }

    /// A bucket by the book, at random times and limits: the same answers, and never more than burst + rate × time.
    @Test func isATokenBucket() {
        for seed in 1...200 as ClosedRange<UInt64> {
            var random = SeededRandom(seed: seed)
            let period = RateLimit.Period.allCases.randomElement(using: &random)!
            let limit = RateLimit(
                .random(in: 1...100_000, using: &random), per: period, burst: .random(in: 1...100, using: &random))
            let limiter = limiter(limit)
            let token = RateLimit.ticksPerToken
            let full = UInt64(limit.burst) * token
            var (level, last, now) = (full, limit.ticks(1_000_000), Int64(1_000_000))
            let seconds = [RateLimit.Period.second: 1, .minute: 60, .hour: 3600][period]!
            let pace = UInt64(2_000_000 * seconds / limit.tokens + 1)
            var admitted: [UInt64] = []
            for step in 0..<400 {
                now += Int64(random.next() % (random.next() % 8 == 0 ? pace * 20 : pace))
                let tick = limit.ticks(UInt64(now))
                level = min(full, level + tick - last)
                last = tick
                let isAllowed = level >= token
                if isAllowed { level -= token }
                let answer = limiter.take(someone, at: now)
                #expect(answer.isAllowed == isAllowed, "seed \(seed), step \(step), \(limit)")
                #expect(limit.remaining(full - level) == level / token)
                if isAllowed { admitted.append(tick) }
            }
            for (first, tick) in admitted.enumerated() where first % 7 == 0 {
                for other in stride(from: first, to: admitted.count, by: 5) {
                    let bound = UInt64(limit.burst) + (admitted[other] - tick) / token
                    #expect(UInt64(other - first + 1) <= bound, "seed \(seed), \(limit)")
                }
            }
        }
    }

    /// After as many seconds as it says one request passes, and a second and a tick earlier none does.
    @Test func retryAfter() {
        var random = SeededRandom(seed: 7)
        for limit in [
            RateLimit(10, per: .second, burst: 50), RateLimit(1, per: .second, burst: 10),
            RateLimit(7, per: .minute, burst: 3), RateLimit(1, per: .hour, burst: 1),
            RateLimit(1_000_000, per: .second, burst: 2), RateLimit(999_983, per: .hour, burst: 5),
        ] {
            for _ in 0..<50 {
                let limiter = limiter(limit)
                let start = Int64(random.next() % 1_000_000_000_000)
                var answer = limiter.take(someone, at: start)
                while answer.isAllowed { answer = limiter.take(someone, at: start) }
                let seconds = Int64(answer.retryAfterSeconds)
                #expect(seconds >= 1)
                let tick = Int64(3_600_000_000 / UInt64(limit.tokens) / RateLimit.ticksPerToken) + 1
                let before = start + (seconds - 1) * 1_000_000 - tick
                if before >= start { #expect(!limiter.look(someone, at: before).isAllowed, "\(limit) at \(start)") }
                #expect(limiter.take(someone, at: start + seconds * 1_000_000).isAllowed, "\(limit) at \(start)")
            }
        }
    }

    @Test func fields() {
        let limiter = limiter(RateLimit(10, per: .second, burst: 50))
        func text(_ answer: LimitAnswer) -> [String] { answer.fields.map { "\($0.name): \($0.value)" } }
        let first = limiter.take(someone, at: milliseconds(0))
        #expect(text(first) == [#"RateLimit-Policy: "create";q=50;w=5"#, #"RateLimit: "create";r=49;t=1"#])
        for _ in 0..<49 { _ = limiter.take(someone, at: milliseconds(0)) }
        let refused = limiter.take(someone, at: milliseconds(0))
        #expect(!refused.isAllowed)
        #expect(text(refused)[1] == #"RateLimit: "create";r=0;t=1"#)
        #expect(text(limiter.look(someone, at: milliseconds(10_000)))[1] == #"RateLimit: "create";r=50;t=0"#)
        let slow = self.limiterOfMinutes.take(someone, at: milliseconds(0))
        #expect(text(slow) == [#"RateLimit-Policy: "create";q=3;w=90"#, #"RateLimit: "create";r=2;t=30"#])
    }

    private var limiterOfMinutes: Limiter { limiter(RateLimit(2, per: .minute, burst: 3)) }

    /// Looking takes nothing.
    @Test func looking() {
        let limiter = limiter(RateLimit(1, per: .second, burst: 1))
        for _ in 0..<5 { #expect(limiter.look(someone, at: milliseconds(0)).isAllowed) }
        #expect(limiter.take(someone, at: milliseconds(0)).isAllowed)
        #expect(!limiter.look(someone, at: milliseconds(0)).isAllowed)
        #expect(limiter.sweep(at: milliseconds(0)) == 1)
        #expect(limiter.sweep(at: milliseconds(1000)) == 0)
    }

    /// Threads that read their clocks at different times: an older one sees no full bucket where none is.
    @Test func clocksThatDiffer() {
        let limiter = limiter(RateLimit(1000, per: .second, burst: 20))
        for _ in 0..<20 { #expect(limiter.take(someone, at: milliseconds(10_000)).isAllowed) }
        for behind in [1, 20, 999, 5000] as [Int64] {
            #expect(!limiter.take(someone, at: milliseconds(10_000 - behind)).isAllowed, "\(behind) ms behind")
        }
    }

    /// Over weeks, while the ticks go round many times: whoever comes back finds a full bucket.
    @Test func longTimes() {
        let limiter = limiter(RateLimit(1_000_000, per: .second, burst: 5))
        var random = SeededRandom(seed: 11)
        var now: Int64 = 1
        for round in 0..<40 {
            for _ in 0..<5 { #expect(limiter.take(someone, at: now).isAllowed, "round \(round)") }
            #expect(!limiter.take(someone, at: now).isAllowed, "round \(round)")
            for _ in 0..<random.next() % 100 {
                now += Limiter.sweepMicroseconds
                #expect(limiter.sweep(at: now) == 0)
            }
            now += 1000
        }
    }
}

@Suite struct BucketTableTests {
    private let limit = RateLimit(10, per: .second, burst: 50)

    /// A million clients come within two seconds. Each gets its token, the memory stays what it was, and a thousand
    /// clients among them that ask all the time get their burst and their rate, and no more.
    @Test func aMillionAddresses() {
        let seed: UInt64 = 20_261_121
        print("aMillionAddresses: seed \(seed)")
        var random = SeededRandom(seed: seed)
        let limiter = limiter(limit)
        let heavy = (0..<1000).map { _ in LimitSubject(hash: random.next()) }
        var admitted = [Int](repeating: 0, count: heavy.count)
        for (index, client) in heavy.enumerated() {
            for _ in 0..<60 where limiter.take(client, at: milliseconds(0)).isAllowed { admitted[index] += 1 }
        }
        #expect(admitted.allSatisfy { $0 == 50 })
        var refused = 0
        for step in 0..<1_000_000 {
            let now = milliseconds(Int64(step) / 500)
            if !limiter.take(LimitSubject(hash: random.next()), at: now).isAllowed { refused += 1 }
            let index = step % heavy.count
            if limiter.take(heavy[index], at: now).isAllowed { admitted[index] += 1 }
            if step % 100_000 == 0 { #expect(limiter.sweep(at: now) <= BucketTable.sizeBytes / 8) }
        }
        #expect(refused == 0, "clients that asked once")
        // 50 at once and 10 a second for two seconds, of which they ask for more than there is.
        #expect(admitted.allSatisfy { (69...70).contains($0) }, "\(admitted.min()!) to \(admitted.max()!)")
        #expect(BucketTable.sizeBytes == 1 << 20)
    }

    /// More clients that ask much than one set has words: whoever asks little is not held up by them.
    @Test func aCrowdedSet() {
        let limiter = limiter(limit)
        let crowd = (1...UInt64(BucketTable.ways * 4)).map { LimitSubject(hash: $0 << 40) }
        let quiet = LimitSubject(hash: 1000 << 40)
        for second in 0..<30 as Range<Int64> {
            for _ in 0..<100 {
                for client in crowd { _ = limiter.take(client, at: milliseconds(second * 1000)) }
            }
            for _ in 0..<2 { #expect(limiter.take(quiet, at: milliseconds(second * 1000)).isAllowed) }
        }
        #expect(limiter.sweep(at: milliseconds(29_000)) == BucketTable.ways)
    }

    /// As many clients as one set has words are known exactly, each for itself.
    @Test func aFullSet() {
        let limiter = limiter(limit)
        let clients = (1...UInt64(BucketTable.ways)).map { LimitSubject(hash: $0 << 40) }
        for round in 0..<50 {
            for client in clients { #expect(limiter.take(client, at: milliseconds(0)).isAllowed, "round \(round)") }
        }
        for client in clients { #expect(!limiter.take(client, at: milliseconds(0)).isAllowed) }
    }

    /// Threads that take from the same buckets at once get exactly what there is.
    @Test func threads() {
        let limit = RateLimit(1000, per: .second, burst: 5000)
        let limiter = limiter(limit)
        let subjects = (0..<4).map { LimitSubject(hash: UInt64($0) << 40 | 1 << 60) }
        let admitted = Mutex([0, 0, 0, 0])
        let threads = (0..<4).map { part in
            SystemThread("taker-\(part)") {
                var own = [0, 0, 0, 0]
                for step in 0..<20_000 {
                    let index = (step + part) % 4
                    if limiter.take(subjects[index], at: milliseconds(0)).isAllowed { own[index] += 1 }
                }
                admitted.withLock { all in for index in 0..<4 { all[index] += own[index] } }
            }
        }
        for thread in threads { thread.join() }
        #expect(admitted.withLock { $0 } == [5000, 5000, 5000, 5000])
    }
}
