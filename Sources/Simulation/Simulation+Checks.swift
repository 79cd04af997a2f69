import Links
import Primitives
import Replication
import Store

/// Looking over the nodes' shoulders.
extension Simulation {
    /// Heads and ceilings that a frame speaks of are durable where it was sent.
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
        func check(_ row: OriginState) {
            check(row.origin, row.head)
            guard row.ceiling > node.ceilings[row.origin] ?? 0 else { return }
            violated(
                .durableBeforeTold,
                "\(node.id) speaks of numbers of \(row.origin) below \(row.ceiling), and knows of "
                    + "\(node.ceilings[row.origin] ?? 0)")
        }
        switch frame {
        case .state(let state): for row in state.rows { check(row) }
        case .heads(let heads): for row in heads.rows { check(row) }
        case .ack(let ack): for row in ack.rows { check(row.origin, row.head) }
        case .snapshotOffer(let offer): for row in offer.rows { check(row) }
        case .entries(let entries): check(entries.origin, entries.last)
        default: break
        }
    }

    /// What a node takes for acknowledged by a member was durable there at some time.
    func checkTruncation(_ node: SimulatedNode, _ order: Truncation) {
        for other in nodes
        where other.index != node.index && node.replicator!.members[other.id]?.isRetired == false {
            for row in order.rows where row.acknowledged > other.everDurable[row.origin] ?? 0 {
                violated(
                    .keepsUnacknowledged,
                    "\(node.id) holds \(row.origin) \(row.acknowledged) for acknowledged by \(other.id), which had "
                        + "\(other.everDurable[row.origin] ?? 0)")
            }
        }
    }

    /// Every member that a node knows of reads what it writes now.
    func checkFormat(_ node: SimulatedNode) {
        for other in nodes
        where node.replicator!.members[other.id]?.isRetired == false && other.logFormat == StoreLimits.logFormat {
            violated(.formatAwaited, "\(node.id) writes a format that \(other.id) does not know")
        }
    }

    /// Of members that are there, all lives but the present one are known to have ended.
    private func livesWithoutEnd() -> [(rule: Rule, text: String)] {
        let present = Set(living.map { $0.store!.store.origin })
        var (seals, found): ([Origin: UInt64], [(rule: Rule, text: String)]) = ([:], [])
        for node in living {
            for position in node.store!.store.vector where !present.contains(position.origin) {
                guard let seal = position.seal else {
                    if living.contains(where: { $0.id == NodeID(position.origin) }) {
                        found.append((.livesEnd, "\(node.id) does not know that \(position.origin) has ended"))
                    }
                    continue
                }
                if seals[position.origin, default: seal] != seal || seal < position.head {
                    found.append((.livesEnd, "\(node.id) ends \(position.origin) at \(seal), of \(position.head)"))
                }
                seals[position.origin] = seal
            }
        }
        return found
    }

    /// Nothing is applied that is stamped far ahead of the node's clock; or, where it holds that for wrong, before or after
    /// the event that led to the batch, of every clock that there was.
    func checkBatch(_ node: SimulatedNode, _ batch: Batch, _ trusted: Bool) {
        let isTrusted = trusted && !node.replicator!.ownClockIsWrong
        let believed = isTrusted ? node.machine.wall : nodes.map(\.latestWall).max()!
        let latest = believed.milliseconds + ReplicationLimits.clockTolerance
        var rest = batch.bytes.span.bytes
        while rest.byteCount > 0, let head = try? EntryHead(takingFrom: &rest) {
            if Int64(head.stamp.milliseconds) > latest {
                violated(.futureWaits, "\(node.id) applies \(batch.origin) \(head.sequence)")
            }
        }
    }

    /// What waits, and how often anything happened.
    func checkQueue() {
        if queue.count > Self.mostHappenings { violated(.bounded, "\(queue.count) things wait to happen") }
        if queue.scheduled > Self.mostInAMinute * UInt64(time / 60_000 + 1) {
            violated(.bounded, "\(queue.scheduled) things happened: something goes round without end")
        }
    }

    private static let mostHappenings = 100_000
    /// Five times of what is usual, on the average of a run.
    private static let mostInAMinute: UInt64 = 20_000

    /// `verify` of a store that is closed; what was done to its disk on purpose is left out.
    func inspect(_ node: SimulatedNode) {
        do {
            let inspection = try StoreInspection(directory: node.disk.path, knownLogFormat: node.logFormat)
            for problem in inspection.problems where !isMeant(problem, node) {
                violated(.soundStore, "\(node.id): \(problem)")
            }
        } catch {
            violated(.opens, "\(node.id): \(error)")
        }
    }

    /// A damaged record takes its digest and its place in the index with it, and a peer's copy may be older than an entry
    /// that came meanwhile. Of a poison entry nothing can be made.
    private func isMeant(_ problem: String, _ node: SimulatedNode) -> Bool {
        if node.registersAreDamaged, problem.hasPrefix("registers: ") { return true }
        // Behind such a row its log is not looked at.
        for origin in node.damagedLogs.keys where problem.hasPrefix("log of \(origin): ") { return true }
        if !node.damagedLogs.isEmpty, problem.hasPrefix("the log has ") { return true }
        // What comes beside a damaged row waits for a peer's copy.
        let ofDamage = ["damaged", "digest", "tells of", "owners", "newer than its record", "has no record"]
        if node.wasPoisoned, problem.hasSuffix("has no record") { return true }
        return node.wasDamaged && ofDamage.contains { problem.contains($0) }
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
            (node.machine.crashesAfterCommit, node.isAbsent, node.backup) = (false, false, nil)
            node.struck = [:]
            if nodes.contains(where: { $0.logFormat > StoreLimits.logFormat }), node.logFormat == StoreLimits.logFormat
            {
                node.logFormat += 1
                if node.isUp { stop(node, .orderly) }
            }
            start(ifDown: node)
        }
        var found: [(rule: Rule, text: String)] = []
        for round in 0..<Self.quietRounds {
            advance(to: time + 10_000)
            guard report.violations.isEmpty else { return }
            if round % 3 == 2 { visitAll() }
            for node in nodes where node.wasPoisoned && !node.isRetired && mayLoseDisk(node) { wipe(node) }
            mendAcceptors()
            if settings.claims, round >= Self.lastClaims { claimLastNames() }
            found = differences()
            if found.isEmpty, round >= Self.leastQuietRounds { break }
        }
        if found.contains(where: { $0.rule == .equalDigests }) { tellWhatDiffers() }
        for difference in found { violated(difference.rule, difference.text) }
        if report.violations.isEmpty { checkWrites() }
        if report.violations.isEmpty { checkKeys(living) }
        if report.violations.isEmpty { checkStores() }
    }

    /// Of ten seconds each.
    private static let quietRounds = 90
    private static let leastQuietRounds = 12
    /// When nodes claim for the last time.
    private static let lastClaims = 6

    private var living: [SimulatedNode] { nodes.filter { !$0.isRetired } }

    /// Operators retire who is still a member, and visitors find what is damaged.
    private func visitAll() {
        for node in living where node.wasDamaged { for key in ledger.keys { visit(node, key) } }
        guard let teller = living.first(where: { $0.isUp && $0.isReady }) else { return }
        for node in nodes where node.isRetired { tell(teller, .command(.retire(node.id))) }
    }

    /// What still differs.
    private func differences() -> [(rule: Rule, text: String)] {
        let late = living.filter { !$0.isUp || !$0.isReady }
        guard late.isEmpty else { return late.map { (.becomesReady, "\($0.id) is not ready") } }
        var found: [(rule: Rule, text: String)] = []
        var forked: Set<Origin> = []
        for node in living {
            for (origin, reason) in node.replicator!.quarantines where reason == .fork || reason == .poison {
                forked.insert(origin)
            }
        }
        let vectors = living.map { node in
            node.store!.store.vector.filter { $0.head > 0 && !forked.contains($0.origin) }.sorted {
                $0.origin < $1.origin
            }
        }
        for (node, vector) in zip(living, vectors) {
            let differs = zip(vector, vectors[0]).first {
                ($0.origin, $0.head, $0.chain) != ($1.origin, $1.head, $1.chain)
            }
            if let (here, there) = differs {
                found.append(
                    (
                        .equalVectors,
                        "\(node.id) has \(here.origin) at \(here.head), \(living[0].id) \(there.origin) at \(there.head)"
                    ))
            } else if vector.count != vectors[0].count {
                found.append(
                    (.equalVectors, "\(node.id) knows \(vector.count) logs, \(living[0].id) \(vectors[0].count)"))
            }
        }
        found += livesWithoutEnd()
        found += unsettledAcceptors(living)
        if found.isEmpty { found = unsettledNames(living) }
        let roots = living.map { $0.store!.store.digests(.root)?.children.map(\.sum) }
        for (node, root) in zip(living, roots) where root == nil || root != roots[0] {
            found.append((.equalDigests, "\(node.id) and \(living[0].id)"))
        }
        return found
    }

    /// For the story: records that are not the same everywhere.
    private func tellWhatDiffers() {
        for key in ledger.keys {
            let shown = living.map { node in
                switch show(node, key) {
                case .absent, .impossible: "\(node.id) lacks it"
                case .damaged, .failed: "\(node.id) has it damaged"
                case .link(let link): "\(node.id) has \(link.rank.stamp) of \(link.rank.origin)"
                }
            }
            let kinds = Set(shown.map { $0.drop { $0 != " " } })
            if kinds.count > 1 { tell("\(key): \(shown.joined(separator: ", "))") }
        }
    }

    private func checkWrites() {
        let now = Instant(milliseconds: Self.wallAtZero + time)
        for node in living {
            let held = held(node)
            let claimed = Set(ledger.falseCreations.isEmpty ? [] : ledger.keys.filter { isClaimedFalsely(node, $0) })
            for write in ledger.acknowledged where !write.isLost {
                guard let rank = held[write.key], rank.covers(write.rank) else {
                    let what = held[write.key] == nil ? "lacks" : "has an older"
                    violated(
                        .acknowledgedSurvives,
                        "\(node.id) \(what) \(write.key), written at \(nodes[write.node].id) as \(write.rank.origin)")
                    return
                }
                if case .link(let link) = show(node, write.key), !link.keeps(write, at: now) {
                    violated(.contentKept, "\(write.key) at \(node.id)")
                }
                if write.rank.isDeleted, !rank.isDeleted { violated(.deleteIsFinal, "\(write.key) at \(node.id)") }
                if claimed.contains(write.key) {
                    violated(.oneLinkForever, "\(write.key) at \(node.id) is of who claimed it later")
                }
            }
        }
    }

    /// Of an empty one five eighths, which it begins with; of the map half, or nearly all where links are long.
    private var mostStoreBytes: Int { isBulky ? 15 << 20 : 8 << 20 }

    /// Closed stores: verify, dump, and what there is of files.
    private func checkStores() {
        let living = self.living
        let now = Instant(milliseconds: Self.wallAtZero + time)
        for node in living {
            (node.damaged, node.wasPoisoned) = ([:], false)
            stop(node, .orderly)
        }
        var first: [UInt8]?
        for node in living {
            for problem in node.disk.excess(atMost: mostStoreBytes) {
                violated(.bounded, "\(node.id): \(problem)")
            }
            var lines: [UInt8] = []
            do {
                let damaged = try dumpStore(
                    directory: node.disk.path, now: now, knownLogFormat: node.logFormat
                ) { part in
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
