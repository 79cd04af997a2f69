import Links
import Primitives

@testable import Replication

/// Nodes with registers over a network that loses, delays, repeats, reorders and cuts, one way too, in virtual time; each
/// with a disk whose commits come later than they are asked for.
struct RegisterWorld {
    struct Disk {
        var standing: Standing?
        var rows: [[UInt8]: RegisterRow] = [:]
        /// Aliases and whose creation they are.
        var links: [[UInt8]: RegisterValue] = [:]
        var own: Origin
        var logs: [Origin: [Claim]] = [:]

        mutating func log(_ claim: Claim) {
            guard links[claim.key] == nil else { return }
            links[claim.key] = claim.value
            logs[own, default: []].append(claim)
        }

        func covers(_ heads: [LogHead]) -> Bool {
            heads.allSatisfy { logs[$0.origin]?.count ?? 0 >= Int($0.head) }
        }

        var heads: [LogHead] {
            logs.map { LogHead(origin: $0.key, head: UInt64($0.value.count), chain: Chain(rawValue: 0)) }
                .sorted { $0.origin < $1.origin }
        }
    }

    /// What a node waits for.
    struct Cover {
        let number: UInt64
        let heads: [LogHead]
        let isEveryone: Bool
    }

    struct Node {
        let id: NodeID
        var machine: Registers?
        var disk: Disk
        /// Grows with each crash, so that what was under way for an earlier life is recognised.
        var life: UInt64 = 0
        var deadline: Int64?
        var covers: [Cover] = []
        /// An earlier day's.
        var backup: Disk?
        var isLost = false
        /// Never comes back.
        var isGone = false
    }

    enum Happening {
        case arrive(from: Int, to: Int, Frame)
        case tell(node: Int, life: UInt64, RegisterEvent)
        case read(node: Int, life: UInt64, RegisterRead)
        case commit(node: Int, life: UInt64, RegisterWrite)
        case restart(node: Int)
        case attempt(claim: UInt128)
        case replicate
        case fate
        case change
    }

    /// What a client wants, and was told.
    struct Wish {
        var key: [UInt8]
        var answer: ClaimOutcome?
        var isChange: Bool { key[0] == 0 }
    }

    let seed: UInt64
    let plan: RegisterPlan
    var random: SeededRandom
    var nodes: [Node] = []
    var time: Int64 = 0
    var queue = RegisterAgenda()
    /// From, to.
    var cuts: Set<[Int]> = []
    var isFaulty = true
    /// Frames go through their encoding.
    let isEncoded: Bool
    var wishes: [UInt128: Wish] = [:]
    /// Which acceptors an operator wants.
    var changeGoal: [UInt128: [NodeID]] = [:]
    var witness = RegisterWitness()
    var counts = RegisterCounts()

    init(seed: UInt64, plan: RegisterPlan? = nil) {
        self.seed = seed
        random = SeededRandom(seed: seed)
        self.plan = plan ?? RegisterPlan(using: &random)
        isEncoded = seed % 64 == 0
        let acceptors = (0..<self.plan.acceptors).map(Self.id)
        let first = Epoch(number: 1, acceptors: acceptors)
        for index in 0..<self.plan.nodes {
            let id = Self.id(index)
            var disk = Disk(own: Origin(region: id.region, node: 0, incarnation: random.next() | 1))
            if acceptors.contains(id), !self.plan.areNew {
                disk.standing = Standing(epoch: first, life: 1 << 32 | 1, wholeFor: 1)
                witness.whole.insert(id)
            }
            nodes.append(Node(id: id, disk: disk))
        }
        witness.epochs[1] = first
        for index in 0..<self.plan.old {
            // Made before there were registers: a majority has it.
            let claim = Claim(key: Self.key(index), value: RegisterValue(claim: UInt128(9000 + index), bytes: [9]))
            for node in 0..<first.majority { nodes[node].disk.log(claim) }
            witness.chosen[claim.key] = [claim.value.claim]
        }
        for index in nodes.indices { restart(index) }
    }

    static func id(_ index: Int) -> NodeID { NodeID(region: UInt8(ascii: "1") + UInt8(index), node: 0) }
    static func key(_ index: Int) -> [UInt8] { [3, UInt8(ascii: "a") + UInt8(index)] }

