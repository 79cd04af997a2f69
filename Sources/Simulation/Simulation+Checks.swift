import Links
import Primitives
import Replication
import Store

/// Looking over the nodes' shoulders.
extension Simulation {
    /// Heads that a frame speaks of are durable where it was sent.
    func checkSent(_ node: SimulatedNode, _ bytes: [UInt8]) {
        guard let type = FrameType(rawValue: bytes[1]),
            [.state, .heads, .ack, .entries, .snapshotOffer].contains(type),
            let (frame, _) = try? Frame.decode(bytes.span.bytes)
        else { return }
        func check(_ origin: Origin, _ head: UInt64) {
            guard head > node.durable[origin] ?? 0 else { return }
            violated(
                .durableBeforeTold, "\(node.id) speaks of \(origin) \(head), and holds \(node.durable[origin] ?? 0)")
        }
        switch frame {
        case .state(let state): for row in state.rows { check(row.origin, row.head) }
        case .heads(let heads): for row in heads.rows { check(row.origin, row.head) }
        case .ack(let ack): for row in ack.rows { check(row.origin, row.head) }
        case .snapshotOffer(let offer): for row in offer.rows { check(row.origin, row.head) }
        case .entries(let entries): check(entries.origin, entries.last)
        default: break
        }
    }

    /// Nothing was applied that is stamped far ahead of every clock there is.
    func checkApplied(_ node: SimulatedNode, _ before: [Origin: UInt64]) {
        guard let store = node.store?.store else { return }
        let latest = nodes.map(\.latestWall.milliseconds).max()! + ReplicationLimits.clockTolerance
        for position in store.vector where position.head > before[position.origin] ?? 0 {
            if NodeID(position.origin) != node.id, position.headStamp.instant.milliseconds > latest {
                violated(.futureWaits, "\(node.id) applied \(position.origin) \(position.head)")
            }
        }
        if queue.count > Self.mostHappenings { violated(.bounded, "\(queue.count) things wait to happen") }
    }

    private static let mostHappenings = 100_000

    /// `verify` of a store that is closed; what was done to its disk on purpose is left out.
    func inspect(_ node: SimulatedNode) {
        do {
            let inspection = try StoreInspection(directory: node.disk.path)
            for problem in inspection.problems where !isMeant(problem, node) {
                violated(.soundStore, "\(node.id): \(problem)")
            }
        } catch {
            violated(.opens, "\(node.id): \(error)")
        }
    }

    private func isMeant(_ problem: String, _ node: SimulatedNode) -> Bool {
        node.wasPoisoned || node.wasDamaged && problem.contains("damaged")
            || node.wasDamaged
                && (problem.contains("digest") || problem.contains("tells of") || problem.contains("owners"))
    }

    // MARK: Quiet

    /// All faults are over, and what they left is mended as an operator would.
    func settle() {
        tell("quiet")
        isQuiet = true
        network.heal()
        for node in nodes where !node.isRetired {
            (node.clockOffset, node.clockDrift, node.slowUntil, node.frozenUntil) = (0, 0, 0, 0)
            (node.machine.diskIsFull, node.machine.crashesBeforeCommit) = (false, false)
            (node.crashesAfterCommit, node.isAbsent, node.backup) = (false, false, nil)
            if node.wasPoisoned { wipe(node) }
            if nodes.contains(where: { $0.logFormat > 1 }), node.logFormat == 1 {
                node.logFormat = 2
                if node.isUp { stop(node, .orderly) }
            }
            start(ifDown: node)
        }
        var found: [String] = []
        for round in 0..<Self.quietRounds {
            advance(to: time + 10_000)
            guard report.violations.isEmpty else { return }
            if round % 3 == 2 { visitAll() }
            found = differences()
            if found.isEmpty, round >= Self.leastQuietRounds { break }
        }
        for difference in found { violated(.equalVectors, difference) }
        if report.violations.isEmpty { checkWrites() }
        if report.violations.isEmpty { checkStores() }
    }

    /// Of ten seconds each.
    private static let quietRounds = 90
    private static let leastQuietRounds = 12

    private var living: [SimulatedNode] { nodes.filter { !$0.isRetired } }

    /// Operators retire who is still a member, and visitors find what is damaged.
    private func visitAll() {
        for node in living where node.wasDamaged { for key in ledger.keys { visit(node, key) } }
        guard let teller = living.first(where: { $0.isUp && $0.isReady }) else { return }
        for node in nodes where node.isRetired { tell(teller, .command(.retire(node.id))) }
    }

    /// What still differs.
    private func differences() -> [String] {
        var found: [String] = []
        for node in living where !node.isUp || !node.isReady { found.append("\(node.id) is not ready") }
        guard found.isEmpty else { return found }
        var forked: Set<Origin> = []
        for node in living {
            for (origin, reason) in node.replicator!.quarantines where reason == .fork { forked.insert(origin) }
        }
        let vectors = living.map { $0.store!.store.vector.filter { $0.head > 0 && !forked.contains($0.origin) } }
        let first = Dictionary(uniqueKeysWithValues: vectors[0].map { ($0.origin, $0) })
        for (node, vector) in zip(living, vectors) {
            for position in vector
            where first[position.origin].map({ ($0.head, $0.chain) == (position.head, position.chain) }) != true {
                found.append(
                    "\(node.id) has \(position.origin) at \(position.head), \(living[0].id) at \(first[position.origin]?.head ?? 0)"
                )
            }
            if vector.count != vectors[0].count {
                found.append("\(node.id) knows \(vector.count) logs, \(living[0].id) \(vectors[0].count)")
            }
        }
        let roots = living.map { $0.store!.store.digests(.root)?.children.map(\.sum) }
        for (node, root) in zip(living, roots) where root == nil || root != roots[0] {
            found.append("\(node.id) has other digests than \(living[0].id)")
        }
        return found
    }

    private func checkWrites() {
        for node in living {
            let held = held(node)
            for write in ledger.acknowledged where !write.isLost {
                guard let rank = held[write.key], rank >= write.rank else {
                    let what = held[write.key] == nil ? "lacks" : "has an older"
                    violated(
                        .acknowledgedSurvives,
                        "\(node.id) \(what) \(write.key), written at \(nodes[write.node].id) as \(write.rank.origin)")
                    return
                }
                if write.rank.isDeleted, !rank.isDeleted { violated(.deleteIsFinal, "\(write.key) at \(node.id)") }
            }
        }
    }

    /// Closed stores: verify and dump.
    private func checkStores() {
        let living = self.living
        let now = Instant(milliseconds: Self.wallAtZero + time)
        for node in living {
            (node.wasDamaged, node.wasPoisoned) = (false, false)
            stop(node, .orderly)
        }
        var first: [UInt8]?
        for node in living {
            var lines: [UInt8] = []
            do {
                let damaged = try dumpStore(directory: node.disk.path, now: now) { part in
                    lines += part
                    return true
                }
                if !damaged.isEmpty { violated(.soundStore, "\(node.id): \(damaged)") }
            } catch { violated(.opens, "\(node.id): \(error)") }
            if let first, first != lines { violated(.equalDumps, "\(node.id) and \(living[0].id)") }
            first = first ?? lines
        }
        var crc = CRC32C()
        let lines = first ?? []
        crc.append(lines.span.bytes)
        note(UInt64(crc.value), UInt64(time))
    }
}
