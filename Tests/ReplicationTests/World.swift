import Links
import Primitives

@testable import Replication

/// Some machines over a network that delays, cuts, drops, repeats and reorders, in virtual time; each with a model store
/// whose syncs come later than its commits.
struct World {
    struct Node {
        let id: NodeID
        var clockOffset: Int64 = 0
        var machine: Replicator?
        var disk: Image
        var live: Image
        /// Grows with each crash, so that what was under way for an earlier life is recognised.
        var life: UInt64 = 0
        var deadline: Int64?
        var isReady = false
        var mayChange = true
        var isProven = false
        var installing: Image?
        /// Of the last giver.
        var installed: (count: UInt64, sum: UInt128) = (0, 0)
        var alarms: [Alarm] = []
        var cleared: [Alarm] = []
        var truncates = true
        var snapshots: [ConnectionID: (next: [UInt8], records: UInt64, sum: UInt128)] = [:]
    }

    struct End: Hashable {
        var node: Int
        var connection: ConnectionID
    }

    enum Happening {
        case event(node: Int, life: UInt64, Event)
        /// A commit of before becomes durable, and then this is told.
        case sync(node: Int, life: UInt64, Event?)
        case deadline(node: Int, life: UInt64, Int64)
        case restart(node: Int)
        case arrive(End, [UInt8])
        case hangUp(End)
    }

    struct Scheduled {
        var at: Int64
        var order: UInt64
        var happening: Happening
    }

    static let wallAtZero: Int64 = 1_700_000_000_000
    let seed: UInt64
    var random: SeededRandom
    var nodes: [Node] = []
    var time: Int64 = 0
    var queue: [Scheduled] = []
    var order: UInt64 = 0
    /// The other end of each end.
    var wires: [End: End] = [:]
    /// When the last frame towards an end arrives: streams keep their order.
    var arrivals: [End: Int64] = [:]
    var connections: UInt64 = 0
    /// Connections that a cut fell upon: nothing comes through any more, and nobody is told.
    var broken: Set<End> = []
    var cut: Set<[Int]> = []
    var isFaulty = true
    /// Truncation takes what nobody has acknowledged too.
    var alwaysCaps = false
    /// Writes that a client was told of.
    var acknowledged: [(key: [UInt8], record: Image.Record)] = []
    var told: [(node: Int, life: UInt64, upTo: UInt64, key: [UInt8], record: Image.Record)] = []
    var writes: UInt64 = 0
    var violations: [String] = []
    /// Snapshots that another peer went on with.
    var resumptions = 0
    var sentEntries = 0
    /// Whose frames say what they like, and how many did.
    var liar: Int?
    var lies = 0

    static func address(_ id: NodeID) -> String { "\(id)" }

    init(seed: UInt64, nodes count: Int) {
        self.seed = seed
        random = SeededRandom(seed: seed)
        for index in 0..<count {
            let id = NodeID(region: UInt8(ascii: "1") + UInt8(index), node: 0)
            let own = Origin(region: id.region, node: 0, incarnation: random.next() | 1)
            nodes.append(Node(id: id, disk: Image(own: own), live: Image(own: own)))
        }
        for index in 0..<count { restart(index) }
    }

    mutating func chance(_ part: Int, of whole: Int) -> Bool { Int.random(in: 0..<whole, using: &random) < part }

