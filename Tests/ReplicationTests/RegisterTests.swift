import Links
import Primitives
import Testing

@testable import Replication

/// Registers with a store that answers at once and a network without faults, each frame as late as a test wants.
struct RegisterBench {
    struct Node {
        var machine: Registers
        var rows: [[UInt8]: RegisterRow] = [:]
        var links: [[UInt8]: RegisterValue] = [:]
        var storeFails = false
        /// Its links came ahead of their log.
        var linksAreUncovered = false
        /// And of these nobody can say whose they are.
        var unreadable: Set<[UInt8]> = []
    }

    var nodes: [NodeID: Node] = [:]
    var now: Int64 = 0
    var deadlines: [NodeID: Int64] = [:]
    /// Frames on their way: when, from, to.
    var wires: [(at: Int64, from: NodeID, to: NodeID, frame: Frame)] = []
    var delay: Int64 = 40
    /// Frames go nowhere.
    var down: Set<NodeID> = []
    var sent: [Frame] = []
    var answers: [UInt128: ClaimOutcome] = [:]
    var answeredAt: [UInt128: Int64] = [:]
    var decided: [NodeID: [[UInt8]]] = [:]
    /// Of what givers' heads spoke of nothing comes; the numbers by which it was asked for.
    var withholdsCovers = false
    var withheld: [UInt64] = []

    static func id(_ index: Int) -> NodeID { RegisterWorld.id(index) }

    /// The first `acceptors` of `count` nodes have voted from the beginning, unless all are new.
    init(_ count: Int, acceptors: Int, areNew: Bool = false) {
        let first = Epoch(number: 1, acceptors: (0..<acceptors).map(Self.id))
        for index in 0..<count {
            let standing = Standing(epoch: first, life: 1 << 32 | 1, wholeFor: 1)
            var machine = Registers(
                me: Self.id(index), first: first, standing: areNew || index >= acceptors ? nil : standing,
                isLost: false, seed: UInt64(index + 1), now: 0)
            let effects = machine.start()
            nodes[Self.id(index)] = Node(machine: machine)
            perform(effects, Self.id(index))
        }
    }

    mutating func tell(_ node: NodeID, _ event: RegisterEvent) {
        let effects = nodes[node]!.machine.handle(event, now: now)
        nodes[node]!.machine.checkInvariants()
        perform(effects, node)
    }

    mutating func claim(_ index: Int, _ key: [UInt8], _ claim: UInt128) {
        tell(Self.id(index), .claim(Claim(key: key, value: RegisterValue(claim: claim, bytes: [UInt8(index)]))))
    }

    private mutating func perform(_ effects: [RegisterEffect], _ node: NodeID) {
        for effect in effects {
            switch effect {
            case .send(let to, let frame):
                sent.append(frame)
                if !down.contains(node), !down.contains(to) { wires.append((now + delay, node, to, frame)) }
            case .setDeadline(let at): deadlines[node] = at
            case .read(let read): tell(node, .read(answer(read, nodes[node]!)))
            case .store(let write): store(write, node)
            case .cover(let number, _) where withholdsCovers: withheld.append(number)
            case .cover(let number, _), .coverEveryone(let number):
                for other in nodes.values { nodes[node]!.links.merge(other.links) { old, _ in old } }
                tell(node, .covered(number))
            case .decided(let key, let value):
                decided[node, default: []].append(key)
                nodes[node]!.links[key] = nodes[node]!.links[key] ?? value
            case .answer(let claim, _, let outcome): (answers[claim], answeredAt[claim]) = (outcome, now)
            }
        }
    }

