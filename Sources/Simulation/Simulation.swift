import Links
import Primitives
import Replication
import Store

/// What one run is made of. The same settings give the same run.
package struct SimulationSettings: Sendable {
    package var seed: UInt64
    /// Virtual, of faults and work; quiet follows.
    package var minutes: Int64 = 8
    /// At least.
    package var operations = 1000
    /// Holds a directory for each node; emptied before and after.
    package var directory: String
    /// The directory stays after a failure.
    package var keepsFiles = false
    /// Nodes have the registers of aliases, and clients claim names.
    package var claims = true

    package init(seed: UInt64, directory: String) { (self.seed, self.directory) = (seed, directory) }
}

/// What came of a run.
package struct SimulationReport: Sendable {
    package let seed: UInt64
    /// Over all that happened, in order.
    package var trace: UInt64 = 0
    package var nodes = 0
    package var virtualMilliseconds: Int64 = 0
    package var operations = 0
    package var acknowledged = 0
    /// Rounds of the scrub, and records that it cut down, on all nodes.
    package var scrubRounds = 0
    package var reducedRecords = 0
    /// Answers that caches gave.
    package var cacheHits = 0
    package var claims = ClaimSums()
    package var happenings: UInt64 = 0
    /// Faults that befell a node, each once; in the table each stands for every phase that it met.
    package var strikes = 0
    package var faults = FaultTable()
    /// What did not hold; empty: all did.
    package var violations: [String] = []
    /// The last things of note before the end.
    package var story: [String] = []

    /// Whether it was long and hard enough for its being clean to mean anything.
    package var counts: Bool {
        nodes >= 5 && virtualMilliseconds >= 600_000 && operations >= 1000 && strikes >= Simulation.leastStrikes
    }

    /// Of a failure, for people.
    package var text: String {
        (["seed \(seed) fails"] + story + violations.map { "seed \(seed): \($0)" }).joined(separator: "\n")
    }
}

