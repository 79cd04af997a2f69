import Links
import Primitives

@testable import Replication

/// What clients, operators and fate do.
extension RegisterWorld {
    /// All claims at about one time, now and then spread.
    mutating func begin() {
        for index in 0..<plan.claims {
            let claim = UInt128(100 + index)
            wishes[claim] = Wish(key: Self.key(below(plan.keys)))
            schedule(.attempt(claim: claim), after: 10 + below(chance(1, of: 2) ? 100 : Int(plan.faultyFor)))
        }
        for _ in 0..<plan.changes { schedule(.change, after: below(Int(plan.faultyFor))) }
        schedule(.fate, after: 50)
        schedule(.replicate, after: 100)
    }

    /// A client asks one node, any; and again with the same claim until it knows.
    mutating func attempt(_ claim: UInt128) {
        guard let wish = wishes[claim], !isFinal(wish.answer) else { return }
        schedule(.attempt(claim: claim), after: 2100 + below(900))
        let index = below(isFaulty ? min(plan.proposers, nodes.count) : nodes.count)
        guard nodes[index].machine != nil else { return }
        if wish.isChange {
            tell(index, .command(.change(to: changeGoal[claim]!, claim: claim)))
        } else {
            // Each node makes an entry of its own of it.
            let value = RegisterValue(claim: claim, bytes: [UInt8(truncatingIfNeeded: claim), UInt8(index)])
            tell(index, .claim(Claim(key: wish.key, value: value)))
        }
    }

    func isFinal(_ answer: ClaimOutcome?) -> Bool {
        switch answer {
        case .won, .taken, .refused: true
        case nil, .unknown, .unavailable, .overloaded: false
        }
    }

    mutating func answered(_ claim: UInt128, _ key: [UInt8], _ outcome: ClaimOutcome) {
        let isChange = key[0] == 0
        switch outcome {
        case .won(let value):
            counts.won += 1
            if value.claim != claim { witness.found("201 for another's value") }
            if !isChange, !witness.isChosen(key, claim) { witness.found("201 for what is not chosen: \(claim)") }
        case .taken(let value):
            counts.taken += 1
            if value.claim == claim { witness.found("409 to the winner") }
            if !isChange, !witness.isChosen(key, value.claim) { witness.found("409 and nobody has won: \(claim)") }
        case .unknown: counts.unknown += 1
        case .unavailable: counts.unavailable += 1
        case .overloaded, .refused: break
        }
        guard let before = wishes[claim]?.answer, isFinal(before), isFinal(outcome), !isChange else {
            wishes[claim]?.answer = outcome
            return
        }
        if witness.isWon(before) != witness.isWon(outcome) { witness.found("two answers to \(claim)") }
    }

    mutating func fate() {
        guard isFaulty else { return }
        schedule(.fate, after: plan.pause / 7 + below(plan.pause))
        let index = below(nodes.count)
        if plan.cuts, chance(1, of: 4) { cut() }
        if chance(1, of: 4) { cuts = [] }
        if plan.crashes, chance(1, of: 6) { crash(index) }
        if chance(1, of: 4) { nodes[index].backup = nodes[index].disk }
        if plan.diskFaults, chance(1, of: 5), mayLose(index) { loseDisk(index) }
        if plan.diskFaults, chance(1, of: 10) { doubt(index) }
        if plan.deaths, counts.deaths == 0, chance(1, of: 8) { die(index) }
        if plan.deaths, chance(1, of: 3) { presumeDead(nodes[index].id) }
    }

    /// One direction, both, or one node from all.
    private mutating func cut() {
        let (left, right) = (below(nodes.count), below(nodes.count))
        switch below(3) {
        case 0: cuts.insert([left, right])
        case 1: cuts.formUnion([[left, right], [right, left]])
        default: for other in nodes.indices where other != left { cuts.formUnion([[left, other], [other, left]]) }
        }
    }

