import Links
import Primitives
import Server
import Store
import Testing

@Suite struct WatchTests {
    private func events(_ watch: inout Watch, _ figures: StoreFigures, damaged: UInt64 = 0) -> [String] {
        watch.changes(figures, damagedAnswers: damaged).map(\.event)
    }

    @Test func eachChangeIsSaidOnce() {
        var watch = Watch()
        var figures = StoreFigures()
        #expect(events(&watch, figures) == [])
        figures.isFull = true
        #expect(events(&watch, figures) == ["storage-full"])
        #expect(events(&watch, figures) == [])
        figures.isFull = false
        #expect(events(&watch, figures) == ["storage-available"])
        #expect(events(&watch, figures, damaged: 3) == ["damaged-record"])
        #expect(events(&watch, figures, damaged: 3) == [])
        #expect(events(&watch, figures, damaged: 4) == ["damaged-record"])
        figures.merged.conflicts = 1
        #expect(events(&watch, figures, damaged: 4) == ["code-conflict"])
        (figures.scrub.rounds, figures.scrub.damagedRecords, figures.scrub.correctedDigests) = (1, 2, 3)
        #expect(events(&watch, figures, damaged: 4) == ["scrub-damage", "digest-corrected"])
        #expect(events(&watch, figures, damaged: 4) == [])
        for (drops, expected) in [(5, ["clicks-dropped"]), (5, []), (6, ["clicks-dropped"])] as [(UInt64, [String])] {
            #expect(watch.changes(figures, damagedAnswers: 4, clickDrops: drops).map(\.event) == expected)
        }
    }

    @Test func theBreakerAndTheWarnings() throws {
        var watch = Watch()
        var limits = Issuer.Limits()
        limits.smallestBlock = 16_384
        var now = Instant(milliseconds: 1_790_000_000_000)
        var issuer = Issuer(
            region: RegionCharacter(0x31)!, node: 0, next: 0, ceiling: 0, continuity: .proven, limits: limits, now: now)
        func figures() -> StoreFigures {
            var figures = StoreFigures()
            figures.issuer = issuer.figures(now: now)
            return figures
        }
        let lease = issuer.renewalDue(now: now)!
        issuer.leased(lease, now: now)
        #expect(events(&watch, figures()) == [])
        // Some twenty numbers a second and a renewal that fails: ten minutes, two minutes, then long codes.
        var seen: [String] = []
        for _ in 0..<900 {
            for _ in 0..<20 { _ = issuer.issue(now: now) }
            if issuer.renewalDue(now: now) != nil { issuer.leaseFailed(now: now) }
            now = now.advanced(byMilliseconds: 1000)
            seen += events(&watch, figures())
        }
        #expect(seen == ["codes-run-out", "codes-run-out", "codes-long"] || seen == ["codes-run-out", "codes-long"])
        now = now.advanced(byMilliseconds: 60_000)
        guard let late = issuer.renewalDue(now: now) else { throw Unexpected() }
        issuer.leased(late, now: now)
        guard case .number = issuer.issue(now: now) else { throw Unexpected() }
        issuer.committed(now: now)
        #expect(events(&watch, figures()).contains("codes-ordinary"))
    }
}

private struct Unexpected: Error {}