/// Many nodes in one thread, in virtual time: real replicators on real stores, a network and disks that fail, clients.
///
/// Everything that happens is an element of one queue, and every choice is one seed's; so a seed tells a run.
package final class Simulation {
    enum Happening {
        case event(node: Int, life: UInt64, Event)
        /// The store makes durable what has gathered.
        case turn(node: Int, life: UInt64)
        case deadline(node: Int, life: UInt64, Int64)
        /// Housekeeping goes on with the scrub.
        case scrub(node: Int, life: UInt64)
        case register(node: Int, life: UInt64, RegisterNews)
        case registerDeadline(node: Int, life: UInt64, Int64)
        /// A client claims a name.
        case claim(node: Int, LinkKey)
        /// With the same claim, at this node or at any.
        case askAgain(UInt128, node: Int?)
        /// Of the claim's client who asked this node, for the time of this number.
        case patience(UInt128, node: Int, life: UInt64, time: Int)
        case arrive(ConnectionID, [UInt8])
        /// Bytes that no member sent so.
        case arriveForeign(ConnectionID, [UInt8])
        case hangUp(ConnectionID)
        case start(node: Int)
        case work
        case trouble
        case plan(Plan)
    }

    static let wallAtZero: Int64 = 1_790_000_000_000
    let settings: SimulationSettings
    var random: SeededRandom
    var nodes: [SimulatedNode] = []
    var queue = EventQueue<Happening>()
    var time: Int64 = 0
    var network = Network()
    var ledger = Ledger()
    /// What operators were told of API keys, and the links that they have blocked some time.
    var keyWrites: [KeyWrite] = []
    var blockedKeys: [LinkKey] = []
    var anyDiskIsLost = false
    var votes = VoteWitness()
    var claims = ClaimWitness()
    /// What clients wish, by their claims, and how often they asked.
    var wishes: [UInt128: Claim] = [:]
    var asked: [UInt128: Int] = [:]
    var nameCount = 0
    var firstEpoch = Epoch(number: 1, acceptors: [])
    /// Whom operators have asked to become acceptors in the epoch after that of `wantedOf`.
    var wanted: Set<NodeID> = []
    var wantedOf: UInt64 = 0
    /// When operators gave their word for an acceptor last.
    var vouchedAt: Int64 = 0
    var report: SimulationReport
    /// A record was damaged, or a log has two versions or an end that nobody can apply: only digests make nodes equal then.
    var mayDiverge = false
    /// Origins whose node lost the end of their logs, and may have written another.
    var mayFork: Set<Origin> = []
    /// Faults are over, and all that is left of them is mended.
    var isQuiet = false {
        didSet { quietSince = time }
    }
    private(set) var quietSince: Int64 = 0
    /// Some links are so long that a snapshot, a page and a credit window have but few of them.
    var isBulky = false
    /// Snapshots take long, as those of millions of links do.
    var hasSmallChunks = false
    var bulkBytes = 0
    /// Log entries may go after so long, once all have them, and after so long in any case.
    var retention: (settled: Int64, capped: Int64)
    /// Faults that this run is inclined to.
    var inclinations: [Fault] = []
    private var story: [String] = []

    package init(_ settings: SimulationSettings) {
        self.settings = settings
        random = SeededRandom(seed: settings.seed)
        report = SimulationReport(seed: settings.seed)
        retention = (30_000, 150_000)
    }

    /// One whole run.
    package func run() -> SimulationReport {
        Disk.remove(settings.directory)
        Disk(path: settings.directory).restore([:])
        let descriptors = Disk.descriptorCount(below: settings.directory)
        prepare()
        advance(to: settings.minutes * 60_000)
        for _ in 0..<100 where !isEnough { advance(to: time + 10_000) }
        if report.violations.isEmpty { settle() }
        for node in nodes where node.isUp { stop(node) }
        if Disk.descriptorCount(below: settings.directory) > descriptors { violated(.bounded, "files are left open") }
        report.virtualMilliseconds = time
        report.happenings = queue.scheduled
        report.acknowledged = ledger.acknowledged.count
        (report.claims.raced, report.claims.epochs) = (claims.raced.count, max(0, votes.epochs.count - 1))
        report.story = story
        if report.violations.isEmpty || !settings.keepsFiles { Disk.remove(settings.directory) }
        return report
    }

    /// Less would say little.
    private var isEnough: Bool {
        report.operations >= settings.operations && report.strikes >= Self.leastStrikes
            || !report.violations.isEmpty
    }

    static let leastStrikes = 10

    private func prepare() {
        let count = Int.random(in: 5...6, using: &random)
        for index in 0..<count { addNode(index) }
        firstEpoch = drawFirstEpoch()
        retention = (.random(in: 10_000...60_000, using: &random), .random(in: 100_000...200_000, using: &random))
        network.prepare(count: Self.mostNodes, &random)
        // Each run is inclined to some faults, so that they meet one another.
        inclinations = Fault.allCases.shuffled(using: &random)
        inclinations.removeLast(Int.random(in: 0...Fault.allCases.count / 2, using: &random))
        // In half the runs only replication makes nodes equal.
        if chance(1, of: 2) { inclinations.removeAll { [.damagedRecord, .poison, .oldDisk].contains($0) } }
        (isBulky, hasSmallChunks) = (chance(1, of: 4), chance(1, of: 2))
        for node in nodes { schedule(.start(node: node.index), after: .random(in: 0...3000, using: &random)) }
        schedule(.work, after: 4000)
        schedule(.trouble, after: 10_000)
        if settings.claims { schedule(.plan(.operateAcceptors), after: 20_000) }
    }

    static let mostNodes = 8
    static let characters = Array("123".utf8)

    @discardableResult
    func addNode(_ index: Int) -> SimulatedNode {
        let id = NodeID(region: Self.characters[index % 3], node: UInt8(index / 3))
        let node = SimulatedNode(index: index, id: id, directory: settings.directory, seed: random.next())
        // Programs are never older than those that are there.
        node.logFormat = nodes.map(\.logFormat).max() ?? StoreLimits.logFormat
        nodes.append(node)
        report.nodes = nodes.count
        return node
    }

    // MARK: Time

    func chance(_ part: Int, of whole: Int) -> Bool { Int.random(in: 0..<whole, using: &random) < part }

    func schedule(_ happening: Happening, after delay: Int64) {
        queue.schedule(happening, at: time + max(0, delay))
    }

    func advance(to end: Int64) {
        while let next = queue.nextAt, next <= end, report.violations.isEmpty {
            let (at, happening) = queue.take()!
            precondition(at >= time, "time went back")
            time = at
            perform(happening)
        }
        time = max(time, end)
    }

    private func perform(_ happening: Happening) {
        if let node = target(happening), nodes[node].frozenUntil > time {
            return queue.schedule(happening, at: nodes[node].frozenUntil)
        }
        switch happening {
        case .event(let index, let life, let event):
            if nodes[index].life == life { tell(nodes[index], event) }
        case .turn(let index, let life): if nodes[index].life == life { turn(nodes[index]) }
        case .deadline(let index, let life, let at):
            guard nodes[index].life == life, nodes[index].deadline == at else { return }
            nodes[index].store?.retry()
            turnSoon(nodes[index])
            tell(nodes[index], .deadline)
        case .scrub(let index, let life): if nodes[index].life == life { scrub(nodes[index]) }
        case .register(let index, let life, let news): if nodes[index].life == life { hear(nodes[index], news) }
        case .registerDeadline(let index, let life, let at):
            if nodes[index].life == life { passRegisterDeadline(nodes[index], at) }
        case .claim(let index, let key): claim(nodes[index], key)
        case .askAgain(let claim, let index): askAgain(claim, at: index)
        case .patience(let claim, let index, let life, let number):
            loosePatience(claim, nodes[index], life, number)
        case .arrive(let id, let bytes):
            guard let end = network.ends[id], nodes[end.node].isUp else { return }
            tell(nodes[end.node], .received(id, bytes))
        case .arriveForeign(let id, let bytes): arriveForeign(id, bytes)
        case .hangUp(let id):
            guard let end = network.ends.removeValue(forKey: id) else { return }
            nodes[end.node].connections.removeAll { $0 == id }
            tell(nodes[end.node], .closed(id))
        case .start(let index): if !nodes[index].isUp { start(nodes[index]) }
        case .work: work()
        case .trouble: trouble()
        case .plan(let plan): carryOut(plan)
        }
    }

    private func target(_ happening: Happening) -> Int? {
        switch happening {
        case .event(let node, _, _), .turn(let node, _), .deadline(let node, _, _), .scrub(let node, _),
            .register(let node, _, _), .registerDeadline(let node, _, _):
            node
        case .arrive(let id, _), .arriveForeign(let id, _), .hangUp(let id): network.ends[id]?.node
        case .start, .work, .trouble, .plan, .claim, .askAgain, .patience: nil
        }
    }

    // MARK: What is told of it

    /// Something of note.
    func tell(_ text: String) {
        story.append("\(Double(time / 100) / 10) s  \(text)")
        if story.count > Self.storyLines { story.removeFirst(story.count - Self.storyLines / 2) }
    }

    private static let storyLines = 600

    func violated(_ rule: Rule, _ text: String) {
        guard report.violations.count < 10 else { return }
        report.violations.append("\(rule.rawValue): \(text)")
        tell("VIOLATED \(rule.rawValue): \(text)")
    }

    /// Goes into the trace.
    func note(_ words: UInt64...) {
        for word in words {
            report.trace = (report.trace ^ word &* 0x9e37_79b9_7f4a_7c15) &* 0x100_0000_01b3 ^ report.trace >> 29
        }
    }
}

