import Foundation
import Glibc
import Links
import Primitives
import Store
import Testing

/// A full map or disk stops users' writes and nothing else, and what was acknowledged stays.
@Suite struct FullnessTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    /// Creates until the store says that it is full.
    private func fill(_ store: Store, _ links: inout Links) throws {
        for batch in 0..<1000 {
            clock.advance(milliseconds: 20)
            let destinations = (0..<200).map {
                "https://\(batch)-\($0).example.com/" + String(repeating: "x", count: 500)
            }
            for (destination, result) in zip(
                destinations, store.createMany(destinations.map { NewLink(body: body($0)) }))
            {
                switch result {
                case .success(let link): #expect(links.updateValue(destination, forKey: link.code) == nil)
                case .failure(.storageFull): return
                case .failure(let error): throw error
                }
            }
        }
        Issue.record("the store never was full")
    }

    private func expectFull(_ store: Store, _ links: Links) throws {
        #expect(store.createAndWait(NewLink(body: body("https://example.com/"))).failure == .storageFull)
        #expect(
            store.createAndWait(NewLink(alias: try alias(store), body: body("https://example.com/"))).failure
                == .storageFull)
        #expect(store.figures.isFull)
        try store.expect(links)
    }

    private func alias(_ store: Store) throws -> Alias {
        try Alias(Array("a-name".utf8).span.bytes, in: store.codeSpace)
    }

    @Test func aFullMap() throws {
        var small = settings(directory, clock: clock)
        small.mapSizeBytes = 16 << 20
        var links: Links = [:]
        try withStore(small) { store in
            try fill(store, &links)
            #expect(links.count > 5000)
            try expectFull(store, links)
            #expect(store.figures.size.usedBytes < small.mapSizeBytes)
        }
        // A lease still passes: the limits ask for one at the start.
        let ceiling = try readOrigins(directory.store)[0][RawOrigin.Field.ceiling]
        var leasing = small
        leasing.issuerLimits.smallestBlock = 1 << 20
        try withStore(leasing) { store in
            clock.advance(milliseconds: 2000)
            try expectFull(store, links)
        }
        #expect(try readOrigins(directory.store)[0][RawOrigin.Field.ceiling] >= ceiling + 1 << 20)
        #expect(try StoreInspection(directory: directory.store).problems == [])
        // Room again with a larger map.
        var large = small
        large.mapSizeBytes = 64 << 20
        try withStore(large) { store in
            clock.advance(milliseconds: 1000)
            let link = try store.createAndWait("https://example.com/")
            links[link.code] = "https://example.com/"
            #expect(!store.figures.isFull)
            try store.expect(links)
        }
        // And none in the small one, which it has outgrown no further.
        try withStore(small) { try expectFull($0, links) }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    @Test(.enabled("mounting a file system is allowed") { SmallDisk.canBeMade }) func aFullDisk() throws {
        let disk = try SmallDisk(directory.path + "/disk", megabytes: 48)
        var own = settings(directory, clock: clock)
        own.directory = disk.path + "/data"
        var links: Links = [:]
        let filler = disk.path + "/filler"
        try withStore(own) { store in
            let first = try store.createAndWait("https://example.com/first")
            links[first.code] = "https://example.com/first"
            try disk.fill(filler)
            try fill(store, &links)
            try expectFull(store, links)
            // Within a second the disk is not asked again.
            try FileManager.default.removeItem(atPath: filler)
            try expectFull(store, links)
            clock.advance(milliseconds: 1000)
            let link = try store.createAndWait("https://example.com/again", alias: "again")
            links[link.code] = "https://example.com/again"
            #expect(!store.figures.isFull)
            try store.expect(links)
        }
        #expect(try StoreInspection(directory: own.directory).problems == [])
        try withStore(own) { try $0.expect(links) }
    }

    /// A copy may have lost the room that the store had set aside: then the disk fills up within a commit.
    @Test(.enabled("mounting a file system is allowed") { SmallDisk.canBeMade }) func aFullDiskWithinACommit() throws {
        let disk = try SmallDisk(directory.path + "/disk", megabytes: 48)
        var links = try makeStore(settings(directory, clock: clock), clock: clock, generated: 20, aliases: 20)
        var own = settings(directory, clock: clock)
        own.directory = disk.path + "/data"
        try FileManager.default.createDirectory(atPath: own.directory, withIntermediateDirectories: true)
        try write(read(directory.identity), to: own.directory + "/identity")
        let bytes = read(directory.file)
        try write(Array(bytes.prefix(RawFile.usedBytes(bytes))), to: own.directory + "/data.mdb")
        #expect(truncate(own.directory + "/data.mdb", 200 << 20) == 0)
        let filler = disk.path + "/filler"
        try withStore(own) { store in
            try disk.fill(filler)
            try fill(store, &links)
            try expectFull(store, links)
            try FileManager.default.removeItem(atPath: filler)
            clock.advance(milliseconds: 1000)
            let link = try store.createAndWait("https://example.com/again", alias: "again")
            links[link.code] = "https://example.com/again"
            try store.expect(links)
        }
        #expect(try StoreInspection(directory: own.directory).problems == [])
    }

    /// A directory that may only be read: refused at the start, and nothing was touched.
    @Test(.enabled("mounting a file system is allowed") { SmallDisk.canBeMade }) func aDiskThatMayOnlyBeRead() throws {
        let disk = try SmallDisk(directory.path + "/disk", megabytes: 48)
        var own = settings(directory, clock: clock)
        own.directory = disk.path + "/data"
        let links = try makeStore(own, clock: clock, generated: 20, aliases: 20)
        let before = read(own.directory + "/data.mdb")
        try disk.remount("ro")
        #expect(throws: StoreError.self) { try withStore(own) { _ in } }
        #expect(read(own.directory + "/data.mdb") == before)
        own.directory = disk.path + "/other"
        #expect(throws: StoreError.self) { try withStore(own) { _ in } }
        own.directory = disk.path + "/data"
        #expect(try StoreInspection(directory: own.directory).problems == [])
        try disk.remount("rw")
        try withStore(own) { try $0.expect(links) }
    }
}

extension Result {
    var failure: Failure? { if case .failure(let error) = self { error } else { nil } }
}

/// A file system of its own, in memory.
final class SmallDisk {
    let path: String

    static let canBeMade: Bool = {
        let directory = TemporaryDirectory()
        return (try? SmallDisk(directory.path + "/disk", megabytes: 1)) != nil
    }()

    init(_ path: String, megabytes: Int) throws {
        self.path = path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(megabytes)m") == 0 else { throw Missing() }
    }

    deinit { umount2(path, Int32(MNT_DETACH)) }

    func remount(_ mode: String) throws {
        guard mount("tmpfs", path, "tmpfs", UInt(MS_REMOUNT) | (mode == "ro" ? UInt(MS_RDONLY) : 0), nil) == 0
        else { throw Missing() }
    }

    /// A file that takes all that is left.
    func fill(_ path: String) throws {
        let file = open(path, O_WRONLY | O_CREAT, 0o600)
        guard file >= 0 else { throw Missing() }
        defer { close(file) }
        let block = [UInt8](repeating: 1, count: 4096)
        while Glibc.write(file, block, block.count) == block.count {}
    }
}
