import Links
import Primitives
import Testing

@testable import Replication

/// Snapshots, readiness, comparison and repair.
struct SnapshotTests {
    private static let request = Frame.snapshotRequest(SnapshotRequest())
    private static let floored = [Bench.row(Bench.second, 9, chain: 9, floor: 5)]

    /// A bench that has asked its only peer for a snapshot.
    private func asked() -> (bench: Bench, id: ConnectionID, request: UInt32)? {
        var bench = Bench(rows: [Bench.row(Bench.second, 2, chain: 2)])
        let id = bench.connect(state: Self.floored)
        bench.wait(400)
        guard let asked = bench.sent.first(where: { $0.frame == Self.request }) else { return nil }
        return (bench, id, asked.request)
    }

    @Test func belowTheFloorASnapshotIsAskedFor() throws {
        var (bench, id, request) = try #require(asked())
        #expect(bench.alarms == [.snapshotNeeded(Bench.second)] && bench.pulls.isEmpty)
        bench.receive(id, .snapshotOffer(SnapshotOffer(rows: Self.floored)), request: request)
        #expect(bench.effects.contains(.beginInstall(resumes: false)))
        for index in 0..<2 as Range<UInt32> {
            bench.receive(id, .snapshotChunk(SnapshotChunk(index: index, bytes: [1, 2])), request: request)
            #expect(bench.effects.contains(.installChunk([1, 2])))
            bench.tell(.chunkInstalled(position: [9, UInt8(index)]))
        }
        bench.committed(1)
        #expect(bench.reads == [], "what is written meanwhile is set aside, not pushed")
        bench.receive(id, .entries(Bench.entries(3...3)))
        #expect(bench.batches == [], "and nothing more is taken in")
        let end = SnapshotEnd(.complete, chunks: 2, records: 4, sum: 8)
        bench.receive(id, .snapshotEnd(end), request: request)
        #expect(bench.effects.contains(.finishInstall(SnapshotOffer(rows: Self.floored), end)))
        let own = Origin(region: 0x31, node: 0, incarnation: 12)
        bench.tell(
            .installed(Holdings(own: own, rows: Self.floored, members: [Bench.settings().member], isFresh: true)))
        #expect(bench.closes == [.newIncarnation] && bench.machine.own == own && !bench.machine.isReady)
        _ = bench.connect(state: Self.floored)
        #expect(bench.machine.isReady)
    }

    /// Another node whose log goes far enough back is asked for the entries instead.
    @Test func noSnapshotWhereSomeoneHasTheLog() {
        var bench = Bench(rows: [Bench.row(Bench.second, 2, chain: 2)])
        _ = bench.connect(state: Self.floored)
        let third = bench.connect(
            Bench.hello(Bench.third, run: 3), state: [Bench.row(Bench.second, 8, chain: 8, floor: 2)])
        bench.wait(400)
        #expect(bench.pulls.map(\.id) == [third] && !bench.frames.contains(Self.request))
    }