    /// Nothing is left, or an earlier day's disk. The log goes on under another incarnation.
    private mutating func loseDisk(_ index: Int) {
        crash(index)
        let own = Origin(region: nodes[index].id.region, node: 0, incarnation: random.next() | 1)
        if let backup = nodes[index].backup, chance(1, of: 2) {
            counts.rolledBack += 1
            nodes[index].disk = backup
            nodes[index].disk.own = own
            nodes[index].isLost = true
        } else {
            counts.lostDisks += 1
            nodes[index].disk = Disk(own: own)
        }
        nodes[index].backup = nil
        witness.lost(nodes[index].id)
    }

    /// Its disk is as it was, and nobody can tell. Before all have begun the first epoch others would wait for it in vain.
    private mutating func doubt(_ index: Int) {
        guard nodes.allSatisfy({ $0.disk.standing != nil }),
            !newest.former.isEmpty
                || newest.acceptors.allSatisfy({
                    nodes[Self.index($0)].disk.standing!.wholeFor > 0
                })
        else { return }
        counts.doubts += 1
        crash(index)
        nodes[index].isLost = true
    }

    var newest: Epoch { nodes.compactMap(\.disk.standing?.epoch).max { $0.number < $1.number }! }

    /// Acceptors of the newest epoch that have its registers, or may enter it.
    private func whole(_ number: UInt64, without index: Int, in list: [NodeID]) -> Set<NodeID> {
        Set(
            nodes.indices.filter {
                $0 != index && !nodes[$0].isGone && !nodes[$0].isLost && list.contains(nodes[$0].id)
                    && nodes[$0].disk.standing?.wholeFor ?? 0 >= number
            }.map { nodes[$0].id })
    }

    /// Whether what is left is enough for the others, and for this one to come back: any minority may be lost.
    private func mayLose(_ index: Int) -> Bool {
        let epoch = newest
        guard counts.deaths == 0, nodes.allSatisfy({ $0.disk.standing != nil }) else { return false }
        let needed = (epoch.acceptors.count - 1) / 2 + 1
        let voters = whole(epoch.number, without: index, in: epoch.acceptors)
        let next = nodes.compactMap { $0.disk.standing!.epoch == epoch ? $0.disk.standing!.next : nil }.first
        if let next {
            let stay = voters.intersection(next.acceptors).count
            return voters.count >= epoch.majority && stay >= (next.acceptors.count - 1) / 2 + 1
        }
        if voters.count >= needed, voters.count == epoch.acceptors.filter({ $0 != nodes[index].id }).count {
            // A change may be decided by votes that are on their way; with two acceptors it cannot be without this one.
            return epoch.acceptors.count > 2 || !epoch.acceptors.contains(nodes[index].id) || plan.changes == 0
        }
        let formers = whole(epoch.number - 1, without: index, in: epoch.former)
        return epoch.number > 1 && formers.count >= epoch.former.count / 2 + 1
            && formers.intersection(epoch.acceptors).count >= needed
    }

    /// One acceptor of at least three is gone for ever, maybe while a change waits for its word; the operator says so, and
    /// takes it out.
    private mutating func die(_ index: Int) {
        let (epoch, node) = (newest, nodes[index].id)
        let isWhole =
            nodes.allSatisfy { $0.disk.standing?.epoch == epoch }
            && epoch.acceptors.allSatisfy { nodes[Self.index($0)].disk.standing!.isWhole($0) }
        let next = nodes.compactMap { $0.disk.standing?.next }.first
        guard isWhole, epoch.acceptors.count >= 3, epoch.acceptors.contains(node),
            counts.lostDisks + counts.rolledBack == 0
        else { return }
        if let next {
            guard mayGo(node, epoch, next) else { return }
            counts.deathsAmidChange += 1
            for claim in changeGoal.keys { wishes[claim]!.answer = .refused(.underWay) }
        } else {
            guard plan.changes == 0 else { return }
            wish(epoch.acceptors.filter { $0 != node })
        }
        counts.deaths += 1
        crash(index)
        nodes[index].isGone = true
    }

