import Links
import Primitives
import Testing

@testable import Replication

struct StreamTests {
    /// An authenticated peer may say any number.
    @Test func headsOfAnyNumbers() {
        var bench = Bench()
        let id = bench.connect(state: [])
        let before = bench.machine.sessions[id]!.roundTrip
        for (echo, held) in [(.max, .max), (1, .max), (.max, 0), (UInt64(bench.now.ticks) + 1, 0)] as [(UInt64, UInt32)]
        {
            bench.receive(id, .heads(Heads(wall: bench.now.wall, sent: .max, echo: echo, held: held, rows: [])))
            #expect(bench.machine.sessions[id]?.roundTrip == before)
        }
        bench.receive(
            id, .heads(Heads(wall: bench.now.wall, sent: 1, echo: UInt64(bench.now.ticks) - 30, held: 10, rows: [])))
        #expect(bench.machine.sessions[id]?.roundTrip == 20)
    }

    // MARK: Sending

    @Test func onlyWhatWasSyncedIsSentAndAtOnce() {
        var bench = Bench()
        let id = bench.connect()
        #expect(bench.reads == [], "nothing is synced")
        bench.committed(3)
        #expect(bench.reads.map(\.through) == [3] && bench.reads[0].from == 1 && bench.reads[0].connection == id)
        bench.committed(5)
        #expect(bench.reads == [], "one read at a time")
        bench.tell(
            .logRead(
                LogRead(connection: id, origin: Bench.own, from: 1, through: 3, limitBytes: 1),
                .entries(Bench.entries(1...3, Bench.own))))
        #expect(bench.frames.contains(.entries(Bench.entries(1...3, Bench.own))))
        #expect(bench.reads == [], "what comes within a few milliseconds goes together")
        bench.committed(6)
        bench.wait(ReplicationLimits.gatherInterval - 1)
        #expect(bench.reads == [])
        bench.wait(1)
        #expect(bench.reads.map(\.from) == [4] && bench.reads[0].through == 6)
        bench.tell(.logRead(bench.reads[0], .entries(Bench.entries(4...6, Bench.own))))
        // After a pause the first goes at once, and so do many.
        bench.wait(ReplicationLimits.gatherInterval)
        bench.committed(7)
        #expect(bench.reads.map(\.from) == [7])
        bench.tell(.logRead(bench.reads[0], .entries(Bench.entries(7...7, Bench.own))))
        bench.committed(7 + ReplicationLimits.gatheredEntries)
        #expect(bench.reads == [])
        bench.committed(8 + ReplicationLimits.gatheredEntries)
        #expect(bench.reads.map(\.from) == [8])
    }

    /// The machine asks to be woken when what it gathered is due, and not before.
    @Test func isWokenForWhatIsGathered() {
        var bench = Bench()
        let id = bench.connect()
        bench.committed(1)
        bench.tell(.logRead(bench.reads[0], .entries(Bench.entries(1...1, Bench.own))))
        #expect(bench.frames.contains(.entries(Bench.entries(1...1, Bench.own))))
        bench.wait(1)
        #expect(bench.frames.contains { $0.type == .heads })
        bench.committed(2)
        let rest = ReplicationLimits.gatherInterval - 1
        #expect(bench.effects.contains(.setDeadline(bench.now.ticks + rest)))
        bench.wait(rest)
        #expect(bench.reads.map(\.connection) == [id])
    }

    /// What waits while the store works goes into one batch as far as it goes on, and gives its credit back whole.
    @Test func framesThatWaitAreAppliedTogether() {
        var bench = Bench()
        let id = bench.connect()
        for sequences: ClosedRange<UInt64> in [1...3, 4...5, 6...9, 11...12] {
            bench.receive(id, .entries(Bench.entries(sequences)))
        }
        var fork = Bench.entries(13...14)
        fork.chainBefore = Chain(rawValue: 99)
        bench.receive(id, .entries(fork))
        bench.applied(Bench.second, 3)
        #expect(bench.batches.map(\.first) == [4] && bench.batches[0].count == 6)
        #expect(bench.batches[0].bytes == Bench.entries(4...9).bytes)
        #expect(bench.batches[0].chainAfter == Chain(rawValue: 9))
        bench.applied(Bench.second, 9)
        #expect(bench.machine.counters.gaps == 2, "neither goes on where another ends")
        let session = bench.machine.sessions[id]!
        #expect(session.consumedBytes == session.receivedBytes)
    }

