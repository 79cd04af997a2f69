import Primitives
import Replication

/// What is between the nodes. A connection has two ends, each with a number of its own.
struct Network {
    struct End {
        var node: Int
        var other: ConnectionID
        /// When the last frame towards here arrives: a stream keeps its order.
        var arrivedUntil: Int64 = 0
        /// Nothing reaches this end any more, and nobody is told.
        var isDeaf = false
    }

    /// One direction between two nodes.
    struct Way {
        var latency: Int64 = 1
        var cutUntil: Int64 = 0
        var lossUntil: Int64 = 0
        var repeatUntil: Int64 = 0
        var reorderUntil: Int64 = 0
        var damageUntil: Int64 = 0
        var delayUntil: Int64 = 0
        var delay: Int64 = 0
        /// Faults that no frame has met yet.
        var struck: [Struck] = []
    }

    /// A fault that is counted of a node, and what that was about when it was set up.
    struct Struck {
        var fault: Fault
        var node: Int
        var phases: [Phase]
        var until: Int64
    }

    var ends: [ConnectionID: End] = [:]
    private var ways: [Way] = []
    private var width = 0
    var connectionCount: UInt64 = 0
    /// Some frames that were sent lately, for who listens in.
    private(set) var overheard: [[UInt8]] = []
    /// The newest of those with which two members begin, in their order.
    private(set) var overheardOpening: [[UInt8]?] = Self.openingTypes.map { _ in nil }
    private static let openingTypes: [FrameType] = [.hello, .auth, .state]
    private var frameCount = 0

    mutating func prepare(count: Int, _ random: inout SeededRandom) {
        width = count
        ways = Array(repeating: Way(), count: count * count)
        for from in 0..<count {
            for to in 0..<from {
                let latency = Int64.random(in: 1...150, using: &random)
                (self[from, to].latency, self[to, from].latency) = (latency, latency)
            }
        }
    }

    subscript(from: Int, to: Int) -> Way {
        get { ways[from * width + to] }
        set { ways[from * width + to] = newValue }
    }

    /// The other end of a stranger's connection.
    static let nowhere = ConnectionID(rawValue: 0)

    mutating func overhear(_ frame: [UInt8]) {
        frameCount += 1
        if let place = Self.openingTypes.firstIndex(where: { $0.rawValue == frame[1] }) {
            overheardOpening[place] = frame
        }
        if overheard.count < Self.overheardFrames {
            overheard.append(frame)
        } else {
            overheard[frameCount % Self.overheardFrames] = frame
        }
    }

    private static let overheardFrames = 32

    mutating func forget(_ fault: Fault, of node: Int) {
        for index in ways.indices { ways[index].struck.removeAll { ($0.fault, $0.node) == (fault, node) } }
    }

    /// What cut this node off is over.
    mutating func heal(_ node: Int) {
        for other in 0..<width {
            (self[node, other].cutUntil, self[other, node].cutUntil) = (0, 0)
        }
    }

    mutating func heal() {
        for index in ways.indices {
            let latency = ways[index].latency
            ways[index] = Way(latency: latency)
        }
    }
}

extension Simulation {
    func connect(_ node: SimulatedNode, _ address: String) {
        let other = nodes.first { "\($0.id)" == address }
        let trip = other.map { network[node.index, $0.index].latency * 2 } ?? 10
        guard let other, other.isUp, network[node.index, other.index].cutUntil <= time,
            network[other.index, node.index].cutUntil <= time
        else {
            if let other {
                meetCut(node.index, other.index)
                meetCut(other.index, node.index)
            }
            return schedule(
                .event(node: node.index, life: node.life, .connectFailed(address: address)), after: trip)
        }
        let (here, there) = (
            ConnectionID(rawValue: network.connectionCount + 1), ConnectionID(rawValue: network.connectionCount + 2)
        )
        network.connectionCount += 2
        network.ends[here] = Network.End(node: node.index, other: there, arrivedUntil: time + trip)
        network.ends[there] = Network.End(node: other.index, other: here, arrivedUntil: time + trip / 2)
        node.connections.append(here)
        other.connections.append(there)
        let nonces = (UInt128(random.next()), UInt128(random.next()))
        schedule(
            .event(
                node: other.index, life: other.life, .opened(there, address: nil, nonce: nonces.0, certified: nil)),
            after: trip / 2)
        schedule(
            .event(
                node: node.index, life: node.life, .opened(here, address: address, nonce: nonces.1, certified: nil)),
            after: trip)
    }