    mutating func schedule(_ happening: Happening, after delay: Int64) {
        order += 1
        let item = Scheduled(at: time + delay, order: order, happening: happening)
        // The earliest stands last.
        var (low, high) = (0, queue.count)
        while low < high {
            let middle = (low + high) / 2
            if (queue[middle].at, queue[middle].order) > (item.at, item.order) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        queue.insert(item, at: low)
    }

    mutating func run(for duration: Int64) {
        let end = time + duration
        while let next = queue.last, next.at <= end {
            queue.removeLast()
            time = next.at
            perform(next.happening)
        }
        time = end
    }

    private mutating func perform(_ happening: Happening) {
        switch happening {
        case .event(let node, let life, let event): if nodes[node].life == life { tell(node, event) }
        case .sync(let node, let life, let event):
            guard nodes[node].life == life else { return }
            nodes[node].disk = nodes[node].live
            synced(node)
            if let event { tell(node, event) }
        case .deadline(let node, let life, let at):
            if nodes[node].life == life, nodes[node].deadline == at { tell(node, .deadline) }
        case .restart(let node): if nodes[node].machine == nil { restart(node) }
        case .arrive(let end, let bytes): if wires[end] != nil { tell(end.node, .received(end.connection, bytes)) }
        case .hangUp(let end): if wires.removeValue(forKey: end) != nil { tell(end.node, .closed(end.connection)) }
        }
    }

    /// Clients hear of what is on the disk now.
    private mutating func synced(_ index: Int) {
        let disk = nodes[index].disk
        for item in told where item.node == index && item.life == nodes[index].life {
            if item.record.origin == disk.own, item.upTo <= disk.head(disk.own) {
                acknowledged.append((item.key, item.record))
            }
        }
        told.removeAll { $0.node == index }
    }

    func moment(_ index: Int) -> Moment {
        Moment(wall: Instant(milliseconds: Self.wallAtZero + time + nodes[index].clockOffset), ticks: time)
    }

    mutating func tell(_ index: Int, _ event: Event) {
        guard var machine = nodes[index].machine else { return }
        nodes[index].machine = nil
        let effects = machine.handle(event, now: moment(index))
        machine.checkInvariants()
        nodes[index].machine = machine
        for effect in effects { perform(effect, index) }
    }

    // MARK: What people and fate do

    mutating func restart(_ index: Int) {
        let id = nodes[index].id
        nodes[index].life += 1
        nodes[index].live = nodes[index].disk
        (nodes[index].isReady, nodes[index].mayChange, nodes[index].installing) = (false, true, nil)
        nodes[index].snapshots = [:]
        let others = nodes.filter { $0.id != id }.map { Self.address($0.id) }
        let settings = Settings(
            cluster: Array("c".utf8),
            member: Member(id: id, addresses: [Self.address(id)], logFormat: 1), run: random.next() | 1,
            secretCheck: 1, epoch: 1, regions: [], peers: others, proof: Bench.proof, seed: random.next())
        var machine = Replicator(settings, nodes[index].disk.holdings, now: moment(index))
        let effects = machine.start()
        nodes[index].machine = machine
        for effect in effects { perform(effect, index) }
    }

    /// What was not synced is gone. Peers may hear of it or not.
    mutating func crash(_ index: Int, downFor duration: Int64) {
        nodes[index].machine = nil
        nodes[index].life += 1
        told.removeAll { $0.node == index }
        for end in wires.keys.filter({ $0.node == index }).sorted(by: { $0.connection < $1.connection }) {
            hangUp(end, tellsOther: chance(1, of: 2))
        }
        schedule(.restart(node: index), after: duration)
    }

    mutating func hangUp(_ end: End, tellsOther: Bool = true) {
        guard let other = wires.removeValue(forKey: end) else { return }
        if tellsOther { schedule(.hangUp(other), after: max(1, (arrivals[other] ?? 0) - time + 1)) }
    }

    func isCut(_ left: Int, _ right: Int) -> Bool { cut.contains([min(left, right), max(left, right)]) }

    mutating func write(_ index: Int) {
        guard nodes[index].machine != nil, nodes[index].mayChange else { return }
        writes += 1
        let key: [UInt8] = [3, UInt8.random(in: 0..<24, using: &random)]
        let value: [UInt8] = [chance(1, of: 12) ? 1 : 0] + Array("\(writes)".utf8)
        write(index, key, value)
    }

    mutating func write(_ index: Int, _ key: [UInt8], _ value: [UInt8], kind: UInt8 = 1) {
        let before = nodes[index].live.records[[kind] + key]
        _ = nodes[index].live.write(
            kind: kind, key, value, wall: moment(index).wall.milliseconds, ticks: time)
        let own = nodes[index].live.own
        let row = nodes[index].live.rows[own]!.state
        // A change of what is deleted is refused to the client: it does not win.
        if let record = nodes[index].live.records[[kind] + key], before != record, record.sequence == row.head {
            told.append((index, nodes[index].life, row.head, [kind] + key, record))
        }
        let head = OwnHead(head: row.head, stamp: row.stamp, chain: row.chain, ceiling: row.head + 10)
        schedule(.sync(node: index, life: nodes[index].life, .committed(head)), after: syncDelay())
    }

    mutating func syncDelay() -> Int64 { .random(in: 0...20, using: &random) }

    // MARK: What must hold when all is quiet

    /// Equal vectors and records everywhere, every acknowledged write there or won over.
    mutating func checkConverged() -> [String] {
        var found = violations
        if !vectorsAreEqual { found.append("vectors differ") }
        let first = nodes[0].disk
        for node in nodes {
            if node.machine == nil { found.append("\(node.id) is down") }
            if !node.isReady { found.append("\(node.id) is not ready") }
            if node.disk.records != first.records { found.append("\(node.id) differs from \(nodes[0].id)") }
            for (key, record) in acknowledged {
                guard let present = node.disk.records[key] else {
                    found.append("\(node.id) lost \(key)")
                    continue
                }
                let (p, r) = (present.isDeleted ? 1 : 0, record.isDeleted ? 1 : 0)
                if (p, present.stamp) < (r, record.stamp) { found.append("\(node.id) has an older \(key)") }
            }
        }
        return found
    }

    var vectorsAreEqual: Bool {
        let vectors = nodes.map { $0.disk.states.filter { $0.head > 0 }.map { "\($0.origin) \($0.head) \($0.chain)" } }
        return vectors.allSatisfy { $0 == vectors[0] }
    }
}
