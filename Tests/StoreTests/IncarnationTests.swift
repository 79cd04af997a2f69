import Foundation
import Links
import Primitives
import Replication
import Store
import Synchronization
import Testing

/// When a node begins a new life, and that a new one never meets what an earlier one may have done.
@Suite struct IncarnationTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()
    private var own: StoreSettings { settings(directory, clock: clock) }
    /// Without threads.
    private var threadless: StoreSettings {
        var settings = own
        (settings.hasThreads, settings.continuity) = (false, .unproven)
        return settings
    }

    private func number(_ link: CreatedLink) -> UInt64? {
        guard case .generated(_, _, let number) = link.key else { return nil }
        return number
    }

    private func removeIdentity() throws { try FileManager.default.removeItem(atPath: directory.identity) }

    /// Names that are cheap to make: no cap holds for them.
    private func createAliases(_ store: Store, _ range: Range<Int>) throws {
        for start in stride(from: range.lowerBound, to: range.upperBound, by: 1024) {
            let links = try (start..<min(start + 1024, range.upperBound)).map { number in
                let alias = try Alias(Array("name-\(number)".utf8).span.bytes, in: store.codeSpace)
                return NewLink(alias: alias, body: body("https://example.com/"))
            }
            for result in store.createMany(links) { _ = try result.get() }
        }
    }

    /// The counters that a life from `from` on may have used by now.
    private func reach(from: UInt64, since: Instant) -> UInt64 {
        from + UInt64(clock.now.millisecondsSince(since)) * own.issuerLimits.numbersPerSecond / 1000
    }

    @Test func anIdentityTakenAwayMeansANewLife() throws {
        let links = try makeStore(own, clock: clock, generated: 20, aliases: 20)
        let stopped = clock.now
        let first = try readOrigins(directory.store)
        #expect(first.count == 1 && first[0][RawOrigin.Field.seal] == 1 << 48 - 1)
        try removeIdentity()
        clock.advance(milliseconds: 3_600_000)
        let link = try withStore(own) { store in
            #expect(store.didBeginIncarnation)
            try store.expect(links)
            return try store.createAndWait("https://example.com/")
        }
        #expect(try #require(number(link)) / 16 > reach(from: 20, since: stopped))
        let rows = try readOrigins(directory.store)
        #expect(rows.count == 2 && rows[0].payload[..<10] != rows[1].payload[..<10])
        #expect(rows[0][RawOrigin.Field.seal] == 40 && rows[0][RawOrigin.Field.head] == 40)
        #expect(rows[1][RawOrigin.Field.seal] == 1 << 48 - 1 && rows[1][RawOrigin.Field.head] == 1)
        try withStore(own) { store in
            #expect(!store.didBeginIncarnation && store.origin == link.origin)
            try store.expect(links)
            try store.expect([link.code: "https://example.com/"])
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// An older disk is put back, and begins with the right clock; set back after that, it repeats no Snowflake of those
    /// that the lost disk had: neither in its next life nor after a restart.
    @Test(arguments: [false, true]) func snowflakesOfALostDisk(restarts: Bool) throws {
        var settings = own
        settings.continuity = .unproven
        func snowflake(_ store: Store) throws -> UInt64 {
            guard case .snowflake(let number) = try store.createAndWait("https://example.com/").key else {
                throw Missing()
            }
            return number
        }
        _ = try withStore(settings, snowflake)
        let disk = try Data(contentsOf: URL(filePath: directory.store + "/data.mdb"))
        clock.advance(milliseconds: 20_000)
        let lost = try withStore(settings, snowflake)
        clock.advance(milliseconds: 1000)
        try disk.write(to: URL(filePath: directory.store + "/data.mdb"))
        try removeIdentity()
        try withStore(settings) { #expect($0.didBeginIncarnation) }
        clock.step(milliseconds: -15_000)
        if !restarts { try removeIdentity() }
        try withStore(settings) { store in
            #expect(store.didBeginIncarnation != restarts)
            let made = try snowflake(store)
            #expect(made > lost)
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// A life in which nothing was made still counts: neither a restart nor the next life falls back behind it.
    @Test func livesWithoutALink() throws {
        let links = try makeStore(own, clock: clock, generated: 20, aliases: 0)
        var reached: UInt64 = 20
        for life in 1...5 {
            try removeIdentity()
            let before = clock.now
            clock.advance(milliseconds: 10_000)
            try withStore(own) { #expect($0.didBeginIncarnation) }
            clock.advance(milliseconds: 1000)
            // The first start after it, without a link in between.
            try withStore(own) { #expect(!$0.didBeginIncarnation) }
            let rows = try readOrigins(directory.store)
            #expect(rows.count == life + 1)
            let first = rows.last![RawOrigin.Field.first]
            #expect(first > reached + 500_000, "life \(life)")
            // Not more than the time that passed and the margin: else a few lives would use up the range.
            #expect(first <= reach(from: reached, since: before) + 61 * own.issuerLimits.numbersPerSecond)
            reached = first
        }
        try withStore(own) { store in
            let link = try store.createAndWait("https://example.com/")
            #expect(try #require(number(link)) / 16 >= reached && link.code.count == 7)
            try store.expect(links)
        }
    }

    /// Copies taken before the first link too.
    /// A life that begins as the node runs has its file once it is there, also where links follow in the same transaction:
    /// cut short before, the next start is to find none.
    @Test func theFileComesAfterTheLife() throws {
        let seen = Mutex<[Bool]>([])
        var settings = threadless
        let identity = directory.identity
        settings.beforeCommit = { () throws(LMDBError) in
            seen.withLock { $0.append(FileManager.default.fileExists(atPath: identity)) }
        }
        let peer = try PeerStoreTests.Peer(in: directory, settings, clock)
        let before = peer.store.origin
        #expect(peer.peers.perform(.beginIncarnation(.peerKnowsMore(NodeID(before)))))
        peer.store.create(NewLink(body: body("https://example.com/"))) { _ in }
        peer.store.turn()
        #expect(seen.withLock { $0 } == [false] && FileManager.default.fileExists(atPath: identity))
        #expect(peer.store.origin != before)
        peer.store.close()
    }

    /// A doubt for which the disk had no room is not forgotten by a stop in order, whatever was written meanwhile.
    @Test(arguments: [false, true]) func aDoubtThatIsOwed(writesMeanwhile: Bool) throws {
        let isFull = Flag(true)
        var settings = threadless
        settings.beforeCommit = { () throws(LMDBError) in if isFull.value { throw .diskFull } }
        let before = try {
            let peer = try PeerStoreTests.Peer(in: directory, settings, clock)
            let before = peer.store.origin
            peer.perform(.beginIncarnation(.peerKnowsMore(NodeID(before))))
            #expect(peer.store.origin == before)
            isFull.value = false
            clock.advance(milliseconds: 60_000)
            if writesMeanwhile { _ = try peer.create("https://example.com/") }
            peer.store.close()
            return before
        }()
        try withStore(own) { #expect($0.didBeginIncarnation && $0.origin != before) }
    }

    @Test(arguments: [0, 10, 1000]) func aStoreBehindItsLeaseIsANewLife(age: Int) throws {
        let links = try makeStore(own, clock: clock, generated: age / 2, aliases: age / 2)
        let copy = read(directory.file)
        var numbers: Set<UInt64> = []
        let origin = try withStore(own) { store in
            try createAliases(store, 0..<70_000)
            clock.advance(milliseconds: 1000)
            for _ in 0..<20 { numbers.insert(number(try store.createAndWait("https://example.com/"))!) }
            return store.origin
        }
        try write(copy, to: directory.file)
        try withStore(own) { store in
            #expect(store.didBeginIncarnation && store.origin != origin)
            try store.expect(links)
            clock.advance(milliseconds: 1000)
            let again = try (0..<20).map { _ in number(try store.createAndWait("https://example.com/"))! }
            #expect(numbers.isDisjoint(with: again) && again.min()! > numbers.max()!)
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// A copy without the side file is a new life even if nothing was in it.
    @Test func aCopyOfAnUnusedStoreIsANewLife() throws {
        _ = try makeStore(own, clock: clock, generated: 0, aliases: 0)
        let copy = read(directory.file)
        let links = try makeStore(own, clock: clock, generated: 20, aliases: 0)
        try write(copy, to: directory.file)
        try removeIdentity()
        try withStore(own) { store in
            #expect(store.didBeginIncarnation)
            for _ in 0..<20 {
                let link = try store.createAndWait("https://example.com/")
                #expect(links[link.code] == nil)
            }
        }
    }

    /// A store that was closed in order said where its log ends.
    @Test func anOlderCopyOfAClosedStoreIsANewLife() throws {
        _ = try makeStore(own, clock: clock, generated: 5, aliases: 5)
        let copy = read(directory.file)
        let (origin, later) = try withStore(own) { store in
            let later = try (0..<50).map { try store.createAndWait("https://example.com/later/\($0)").code }
            return (store.origin, later)
        }
        try write(copy, to: directory.file)
        #expect(try StoreInspection(directory: directory.store).problems.count == 1)
        try withStore(own) { store in
            #expect(store.didBeginIncarnation && store.origin != origin)
            for _ in 0..<50 {
                let code = try store.createAndWait("https://example.com/").code
                #expect(!later.contains(code))
            }
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// The limit of the side file alone, after a crash: it moves on by 65 536 entries at a time. Peers notice the rest.
    @Test func aStoreRolledBackWithinItsLeaseAfterACrashIsNotNoticed() throws {
        let links = try makeStore(own, clock: clock, generated: 5, aliases: 5)
        let copy = read(directory.file)
        let (origin, identity) = try withStore(own) { store in
            try createAliases(store, 0..<2000)
            return (store.origin, read(directory.identity))
        }
        try write(copy, to: directory.file)
        try write(identity, to: directory.identity)
        try withStore(own) { store in
            #expect(!store.didBeginIncarnation && store.origin == origin)
            try store.expect(links)
        }
    }

    /// The states that a crash can leave a first start in.
    @Test func aFirstStartCutShort() throws {
        let workshop = directory.store + "/new"
        let manager = FileManager.default
        // Before the store had its name: whatever lies there is made anew.
        try manager.createDirectory(atPath: workshop, withIntermediateDirectories: true)
        try write([1, 2, 3], to: workshop + "/data.mdb")
        try write([4], to: workshop + "/lock.mdb")
        let origin = try withStore(own) { store in
            #expect(!store.didBeginIncarnation)
            return store.origin
        }
        #expect(!manager.fileExists(atPath: workshop))
        // It had its name, and the side file was not there yet.
        try removeIdentity()
        try manager.createDirectory(atPath: workshop, withIntermediateDirectories: true)
        try withStore(own) { store in
            #expect(!store.didBeginIncarnation && store.origin == origin)
            _ = try store.createAndWait("https://example.com/")
        }
        #expect(!manager.fileExists(atPath: workshop))
        // All was there, but the workshop was not cleared.
        try manager.createDirectory(atPath: workshop, withIntermediateDirectories: true)
        try withStore(own) { #expect($0.origin == origin) }
        #expect(!manager.fileExists(atPath: workshop))
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// The states that a crash can leave the beginning of an incarnation in: each converges, and keeps all links.
    @Test func aBeginningCutShort() throws {
        let links = try makeStore(own, clock: clock, generated: 10, aliases: 10)
        let (file, identity) = (read(directory.file), read(directory.identity))
        try removeIdentity()
        let second = try withStore(own) { $0.origin }
        let (begunFile, begunIdentity) = (read(directory.file), read(directory.identity))
        let states: [(name: String, file: [UInt8], identity: [UInt8]?, temporary: [UInt8]?)] = [
            ("side file removed, nothing committed", file, nil, nil),
            ("committed, no side file", begunFile, nil, nil),
            ("committed, side file half written beside", begunFile, nil, Array(begunIdentity.prefix(30))),
            ("committed, side file whole beside", begunFile, nil, begunIdentity),
            ("whole", begunFile, begunIdentity, nil),
        ]
        for state in states {
            try directory.restore(["data.mdb": state.file])
            if let bytes = state.identity { try write(bytes, to: directory.identity) }
            if let bytes = state.temporary { try write(bytes, to: directory.identity + ".new") }
            let isWhole = state.identity != nil
            let link = try withStore(own) { store in
                #expect(store.didBeginIncarnation == !isWhole && (store.origin == second) == isWhole, "\(state.name)")
                try store.expect(links)
                return try store.createAndWait("https://example.com/")
            }
            #expect(link.code.count == 7 && number(link)! / 16 > 3_000_000, "\(state.name)")
            try withStore(own) { #expect(!$0.didBeginIncarnation && $0.origin == link.origin, "\(state.name)") }
            #expect(try StoreInspection(directory: directory.store).problems == [], "\(state.name)")
        }
        // The old life's side file beside the new life's store: nobody can say which is right.
        try directory.restore(["data.mdb": begunFile, "identity": identity])
        #expect(throws: StoreError.self) { try withStore(own) { _ in } }
    }

    @Test func aThousandRestartsAreOneLife() throws {
        var links: Links = [:]
        var origin: Origin?
        for round in 0..<1000 {
            clock.advance(milliseconds: 10)
            try withStore(own) { store in
                #expect(origin == nil || origin == store.origin)
                origin = store.origin
                guard round % 10 == 0 else { return }
                let link = try store.createAndWait("https://example.com/\(round)")
                #expect(links.updateValue("https://example.com/\(round)", forKey: link.code) == nil)
            }
        }
        try withStore(own) { try $0.expect(links) }
        #expect(try readOrigins(directory.store).count == 1)
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }
}
