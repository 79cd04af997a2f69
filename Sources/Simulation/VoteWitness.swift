import Links
import Primitives
import Replication

/// Sees every acceptor's disk and every frame of the registers, and reckons by itself what is chosen: nothing here is the
/// machines' own word.
struct VoteWitness {
    /// What a node's table of registers holds, as of its last commit.
    struct Disk {
        var standing: Standing?
        /// Before the last commit: what was answered with that one was judged by either.
        var former: Standing?
        var rows: [[UInt8]: RegisterRow] = [:]
        /// The epoch whose registers it holds whole, whatever the acceptor says of itself; 0: something was lost since.
        var wholeFor: UInt64 = 0
        /// Grows with each, whatever becomes of the disk.
        var commits = 0
        /// What it says of itself is an earlier day's.
        var isInDoubt = false
    }

    /// A proposal of one epoch.
    private struct Voted: Hashable {
        var key: [UInt8]
        var epoch: UInt64
        var ballot: Ballot
        var claim: UInt128
    }

    /// Who has accepted, in which life, and which lives it knew of.
    private struct Voter {
        var node: NodeID
        var life: UInt64
        var roll: Roll
    }

    private struct Promised: Hashable {
        var node: NodeID
        var life: UInt64
        var key: [UInt8]
    }

    private struct Asked: Hashable {
        var key: [UInt8]
        var ballot: Ballot
    }

    /// The claim of the link that the voter's store has under a key, 0 if it is of none; nil: there is no such link.
    typealias Holder = (_ key: [UInt8]) -> UInt128?

    private(set) var disks: [NodeID: Disk] = [:]
    /// Claims; 0 is that of an alias from before there were claims. More than one is a violation.
    private(set) var chosen: [[UInt8]: Set<UInt128>] = [:]
    /// Nodes that are gone for good.
    var gone: Set<NodeID> = []
    private(set) var epochs: [UInt64: Epoch] = [:]
    private var voters: [Voted: [Voter]] = [:]
    /// The greatest ballot that each life promised.
    private var promises: [Promised: Ballot] = [:]
    /// In which epoch a ballot was begun.
    private var begun: [Asked: UInt64] = [:]
    /// What was chosen when a disk was lost, and when an epoch began.
    private var chosenAtLoss: [NodeID: [[UInt8]: Set<UInt128>]] = [:]
    private var chosenAtStart: [UInt64: [[UInt8]: Set<UInt128>]] = [:]
    private var findings: [(rule: Rule, text: String)] = []

    private mutating func found(_ rule: Rule, _ text: String) { findings.append((rule, text)) }

    /// What did not hold since this was asked for last.
    mutating func takeFindings() -> [(rule: Rule, text: String)] {
        defer { findings = [] }
        return findings
    }

    func disk(_ node: NodeID) -> Disk { disks[node] ?? Disk() }

    func isChosen(_ key: [UInt8], _ claim: UInt128) -> Bool { chosen[key]?.contains(claim) ?? false }

    /// The newest epoch that any disk knows of.
    var newest: Epoch? { epochs.max { $0.key < $1.key }?.value }

    /// An alias that a majority of the acceptors has, from before anyone claimed it.
    mutating func stoodBefore(_ key: [UInt8]) { chosen[key, default: []].insert(0) }

    // MARK: Disks

    /// All that the disk held is gone, or what it holds now is what it held at an earlier time.
    mutating func lost(_ node: NodeID, earlier: Disk? = nil) {
        var disk = earlier ?? Disk()
        (disk.wholeFor, disk.isInDoubt) = (0, earlier != nil)
        // No two states of a node's disks are as old.
        disk.commits = self.disk(node).commits + 1
        disks[node] = disk
        chosenAtLoss[node] = chosen
    }

    /// What nobody was told of is not on the disk.
    mutating func undo(_ node: NodeID, _ disk: Disk) { disks[node] = disk }