    private func answer(_ read: RegisterRead, _ node: Node) -> RegisterAnswers {
        let rows = node.rows.values.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        let pages = read.pagesAfter.map { after in
            let rest = rows.filter { after.lexicographicallyPrecedes($0.key) }
            let part = Array(rest.prefix(3))
            return RegisterAnswers.Page(
                rows: part,
                linked: Set(part.map(\.key).filter { node.links[$0] != nil && !node.linksAreUncovered }),
                next: rest.count > 3 ? part.last!.key : [], heads: [])
        }
        return RegisterAnswers(
            batch: read.batch,
            known: read.keys.map {
                let isUnreadable = node.unreadable.contains($0)
                var known = RegisterAnswers.Known(
                    row: node.rows[$0], link: isUnreadable ? nil : node.links[$0], isCovered: !node.linksAreUncovered)
                known.isUnreadable = isUnreadable
                return known
            }, pages: pages)
    }

    private mutating func store(_ write: RegisterWrite, _ node: NodeID) {
        if nodes[node]!.storeFails { return tell(node, .stored(batch: write.batch, succeeded: false)) }
        for row in write.rows { nodes[node]!.rows[row.key] = row }
        for key in write.forgotten { nodes[node]!.rows[key] = nil }
        tell(node, .stored(batch: write.batch, succeeded: true))
    }

    mutating func run(for duration: Int64) {
        let end = now + duration
        while true {
            let frame = wires.indices.min { wires[$0].at < wires[$1].at }
            let timer = deadlines.min { ($0.value, $0.key) < ($1.value, $1.key) }
            let frameAt = frame.map { wires[$0].at } ?? .max
            guard min(frameAt, timer?.value ?? .max) <= end else { break }
            if frameAt <= timer?.value ?? .max {
                let next = wires.remove(at: frame!)
                now = max(now, next.at)
                if !down.contains(next.to) { tell(next.to, .received(next.from, next.frame)) }
            } else {
                now = max(now, timer!.value)
                deadlines[timer!.key] = nil
                tell(timer!.key, .deadline)
            }
        }
        now = end
    }

    func votes(_ index: Int) -> Bool { nodes[Self.id(index)]!.machine.standing.votes(Self.id(index)) }
    func epoch(_ index: Int) -> UInt64 { nodes[Self.id(index)]!.machine.standing.epoch.number }
}

/// What the model shows of many runs, shown of one each: how long, how many frames, which answer.
struct RegisterTests {
    private let key: [UInt8] = [3, 97]
    private func value(_ claim: UInt128, _ index: UInt8 = 0) -> RegisterValue {
        RegisterValue(claim: claim, bytes: [index])
    }

    @Test func limitsFitTogether() { RegisterLimits.check() }

    // MARK: Claims

    /// 40 ms one way: two round trips to the nearest majority, whether or not the third is there.
    @Test(arguments: [false, true]) func twoRoundTrips(oneIsDown: Bool) {
        var bench = RegisterBench(3, acceptors: 3)
        if oneIsDown { bench.down = [RegisterBench.id(2)] }
        bench.claim(0, key, 1)
        bench.run(for: 1900)
        #expect(bench.answers == [1: .won(value(1))] && bench.answeredAt[1] == 160)
        #expect(bench.decided == [RegisterBench.id(0): [key]])
    }

    @Test func aloneWithoutAFrame() {
        var bench = RegisterBench(1, acceptors: 1)
        bench.claim(0, key, 1)
        bench.claim(0, key, 2)
        #expect(bench.answers == [1: .won(value(1)), 2: .taken(value(1))])
        #expect(bench.sent.isEmpty)
    }

    /// A new store that is alone votes at once.
    @Test func aloneAndNew() {
        var bench = RegisterBench(1, acceptors: 1, areNew: true)
        bench.claim(0, key, 1)
        #expect(bench.answers == [1: .won(value(1))])
    }

    /// What is known to be chosen costs one round trip, and none where the own acceptor knows it.
    @Test func takenIsToldAtOnce() {
        var bench = RegisterBench(4, acceptors: 3)
        bench.claim(0, key, 1)
        bench.run(for: 1000)
        bench.claim(3, key, 2)
        bench.run(for: 1000)
        #expect(bench.answers[2] == .taken(value(1)) && bench.answeredAt[2] == 1080)
        bench.claim(1, key, 3)
        #expect(bench.answers[3] == .taken(value(1)))
    }

