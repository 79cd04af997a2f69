import Links
import Primitives
import Testing

@testable import Replication

/// From one configuration to the next, and acceptors that have lost what they knew.
struct RegisterEpochTests {
    private static func id(_ index: Int) -> NodeID { RegisterBench.id(index) }
    private func key(_ name: UInt8) -> [UInt8] { [3, name] }

    private func change(_ bench: inout RegisterBench, _ list: [Int], at node: Int = 0, claim: UInt128) {
        bench.tell(Self.id(node), .command(.change(to: list.map(Self.id), claim: claim)))
    }

    @Test(
        arguments: [
            ([0, 1, 2], .noChange), ([0], .moreThanOne), ([0, 1, 2, 3, 4], .moreThanOne), ([0, 3, 4], .moreThanOne),
            ([], .malformed), ([0, 1, 2, 2], .malformed), ([0, 1, 2, 3], nil), ([0, 1], nil), ([0, 1, 3], nil),
        ] as [([Int], EpochObjection?)])
    func oneAtATime(list: [Int], objection: EpochObjection?) {
        let epoch = Epoch(number: 3, acceptors: [0, 1, 2].map(Self.id))
        #expect(epoch.objection(to: epoch.followed(by: list.map(Self.id))) == objection)
    }

    @Test func objections() {
        let epoch = Epoch(number: 3, acceptors: [Self.id(0)])
        #expect(epoch.objection(to: epoch.followed(by: [Self.id(1)])) == .noneStays)
        #expect(epoch.objection(to: Epoch(number: 5, acceptors: [Self.id(0), Self.id(1)])) == .notTheNext)
        let twin = NodeID(region: Self.id(0).region, node: 3)
        #expect(epoch.objection(to: epoch.followed(by: [Self.id(0), twin])) == .twoInOneRegion)
        var bench = RegisterBench(3, acceptors: 1)
        change(&bench, [1], claim: 5)
        #expect(bench.answers == [5: .refused(.noneStays)])
    }

    /// Who is no acceptor, and claims nothing, hears of a new epoch from those that it is connected with.
    @Test func aBystanderHears() {
        var bench = RegisterBench(4, acceptors: 3)
        bench.tell(Self.id(1), .connected(Self.id(3)))
        bench.run(for: 1000)
        change(&bench, [0, 1], claim: 5)
        bench.run(for: 2000)
        #expect((0..<4).map { bench.epoch($0) } == [2, 2, 2, 2])
    }

    /// Each step under claims, and each with one node after another killed in the midst of it.
    @Test(arguments: 0...4) func oneTwoThreeFourThree(killed: Int) {
        var (bench, claim) = (RegisterBench(4, acceptors: 1), UInt128(1))
        var taken: [[UInt8]: UInt128] = [:]
        for (step, list) in [[0, 1], [0, 1, 2], [0, 1, 2, 3], [1, 2, 3]].enumerated() {
            let name = UInt8(step)
            bench.claim(step % 2, key(name), claim)
            taken[key(name)] = claim
            change(&bench, list, at: 0, claim: 1000 + claim)
            bench.run(for: 90)
            if killed < 4 {
                bench.down = [Self.id(killed)]
                bench.run(for: 3000)
                bench.down = []
            }
            bench.run(for: 40_000)
            #expect(list.allSatisfy { bench.votes($0) && bench.epoch($0) == UInt64(step + 2) }, "\(step) \(list)")
            // Whoever tries a name of any epoch at any node meets its winner.
            for (key, _) in taken { for node in 0..<4 { bench.claim(node, key, 500 + claim * 10 + UInt128(node)) } }
            bench.run(for: 2000)
            claim += 1
        }
        var winners: [[UInt8]: Set<UInt128>] = [:]
        for node in bench.nodes.values {
            for (key, value) in node.links { winners[key, default: []].insert(value.claim) }
        }
        #expect(winners.count == 4 && winners.values.allSatisfy { $0.count == 1 }, "\(winners)")
    }