/// Everything that must hold, of which REPLICATION and its sources speak; the name stands before each finding.
package enum Rule: String, CaseIterable, Sendable {
    case acknowledgedSurvives = "an acknowledged write survives"
    case deleteIsFinal = "nothing deleted comes back"
    case oneLinkForever = "a string means one link for ever"
    case numberOnce = "no number is given out twice"
    case keepsAnswering = "a link that was shown does not vanish"
    case rightDestination = "never a wrong destination"
    case contentKept = "what is shown is what was written"
    case durableBeforeTold = "only what is durable is told"
    case causalStamps = "stamps follow what was received"
    case futureWaits = "a stamp far ahead is not applied"
    case keepsUnacknowledged = "nothing goes that a member has not acknowledged"
    case formatAwaited = "a format is written once all read it"
    case livesEnd = "ended lives are sealed when quiet"
    case cacheIsFresh = "a cached answer is the store's"
    case strangersChangeNothing = "strangers change nothing"
    case soundStore = "verify finds nothing"
    case forksAreReal = "two versions are told only of a log that has them"
    case noDivergence = "equal vectors never have different sums"
    case equalVectors = "equal vectors when quiet"
    case equalDumps = "equal dumps when quiet"
    case equalDigests = "equal digests when quiet"
    case becomesReady = "a node becomes ready again"
    case bounded = "queues stay bounded"
    case opens = "a store opens again"
    case oneWinner = "one winner a name"
    case takenIfWon = "a 409 only if somebody won"
    case claimsAnswered = "claims are answered"
    case byMajority = "what wins was accepted by a majority"
    case votesDurable = "a vote is durable before it is told"
    case promisesKept = "a promise is kept, and by who gave it"
    case lostLearns = "who does not know all does not vote"
    case oneEpoch = "one epoch at a time"
    case registersSettle = "acceptors settle when quiet"
}
