import Links
import Primitives
import Replication
import Store

/// What is to come of a fault later.
enum Plan {
    case restoreOldDisk(node: Int)
    case wipe(node: Int)
    /// A fault meets this node, which is about something rare.
    case strike(node: Int)
    /// Clients come to this node.
    case rush(node: Int)
    /// Once the others' logs have gone on without it.
    case returns(node: Int, latest: Int64)
    case roomOnDisk(node: Int)
    case cure(node: Int)
    case retired(node: Int)
    case operateAcceptors
}

extension Simulation {
    func trouble() {
        guard !isQuiet else { return }
        let fault = inclinations[Int.random(in: 0..<inclinations.count, using: &random)]
        let node = target()
        strike(fault, node, node.phases)
        schedule(.trouble, after: .random(in: 2000...14_000, using: &random))
    }

    func strike(_ fault: Fault, _ node: SimulatedNode, _ phases: [Phase]) {
        if strike(fault, node) { met(fault, phases, node) }
    }

    func met(_ fault: Fault, _ phases: [Phase], _ node: SimulatedNode) {
        report.strikes += 1
        for phase in Set(phases) { report.faults[fault, phase] += 1 }
        tell("fault: \(fault.rawValue), \(node.id), \(phases.map(\.rawValue).joined(separator: ", "))")
    }

    /// What has been waiting to happen to the node does.
    func meet(_ fault: Fault, _ node: SimulatedNode) {
        if let phases = node.struck.removeValue(forKey: fault) { met(fault, phases + node.phases, node) }
    }

    /// Rare phases are preferred, so that each fault meets each.
    private func target() -> SimulatedNode {
        let running = nodes.filter(\.isUp)
        let rare = running.filter { $0.phases != [.level] && $0.phases != [.alone] }
        let pool = !rare.isEmpty && chance(1, of: 2) ? rare : running.isEmpty ? nodes : running
        return pool[Int.random(in: 0..<pool.count, using: &random)]
    }

    private func span(_ range: ClosedRange<Int64>) -> Int64 { time + .random(in: range, using: &random) }

    /// False if the fault cannot befall this node now.
    private func strike(_ fault: Fault, _ node: SimulatedNode) -> Bool {
        guard node.isUp, !node.isRetired else { return false }
        switch fault {
        case .frameLoss, .frameDelay, .frameReorder, .frameRepeat, .reset, .oneWay, .partition, .isolation,
            .damagedFrames, .strangers:
            return strikeNetwork(fault, node)
        case .crash, .crashBeforeCommit, .crashAfterCommit, .restart, .lostIdentity:
            return strikeProcess(fault, node)
        case .wipedDisk, .oldDisk, .fullDisk, .damagedRecord, .damagedLog, .damagedRegister:
            return strikeDisk(fault, node)
        case .acceptorsChange: return changeAcceptors(about: node)
        case .clockSkew:
            node.clockOffset = .random(in: -45_000...45_000, using: &random)
            node.clockDrift = .random(in: -300...300, using: &random)
        case .clockStep: node.clockOffset += .random(in: -90_000...90_000, using: &random)
        case .frozen: node.frozenUntil = span(1000...25_000)
        case .slowPeer:
            node.slowUntil = span(5000...40_000)
            node.struck[fault] = node.phases
            return false
        case .absence:
            guard !nodes.contains(where: \.isAbsent) else { return false }
            (node.isAbsent, node.leftIn) = (true, node.phases)
            let latest = time + retention.capped * 3
            if chance(1, of: 2) { stop(node) } else { cutOff(node, latest - time) }
            schedule(.plan(.returns(node: node.index, latest: latest)), after: retention.capped)
            return false
        case .poison, .secondClaim, .laterFormat, .join, .retire: return strikeMembership(fault, node)
        }
        return true
    }

    private func other(than node: SimulatedNode) -> SimulatedNode {
        let others = nodes.filter { $0.index != node.index }
        return others[Int.random(in: 0..<others.count, using: &random)]
    }

