import Links
import Primitives
import Replication
import Store

/// The shell around each node's registers: what `AliasRegisters` and the thread of the peers do with their effects.
extension Simulation {
    func openRegisters(_ node: SimulatedNode) {
        guard settings.claims else { return }
        var state: AcceptorState?
        var isDamaged = false
        do throws(RegisterReadError) { state = try node.store!.store.acceptor() } catch {
            isDamaged = true
            if error == .notNow || !node.registersAreDamaged { violated(.opens, "\(node.id): its registers, \(error)") }
        }
        if !isDamaged, state?.standing != votes.disk(node.id).standing {
            violated(.votesDurable, "\(node.id) starts with another standing than its acceptor stored last")
        }
        node.registers = SimulatedRegisters(machine(of: node, state, in: firstEpoch))
        node.registers!.isDown = isDamaged
    }

    func startRegisters(_ node: SimulatedNode) {
        guard let registers = node.registers else { return }
        if registers.isDown { return forgetRegisters(node) }
        perform(node.registers!.machine.start(), node)
    }

    private func machine(of node: SimulatedNode, _ state: AcceptorState?, in first: Epoch) -> Registers {
        Registers(
            me: node.id, first: first, standing: state?.standing, isLost: state?.isLost ?? false,
            seed: random.next(), now: time)
    }

    // MARK: Events

    func inform(_ node: SimulatedNode, _ event: RegisterEvent) {
        guard let registers = node.registers, !registers.isDown else { return }
        note(UInt64(time), UInt64(node.index), event.word)
        let effects = node.registers!.machine.handle(event, now: time)
        node.registers!.machine.checkInvariants()
        perform(effects, node)
    }

    func hear(_ node: SimulatedNode, _ news: RegisterNews) {
        switch news {
        case .event(let event): inform(node, event)
        case .forgotten(true):
            guard node.registers != nil else { return }
            node.registers!.isDown = false
            node.registers!.machine = machine(of: node, nil, in: node.registers!.machine.standing.epoch)
            perform(node.registers!.machine.start(), node)
        case .forgotten(false):
            node.registers?.deadline = time + RegisterLimits.storeRetry
            queue.schedule(
                .registerDeadline(node: node.index, life: node.life, time + RegisterLimits.storeRetry),
                at: time + RegisterLimits.storeRetry)
        }
    }

    func passRegisterDeadline(_ node: SimulatedNode, _ at: Int64) {
        guard node.registers?.deadline == at else { return }
        node.registers!.deadline = nil
        if node.registers!.isDown { return forgetRegisters(node) }
        inform(node, .deadline)
    }

    /// What the registers have to know of what the replicator is told.
    func look(at event: Event, _ node: SimulatedNode) {
        switch event {
        case .closed(let id):
            guard let peer = node.registers?.connected.removeValue(forKey: id) else { return }
            if !node.registers!.connected.values.contains(peer) { node.registers!.heard.remove(peer) }
        case .incarnationBegan: inform(node, .lost)
        default: break
        }
    }

    func received(_ node: SimulatedNode, _ frame: Frame, from peer: NodeID) {
        if case .epochs = frame { node.registers?.heard.insert(peer) }
        inform(node, .received(peer, frame))
    }

    /// What waits for the store to hold more looks again.
    func lookForCovered(_ node: SimulatedNode) {
        guard let registers = node.registers, !registers.covers.isEmpty, let replicator = node.replicator,
            let store = node.store?.store
        else { return }
        for cover in registers.covers {
            guard let heads = cover.heads ?? replicator.held(by: registers.heard), replicator.holds(heads),
                store.holds(heads)
            else { continue }
            node.registers!.covers.removeAll { $0.number == cover.number }
            schedule(.register(node: node.index, life: node.life, .event(.covered(cover.number))), after: 0)
        }
    }

    // MARK: Effects

    private func perform(_ effects: [RegisterEffect], _ node: SimulatedNode) {
        for effect in effects {
            guard let store = node.store?.store, node.registers?.isDown == false else { return }
            switch effect {
            case .send(let peer, let frame):
                votes.sent(frame, by: node.id) { holder(node, $0) }
                if let id = node.replicator!.connection(to: peer) { send(node, id, frame.encoded()) }
            case .setDeadline(let at):
                node.registers!.deadline = at
                queue.schedule(.registerDeadline(node: node.index, life: node.life, at), at: at)
            case .read(let read): answer(read, node, store)
            case .store(let write):
                let machine = node.machine
                setClock(node)
                store.keep(write) { machine.kept.writes.append((write, $0)) }
                turnSoon(node)
                strikeSometimes(node)
            case .cover(let number, let heads):
                let machine = node.registers!.machine
                node.registers!.covers.removeAll { !machine.awaits(cover: $0.number) }
                node.registers!.covers.append(.init(number: number, heads: heads))
            case .coverEveryone(let number): node.registers!.covers.append(.init(number: number, heads: nil))
            case .decided(let key, let value):
                votes.decided(key, value.claim, by: node.id)
                if let link = NewLink(claimed: key, value) { store.adopt(link) { _ in } }
                turnSoon(node)
            case .answer(let claim, let key, let outcome): answered(node, claim, key, outcome)
            }
        }
        takeFindings()
        lookForCovered(node)
    }