    mutating func committed(_ node: NodeID, _ write: RegisterWrite, _ holder: Holder) {
        let before = disk(node)
        var after = before
        after.former = before.standing
        for row in write.rows { after.rows[row.key] = row }
        for key in write.forgotten { after.rows[key] = nil }
        after.commits += 1
        if let standing = write.standing {
            after.standing = standing
            if standing.life != before.standing?.life { after.isInDoubt = false }
        }
        disks[node] = after
        if let standing = write.standing { moved(node, before.standing, standing, holder) }
        guard let standing = before.standing, standing.votes(node) else { return }
        for row in write.rows where !row.isChosen { voted(row, before.rows[row.key], node, standing) }
    }

    /// A register that a voter wrote for someone who asked.
    private mutating func voted(_ row: RegisterRow, _ before: RegisterRow?, _ node: NodeID, _ standing: Standing) {
        let promised = Promised(node: node, life: standing.life, key: row.key)
        if let accepted = row.accepted, before?.accepted != accepted {
            // What it promised to itself goes over no wire.
            if promises[promised] != accepted.ballot, accepted.ballot.node != node {
                found(.promisesKept, "\(node) accepts for \(row.key) what its present life has not promised")
            }
            self.accepted(row.key, accepted, node, standing)
        }
        if row.promised < promises[promised] ?? .none {
            found(.promisesKept, "\(node) promises less for \(row.key) than it did before")
        }
        promises[promised] = row.promised
    }

    private mutating func accepted(_ key: [UInt8], _ proposal: Proposal, _ node: NodeID, _ standing: Standing) {
        let voted = Voted(
            key: key, epoch: standing.epoch.number, ballot: proposal.ballot, claim: proposal.value.claim)
        if voters[voted]?.contains(where: { $0.node == node && $0.life == standing.life }) == true { return }
        voters[voted, default: []].append(Voter(node: node, life: standing.life, roll: standing.roll))
        guard hasMajority(voters[voted]!, standing.epoch), !isChosen(key, voted.claim) else { return }
        chosen[key, default: []].insert(voted.claim)
        if chosen[key]!.count > 1 { found(.oneWinner, "\(chosen[key]!.sorted()) are chosen for \(key)") }
    }

    /// Whether a majority accepted, none of them after it knew of a later life of another one.
    private func hasMajority(_ voters: [Voter], _ epoch: Epoch) -> Bool {
        (0..<1 << min(voters.count, Self.mostLives)).contains { mask in
            let group = voters.indices.filter { mask >> $0 & 1 == 1 }.map { voters[$0] }
            guard Set(group.map(\.node)).count >= epoch.majority else { return false }
            return group.allSatisfy { left in group.allSatisfy { left.roll[$0.node] <= $0.life } }
        }
    }

    private static let mostLives = 10

    // MARK: Epochs and lives

    private mutating func moved(_ node: NodeID, _ before: Standing?, _ after: Standing, _ holder: Holder) {
        let number = after.epoch.number
        if number < before?.epoch.number ?? 0 { found(.oneEpoch, "\(node) goes back to epoch \(number)") }
        if let known = epochs[number], known != after.epoch { found(.oneEpoch, "epoch \(number) has two forms") }
        if epochs[number] == nil { chosenAtStart[number] = chosen }
        epochs[number] = after.epoch
        if after.wholeFor == number, after.wholeFor > before?.wholeFor ?? 0 || after.life != before?.life {
            becameWhole(node, after, holder)
        }
        // Where the later one has begun those that are left of the former are no majority.
        guard let newest = epochs.keys.max() else { return }
        for epoch in epochs.values where epoch.number < newest {
            let voters = epoch.acceptors.filter { votes($0, in: epoch.number) }
            guard voters.count >= epoch.majority else { continue }
            found(.oneEpoch, "\(voters) vote in epoch \(epoch.number), and epoch \(newest) has begun")
        }
    }

