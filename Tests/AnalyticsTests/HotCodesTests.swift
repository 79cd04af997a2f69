import Analytics
import Foundation
import Primitives
import Testing

@Suite struct HotCodesTests {
    private static let halfLife: Int64 = 60_000
    private static let perSecond = log(2.0) / 60

    /// Beside exact counts of the same requests by Zipf's law: no rate is too low, none is too high by more than its error, no
    /// error is above the bound of the paper, and every code with more than that share is there.
    /// One by one and in batches.
    @Test(arguments: [0.8, 1, 1.2], [1, 700]) func errorBound(exponent: Double, batch: Int) {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        let (capacity, codes) = (64, 5000)
        let weights = (1...codes).map { 1 / pow(Double($0), exponent) }
        let sums = weights.reduce(into: [0.0]) { $0.append($0.last! + $1) }
        var hot = HotCodes(capacity: capacity, halfLifeMilliseconds: Self.halfLife, now: noon)
        var exact: [[UInt8]: Double] = [:]
        let tally = ClickTally(capacity: 5000)
        var known: [UInt64] = []
        for number in 1...50_000 {
            let place = Double.random(in: 0..<sums.last!, using: &random)
            let rank = sums.partitioningIndex { $0 > place } - 1
            let code = Array("c\(rank)".utf8)
            let requests = random.next() % 4 + 1
            exact[code, default: 0] += Double(requests) * Self.perSecond
            guard batch > 1 else {
                hot.add(code, requests: requests, now: noon)
                continue
            }
            _ = code.withUnsafeBytes { tally.add($0, today, ClickCounts(people: requests)) }
            guard number % batch == 0 || number == 50_000 else { continue }
            hot.add(tally, known: &known, now: noon)
            // A tally that was not emptied is added as far as it has grown.
            guard number % (3 * batch) == 0 else { continue }
            tally.removeAll()
            known = []
        }
        hot.checkInvariants()
        let found = hot.hottest(capacity, now: noon)
        let total = exact.values.reduce(0, +)
        let bound = hot.errorBound(now: noon)
        #expect(abs(bound - total / Double(capacity)) < total * 1e-9)
        for item in found {
            let truth = exact[item.code] ?? 0
            let slack = total * 1e-9
            #expect(item.perSecond >= truth - slack && item.perSecond - item.error <= truth + slack, "seed \(seed)")
            #expect(item.error <= bound + slack, "seed \(seed)")
        }
        let names = Set(found.map(\.code))
        for (code, rate) in exact where rate > bound { #expect(names.contains(code), "seed \(seed)") }
        #expect(exact.values.contains { $0 > bound } && exact.count > 10 * capacity)
    }

    /// What was asked for before counts for half after each half-life, and something new takes its place.
    @Test func ageing() {
        var hot = HotCodes(capacity: 4, halfLifeMilliseconds: Self.halfLife, now: noon)
        hot.add([1], requests: 1000, now: noon)
        let first = hot.hottest(1, now: noon)[0].perSecond
        let later = noon.advanced(byMilliseconds: Self.halfLife)
        #expect(abs(hot.hottest(1, now: later)[0].perSecond - first / 2) < 1e-9)
        hot.add([2], requests: 600, now: later)
        #expect(hot.hottest(4, now: later).map(\.code) == [[2], [1]])
        // Far beyond what a number's exponent could hold, were it never scaled back.
        var now = later
        for round in 0..<3000 {
            now = now.advanced(byMilliseconds: Self.halfLife)
            hot.add([3], requests: 1, now: now)
            if round % 500 == 0 { hot.checkInvariants() }
        }
        let rates = hot.hottest(4, now: now)
        #expect(rates[0].code == [3] && abs(rates[0].perSecond - 2 * Self.perSecond) < 1e-6)
        #expect(rates.dropFirst().allSatisfy { $0.perSecond < 1e-9 })
    }

    /// A steady stream is told at its rate once it has lasted for some half-lives.
    @Test func steadyRate() {
        var hot = HotCodes(capacity: 8, halfLifeMilliseconds: Self.halfLife, now: noon)
        var now = noon
        for _ in 0..<1200 {
            hot.add([1], requests: 300, now: now)
            hot.add([2], requests: 50, now: now)
            now = now.advanced(byMilliseconds: 1000)
        }
        let rates = hot.hottest(2, now: now).map(\.perSecond)
        #expect(abs(rates[0] - 300) < 5 && abs(rates[1] - 50) < 1)
        #expect(hot.count(above: 100, now: now) == 1 && hot.count(above: 10, now: now) == 2)
    }

    /// A clock that was ahead and is set right hides nothing of what comes then.
    @Test(arguments: [20, 50, 1440]) func clockIsSetRight(minutesAhead: Int64) {
        var hot = HotCodes(capacity: 2, halfLifeMilliseconds: Self.halfLife, now: noon)
        let ahead = noon.advanced(byMilliseconds: minutesAhead * 60_000)
        for code in [1, 2] as [UInt8] { hot.add([code], requests: 1000, now: ahead) }
        for second in 0..<600 as Range<Int64> {
            hot.add([3], requests: 10, now: noon.advanced(byMilliseconds: second * 1000))
            if second % 100 == 0 { hot.checkInvariants() }
        }
        let now = noon.advanced(byMilliseconds: 600_000)
        let hottest = hot.hottest(1, now: now)
        #expect(hottest.map(\.code) == [[3]] && abs(hottest[0].perSecond - 10) < 1)
    }

    /// A clock that goes back, even before the beginning, makes nothing infinite.
    @Test func clockGoesBack() {
        var hot = HotCodes(capacity: 2, halfLifeMilliseconds: Self.halfLife, now: noon)
        hot.add([1], requests: 5, now: Instant(milliseconds: 0))
        hot.add([2], requests: 5, now: noon)
        hot.checkInvariants()
        for now in [Instant(milliseconds: 0), noon] {
            #expect(hot.hottest(2, now: now).allSatisfy { $0.perSecond.isFinite && $0.perSecond >= 0 })
        }
    }
}

extension [Double] {
    /// The first index whose element fulfils the condition, which holds from there on.
    fileprivate func partitioningIndex(_ condition: (Double) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if condition(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