    private func answer(_ read: RegisterRead, _ node: SimulatedNode, _ store: Store) {
        let event: RegisterEvent
        do throws(RegisterReadError) { event = .read(try store.registers(read)) } catch {
            switch error {
            case .damagedRegister:
                if !node.registersAreDamaged { violated(.soundStore, "\(node.id): a register is damaged") }
                return beginAnew(node)
            case .notNow: event = .stored(batch: read.batch, succeeded: false)
            }
        }
        deliver(node)
        schedule(
            .register(node: node.index, life: node.life, .event(event)), after: .random(in: 0...2, using: &random))
    }

    /// Of the link that the node's store has; 0 if nobody can say now.
    func holder(_ node: SimulatedNode, _ key: [UInt8]) -> UInt128? {
        guard let store = node.store?.store else { return nil }
        do throws(RegisterReadError) { return try store.holder(of: key)?.claim } catch { return 0 }
    }

    /// A fault now and then falls between asking the store and its answer, and upon what is rare.
    private func strikeSometimes(_ node: SimulatedNode) {
        guard !isQuiet, let phase = node.registers?.phase else { return }
        let part = phase == .claiming ? 250 : 12
        guard chance(1, of: part) else { return }
        schedule(.plan(.strike(node: node.index)), after: .random(in: 0...(chance(1, of: 2) ? 6 : 600), using: &random))
    }

    // MARK: What is durable

    /// After a commit; `isTold`: the node lives, and its machine hears of it.
    func takeKept(_ node: SimulatedNode, isTold: Bool = true) {
        let kept = node.machine.kept
        node.machine.kept = KeptRegisters()
        var news: [RegisterNews] = []
        for (write, succeeded) in kept.writes {
            if succeeded { votes.committed(node.id, write) { holder(node, $0) } }
            news.append(.event(.stored(batch: write.batch, succeeded: succeeded)))
        }
        for succeeded in kept.forgotten {
            if succeeded {
                loseRegisters(node)
                node.registersAreDamaged = false
            }
            news.append(.forgotten(succeeded))
        }
        takeFindings()
        guard isTold else { return }
        for item in news {
            schedule(
                .register(node: node.index, life: node.life, item),
                after: .random(in: 0...3, using: &node.machine.random)
            )
        }
        for (claim, result) in kept.adopted { adopted(node, claim, result) }
    }

    func takeFindings() {
        for finding in votes.takeFindings() + claims.takeFindings() { violated(finding.rule, finding.text) }
    }

    // MARK: Damage

    /// What it knew cannot be told any more: as if its disk were lost.
    private func beginAnew(_ node: SimulatedNode) {
        tell("\(node.id) finds its registers damaged")
        node.registers!.isDown = true
        node.registers!.covers = []
        // Nobody waits for what nobody will tell.
        for claim in node.registers!.waiting.sorted() { answered(node, claim, wishes[claim]!.key, .unknown) }
        forgetRegisters(node)
    }

    private func forgetRegisters(_ node: SimulatedNode) {
        let machine = node.machine
        node.store?.store.forgetRegisters { machine.kept.forgotten.append($0) }
        turnSoon(node)
    }
}

extension RegisterEvent {
    /// Goes into the trace.
    fileprivate var word: UInt64 {
        switch self {
        case .claim(let claim): UInt64(truncatingIfNeeded: claim.value.claim)
        // Of the frame itself the replicator's event tells.
        case .received(let node, _): UInt64(node.region) << 16 | UInt64(node.node) << 8 | 2
        case .connected(let node): UInt64(node.region) << 16 | UInt64(node.node) << 8 | 3
        case .deadline: 4
        case .read(let answers): answers.batch << 8 | 5
        case .stored(let batch, let succeeded): batch << 8 | (succeeded ? 6 : 7)
        case .covered(let number): number << 8 | 8
        case .lost: 9
        case .command: 10
        }
    }
}