    /// Frames of two connections are not one, because each has credit of its own; nor are those too large for a commit.
    @Test func whatIsNotAppliedTogether() {
        var bench = Bench()
        let (one, other) = (bench.connect(), bench.connect(Bench.hello(Bench.third)))
        bench.receive(one, .entries(Bench.entries(1...3)))
        bench.receive(one, .entries(Bench.entries(4...5)))
        bench.receive(other, .entries(Bench.entries(6...7)))
        bench.applied(Bench.second, 3)
        #expect(bench.batches.map(\.first) == [4] && bench.batches[0].count == 2)
        bench.applied(Bench.second, 5)
        #expect(bench.batches.map(\.first) == [6])
        var large = Intake.Received(connection: one, entries: Bench.entries(1...1))
        large.entries.bytes += [UInt8](repeating: 0, count: WireLimits.entriesBytes - large.entries.bytes.count)
        let next = Intake.Received(connection: one, entries: Bench.entries(2...2))
        #expect(!large.join(next) && large.entries.count == 1)
    }

    @Test func othersEntriesAreAnnouncedAndSentOnRequestOnly() {
        var bench = Bench(rows: [Bench.row(Bench.third, 9, chain: 9, ceiling: 77)])
        let id = bench.connect()
        #expect(bench.reads == [])
        bench.receive(id, .pull(Pull(origin: Bench.third, from: 4, through: 6)))
        #expect(bench.reads.map(\.origin) == [Bench.third] && bench.reads[0].from == 4 && bench.reads[0].through == 6)
        bench.tell(.logRead(bench.reads[0], .entries(Bench.entries(4...6, Bench.third))))
        #expect(bench.frames.map(\.type) == [.entries] && bench.reads == [])
    }

    /// Heads go to all with the ceilings, at most every 100 ms.
    @Test func headsWithCeilings() {
        var bench = Bench()
        _ = bench.connect()
        bench.wait(1)
        bench.committed(1, ceiling: 500)
        bench.wait(100)
        let rows = bench.frames.compactMap { if case .heads(let heads) = $0 { heads.rows } else { nil } }.flatMap { $0 }
        #expect(rows.map(\.head) == [1] && rows.map(\.ceiling) == [500])
        bench.committed(2, ceiling: 500)
        bench.wait(50)
        #expect(!bench.frames.contains { $0.type == .heads })
        bench.wait(50)
        #expect(bench.frames.contains { $0.type == .heads })
        var other = Bench()
        let id = other.connect()
        other.receive(
            id,
            .heads(
                Heads(wall: other.now.wall, sent: 1, echo: 0, held: 0, rows: [Bench.row(Bench.third, 0, ceiling: 9)])))
        #expect(other.effects.contains(.ceiling(Bench.third, 9, at: Stamp(rawValue: 0))))
    }