    /// An operator takes one for dead that is only away, or not even that.
    private mutating func presumeDead(_ node: NodeID) {
        let epoch = newest
        guard epoch.acceptors.contains(node), let next = nodes.compactMap({ $0.disk.standing?.next }).last,
            mayGo(node, epoch, next)
        else { return }
        counts.presumedDead += 1
        declareDead(node)
    }

    /// Enough are left in the next epoch, and for who is new in it to learn from.
    private func mayGo(_ node: NodeID, _ epoch: Epoch, _ next: Epoch) -> Bool {
        let stay = epoch.acceptors.filter { $0 != node && next.acceptors.contains($0) }.count
        return !next.acceptors.contains(node) || stay >= (next.acceptors.count - 1) / 2 + 1 && next.acceptors.count >= 3
    }

    /// One acceptor more, one fewer, or another one.
    mutating func change() {
        guard counts.deaths == 0 else { return }
        let epoch = newest
        let others = nodes.map(\.id).filter { !epoch.acceptors.contains($0) }
        var goal = epoch.acceptors
        switch below(3) {
        case 0 where !others.isEmpty: goal.append(others[below(others.count)])
        case 1 where goal.count > 1: goal.remove(at: below(goal.count))
        default:
            guard !others.isEmpty, goal.count > 1 else { return }
            goal[below(goal.count)] = others[below(others.count)]
        }
        wish(goal)
    }

    private mutating func wish(_ goal: [NodeID]) {
        counts.changes += 1
        let claim = UInt128(500 + counts.changes)
        wishes[claim] = Wish(key: Epoch.key(0))
        changeGoal[claim] = goal.sorted()
        schedule(.attempt(claim: claim), after: 1)
    }

    /// All faults are over. What is still wrong after some minutes.
    mutating func settle() -> [String] {
        (isFaulty, cuts) = (false, [])
        var found: [String] = []
        for round in 0..<40 {
            for index in nodes.indices where nodes[index].isGone { declareDead(nodes[index].id) }
            // Operators give up what they wanted of the acceptors after a while.
            if round > 10 { for claim in changeGoal.keys { wishes[claim]!.answer = .refused(.underWay) } }
            // One that took a new life because an old frame named a later one has lost nothing; people may say so.
            if round == 20 { for index in nodes.indices where mayVouch(index) { tell(index, .command(.vouch)) } }
            run(for: 5000)
            found = unsettled()
            if found.isEmpty || !witness.violations.isEmpty { break }
        }
        return witness.violations + found
    }

    private func mayVouch(_ index: Int) -> Bool {
        nodes[index].disk.standing?.wholeFor == 0 && witness.whole.contains(nodes[index].id)
    }

    private mutating func declareDead(_ node: NodeID) {
        for index in nodes.indices { tell(index, .command(.declareDead(node))) }
    }

    private func unsettled() -> [String] {
        var found: [String] = []
        let (epoch, live) = (newest, nodes.filter { !$0.isGone })
        for (claim, wish) in wishes where !isFinal(wish.answer) { found.append("\(claim) has no answer") }
        for (claim, wish) in wishes where isFinal(wish.answer) && !wish.isChange {
            let isWinner = witness.chosen[wish.key] == [claim]
            if isWinner != witness.isWon(wish.answer!) { found.append("a wrong answer to \(claim)") }
        }
        for node in live {
            guard let standing = node.disk.standing else { return ["a node without standing"] }
            if node.machine == nil { found.append("\(node.id) is down") }
            if epoch.acceptors.contains(node.id) {
                if standing.epoch != epoch { found.append("\(node.id) is in epoch \(standing.epoch.number)") }
                if !standing.votes(node.id) { found.append("\(node.id) does not vote") }
            }
            for (key, claims) in witness.chosen where Epoch.number(of: key) == nil {
                if !claims.contains(node.disk.links[key]?.claim ?? 0) { found.append("\(node.id) has no \(key)") }
                guard let row = node.disk.rows[key], row.isChosen else { continue }
                if !claims.contains(row.accepted!.value.claim) { found.append("\(node.id) differs at \(key)") }
            }
        }
        return found
    }
}
