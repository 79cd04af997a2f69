import Foundation
import Testing

@testable import Simulation

/// Whole runs, short of what a batch does: `lab simulate` runs many.
struct SimulationTests {
    /// In memory where there is such a place, because a run syncs some thousand times.
    private static func run(_ seed: UInt64) -> SimulationReport {
        let directory = "\(ScratchPlace.path)/edge-simulation-test-\(UUID().uuidString)"
        return Simulation(SimulationSettings(seed: seed, directory: directory)).run()
    }

    @Test func sameSeedSameTrace() {
        let (first, again, other) = (Self.run(7), Self.run(7), Self.run(8))
        #expect(first.trace == again.trace && first.happenings == again.happenings)
        #expect(first.faults == again.faults && first.claims == again.claims && first.story == again.story)
        #expect(first.trace != other.trace)
    }

    /// A run has to be worth its name, and leaves nothing behind.
    @Test(arguments: 1...3 as ClosedRange<UInt64>) func seedCounts(seed: UInt64) {
        let report = Self.run(seed)
        #expect(report.violations == [], "\(report.text)")
        #expect(report.counts && report.acknowledged >= 300)
        #expect(report.scrubRounds >= 10 && report.reducedRecords >= 10 && report.cacheHits >= 10)
        #expect(report.claims.created >= 20 && report.claims.taken >= 20 && report.claims.raced >= 10)
    }

    @Test func storyNamesTheSeed() {
        var report = SimulationReport(seed: 42)
        report.violations = ["a rule: what broke it"]
        report.story = ["1.0 s  something happened"]
        #expect(report.text == "seed 42 fails\n1.0 s  something happened\nseed 42: a rule: what broke it")
    }

    @Test func queueKeepsOrder() {
        var queue = EventQueue<Int>()
        for (order, at) in [5, 3, 5, 1, 3, 9, 1].enumerated() { queue.schedule(order, at: Int64(at)) }
        var taken: [Int] = []
        while let next = queue.take() { taken.append(next.happening) }
        #expect(taken == [3, 6, 1, 4, 0, 2, 5])
    }

    @Test func tableAddsUp() {
        var (table, other) = (FaultTable(), FaultTable())
        table[.crash, .joining] = 2
        other[.crash, .joining] = 3
        other[.retire, .level] = 1
        table.add(other)
        #expect(table[.crash, .joining] == 5 && table[.retire, .level] == 1 && table.total == 6)
        // Two pairs have met, and one cannot.
        #expect(table.missing.count == Fault.allCases.count * Phase.allCases.count - 3)
    }
}
