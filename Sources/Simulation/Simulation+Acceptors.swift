import Links
import Primitives
import Replication

/// What operators do to acceptors, and what may befall their disks: of a majority of them one holds all that was chosen, so
/// any minority may be lost at once.
extension Simulation {
    func drawFirstEpoch() -> Epoch {
        let count = [1, 2, 3, 3, 3, 3].randomElement(using: &random)!
        let regions = Array(0..<Self.characters.count).shuffled(using: &random).prefix(count)
        // Of each region the first node, or the one that comes fourth.
        return Epoch(
            number: 1, acceptors: regions.map { nodes[chance(1, of: 3) && $0 + 3 < nodes.count ? $0 + 3 : $0].id })
    }

    func node(_ id: NodeID) -> SimulatedNode { nodes.first { $0.id == id }! }

    private var present: Epoch { votes.newest ?? firstEpoch }

    /// Of the present epoch, decided and not begun.
    private var next: Epoch? {
        nodes.lazy.filter { !$0.isRetired }.compactMap { self.votes.disk($0.id).standing }
            .first { $0.epoch == self.present && $0.next != nil }?.next
    }

    private func isAcceptor(_ node: SimulatedNode) -> Bool {
        present.acceptors.contains(node.id) || next?.acceptors.contains(node.id) == true
    }

    /// Operators have asked for acceptors that are none yet.
    var isChangeWanted: Bool { next != nil || wantedOf == present.number && !wanted.isEmpty }

    // MARK: What may be lost

    /// Acceptors of `list` whose disks hold the registers of that epoch, or more.
    private func whole(_ number: UInt64, _ list: [NodeID], without node: SimulatedNode? = nil) -> Set<NodeID> {
        Set(
            list.filter { id in
                let disk = votes.disk(id)
                // Of a poisoned log nobody who learns can have all.
                return id != node?.id && !votes.gone.contains(id) && !disk.isInDoubt && !self.node(id).wasPoisoned
                    && !self.node(id).registersAreDamaged && disk.standing?.wholeFor ?? 0 >= number
            })
    }

    /// Whether what is left is enough for the others, and for this one to come back.
    func mayLoseRegisters(_ node: SimulatedNode) -> Bool {
        guard settings.claims else { return true }
        let epoch = present
        // Those with whom it could begin a first epoch once more must know of a later one.
        if firstEpoch.acceptors.contains(node.id), epoch.number > 1 {
            let forgetful = firstEpoch.acceptors.contains {
                $0 != node.id && !votes.gone.contains($0) && votes.disk($0).standing?.epoch.number ?? 1 == 1
            }
            if forgetful { return false }
        }
        // Who comes in learns from all that stay, and a change that was asked for may be decided meanwhile.
        if next == nil, isChangeWanted, epoch.acceptors.contains(node.id) { return false }
        let others = epoch.acceptors.filter { $0 != node.id }
        let needed = (epoch.acceptors.count - 1) / 2 + 1
        let voters = whole(epoch.number, epoch.acceptors, without: node)
        if let next {
            let stay = voters.intersection(next.acceptors).count
            return voters.count >= epoch.majority && stay >= (next.acceptors.count - 1) / 2 + 1
        }
        if others.count == epoch.acceptors.count { return voters.count == others.count }
        // A change may be decided by votes that are on their way; with two acceptors it cannot be without this one.
        if voters.count >= needed, voters.count == others.count {
            return epoch.acceptors.count > 2 || isQuiet && time - quietSince > Self.timeToLearn
        }
        let formers = whole(epoch.number - 1, epoch.former, without: node)
        return epoch.number > 1 && formers.count >= epoch.former.count / 2 + 1
            && formers.intersection(epoch.acceptors).count >= needed
    }

    /// Whether it may begin a new life though it lost nothing. Where not all have begun the first epoch the others do not
    /// learn from a new life of a founder that they may begin as founders too.
    func mayDoubt(_ node: SimulatedNode) -> Bool {
        let isBeginning =
            present.former.isEmpty && whole(present.number, present.acceptors).count < present.acceptors.count
        return !isBeginning || mayLoseRegisters(node)
    }

