import Dispatch
import Foundation
import Links
import Primitives
import Synchronization
import Testing

@testable import Replication
@testable import Store

/// What the acceptor of aliases keeps on the disk, and what it may not take for its own.
@Suite struct RegisterStoreTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()
    private var own: StoreSettings { clusterSettings(directory, clock: clock) }
    private let nodes = threeRegions.map { NodeID(region: $0.character.byte, node: 0) }

    private func key(_ name: String) -> [UInt8] { [3] + Array(name.utf8) }

    private func row(_ name: String, claim: UInt128, chosen: Bool = false) -> RegisterRow {
        var row = RegisterRow(key: key(name))
        row.promised = Ballot(round: 9, node: nodes[1], attempt: 7)
        row.accepted = Proposal(
            ballot: Ballot(round: 8, node: nodes[2], attempt: 5), value: RegisterValue(claim: claim, bytes: [1, 2, 3]))
        row.isChosen = chosen
        return row
    }

    private var standing: Standing {
        let epoch = Epoch(number: 4, acceptors: nodes, former: Array(nodes.prefix(2)))
        return Standing(
            epoch: epoch, next: epoch.followed(by: Array(nodes.prefix(2))), life: 3 << 32 | 5, wholeFor: 4,
            roll: Roll([nodes[1]: 77]), founders: Roll([nodes[2]: 99]))
    }

    private func write(_ rows: [RegisterRow] = [], forgotten: [[UInt8]] = [], _ standing: Standing? = nil)
        -> RegisterWrite
    {
        RegisterWrite(batch: 1, rows: rows, forgotten: forgotten, standing: standing)
    }

    private func pages(_ store: Store) throws -> [RegisterRow] {
        var (rows, after): ([RegisterRow], [UInt8]) = ([], [])
        repeat {
            let read = RegisterRead(batch: 1, keys: [], pagesAfter: [after])
            let page = try store.registers(read).pages[0]
            rows += page.rows
            after = page.next
        } while !after.isEmpty
        return rows
    }

    private func known(_ store: Store, _ name: String) throws -> RegisterAnswers.Known {
        try store.registers(RegisterRead(batch: 1, keys: [key(name)], pagesAfter: [])).known[0]
    }

    private func claimed(_ name: String, _ claim: UInt128) throws -> NewLink {
        var body = body("https://example.com/\(name)/\(claim)")
        body.claimID = claim
        return NewLink(alias: try Alias(imported: Array(name.utf8).span.bytes), body: body)
    }

    @Test func rowsOutliveTheProcess() throws {
        let rows = (0..<3000).map { row("name-\($0)", claim: UInt128($0 + 1), chosen: $0 % 2 == 0) }
        try withStore(own) { (store) throws in
            #expect(try store.acceptor() == nil)
            #expect(try pages(store) == [])
            #expect(store.keepAndWait(write(rows, standing)))
            #expect(store.keepAndWait(write(forgotten: [key("name-1"), key("never")])))
        }
        try withStore(own) { (store) throws in
            #expect(try store.acceptor() == AcceptorState(standing: standing, isLost: false))
            let sorted = rows.filter { $0.key != key("name-1") }.sorted { $0.key.lexicographicallyPrecedes($1.key) }
            #expect(try pages(store) == sorted)
            #expect(try known(store, "name-2").row == row("name-2", claim: 3, chosen: true))
            #expect(try known(store, "name-1") == RegisterAnswers.Known())
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// A page has the heads of its own snapshot, and says whose aliases are in the store.
    @Test func pagesTellOfTheStore() throws {
        try withStore(own) { (store) throws in
            _ = try store.adoptAndWait(claimed("here", 5)).get()
            _ = store.keepAndWait(write([row("here", claim: 5), row("elsewhere", claim: 6)]))
            let page = try store.registers(RegisterRead(batch: 1, keys: [], pagesAfter: [[]])).pages[0]
            #expect(page.linked == [key("here")] && page.next == [])
            #expect(page.heads.map(\.origin) == [store.origin] && page.heads.map(\.head) == [1])
        }
    }

    /// A link that a repair brought ahead of its log is here, and heads do not tell of it.
    @Test func aheadOfTheLog() throws {
        let (peer, sound) = (try PeerStoreTests.Peer(0), try PeerStoreTests.Peer(1))
        var author = Author("3")
        let link = LinkKey.alias(Array("name".utf8))
        author.write(link, try claimed("name", 5).body)
        sound.perform(.apply(PeerStoreTests.batch(author, 1...1)))
        let read = sound.perform(
            .readRecord(PeerStoreTests.connection, request: 1, RecordRequest(key: RecordKey.link(link).requestKey)))
        guard case .recordsRead(_, _, let records)? = read.first else { throw Missing() }
        peer.store.keep(write([row("name", claim: 5)], standing)) { _ in }
        let asked = RegisterRead(batch: 1, keys: [key("name")], pagesAfter: [[]])
        peer.merge(records.bytes)
        for isCovered in [false, true] {
            if isCovered { peer.perform(.apply(PeerStoreTests.batch(author, 1...1))) }
            let answers = try peer.store.registers(asked)
            #expect(answers.known[0].link?.claim == 5 && answers.known[0].isCovered == isCovered)
            #expect(answers.pages[0].linked == (isCovered ? [key("name")] : []))
        }
        peer.store.close()
        sound.store.close()
    }

    /// Of a log with two versions nobody can say whether he holds what this store does.
    @Test func pagesTellOfTwoVersions() throws {
        let peer = try PeerStoreTests.Peer()
        var author = Author("3")
        author.create(0, "https://third.example.com/0")
        peer.perform(.apply(PeerStoreTests.batch(author, 1...1)))
        let asked = RegisterRead(batch: 1, keys: [], pagesAfter: [[]])
        for isForked in [true, false] {
            peer.perform(.forked(author.origin, isForked))
            let heads = try peer.store.registers(asked).pages[0].heads
            #expect(heads.first { $0.origin == author.origin }?.head == (isForked ? LogHead.unclear : 1))
        }
        peer.store.close()
    }

    /// As far as a head, and in its version: at the head, within the log, at its floor, and not below.
    @Test func holdsThisVersion() throws {
        let peer = try PeerStoreTests.Peer()
        var (author, other) = (Author("3"), Author("3"))
        for index in 0..<4 {
            author.create(UInt64(index), "https://third.example.com/\(index)")
            other.create(UInt64(index), "https://other.example.com/\(index)")
        }
        peer.perform(.apply(PeerStoreTests.batch(author, 1...4)))
        func holds(_ log: Author, _ head: UInt64) -> Bool {
            let chain = log.chains[min(Int(head), log.entries.count)].reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
            return peer.store.holds([LogHead(origin: author.origin, head: head, chain: Chain(rawValue: chain))])
        }
        #expect((0...4).allSatisfy { holds(author, $0) } && !holds(author, 5))
        #expect(holds(other, 0) && (1...4).allSatisfy { !holds(other, $0) })
        // What was only acknowledged has no chain to compare.
        #expect(peer.store.holds([LogHead(origin: author.origin, head: 4, chain: Chain(rawValue: 0))]))
        let row = Truncation.Row(origin: author.origin, acknowledged: 2, pinned: .max)
        peer.clock.advance(milliseconds: ReplicationLimits.settledAge + 1000)
        peer.perform(.truncate(Truncation([row], now: peer.clock.now)))
        #expect(peer.store.position(author.origin)?.floor == 2)
        #expect((1...4).map { holds(author, $0) } == [false, true, true, true])
        #expect(!peer.store.holds([LogHead(origin: Author("2").origin, head: 1, chain: Chain(rawValue: 1))]))
        peer.store.close()
    }

    /// The store's own alias or tombstone is whose it is, whatever a register says.
    @Test func linksAreChosen() throws {
        try withStore(own) { (store) throws in
            _ = try store.createAndWait("https://example.com/", alias: "of-nobody")
            let link = try store.adoptAndWait(claimed("of-somebody", 7)).get()
            #expect(try known(store, "of-nobody").link?.claim == 0)
            let value = try #require(try known(store, "of-somebody").link)
            let body = try LinkBody(decoding: value.bytes.span.bytes)
            #expect(value.claim == 7 && body == link.body)
            #expect(try store.holder(of: key("of-somebody")) == value && store.holder(of: key("of-some")) == nil)
            #expect(store.changeAndWait(link.key, .delete))
            #expect(try known(store, "of-somebody").link != nil)
        }
    }

    /// Whoever finds a claim decided logs it, and only the first makes an entry of it.
    @Test func adoptingTwice() throws {
        try withStore(own) { (store) throws in
            let first = try store.adoptAndWait(claimed("name", 7)).get()
            let again = try store.adoptAndWait(claimed("name", 7)).get()
            #expect(first.stamp == again.stamp && first.body == again.body && store.vector.map(\.head) == [1])
            guard case .failure(.aliasTaken) = store.adoptAndWait(try claimed("name", 8)) else { throw Missing() }
            guard
                case .failure(.aliasTaken) = store.createAndWait(
                    try NewLink(alias: claimed("name", 7).alias, body: body("https://x.example/")))
            else { throw Missing() }
        }
    }

    /// A register of a peer's may hold more than an entry does.
    @Test func whatNoEntryHasTheRoomFor() throws {
        for (count, fits) in [(65_400, true), (65_500, false)] {
            var bytes: [UInt8] = []
            body(String(repeating: "x", count: count)).encode(into: &bytes)
            let link = NewLink(claimed: key("name"), RegisterValue(claim: 7, bytes: bytes))
            #expect((link != nil) == fits)
        }
    }

    /// Who asks again where the link has not come yet is told of it as it stands with an acceptor; that is no creation.
    @Test func whatWasChangedElsewhereIsNotLoggedAnew() throws {
        try withStore(own) { (store) throws in
            var changed = try claimed("name", 7)
            changed.body.creation = Creation(stamp: 1, origin: store.origin)
            var reduced = try claimed("name", 7)
            reduced.body = reduced.body.reduced
            for link in [changed, reduced] {
                guard case .failure(.notFound) = store.adoptAndWait(link) else { throw Missing() }
            }
            #expect(store.vector.map(\.head) == [0])
            let link = try store.adoptAndWait(claimed("name", 7)).get()
            #expect(try store.adoptAndWait(changed).get().stamp == link.stamp)
        }
    }

    /// A creation that another node logs later, because it found the round half done, undoes nothing.
    @Test func loggedAgainAfterAChange() throws {
        var other = Author("2", since: clock.now)
        other.write(
            .alias(Array("name".utf8)), try claimed("name", 7).body,
            stamp: UInt64(clock.now.milliseconds + 50_000) << 16)
        for order in [true, false] {
            let place = TemporaryDirectory()
            try withStore(clusterSettings(place, clock: clock)) { (store) throws in
                if order { #expect(store.applyAndWait(other.whole) == .applied) }
                let link = try store.adoptAndWait(claimed("name", 7)).get()
                var changed = body("https://changed.example.com/")
                changed.title = "changed"
                #expect(store.changeAndWait(link.key, .update(changed)))
                #expect(store.applyAndWait(other.whole) == .applied)
                #expect(try store.makeReader().destination(Array("name".utf8)) == "https://changed.example.com/")
                #expect(try known(store, "name").link?.claim == 7)
            }
            #expect(try StoreInspection(directory: place.store).problems == [], "\(order)")
        }
    }

    // MARK: What is not its own

    /// Nothing of an acceptor is in a backup: what it voted for since would not be in it.
    @Test func backupsHaveNone() throws {
        let target = TemporaryDirectory()
        try withStore(own) { (store) throws in
            #expect(store.keepAndWait(write([row("name", claim: 1)], standing)))
            #expect(try store.copy(to: target.store).isSound)
        }
        try withStore(clusterSettings(target, clock: clock)) { (store) throws in
            #expect(try store.acceptor() == nil && pages(store) == [])
        }
    }

    /// A store without `identity` may be an earlier day's. The doubt stays until another life is stored.
    @Test func aNewIncarnationDoubtsTheAcceptor() throws {
        try withStore(own) { #expect($0.keepAndWait(write([row("name", claim: 1)], standing))) }
        try FileManager.default.removeItem(atPath: directory.identity)
        for _ in 0..<2 {
            try withStore(own) { (store) throws in
                #expect(try store.acceptor() == AcceptorState(standing: standing, isLost: true))
                // What is on its way of the old life does not end it.
                #expect(store.keepAndWait(write([], standing)))
            }
        }
        try withStore(own) { (store) throws in
            var next = standing
            next.life += 1 << 32
            #expect(store.keepAndWait(write([], next)))
            #expect(try store.acceptor() == AcceptorState(standing: next, isLost: false))
        }
    }

    /// As it runs: peers know more of this node than itself.
    @Test func anIncarnationThatEndsDoubtsTheAcceptor() throws {
        let peer = try PeerStoreTests.Peer()
        var isKept = false
        nonisolated(unsafe) let out: (Bool) -> Void = { isKept = $0 }
        peer.store.keep(write([], standing)) { out($0) }
        peer.store.turn()
        #expect(isKept)
        peer.perform(.beginIncarnation(.peerKnowsMore(nodes[1])))
        #expect(try peer.store.acceptor()?.isLost == true)
        peer.store.close()
    }

    /// The acceptor is who it was after its store was replaced by a peer's snapshot, which has nothing of the giver's.
    @Test func snapshotsOfPeersKeepIt() throws {
        let (giver, taker) = (try PeerStoreTests.Peer(1), try PeerStoreTests.Peer(0))
        for (peer, name) in [(giver, "theirs"), (taker, "own")] {
            peer.store.keep(write([row(name, claim: 1)], standing)) { _ in }
            peer.store.turn()
        }
        _ = try giver.create("https://example.com/")
        let (rows, end) = try taker.receiveSnapshot(from: giver)
        let events = taker.perform(.finishInstall(SnapshotOffer(rows: rows), end))
        #expect(events.contains { if case .installed = $0 { true } else { false } })
        #expect(try taker.store.acceptor() == AcceptorState(standing: standing, isLost: false))
        #expect(try pages(taker.store) == [row("own", claim: 1)])
        giver.store.close()
        taker.store.close()
    }

    // MARK: Damage, and no room

    /// A damaged row is told of, not taken for one that is not there; neither is a name beside it.
    @Test(arguments: [[0], [1, 3] + Array("name".utf8)] as [[UInt8]]) func damagedRows(rowKey: [UInt8]) throws {
        try withStore(own) { #expect($0.keepAndWait(write([row("name", claim: 1)], standing))) }
        try damageRow(directory.store, "registers", rowKey)
        let problems = try StoreInspection(directory: directory.store).problems
        #expect(problems.count == 1 && problems[0].hasPrefix("registers: "), "\(problems)")
        try withStore(own) { (store) throws in
            if rowKey == [0] {
                #expect(throws: RegisterReadError.damagedRegister) { try store.acceptor() }
            } else {
                #expect(throws: RegisterReadError.damagedRegister) { try known(store, "name") }
                #expect(throws: RegisterReadError.damagedRegister) { try pages(store) }
            }
            #expect(store.forgetAndWait())
            #expect(try store.acceptor() == nil && pages(store) == [])
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// Whether there is such an alias nobody can say; and somebody is asked for the record.
    @Test func aDamagedAlias() throws {
        try withStore(own) {
            for name in ["beside", "name"] { _ = try $0.createAndWait("https://example.com/", alias: name) }
        }
        try damageRow(directory.store, "aliases", Array("name".utf8))
        let peer = try PeerStoreTests.Peer(
            in: directory,
            {
                var own = own; own.hasThreads = false; return own
            }(), clock)
        #expect(throws: RegisterReadError.notNow) { try peer.store.holder(of: key("name")) }
        #expect(peer.events.told.contains { if case .damagedRecord = $0 { true } else { false } })
        peer.store.keep(write([row("name", claim: 5)], standing)) { _ in }
        peer.store.turn()
        let answers = try peer.store.registers(
            RegisterRead(batch: 1, keys: [key("name"), key("absent")], pagesAfter: [[]]))
        #expect(answers.known.map(\.isUnreadable) == [true, false] && answers.known[0].row != nil)
        #expect(answers.pages[0].rows.count == 1 && answers.pages[0].linked == [])
        peer.store.close()
    }

    @Test func nothingIsKeptOfWhatWasNotWritten() throws {
        let peer = try PeerStoreTests.Peer()
        var outcomes: [Bool] = []
        nonisolated(unsafe) let out: (Bool) -> Void = { outcomes.append($0) }
        peer.events.isFull = true
        peer.store.keep(write([row("name", claim: 1)], standing)) { out($0) }
        peer.store.turn()
        #expect(outcomes == [false])
        #expect(try peer.store.acceptor() == nil && pages(peer.store) == [])
        peer.store.close()
        peer.store.keep(write([], standing)) { out($0) }
        #expect(outcomes == [false, false])
    }
}

extension Store {
    func keepAndWait(_ write: RegisterWrite) -> Bool { wait { keep(write, completion: $0) } }
    func forgetAndWait() -> Bool { wait { forgetRegisters(completion: $0) } }

    func adoptAndWait(_ link: NewLink) -> Result<CreatedLink, WriteError> { wait { adopt(link, completion: $0) } }

    /// Whether it was made.
    func changeAndWait(_ key: LinkKey, _ change: LinkChange) -> Bool {
        let result: Result<CreatedLink, WriteError> = wait { self.change(key, change, completion: $0) }
        if case .success = result { return true }
        return false
    }

    private func wait<Outcome: Sendable>(_ body: (@escaping @Sendable (Outcome) -> Void) -> Void) -> Outcome {
        let done = DispatchSemaphore(value: 0)
        let result = Mutex<Outcome?>(nil)
        body { outcome in
            result.withLock { $0 = outcome }
            done.signal()
        }
        done.wait()
        return result.withLock { $0! }
    }
}
