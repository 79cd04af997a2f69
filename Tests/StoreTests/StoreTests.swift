import Foundation
import Links
import Primitives
import Store
import Synchronization
import Testing

@Suite struct StoreTests {
    let directory = TemporaryDirectory()

    @Test func linksSurviveARestartWithTheirIncarnation() throws {
        var links: [CreatedLink] = []
        var origin: Origin?
        for round in 0..<5 {
            let store = try Store(settings(directory))
            #expect(origin == nil || origin == store.origin)
            #expect(!store.didBeginIncarnation)
            origin = store.origin
            let reader = try store.makeReader()
            for link in links {
                #expect(try reader.destination(link.code) == String(decoding: link.body.destination, as: UTF8.self))
            }
            links.append(try store.createAndWait("https://example.com/\(round)"))
            links.append(try store.createAndWait("http://example.org/\(round)", alias: "alias-\(round)"))
            store.close()
        }
        #expect(Set(links.map(\.code)).count == 10)
        let inspection = try StoreInspection(directory: directory.store)
        #expect(inspection.problems == [])
        #expect(inspection.recordCount == 10 && inspection.entryCount == 10)
    }

    @Test func anAliasHasOneWinner() throws {
        let store = try Store(settings(directory))
        defer { store.close() }
        let alias = try Alias(Array("spring-sale".utf8).span.bytes, in: store.codeSpace)
        let links = (0..<100).map { NewLink(alias: alias, body: body("https://example.com/\($0)")) }
        let results = store.createMany(links)
        #expect(results.filter { (try? $0.get()) != nil }.count == 1)
        #expect(results.filter { if case .failure(.aliasTaken) = $0 { true } else { false } }.count == 99)
    }

    @Test func everyFieldComesBack() throws {
        let store = try Store(settings(directory))
        defer { store.close() }
        var full = body("https://www.example.com/ü")
        full.title = "Title \"quoted\""
        full.tags = ["a", "ß"]
        full.owner = Array("key:1".utf8)
        full.expiresAt = Instant(milliseconds: 2_000_000_000_000)
        let link = try store.createAndWait(NewLink(body: full)).get()
        let reader = try store.makeReader()
        try reader.begin()
        guard case .link(let found) = reader.find(link.code.span.bytes) else { throw Missing() }
        #expect(found.record?.body == full)
        #expect(found.record?.stamp == link.stamp.rawValue)
        reader.end()
    }

    @Test func codesThatCannotExistCostNoLookup() throws {
        let store = try Store(settings(directory))
        defer { store.close() }
        _ = try store.createAndWait("https://example.com/")
        let reader = try store.makeReader()
        try reader.begin()
        defer { reader.end() }
        var random = SeededRandom(seed: 5)
        let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        for length in [7, 8, 12] {
            for _ in 0..<10_000 {
                let code = [UInt8(ascii: "1")] + (1..<length).map { _ in alphabet.randomElement(using: &random)! }
                guard reader.findsNothing(code) else { throw Missing() }
            }
        }
        // Random snowflakes mostly name another region; a few in 62 × 4 name this one's nodes.
        #expect(reader.counters.lookups < 200)
        #expect(reader.counters.impossible > 29_000)
        // All seven-character codes are beyond the ceiling, except one in some ten thousands.
        let before = reader.counters.lookups
        let beyond = store.codeSpace.code(of: 56_000_000_000, region: localRegion.character)
        let code = Array(beyond.description.utf8)
        guard reader.findsNothing(code) else { throw Missing() }
        #expect(reader.counters.lookups == before)
    }

    @Test func anImportedCodeIsNeverIssuedAgain() throws {
        let store = try Store(settings(directory))
        defer { store.close() }
        let coming = store.codeSpace.code(of: 3 * 16, region: localRegion.character)
        let imported = try Alias(imported: Array(coming.description.utf8).span.bytes)
        let reader = try store.makeReader()
        #expect(try reader.destination(imported.bytes) == "absent")
        _ = try store.createAndWait(NewLink(alias: imported, body: body("https://imported.example.com/"))).get()
        for _ in 0..<5 { #expect(try store.createAndWait("https://example.com/").code != imported.bytes) }
        #expect(try reader.destination(imported.bytes) == "https://imported.example.com/")
    }

    @Test func queueIsBounded() throws {
        let gate = NSLock()
        let store = try Store(settings(directory))
        defer { store.close() }
        // The first completion holds the writer until the queue has overflown.
        gate.lock()
        store.create(NewLink(body: body("https://example.com/"))) { _ in
            gate.lock()
            gate.unlock()
        }
        let refused = Atomic(0)
        for _ in 0..<3 * StoreLimits.queuedWrites {
            store.create(NewLink(body: body("https://example.com/"))) { result in
                if case .failure(.overloaded) = result { refused.add(1, ordering: .relaxed) }
            }
        }
        gate.unlock()
        #expect(refused.load(ordering: .relaxed) >= StoreLimits.queuedWrites - 1024)
        // Once the writer has taken what waited, there is room again.
        while case .failure(.overloaded) = store.createAndWait(NewLink(body: body("https://example.com/"))) {}
    }

    @Test func dumpIsSortedJSON() throws {
        let clock = TestClock()
        let store = try Store(settings(directory, clock: clock))
        _ = try store.createAndWait("https://example.com/\"1\"", alias: "zeta")
        _ = try store.createAndWait("https://example.com/2", alias: "alpha")
        _ = try store.createAndWait("https://example.com/3")
        var expiring = body("https://example.com/4")
        expiring.expiresAt = clock.now.advanced(byMilliseconds: 1000)
        _ = try store.createAndWait(NewLink(body: expiring)).get()
        store.close()
        var bytes: [UInt8] = []
        let damaged = try dumpStore(directory: directory.store, now: clock.now.advanced(byMilliseconds: 1000)) {
            bytes += $0
            return true
        }
        #expect(damaged == [])
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        let objects = try lines.map { try JSONSerialization.jsonObject(with: Data($0.utf8)) as! [String: Any] }
        #expect(
            objects.map { $0["long_url"] as! String } == [
                "https://example.com/3", "https://example.com/2", "https://example.com/\"1\"",
            ])
    }
}

struct Missing: Error {}
