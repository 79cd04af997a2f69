import Links
import Replication
import Testing

@testable import Simulation

/// Each thing that acceptors must not do.
struct VoteWitnessTests {
    private static let nodes = (0..<4).map { NodeID(region: 0x31 + UInt8($0), node: 0) }
    private static let first = Epoch(number: 1, acceptors: Array(nodes.prefix(3)))
    private static let second = first.followed(by: Array(nodes.prefix(2)))
    private static let name: [UInt8] = [3, 0x61]
    private static let life: UInt64 = 1 << 32 | 1

    /// Three acceptors that vote in the first epoch.
    private struct Bench {
        var witness = VoteWitness()
        /// Links that every store has.
        var links: [[UInt8]: UInt128] = [:]

        init() {
            for index in 0..<3 { become(index, Standing(epoch: first, life: life, wholeFor: 1)) }
        }

        mutating func commit(_ index: Int, _ rows: [RegisterRow], _ standing: Standing? = nil) {
            let write = RegisterWrite(batch: 1, rows: rows, forgotten: [], standing: standing)
            let links = links
            witness.committed(nodes[index], write) { links[$0] }
        }

        mutating func become(_ index: Int, _ standing: Standing) { commit(index, [], standing) }

        mutating func promise(_ index: Int, _ round: UInt64) {
            var row = witness.disk(nodes[index]).rows[name] ?? RegisterRow(key: name)
            row.promised = ballot(round)
            commit(index, [row])
        }

        mutating func accept(_ index: Int, _ round: UInt64, _ claim: UInt128) {
            var row = RegisterRow(key: name)
            let value = RegisterValue(claim: claim, bytes: [1])
            (row.promised, row.accepted) = (ballot(round), Proposal(ballot: ballot(round), value: value))
            commit(index, [row])
        }

        mutating func vote(_ index: Int, _ round: UInt64, _ verdict: Votes.Verdict, epoch: UInt64 = 1) {
            let votes = Votes(
                epoch: epoch, roll: Roll(), rows: [Votes.Row(key: name, ballot: ballot(round), verdict: verdict)])
            let links = links
            witness.sent(.votes(votes), by: nodes[index]) { links[$0] }
        }

        func ballot(_ round: UInt64) -> Ballot { Ballot(round: round, node: nodes[3], attempt: 7) }

        var rules: [Rule] { mutating get { witness.takeFindings().map(\.rule) } }
    }

    @Test func majorityChooses() {
        var bench = Bench()
        for index in 0..<2 {
            bench.promise(index, 1)
            bench.vote(index, 1, .promised(nil))
            #expect(bench.witness.chosen.isEmpty)
            bench.accept(index, 1, 5)
            bench.vote(index, 1, .accepted)
        }
        bench.witness.decided(Self.name, 5, by: Self.nodes[3])
        #expect(bench.rules == [] && bench.witness.isChosen(Self.name, 5))
    }

    @Test func twoAreChosen() {
        var bench = Bench()
        for (round, claim) in [(1, 5), (2, 6)] as [(UInt64, UInt128)] {
            for index in 0..<2 {
                bench.promise(index, round)
                bench.accept(index, round, claim)
            }
        }
        #expect(bench.rules == [.oneWinner])
    }

    @Test func aliasFromBeforeIsClaimed() {
        var bench = Bench()
        bench.witness.stoodBefore(Self.name)
        for index in 0..<2 {
            bench.promise(index, 1)
            bench.accept(index, 1, 5)
        }
        #expect(bench.rules == [.oneWinner])
    }

    @Test func oneVoteIsNone() {
        var bench = Bench()
        bench.promise(0, 1)
        bench.accept(0, 1, 5)
        bench.witness.decided(Self.name, 5, by: Self.nodes[3])
        #expect(bench.rules == [.byMajority])
    }

    /// The second voter knew that the first has a later life.
    @Test func voteOfAnOldLifeIsNone() {
        var bench = Bench()
        bench.promise(0, 1)
        bench.accept(0, 1, 5)
        var standing = Standing(epoch: Self.first, life: Self.life, wholeFor: 1)
        standing.roll[Self.nodes[0]] = 2 << 32 | 1
        bench.become(1, standing)
        bench.promise(1, 1)
        bench.accept(1, 1, 5)
        #expect(bench.witness.chosen.isEmpty && bench.rules == [])
    }

    @Test func acceptsWhatItHasNotPromised() {
        var bench = Bench()
        bench.accept(0, 1, 5)
        #expect(bench.rules == [.promisesKept])
    }

    @Test func acceptsWhatItsFormerLifePromised() {
        var bench = Bench()
        bench.promise(0, 1)
        bench.become(0, Standing(epoch: Self.first, life: 2 << 32 | 1, wholeFor: 1))
        bench.accept(0, 1, 5)
        #expect(bench.rules == [.promisesKept])
    }

