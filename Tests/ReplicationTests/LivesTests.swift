import Links
import Primitives
import Testing

@testable import Replication

/// Incarnations, seals, members, truncation, clocks of others.
struct LivesTests {
    static func heads(_ bench: Bench, _ rows: [OriginState], ahead: Int64 = 0) -> Frame {
        .heads(
            Heads(
                wall: bench.now.wall.advanced(byMilliseconds: ahead), sent: 1, echo: 0, held: 0,
                rows: rows.sorted { $0.origin < $1.origin }))
    }

    private static let born = Holdings(
        own: Origin(region: 0x31, node: 0, incarnation: 12), rows: [Bench.row(Bench.own, 5, chain: 5)],
        members: [Bench.settings().member], isFresh: false)

    // MARK: A new incarnation on any doubt

    @Test(
        arguments: [
            (6, 6, OriginState.unsealed, .peerKnowsMore(NodeID(Bench.second))),
            (5, 55, OriginState.unsealed, .chainMismatch(NodeID(Bench.second))),
            (4, 4, 4, .sealed(NodeID(Bench.second))), (5, 5, OriginState.unsealed, nil),
            (4, 4, OriginState.unsealed, nil),
        ] as [(UInt64, UInt128, UInt64, IncarnationReason?)])
    func doubt(head: UInt64, chain: UInt128, seal: UInt64, reason: IncarnationReason?) {
        let row = Bench.row(Bench.own, head, chain: chain, seal: seal)
        for first in [true, false] {
            var bench = Bench(rows: [Bench.row(Bench.own, 5, chain: 5)])
            let id = bench.connect(state: first ? [row] : [])
            if !first { bench.receive(id, Self.heads(bench, [row])) }
            let begun = bench.effects.compactMap { if case .beginIncarnation(let why) = $0 { why } else { nil } }
            #expect(begun == [reason].compactMap { $0 })
            guard reason != nil else { continue }
            #expect(bench.alarms.contains(.incarnationInDoubt))
            #expect(bench.reads == [], "nothing more is sent under the old one")
            bench.committed(6)
            #expect(bench.reads == [])
            // The store has a new life: connections begin again, the old one is sealed.
            bench.tell(.incarnationBegan(Self.born))
            #expect(bench.closes == [.newIncarnation] && bench.machine.own == Self.born.own)
            #expect(bench.effects.contains { if case .seal(Bench.own, let at) = $0 { at >= 5 } else { false } })
            #expect(bench.effects.contains(.cleared(.incarnationInDoubt)))
            // What was issued before the doubt says nothing: numbers go on beyond what the peers know.
            let known = Bench.row(Bench.own, 5, chain: 5, ceiling: 70)
            let again = bench.open(certified: NodeID(Bench.second))
            bench.receive(again, .hello(Bench.hello()))
            bench.receive(again, .state(PeerState(credit: 0, rows: [known])))
            #expect(bench.effects.contains(.continuityProven(Highest(ceiling: 70, at: Instant(milliseconds: 0)))))
        }
    }

    @Test func acknowledgementOfMoreThanThereIs() {
        var bench = Bench(rows: [Bench.row(Bench.own, 5, chain: 5)])
        let id = bench.connect()
        bench.receive(id, .ack(Ack(credit: 4 << 20, rows: [.init(origin: Bench.own, head: 6)])))
        #expect(bench.effects.contains(.beginIncarnation(.peerKnowsMore(NodeID(Bench.second)))))
    }

    /// The same sequence with other bytes below the own head shows when the log is read for the peer.
    @Test func forkBelowTheHead() {
        var bench = Bench(rows: [Bench.row(Bench.own, 5, chain: 5)])
        _ = bench.connect(state: [Bench.row(Bench.own, 3, chain: 333)])
        #expect(bench.reads.map(\.from) == [4])
        bench.tell(.logRead(bench.reads[0], .entries(Bench.entries(4...5, Bench.own))))
        #expect(bench.effects.contains(.beginIncarnation(.chainMismatch(NodeID(Bench.second)))))
        #expect(!bench.frames.contains { $0.type == .entries })
    }