    /// Two operators want different things: one is decided, the other is told which.
    @Test func twoOperators() {
        var bench = RegisterBench(4, acceptors: 3)
        change(&bench, [0, 1, 2, 3], at: 0, claim: 1)
        change(&bench, [0, 1], at: 1, claim: 2)
        bench.run(for: 20_000)
        #expect(Set((0..<3).map { bench.epoch($0) }) == [2])
        let won = bench.answers.values.count { if case .won = $0 { true } else { false } }
        let taken = bench.answers.values.count { if case .taken = $0 { true } else { false } }
        #expect((won, taken) == (1, 1), "\(bench.answers)")
    }

    /// Without the one that is gone nothing begins; with the operator's word it does.
    @Test func declaredDead() {
        var bench = RegisterBench(3, acceptors: 3)
        bench.down = [Self.id(2)]
        change(&bench, [0, 1], claim: 1)
        bench.run(for: 30_000)
        #expect((bench.epoch(0), bench.epoch(1)) == (1, 1) && bench.nodes[Self.id(0)]!.machine.awaited == [Self.id(2)])
        change(&bench, [0, 1], claim: 2)
        #expect(bench.answers[2] == .refused(.underWay))
        // Both have confirmed: nothing is decided meanwhile.
        bench.claim(0, key(1), 7)
        bench.run(for: 2000)
        #expect(bench.answers[7] == .unavailable)
        bench.tell(Self.id(0), .command(.declareDead(Self.id(2))))
        bench.run(for: 5000)
        #expect(bench.votes(0) && bench.votes(1) && bench.epoch(1) == 2)
        // The dead one comes back, and hears of it before it does any harm.
        bench.down = []
        bench.claim(2, key(2), 8)
        bench.run(for: 5000)
        #expect(bench.epoch(2) == 2 && bench.answers[8] == .won(RegisterValue(claim: 8, bytes: [2])))
    }

    /// One that stays is gone while the next one is added, which learns from the others; all of them go on without it. When
    /// it comes back it learns what was decided without it, and votes.
    @Test func declaredDeadThatStays() {
        var bench = RegisterBench(4, acceptors: 3)
        bench.claim(0, key(1), 6)
        bench.run(for: 2000)
        bench.down = [Self.id(2)]
        change(&bench, [0, 1, 2, 3], claim: 1)
        bench.run(for: 30_000)
        #expect(bench.epoch(0) == 1 && bench.nodes[Self.id(0)]!.machine.awaited == [Self.id(2)])
        bench.tell(Self.id(0), .command(.declareDead(Self.id(2))))
        bench.run(for: 5000)
        #expect([0, 1, 3].allSatisfy { bench.votes($0) && bench.epoch($0) == 2 })
        bench.claim(3, key(1), 7)
        bench.claim(3, key(2), 8)
        bench.run(for: 2000)
        #expect(bench.answers[7] == .taken(RegisterValue(claim: 6, bytes: [0])))
        #expect(bench.answers[8] == .won(RegisterValue(claim: 8, bytes: [3])))
        bench.down = []
        bench.run(for: 5000)
        #expect(bench.votes(2) && bench.epoch(2) == 2)
        bench.claim(2, key(2), 9)
        bench.run(for: 2000)
        #expect(bench.answers[9] == .taken(RegisterValue(claim: 8, bytes: [3])))
        change(&bench, [0, 1, 3], claim: 2)
        bench.run(for: 5000)
        #expect([0, 1, 3].allSatisfy { bench.votes($0) && bench.epoch($0) == 3 })
    }

    // MARK: Lost disks

    private func lose(_ bench: inout RegisterBench, _ index: Int) {
        bench.nodes[Self.id(index)]!.rows = [:]
        bench.nodes[Self.id(index)]!.links = [:]
        bench.tell(Self.id(index), .lost)
    }

