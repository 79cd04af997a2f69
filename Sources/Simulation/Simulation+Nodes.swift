import Links
import Primitives
import Replication
import Store

/// The shell around each replicator: what a process would do with its effects.
extension Simulation {
    static let regions = zip(["one", "two", "three"], characters).map {
        StoreSettings.Region(name: $0, character: RegionCharacter($1)!)
    }

    private func storeSettings(_ node: SimulatedNode) -> StoreSettings {
        let machine = node.machine
        var settings = StoreSettings(
            directory: node.disk.path, cluster: "simulated", regions: Self.regions,
            region: Self.regions[node.index % 3],
            node: node.id.node, codeSecret: Array("a secret that all of them have, of any length".utf8),
            mapSizeBytes: 16 << 20, now: { machine.wall }, mustEnd: { fatalError($0) })
        settings.continuity = .unproven
        // Leases so small that nodes which nobody hears make some.
        (settings.issuerLimits.smallestBlock, settings.issuerLimits.blockSeconds) = (Self.block, 1)
        (settings.hasThreads, settings.stampSlots) = (false, 256)
        if hasSmallChunks { settings.chunkBytes = Self.smallChunkBytes }
        settings.stampKeys = (node.life, UInt64(node.index))
        settings.newIncarnation = { machine.random.next() | 1 }
        settings.stampGap = { machine.random.next() >> 44 }
        settings.beforeCommit = { () throws(LMDBError) in try machine.commit() }
        settings.beforeInstallCommit = { () throws(LMDBError) in
            guard machine.diskIsFull else { return }
            machine.metFullDisk = true
            throw .diskFull
        }
        settings.logFormat = node.logFormat
        return settings
    }

    private static let block: UInt64 = 24
    /// Some hundred for a snapshot, while writes go on.
    private static let smallChunkBytes = 500

    func start(_ node: SimulatedNode) {
        guard !node.isRetired, !node.isAbsent else { return }
        setClock(node)
        let machine = node.machine
        (machine.events, machine.answers, machine.keyAnswers, machine.blockAnswers) = ([], [], [], [])
        (machine.didCrash, machine.sideFileAtCommit) = (false, (nil, false))
        machine.beforeCommit = { [unowned self, unowned node] in visitWhileCommitting(node) }
        do {
            let store = try PeerStore(storeSettings(node)) { machine.events.append($0) }
            node.store = store
            openReader(node)
            let own = store.store.origin
            let head = store.store.vector.first { $0.origin == own }?.head ?? 0
            if head < node.everDurable[own] ?? 0 { mayFork.insert(own) }
            node.isReplaced = false
            noteDurable(node)
            let others = nodes.filter { $0.index != node.index && !$0.isRetired }.map { "\($0.id)" }
            let settings = Settings(
                cluster: Array("simulated".utf8),
                member: Member(id: node.id, addresses: ["\(node.id)"], logFormat: node.logFormat),
                run: random.next() | 1, secretCheck: 1, epoch: 1, regions: [], peers: others, proof: Self.proof,
                seed: random.next())
            let holdings = try store.store.holdings()
            node.life += 1
            (node.isReady, node.turnIsDue, node.toldUntil, node.deadline) = (false, false, time, nil)
            node.replicator = Replicator(settings, holdings, now: moment(node))
            openRegisters(node)
            tell("\(node.id) starts\(holdings.isFresh ? " fresh" : "") as \(holdings.own)")
        } catch {
            return violated(.opens, "\(node.id): \(error)")
        }
        scrubLater(node)
        perform(node.replicator!.start(), node)
        startRegisters(node)
    }

    /// Until the replicator hears that another store has taken this one's place it speaks of the former heads, but of
    /// ceilings that are in both.
    private func noteDurable(_ node: SimulatedNode) {
        let vector = node.store!.store.vector
        if !node.isReplaced { node.durable = Dictionary(uniqueKeysWithValues: vector.map { ($0.origin, $0.head) }) }
        node.ceilings = Dictionary(uniqueKeysWithValues: vector.map { ($0.origin, $0.ceiling) })
    }

    /// No secret, but every byte counts.
    static let proof = Proof { message in
        var bytes: [UInt8] = []
        for key in 0..<4 as Range<UInt64> {
            bytes.append(bigEndian: SipHash.hash24(message.span.bytes, key0: key, key1: 7))
        }
        return bytes
    }

    func moment(_ node: SimulatedNode) -> Moment {
        setClock(node)
        return Moment(wall: node.machine.wall, ticks: time)
    }

    func setClock(_ node: SimulatedNode) {
        node.machine.wall = Instant(
            milliseconds: Self.wallAtZero + time + node.clockOffset + time / 1000 * node.clockDrift / 1000)
        node.latestWall = max(node.latestWall, node.machine.wall)
    }

    // MARK: Its end

    enum End { case crash, orderly }