    @Test func forkOfAnother() {
        // In what is announced, in what comes, and in what the store makes of it.
        for way in 0..<3 {
            var bench = Bench(rows: [Bench.row(Bench.third, 5, chain: 5)])
            let id = bench.connect(state: way == 0 ? [Bench.row(Bench.third, 5, chain: 55)] : [])
            if way > 0 {
                var entries = Bench.entries(6...6, Bench.third)
                if way == 1 { entries.chainBefore = Chain(rawValue: 9) }
                bench.receive(id, .entries(entries))
                if way == 2 { bench.applied(Bench.third, 5, .chainMismatch) }
            }
            #expect(bench.alarms == [.quarantined(Bench.third, .fork)] && bench.batches == [], "way \(way)")
            bench.receive(id, .entries(Bench.entries(6...6, Bench.third)))
            #expect(bench.batches == [])
            #expect(!bench.effects.contains { if case .beginIncarnation = $0 { true } else { false } })
        }
    }

    /// Its number may be of the other version: nobody can say what is held of it, until an operator does.
    @Test func ofALogWithTwoVersionsNothingIsHeld() {
        let asked = [Bench.head(Bench.third, 4)]
        var bench = Bench(rows: [Bench.row(Bench.third, 5, chain: 5)])
        #expect(bench.machine.holds(asked))
        _ = bench.connect(state: [Bench.row(Bench.third, 5, chain: 55)])
        #expect(bench.effects.contains(.forked(Bench.third, true)))
        #expect(!bench.machine.holds(asked))
        bench.tell(.command(.release(Bench.third)))
        #expect(bench.effects.contains(.forked(Bench.third, false)))
        #expect(bench.machine.holds(asked))
        // Somebody else knows them.
        #expect(!bench.machine.holds([Bench.head(Bench.third, LogHead.unclear)]))
    }

    /// The next start knows it too.
    @Test func twoVersionsAreRemembered() {
        let rows = [Bench.row(Bench.third, 5, chain: 5)]
        var machine = Replicator(
            Bench.settings(), Holdings(own: Bench.own, rows: rows, members: [], isFresh: false, forked: [Bench.third]),
            now: Bench.start)
        #expect(machine.start().contains(.alarm(.quarantined(Bench.third, .fork))))
        #expect(machine.quarantines == [Bench.third: .fork])
        #expect(!machine.holds([Bench.head(Bench.third, 4)]))
    }

    /// The next start does not know whether a life has ended in doubt, and takes it for one that has.
    @Test func aFormerLifeIsProvedAfterEachStart() {
        let former = Origin(region: Bench.own.region, node: Bench.own.node, incarnation: 99)
        let asked = [Bench.head(former, 4)]
        var bench = Bench(rows: [Bench.row(former, 5, chain: 5)])
        #expect(!bench.machine.holds(asked))
        _ = bench.connect(state: [Bench.row(former, 5, chain: 5)])
        #expect(bench.machine.holds(asked))
    }

    /// A life that ended in doubt: what a peer has of it shows whether its log has two versions.
    @Test(arguments: [0, 1, 2, 3])
    func lifeThatEndedInDoubt(shown: Int) {
        let asked = [Bench.head(Bench.own, 4)]
        var bench = Bench(rows: [Bench.row(Bench.own, 5, chain: 5)])
        #expect(bench.machine.holds(asked))
        _ = bench.connect(state: [Bench.row(Bench.own, shown == 0 ? 5 : 6, chain: 66)])
        #expect(bench.alarms.contains(.quarantined(Bench.own, .fork)) == (shown == 0))
        bench.tell(.incarnationBegan(Self.born))
        #expect(!bench.machine.holds(asked))
        let head: UInt64 = shown == 1 ? 5 : 6
        let id = bench.connect(state: [Bench.row(Bench.own, head, chain: UInt128(head))])
        if shown > 1 {
            bench.receive(id, .entries(Bench.entries(6...6, Bench.own)))
            bench.applied(Bench.own, shown == 2 ? 6 : 5, shown == 2 ? .done : .chainMismatch)
        }
        #expect(bench.machine.holds(asked) == (shown == 1 || shown == 2))
    }

