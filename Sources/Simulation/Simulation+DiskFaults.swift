import Links
import Primitives
import Replication
import Store

/// What befalls disks: they go, come back as they were, are full, and bits of them flip.
extension Simulation {
    func strikeDisk(_ fault: Fault, _ node: SimulatedNode) -> Bool {
        switch fault {
        case .wipedDisk:
            guard hasOthers(node), mayLoseDisk(node) else { return false }
            guard chance(1, of: 2) else {
                wipe(node)
                return true
            }
            // What it does alone before is what nobody else can know of.
            cutOff(node, 20_000)
            for delay in [100, 1500, 3000] as [Int64] { schedule(.plan(.rush(node: node.index)), after: delay) }
            schedule(.plan(.wipe(node: node.index)), after: .random(in: 4000...12_000, using: &random))
            return false
        case .oldDisk:
            guard node.backup == nil else { return false }
            node.backup = Backup(
                files: node.disk.image(), acceptor: votes.disk(node.id), registersAreDamaged: node.registersAreDamaged,
                damagedLogs: node.damagedLogs)
            schedule(.plan(.restoreOldDisk(node: node.index)), after: .random(in: 5000...60_000, using: &random))
            return false
        case .fullDisk:
            node.machine.diskIsFull = true
            node.struck[fault] = node.phases
            schedule(.plan(.roomOnDisk(node: node.index)), after: .random(in: 2000...25_000, using: &random))
            return false
        case .damagedRegister: return damageRegister(node)
        case .damagedLog: return damageLog(node)
        default: return damage(node)
        }
    }

    /// A disk may go only while others have one.
    func hasOthers(_ node: SimulatedNode) -> Bool {
        nodes.count { $0.index != node.index && !$0.leaves && $0.isUp && $0.isReady } >= 2
    }

    /// What is damaged elsewhere has another copy than this one's, and its registers are not needed.
    func mayLoseDisk(_ node: SimulatedNode) -> Bool { !holdsLastCopy(node) && mayLoseRegisters(node) }

    /// Of what was damaged at another node, and was not repaired there as far as anyone can see.
    func holdsLastCopy(_ node: SimulatedNode) -> Bool {
        nodes.contains { other in
            other.index != node.index && !other.isRetired
                && other.damaged.contains { key, rank in
                    !nodes.contains { $0.index != node.index && !$0.leaves && holds($0, key, rank) }
                }
        }
    }

    private func holds(_ node: SimulatedNode, _ key: LinkKey, _ rank: WriteRank) -> Bool {
        guard node.isUp, case .link(let link) = show(node, key) else { return false }
        return link.rank.covers(rank)
    }

    func wipe(_ node: SimulatedNode) {
        forget(node)
        stop(node)
        node.disk.wipe()
        loseRegisters(node)
        (node.heldWhileDown, node.onDisk, node.damaged, node.damagedLogs) = ([:], [:], [:], [:])
        (node.backup, node.wasPoisoned, node.registersAreDamaged) = (nil, false, false)
        rightClock(node)
        schedule(.start(node: node.index), after: .random(in: 500...15_000, using: &random))
    }

    /// Who is given another disk is also given a clock that was not set back: Snowflakes rely on that.
    private func rightClock(_ node: SimulatedNode) {
        setClock(node)
        let lag = node.latestWall.millisecondsSince(node.machine.wall)
        if lag > 0 { node.clockOffset += lag + 1 }
        node.clockDrift = max(0, node.clockDrift)
    }

    /// Flips a bit in the row of a link; its log entry stays. Others have to have the record: of the only copy nothing is left
    /// once a snapshot has taken the log's place.
    private func damage(_ node: SimulatedNode) -> Bool {
        guard !ledger.keys.isEmpty else { return false }
        let key = anyKey()
        guard case .link(let link) = show(node, key), !link.rank.isDeleted, !link.destination.isEmpty else {
            return false
        }
        guard copies(of: link, key, elsewhereThan: node) >= 2 else { return false }
        // All of the row is looked for: a part of an earlier one may lie right before the head of another in the page.
        let row = bytes(of: key, node)
        guard !row.isEmpty else { return false }
        let count = node.disk.flip(
            in: row, at: .random(in: row.indices, using: &random), .random(in: 0..<8, using: &random))
        guard count > 0, case .damaged = show(node, key) else { return false }
        mayDiverge = true
        // Whoever takes a snapshot may be about to take that record.
        for other in nodes where other.index == node.index || other.phases.contains(.joining) {
            other.damaged[key] = link.rank
        }
        // A visitor finds it at once, or the scrub later.
        if chance(1, of: 2) { visit(node, key) }
        return true
    }

    /// Flips a bit in a row of a log, its node's own or another's: of the entry, or of the chain before it.
    private func damageLog(_ node: SimulatedNode) -> Bool {
        guard let store = node.store?.store,
            let log = store.vector.filter({ $0.head > $0.floor }).randomElement(using: &random)
        else { return false }
        // The newest are what others have not got yet.
        let oldest = chance(1, of: 2) ? log.floor + 1 : max(log.floor + 1, log.head - min(log.head, 5))
        let sequence = UInt64.random(in: oldest...log.head, using: &random)
        guard let batch = try? store.logBatch(log.origin, from: sequence, through: sequence).get() else { return false }
        let row = batch.chain + batch.entries[0]
        let count = node.disk.flip(
            in: row, at: .random(in: row.indices, using: &random), .random(in: 0..<8, using: &random))
        guard count > 0 else { return false }
        node.damagedLogs[log.origin] = max(sequence, node.damagedLogs[log.origin] ?? 0)
        return true
    }

    /// As the row has it, without its checksum.
    private func bytes(of key: LinkKey, _ node: SimulatedNode) -> [UInt8] {
        guard let reader = node.reader, let store = node.store?.store, (try? reader.begin()) != nil else { return [] }
        defer { reader.end() }
        var row: [UInt8] = []
        let code = Array(store.codeSpace.text(of: key).utf8)
        if case .link(let link) = reader.find(code.span.bytes) { link.record?.encode(into: &row) }
        return row
    }

    func copies(of link: ShownLink, _ key: LinkKey, elsewhereThan node: SimulatedNode) -> Int {
        nodes.count { other in
            guard other.index != node.index, !other.leaves, other.isUp, case .link(let copy) = show(other, key) else {
                return false
            }
            return copy.rank.covers(link.rank) && copy.creation == link.creation
        }
    }

    func restoreDisk(_ node: SimulatedNode, _ backup: Backup) {
        forget(node)
        stop(node)
        node.disk.restore(backup.files)
        (node.heldWhileDown, node.onDisk) = ([:], [:])
        (node.backup, node.registersAreDamaged) = (nil, backup.registersAreDamaged)
        node.damagedLogs = backup.damagedLogs
        // Only peers could tell that a disk which comes back with its side file is an earlier one, and only if they know more of
        // its log; of what its acceptor said no log tells.
        let isSame = backup.acceptor.commits == votes.disk(node.id).commits
        if !isSame { loseRegisters(node, earlier: backup.acceptor) }
        if !isSame || chance(1, of: 3) { node.disk.removeIdentity() }
        rightClock(node)
        let delay = Int64.random(in: 500...15_000, using: &random)
        schedule(.start(node: node.index), after: delay)
        guard chance(1, of: 2) else { return }
        // It writes on before it hears of what it has forgotten.
        cutOff(node, delay + 8000)
        for pause in [200, 2000] as [Int64] { schedule(.plan(.rush(node: node.index)), after: delay + pause) }
    }
}