    /// It votes again after it has the registers of both others, page by page, and not before.
    @Test func learnsBeforeItVotes() {
        var bench = RegisterBench(4, acceptors: 3)
        for name in 1...7 as ClosedRange<UInt8> { bench.claim(3, key(name), UInt128(name)) }
        bench.run(for: 300)
        for index in 0..<3 { bench.nodes[Self.id(index)]!.links = [:] }
        bench.down = [Self.id(1)]
        lose(&bench, 2)
        bench.run(for: 5000)
        #expect(!bench.votes(2), "one of two others is no majority of them")
        bench.claim(0, key(9), 90)
        bench.run(for: 2000)
        #expect(bench.answers[90] == .unavailable)
        bench.down = []
        bench.run(for: 5000)
        #expect(bench.votes(2))
        for name in 1...7 as ClosedRange<UInt8> {
            let node = bench.nodes[Self.id(2)]!
            let value = node.rows[key(name)]?.accepted?.value ?? node.links[key(name)]
            #expect(value == RegisterValue(claim: UInt128(name), bytes: [3]))
        }
        #expect(
            bench.nodes[Self.id(0)]!.machine.standing.roll[Self.id(2)] == bench.nodes[Self.id(2)]!.machine.standing.life
        )
    }

    /// What the givers' heads spoke of never comes: after a while it walks their registers once more, to their heads of then,
    /// and only these count.
    @Test func headsThatNeverCome() {
        var bench = RegisterBench(3, acceptors: 3)
        bench.withholdsCovers = true
        lose(&bench, 2)
        bench.run(for: RegisterLimits.coverPatience / 2)
        let first = bench.withheld
        #expect(first.count == 2)
        bench.run(for: RegisterLimits.coverPatience)
        let second = Array(bench.withheld.dropFirst(2))
        #expect(second.count == 2)
        #expect(first.allSatisfy { !bench.nodes[Self.id(2)]!.machine.awaits(cover: $0) })
        #expect(second.allSatisfy { bench.nodes[Self.id(2)]!.machine.awaits(cover: $0) })
        for number in first { bench.tell(Self.id(2), .covered(number)) }
        #expect(!bench.votes(2))
        for number in second { bench.tell(Self.id(2), .covered(number)) }
        #expect(bench.votes(2))
        #expect(second.allSatisfy { !bench.nodes[Self.id(2)]!.machine.awaits(cover: $0) })
    }

    /// Two of three: nobody votes, until the operator gives the word to one of them; the other learns from both.
    @Test func majorityLost() {
        var bench = RegisterBench(3, acceptors: 3)
        lose(&bench, 1)
        lose(&bench, 2)
        bench.run(for: 30_000)
        #expect(!bench.votes(1) && !bench.votes(2))
        bench.claim(0, key(1), 1)
        bench.run(for: 2000)
        #expect(bench.answers[1] == .unavailable)
        bench.tell(Self.id(1), .command(.vouch))
        bench.run(for: 5000)
        #expect(bench.votes(1) && bench.votes(2), "one that had nothing to give has by now")
        bench.claim(0, key(1), 1)
        bench.run(for: 2000)
        #expect(bench.answers[1] == .won(RegisterValue(claim: 1, bytes: [0])))
    }

    /// Three acceptors; the third leaves, after it chose a name with the second, and neither of the others has learned yet.
    private func entering(_ name: [UInt8]) -> RegisterBench {
        var bench = RegisterBench(3, acceptors: 3)
        bench.down = [Self.id(0)]
        bench.claim(1, name, 5)
        bench.run(for: 1000)
        (bench.down, bench.withholdsCovers) = ([], true)
        for index in 0..<3 { bench.nodes[Self.id(index)]!.links = [:] }
        change(&bench, [0, 1], at: 1, claim: 6)
        bench.run(for: 2000)
        #expect((0..<3).allSatisfy { bench.epoch($0) == 2 && !bench.votes($0) })
        bench.withholdsCovers = false
        return bench
    }

    /// Both took a new life for a doubt that was none. The operator's word makes them what they were before, so they learn
    /// from each other what was chosen in the former epoch; as if they had been whole in this one, one would have lacked it.
    @Test func vouchedForAmidAChange() {
        var bench = entering(key(1))
        for index in 0..<2 { bench.tell(Self.id(index), .lost) }
        bench.run(for: 2000)
        #expect(!bench.votes(0) && !bench.votes(1))
        for index in 0..<2 { bench.tell(Self.id(index), .command(.vouch)) }
        #expect(!bench.votes(0) && !bench.votes(1))
        bench.run(for: 2000)
        #expect(bench.votes(0) && bench.votes(1))
        let node = bench.nodes[Self.id(0)]!
        #expect((node.rows[key(1)]?.accepted?.value ?? node.links[key(1)])?.claim == 5)
    }

    /// One of those that enter has lost its disk, and the other and the one that was left out took new lives: the word to the
    /// latter lets it give what it knows. Without it, a second word to the one that enters says that it is given up.
    @Test(arguments: [true, false]) func vouchedForThoughLeftOut(givesUp: Bool) {
        var bench = entering(key(1))
        lose(&bench, 1)
        for index in [0, 2] { bench.tell(Self.id(index), .lost) }
        bench.tell(Self.id(0), .command(.vouch))
        bench.run(for: 5000)
        #expect(!bench.votes(0) && !bench.votes(1))
        bench.tell(Self.id(givesUp ? 0 : 2), .command(.vouch))
        bench.run(for: 5000)
        #expect(bench.votes(0) && bench.votes(1))
        let node = bench.nodes[Self.id(1)]!
        #expect(givesUp || (node.rows[key(1)]?.accepted?.value ?? node.links[key(1)])?.claim == 5)
    }

    /// Of the two epochs for which it may hold the registers whole one is told at most, and neither is later than it knows.
    @Test func standingsAreKept() throws {
        let epoch = Epoch(number: 3, acceptors: (0..<3).map(Self.id))
        func kept(_ standing: Standing) throws -> Standing {
            var bytes: [UInt8] = []
            standing.encode(into: &bytes)
            var rest = bytes.span.bytes
            return try Standing(decoding: &rest)
        }
        for (whole, before) in [(0, 0), (3, 0), (0, 3), (0, 2)] as [(UInt64, UInt64)] {
            let standing = Standing(epoch: epoch, life: 7, wholeFor: whole, wholeBefore: before)
            #expect(try kept(standing) == standing)
        }
        for (whole, before) in [(4, 0), (0, 4), (1 << 63, 0)] as [(UInt64, UInt64)] {
            let standing = Standing(epoch: epoch, life: 7, wholeFor: whole, wholeBefore: before)
            #expect(throws: MalformedBytes.self) { try kept(standing) }
        }
    }

    /// A cluster that begins: once all have said that they never voted, all vote, and nobody's word is needed.
    @Test(arguments: [2, 3, 5]) func begins(count: Int) {
        var bench = RegisterBench(count, acceptors: count, areNew: true)
        bench.down = [Self.id(count - 1)]
        bench.run(for: 10_000)
        #expect((0..<count).allSatisfy { !bench.votes($0) }, "one is missing")
        bench.down = []
        bench.run(for: 5000)
        #expect((0..<count).allSatisfy { bench.votes($0) })
        bench.claim(0, key(1), 1)
        bench.run(for: 1000)
        #expect(bench.answers[1] == .won(RegisterValue(claim: 1, bytes: [0])))
    }

    /// Two of those that began together lose their disks before the third ever voted with them: they are not let in as if
    /// the cluster began, because the one that is left has voted.
    @Test func beginsOnce() {
        var bench = RegisterBench(3, acceptors: 3, areNew: true)
        bench.run(for: 5000)
        #expect(bench.votes(0) && bench.votes(1) && bench.votes(2))
        let founders = bench.nodes[Self.id(0)]!.machine.standing.founders
        lose(&bench, 1)
        lose(&bench, 2)
        bench.run(for: 30_000)
        #expect(!bench.votes(1) && !bench.votes(2) && bench.votes(0))
        #expect(bench.nodes[Self.id(0)]!.machine.standing.founders == founders)
    }

    /// A life that nobody but a proposer has heard of, as where the disk was lost that knew it: an acceptor in an earlier one
    /// begins a later one, or none of its votes would count there.
    @Test func aLaterLifeThatOneProposerKnows() {
        var bench = RegisterBench(4, acceptors: 3)
        let later = UInt64(9) << 32
        let votes = Votes(epoch: 1, roll: Roll([Self.id(2): later]), rows: [])
        bench.tell(Self.id(3), .received(Self.id(2), .votes(votes)))
        bench.claim(3, key(1), 1)
        bench.run(for: 5000)
        #expect(bench.answers[1] == .won(RegisterValue(claim: 1, bytes: [3])))
        #expect(bench.votes(2) && bench.nodes[Self.id(2)]!.machine.standing.life > later)
        bench.down = [Self.id(1)]
        bench.claim(3, key(2), 2)
        bench.run(for: 2000)
        #expect(bench.answers[2] == .won(RegisterValue(claim: 2, bytes: [3])))
    }

    /// Nobody hears of a life before it has voted: were it lost, the next might come before it, and whoever remembers would
    /// make a voter give up what it knows.
    @Test func aLifeThatHasNotVotedIsNotTold() {
        let first = Epoch(number: 1, acceptors: (0..<3).map(Self.id))
        func told(wholeFor: UInt64) -> UInt64? {
            let standing = Standing(epoch: first, life: 7, wholeFor: wholeFor, roll: Roll([Self.id(1): 5]))
            var machine = Registers(
                me: Self.id(0), first: first, standing: standing, isLost: false, seed: 1, now: 0)
            for case .send(_, .epochs(let epochs)) in machine.start() + machine.handle(.connected(Self.id(2)), now: 0) {
                #expect(epochs.roll[Self.id(1)] == 5)
                return epochs.roll.lives[Self.id(0)]
            }
            return .max
        }
        #expect(told(wholeFor: 0) == nil && told(wholeFor: 1) == 7)
    }

    /// What was promised and accepted by another life does not count, whoever counts it.
    @Test func votesOfAnotherLife() {
        let first = Epoch(number: 1, acceptors: (0..<3).map(Self.id))
        var machine = Registers(
            me: NodeID(region: UInt8(ascii: "9"), node: 0), first: first, standing: Standing(epoch: first, life: 1),
            isLost: false, seed: 1, now: 0)
        let value = RegisterValue(claim: 1, bytes: [])
        let asked = machine.handle(.claim(Claim(key: key(1), value: value)), now: 0)
        guard
            case .send(_, .prepare(let prepare))? = asked.first(where: { if case .send = $0 { true } else { false } }
            )
        else { return #expect(Bool(false)) }
        let ballot = prepare.rows[0].ballot
        func votes(_ index: Int, _ lives: [UInt64], _ verdict: Votes.Verdict) -> [RegisterEffect] {
            let roll = Roll(
                Dictionary(uniqueKeysWithValues: lives.enumerated().map { (Self.id($0.offset), $0.element) }))
            let votes = Votes(epoch: 1, roll: roll, rows: [.init(key: key(1), ballot: ballot, verdict: verdict)])
            return machine.handle(.received(Self.id(index), .votes(votes)), now: 0)
        }
        func accepts(_ effects: [RegisterEffect]) -> [UInt64] {
            effects.compactMap { if case .send(_, .accept(let accept)) = $0 { accept.life } else { nil } }
        }
        #expect(accepts(votes(0, [5, 0, 0], .promised(nil))) == [])
        // The second knows of a later life of the first: its promise is void.
        #expect(accepts(votes(1, [6, 5, 0], .promised(nil))) == [])
        #expect(accepts(votes(0, [6, 5, 0], .promised(nil))) == [6, 5])
        // Accepted by the life that promised, and by one that did not.
        #expect(votes(0, [6, 5, 0], .accepted).isEmpty)
        #expect(votes(1, [6, 7, 0], .accepted).isEmpty)
        #expect(votes(1, [6, 7, 0], .promised(nil)).count == 1)
        let last = votes(1, [6, 7, 0], .accepted)
        #expect(last.contains(.decided(key: key(1), value)))
    }
}