    /// What only this node holds must be with the peer before its state is replaced by the peer's.
    @Test func waitsUntilThePeerCoversIt() {
        var bench = Bench(rows: [Bench.row(Bench.second, 2, chain: 2), Bench.row(Bench.third, 4, chain: 4)])
        let id = bench.connect(state: Self.floored)
        for _ in 0..<5 {
            bench.wait(1000)
            #expect(!bench.frames.contains(Self.request))
            let heads = Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [])
            bench.receive(id, .heads(heads))
        }
        bench.receive(id, .ack(Ack(credit: 4 << 20, rows: [.init(origin: Bench.third, head: 4)])))
        bench.wait(1000)
        #expect(bench.frames.contains(Self.request))
    }

    /// Each lacks what the other's log has lost: who holds less takes the other's state, the other waits for that; but
    /// not for ever.
    @Test(
        arguments: [(third: 40, asksAtOnce: false), (third: 6, asksAtOnce: true)] as [(third: UInt64, asksAtOnce: Bool)]
    )
    func whoHoldsLessGivesWay(third: UInt64, asksAtOnce: Bool) {
        var bench = Bench(
            rows: [
                Bench.row(Bench.second, 2, chain: 2), Bench.row(Bench.third, third, chain: 4, floor: third),
            ])
        let theirs = Self.floored + [Bench.row(Bench.third, 5, chain: 3, floor: 5)]
        let id = bench.connect(state: theirs)
        var asked = false
        for second in 1...33 {
            bench.wait(1000)
            asked = asked || bench.frames.contains(Self.request)
            if second == 25 { #expect(asked == asksAtOnce) }
            bench.receive(id, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [])))
            asked = asked || bench.frames.contains(Self.request)
        }
        #expect(asked)
    }

    /// The giver's own dial takes the place of the connection on which it was asked: it is asked again at once.
    @Test func askedOnAConnectionThatEnds() throws {
        var (bench, id, _) = try #require(asked())
        bench.tell(.closed(id))
        _ = bench.connect(state: Self.floored)
        bench.wait(ReplicationLimits.snapshotResume)
        #expect(bench.frames.contains(Self.request))
    }

    @Test(arguments: 0..<5) func failedAttemptLeavesNothing(way: Int) throws {
        var (bench, id, request) = try #require(asked())
        if way > 0 { bench.receive(id, .snapshotOffer(SnapshotOffer(rows: Self.floored)), request: request) }
        switch way {
        case 0: bench.receive(id, .snapshotEnd(SnapshotEnd(.refused)), request: request)
        case 1: bench.tell(.closed(id))
        case 2: bench.receive(id, .snapshotEnd(SnapshotEnd(.complete, chunks: 1)), request: request)
        case 3:
            bench.receive(id, .snapshotChunk(SnapshotChunk(index: 1, bytes: [])), request: request)
            #expect(bench.closes == [.violation])
        default:
            bench.receive(id, .snapshotEnd(SnapshotEnd(.failed)), request: request)
        }
        if way == 1 || way == 4 {
            // Nobody goes on with it.
            #expect(!bench.effects.contains(.abandonInstall))
            for _ in 0..<59 {
                bench.wait(1000)
                #expect(!bench.effects.contains(.abandonInstall))
            }
            bench.wait(1000)
            #expect(bench.effects.contains(.abandonInstall))
            return
        }
        #expect(bench.effects.contains(.abandonInstall) == (way > 0))
        #expect(!bench.effects.contains { if case .finishInstall = $0 { true } else { false } })
        guard bench.machine.sessions[id] != nil else { return }
        bench.wait(ReplicationLimits.snapshotRetry - 1)
        #expect(!bench.frames.contains(Self.request))
        bench.wait(1)
        #expect(bench.frames.contains(Self.request), "it is tried again")
    }

    /// What a giver may send does not shrink with attempts that fail, nor with chunks that come late.
    @Test(arguments: [false, true]) func failedAttemptsGiveTheirCreditBack(late: Bool) throws {
        var (bench, id, request) = try #require(asked())
        let bytes = [UInt8](repeating: 0, count: 190 << 10)
        for attempt in 0..<40 {
            bench.receive(id, .snapshotOffer(SnapshotOffer(rows: Self.floored)), request: request)
            bench.receive(id, .snapshotChunk(SnapshotChunk(index: 0, bytes: bytes)), request: request)
            #expect(bench.effects.contains(.installChunk(bytes)), "attempt \(attempt)")
            if late {
                bench.receive(id, .snapshotEnd(SnapshotEnd(.failed)), request: request)
                bench.tell(.chunkInstalled(position: [9]))
                bench.tell(.installFailed)
            } else {
                bench.tell(.installFailed)
                // Of the attempt that is over.
                bench.tell(.chunkInstalled(position: [9]))
            }
            bench.receive(id, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [])))
            bench.wait(ReplicationLimits.snapshotRetry)
            request = try #require(bench.sent.first { $0.frame == Self.request }).request
        }
        let session = try #require(bench.machine.sessions[id])
        #expect(session.receivedBytes == session.consumedBytes)
        #expect(session.granted - session.receivedBytes > 3 << 20)
    }

    /// Another peer goes on behind the last record that is in the store; the log is replayed from the lower heads.
    @Test func anotherPeerGoesOn() throws {
        var (bench, id, request) = try #require(asked())
        let third = bench.connect(
            Bench.hello(Bench.third, run: 3), state: [Bench.row(Bench.second, 8, chain: 8, floor: 6)])
        bench.receive(id, .snapshotOffer(SnapshotOffer(rows: Self.floored)), request: request)
        for index in 0..<2 as Range<UInt32> {
            bench.receive(id, .snapshotChunk(SnapshotChunk(index: index, bytes: [1, 2])), request: request)
        }
        bench.tell(.chunkInstalled(position: [9, 0]))
        bench.tell(.closed(id))
        #expect(!bench.effects.contains(.abandonInstall) && !bench.machine.isReady)
        func asks() -> (id: ConnectionID, request: UInt32, after: [UInt8])? {
            for sent in bench.sent {
                if case .snapshotRequest(let wanted) = sent.frame { return (sent.id, sent.request, wanted.after) }
            }
            return nil
        }
        bench.wait(ReplicationLimits.snapshotResume)
        #expect(asks() == nil, "a chunk is on its way into the store")
        bench.tell(.chunkInstalled(position: [9, 1]))
        bench.wait(ReplicationLimits.snapshotResume)
        let wanted = try #require(asks())
        #expect(wanted.id == third && wanted.after == [9, 1])
        let offered = [Bench.row(Bench.second, 8, chain: 8, floor: 6), Bench.row(Bench.third, 4, chain: 4)]
        bench.receive(third, .snapshotOffer(SnapshotOffer(rows: offered)), request: wanted.request)
        #expect(bench.effects.contains(.beginInstall(resumes: true)))
        bench.receive(third, .snapshotChunk(SnapshotChunk(index: 0, bytes: [3])), request: wanted.request)
        bench.tell(.chunkInstalled(position: [9, 2]))
        let end = SnapshotEnd(.complete, chunks: 1, records: 1, sum: 3)
        bench.receive(third, .snapshotEnd(end), request: wanted.request)
        #expect(bench.effects.contains(.finishInstall(SnapshotOffer(rows: [offered[0]]), end)))
    }

    /// While the store is being replaced its last commits are not spoken of: they will be set aside. If it stays, they are.
    @Test(arguments: [false, true]) func commitsWhileFinishing(fails: Bool) throws {
        var (bench, id, request) = try #require(asked())
        bench.receive(id, .snapshotOffer(SnapshotOffer(rows: Self.floored)), request: request)
        bench.receive(id, .snapshotEnd(SnapshotEnd(.complete, chunks: 0)), request: request)
        let before = bench.machine.own
        bench.committed(1)
        bench.committed(2)
        #expect(bench.machine.rows[before]!.head == 0)
        if fails {
            bench.tell(.installFailed)
            #expect(bench.machine.rows[before]!.head == 2)
        } else {
            let own = Origin(region: 0x31, node: 0, incarnation: 12)
            let member = Bench.settings().member
            bench.tell(.installed(Holdings(own: own, rows: Self.floored, members: [member], isFresh: true)))
            #expect(bench.machine.own == own && bench.machine.rows[before]?.head ?? 0 == 0)
        }
    }

    @Test func silentProviderIsGivenUp() throws {
        var (bench, id, _) = try #require(asked())
        for _ in 0..<6 {
            bench.wait(10_000 - 1)
            bench.receive(id, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [])))
        }
        bench.wait(10)
        #expect(bench.machine.joining != .no && bench.machine.joining.connection == nil)
    }

    /// What is in a snapshot of a log with two versions nobody can say, whether the giver knew of them or the taker.
    @Test func twoVersionsStayKnown() throws {
        let fourth = Origin(region: 0x34, node: 0, incarnation: 44)
        let rows = [
            Bench.row(Bench.second, 2, chain: 2), Bench.row(Bench.third, 5, chain: 5), Bench.row(fourth, 5, chain: 5),
        ]
        var bench = Bench(rows: rows)
        let theirs = Self.floored + [Bench.row(Bench.third, 5, chain: 55), rows[2]]
        let id = bench.connect(state: theirs)
        bench.wait(400)
        #expect(bench.machine.quarantines == [Bench.third: .fork])
        let asked = try #require(bench.sent.first { $0.frame == Self.request })
        let unheard = Origin(region: 0x35, node: 0, incarnation: 45)
        bench.receive(
            id, .snapshotOffer(SnapshotOffer(forked: [fourth, unheard], rows: theirs)), request: asked.request)
        bench.receive(id, .snapshotEnd(SnapshotEnd(.complete)), request: asked.request)
        let marked = SnapshotOffer(forked: [Bench.third, fourth, unheard], rows: theirs)
        #expect(bench.effects.contains(.finishInstall(marked, SnapshotEnd(.complete))))
        let own = Origin(region: 0x31, node: 0, incarnation: 12)
        bench.tell(
            .installed(
                Holdings(
                    own: own, rows: theirs, members: [Bench.settings().member], isFresh: true, forked: [fourth])))
        // What has shown since the store was told, it is told now.
        #expect(bench.effects.contains(.forked(Bench.third, true)))
        #expect(bench.machine.quarantines == [Bench.third: .fork, fourth: .fork])
        #expect(!bench.machine.holds([Bench.head(fourth, 4)]))
        #expect(bench.machine.holds([Bench.head(Bench.second, 9)]))
        // It says so in its turn.
        let taker = bench.connect(state: theirs)
        bench.receive(taker, Self.request, request: 5)
        bench.tell(.snapshotOpened(taker, rows: theirs))
        let offer = SnapshotOffer(forked: [Bench.third, fourth], rows: theirs)
        #expect(bench.sent.contains { $0.frame == .snapshotOffer(offer) })
    }

    @Test func providing() throws {
        var bench = Bench(rows: [Bench.row(Bench.third, 9, chain: 9)])
        let id = bench.connect()
        bench.receive(id, Self.request, request: 5)
        #expect(bench.effects.contains(.openSnapshot(id, after: [])))
        let rows = [Bench.row(Bench.third, 9, chain: 9)]
        bench.tell(.snapshotOpened(id, rows: rows))
        #expect(bench.sent.contains { $0.frame == .snapshotOffer(SnapshotOffer(rows: rows)) && $0.request == 5 })
        #expect(bench.effects.contains(.readSnapshot(id)))
        bench.tell(.snapshotRead(id, chunk: [7]))
        #expect(bench.frames.contains(.snapshotChunk(SnapshotChunk(index: 0, bytes: [7]))))
        // The log is pinned while it runs, and an hour longer, for the receiver comes back for the rest.
        func pinned(_ bench: Bench) -> [UInt64] {
            bench.effects.compactMap { if case .truncate(let order) = $0 { order.rows.map(\.pinned) } else { nil } }
                .flatMap { $0 }
        }
        bench.receive(id, .entries(Bench.entries(10...12, Bench.third)))
        bench.applied(Bench.third, 12)
        bench.tell(.snapshotRan(id, SnapshotEnd(.complete, records: 1, sum: 3)))
        #expect(bench.frames.contains(.snapshotEnd(SnapshotEnd(.complete, chunks: 1, records: 1, sum: 3))))
        #expect(bench.effects.contains(.closeSnapshot(id)))
        bench.wait(60_000)
        #expect(pinned(bench) == [9])
        bench.wait(ReplicationLimits.pinAfterSnapshot)
        #expect(pinned(bench) == [12])
    }

    @Test func providerGoesAtTheReceiversPace() {
        var bench = Bench(rows: [Bench.row(Bench.third, 9, chain: 9)])
        let id = bench.connect(credit: ReplicationLimits.creditForOneRead)
        bench.receive(id, Self.request, request: 5)
        bench.tell(.snapshotOpened(id, rows: []))
        bench.tell(.snapshotRead(id, chunk: [7]))
        #expect(!bench.effects.contains(.readSnapshot(id)))
        bench.receive(id, .ack(Ack(credit: 4 << 20, rows: [])))
        #expect(bench.effects.contains(.readSnapshot(id)))
        bench.tell(.closed(id))
        #expect(bench.effects.contains(.closeSnapshot(id)))
    }

    @Test func atMostTwoSnapshotsAtOnce() {
        var bench = Bench()
        for index in 0..<3 as Range<UInt8> {
            let id = bench.connect(
                Bench.hello(Origin(region: 0x32 + index, node: 0, incarnation: 1), run: UInt64(index) + 2))
            bench.receive(id, Self.request, request: 1)
            #expect(bench.effects.contains(.openSnapshot(id, after: [])) == (index < 2))
            #expect(bench.frames.contains(.snapshotEnd(SnapshotEnd(.refused))) == (index == 2))
        }
    }

    /// Two that want each other's state do not swap: the smaller id gets it.
    @Test func mutualRequests() throws {
        var (bench, id, _) = try #require(asked())
        bench.receive(id, Self.request, request: 9)
        #expect(bench.frames == [.snapshotEnd(SnapshotEnd(.refused))], "2/0 is not smaller than 1/0")
    }

    // MARK: Readiness and continuity

    @Test(
        arguments: [
            // fresh, peers are configured, their heads: ready and continuous after 10 s, after STATE, after catching up
            (false, true, 0, [true, true, true]), (false, true, 3, [true, true, true]),
            (true, true, 0, [false, true, true]),
            (true, true, 3, [false, false, true]), (true, false, 0, [true, true, true]),
        ] as [(Bool, Bool, UInt64, [Bool])])
    func readiness(isFresh: Bool, hasPeers: Bool, head: UInt64, expected: [Bool]) {
        func continuous(_ bench: Bench) -> Bool { bench.machine.isContinuous }
        var bench = Bench(isFresh: isFresh, peers: hasPeers ? ["b"] : [])
        #expect(bench.machine.isReady == !hasPeers && continuous(bench) == !hasPeers)
        bench.wait(10_000)
        #expect(bench.machine.isReady == expected[0])
        #expect(continuous(bench) == !hasPeers, "no number before a peer was heard")
        let id = bench.connect(
            Bench.hello(wall: bench.now.wall), at: hasPeers ? "b" : nil,
            state: [Bench.row(Bench.second, head, chain: UInt128(head))])
        #expect(bench.machine.isReady == expected[1])
        #expect(continuous(bench) == (!isFresh || expected[1]))
        guard head > 0 else { return }
        bench.receive(id, .entries(Bench.entries(1...head)))
        bench.applied(Bench.second, head)
        #expect(bench.machine.isReady == expected[2] && continuous(bench))
    }

    /// A head that only a retired member showed went with it.
    @Test(arguments: [false, true])
    func readinessWithoutTheRetired(anotherHasMore: Bool) {
        var bench = Bench(isFresh: true)
        let row = Bench.row(Bench.second, 3, chain: 3)
        let id = bench.connect(state: [row])
        if anotherHasMore { _ = bench.connect(Bench.hello(Bench.third, run: 3), state: [row]) }
        bench.tell(.closed(id))
        bench.wait(60_000)
        #expect(!bench.machine.isReady, "it may come back")
        let retired = Member(id: NodeID(Bench.second), addresses: ["b"], logFormat: 1, isRetired: true)
        bench.tell(.membersChanged([Bench.settings().member, retired]))
        #expect(bench.machine.isReady != anotherHasMore)
    }

    /// Nobody waits for a retired node's word, nor for an address that a member that was heard has too.
    @Test(arguments: [false, true]) func continuityWithoutTheRetired(isRetired: Bool) {
        let third = Member(id: NodeID(Bench.third), addresses: ["c"], logFormat: 1, isRetired: isRetired)
        var bench = Bench(members: [third], isFresh: true)
        if !isRetired { _ = bench.connect(Bench.hello(Bench.third, run: 3)) }
        #expect(!bench.machine.isContinuous)
        _ = bench.connect(at: "b")
        #expect(bench.machine.isContinuous)
    }

    /// What another node holds as well is kept in the vector, or that node would send this one back for it, to where what
    /// this snapshot brought is missing.
    @Test(arguments: [false, true]) func snapshotKeepsWhatOthersHold(isHeldElsewhere: Bool) throws {
        var bench = Bench(
            rows: [Bench.row(Bench.second, 2, chain: 2), Bench.row(Bench.third, 6, chain: 6, floor: 6)])
        let theirs = Self.floored + [Bench.row(Bench.third, 5, chain: 5, floor: 5)]
        let fourth = Origin(region: 0x34, node: 0, incarnation: 44)
        let held = Bench.row(Bench.third, isHeldElsewhere ? 6 : 5, chain: isHeldElsewhere ? 6 : 5, floor: 5)
        _ = bench.connect(Bench.hello(fourth, run: 4), state: [held])
        let id = bench.connect(state: theirs)
        bench.wait(400)
        let asked = try #require(bench.sent.first { $0.frame == Self.request })
        #expect(asked.id == id)
        bench.receive(id, .snapshotOffer(SnapshotOffer(rows: theirs)), request: asked.request)
        bench.receive(id, .snapshotEnd(SnapshotEnd(.complete)), request: asked.request)
        let rows = bench.effects.lazy.compactMap {
            if case .finishInstall(let offer, _) = $0 { offer.rows } else { nil }
        }
        .first
        #expect(rows?.first { $0.origin == Bench.third }?.head == (isHeldElsewhere ? 6 : 5))
        #expect(rows?.first { $0.origin == Bench.second }?.head == 9)
    }
}