    private static let standAlone = Set(
        [
            FrameType.entries, .pull, .prepare, .accept, .votes, .chosen, .epochs, .learn,
            .learned,
        ].map(\.rawValue))

    /// This end is gone; the other one hears of it, or not before it has waited long enough.
    func drop(_ id: ConnectionID, tellsOther: Bool) {
        guard let end = network.ends.removeValue(forKey: id), let other = network.ends[end.other] else { return }
        guard tellsOther, network[end.node, other.node].cutUntil <= time else { return }
        queue.schedule(.hangUp(end.other), at: max(other.arrivedUntil, time) + 1)
    }

    /// A frame from one node to the other meets such a fault, which counts if it is the first one.
    private func meet(_ fault: Fault, _ from: Int, _ to: Int) {
        guard let struck = network[from, to].struck.first(where: { $0.fault == fault && $0.until > time }) else {
            return
        }
        network.forget(fault, of: struck.node)
        met(fault, struck.phases + nodes[struck.node].phases, nodes[struck.node])
    }

    private func meetCut(_ from: Int, _ to: Int) {
        guard network[from, to].cutUntil > time else { return }
        for fault in [Fault.oneWay, .partition, .isolation] { meet(fault, from, to) }
    }

    /// The transport keeps the order of its stream, so what is lost there is lost with all behind it. ENTRIES, PULL and the
    /// frames of the registers, whose rules have to stand alone, also get lost, repeated and overtaken one by one.
    func send(_ node: SimulatedNode, _ id: ConnectionID, _ bytes: [UInt8]) {
        guard let end = network.ends[id], let other = network.ends[end.other] else { return }
        checkSent(node, bytes)
        network.overhear(bytes)
        let way = network[node.index, other.node]
        meetCut(node.index, other.node)
        if way.cutUntil > time, !other.isDeaf {
            // Short cuts are bridged by sending again.
            if way.cutUntil - time > 3000 || chance(1, of: 2) {
                network.ends[end.other]!.isDeaf = true
            } else {
                network.ends[end.other]!.arrivedUntil = max(other.arrivedUntil, way.cutUntil)
            }
        }
        guard network.ends[end.other]?.isDeaf == false else { return }
        let isAlone = Self.standAlone.contains(bytes[1])
        if isAlone, way.lossUntil > time, chance(1, of: 4) { return meet(.frameLoss, node.index, other.node) }
        var delay = way.latency + .random(in: 0...way.latency / 4 + 1, using: &random)
        if way.delayUntil > time {
            meet(.frameDelay, node.index, other.node)
            delay += .random(in: 0...way.delay, using: &random)
        }
        if let slow = [node, nodes[other.node]].first(where: { $0.slowUntil > time }) {
            meet(.slowPeer, slow)
            delay += .random(in: 200...1500, using: &random)
        }
        let at = max(network.ends[end.other]!.arrivedUntil, time + delay)
        if isAlone, way.reorderUntil > time, chance(1, of: 3) {
            meet(.frameReorder, node.index, other.node)
            return queue.schedule(.arrive(end.other, bytes), at: at + .random(in: 1...2000, using: &random))
        }
        network.ends[end.other]!.arrivedUntil = at
        if way.damageUntil > time, chance(1, of: 8) {
            meet(.damagedFrames, node.index, other.node)
            return queue.schedule(.arriveForeign(end.other, flipped(bytes)), at: at)
        }
        queue.schedule(.arrive(end.other, bytes), at: at)
        if isAlone, way.repeatUntil > time, chance(1, of: 3) {
            meet(.frameRepeat, node.index, other.node)
            queue.schedule(.arrive(end.other, bytes), at: at + .random(in: 0...2000, using: &random))
        }
    }
}
