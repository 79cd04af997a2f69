import Foundation
import Links
import Primitives
import Replication
import Store
import Testing

/// A store that a peer's snapshot made takes the place of the one before.
@Suite struct StoreReplacementTests {
    /// The giver's clock was once a day ahead. Nobody has judged its stamps here, and they move no clock.
    @Test func aSnapshotDoesNotMoveTheClock() throws {
        let (giver, taker) = (try PeerStoreTests.Peer(0), try PeerStoreTests.Peer(1))
        giver.clock.step(milliseconds: 24 * 3_600_000)
        _ = try giver.create("https://example.com/")
        let rows = try PeerStoreTests.open(giver)
        #expect(rows.contains { $0.stamp.instant.millisecondsSince(taker.clock.now) > 80_000_000 })
        _ = try PeerStoreTests.install(rows, from: giver, at: taker)
        let created = try taker.create("https://later.example.com/")
        #expect(created.stamp.instant.millisecondsSince(taker.clock.now) <= 60_000)
        taker.store.close()
        #expect(try StoreInspection(directory: taker.directory.store).problems == [])
    }

    /// A record that is damaged at the giver is there, and damaged, at who takes its snapshot: whoever takes its vector and
    /// lacks the record would deny a link that there is. Unless the taker had it, of the whole log (2) or of a part that it then
    /// logs again (1); or until a peer has it.
    @Test(arguments: [0, 1, 2] as [UInt64]) func aDamagedRecordStaysOne(known: UInt64) throws {
        var author = Author("3")
        author.create(0, "https://third.example.com/0")
        author.create(1, "https://third.example.com/1")
        let batch = PeerStoreTests.batch(author, 1...2)
        let (directory, settings, clock) = try {
            let before = try PeerStoreTests.Peer(0)
            before.perform(.apply(batch))
            before.store.close()
            return (before.directory, before.settings, before.clock)
        }()
        try damageRow(directory.store, "links/30", [0, 0, 0, 0, 0, 0])
        let giver = try PeerStoreTests.Peer(in: directory, settings, clock)
        let (taker, sound) = (try PeerStoreTests.Peer(1), try PeerStoreTests.Peer(2))
        sound.perform(.apply(batch))
        if known > 0 { taker.perform(.apply(PeerStoreTests.batch(author, 1...known))) }
        let holdings = try PeerStoreTests.install(try PeerStoreTests.open(giver), from: giver, at: taker)
        #expect(holdings.rows.first { $0.origin == holdings.own }?.head == (known == 1 ? 1 : 0))
        let (code, other) = (taker.store.code(author.key(0)), taker.store.code(author.key(1)))
        let reader = try taker.store.makeReader()
        #expect(try reader.destination(other) == "https://third.example.com/1")
        if known == 0 {
            #expect(try reader.destination(code) == "damaged")
            var key: [UInt8] = []
            author.key(0).encode(into: &key)
            let request = RecordRequest(key: key)
            let read = sound.perform(.readRecord(PeerStoreTests.connection, request: 1, request)).first
            guard case .recordsRead(_, _, let records)? = read else { throw Missing() }
            #expect(
                taker.merge(records.bytes)
                    .contains(.merged(PeerStoreTests.connection, changed: 1, missed: 1)))
        }
        #expect(try reader.destination(code) == "https://third.example.com/0")
        taker.store.close()
        #expect(try StoreInspection(directory: taker.directory.store).problems == [])
    }

    /// Another node's longest entry has no room for who made the link: it is kept beside the store.
    @Test(arguments: [0, 1]) func whatIsTooLongToBeLoggedAgain(spare: Int) throws {
        let (giver, taker) = (try PeerStoreTests.Peer(0), try PeerStoreTests.Peer(1))
        var (probe, author) = (Author("3"), Author("3"))
        probe.create(0, String(repeating: "x", count: 60_000))
        let left = LogEntry.maximumSizeBytes - probe.entries[0].count
        author.create(0, String(repeating: "x", count: 60_000 + left - spare * 100))
        taker.perform(.apply(PeerStoreTests.batch(author, 1...1)))
        #expect(taker.store.position(author.origin)?.head == 1)
        let holdings = try PeerStoreTests.install(try PeerStoreTests.open(giver), from: giver, at: taker)
        #expect(holdings.rows.first { $0.origin == holdings.own }?.head == UInt64(spare))
        #expect(taker.store.figures.lostRows == 1 - spare)
        taker.store.close()
        #expect(try StoreInspection(directory: taker.directory.store).problems == [])
    }

    /// Two versions of a log that either knew of are known of in the new store; and what an ended life ended with.
    @Test func marksGoOver() throws {
        let (giver, taker) = (try PeerStoreTests.Peer(0), try PeerStoreTests.Peer(1))
        let (forked, ended) = (Author("3"), Author("3", incarnation: 8))
        taker.perform(.seal(ended.origin, 9))
        giver.perform(.seal(ended.origin, 5))
        giver.perform(.seal(forked.origin, 5))
        let (rows, end) = try taker.receiveSnapshot(from: giver)
        let offer = SnapshotOffer(forked: [forked.origin, Author("2").origin], rows: rows)
        guard case .installed(let holdings)? = taker.perform(.finishInstall(offer, end)).last else { throw Missing() }
        #expect(holdings.forked == [forked.origin] && holdings.isFresh)
        #expect(holdings.rows.first { $0.origin == ended.origin }?.seal == 9)
        // A life without an entry says when it began.
        #expect(holdings.rows.first { $0.origin == holdings.own }?.stamp.instant == taker.clock.now)
        taker.store.close()
        #expect(try StoreInspection(directory: taker.directory.store).problems == [])
    }

    /// Where there is no room for the new store the old one goes on; once there is, another attempt succeeds.
    @Test(arguments: ["begins", "takes records", "ends"]) func aFullDisk(when: String) throws {
        let (giver, taker) = (try PeerStoreTests.Peer(0), try PeerStoreTests.Peer(1))
        let theirs = try giver.create("https://theirs.example.com/")
        let own = try taker.create("https://own.example.com/")
        let life = taker.store.origin
        if when == "ends" {
            let (rows, end) = try taker.receiveSnapshot(from: giver)
            taker.events.isFull = true
            #expect(taker.perform(.finishInstall(SnapshotOffer(rows: rows), end)) == [.installFailed])
        } else {
            taker.events.isFull = when == "begins"
            _ = try PeerStoreTests.open(giver)
            #expect(taker.perform(.beginInstall(resumes: false)) == (when == "begins" ? [.installFailed] : []))
            taker.events.isFull = true
            let read = giver.perform(.readSnapshot(PeerStoreTests.connection)).first
            guard case .snapshotRead(_, let chunk)? = read else { throw Missing() }
            #expect(taker.perform(.installChunk(chunk)) == [.installFailed])
        }
        #expect(!FileManager.default.fileExists(atPath: taker.directory.store + "/joining"))
        taker.events.isFull = false
        let later = try taker.create("https://later.example.com/")
        #expect(taker.store.origin == life)
        _ = try PeerStoreTests.install(try PeerStoreTests.open(giver), from: giver, at: taker)
        #expect(taker.store.origin != life)
        let reader = try taker.store.makeReader()
        for link in [theirs, own, later] { #expect(try reader.destination(link.code).hasPrefix("https://")) }
        taker.store.close()
        #expect(try StoreInspection(directory: taker.directory.store).problems == [])
    }

    /// A reader that finds no room in the new store's reader table takes to it once there is some.
    @Test func aReaderWithoutARoomTriesAgain() throws {
        let (giver, taker) = (try PeerStoreTests.Peer(0), try PeerStoreTests.Peer(1))
        let link = try giver.create("https://example.com/")
        let reader = try taker.store.makeReader()
        _ = try PeerStoreTests.install(try PeerStoreTests.open(giver), from: giver, at: taker)
        var others: [LinkReader] = []
        while let other = try? taker.store.makeReader() { others.append(other) }
        #expect(others.count > 100)
        for _ in 0..<2 { #expect(throws: StoreError.self) { try reader.begin() } }
        others.removeLast()
        #expect(try reader.destination(link.code) == "https://example.com/")
    }

    /// What is written into a file without a name is lost: if the directory cannot be synced once the new store has its
    /// place, the node ends.
    @Test func noWayBackOnceTheStoreHasMoved() async {
        await #expect(processExitsWith: .exitCode(77)) {
            let giver = try PeerStoreTests.Peer(0)
            _ = try giver.create("https://example.com/")
            let (directory, clock) = (TemporaryDirectory(), TestClock())
            var settings = clusterSettings(directory, clock: clock)
            (settings.region, settings.hasThreads, settings.continuity) = (threeRegions[1], false, .unproven)
            let place = directory.store
            settings.mustEnd = { _ in
                let isThere = FileManager.default.fileExists(atPath: place + "/data.mdb")
                exit(isThere && !FileManager.default.fileExists(atPath: place + "/joining/data.mdb") ? 77 : 1)
            }
            let taker = try PeerStoreTests.Peer(in: directory, settings, clock)
            let (rows, end) = try taker.receiveSnapshot(from: giver)
            // Without the side file nothing is synced before the rename; without its descriptor the directory cannot be.
            try FileManager.default.removeItem(atPath: directory.identity)
            for name in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
                let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + name)
                if target == place { close(Int32(name)!) }
            }
            taker.perform(.finishInstall(SnapshotOffer(rows: rows), end))
        }
    }
}
