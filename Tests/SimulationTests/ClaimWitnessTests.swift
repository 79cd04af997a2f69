import Testing

@testable import Simulation

/// Each thing that clients must not be told.
struct ClaimWitnessTests {
    private static let name: [UInt8] = [3, 0x61]

    /// Two claims of one name, by clients of two nodes, so far apart.
    private func witness(apart: Int64 = 40) -> ClaimWitness {
        var witness = ClaimWitness()
        witness.began(1, Self.name, at: 0, 1000)
        witness.began(2, Self.name, at: 1, 1000 + apart)
        return witness
    }

    private func rules(_ witness: inout ClaimWitness) -> [Rule] { witness.takeFindings().map(\.rule) }

    @Test func oneWins() {
        var witness = witness()
        #expect(witness.unanswered == [1, 2] && witness.raced == [Self.name] && witness.names == [Self.name])
        witness.answered(1, .created, chosen: [1])
        witness.answered(1, .created, chosen: [1])
        witness.answered(2, .taken(by: 1), chosen: [1])
        witness.showed(Self.name, of: 1, at: "1/0", chosen: [1])
        #expect(rules(&witness) == [] && witness.unanswered == [])
    }

    @Test func apartIsNoRace() {
        let witness = witness(apart: 2000)
        #expect(witness.raced.isEmpty)
    }

    @Test func twoWin() {
        var witness = witness()
        witness.answered(1, .created, chosen: [1])
        witness.answered(2, .created, chosen: [1, 2])
        #expect(rules(&witness) == [.oneWinner])
    }

    @Test func createdBeforeItIsChosen() {
        var witness = witness()
        witness.answered(1, .created, chosen: [])
        #expect(rules(&witness) == [.byMajority])
    }

    @Test func takenByNobody() {
        var witness = witness()
        witness.answered(2, .taken(by: 0), chosen: [])
        #expect(rules(&witness) == [.takenIfWon])
    }

    @Test func takenByAnother() {
        var witness = witness()
        witness.answered(2, .taken(by: 3), chosen: [1])
        #expect(rules(&witness) == [.takenIfWon])
    }

    @Test func takenFromTheWinner() {
        var witness = witness()
        witness.answered(1, .taken(by: 0), chosen: [1])
        #expect(rules(&witness) == [.takenIfWon])
        witness.answered(1, .created, chosen: [1])
        #expect(rules(&witness) == [.oneWinner])
    }

    /// Who made a link is not told any more once it is deleted.
    @Test func takenAfterItWasDeleted() {
        var witness = witness()
        witness.isDeleted(Self.name)
        witness.answered(1, .taken(by: 0), chosen: [1])
        witness.showed(Self.name, of: nil, at: "1/0", chosen: [1])
        #expect(rules(&witness) == [])
    }

    @Test func answerToNobody() {
        var witness = witness()
        witness.answered(9, .created, chosen: [9])
        #expect(rules(&witness) == [.oneWinner])
    }

    @Test func anotherLinkIsShown() {
        var witness = witness()
        witness.answered(1, .created, chosen: [1])
        witness.showed(Self.name, of: 2, at: "1/0", chosen: [1, 2])
        #expect(rules(&witness) == [.oneWinner])
        witness.showed(Self.name, of: 2, at: "1/0", chosen: [1])
        #expect(rules(&witness) == [.byMajority, .oneWinner])
        witness.showed(Self.name, of: nil, at: "1/0", chosen: [1])
        #expect(rules(&witness) == [.oneWinner])
    }

    @Test func sumsAddUp() {
        var (left, right) = (ClaimSums(), ClaimSums())
        (left.created, right.created, right.taken, right.losses) = (2, 3, 1, 4)
        (right.raced, right.epochs, right.dead, right.vouched) = (5, 6, 7, 8)
        left += right
        let text =
            "claims: 5 created, 1 taken, 0 unknown, 0 unavailable; 5 names raced; "
            + "acceptors: 6 epochs begun, 4 disks lost, 7 declared dead, 8 vouched for"
        #expect(left.text == text)
    }
}
