import Links
import Primitives

@testable import Replication

/// Sees every disk, and knows of each register what is chosen from the moment at which it is; nothing here is the machine's
/// own reckoning.
struct RegisterWitness {
    struct Ballots: Hashable {
        var key: [UInt8]
        var epoch: UInt64
        var ballot: Ballot
        var claim: UInt128
    }

    /// Who has accepted, in which life, and which lives it knew of.
    struct Holder {
        var node: NodeID
        var life: UInt64
        var roll: Roll
    }

    var epochs: [UInt64: Epoch] = [:]
    private var holders: [Ballots: [Holder]] = [:]
    /// Claims; more than one is a violation.
    var chosen: [[UInt8]: Set<UInt128>] = [:]
    /// What was chosen when an acceptor lost its disk, and when an epoch began to be heard of.
    private var chosenAtLoss: [NodeID: [[UInt8]: Set<UInt128>]] = [:]
    /// Acceptors whose disks hold all that they ever voted for.
    var whole: Set<NodeID> = []
    private var chosenAtStart: [UInt64: [[UInt8]: Set<UInt128>]] = [:]
    private(set) var violations: [String] = []

    mutating func found(_ violation: String) { violations.append(violation) }

    func isChosen(_ key: [UInt8], _ claim: UInt128) -> Bool { chosen[key]?.contains(claim) ?? false }

    func isWon(_ outcome: ClaimOutcome) -> Bool { if case .won = outcome { true } else { false } }

    mutating func lost(_ node: NodeID) {
        chosenAtLoss[node] = chosen
        whole.remove(node)
    }

    /// What a vote says is on the disk of who says it, who may vote.
    mutating func sent(_ frame: Frame, by node: NodeID, _ disk: RegisterWorld.Disk) {
        guard case .votes(let votes) = frame, let standing = disk.standing else { return }
        for row in votes.rows {
            let held = disk.rows[row.key]
            let isOver = disk.links[row.key] != nil || held?.isChosen == true
            switch row.verdict {
            case .refused, .chosen: continue
            case .promised: if !isOver, held?.promised ?? .none < row.ballot { found("promised before it was durable") }
            case .accepted:
                if !isOver, held?.accepted?.ballot ?? .none < row.ballot { found("accepted before it was durable") }
                // What it had learned before it asks to be accepted once more, and changes nothing on the disk.
                if let held, let proposal = held.accepted, proposal.ballot == row.ballot {
                    accepted(row.key, proposal, node, standing)
                }
            }
            if standing.wholeFor < votes.epoch { found("a vote of one that may not vote") }
        }
    }

    /// Nor does one that had learned its own ballot's value from another; that vote goes over no wire.
    mutating func votedForOwn(_ key: [UInt8], _ node: NodeID, _ disk: RegisterWorld.Disk) {
        guard let standing = disk.standing, standing.votes(node), let proposal = disk.rows[key]?.accepted,
            proposal.ballot.node == node
        else { return }
        accepted(key, proposal, node, standing)
    }

    mutating func committed(
        _ node: NodeID, before: RegisterWorld.Disk, after: RegisterWorld.Disk, _ write: RegisterWrite
    ) {
        guard let standing = after.standing else { return }
        if chosenAtStart[standing.epoch.number] == nil, standing.epoch.number > 1 {
            chosenAtStart[standing.epoch.number] = chosen
        }
        epochs[standing.epoch.number] = standing.epoch
        if standing.isWhole(node), before.standing?.isWhole(node) != true { becameWhole(node, after) }
        guard before.standing?.votes(node) == true else { return }
        for row in write.rows {
            guard let accepted = row.accepted, !row.isChosen, before.rows[row.key]?.accepted != accepted else {
                continue
            }
            if accepted.ballot < before.rows[row.key]?.promised ?? .none || row.promised < accepted.ballot {
                found("accepted below a promise")
            }
            self.accepted(row.key, accepted, node, standing)
        }
    }

    private mutating func accepted(_ key: [UInt8], _ proposal: Proposal, _ node: NodeID, _ standing: Standing) {
        let ballots = Ballots(
            key: key, epoch: standing.epoch.number, ballot: proposal.ballot, claim: proposal.value.claim)
        if holders[ballots]?.contains(where: { $0.node == node && $0.life == standing.life }) == true { return }
        holders[ballots, default: []].append(Holder(node: node, life: standing.life, roll: standing.roll))
        if hasMajority(holders[ballots]!, standing.epoch) { choose(key, proposal.value.claim) }
    }

    private mutating func choose(_ key: [UInt8], _ claim: UInt128) {
        chosen[key, default: []].insert(claim)
        if chosen[key]!.count > 1 { found("two winners of \(key): \(chosen[key]!.sorted())") }
    }

    /// Whether a majority accepted, none of them after it knew of a later life of another one.
    private func hasMajority(_ holders: [Holder], _ epoch: Epoch) -> Bool {
        (0..<1 << min(holders.count, 12)).contains { mask in
            let group = holders.indices.filter { mask >> $0 & 1 == 1 }.map { holders[$0] }
            guard Set(group.map(\.node)).count >= epoch.majority else { return false }
            return group.allSatisfy { left in group.allSatisfy { left.roll[$0.node] <= $0.life } }
        }
    }

    /// Who votes from now on knows what was chosen before its epoch, and before it lost its disk.
    private mutating func becameWhole(_ node: NodeID, _ disk: RegisterWorld.Disk) {
        let number = disk.standing!.epoch.number
        var known = chosenAtStart[number] ?? [:]
        if let more = chosenAtLoss[node] { known.merge(more) { $0.union($1) } }
        for (key, claims) in known {
            if let decides = Epoch.number(of: key), decides <= number { continue }
            let held = disk.links[key]?.claim ?? disk.rows[key]?.accepted?.value.claim
            if held.map({ !claims.contains($0) }) ?? true { found("\(node) votes and has not learned \(key)") }
        }
        chosenAtLoss[node] = nil
        whole.insert(node)
    }
}