    /// The process is gone; peers may hear of it or not.
    func stop(_ node: SimulatedNode, _ end: End = .crash) {
        guard let store = node.store else { return }
        node.heldWhileDown = held(node)
        for position in store.store.vector where position.floor >= node.damagedLogs[position.origin] ?? .max {
            node.damagedLogs[position.origin] = nil
        }
        closeReader(node)
        setClock(node)
        if end == .orderly {
            store.store.close()
            takeKept(node, isTold: false)
        }
        (node.store, node.replicator, node.registers, node.machine.kept) = (nil, nil, nil, KeptRegisters())
        node.life += 1
        node.frozenUntil = 0
        for id in node.connections { drop(id, tellsOther: end == .orderly || chance(1, of: 2)) }
        node.connections = []
        inspect(node)
    }

    // MARK: Events and effects

    /// `judge` sees the effects before they are carried out.
    func tell(_ node: SimulatedNode, _ event: Event, judge: ([Effect]) -> Void = { _ in }) {
        guard node.replicator != nil else { return }
        note(UInt64(time), UInt64(node.index), event.word)
        switch event {
        case .installed, .installFailed:
            node.isReplaced = false
            noteDurable(node)
        default: break
        }
        look(at: event, node)
        let trusted = !node.replicator!.ownClockIsWrong
        let effects = node.replicator!.handle(event, now: moment(node))
        node.replicator!.checkInvariants()
        for case .apply(let batch) in effects { checkBatch(node, batch, trusted) }
        judge(effects)
        perform(effects, node)
        lookForCovered(node)
    }

    func perform(_ effects: [Effect], _ node: SimulatedNode) {
        for effect in effects {
            guard node.isUp else { return }
            switch effect {
            case .connect(let address): connect(node, address)
            case .send(let id, let bytes): send(node, id, bytes)
            case .close(let id, _):
                node.connections.removeAll { $0 == id }
                drop(id, tellsOther: true)
            case .setDeadline(let at):
                node.deadline = at
                queue.schedule(.deadline(node: node.index, life: node.life, at), at: max(at, time))
            case .readiness(let ready):
                if ready != node.isReady { tell("\(node.id) is \(ready ? "ready" : "not ready")") }
                node.isReady = ready
                if ready { carryOut(effect, node) }
            case .writableFormat(let format):
                node.writableFormat = format
                carryOut(effect, node)
            case .alarm(let alarm):
                switch alarm {
                case .quarantined(let origin, .fork):
                    mayDiverge = true
                    if !mayFork.contains(origin) { violated(.forksAreReal, "\(node.id) of \(origin)") }
                case .quarantined(_, .poison): mayDiverge = true
                default: break
                }
                if case .diverged(let bucket) = alarm, !mayDiverge {
                    violated(.noDivergence, "\(node.id), bucket \(String(bucket, radix: 16))")
                }
                if alarm.isWorthTelling { tell("\(node.id) raises \(alarm)") }
            case .cleared(let alarm): if alarm.isWorthTelling { tell("\(node.id) clears \(alarm)") }
            case .truncate(let order):
                checkTruncation(node, order)
                carryOut(.truncate(hastened(order, node)), node)
            case .authenticated(let id, let peer): node.registers?.connected[id] = peer
            case .admitted(_, let peer): inform(node, .connected(peer))
            case .registers(let peer, let frame): received(node, frame, from: peer)
            case .acknowledged: break
            default: carryOut(effect, node)
            }
        }
    }

    /// Days of keeping are minutes here.
    private func hastened(_ order: Truncation, _ node: SimulatedNode) -> Truncation {
        var order = order
        order.settledBefore = order.settledBefore.advanced(
            byMilliseconds: ReplicationLimits.settledAge - retention.settled)
        order.cappedBefore = order.cappedBefore.advanced(
            byMilliseconds: ReplicationLimits.hardCapAge - retention.capped)
        return order
    }

