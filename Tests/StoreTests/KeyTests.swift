import Foundation
import Links
import Primitives
import Store
import Synchronization
import Testing

extension Store {
    fileprivate func wait(_ operation: (Store, @escaping KeyCompletion) -> Void) throws -> StoredKey? {
        let done = DispatchSemaphore(value: 0)
        let result = Mutex<Result<StoredKey?, WriteError>?>(nil)
        operation(self) { outcome in
            result.withLock { $0 = outcome }
            done.signal()
        }
        done.wait()
        return try result.withLock { $0! }.get()
    }

    fileprivate func make(_ id: KeyID, _ body: KeyBody) throws {
        _ = try wait { $0.createKey(id, body, completion: $1) }
    }

    fileprivate func revoke(_ id: KeyID) throws -> StoredKey? { try wait { $0.revokeKey(id, completion: $1) } }
}

extension FoundKey {
    fileprivate var word: String {
        switch self {
        case .key(let key): key.body.label
        case .absent: "absent"
        case .damaged: "damaged"
        }
    }
}

private func keyBody(_ label: String) -> KeyBody {
    var body = KeyBody()
    (body.label, body.principal, body.scopes) = (label, Array("owner".utf8), ["links:create"])
    body.secretHash = [UInt8](repeating: 0xA5, count: 32)
    return body
}

