import Links
import Primitives
import Store
import Testing

/// What the winner rule leaves does not depend on the order in which logs arrive.
@Suite struct MergeTests {
    let clock = TestClock()

    /// Writes of two authors to one link, in both orders, and what is left.
    @Test func theWinnerOfAKey() throws {
        var first = Author("2", since: clock.now)
        let second = Author("3", since: clock.now)
        let creation = first.create(0, "https://first.example.com/")
        let later = first.stamp + 1000
        let cases: [(String, mine: (LinkBody, UInt64), theirs: (LinkBody, UInt64), left: String)] = [
            (
                "the later change", (body("https://a.example/", of: creation), later),
                (body("https://b.example/", of: creation), later + 1), "https://b.example/"
            ),
            (
                "the greater origin of equal stamps", (body("https://a.example/", of: creation), later),
                (body("https://b.example/", of: creation), later), "https://b.example/"
            ),
            (
                "a delete, though a change is later", (body("", of: creation, deleted: true), later),
                (body("https://b.example/", of: creation), later + 1), ""
            ),
            (
                "the first creation, though another is later", (body("https://a.example/", of: creation), later),
                (body("https://b.example/", of: .init(stamp: creation.stamp + 1, origin: creation.origin)), later + 1),
                "https://a.example/"
            ),
        ]
        for (name, mine, theirs, left) in cases {
            var (one, other) = (first, second)
            one.write(one.key(0), mine.0, stamp: mine.1)
            other.write(one.key(0), theirs.0, stamp: theirs.1)
            for order in [[one, other], [other, one]] {
                let directory = TemporaryDirectory()
                try withStore(clusterSettings(directory, clock: clock)) { store in
                    for author in order { #expect(store.applyAndWait(author.whole) == .applied) }
                    let reader = try store.makeReader()
                    #expect(try reader.destination(store.code(first.key(0))) == left, "\(name)")
                    let isConflict = name.contains("creation")
                    #expect((store.figures.merged.conflicts > 0) == isConflict, "\(name)")
                }
                #expect(try StoreInspection(directory: directory.store).problems == [], "\(name)")
            }
        }
    }

    /// An author's own second creation of a code changes nothing, and `verify` does not take it for a lost write.
    @Test func secondCreationByTheAuthorOfTheFirst() throws {
        var author = Author("2", since: clock.now)
        let creation = author.create(0, "https://first.example.com/")
        let later = author.stamp + 1000
        author.write(author.key(0), body("https://a.example/", of: creation), stamp: later)
        author.write(
            author.key(0), body("https://b.example/", of: .init(stamp: creation.stamp + 1, origin: creation.origin)),
            stamp: later + 1)
        let directory = TemporaryDirectory()
        try withStore(clusterSettings(directory, clock: clock)) { store in
            #expect(store.applyAndWait(author.whole) == .applied)
            let reader = try store.makeReader()
            #expect(try reader.destination(store.code(author.key(0))) == "https://a.example/")
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// Three authors change and delete each other's links and aliases; their logs arrive in pieces, in any order, some
    /// of them twice.
    @Test(arguments: [1, 2, 3, 4, 5, 6] as [UInt64]) func anyOrder(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let authors = Self.history(&random)
        var results: [(dump: [String], digests: [[UInt8]: [UInt8]])] = []
        for round in 0..<4 {
            let directory = TemporaryDirectory()
            try withStore(clusterSettings(directory, clock: clock)) { store in
                var heads = [UInt64](repeating: 0, count: authors.count)
                while heads != authors.map(\.head) {
                    let index =
                        round == 0
                        ? heads.indices.first { heads[$0] < authors[$0].head }!
                        : .random(in: heads.indices, using: &random)
                    guard heads[index] < authors[index].head else { continue }
                    let first = UInt64.random(
                        in: max(4, heads[index] + 1) - 3...heads[index] + 1, using: &random)
                    let last = UInt64.random(
                        in: heads[index] + 1...min(authors[index].head, heads[index] + 40), using: &random)
                    guard store.applyAndWait(authors[index].batch(first...last)) == .applied else {
                        throw Missing()
                    }
                    heads[index] = last
                }
                // All of it once more changes nothing.
                for author in authors { #expect(store.applyAndWait(author.whole) == .applied) }
            }
            let inspection = try StoreInspection(directory: directory.store)
            #expect(inspection.problems == [], "seed \(seed), round \(round)")
            results.append((try dump(directory.store), try digests(directory.store)))
        }
        #expect(results[0].dump.count > 50, "seed \(seed)")
        for round in 1..<4 {
            #expect(results[round].dump == results[0].dump, "seed \(seed), round \(round)")
            #expect(results[round].digests == results[0].digests, "seed \(seed), round \(round)")
        }
    }

    private static func history(_ random: inout SeededRandom) -> [Author] {
        var authors = [Author("1", node: 3), Author("2"), Author("3", node: 1)]
        var made: [(key: LinkKey, creation: Creation)] = []
        var keys: [(id: KeyID, creation: Creation)] = []
        for step in 0..<600 {
            let index = Int.random(in: 0..<3, using: &random)
            let destination = "https://\(step).example.com/"
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4:
                let counter = UInt64.random(in: 0..<1 << 20, using: &random)
                guard !made.contains(where: { $0.key == authors[index].key(counter) }) else { continue }
                made.append((authors[index].key(counter), authors[index].create(counter, destination)))
            case 4:
                let alias = LinkKey.alias(Array("alias-\(Int.random(in: 0..<20, using: &random))".utf8))
                let stamp = authors[index].write(alias, body(destination))
                made.append((alias, .init(stamp: stamp, origin: authors[index].origin)))
            case 6 where step % 2 == 0:
                let id = KeyID(UInt128(step))
                keys.append((id, authors[index].write(id)))
            case 6 where !keys.isEmpty:
                let (id, creation) = keys.randomElement(using: &random)!
                authors[index].write(id, of: creation, deleted: Bool.random(using: &random))
            case 5 where !made.isEmpty:
                let link = made.randomElement(using: &random)!
                authors[index].write(link.key, body("", of: link.creation, deleted: true))
            default:
                guard let link = made.randomElement(using: &random) else { continue }
                let jump = UInt64.random(in: 1...500, using: &random)
                var changed = body(destination, of: link.creation)
                if step % 3 > 0 { changed.owner = Array("owner-\(step % 3)".utf8) }
                authors[index].write(link.key, changed, stamp: authors[index].stamp + jump)
            }
        }
        return authors
    }
}