    private func carryOut(_ effect: Effect, _ node: SimulatedNode) {
        guard let store = node.store else { return }
        setClock(node)
        if case .finishInstall = effect { return finishInstall(effect, node, store) }
        if case .beginIncarnation(let reason) = effect {
            tell("\(node.id) begins a new life: \(reason)")
            if !isQuiet, chance(1, of: 4) { strike(.crashAfterCommit, node, node.phases) }
        }
        switch effect {
        case .beginInstall, .openSnapshot:
            if !isQuiet, chance(1, of: 3) { schedule(.plan(.strike(node: node.index)), after: 0) }
        default: break
        }
        if case .beginInstall(let resumes) = effect {
            tell("\(node.id) \(resumes ? "goes on with another peer's" : "takes a") snapshot")
            for other in nodes { node.damaged.merge(other.damaged) { own, _ in own } }
        }
        _ = store.perform(effect)
        deliver(node)
        turnSoon(node)
    }

    /// What the store told reaches the replicator a little later, in order.
    func deliver(_ node: SimulatedNode) {
        for event in node.machine.events {
            node.toldUntil = max(node.toldUntil, time + .random(in: 0...4, using: &random))
            queue.schedule(.event(node: node.index, life: node.life, event), at: node.toldUntil)
        }
        node.machine.events = []
    }

    func turnSoon(_ node: SimulatedNode) {
        guard !node.turnIsDue, node.isUp, node.store!.store.hasWork else { return }
        node.turnIsDue = true
        schedule(.turn(node: node.index, life: node.life), after: .random(in: 0...15, using: &random))
    }

    /// One commit; afterwards the node may crash before anyone hears of it.
    func turn(_ node: SimulatedNode) {
        guard let store = node.store else { return }
        node.turnIsDue = false
        setClock(node)
        let environment = store.store.environmentNumber
        // What a snapshot told of a log says nothing of this node's clock.
        let received = store.store.vector.filter { !$0.isHeadTold }
        let clockBefore = received.map(\.headStamp.rawValue).max() ?? 0
        store.store.turn()
        let isOther = store.store.environmentNumber != environment
        if isOther { (node.isReplaced, node.damagedLogs) = (true, [:]) }
        noteDurable(node)
        note(UInt64(time), UInt64(node.index), node.durable.values.reduce(0, &+))
        if node.machine.metFullDisk {
            node.machine.metFullDisk = false
            meet(.fullDisk, node)
        }
        if node.machine.didCrash {
            meet(.crashBeforeCommit, node)
            tell("\(node.id) crashes before a commit")
            takeKept(node, isTold: false)
            return crashNow(node)
        }
        if node.machine.crashesAfterCommit, node.machine.sideFileAtCommit.isKnown || isOther {
            let side = node.machine.sideFileAtCommit
            (node.machine.crashesAfterCommit, node.machine.sideFileAtCommit) = (false, (nil, false))
            meet(.crashAfterCommit, node)
            tell("\(node.id) crashes after a commit")
            noteUntold(node)
            takeKept(node, isTold: false)
            crashNow(node)
            // What came after the commit in that turn was a new side file at most, which may not have come any more.
            // Before another store took the place of this one, its side file was gone for good.
            if side.isKnown, mayDoubt(node), chance(1, of: 2) { node.disk.putBack(isOther ? nil : side.bytes) }
            return
        }
        checkQueue()
        takeAnswers(node, clockBefore)
        takeKept(node)
        deliver(node)
        turnSoon(node)
    }

    // MARK: Scrub

    /// A round takes a minute or two, here and there at different times, and patience with what has expired some seconds
    /// less than a clock is fast.
    private func scrubLater(_ node: SimulatedNode) {
        schedule(
            .scrub(node: node.index, life: node.life), after: .random(in: 500...5000, using: &node.machine.random))
    }

    func scrub(_ node: SimulatedNode) {
        guard let store = node.store?.store else { return }
        setClock(node)
        let figures = store.figures.scrub
        // A store that was replaced counts from zero.
        report.scrubRounds += max(0, Int(figures.rounds) - Int(node.scrubbed.rounds))
        report.reducedRecords += max(0, Int(figures.reducedRecords) - Int(node.scrubbed.reducedRecords))
        node.scrubbed = figures
        let conflicts = store.figures.merged.conflicts
        if conflicts > 0, ledger.falseCreations.isEmpty {
            violated(.numberOnce, "\(node.id) met \(conflicts) codes twice")
        }
        if figures.correctedDigests > 0 {
            violated(.soundStore, "\(node.id): \(figures.correctedDigests) digests had to be set right")
        }
        let ahead = max(0, node.machine.wall.milliseconds - Self.wallAtZero - time)
        store.scrub(reducedAfter: Self.patience + ahead, evenFor: 0, rows: Self.scrubRows)
        turnSoon(node)
        scrubLater(node)
    }

    private static let patience: Int64 = 30_000
    private static let scrubRows = 60

    private func crashNow(_ node: SimulatedNode) {
        stop(node)
        schedule(.start(node: node.index), after: .random(in: 100...8000, using: &random))
    }
}

extension Event {
    /// Goes into the trace.
    fileprivate var word: UInt64 {
        switch self {
        case .received(let id, let bytes):
            var crc = CRC32C()
            crc.append(bytes.span.bytes)
            return id.rawValue << 32 | UInt64(crc.value)
        case .opened(let id, _, _, _): return id.rawValue << 8 | 1
        case .closed(let id): return id.rawValue << 8 | 2
        case .deadline: return 3
        case .committed(let head): return head.head << 8 | 4
        case .applied(let applied): return applied.head << 8 | 5
        default: return 6
        }
    }
}

extension Alarm {
    /// What skewed clocks hold back comes and goes without end, and would crowd out the rest of a story.
    fileprivate var isWorthTelling: Bool { if case .quarantined(_, .clock) = self { false } else { true } }
}