@Suite struct KeyTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    private func problems() throws -> [String] { try StoreInspection(directory: directory.store).problems }

    /// The kinds of the log's entries, and the sequence of flags of those of keys.
    private func log() throws -> (kinds: [UInt8], flags: [UInt8]) {
        var (kinds, flags) = ([UInt8](), [UInt8]())
        try editStore(directory.store) { raw in
            for (_, value) in try raw.rows("log") {
                kinds.append(value[21])
                if value[21] == 3 { flags.append(value[16 + 22 + 16]) }
            }
        }
        return (kinds, flags)
    }

    @Test func madeRevokedAndRestarted() throws {
        let ids = (1...3).map { KeyID(UInt128($0)) }
        let settings = settings(directory, clock: clock)
        try withStore(settings) { store in
            for id in ids {
                clock.advance(milliseconds: 1)
                try store.make(id, keyBody("key \(id.rawValue)"))
            }
            #expect(try store.revoke(ids[1])?.body.flags == .deleted)
            #expect(try store.findKey(KeyID(9)).word == "absent")
        }
        for _ in 0..<2 {
            try withStore(settings) { store in
                for (index, id) in ids.enumerated() {
                    guard case .key(let key) = try store.findKey(id) else { throw RawStoreError(code: 0) }
                    #expect(key.body.label == "key \(index + 1)")
                    #expect(key.body.state(at: clock.now) == (index == 1 ? .revoked : .active))
                    #expect((key.body.secretHash == nil) == (index == 1))
                    #expect(key.createdAt.milliseconds == 1_790_000_000_001 + Int64(index))
                }
                let all = try store.allKeys()
                #expect(all.keys.map(\.id) == ids && all.damagedCount == 0)
            }
            #expect(try problems() == [])
        }
        #expect(try readKeys(directory: directory.store).keys.count == 3)
        let (kinds, flags) = try log()
        #expect(kinds == [3, 3, 3, 3] && flags == [0, 0, 0, 16])
        #expect(try StoreInspection(directory: directory.store).recordCount == 3)
    }

    /// What changes nothing writes nothing.
    @Test func revokingTwiceAndRevokingNobody() throws {
        try withStore(settings(directory, clock: clock)) { store in
            #expect(try store.revoke(KeyID(1)) == nil)
            try store.make(KeyID(1), keyBody("a"))
            for _ in 0..<3 { #expect(try store.revoke(KeyID(1))?.body.state(at: clock.now) == .revoked) }
            #expect(store.figures.head == 2)
            // An id is random; one that is there already is a fault, and overwrites nothing.
            #expect(throws: WriteError.damagedRecord) { try store.make(KeyID(1), keyBody("b")) }
            #expect(try store.findKey(KeyID(1)).word == "a")
        }
        #expect(try problems() == [])
    }

    /// The record that a revocation replaces may be of an earlier life of the node.
    @Test func revokedInAnotherLife() throws {
        try withStore(settings(directory, clock: clock)) { try $0.make(KeyID(1), keyBody("a")) }
        try FileManager.default.removeItem(atPath: directory.identity)
        let created = try withStore(settings(directory, clock: clock)) { store in
            #expect(store.didBeginIncarnation)
            return try store.revoke(KeyID(1))?.body.creation
        }
        #expect(created != nil)
        #expect(try problems() == [])
        let origins = try readOrigins(directory.store)
        #expect(created?.origin.incarnation != nil && origins.count == 2)
    }

    @Test func keysAndLinksShareCommits() throws {
        let store = try Store(settings(directory, clock: clock))
        clock.advance(milliseconds: 1000)
        let done = DispatchGroup()
        let failures = Atomic(0)
        for index in 0..<200 {
            done.enter()
            done.enter()
            store.createKey(KeyID(UInt128(index)), keyBody("\(index)")) { outcome in
                if case .failure = outcome { failures.add(1, ordering: .relaxed) }
                done.leave()
            }
            store.create(NewLink(body: body("https://example.com/\(index)"))) { outcome in
                if case .failure = outcome { failures.add(1, ordering: .relaxed) }
                done.leave()
            }
        }
        done.wait()
        #expect(failures.load(ordering: .relaxed) == 0)
        #expect(store.figures.head == 400)
        store.close()
        #expect(try problems() == [])
    }

    /// A flipped bit anywhere in a key's row: that key opens nothing, the others and the links are as they were.
    @Test func damagedRow() throws {
        let ids = (0..<5).map { KeyID(UInt128($0) << 100 | 7) }
        let link = try withStore(settings(directory, clock: clock)) { store in
            for id in ids { try store.make(id, keyBody("key-\(id)")) }
            return try store.createAndWait("https://example.com/")
        }
        let (file, identity) = (read(directory.file), read(directory.identity))
        let row = RawFile(file).nodes.first { $0.table == "keys" && file[$0.key].elementsEqual(ids[2].bytes) }!
        // Bits of all places, each a few bytes from the last.
        for bit in stride(from: 8 * row.key.lowerBound, to: 8 * row.value.upperBound, by: 19) {
            var bytes = file
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            try write(bytes, to: directory.file)
            try write(identity, to: directory.identity)
            #expect(try problems().contains { $0.hasPrefix("keys: the record of the key") }, "bit \(bit)")
            try withStore(settings(directory, clock: clock)) { (store) throws in
                for id in ids { #expect(try store.findKey(id).word == (id == ids[2] ? "damaged" : "key-\(id)")) }
                #expect(throws: WriteError.damagedRecord) { try store.revoke(ids[2]) }
                #expect(try store.allKeys().damagedCount == 1)
                #expect(try store.makeReader().destination(link.code) == "https://example.com/")
            }
        }
    }

    /// A full map refuses new keys; the room that is left is for revoking, among others.
    @Test func fullMap() throws {
        var settings = settings(directory, clock: clock)
        settings.mapSizeBytes = 1 << 20
        let store = try Store(settings)
        try store.make(KeyID(1), keyBody("a"))
        var (isFull, rounds) = (false, 0)
        while !isFull, rounds < 100 {
            rounds += 1
            clock.advance(milliseconds: 1000)
            let links = (0..<64).map {
                NewLink(body: body("https://example.com/\($0)/" + String(repeating: "a", count: 500)))
            }
            isFull = store.createMany(links).contains { if case .failure(.storageFull) = $0 { true } else { false } }
        }
        #expect(isFull)
        #expect(throws: WriteError.storageFull) { try store.make(KeyID(2), keyBody("b")) }
        #expect(try store.revoke(KeyID(1))?.body.state(at: clock.now) == .revoked)
        store.close()
        #expect(try problems() == [])
    }

    // MARK: Owners

    private func owned(_ store: Store, _ owner: String, imported: Int64? = nil) throws -> CreatedLink {
        clock.advance(milliseconds: 1)
        var body = body("https://example.com/")
        (body.owner, body.importedCreation) = (Array(owner.utf8), imported.map { Instant(milliseconds: $0) })
        return try store.createAndWait(NewLink(body: body)).get()
    }

    @Test func ownersAreListedInOrder() throws {
        let expected = try withStore(settings(directory, clock: clock)) { store in
            var keys: [String: [[UInt8]]] = [:]
            for index in 0..<10 {
                let owner = index % 3 == 0 ? "a" : "b"
                var key: [UInt8] = []
                try owned(store, owner).key.encode(into: &key)
                keys[owner, default: []].append(key)
                _ = try store.createAndWait("https://example.com/\(index)")
            }
            var key: [UInt8] = []
            try owned(store, "a", imported: 5).key.encode(into: &key)
            keys["a"]!.insert(key, at: 0)  // Older than all.
            return keys
        }
        var rows: [[UInt8]: [[UInt8]]] = [:]
        try editStore(directory.store) { raw in
            for row in try raw.rows("owners") { rows[Array(row.key[..<16]), default: []].append(Array(row.key[22...])) }
        }
        #expect(Set(rows.values) == Set(expected.values))
        #expect(try problems() == [])
    }

    // MARK: Verify

    @Test func corruptions() throws {
        try withStore(settings(directory, clock: clock)) { store in
            for id in 1...3 { try store.make(KeyID(UInt128(id)), keyBody("key")) }
            for _ in 0..<3 { _ = try owned(store, "a") }
        }
        let file = read(directory.file)
        let (first, other) = (KeyID(1).bytes, KeyID(9).bytes)
        let resealed = { (raw: RawTransaction, edit: (inout [UInt8]) -> Void) in
            var payload = Array(try raw.get("keys", first).dropFirst(4))
            edit(&payload)
            try raw.put("keys", first, sealed(RawTable.keys, first, payload))
        }
        let cases: [(name: String, words: String, change: (RawTransaction) throws -> Void)] = [
            ("key removed", "entry 1 has no record", { try $0.delete("keys", first) }),
            ("key of another row", "is damaged", { try $0.put("keys", first, try $0.get("keys", KeyID(2).bytes)) }),
            ("another secret, sealed", "entry 1 and its record differ", { try resealed($0) { $0[12] ^= 1 } }),
            ("an older stamp, sealed", "newer than its record", { try resealed($0) { $0[0] = 0 } }),
            ("an origin that nobody is", "is damaged", { try resealed($0) { $0[8] = 7 } }),
            (
                "extra key", "tells of 6 of its 7 records",
                { raw in
                    let payload = Array(try raw.get("keys", first).dropFirst(4))
                    try raw.put("keys", other, sealed(RawTable.keys, other, payload))
                }
            ),
            ("a key's name that is none", "of 3 bytes is damaged", { try $0.put("keys", [1, 2, 3], [4]) }),
            (
                "digest of a key", "digest of bucket",
                { raw in
                    let digest = try raw.rows("digests").first { $0.key.starts(with: RawTable.keys) }!
                    try raw.put(
                        "digests", digest.key, sealed(RawTable.digests, digest.key, [UInt8](repeating: 1, count: 30)))
                }
            ),
            ("owner's row removed", "is not listed", { try $0.delete("owners", try $0.rows("owners")[0].key) }),
            (
                "owner's row damaged", "is not listed",
                { try $0.put("owners", try $0.rows("owners")[1].key, [1, 2, 3, 4]) }
            ),
            (
                "owner's row of nothing", "4 rows, and 3 links",
                {
                    try $0.put("owners", other, sealed(RawTable.owners, other, []))
                }
            ),
            ("no table of owners", "is not listed", { try $0.drop("owners") }),
            ("no table of keys", "entry 1 has no record", { try $0.drop("keys") }),
        ]
        for (name, words, change) in cases {
            try editStore(directory.store, change)
            let problems = try problems()
            #expect(problems.contains { $0.contains(words) }, "\(name): \(problems)")
            try write(file, to: directory.file)
        }
        #expect(try problems() == [])
    }

    /// A store of a program that knew no keys: sound as it is, and taken over with all its links.
    @Test func olderStore() throws {
        let links = try makeStore(settings(directory, clock: clock), clock: clock, generated: 20, aliases: 5)
        try editStore(directory.store) { raw in
            try raw.drop("keys")
            try raw.drop("owners")
        }
        #expect(try problems() == [])
        #expect(try readKeys(directory: directory.store).keys.isEmpty)
        let before = directory.contents
        var foreign = settings(directory, clock: clock)
        foreign.node = 1
        #expect(throws: StoreError.self) { try Store(foreign) }
        #expect(directory.contents == before, "a store that is refused is not changed")
        try withStore(settings(directory, clock: clock)) { store in
            try store.expect(links)
            try store.make(KeyID(1), keyBody("a"))
            _ = try owned(store, "a")
        }
        #expect(try problems() == [])
        // And so where a new incarnation begins at the same start.
        try editStore(directory.store) { raw in try raw.drop("owners") }
        try FileManager.default.removeItem(atPath: directory.identity)
        try withStore(settings(directory, clock: clock)) { store in
            #expect(store.didBeginIncarnation)
            _ = try owned(store, "b")
        }
    }

    /// Every flipped bit, and pairs that differ everywhere: an operator that binds otherwise than it reads is right of
    /// most pairs.
    @Test func hashesAreEqualOrNot() {
        var random = SeededRandom(seed: 1)
        for _ in 0..<64 {
            let hash = (0..<32).map { _ in UInt8.random(in: 0 ... .max, using: &random) }
            #expect(SHA256Hasher.areEqual(hash, hash))
            for bit in 0..<256 {
                var other = hash
                other[bit / 8] ^= 1 << (bit % 8)
                #expect(!SHA256Hasher.areEqual(hash, other))
                let foreign = (0..<32).map { _ in UInt8.random(in: 0 ... .max, using: &random) }
                #expect(!SHA256Hasher.areEqual(hash, foreign))
            }
            #expect(!SHA256Hasher.areEqual(hash, Array(hash.dropLast())))
        }
    }
}
