import Links
import Primitives
import Server
import Testing

@Suite struct FlightTableTests {
    private static let limits = FlightTable<Int>.Limits(lookups: 2, requests: 5, bytes: 100)
    private static let codes = ["a", "b", "c"].map { Array($0.utf8) }
    private static func tag(_ transaction: UInt64) -> CacheTag { CacheTag(environment: 1, transaction: transaction) }

    @Test func oneLookupForAll() {
        var table = FlightTable<Int>(Self.limits)
        #expect(table.enter(Self.codes[0], 1, Self.tag(7), bytes: 1) == .begins)
        for waiter in 2...4 { #expect(table.enter(Self.codes[0], waiter, Self.tag(7), bytes: 1) == .joins) }
        #expect(table.lookupCount == 1 && table.requestCount == 4 && table.joinCount == 3)
        let landing = table.land(Self.codes[0], Self.tag(7), isCurrent: true)
        #expect(landing.served == [1, 2, 3, 4] && !landing.goesOn)
        #expect(table.lookupCount == 0 && table.requestCount == 0 && table.waitingBytes == 0)
        #expect(table.enter(Self.codes[0], 5, Self.tag(7), bytes: 1) == .begins)
        table.checkInvariants()
    }

    /// What was read in snapshot 10 serves whom, who asked with these snapshots.
    @Test(
        arguments: [
            ([9, 10], true, [9, 10]), ([9, 10, 11], true, [9, 10, 11]), ([9, 10], false, [9, 10]),
            ([9, 11, 10, 12], false, [9, 10]), ([11], false, []),
        ] as [([UInt64], Bool, [UInt64])])
    func staleness(asked: [UInt64], isCurrent: Bool, served: [UInt64]) {
        var table = FlightTable<UInt64>(.init(lookups: 2, requests: 5, bytes: 100))
        for snapshot in asked { _ = table.enter(Self.codes[0], snapshot, Self.tag(snapshot), bytes: 1) }
        let first = table.land(Self.codes[0], Self.tag(10), isCurrent: isCurrent)
        #expect(first.served == served && first.goesOn == (served.count < asked.count))
        table.checkInvariants()
        guard first.goesOn else { return }
        // The second lookup begins after they asked, and so serves them whatever has changed since.
        let second = table.land(Self.codes[0], Self.tag(12), isCurrent: false)
        #expect(second.served == asked.filter { !served.contains($0) } && !second.goesOn)
        #expect(table.lookupCount == 0)
    }

    @Test func limits() {
        var table = FlightTable<Int>(Self.limits)
        #expect(table.enter(Self.codes[0], 1, Self.tag(1), bytes: 10) == .begins)
        #expect(table.enter(Self.codes[1], 2, Self.tag(1), bytes: 10) == .begins)
        #expect(table.enter(Self.codes[2], 3, Self.tag(1), bytes: 10) == .refused)
        #expect(table.enter(Self.codes[1], 4, Self.tag(1), bytes: 81) == .refused)
        #expect(table.enter(Self.codes[1], 5, Self.tag(1), bytes: 80) == .joins)
        #expect(table.enter(Self.codes[1], 6, Self.tag(1), bytes: 0) == .joins)
        #expect(table.enter(Self.codes[1], 7, Self.tag(1), bytes: 0) == .joins)
        #expect(table.enter(Self.codes[1], 8, Self.tag(1), bytes: 0) == .refused)
        table.checkInvariants()
        #expect(table.land(Self.codes[1], Self.tag(1), isCurrent: true).served == [2, 5, 6, 7])
        #expect(table.enter(Self.codes[2], 9, Self.tag(1), bytes: 90) == .begins)
        table.checkInvariants()
    }

    /// Whoever is let in is served once, by a lookup that is recent enough for it.
    @Test(arguments: 0..<20 as Range<UInt64>) func anyOrder(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var table = FlightTable<Int>(.init(lookups: 3, requests: 20, bytes: 200))
        var (owed, snapshot, changed) = ([Int: UInt64](), 1 as UInt64, [0, 0, 0, 0] as [UInt64])
        var flights: [Int: UInt64] = [:]
        for waiter in 0..<2000 {
            if Bool.random(using: &random) {
                let code = Int.random(in: 0..<4, using: &random)
                let bytes = Int.random(in: 0...30, using: &random)
                switch table.enter([UInt8(code)], waiter, Self.tag(snapshot), bytes: bytes) {
                case .begins: (owed[waiter], flights[code]) = (snapshot, snapshot)
                case .joins: owed[waiter] = snapshot
                case .refused: break
                }
            } else if let (code, read) = flights.randomElement(using: &random) {
                let isCurrent = changed[code] <= read
                let landing = table.land([UInt8(code)], Self.tag(read), isCurrent: isCurrent)
                for waiter in landing.served {
                    let asked = owed.removeValue(forKey: waiter)
                    #expect(asked.map { isCurrent || $0 <= read } == true, "seed \(seed), waiter \(waiter)")
                }
                flights[code] = landing.goesOn ? snapshot : nil
            }
            if Int.random(in: 0..<4, using: &random) == 0 {
                snapshot += 1
                changed[Int.random(in: 0..<4, using: &random)] = snapshot
            }
            table.checkInvariants()
            #expect(table.requestCount == owed.count && table.lookupCount == flights.count, "seed \(seed)")
        }
    }
}