    /// The alias and the tombstone of before there were registers.
    @Test func whatTheStoreHasIsTaken() {
        var bench = RegisterBench(3, acceptors: 3)
        bench.nodes[RegisterBench.id(1)]!.links[key] = value(7, 9)
        bench.claim(0, key, 1)
        bench.claim(2, key, 7)
        bench.run(for: 1000)
        #expect(bench.answers == [1: .taken(value(7, 9)), 7: .won(value(7, 9))])
        #expect(bench.decided.isEmpty)
    }

    @Test func raceHasOneWinner() {
        var bench = RegisterBench(3, acceptors: 3)
        for index in 0..<3 { bench.claim(index, key, UInt128(index + 1)) }
        bench.run(for: 1900)
        let won = bench.answers.filter { $0.value == .won(value($0.key, UInt8($0.key - 1))) }
        #expect(bench.answers.count == 3 && won.count == 1)
    }

    /// What is in the store ahead of its log is answered, and its register stays for those who learn, until the log is here.
    @Test func whatCameAheadOfItsLogStays() {
        var bench = RegisterBench(3, acceptors: 3)
        let (giver, learner) = (RegisterBench.id(1), RegisterBench.id(2))
        bench.down = [learner]
        bench.claim(0, key, 1)
        bench.run(for: 500)
        bench.nodes[giver]!.links[key] = value(1)
        bench.nodes[giver]!.linksAreUncovered = true
        bench.claim(1, key, 5)
        bench.run(for: 60_000)
        #expect(bench.answers[5] == .taken(value(1)) && bench.nodes[giver]!.rows[key]?.accepted != nil)
        bench.nodes[giver]!.linksAreUncovered = false
        bench.run(for: 60_000)
        #expect(bench.nodes[giver]!.rows[key] == nil)
    }

    /// It holds back the claims of its own key, of a batch and of a page, and no other's.
    @Test func anAliasThatCannotBeReadIsNotVotedFor() {
        var bench = RegisterBench(3, acceptors: 3)
        bench.claim(0, key, 1)
        bench.run(for: 500)
        for index in 0..<3 { bench.nodes[RegisterBench.id(index)]!.unreadable = [key] }
        bench.claim(1, key, 5)
        bench.claim(1, [3, 98], 6)
        bench.run(for: 5000)
        #expect(bench.answers[5] == .unavailable && bench.answers[6] == .won(value(6, 1)))
        for index in 1..<3 { bench.nodes[RegisterBench.id(index)]!.unreadable = [] }
        bench.claim(1, key, 5)
        bench.run(for: 5000)
        #expect(bench.answers[5] == .taken(value(1)))
    }

    /// Whose value a round goes on with for others is not told that nothing was done.
    @Test func aRoundThatGoesOnForOthers() {
        var bench = RegisterBench(3, acceptors: 3)
        bench.down = [RegisterBench.id(1), RegisterBench.id(2)]
        bench.claim(0, key, 1)
        bench.run(for: 1900)
        bench.claim(0, key, 2)
        bench.run(for: 200)
        #expect(bench.answers == [1: .unknown])
        bench.down = []
        bench.run(for: 1700)
        #expect(bench.answers[2] == .taken(value(1)))
    }