    // MARK: Seals

    /// The highest head that anyone reports; it only grows.
    @Test func seals() {
        func sealed(_ bench: Bench) -> [UInt64] {
            bench.effects.compactMap { if case .seal(Bench.second, let at) = $0 { at } else { nil } }
        }
        var bench = Bench(rows: [Bench.row(Bench.second, 4, chain: 4)])
        let third = bench.connect(Bench.hello(Bench.third, run: 3), state: [Bench.row(Bench.second, 6, chain: 6)])
        #expect(sealed(bench) == [], "it lives as far as anyone knows")
        let risen = Origin(region: 0x32, node: 0, incarnation: 23)
        let id = bench.open(certified: NodeID(risen))
        bench.receive(id, .hello(Bench.hello(risen, run: 4)))
        #expect(sealed(bench) == [6])
        bench.receive(third, Self.heads(bench, [Bench.row(Bench.second, 7, chain: 7, seal: 7)]))
        #expect(sealed(bench) == [7])
        bench.receive(third, Self.heads(bench, [Bench.row(Bench.second, 7, chain: 7, seal: 7)]))
        #expect(sealed(bench) == [])
        bench.receive(third, .entries(Bench.entries(5...8)))
        bench.applied(Bench.second, 8)
        #expect(sealed(bench) == [8], "an entry beyond it raises it")
    }

    @Test func nothingIsLostBeforeAllMembersReported() {
        let members = [Bench.second, Bench.third].map { Member(id: NodeID($0), addresses: [], logFormat: 1) }
        var bench = Bench(members: members)
        #expect(!bench.machine.allMembersReported)
        _ = bench.connect()
        #expect(!bench.machine.allMembersReported)
        _ = bench.connect(Bench.hello(Bench.third, run: 3))
        #expect(bench.machine.allMembersReported)
    }

    // MARK: Members

    @Test func eachNodeLogsAnEntryAboutItself() {
        let me = Bench.settings().member
        #expect(!Bench().effects.contains(.logMember(me)))
        var machine = Replicator(
            Bench.settings(), Holdings(own: Bench.own, rows: [], members: [], isFresh: false), now: Bench.start)
        #expect(machine.start().contains(.logMember(me)))
    }