    /// A disk of before a promise goes on as the life that gave it.
    @Test func promisesLess() {
        var bench = Bench()
        let earlier = bench.witness.disk(Self.nodes[0])
        bench.promise(0, 2)
        bench.witness.undo(Self.nodes[0], earlier)
        bench.promise(0, 1)
        #expect(bench.rules == [.promisesKept])
    }

    @Test func toldBeforeItIsDurable() {
        var bench = Bench()
        bench.vote(0, 1, .promised(nil))
        #expect(bench.rules == [.votesDurable])
        bench.promise(0, 1)
        bench.vote(0, 1, .accepted)
        #expect(bench.rules == [.votesDurable])
        bench.links[Self.name] = 5
        bench.vote(0, 1, .accepted)
        #expect(bench.rules == [])
    }

    @Test func lostDiskVotes() {
        var bench = Bench()
        bench.witness.lost(Self.nodes[0])
        bench.become(0, Standing(epoch: Self.first, life: 2 << 32 | 1))
        bench.promise(0, 1)
        bench.vote(0, 1, .promised(nil))
        #expect(bench.rules == [.lostLearns])
    }

    @Test func lostDiskHasNotLearned() {
        var bench = Bench()
        for index in 1..<3 {
            bench.promise(index, 1)
            bench.accept(index, 1, 5)
        }
        bench.witness.lost(Self.nodes[0])
        #expect(bench.witness.disk(Self.nodes[0]).wholeFor == 0)
        bench.become(0, Standing(epoch: Self.first, life: 2 << 32 | 1, wholeFor: 1))
        #expect(bench.rules == [.lostLearns])
        bench.witness.lost(Self.nodes[0])
        bench.links[Self.name] = 5
        bench.become(0, Standing(epoch: Self.first, life: 3 << 32 | 1, wholeFor: 1))
        #expect(bench.rules == [] && bench.witness.disk(Self.nodes[0]).wholeFor == 1)
    }

    @Test func otherLinkWasLearned() {
        var bench = Bench()
        for index in 1..<3 {
            bench.promise(index, 1)
            bench.accept(index, 1, 5)
        }
        bench.witness.lost(Self.nodes[0], earlier: bench.witness.disk(Self.nodes[0]))
        #expect(bench.witness.disk(Self.nodes[0]).isInDoubt)
        bench.links[Self.name] = 6
        bench.become(0, Standing(epoch: Self.first, life: 2 << 32 | 1, wholeFor: 1))
        #expect(bench.rules == [.lostLearns] && !bench.witness.disk(Self.nodes[0]).isInDoubt)
    }

    @Test func answerOfAnotherEpoch() {
        var bench = Bench()
        let rows = [Prepare.Row(key: Self.name, ballot: bench.ballot(1))]
        bench.witness.sent(.prepare(Prepare(epoch: 2, rows: rows)), by: Self.nodes[3]) { _ in nil }
        bench.promise(0, 1)
        bench.vote(0, 1, .promised(nil))
        #expect(bench.rules == [.oneEpoch])
    }

    @Test func epochGoesBack() {
        var bench = Bench()
        for index in 0..<3 {
            bench.become(index, Standing(epoch: Self.first, next: Self.second, life: Self.life, wholeFor: 1))
        }
        bench.become(0, Standing(epoch: Self.second, life: Self.life, wholeFor: 1))
        #expect(bench.rules == [] && bench.witness.newest == Self.second)
        bench.become(0, Standing(epoch: Self.first, next: Self.second, life: Self.life, wholeFor: 1))
        #expect(bench.rules == [.oneEpoch])
    }

    /// One has confirmed the next, and it begins.
    @Test func epochBeginsTooEarly() {
        var bench = Bench()
        bench.become(0, Standing(epoch: Self.second, life: Self.life, wholeFor: 1))
        #expect(bench.rules == [.oneEpoch])
    }

    @Test func epochOfTwoForms() {
        var bench = Bench()
        for index in 0..<3 {
            bench.become(index, Standing(epoch: Self.first, next: Self.second, life: Self.life, wholeFor: 1))
        }
        bench.become(0, Standing(epoch: Self.second, life: Self.life, wholeFor: 1))
        #expect(bench.rules == [])
        let other = Self.first.followed(by: [Self.nodes[1], Self.nodes[2]])
        bench.become(1, Standing(epoch: other, life: Self.life, wholeFor: 1))
        #expect(bench.rules == [.oneEpoch])
    }

    /// Who is gone for good has no part in a majority of the former epoch.
    @Test func goneDoNotCount() {
        var bench = Bench()
        bench.witness.gone = [Self.nodes[1]]
        bench.become(0, Standing(epoch: Self.second, life: Self.life, wholeFor: 1))
        #expect(bench.rules == [])
    }
}