    mutating func chance(_ part: Int, of whole: Int) -> Bool { below(whole) < part }
    mutating func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }

    mutating func schedule(_ happening: Happening, after delay: Int) { queue.add(happening, at: time + Int64(delay)) }

    mutating func run(for duration: Int64) {
        let end = time + duration
        while let next = queue.take(before: end) {
            time = next.at
            perform(next.happening)
        }
        time = end
    }

    private mutating func perform(_ happening: Happening) {
        counts.events += 1
        switch happening {
        case .arrive(let from, let to, let frame):
            tell(to, .received(nodes[from].id, frame))
        case .tell(let node, let life, let event):
            guard nodes[node].life == life else { return }
            if event == .deadline {
                guard nodes[node].deadline == time else { return }
                nodes[node].deadline = nil
            }
            tell(node, event)
        case .read(let node, let life, let read): if nodes[node].life == life { answer(node, read) }
        case .commit(let node, let life, let write): if nodes[node].life == life { commit(node, write) }
        case .restart(let node): if nodes[node].machine == nil, !nodes[node].isGone { restart(node) }
        case .attempt(let claim): attempt(claim)
        case .replicate: replicate()
        case .fate: fate()
        case .change: change()
        }
    }

    mutating func tell(_ index: Int, _ event: RegisterEvent) {
        guard var machine = nodes[index].machine else { return }
        nodes[index].machine = nil
        let effects = machine.handle(event, now: time)
        machine.checkInvariants()
        nodes[index].machine = machine
        perform(effects, index)
    }

    /// A crash may fall between any two effects.
    private mutating func perform(_ effects: [RegisterEffect], _ index: Int) {
        let life = nodes[index].life
        for effect in effects {
            if isFaulty, plan.crashes, chance(1, of: 400) { return crash(index) }
            perform(effect, index, life)
        }
    }

    private mutating func perform(_ effect: RegisterEffect, _ index: Int, _ life: UInt64) {
        switch effect {
        case .send(let node, let frame): transmit(index, Self.index(node), frame)
        case .setDeadline(let at):
            nodes[index].deadline = at
            queue.add(.tell(node: index, life: life, .deadline), at: at)
        case .read(let read): schedule(.read(node: index, life: life, read), after: below(3))
        case .store(let write): schedule(.commit(node: index, life: life, write), after: 1 + below(8))
        case .cover(let number, let heads):
            nodes[index].covers.append(Cover(number: number, heads: heads, isEveryone: false))
            coverIfDone(index)
        case .coverEveryone(let number):
            let heads = nodes.flatMap { $0.isGone ? [] : $0.disk.heads }
            nodes[index].covers.append(Cover(number: number, heads: heads, isEveryone: true))
            coverIfDone(index)
        case .decided(let key, let value):
            witness.votedForOwn(key, nodes[index].id, nodes[index].disk)
            if !witness.isChosen(key, value.claim) { witness.found("logged and not chosen: \(key)") }
            nodes[index].disk.log(Claim(key: key, value: value))
        case .answer(let claim, let key, let outcome): answered(claim, key, outcome)
        }
    }

    static func index(_ node: NodeID) -> Int { Int(node.region - UInt8(ascii: "1")) }

    private mutating func transmit(_ from: Int, _ to: Int, _ frame: Frame) {
        witness.sent(frame, by: nodes[from].id, nodes[from].disk)
        counts.frames += 1
        guard to < nodes.count, !cuts.contains([from, to]) else { return }
        var frame = frame
        if isEncoded { frame = try! Frame.decode(frame.encoded().span.bytes).frame }
        var delay = 1 + below(40)
        if isFaulty {
            if chance(plan.lossPercent, of: 100) { return }
            if chance(plan.latePercent, of: 100) { delay += below(plan.lateBy) }
            if chance(plan.twicePercent, of: 100) {
                schedule(.arrive(from: from, to: to, frame), after: 1 + below(plan.lateBy))
            }
        }
        schedule(.arrive(from: from, to: to, frame), after: delay)
    }

    // MARK: The disk

    private mutating func answer(_ index: Int, _ read: RegisterRead) {
        let disk = nodes[index].disk
        let known = read.keys.map { RegisterAnswers.Known(row: disk.rows[$0], link: disk.links[$0]) }
        let pages = read.pagesAfter.map { after in
            let rows = disk.rows.values.filter { after.lexicographicallyPrecedes($0.key) }
                .sorted { $0.key.lexicographicallyPrecedes($1.key) }
            // Few at a time, so that walks have many steps.
            let part = Array(rows.prefix(2))
            return RegisterAnswers.Page(
                rows: part, linked: Set(part.map(\.key).filter { disk.links[$0] != nil }),
                next: rows.count > part.count ? part.last!.key : [], heads: disk.heads)
        }
        tell(index, .read(RegisterAnswers(batch: read.batch, known: known, pages: pages)))
    }

    private mutating func commit(_ index: Int, _ write: RegisterWrite) {
        if isFaulty, chance(1, of: 150) {
            counts.failedCommits += 1
            return tell(index, .stored(batch: write.batch, succeeded: false))
        }
        let before = nodes[index].disk
        for row in write.rows { nodes[index].disk.rows[row.key] = row }
        for key in write.forgotten { nodes[index].disk.rows[key] = nil }
        if let standing = write.standing {
            if standing.life != before.standing?.life { nodes[index].isLost = false }
            nodes[index].disk.standing = standing
        }
        witness.committed(nodes[index].id, before: before, after: nodes[index].disk, write)
        if isFaulty, plan.crashes, chance(1, of: 150) { return crash(index) }
        tell(index, .stored(batch: write.batch, succeeded: true))
    }

    private mutating func coverIfDone(_ index: Int) {
        for cover in nodes[index].covers where nodes[index].disk.covers(cover.heads) {
            if cover.isEveryone, !hearEveryone(index) { continue }
            nodes[index].covers.removeAll { $0.number == cover.number }
            schedule(.tell(node: index, life: nodes[index].life, .covered(cover.number)), after: 1)
        }
    }

    /// What the only acceptor of an epoch asks for: the others may be in a later one.
    private mutating func hearEveryone(_ index: Int) -> Bool {
        for other in nodes.indices where other != index && !nodes[other].isGone {
            guard let machine = nodes[other].machine, !cuts.contains([other, index]) else { return false }
            let epochs = machine.epochs(machine.standing, isAnswer: true)
            schedule(
                .tell(node: index, life: nodes[index].life, .received(machine.me, .epochs(epochs))),
                after: 0)
        }
        return true
    }

    /// One node takes from another what it lacks of each log, or a part of it.
    private mutating func replicate() {
        schedule(.replicate, after: isFaulty ? 100 + below(900) : 50)
        let (from, to) = (below(nodes.count), below(nodes.count))
        guard from != to, nodes[from].machine != nil, nodes[to].machine != nil, !cuts.contains([from, to]) else {
            return
        }
        for (origin, log) in nodes[from].disk.logs.sorted(by: { $0.key < $1.key }) {
            let held = nodes[to].disk.logs[origin]?.count ?? 0
            guard log.count > held else { continue }
            let end = isFaulty ? held + 1 + below(log.count - held) : log.count
            for claim in log[held..<end] {
                nodes[to].disk.logs[origin, default: []].append(claim)
                if nodes[to].disk.links[claim.key] == nil { nodes[to].disk.links[claim.key] = claim.value }
            }
        }
        coverIfDone(to)
    }

    // MARK: Lives

    mutating func restart(_ index: Int) {
        let node = nodes[index]
        nodes[index].life += 1
        nodes[index].covers = []
        var machine = Registers(
            me: node.id, first: witness.epochs[1]!, standing: node.disk.standing,
            isLost: node.isLost, seed: random.next(), now: time)
        nodes[index].deadline = nil
        let effects = machine.start()
        nodes[index].machine = machine
        perform(effects, index)
    }

    mutating func crash(_ index: Int) {
        guard nodes[index].machine != nil else { return }
        counts.crashes += 1
        nodes[index].machine = nil
        nodes[index].life += 1
        schedule(.restart(node: index), after: 1 + below(chance(1, of: 4) ? plan.downFor * 10 : plan.downFor))
    }
}