    /// Whether the others go on without it for ever.
    func mayRetire(_ node: SimulatedNode) -> Bool {
        guard settings.claims else { return true }
        guard isAcceptor(node) || wanted.contains(node.id) else { return mayLoseRegisters(node) }
        // Who is to go is nobody whom a change brings in.
        guard !wanted.contains(node.id), mayLoseRegisters(node) else { return false }
        // Of what was asked for and is not decided nobody can tell whom it leaves.
        guard let next else { return wantedOf != present.number && present.acceptors.count > 2 }
        return !next.acceptors.contains(node.id) || next.acceptors.count > 2
    }

    /// What its acceptor held is gone; or is what it was earlier.
    func loseRegisters(_ node: SimulatedNode, earlier: VoteWitness.Disk? = nil) {
        if present.acceptors.contains(node.id) { report.claims.losses += 1 }
        votes.lost(node.id, earlier: earlier)
    }

    /// Flips a bit in a row of the acceptor's, or in what it holds of epochs, which is read at the next start.
    func damageRegister(_ node: SimulatedNode) -> Bool {
        let disk = votes.disk(node.id)
        guard !node.registersAreDamaged, let standing = disk.standing, mayLoseRegisters(node) else { return false }
        var row: [UInt8] = []
        let key = disk.rows.keys.min { $0.lexicographicallyPrecedes($1) }
        if let key, present.acceptors.contains(node.id) {
            disk.rows[key]!.encode(into: &row)
        } else {
            standing.encode(into: &row)
        }
        guard node.disk.flip(in: row, at: row.count / 2, 0) > 0 else { return false }
        node.registersAreDamaged = true
        if key == nil || !present.acceptors.contains(node.id) {
            stop(node)
            schedule(.start(node: node.index), after: .random(in: 100...5000, using: &random))
        }
        return true
    }

    // MARK: Operators

    /// Now and then: acceptors that are gone are taken out, and others that lost nothing vouched for.
    func operateAcceptors() {
        guard !isQuiet else { return }
        schedule(.plan(.operateAcceptors), after: .random(in: 10_000...30_000, using: &random))
        mendAcceptors()
        if chance(1, of: 3), let node = nodes.filter({ $0.isUp && !$0.isRetired }).randomElement(using: &random) {
            strike(.acceptorsChange, node, node.phases)
        }
    }

    func mendAcceptors() {
        for node in nodes where node.isUp && mayVouch(node) && (isQuiet || chance(1, of: 2)) { vouch(node) }
        // One after the other, and first who knows most: others may learn from it.
        if time - vouchedAt > Self.timeToLearn,
            let node = nodes.filter({ $0.isUp && waitsForever($0) })
                .max(by: { wholeFor($0) < wholeFor($1) })
        {
            vouch(node)
        }
        for gone in nodes where gone.isRetired {
            for node in nodes where node.registers?.machine.awaited?.contains(gone.id) == true {
                inform(node, .command(.declareDead(gone.id)))
            }
            guard next == nil, present.acceptors.contains(gone.id) else { continue }
            change(to: present.acceptors.filter { $0 != gone.id })
        }
    }

    private func vouch(_ node: SimulatedNode) {
        report.claims.vouched += 1
        vouchedAt = time
        tell("\(node.id) is vouched for")
        inform(node, .command(.vouch))
    }

    private func wholeFor(_ node: SimulatedNode) -> UInt64 { votes.disk(node.id).standing?.wholeFor ?? 0 }

    /// It learns, and somebody knows a log with two versions, or with an end that no applier can handle: that one it will
    /// never have whole. What made nodes equal then are digests; once they are, it has all that it waits for.
    private func waitsForever(_ node: SimulatedNode) -> Bool {
        guard isQuiet, time - quietSince > Self.learningTime, present.acceptors.contains(node.id),
            let standing = votes.disk(node.id).standing, standing.epoch == present, standing.wholeFor < present.number,
            !votes.disk(node.id).isInDoubt,
            nodes.contains(where: {
                $0.isUp && $0.replicator!.quarantines.values.contains { $0 == .fork || $0 == .poison }
            })
        else { return false }
        let root = node.store!.store.digests(.root)?.children.map(\.sum)
        return nodes.allSatisfy { $0.isRetired || $0.store?.store.digests(.root)?.children.map(\.sum) == root }
    }

