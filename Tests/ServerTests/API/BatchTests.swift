import Foundation
import Links
import Primitives
import Store
import Testing

@testable import Server

/// Bounds of what is not done yet, and the forms of ids and entries.
@Suite struct BatchTests {
    private func store(_ directory: TemporaryDirectory) throws -> Store {
        let region = StoreSettings.Region(name: "local", character: RegionCharacter(UInt8(ascii: "1"))!)
        var settings = StoreSettings(
            directory: directory.path + "/data", regions: [region], region: region, mapSizeBytes: 1 << 30,
            now: { Instant(milliseconds: 1_790_000_000_000) }, mustEnd: { fatalError($0) })
        settings.hasThreads = false
        return try Store(settings)
    }

    private func head(_ number: UInt128, _ principal: [UInt8]) -> BatchHead {
        BatchHead(
            number: number, request: 1, takenAt: Instant(milliseconds: 1_790_000_000_000), count: 1,
            principal: principal)
    }

    @Test func placesOfOneClient() throws {
        let directory = TemporaryDirectory()
        let store = try store(directory)
        defer { store.close() }
        let runner = try BatchRunner(store)
        for number in 0..<BatchLimits.unfinishedOfOne {
            #expect(runner.reserve([1]) == nil)
            if number == 1 { runner.begin(head(7, [1])) }
        }
        let refusal = try #require(runner.reserve([1]))
        #expect(refusal.status == 429 && refusal.fields.contains { $0.name == "Retry-After" })
        #expect(runner.reserve([2]) == nil && runner.figures.unfinished == 1)
        runner.release([1])
        #expect(runner.reserve([1]) == nil)
    }

    @Test func placesInAll() throws {
        let directory = TemporaryDirectory()
        let store = try store(directory)
        defer { store.close() }
        let runner = try BatchRunner(store)
        for number in 0..<BatchLimits.unfinished { #expect(runner.reserve([UInt8(number)]) == nil) }
        let refusal = try #require(runner.reserve([255]))
        #expect(refusal.status == 503 && refusal.fields.contains { $0.name == "Retry-After" })
        runner.release([0])
        #expect(runner.reserve([255]) == nil)
    }

    /// What the store has is counted from the start on.
    @Test func placesAfterAStart() throws {
        let directory = TemporaryDirectory()
        try fill(directory)
        let after = try store(directory)
        defer { after.close() }
        let runner = try BatchRunner(after)
        #expect(runner.figures.unfinished == 4 && runner.reserve([1])?.status == 429 && runner.reserve([2]) == nil)
    }

    private func fill(_ directory: TemporaryDirectory) throws {
        let store = try store(directory)
        for number in 1...4 as ClosedRange<UInt128> {
            store.takeBatch(head(number, [1]), [BatchEntry(isDone: false, content: [])]) { _ in }
        }
        store.turn()
        store.close()
    }

    @Test func ids() {
        let id = BatchID(region: UInt8(ascii: "e"), node: 11, number: 0xabc)
        #expect(id.text == "eb" + String(repeating: "0", count: 29) + "abc" && BatchID(id.text) == id)
        for text in ["", "eb", id.text + "0", id.text.uppercased(), "-b" + id.text.dropFirst(2)] {
            #expect(BatchID(text) == nil, "\(text)")
        }
    }

    @Test func entries() throws {
        var link = NewLink(alias: try Alias(imported: Array("name".utf8).span.bytes), body: LinkBody())
        link.body.destination = Array("https://example.com/".utf8)
        for alias in [nil, link.alias] {
            for name in [nil, "example.com"] {
                link.alias = alias
                let read = try #require(BatchLink(BatchLink(link, hostName: name).content))
                #expect(read.link.alias?.bytes == alias?.bytes && read.link.body == link.body && read.hostName == name)
            }
        }
        #expect(BatchLink([]) == nil && BatchLink([0, 1, 0x20, 0]) == nil && BatchLink([0, 9]) == nil)
    }

    /// The same everywhere under one secret; of others, of another kind or another place nothing is alike.
    @Test func claims() {
        let keys = [ClusterSecret([1]), ClusterSecret([2])].map { ClusterSecret.requestKey($0, codeSecret: [3]) }
        #expect(
            keys[0].claim(of: [1], [2])
                == ClusterSecret.requestKey(ClusterSecret([1]), codeSecret: [4]).claim(of: [1], [2]))
        var seen = Set<UInt128>()
        for key in keys + [ClusterSecret.requestKey(nil, codeSecret: [3])] {
            for claim in [
                key.claim(of: [1], [2]), key.claim(of: [1, 2], []), key.claim(of: [], [1, 2]),
                key.claim(ofEntry: 1, in: 2),
                key.claim(ofEntry: 2, in: 2), key.claim(ofEntry: 1, in: 3), UInt128(key.hash("a", [1])),
                UInt128(key.hash("a", [2])), UInt128(key.hash("b", [1])),
            ] { #expect(claim != 0 && seen.insert(claim).inserted) }
        }
        #expect(RequestKey { _ in [UInt8](repeating: 0, count: 32) }.claim(of: [], []) == 1)
    }

    /// Requests of one key wait for one answer; another one does not.
    @Test func underWay() {
        let claims = ClaimsUnderWay()
        let (first, other) = (RepeatableRequest(claim: 1, hash: 1), RepeatableRequest(claim: 1, hash: 2))
        #expect(claims.begin(first) == true && claims.begin(first) == false && claims.begin(other) == nil)
        claims.end(first)
        #expect(claims.begin(other) == nil)
        claims.end(first)
        #expect(claims.begin(other) == true)
    }
}