    /// A peer that grants nothing costs no read and no byte; what it grants is what it gets.
    @Test func credit() {
        var bench = Bench()
        let id = bench.connect(credit: 0)
        for head in 1...100 as ClosedRange<UInt64> { #expect(bench.committed(head).isEmpty || bench.reads == []) }
        bench.receive(id, .ack(Ack(credit: ReplicationLimits.creditForOneRead, rows: [])))
        #expect(bench.reads.count == 1)
        bench.tell(.logRead(bench.reads[0], .entries(Bench.entries(1...2, Bench.own))))
        #expect(bench.frames.map(\.type) == [.entries] && bench.reads == [], "the rest is less than a read may cost")
        bench.receive(id, .ack(Ack(credit: 0, rows: [])))
        #expect(bench.closes == [.violation], "credit that shrinks")
    }

    /// A receiver takes no more than it granted.
    @Test func creditIsHeldToByTheReceiver() {
        var (bench, sent) = (Bench(), 0)
        let id = bench.connect()
        var entry: [UInt8] = []
        LogEntry(kind: 1, sequence: 1, stamp: 1, key: [3, 97], value: [UInt8](repeating: 0, count: 60_000)).encode(
            into: &entry)
        var bytes: [UInt8] = []
        bytes.append(lengthPrefixed: entry)
        let frame = Entries(
            origin: Bench.second, first: 1, chainBefore: Chain(rawValue: 0), chainAfter: Chain(rawValue: 1), count: 1,
            bytes: bytes)
        // The first is with the store, which does not answer.
        while bench.closes == [], sent < 1000 {
            bench.receive(id, .entries(frame))
            sent += 1
        }
        #expect(bench.closes == [.violation])
        #expect(sent == (4 << 20) / frame.payloadSizeBytes + 1)
    }

    // MARK: Receiving

    @Test(
        arguments: [
            (1...5, .ignored), (3...10, .ignored), (11...12, .applied(11, 2)), (8...12, .applied(11, 2)),
            (12...13, .gap), (40...41, .gap),
        ] as [(ClosedRange<UInt64>, Contiguity)])
    func contiguous(sequences: ClosedRange<UInt64>, expected: Contiguity) {
        var bench = Bench(rows: [Bench.row(Bench.second, 10, chain: 10)])
        let id = bench.connect(state: [Bench.row(Bench.second, 50, chain: 50)])
        bench.receive(id, .entries(Bench.entries(sequences)))
        switch expected {
        case .ignored: #expect(bench.batches == [] && bench.pulls.isEmpty)
        case .applied(let first, let count):
            #expect(bench.batches.map(\.first) == [first] && bench.batches.map(\.count) == [count])
            #expect(bench.batches[0].chainAfter == Chain(rawValue: UInt128(sequences.upperBound)))
        case .gap:
            #expect(
                bench.batches == [] && bench.pulls.map(\.pull) == [Pull(origin: Bench.second, from: 11, through: 50)])
            bench.receive(id, .entries(Bench.entries(sequences)))
            #expect(bench.pulls.isEmpty, "one PULL, however many frames show the gap")
        }
    }

    enum Contiguity: Sendable { case ignored, applied(UInt64, Int), gap }

    /// ACK after the sync, cumulative, to whoever sent it and to the origin.
    @Test func acknowledgedAfterTheSync() {
        var bench = Bench()
        let origin = bench.connect()
        let relay = bench.connect(Bench.hello(Bench.third, run: 3))
        bench.receive(relay, .entries(Bench.entries(1...2)))
        bench.receive(relay, .entries(Bench.entries(3...4)))
        #expect(!bench.frames.contains { $0.type == .ack } && bench.batches == [], "one batch of an origin at a time")
        bench.applied(Bench.second, 2)
        let acks = bench.sent.filter { $0.frame.type == .ack }
        #expect(acks.map(\.id) == [origin, relay])
        for ack in acks {
            guard case .ack(let frame) = ack.frame else { continue }
            #expect(frame.rows == [.init(origin: Bench.second, head: 2)])
        }
        #expect(bench.batches.map(\.first) == [3])
    }

    /// The first at once, more of them together after a while.
    @Test func acknowledgementsAreGathered() {
        var bench = Bench()
        let id = bench.connect()
        func acknowledged() -> [UInt64] {
            bench.frames.flatMap { if case .ack(let ack) = $0 { ack.rows.map(\.head) } else { [UInt64]() } }
        }
        bench.receive(id, .entries(Bench.entries(1...1)))
        bench.applied(Bench.second, 1)
        #expect(acknowledged() == [1])
        for sequence: UInt64 in 2...3 {
            bench.receive(id, .entries(Bench.entries(sequence...sequence)))
            bench.applied(Bench.second, sequence)
            #expect(acknowledged() == [])
        }
        bench.wait(ReplicationLimits.acknowledgeInterval)
        #expect(acknowledged() == [3])
    }

