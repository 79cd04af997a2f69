import Analytics
import Foundation
import Links
import Primitives
import Store
import Testing

@Suite struct ClickStoreTests {
    private let directory = TemporaryDirectory()
    private let clock = TestClock()
    private var clicks: String { directory.store + "/clicks" }

    private var today: ClickDay { ClickDay(clock.now) }

    private func tally(_ rows: [(code: [UInt8], day: ClickDay, counts: ClickCounts)]) -> ClickTally {
        let tally = ClickTally(capacity: 1000)
        for row in rows { #expect(row.code.withUnsafeBytes { tally.add($0, row.day, row.counts) }) }
        return tally
    }

    /// What the journal holds of a code.
    private func pending(_ store: ClickStore, _ code: [UInt8]) throws -> ClickCounts {
        let tally = ClickTally(capacity: 1000)
        for partition in 0..<ClickLimits.partitions { try store.pending(partition, into: tally) }
        return tally.counts(of: code).reduce(into: ClickCounts()) { $0 += $1.counts }
    }

    /// Folds all that the journal holds.
    private func foldAll(_ clicks: ClickStore, _ store: Store, key: NetworkKey? = nil) throws {
        let reader = try store.makeReader()
        for partition in 0..<ClickLimits.partitions {
            let tally = ClickTally(capacity: 1000)
            try clicks.pending(partition, into: tally)
            try reader.begin()
            defer { reader.end() }
            let links = (0..<tally.count).map { reader.key(of: tally.entry(at: $0).code.bytes) }
            try clicks.fold(partition, tally, links: links, today: today, networkKey: key ?? clicks.networkKey)
        }
    }

    private func key(_ store: Store, _ code: [UInt8]) throws -> LinkKey {
        let reader = try store.makeReader()
        try reader.begin()
        defer { reader.end() }
        return reader.key(of: code.span.bytes)
    }

    private let three = ClickCounts(people: 3, bots: 2, heads: 1)

    @Test func keysOfCodes() throws {
        try withStore(settings(directory, clock: clock)) { store in
            let (made, alias) = (try store.createAndWait("https://a.example/"), Array("my-alias".utf8))
            _ = try store.createAndWait("https://b.example/", alias: "my-alias")
            #expect(try key(store, made.code) == made.key)
            #expect(try key(store, alias) == .alias(alias))
        }
    }

    /// From the journal into the rows, once, however often it is closed between.
    @Test func appendFoldRead() throws {
        try withStore(settings(directory, clock: clock)) { store in
            let codes =
                try (0..<40).map { try store.createAndWait("https://a\($0).example/").code } + [
                    Array("an-alias".utf8)
                ]
            _ = try store.createAndWait("https://b.example/", alias: "an-alias")
            let yesterday = today.earlier(by: 1)
            let rows = codes.flatMap { [($0, today, three), ($0, yesterday, ClickCounts(people: 10))] }
            do {
                let clicks = try ClickStore(store)
                try clicks.append(tally(rows))
                try clicks.append(tally(rows))
                #expect(clicks.takeFigures().commits == 2)
                #expect(try clicks.read(try key(store, codes[0]), dayCount: 1, today: today).total == ClickCounts())
            }
            let twice = ClickCounts(people: 26, bots: 4, heads: 2)
            do {
                let clicks = try ClickStore(store)
                for code in codes { #expect(try pending(clicks, code) == twice) }
                try foldAll(clicks, store)
                #expect(clicks.folds == UInt64(ClickLimits.partitions))
            }
            let clicks = try ClickStore(store)
            #expect(clicks.sequence > 0 && clicks.since == clock.now)
            for code in codes {
                #expect(try pending(clicks, code) == ClickCounts())
                let history = try clicks.read(try key(store, code), dayCount: 3, today: today)
                #expect(history.total == twice && history.damagedRows == 0 && history.folds == clicks.folds)
                #expect(
                    history.days == [ClickCounts(), ClickCounts(people: 20), ClickCounts(people: 6, bots: 4, heads: 2)])
            }
        }
    }

    /// Days go after the retention; totals stay.
    @Test func oldDaysGo() throws {
        try withStore(settings(directory, clock: clock)) { store in
            let code = try store.createAndWait("https://a.example/").code
            let clicks = try ClickStore(store)
            let old = today
            let next = ClickDay(number: old.number + 1)
            try clicks.append(tally([(code, old, three), (code, next, three)]))
            try foldAll(clicks, store)
            func days() throws -> [ClickCounts] {
                try clicks.read(
                    try key(store, code), dayCount: ClickLimits.days, today: ClickDay(number: old.number + 1)
                ).days
            }
            #expect(try days().suffix(2) == [three, three])
            clock.advance(milliseconds: Int64(ClickLimits.days - 1) * ClickDay.milliseconds)
            try foldAll(clicks, store)
            #expect(try days().suffix(2) == [three, three])
            clock.advance(milliseconds: ClickDay.milliseconds)
            try foldAll(clicks, store)
            #expect(try days().suffix(2) == [ClickCounts(), three])
            #expect(try clicks.read(try key(store, code), dayCount: 1, today: today).total.people == 6)
        }
    }

    @Test func theNetworkKeyIsKept() throws {
        try withStore(settings(directory, clock: clock)) { store in
            var key = try ClickStore(store).networkKey
            #expect(try key == ClickStore(store).networkKey && key.day == today)
            key.advance(to: ClickDay(number: today.number + 1))
            try foldAll(try ClickStore(store), store, key: key)
            #expect(try ClickStore(store).networkKey == key)
        }
    }

    /// A damaged row is left out, counted, and begins anew; others are as they were.
    @Test func damagedRows() throws {
        try withStore(settings(directory, clock: clock)) { store in
            let codes = try (0..<4).map { try store.createAndWait("https://a\($0).example/").code }
            func journal() throws {
                let clicks = try ClickStore(store)
                for code in codes { try clicks.append(tally([(code, today, three)])) }
            }
            try journal()
            try foldAll(try ClickStore(store), store)
            try journal()
            func damage(_ table: String, _ transaction: RawTransaction) throws {
                for row in try transaction.rows(table)
                where row.key.starts(with: Self.keyStart(table, try key(store, codes[0]), codes[0])) {
                    var value = row.value
                    value[value.count - 1] ^= 1
                    try transaction.put(table, row.key, value)
                }
            }
            for table in ["totals", "days", "journal"] { try editStore(clicks) { try damage(table, $0) } }
            let clicks = try ClickStore(store)
            let broken = try clicks.read(try key(store, codes[0]), dayCount: 1, today: today)
            #expect(broken.damagedRows == 2 && broken.total == ClickCounts() && broken.days == [ClickCounts()])
            let whole = codes[1...].first { Self.partition($0) != Self.partition(codes[0]) }
            if let whole {
                #expect(try clicks.read(try key(store, whole), dayCount: 1, today: today).total == three)
                #expect(try pending(clicks, whole) == three)
            }
            #expect(try pending(clicks, codes[0]) == ClickCounts() && clicks.takeFigures().damagedRows > 0)
            try clicks.append(tally([(codes[0], today, three)]))
            try foldAll(clicks, store)
            let mended = try clicks.read(try key(store, codes[0]), dayCount: 1, today: today)
            #expect(mended.damagedRows == 0 && mended.total == three && mended.days == [three])
        }
    }

    private static func partition(_ code: [UInt8]) -> Int { code.withUnsafeBytes { ClickStore.partition($0) } }

    /// What keys of a table that belong to the code begin with.
    private static func keyStart(_ table: String, _ link: LinkKey, _ code: [UInt8]) -> [UInt8] {
        var key: [UInt8] = []
        link.encode(into: &key)
        switch table {
        case "totals": return key
        case "journal": return [UInt8(partition(code))]
        default: return []
        }
    }

    // MARK: What cannot be used

    private enum Harm: CaseIterable {
        case garbage, header, cutShort, otherFormat, otherIdentity, noRow, noTable, plainFile, damagedMeta
    }

    private func harm(_ harm: Harm) throws {
        let file = clicks + "/data.mdb"
        func edit(_ change: (RawTransaction) throws -> Void) throws { try editStore(clicks, change) }
        func name(_ text: String) -> [UInt8] { Array(text.utf8) }
        switch harm {
        case .garbage: try write([UInt8](repeating: 0xa5, count: 40_000), to: file)
        case .header:
            var bytes = read(file)
            bytes[16] ^= 1
            try write(bytes, to: file)
        case .cutShort: try write(Array(read(file).prefix(8192)), to: file)
        case .otherFormat:
            try edit {
                try $0.put("meta", name("format"), sealed(RawTable.meta, name("format"), [0, 0, 0, 0, 0, 0, 0, 2]))
            }
        case .otherIdentity:
            try edit {
                let payload = [UInt8](repeating: 9, count: 40)
                try $0.put("meta", name("identity"), sealed(RawTable.meta, name("identity"), payload))
            }
        case .noRow: try edit { try $0.delete("meta", name("progress")) }
        case .noTable: try edit { try $0.drop("days") }
        case .damagedMeta:
            try edit {
                var value = try $0.get("meta", name("network-key"))
                value[6] ^= 1
                try $0.put("meta", name("network-key"), value)
            }
        case .plainFile:
            try FileManager.default.removeItem(atPath: clicks)
            try write([1, 2, 3], to: clicks)
        }
    }

    /// Every kind is noticed, moved aside as it is, and another one begins; the ninth takes the last one's place.
    @Test func unusable() throws {
        try withStore(settings(directory, clock: clock)) { store in
            var count = 0
            for kind in Harm.allCases {
                do { try ClickStore(store).append(tally([(Array("abc".utf8), today, three)])) }
                try harm(kind)
                let error = #expect(throws: ClickStoreError.self) { try ClickStore(store) }
                guard case .unusable = error else {
                    Issue.record("\(kind): \(text(error))")
                    continue
                }
                let aside = try ClickStore.setAside(store)
                count += 1
                #expect(aside == clicks + ".aside-\(min(count, 8))" && FileManager.default.fileExists(atPath: aside))
                #expect(try pending(try ClickStore(store), Array("abc".utf8)) == ClickCounts())
            }
        }
    }

    /// Another node's or another secret's counts are for other links; a new life of the same node may use them.
    @Test func belongsToTheStore() throws {
        let other = TemporaryDirectory()
        try withStore(settings(other, clock: clock)) { _ = try ClickStore($0) }
        try withStore(settings(directory, clock: clock)) { store in
            try FileManager.default.copyItem(atPath: other.store + "/clicks", toPath: clicks)
            #expect(throws: ClickStoreError.self) { try ClickStore(store) }
            _ = try ClickStore.setAside(store)
            try ClickStore(store).append(tally([(Array("abc".utf8), today, three)]))
        }
        try FileManager.default.removeItem(atPath: directory.identity)
        try withStore(settings(directory, clock: clock)) { store in
            let kept = try pending(try ClickStore(store), Array("abc".utf8))
            #expect(store.didBeginIncarnation && kept == three)
        }
    }

    /// What a start leaves that was cut short at once.
    @Test func emptyFile() throws {
        try withStore(settings(directory, clock: clock)) { store in
            try FileManager.default.createDirectory(atPath: clicks, withIntermediateDirectories: false)
            try write([], to: clicks + "/data.mdb")
            let opened = try ClickStore(store)
            #expect(opened.sequence == 0)
        }
    }
}