    /// Nobody answers: nothing was done. Somebody may have accepted: not known, until asked again, at any node.
    @Test func answersWithoutAMajority() {
        var bench = RegisterBench(3, acceptors: 3)
        bench.down = [RegisterBench.id(1), RegisterBench.id(2)]
        bench.claim(0, key, 1)
        bench.run(for: 1999)
        #expect(bench.answers.isEmpty)
        bench.run(for: 1)
        #expect(bench.answers == [1: .unavailable])
        bench.down = []
        bench.claim(0, key, 2)
        bench.run(for: 100)
        // The promises have come, ACCEPT is on its way, and its answers will not be heard.
        bench.down = [RegisterBench.id(0)]
        bench.run(for: 2000)
        #expect(bench.answers[2] == .unknown)
        bench.down = []
        bench.claim(1, key, 2)
        bench.run(for: 1000)
        guard case .won(let value)? = bench.answers[2] else { return #expect(Bool(false), "\(bench.answers)") }
        #expect(value.claim == 2)
    }

    /// The proposer dies between ACCEPT and its end: an acceptor ends it, and hands the value out.
    @Test func leftHalfDone() {
        var bench = RegisterBench(4, acceptors: 3)
        bench.claim(3, key, 1)
        bench.run(for: 119)
        bench.down = [RegisterBench.id(3)]
        bench.run(for: 10_000)
        #expect(bench.decided.isEmpty)
        bench.run(for: 40_000)
        #expect(bench.decided.values.contains([key]))
    }

    // MARK: Many at once, and too many

    /// Rows share frames: a thousand claims take as many frames as one, within the bounds of a frame.
    @Test func manyInOneFrame() {
        var bench = RegisterBench(3, acceptors: 3)
        for number in 0..<3000 {
            var name: [UInt8] = [3]
            name.append(bigEndian: UInt32(number))
            bench.nodes[RegisterBench.id(0)]!.machine.join(
                Claim(
                    key: name, value: RegisterValue(claim: UInt128(number + 1), bytes: .init(repeating: 1, count: 400))),
                isClient: true)
        }
        bench.tell(RegisterBench.id(0), .deadline)
        bench.run(for: 1900)
        #expect(bench.answers.count == 3000)
        for frame in bench.sent { #expect((try? Frame.decode(frame.encoded().span.bytes)) != nil) }
        let prepares = bench.sent.count { if case .prepare = $0 { true } else { false } }
        let accepts = bench.sent.count { if case .accept = $0 { true } else { false } }
        #expect(prepares == 2 * 3 && accepts == 2 * 3, "to two nodes, 1024 rows and 512 KiB at most")
    }

    @Test func roundsAreBounded() {
        var bench = RegisterBench(3, acceptors: 3)
        bench.down = [RegisterBench.id(1), RegisterBench.id(2)]
        for number in 0...RegisterLimits.rounds {
            var name: [UInt8] = [3]
            name.append(bigEndian: UInt32(number))
            bench.nodes[RegisterBench.id(0)]!.machine.join(
                Claim(key: name, value: value(UInt128(number + 1))), isClient: true)
        }
        bench.claim(0, key, 77_777)
        #expect(bench.answers == [77_777: .overloaded])
    }

    /// What waits for the store is bounded; what was not taken is asked again.
    @Test func queueIsBounded() {
        let first = Epoch(number: 1, acceptors: [RegisterBench.id(0), RegisterBench.id(1)])
        var machine = Registers(
            me: RegisterBench.id(0), first: first, standing: Standing(epoch: first, life: 1, wholeFor: 1),
            isLost: false,
            seed: 1, now: 0)
        let rows = (0..<1024).map { Prepare.Row(key: [3, UInt8($0 >> 8), UInt8($0 & 255)], ballot: Samples.ballot) }
        for _ in 0..<200 {
            _ = machine.handle(
                .received(RegisterBench.id(1), .prepare(Prepare(epoch: 1, rows: rows))), now: 0)
            machine.checkInvariants()
        }
        #expect(machine.queuedRows > RegisterLimits.queuedRows - 1026)
    }

    /// A store that cannot write says nothing to anyone; when it can again, all goes on.
    @Test func storeFails() {
        var bench = RegisterBench(3, acceptors: 3)
        for index in 1...2 { bench.nodes[RegisterBench.id(index)]!.storeFails = true }
        bench.claim(0, key, 1)
        bench.run(for: 1500)
        #expect(bench.answers.isEmpty && !bench.sent.contains { if case .votes = $0 { true } else { false } })
        for index in 1...2 { bench.nodes[RegisterBench.id(index)]!.storeFails = false }
        bench.run(for: 499)
        #expect(bench.answers.isEmpty)
        bench.claim(0, key, 1)
        bench.run(for: 1900)
        #expect(bench.answers == [1: .won(value(1))])
    }
}
