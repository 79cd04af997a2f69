import Foundation
import Links
import Primitives
import Store
import Testing

/// What is wrong with a source, its parts or the place for the copy.
extension SnapshotTests {
    @Test func aDamagedRecordIsNamedAndLeftOut() throws {
        let own = clusterSettings(directory, clock: clock)
        var codes: [[UInt8]] = []
        try withStore(own) { store in
            for number in 0..<50 { codes.append(try store.createAndWait("https://example.com/\(number)").code) }
            codes.append(try store.createAndWait("https://example.com/", alias: "hurt").code)
        }
        try damageRow(directory.store, RawTable.linksName, [0, 0, 0, 0, 1, 16])
        try damageRow(directory.store, "aliases", Array("hurt".utf8))
        let report = try withStore(own) { try $0.copy(to: target.store, limitBytes: 200) }
        let names = [codes[17], codes[50]].map { "/" + String(decoding: $0, as: UTF8.self) }
        #expect(Set(report.damaged) == Set(names) && report.problems == [] && report.recordCount == 49)
        #expect(try StoreInspection(directory: target.store).problems == [])
        try withStore(clusterSettings(target, clock: clock)) { store in
            let reader = try store.makeReader()
            for (index, code) in codes.enumerated() {
                let isHurt = [17, 50].contains(index)
                #expect(try reader.destination(code) == (isHurt ? "absent" : "https://example.com/\(index)"))
            }
        }
    }

    /// A key with a flipped bit stands where no search leads, and parts begin with a search.
    @Test func damagedKeysHideNoNeighbours() throws {
        let own = clusterSettings(directory, clock: clock)
        try withStore(own) { store in
            for number in 0..<300 { _ = try store.createAndWait("https://example.com/\(number)") }
        }
        let sound = directory.contents
        for (row, bit) in [(3, 1), (100, 1), (100, 3), (200, 0), (299, 2), (298, 5)] {
            var bytes = sound["data.mdb"]!
            let node = try #require(RawFile(bytes).nodes.filter { $0.table == RawTable.linksName }.dropFirst(row).first)
            bytes[node.key.upperBound - 2] ^= 1 << UInt8(bit)
            try directory.restore(sound.merging(["data.mdb": bytes]) { $1 })
            let copy = TemporaryDirectory()
            let report = try withStore(own) { try $0.copy(to: copy.store, limitBytes: 100) }
            #expect(report.damaged.count >= 1 && report.recordCount == 299, "row \(row), bit \(bit): \(report)")
            #expect(report.problems == [], "row \(row), bit \(bit)")
            #expect(try StoreInspection(directory: copy.store).problems == [], "row \(row), bit \(bit)")
        }
    }

    /// What digests count and rows do not show is said.
    @Test func wrongDigestsAreFound() throws {
        let own = clusterSettings(directory, clock: clock)
        try withStore(own) { store in
            for number in 0..<50 { _ = try store.createAndWait("https://example.com/\(number)") }
        }
        let sound = directory.contents
        let key: [UInt8] = [0x31, 0, 0, 0, 0, 0, 0, 0]
        let faults: [(String, (RawTransaction) throws -> Void)] = [
            ("a record that is gone", { try $0.delete(RawTable.linksName, [0, 0, 0, 0, 0, 16]) }),
            (
                "another sum",
                { try $0.put("digests", key, sealed(RawTable.digests, key, [UInt8](repeating: 1, count: 30))) }
            ),
            ("no row", { try $0.delete("digests", key) }),
            ("a damaged row", { try $0.put("digests", key, [UInt8](repeating: 1, count: 34)) }),
            (
                "a row too many",
                {
                    let other: [UInt8] = [0x31, 0, 0, 0, 0, 0, 0, 9]
                    try $0.put("digests", other, sealed(RawTable.digests, other, [UInt8](repeating: 1, count: 30)))
                }
            ),
        ]
        for (name, fault) in faults {
            try editStore(directory.store, fault)
            let copy = TemporaryDirectory()
            let report = try withStore(own) { try $0.copy(to: copy.store) }
            #expect(report.problems.count == 1, "\(name): \(report.problems)")
            try directory.restore(sound)
        }
    }