    private func strikeNetwork(_ fault: Fault, _ node: SimulatedNode) -> Bool {
        let peer = other(than: node)
        let (from, to) = chance(1, of: 2) ? (node.index, peer.index) : (peer.index, node.index)
        var struck = Network.Struck(fault: fault, node: node.index, phases: node.phases, until: span(5000...40_000))
        switch fault {
        case .strangers:
            strangersCome(node)
            return true
        case .reset:
            guard let id = node.connections.randomElement(using: &random), let end = network.ends[id] else {
                return false
            }
            schedule(.hangUp(id), after: 0)
            schedule(.hangUp(end.other), after: 1)
            return true
        case .frameLoss: network[from, to].lossUntil = struck.until
        case .frameRepeat: network[from, to].repeatUntil = struck.until
        case .frameReorder: network[from, to].reorderUntil = struck.until
        case .frameDelay:
            (network[from, to].delayUntil, network[from, to].delay) = (struck.until, span(200...4000) - time)
        case .oneWay: network[from, to].cutUntil = struck.until
        case .damagedFrames:
            struck.until = span(1000...10_000)
            network[from, to].damageUntil = struck.until
        case .isolation:
            struck.until = span(2000...60_000)
            cutOff(node, struck.until - time)
            for other in nodes.indices where other != node.index {
                network[node.index, other].struck.append(struck)
                network[other, node.index].struck.append(struck)
            }
            return false
        default:
            struck.until = span(2000...60_000)
            let side = nodes.indices.filter { _ in chance(1, of: 2) }
            for near in side {
                for far in nodes.indices where !side.contains(far) {
                    for (from, to) in [(near, far), (far, near)] {
                        network[from, to].cutUntil = max(network[from, to].cutUntil, struck.until)
                        network[from, to].struck.append(struck)
                    }
                }
            }
            return false
        }
        network[from, to].struck.append(struck)
        // It counts once a frame has met it.
        return false
    }

    func cutOff(_ node: SimulatedNode, _ duration: Int64) {
        for other in nodes.indices where other != node.index {
            network[node.index, other].cutUntil = max(network[node.index, other].cutUntil, time + duration)
            network[other, node.index].cutUntil = max(network[other, node.index].cutUntil, time + duration)
        }
    }

    private func strikeProcess(_ fault: Fault, _ node: SimulatedNode) -> Bool {
        switch fault {
        case .crashBeforeCommit:
            node.machine.crashesBeforeCommit = true
            node.struck[fault] = node.phases
            return false
        case .crashAfterCommit:
            node.machine.crashesAfterCommit = true
            node.struck[fault] = node.phases
            return false
        case .restart: stop(node, .orderly)
        case .lostIdentity:
            guard mayDoubt(node) else { return false }
            stop(node)
            node.disk.removeIdentity()
        default: stop(node)
        }
        schedule(.start(node: node.index), after: .random(in: 100...20_000, using: &random))
        return true
    }

    /// A faulty program logs a creation of a code that another creation has. Who made it first keeps it.
    private func claimAgain(_ node: SimulatedNode) -> Bool {
        guard !ledger.keys.isEmpty else { return false }
        let key = anyKey()
        guard case .generated = key, case .link(let link) = show(node, key), link.creation == ledger.creations[key],
            copies(of: link, key, elsewhereThan: node) >= 2
        else { return false }
        var creation = link.creation
        // Its counter is none that a clock comes to in a millisecond here.
        creation.stamp |= 0xffff
        ledger.claim(creation)
        writeClaim(node, key, creation)
        return true
    }

