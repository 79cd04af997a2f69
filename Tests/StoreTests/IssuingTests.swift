import Foundation
import Links
import Primitives
import Store
import Testing

/// Codes as the store gives them out when something is in the way of numbers.
@Suite struct IssuingTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    /// Makes links, and sees that no code comes twice and every link is there.
    private final class Ledger {
        private(set) var links: Links = [:]

        @discardableResult
        func create(_ store: Store, _ count: Int = 1) throws -> [Int] {
            try (0..<count).map { _ in
                let destination = "https://example.com/\(links.count)"
                let link = try store.createAndWait(destination)
                note(link, destination)
                return link.code.count
            }
        }

        func note(_ link: CreatedLink, _ destination: String) {
            #expect(links.updateValue(destination, forKey: link.code) == nil)
        }
    }

    private func limited(_ limits: (inout Issuer.Limits) -> Void) -> StoreSettings {
        var changed = settings(directory, clock: clock)
        limits(&changed.issuerLimits)
        return changed
    }

    /// Creates until codes have `length` characters, since leases come from another thread.
    private func createUntil(_ length: Int, _ store: Store, _ ledger: Ledger) throws {
        for _ in 0..<10_000 {
            clock.advance(milliseconds: 100)
            if try ledger.create(store) == [length] { return }
            sched_yield()
        }
        Issue.record("no code of \(length) characters came")
    }

    @Test func aDeadRenewalJobMeansSnowflakes() throws {
        let (ledger, alive) = (Ledger(), Flag(true))
        var changed = limited { ($0.smallestBlock, $0.largestBlock) = (16, 16) }
        changed.mayLease = { _ in alive.value }
        try withStore(changed) { store in
            try createUntil(7, store, ledger)
            alive.value = false
            try createUntil(12, store, ledger)
            for _ in 0..<50 {
                clock.advance(milliseconds: 1000)
                #expect(try ledger.create(store, 2) == [12, 12])
            }
            #expect(store.figures.issuer?.breaker != .closed)
            alive.value = true
            try createUntil(7, store, ledger)
            try store.expect(ledger.links)
        }
        // Started without the job: Snowflakes from the first link on, or from the end of the block.
        alive.value = false
        try withStore(changed) { store in
            try createUntil(12, store, ledger)
            alive.value = true
            try createUntil(7, store, ledger)
            try store.expect(ledger.links)
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    @Test func anExhaustedRangeMeansSnowflakesUntilItGrows() throws {
        let ledger = Ledger()
        for limit in [100 as UInt64, 1000] {
            try withStore(limited { $0.rangeLimit = 16 * limit }) { store in
                clock.advance(milliseconds: 1000)
                let lengths = try ledger.create(store, Int(limit) + 20)
                #expect(lengths.filter { $0 == 7 }.count == (limit == 100 ? 100 : 900))
                #expect(lengths.suffix(20).allSatisfy { $0 == 12 })
            }
            try withStore(limited { $0.rangeLimit = 16 * limit }) { store in
                clock.advance(milliseconds: 1000)
                let lengths = try ledger.create(store, 3)
                #expect(lengths == [12, 12, 12])
            }
        }
        try withStore(limited { _ in }) { store in
            clock.advance(milliseconds: 1000)
            #expect(try ledger.create(store, 10).allSatisfy { $0 == 7 })
            try store.expect(ledger.links)
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// From 62^6 on, numbers take seven characters after the region's.
    @Test func codesGrowByACharacter() throws {
        let ledger = Ledger()
        try withStore(limited { _ in }) { _ in }
        // The node's numbers begin four below the border.
        try editStore(directory.store) {
            var row = try RawOrigin.all($0)[0]
            row[RawOrigin.Field.first] = Base62.sixCharacters / 16 - 4
            row[RawOrigin.Field.ceiling] = row[RawOrigin.Field.first]
            try row.write($0)
        }
        try withStore(limited { _ in }) { store in
            clock.advance(milliseconds: 1000)
            #expect(try ledger.create(store, 8) == [7, 7, 7, 7, 8, 8, 8, 8])
            try store.expect(ledger.links)
        }
        try withStore(limited { _ in }) { store in
            clock.advance(milliseconds: 1000)
            #expect(try ledger.create(store, 20).allSatisfy { $0 == 8 })
            try store.expect(ledger.links)
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    @Test func beyondTheCapIsToldWhenToComeAgain() throws {
        let changed = limited { $0.numbersPerSecond = 1000 }
        try withStore(changed) { store in
            clock.advance(milliseconds: 1000)
            let links = (0..<1500).map { NewLink(body: body("https://example.com/\($0)")) }
            var codes: Links = [:]
            var refused = 0
            for (link, result) in zip(links, store.createMany(links)) {
                switch result {
                case .success(let created): codes[created.code] = String(decoding: link.body.destination, as: UTF8.self)
                case .failure(.rateCapped(let wait)):
                    #expect(wait == 1)
                    refused += 1
                case .failure(let error): Issue.record("\(error)")
                }
            }
            #expect(codes.count == 1000 && refused == 500)
            clock.advance(milliseconds: 1)
            #expect(throws: Never.self) { try store.createAndWait("https://example.com/") }
            #expect(throws: WriteError.rateCapped(retryAfterMilliseconds: 1)) {
                try store.createAndWait("https://example.com/")
            }
            // Names cost no number.
            #expect(throws: Never.self) { try store.createAndWait("https://example.com/", alias: "a-name") }
            try store.expect(codes)
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// Restarts at any place of a block, the clock set back between them, numbers and Snowflakes in turns.
    @Test func noCodeComesTwice() throws {
        let ledger = Ledger()
        var random = SeededRandom(seed: 11)
        for round in 0..<40 {
            let alive = Flag(Bool.random(using: &random))
            var changed = limited {
                ($0.smallestBlock, $0.largestBlock) = (8, 8)
                $0.rangeLimit = 16 * (100 + 10 * UInt64(round))
            }
            changed.mayLease = { _ in alive.value }
            clock.advance(milliseconds: Int64.random(in: -500...2000, using: &random))
            try withStore(changed) { store in
                for _ in 0..<Int.random(in: 0..<30, using: &random) {
                    clock.advance(milliseconds: 1)
                    alive.value = Bool.random(using: &random)
                    let link = store.createAndWait(NewLink(body: body("https://example.com/")))
                    if case .failure(.rateCapped) = link { continue }
                    ledger.note(try link.get(), "https://example.com/")
                }
                try store.expect(ledger.links)
            }
        }
        #expect(Set(ledger.links.keys.map(\.count)) == [7, 12])
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }
}