    /// A source that is not the same any more, or no source at all: an error, and nothing is left.
    @Test func partsThatDoNotGoTogether() throws {
        let other = TemporaryDirectory()
        let own = clusterSettings(directory, clock: clock)
        let links = try makeStore(own, clock: clock, generated: 30, aliases: 0)
        try withStore(clusterSettings(other, clock: clock)) { stranger in
            _ = try stranger.createAndWait("https://example.com/")
            try withStore(own) { store in
                let cases: [(String, (SnapshotBuilder.Request, SnapshotPart) throws -> SnapshotPart)] = [
                    (
                        "another store's rows",
                        { request, part in
                            if case .rows = request { try stranger.part(request) } else { part }
                        }
                    ),
                    ("another part", { request, part in request == .start ? part : try store.part(.start) }),
                    (
                        "a newer format",
                        { _, part in
                            guard case .start(var start) = part else { return part }
                            start.format = 99
                            return .start(start)
                        }
                    ),
                    (
                        "the same rows again and again",
                        { request, part in
                            guard case .rows(let rows) = part, case .rows(let after?) = request,
                                var again = Optional(rows)
                            else { return part }
                            again.next = after
                            return .rows(again)
                        }
                    ),
                ]
                for (name, change) in cases {
                    let copy = TemporaryDirectory()
                    let builder = try SnapshotBuilder(directory: copy.store, now: { TestClock().now })
                    #expect(throws: SnapshotError.self, "\(name)") {
                        while builder.request != .nothing {
                            try builder.take(
                                try change(builder.request, try store.part(builder.request, limitBytes: 300)))
                        }
                    }
                    #expect(copy.contents == [:], "\(name)")
                }
            }
        }
        #expect(links.count == 30)
    }

    /// A store that is rolled back while it is copied, and one that only is restarted.
    @Test func aRestartedSource() throws {
        let own = clusterSettings(directory, clock: clock)
        _ = try makeStore(own, clock: clock, generated: 30, aliases: 0)
        let old = directory.contents
        try withStore(own) { for _ in 0..<5 { _ = try $0.createAndWait("https://example.com/") } }
        let builder = try SnapshotBuilder(directory: target.store, now: { [clock] in clock.now })
        func take(_ count: Int) throws {
            try withStore(own) { store in
                for _ in 0..<count where builder.request != .nothing {
                    try builder.take(store.part(builder.request, limitBytes: 300))
                }
            }
        }
        try take(3)
        try FileManager.default.removeItem(atPath: directory.identity)
        try take(3)
        try withStore(own) { _ = try $0.createAndWait("https://example.com/new-life") }
        try take(10_000)
        #expect(builder.request == .nothing)
        #expect(try builder.finish().isSound)
        #expect(try StoreInspection(directory: target.store).problems == [])
        #expect(try dump(target.store) == dump(directory.store))
        let again = TemporaryDirectory()
        let second = try SnapshotBuilder(directory: again.store, now: { [clock] in clock.now })
        try withStore(own) { try second.take($0.part(.start)) }
        try directory.restore(old)
        #expect(throws: SnapshotError.self) { try withStore(own) { try second.take($0.part(second.request)) } }
    }

    @Test func aTargetThatIsNotEmpty() throws {
        let own = clusterSettings(directory, clock: clock)
        _ = try makeStore(own, clock: clock, generated: 3, aliases: 0)
        try FileManager.default.createDirectory(atPath: target.store, withIntermediateDirectories: true)
        try write([1], to: target.store + "/notes")
        try withStore(own) { store in
            #expect(throws: SnapshotError.notEmpty(directory: target.store, name: "notes")) {
                try store.copy(to: target.store)
            }
            #expect(target.contents == ["notes": [1]])
            try FileManager.default.removeItem(atPath: target.store + "/notes")
            // What a copy that was killed left is no obstacle; but it is no store.
            try FileManager.default.createDirectory(
                atPath: target.store + "/partial", withIntermediateDirectories: true)
            try write([1], to: target.store + "/partial/data.mdb")
            #expect(throws: StoreError.unfinished(directory: target.store)) {
                try withStore(clusterSettings(target, clock: clock)) { _ in }
            }
            #expect(try store.copy(to: target.store).isSound)
            #expect(throws: SnapshotError.self) { try store.copy(to: directory.store) }
        }
        try withStore(clusterSettings(target, clock: clock)) { #expect($0.vector.count == 2) }
    }

    @Test(.enabled("mounting a file system is allowed") { SmallDisk.canBeMade }) func aFullDisk() throws {
        let disk = try SmallDisk(target.path + "/disk", megabytes: 1)
        let own = clusterSettings(directory, clock: clock)
        try withStore(own) { store in
            for number in 0..<40 {
                _ = try store.createAndWait("https://example.com/\(number)" + String(repeating: "x", count: 40_000))
            }
            #expect(throws: SnapshotError.self) { try store.copy(to: disk.path + "/data") }
            #expect(try FileManager.default.contentsOfDirectory(atPath: disk.path + "/data") == [])
        }
    }

    /// What travels comes back, and nothing else does.
    @Test func partsOnTheWay() throws {
        try withStore(clusterSettings(directory, clock: clock)) { store in
            _ = try fill(store)
            for request in [.start, .rows(after: nil), .log(store.origin, from: 5, through: 20)]
                as [SnapshotBuilder.Request]
            {
                let part = try store.part(request)
                let bytes = part.bytes
                #expect(try SnapshotPart(decoding: bytes) == part)
                for length in [0, 3, 5, 6, bytes.count / 2, bytes.count - 1] {
                    #expect(throws: MalformedBytes.self) { try SnapshotPart(decoding: Array(bytes.prefix(length))) }
                }
                var random = SeededRandom(seed: 3)
                for _ in 0..<200 {
                    var spoilt = bytes
                    spoilt[Int.random(in: bytes.indices, using: &random)] ^=
                        1 << UInt8.random(in: 0..<8, using: &random)
                    #expect(throws: MalformedBytes.self) { try SnapshotPart(decoding: spoilt) }
                }
            }
            let position = try #require(SnapshotPosition(text: "0002616263"))
            #expect(position.text == "0002616263")
            for text in ["", "00", "0", "0002zz", "0099", "2000"] {
                #expect(SnapshotPosition(text: text) == nil, "\(text)")
            }
            #expect(Origin(hexadecimal: store.origin.hexadecimal) == store.origin)
        }
    }
}