    /// Until what was on its way when the quiet began is there, and between two words of operators then.
    private static let timeToLearn: Int64 = 30_000

    /// It took a new life for a doubt that was none, and others may have to learn from it.
    private func mayVouch(_ node: SimulatedNode) -> Bool {
        let disk = votes.disk(node.id)
        guard let standing = disk.standing, standing.epoch == present, standing.wholeFor == 0, disk.wholeFor > 0 else {
            return false
        }
        return !disk.isInDoubt && !node.registersAreDamaged
            && (present.acceptors + present.former).contains(node.id)
    }

    /// In the quiet, with time to spare.
    private static let learningTime: Int64 = 200_000

    /// This node in or out, or in place of its region's other acceptor.
    func changeAcceptors(about node: SimulatedNode) -> Bool {
        guard !nodes.contains(where: \.wasPoisoned) else { return false }
        let (epoch, others) = (present, present.acceptors.filter { $0.region != node.id.region })
        var goal = others
        if !epoch.acceptors.contains(node.id) {
            guard !votes.gone.contains(node.id) else { return false }
            goal.append(node.id)
        } else if let other = nodes.first(where: { other in
            other.id.region == node.id.region && other.index != node.index && !votes.gone.contains(other.id)
        }), chance(1, of: 2) {
            goal.append(other.id)
        } else {
            // So that one may be lost; and so that there is one at all.
            guard others.count == 2, chance(1, of: 3) else { return false }
        }
        // Whoever comes in learns from all that stay, and of two who know too little neither learns from the other.
        guard whole(epoch.number, epoch.acceptors).count == epoch.acceptors.count else { return false }
        return change(to: goal)
    }

    @discardableResult
    private func change(to goal: [NodeID]) -> Bool {
        guard let node = nodes.filter({ $0.isUp && $0.registers?.isDown == false }).randomElement(using: &random) else {
            return false
        }
        if wantedOf != present.number { (wanted, wantedOf) = ([], present.number) }
        wanted.formUnion(Set(goal).subtracting(present.acceptors))
        tell("acceptors are to be \(goal), says an operator to \(node.id)")
        inform(node, .command(.change(to: goal, claim: UInt128(random.next()) << 64 | 1)))
        return true
    }

    func answeredOperator(_ node: SimulatedNode, _ claim: UInt128, _ outcome: ClaimOutcome) {
        if case .won(let value) = outcome, value.claim != claim, value.claim != 0 {
            violated(.oneWinner, "\(node.id): a change of the acceptors wins with another")
        }
    }

    // MARK: When quiet

    /// What of the acceptors is not yet as it has to be.
    func unsettledAcceptors(_ living: [SimulatedNode]) -> [(rule: Rule, text: String)] {
        guard settings.claims else { return [] }
        let epoch = present
        var found: [(rule: Rule, text: String)] = []
        for node in living {
            guard let machine = node.registers?.machine, node.registers?.isDown == false else {
                return [(.registersSettle, "\(node.id) has no registers")]
            }
            if machine.standing.epoch != epoch {
                found.append((.registersSettle, "\(node.id) is in epoch \(machine.standing.epoch.number)"))
            }
            guard epoch.acceptors.contains(node.id) else { continue }
            if !machine.isVoting {
                let standing = machine.standing
                found.append(
                    (
                        .registersSettle,
                        "\(node.id) does not vote in epoch \(epoch.number): whole for \(standing.wholeFor), life "
                            + "\(standing.life >> 32), next \(standing.next?.acceptors ?? []), awaits \(machine.awaited ?? [])"
                    ))
            }
            // Of a log that is left out, heads never tell that a link's entry is here.
            for row in votes.disk(node.id).rows.values
            where row.accepted.map({ holder(node, row.key) != $0.value.claim }) ?? false {
                found.append((.registersSettle, "\(node.id) holds \(row.key) half done"))
            }
        }
        return found
    }
}