    @Test func formatIsWrittenOnceAllReadIt() {
        let settings = Bench.settings(peers: [], logFormat: 3)
        let others = [(Bench.second, 2), (Bench.third, 3)].map { origin, format in
            Member(id: NodeID(origin), addresses: [], logFormat: UInt16(format))
        }
        var machine = Replicator(
            settings, Holdings(own: Bench.own, rows: [], members: [settings.member] + others, isFresh: false),
            now: Bench.start)
        #expect(machine.start().contains(.writableFormat(2)))
        var raised = others
        raised[0].logFormat = 4
        let effects = machine.handle(.membersChanged([settings.member] + raised), now: Bench.start)
        #expect(effects.contains(.writableFormat(3)))
        // One goes back while that is still possible.
        raised[1].logFormat = 1
        #expect(
            machine.handle(.membersChanged([settings.member] + raised), now: Bench.start).contains(.writableFormat(1)))
        #expect(machine.status.format == 1)
    }

    /// Whoever comes new, or was away, may not know all members yet, and writes what everybody reads until it does.
    @Test(arguments: [false, true], [1, 2] as [UInt16]) func formatBeforeHeadsAreCovered(isFresh: Bool, format: UInt16)
    {
        var bench = Bench(isFresh: isFresh, logFormat: 3)
        func formats(_ effects: [Effect]) -> [UInt16] {
            effects.compactMap { if case .writableFormat(let format) = $0 { format } else { nil } }
        }
        #expect(formats(bench.effects) == [1] && bench.machine.status.format == 1)
        var hello = Bench.hello()
        hello.logFormat = 3
        let id = bench.connect(hello, state: [Bench.row(Bench.second, 1, chain: 1)])
        bench.receive(id, .entries(Bench.entries(1...1)))
        // The entry told of a member.
        let member = Member(id: NodeID(Bench.third), addresses: ["c"], logFormat: format)
        bench.tell(.membersChanged([bench.machine.settings.member, member]))
        #expect(formats(bench.effects) == [] && !bench.machine.isReady)
        bench.applied(Bench.second, 1)
        #expect(formats(bench.effects) == (format == 1 ? [] : [format]) && bench.machine.isReady)
    }

    @Test func retiring() {
        let member = Member(id: NodeID(Bench.second), addresses: ["b2"], logFormat: 1)
        var bench = Bench(members: [member])
        _ = bench.connect()
        bench.tell(.command(.retire(member.id)))
        var gone = member
        gone.isRetired = true
        #expect(bench.effects.contains(.logMember(gone)))
        bench.tell(.membersChanged([Bench.settings().member, gone]))
        #expect(bench.closes == [.rejected(.retired)])
        var other = Bench()
        let id = other.open(address: "b")
        other.receive(id, .hello(Bench.hello()))
        other.receive(id, .reject(Reject(.retired, "")))
        #expect(other.alarms.contains(.retired))
    }

    /// What every member has synced may go; a member counts until it was silent for seven days or is retired.
    @Test func truncation() {
        func order(_ bench: Bench) -> Truncation? {
            bench.effects.lazy.compactMap { if case .truncate(let order) = $0 { order } else { nil } }.first
        }
        let members = [Bench.second, Bench.third].map { Member(id: NodeID($0), addresses: [], logFormat: 1) }
        var bench = Bench(rows: [Bench.row(Bench.own, 9, chain: 9)], members: members)
        let id = bench.connect(state: [Bench.row(Bench.own, 6, chain: 6)])
        bench.wait(60_000)
        #expect(order(bench)?.rows.map(\.acknowledged) == [0], "one was never heard")
        #expect(order(bench)?.settledBefore == bench.now.wall.advanced(byMilliseconds: -86_400_000))
        #expect(order(bench)?.cappedBefore == bench.now.wall.advanced(byMilliseconds: -7 * 86_400_000))
        let third = bench.connect(
            Bench.hello(Bench.third, run: 3, wall: bench.now.wall), state: [Bench.row(Bench.own, 8, chain: 8)])
        bench.wait(60_000)
        #expect(order(bench)?.rows.map(\.acknowledged) == [6])
        _ = (id, third)
        bench.wait(ReplicationLimits.memberSilence)
        #expect(order(bench)?.rows.map(\.acknowledged) == [9])
        bench.tell(.truncated([Floor(origin: Bench.own, floor: 9)]))
        bench.wait(60_000)
        #expect(order(bench) == nil, "nothing is left")
    }

    /// As long as much goes at once, the next order does not wait for its time.
    @Test func muchToTruncate() {
        var bench = Bench(rows: [Bench.row(Bench.own, 20_000, chain: 9)])
        func orders(_ milliseconds: Int64) -> Bool {
            bench.wait(milliseconds)
            return bench.effects.contains { if case .truncate = $0 { true } else { false } }
        }
        #expect(orders(60_000))
        bench.tell(.truncated([Floor(origin: Bench.own, floor: 8192)]))
        #expect(!orders(999) && orders(1))
        bench.tell(.truncated([Floor(origin: Bench.own, floor: 8192 + 4095)]))
        #expect(!orders(59_999) && orders(1))
    }

    // MARK: Quarantine

    @Test(
        arguments: [(.unknownKind(sequence: 2), .unknownKind), (.poison(sequence: 2), .poison)]
            as [(Applied.Outcome, Quarantine)])
    func applierCannot(outcome: Applied.Outcome, reason: Quarantine) {
        var bench = Bench()
        let id = bench.connect(state: [Bench.row(Bench.second, 3, chain: 3), Bench.row(Bench.third, 1, chain: 1)])
        bench.receive(id, .entries(Bench.entries(1...3)))
        bench.applied(Bench.second, 1, outcome)
        #expect(bench.alarms == [.quarantined(Bench.second, reason)])
        for _ in 0..<20 {
            bench.receive(id, .entries(Bench.entries(2...3)))
            #expect(bench.batches == [] && bench.alarms == [] && bench.closes == [])
        }
        bench.receive(id, .entries(Bench.entries(1...1, Bench.third)))
        #expect(bench.batches.count == 1, "other origins go on")
        bench.tell(.command(.release(Bench.second)))
        #expect(bench.effects.contains(.cleared(.quarantined(Bench.second, reason))))
        bench.receive(id, .entries(Bench.entries(2...3)))
        #expect(bench.batches.map(\.first) == [2])
    }

    /// Another store, or another life: what was held back is asked for anew, and alarms of it end; but two versions stay two.
    @Test func quarantinesEndWithTheStore() {
        var bench = Bench()
        let id = bench.connect(state: [Bench.row(Bench.second, 3, chain: 3), Bench.row(Bench.third, 2, chain: 2)])
        bench.receive(id, .entries(Bench.entries(1...3)))
        bench.applied(Bench.second, 1, .poison(sequence: 2))
        bench.receive(id, .entries(Bench.entries(1...2, Bench.third)))
        bench.applied(Bench.third, 1, .chainMismatch)
        let own = Origin(region: Bench.own.region, node: 0, incarnation: 12)
        bench.tell(
            .incarnationBegan(
                Holdings(
                    own: own, rows: [], members: [Bench.settings().member], isFresh: false, forked: [Bench.third])))
        #expect(bench.effects.contains(.cleared(.quarantined(Bench.second, .poison))))
        #expect(!bench.effects.contains(.cleared(.quarantined(Bench.third, .fork))))
        #expect(bench.machine.quarantines == [Bench.third: .fork])
    }

    // MARK: Clocks

    /// More than 60 s ahead: what stands before is applied, the rest is neither applied, acknowledged nor relayed, and
    /// tried again.
    @Test func stampsTooFarAhead() {
        var bench = Bench()
        let wall = Bench.start.wall.milliseconds
        let id = bench.connect(state: [Bench.row(Bench.second, 2, chain: 2)])
        var entries = Bench.entries(1...1, stamp: wall + 60_000)
        let late = Bench.entries(2...2, stamp: wall + 61_500)
        (entries.bytes, entries.count, entries.chainAfter) = (entries.bytes + late.bytes, 2, late.chainAfter)
        bench.receive(id, .entries(entries))
        #expect(bench.batches.map(\.count) == [1] && bench.batches[0].chainAfter == nil)
        bench.applied(Bench.second, 1)
        #expect(bench.alarms == [.quarantined(Bench.second, .clock)])
        bench.receive(id, .entries(late))
        #expect(bench.batches == [])
        bench.wait(1000)
        #expect(
            bench.pulls.map(\.pull.from) == [2] && bench.effects.contains(.cleared(.quarantined(Bench.second, .clock))))
        bench.receive(id, .entries(late))
        #expect(bench.batches == [] && bench.alarms.count == 1)
        var waited = 0
        while bench.batches == [], waited < 10 {
            repeat { bench.wait(100) } while bench.pulls.isEmpty
            bench.receive(id, .entries(late))
            waited += 1
        }
        #expect(bench.batches.map(\.first) == [2])
    }
}
