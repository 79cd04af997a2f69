import Foundation
import Links
import Store
import Testing
import lab

/// A directory that goes with its last user.
private final class Place {
    let path = FileManager.default.temporaryDirectory.appending(path: "lab-\(UUID().uuidString)").path()
    deinit { try? FileManager.default.removeItem(atPath: path) }
}

@Suite struct BuiltStoreTests {
    private static let secret = Array("a secret that keys the codes of a test".utf8)

    @Test func isWhatANodeWrites() throws {
        let place = Place()
        let (count, destinations) = (20_000, Destinations(seed: 3))
        let outcome = try LinkPopulation.make(count, in: place.path, destinations, secret: Self.secret)
        #expect(outcome.links == count && outcome.commits >= 19)
        #expect(outcome.destinationBytes == (0..<count).reduce(0) { $0 + destinations[$1].count })

        let inspection = try StoreInspection(directory: place.path)
        #expect(inspection.isSound, "\(inspection.problems)")
        #expect(inspection.recordCount == count && inspection.entryCount == count)

        let codes = try IssuedCodes(directory: place.path)
        #expect(codes.count == count)
        let other = Place()
        _ = try LinkPopulation.make(10, in: other.path, destinations, secret: Self.secret)
        let first = try IssuedCodes(directory: other.path)
        #expect((0..<10).allSatisfy { first[$0] == codes[$0] }, "codes are of their secret and their place")

        var settings = StoreSettings(
            directory: place.path, regions: [StoreSettings.Region(name: "local", character: RegionCharacter(0x31)!)],
            region: StoreSettings.Region(name: "local", character: RegionCharacter(0x31)!), mapSizeBytes: 1 << 30,
            now: { .init(milliseconds: 4_000_000_000_000) }, mustEnd: { fatalError($0) })
        settings.codeSecret = Self.secret
        let store = try Store(settings)
        defer { store.close() }
        #expect(!store.didBeginIncarnation)
        let reader = try store.makeReader()
        try reader.begin()
        defer { reader.end() }
        for number in [0, 1, 4095, 4096, 12_345, count - 1] {
            var code: [UInt8] = []
            code.append(codes[number])
            guard case .link(let link) = reader.find(code.span.bytes) else {
                Issue.record("link \(number) is not found")
                continue
            }
            #expect(link.record?.body.destination == destinations[number], "link \(number)")
        }
    }

    @Test func linksOfSeveralOwners() throws {
        let place = Place()
        _ = try LinkPopulation.make(10, in: place.path, Destinations(seed: 1), owners: 3)
        #expect(try StoreInspection(directory: place.path).isSound)
        let region = StoreSettings.Region(name: "local", character: RegionCharacter(0x31)!)
        let store = try Store(
            StoreSettings(
                directory: place.path, regions: [region], region: region, mapSizeBytes: 1 << 30,
                now: { .init(milliseconds: 4_000_000_000_000) }, mustEnd: { fatalError($0) }))
        defer { store.close() }
        for (owner, count) in [("owner-0", 4), ("owner-1", 3), ("owner-2", 3), ("owner-3", 0)] {
            let query = OwnedQuery(owner: Array(owner.utf8), limit: 10)
            let page = try store.ownedLinks(query, isOver: { false }, matches: { _, _ in true })
            #expect(page.links.count == count && page.next == nil, "\(owner)")
        }
    }

    @Test func aStoreWithLinksIsNotFilled() throws {
        let place = Place()
        _ = try LinkPopulation.make(1, in: place.path, Destinations(seed: 1))
        #expect(throws: (any Error).self) {
            try LinkPopulation.make(1, in: place.path, Destinations(seed: 1))
        }
        #expect(try IssuedCodes(directory: place.path).count == 1)
    }

    /// So a peer that lacks its links cannot get them by the log.
    @Test func aCopyHasTheLinksAndNoLog() throws {
        let (place, copy) = (Place(), Place())
        let count = 3000
        _ = try LinkPopulation.make(count, in: place.path, Destinations(seed: 3), secret: Self.secret)
        try StoreCopy.make(from: place.path, in: copy.path)
        let inspection = try StoreInspection(directory: copy.path)
        #expect(inspection.isSound, "\(inspection.problems)")
        #expect(inspection.recordCount == count && inspection.entryCount == 0)
        let (codes, copied) = (try IssuedCodes(directory: place.path), try IssuedCodes(directory: copy.path))
        #expect(copied.count == count && (0..<count).allSatisfy { codes[$0] == copied[$0] })
        // What is there is not written over.
        #expect(throws: SnapshotError.self) { try StoreCopy.make(from: place.path, in: copy.path) }
    }

    @Test func anEmptyStoreHasNoCodes() throws {
        let place = Place()
        _ = try LinkPopulation.make(0, in: place.path, Destinations(seed: 1))
        #expect(try IssuedCodes(directory: place.path).count == 0)
    }
}

@Suite struct DestinationsTests {
    @Test func madeUpOnesHaveTheLengthsAndPassThePolicy() throws {
        let destinations = Destinations(seed: 7)
        let policy = try DestinationPolicy()
        var bytes = 0
        for place in 0..<5000 {
            let url = destinations[place]
            bytes += url.count
            #expect(Destinations.lengths.contains(url.count))
            let normal = try Destination(url, policy: policy)
            #expect(normal.bytes == url, "\(String(decoding: url, as: UTF8.self))")
        }
        #expect(abs(Double(bytes) / 5000 - 57.4) < 2, "seed 7")
        #expect((0..<100).allSatisfy { destinations[$0] == Destinations(seed: 7)[$0] })
        #expect(destinations[0] != Destinations(seed: 8)[0])
    }

    @Test func linesOfAFile() throws {
        let place = Place()
        func write(_ text: String) throws { try text.write(toFile: place.path, atomically: true, encoding: .utf8) }
        try write("https://a.example/1\nhttps://b.example/22")
        let destinations = try Destinations(file: place.path, seed: 1)
        let drawn = Set((0..<100).map { String(decoding: destinations[$0], as: UTF8.self) })
        #expect(drawn == ["https://a.example/1", "https://b.example/22"])
        for wrong in ["", "\n", "https://a.example/\n\nhttps://b.example/\n", String(repeating: "a", count: 2049)] {
            try write(wrong)
            #expect(throws: (any Error).self) { try Destinations(file: place.path, seed: 1) }
        }
        #expect(throws: (any Error).self) { try Destinations(file: place.path + "-none", seed: 1) }
    }
}