    @Test func ownHeadsThatPeersHaveAreTold() {
        var bench = Bench(rows: [Bench.row(Bench.own, 9, chain: 9)])
        let id = bench.connect(state: [Bench.row(Bench.own, 4, chain: 4)])
        #expect(bench.effects.contains(.acknowledged(NodeID(Bench.second), through: 4)))
        bench.receive(id, .ack(Ack(credit: 4 << 20, rows: [.init(origin: Bench.own, head: 7)])))
        #expect(bench.effects.contains(.acknowledged(NodeID(Bench.second), through: 7)))
    }

    @Test func damagedEntryIsNotApplied() {
        var bench = Bench()
        let id = bench.connect(state: [Bench.row(Bench.second, 1, chain: 1)])
        var entries = Bench.entries(1...1)
        entries.bytes[entries.bytes.count - 1] ^= 1
        bench.receive(id, .entries(entries))
        #expect(bench.batches == [] && bench.alarms == [.damagedEntry(Bench.second, from: NodeID(Bench.second))])
        bench.receive(id, .entries(Bench.entries(1...1)))
        bench.applied(Bench.second, 1)
        #expect(bench.effects.contains(.cleared(.damagedEntry(Bench.second, from: NodeID(Bench.second)))))
    }

    /// What the store could not take now is asked for again.
    @Test func storeFailureIsRetried() {
        var bench = Bench()
        let id = bench.connect(state: [Bench.row(Bench.second, 2, chain: 2)])
        bench.receive(id, .entries(Bench.entries(1...2)))
        bench.applied(Bench.second, 0, .failed)
        #expect(bench.alarms == [] && bench.pulls.isEmpty)
        bench.wait(ReplicationLimits.shortestRetry - 1)
        #expect(bench.pulls.isEmpty)
        bench.wait(1)
        #expect(bench.pulls.map(\.pull) == [Pull(origin: Bench.second, from: 1, through: 2)])
    }