    private func votes(_ node: NodeID, in number: UInt64) -> Bool {
        guard let disk = disks[node], !disk.isInDoubt, !gone.contains(node), let standing = disk.standing else {
            return false
        }
        return standing.epoch.number == number && standing.votes(node)
    }

    /// Who votes from now on knows what was chosen before its epoch, and before it lost its disk.
    private mutating func becameWhole(_ node: NodeID, _ standing: Standing, _ holder: Holder) {
        for key in unlearned(node, standing.epoch.number, holder) {
            found(.lostLearns, "\(node) votes and has not learned \(key)")
        }
        chosenAtLoss[node] = nil
        disks[node]!.wholeFor = standing.epoch.number
    }

    /// The names of which an acceptor does not hold what was chosen before that epoch, or before it lost its disk.
    func unlearned(_ node: NodeID, _ number: UInt64, _ holder: Holder) -> [[UInt8]] {
        var known = chosenAtStart[number] ?? [:]
        if let more = chosenAtLoss[node] { known.merge(more) { $0.union($1) } }
        let rows = disk(node).rows
        return known.filter { key, claims in
            if let decides = Epoch.number(of: key), decides <= number { return false }
            let held = holder(key) ?? rows[key]?.accepted?.value.claim
            return held.map { $0 != 0 && !claims.contains($0) } ?? true
        }.keys.sorted { $0.lexicographicallyPrecedes($1) }
    }

    // MARK: Frames and decisions

    mutating func sent(_ frame: Frame, by node: NodeID, _ holder: Holder) {
        switch frame {
        case .prepare(let prepare):
            for row in prepare.rows { begun[Asked(key: row.key, ballot: row.ballot)] = prepare.epoch }
        case .votes(let votes): sent(votes, by: node, holder)
        default: break
        }
    }

    /// What a vote says is on the disk of who says it, who may vote, in the epoch that it was asked in.
    private mutating func sent(_ votes: Votes, by node: NodeID, _ holder: Holder) {
        guard let disk = disks[node], let standing = disk.standing else { return }
        let mayVote = standing.votes(node) || disk.former?.votes(node) == true
        for row in votes.rows {
            let held = disk.rows[row.key]
            switch row.verdict {
            case .refused, .chosen: continue
            case .promised:
                if held?.promised ?? .none < row.ballot, holder(row.key) == nil, held?.isChosen != true {
                    found(.votesDurable, "\(node) promises for \(row.key) what is not on its disk")
                }
                // What it had learned before it is asked to promise the same changes nothing on the disk.
                if mayVote, held?.promised == row.ballot {
                    promises[Promised(node: node, life: standing.life, key: row.key)] = row.ballot
                }
            case .accepted:
                if held?.accepted?.ballot ?? .none < row.ballot, holder(row.key) == nil, held?.isChosen != true {
                    found(.votesDurable, "\(node) accepts for \(row.key) what is not on its disk")
                }
                // What it had learned before it is asked to accept it once more, and changes nothing on the disk.
                if mayVote, let proposal = held?.accepted, proposal.ballot == row.ballot {
                    accepted(row.key, proposal, node, standing)
                }
            }
            if !mayVote { found(.lostLearns, "\(node) votes for \(row.key), and may not") }
            if let epoch = begun[Asked(key: row.key, ballot: row.ballot)], epoch != votes.epoch {
                found(.oneEpoch, "\(node) answers in epoch \(votes.epoch) what was asked in \(epoch)")
            }
        }
    }

    /// A node says that this is chosen.
    mutating func decided(_ key: [UInt8], _ claim: UInt128, by node: NodeID) {
        // Nor does its own vote for what it had learned before change its disk; that goes over no wire.
        if let disk = disks[node], let standing = disk.standing, standing.votes(node),
            let proposal = disk.rows[key]?.accepted, proposal.ballot.node == node
        {
            accepted(key, proposal, node, standing)
        }
        if !isChosen(key, claim) { found(.byMajority, "\(node) logs \(key) of \(claim), which is not chosen") }
    }
}