    private func strikeMembership(_ fault: Fault, _ node: SimulatedNode) -> Bool {
        switch fault {
        case .poison:
            guard hasOthers(node), mayLoseDisk(node), !isChangeWanted, !nodes.contains(where: \.wasPoisoned) else {
                return false
            }
            node.wasPoisoned = true
            writePoison(node)
            schedule(.plan(.cure(node: node.index)), after: .random(in: 10_000...50_000, using: &random))
        case .secondClaim: return claimAgain(node)
        case .laterFormat:
            guard node.logFormat == StoreLimits.logFormat else { return false }
            node.logFormat += 1
            stop(node, .orderly)
            schedule(.start(node: node.index), after: 1000)
        case .join:
            guard nodes.count < Self.mostNodes else { return false }
            let added = addNode(nodes.count)
            schedule(.start(node: added.index), after: 100)
        default:
            // Else nearly all would be level.
            guard node.phases != [.level] || chance(1, of: 3), hasOthers(node), mayRetire(node), !holdsLastCopy(node),
                nodes.count(where: { !$0.isRetired }) > 4,
                let teller = nodes.first(where: { $0.isUp && $0.isReady && $0.index != node.index }),
                !nodes.contains(where: \.leaves)
            else { return false }
            node.leaves = true
            tell(teller, .command(.retire(node.id)))
            // Its acceptor's word does not count from now on.
            votes.gone.insert(node.id)
            schedule(.plan(.retired(node: node.index)), after: .random(in: 0...8000, using: &random))
        }
        return true
    }

    // MARK: Later

    func carryOut(_ plan: Plan) {
        switch plan {
        case .restoreOldDisk(let index):
            let node = nodes[index]
            guard let backup = node.backup, !node.isRetired, !isQuiet else { return }
            let isSame = backup.acceptor.commits == votes.disk(node.id).commits
            guard !holdsLastCopy(node), mayLoseRegisters(node) || isSame && mayDoubt(node) else {
                node.backup = nil
                return
            }
            met(.oldDisk, node.phases, node)
            restoreDisk(node, backup)
        case .strike(let index):
            let node = nodes[index]
            if isQuiet { return }
            if node.backup != nil, chance(1, of: 2) { return carryOut(.restoreOldDisk(node: index)) }
            // What a run has once at most would else hardly ever meet what is rare.
            let fault = chance(1, of: 8) ? Fault.retire : inclinations.randomElement(using: &random)!
            strike(fault, node, node.phases)
        case .wipe(let index):
            let node = nodes[index]
            guard node.isUp, !node.isRetired, !isQuiet, hasOthers(node), mayLoseDisk(node) else { return }
            met(.wipedDisk, node.phases, node)
            wipe(node)
        case .rush(let index):
            guard nodes[index].isUp, !isQuiet else { return }
            for _ in 0..<20 { operate(nodes[index]) }
            turnSoon(nodes[index])
        case .returns(let index, let latest):
            let node = nodes[index]
            guard node.isAbsent else { return }
            let isBeyond = isBeyondRetention(node)
            guard isBeyond || time >= latest || isQuiet else { return schedule(.plan(plan), after: 10_000) }
            node.isAbsent = false
            if isBeyond { met(.absence, node.leftIn, node) }
            network.heal(node.index)
            start(ifDown: node)
        case .roomOnDisk(let index): nodes[index].machine.diskIsFull = false
        case .cure(let index):
            guard nodes[index].wasPoisoned, !nodes[index].isRetired, !isQuiet else { return }
            guard mayLoseDisk(nodes[index]) else { return schedule(.plan(plan), after: 5000) }
            tell("\(nodes[index].id) is cured of its poison entry")
            wipe(nodes[index])
        case .retired(let index):
            let node = nodes[index]
            forget(node)
            stop(node)
            node.isRetired = true
            node.disk.wipe()
            if votes.newest?.acceptors.contains(node.id) == true { report.claims.dead += 1 }
            loseRegisters(node)
            tell("\(node.id) is retired")
        case .operateAcceptors: operateAcceptors()
        }
    }

    /// Whether nobody who is there could give it all entries that it lacks.
    private func isBeyondRetention(_ node: SimulatedNode) -> Bool {
        let others = nodes.filter { $0.index != node.index && $0.isUp }
        return !others.isEmpty
            && others.allSatisfy { other in
                other.store!.store.vector.contains { $0.floor > node.durable[$0.origin] ?? 0 }
            }
    }

    func start(ifDown node: SimulatedNode) {
        if !node.isUp, !node.isRetired {
            schedule(.start(node: node.index), after: .random(in: 0...500, using: &random))
        }
    }
}