    /// A store that fails again and again is told of, and asked less and less often.
    @Test func storeFailuresAreToldOf() {
        var bench = Bench()
        let id = bench.connect(state: [Bench.row(Bench.second, 2, chain: 2)])
        /// Milliseconds until it is asked again.
        func pause() -> Int64 {
            for waited in 1...100 {
                bench.receive(id, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [])))
                if !bench.wait(500).isEmpty, !bench.pulls.isEmpty { return Int64(waited) * 500 }
            }
            return 0
        }
        let alarm = Alarm.quarantined(Bench.second, .store)
        var (pauses, alarms): ([Int64], [Bool]) = ([], [])
        for _ in 1...7 {
            bench.receive(id, .entries(Bench.entries(1...2)))
            bench.applied(Bench.second, 0, .failed)
            alarms.append(bench.alarms == [alarm])
            pauses.append(pause())
        }
        #expect(pauses == [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
        #expect(alarms == [false, false, false, false, true, false, false], "once")
        bench.receive(id, .entries(Bench.entries(1...2)))
        bench.applied(Bench.second, 2)
        #expect(bench.effects.contains(.cleared(alarm)))
    }

    // MARK: Relay

    /// Behind for max(250 ms, two round trips): PULL from the nearest holder, then from the others in turn.
    @Test func pullsFromTheNearestHolder() {
        var bench = Bench()
        let dead = Origin(region: 0x34, node: 0, incarnation: 44)
        let far = bench.connect(state: [Bench.row(dead, 7, chain: 7)])
        let near = bench.connect(Bench.hello(Bench.third, run: 3), state: [Bench.row(dead, 7, chain: 7)])
        for (id, trip) in [(far, 300), (near, 200)] as [(ConnectionID, UInt64)] {
            bench.receive(
                id,
                .heads(Heads(wall: bench.now.wall, sent: 1, echo: UInt64(bench.now.ticks) - trip, held: 0, rows: [])))
        }
        bench.wait(399)
        #expect(bench.pulls.isEmpty)
        bench.wait(1)
        #expect(bench.pulls.map(\.id) == [near] && bench.pulls[0].pull == Pull(origin: dead, from: 1, through: 7))
        bench.wait(799)
        #expect(bench.pulls.isEmpty, "the pause doubles")
        bench.wait(1)
        #expect(bench.pulls.map(\.id) == [far])
        bench.receive(far, .entries(Bench.entries(1...7, dead)))
        bench.applied(dead, 7)
        bench.wait(5000)
        #expect(bench.pulls.isEmpty)
    }

    /// Its holder went away, or came back with an empty disk: then there is nothing to wake for.
    @Test(arguments: [false, true]) func nothingIsDueOfWhatNobodyHolds(comesBack: Bool) {
        let dead = Origin(region: 0x34, node: 0, incarnation: 44)
        var bench = Bench()
        let id = bench.connect(state: [Bench.row(dead, 7, chain: 7)])
        bench.tell(.closed(id))
        if comesBack { _ = bench.connect(Bench.hello(run: 9)) }
        bench.wait(ReplicationLimits.pullDelay * 4)
        let next = bench.wait(1).compactMap { if case .setDeadline(let at) = $0 { at } else { nil } }.last
        #expect(next.map { $0 > bench.now.ticks + 1 } ?? true, "woken each millisecond")
        #expect(bench.machine.phase != .behind)
    }

    @Test func pullBelowTheFloorIsAnsweredByTheFloor() {
        var bench = Bench(rows: [Bench.row(Bench.third, 9, chain: 9, floor: 5)])
        let id = bench.connect()
        bench.receive(id, .pull(Pull(origin: Bench.third, from: 5, through: 9)))
        guard case .heads(let heads)? = bench.frames.first else { return #expect(Bool(false)) }
        #expect(heads.rows.map(\.floor) == [5] && bench.reads == [])
        bench.receive(id, .pull(Pull(origin: Bench.third, from: 6, through: 9)))
        #expect(bench.reads.count == 1)
        bench.tell(.logRead(bench.reads[0], .belowFloor(7)))
        bench.wait(100)
        #expect(
            bench.frames.contains { if case .heads(let heads) = $0 { heads.rows.map(\.floor) == [7] } else { false } })
    }

    @Test func damagedLogIsAlarmed() {
        var bench = Bench()
        _ = bench.connect()
        bench.committed(1)
        bench.tell(.logRead(bench.reads[0], .damaged(sequence: nil)))
        #expect(bench.alarms == [.damagedLog(Bench.own)])
        #expect(!bench.effects.contains { if case .truncate = $0 { true } else { false } })
    }

    /// Where the row that fails is known the log is cut there: whoever lacks it takes a snapshot, or has it of another.
    @Test func damagedLogIsCut() {
        var bench = Bench()
        _ = bench.connect()
        bench.committed(3)
        bench.tell(.logRead(bench.reads[0], .damaged(sequence: 2)))
        func orders() -> [[UInt64]] {
            bench.effects.compactMap { if case .truncate(let order) = $0 { order.rows.map(\.damaged) } else { nil } }
        }
        #expect(orders() == [[2]])
        // As long as that goes on, it goes on soon.
        bench.tell(.truncated([Floor(origin: Bench.own, floor: 1)]))
        bench.wait(ReplicationLimits.truncationPause)
        #expect(orders() == [[2]])
        bench.tell(.truncated([Floor(origin: Bench.own, floor: 3)]))
        #expect(bench.effects.contains(.cleared(.damagedLog(Bench.own))) && bench.machine.damagedLogs.isEmpty)
        bench.wait(100)
        #expect(
            bench.frames.contains { if case .heads(let heads) = $0 { heads.rows.map(\.floor) == [3] } else { false } })
    }

    /// Frames of the registers are another machine's, once the peer is let in; it gets them if its version knows them.
    @Test func framesOfTheRegisters() {
        var hello = Bench.hello()
        hello.versions = 1...2
        for frame in Samples.frames where (32...47).contains(frame.type.rawValue) {
            var bench = Bench()
            let id = bench.connect(hello)
            bench.receive(id, frame, request: 9)
            #expect(bench.closes == [], "\(frame.type)")
            #expect(bench.effects.contains(.registers(NodeID(Bench.second), frame)), "\(frame.type)")
            #expect(bench.machine.connection(to: NodeID(Bench.second)) == id)
        }
        #expect(Bench().machine.connection(to: NodeID(Bench.second)) == nil)
        var older = Bench()
        _ = older.connect()
        #expect(older.machine.connection(to: NodeID(Bench.second)) == nil)
    }
}
