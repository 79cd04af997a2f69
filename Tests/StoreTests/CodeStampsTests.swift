import Foundation
import Links
import Primitives
import Store
import Testing

/// A cache as a worker fills it.
private final class Kept {
    private let store: Store
    private let clock: TestClock
    private let cache: CodeCache

    init(_ store: Store, _ clock: TestClock) {
        (self.store, self.clock) = (store, clock)
        cache = CodeCache(entries: 64, stamps: store.stamps)
    }

    /// Keeps of codes that they are not there, as of now.
    func keepAbsent(_ codes: [[UInt8]]) throws {
        let reader = try store.makeReader()
        try reader.begin()
        defer { reader.end() }
        for code in codes {
            cache.insert(
                code.span.bytes, .notFound, answer: [UInt8]().span.bytes, tag: reader.tag, now: clock.now,
                renderAgainAt: Instant(milliseconds: .max))
        }
    }

    func has(_ code: [UInt8]) -> Bool { cache.lookup(code.span.bytes, now: clock.now) != nil }
}

/// What changes in the store is no longer what a cache has of it, however it changes; and nothing else is lost.
@Suite struct CodeStampsTests {
    private let directory = TemporaryDirectory()
    private let clock = TestClock()

    @Test func ownLinks() throws {
        try withStore(clusterSettings(directory, clock: clock)) { store in
            let cache = Kept(store, clock)
            let names = (0..<20).map { Array("name-\($0)".utf8) }
            try cache.keepAbsent(names)
            for name in names { #expect(cache.has(name)) }
            _ = try store.createAndWait("https://example.com/", alias: "name-7")
            for name in names { #expect(cache.has(name) == (name != names[7])) }
            // What was found since is good.
            try cache.keepAbsent([names[7]])
            #expect(cache.has(names[7]))
        }
    }

    @Test func changesOfOwnLinks() throws {
        try withStore(clusterSettings(directory, clock: clock)) { store in
            let cache = Kept(store, clock)
            let links = [
                try store.createAndWait("https://example.com/"),
                try store.createAndWait("https://example.com/", alias: "name"),
            ]
            for link in links {
                for change in [LinkChange.update(body("https://example.com/2")), .delete] {
                    try cache.keepAbsent([link.code])
                    #expect(cache.has(link.code))
                    let done = DispatchSemaphore(value: 0)
                    store.change(link.key, change) { _ in done.signal() }
                    done.wait()
                    #expect(!cache.has(link.code))
                }
            }
        }
    }

    /// A generated code, a Snowflake and an alias of another node; made and changed.
    @Test func foreignLinks() throws {
        var author = Author()
        try withStore(clusterSettings(directory, clock: clock)) { store in
            let cache = Kept(store, clock)
            let region = UInt64(RegionCharacter(author.origin.region)!.index)
            let snowflake = 5 << 23 | region << 17 | 3
            let keys: [LinkKey] = [
                author.key(1), .snowflake(number: snowflake), .alias(Array("foreign".utf8)),
            ]
            let other = Array("other".utf8)
            author.ceiling = 10
            for (index, key) in keys.enumerated() {
                let code = store.code(key)
                try cache.keepAbsent([code, other])
                #expect(cache.has(code))
                let stamp = author.write(key, body("https://example.com/"))
                #expect(store.applyAndWait(author.batch(author.head...author.head)) == .applied)
                #expect(!cache.has(code), "\(index)")
                try cache.keepAbsent([code])
                #expect(cache.has(code))
                author.write(key, body("https://example.com/2", of: Creation(stamp: stamp, origin: author.origin)))
                #expect(store.applyAndWait(author.batch(author.head...author.head)) == .applied)
                #expect(!cache.has(code), "\(index)")
                #expect(cache.has(other))
            }
        }
    }

    /// With the first alias that looks like a generated code, codes that are not there are looked for among the aliases:
    /// what was found missing before is still good, and nothing that is found missing afterwards hides the alias.
    @Test func shapedAliases() throws {
        var author = Author()
        try withStore(clusterSettings(directory, clock: clock)) { store in
            let cache = Kept(store, clock)
            let code = store.code(author.key(3))
            author.ceiling = 10
            author.write(author.key(9), body("https://example.com/"))
            #expect(store.applyAndWait(author.whole) == .applied)
            try cache.keepAbsent([code])
            author.write(.alias(code), body("https://alias.example.com/"))
            #expect(store.applyAndWait(author.batch(2...2)) == .applied)
            #expect(!cache.has(code))
            #expect(try store.makeReader().destination(code) == "https://alias.example.com/")
        }
    }

    /// A code above its ceiling must not be kept as missing, however it is asked for: its number may be leased and given
    /// out without anything in the store that changes.
    @Test func theImpossibleStaysSo() throws {
        var author = Author()
        try withStore(clusterSettings(directory, clock: clock)) { store in
            author.ceiling = 10
            author.write(.alias(Array("2000000".utf8)), body("https://example.com/"))
            #expect(store.applyAndWait(author.whole) == .applied)
            let reader = try store.makeReader()
            try reader.begin()
            defer { reader.end() }
            guard case .impossible = reader.find(store.code(author.key(500)).span.bytes) else {
                Issue.record("a code above the ceiling is told of as missing")
                return
            }
        }
    }
}
