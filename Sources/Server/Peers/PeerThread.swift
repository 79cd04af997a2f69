import Glibc
import Links
import Primitives
import Replication
import Store
import Synchronization

/// The one thread that keeps this node equal to its peers: it tells the replicator what connections, store and clock
/// say, and does what it wants done.
///
///     connections ──frames──▶ ┌────────────┐ ──frames──▶ connections
///     store's writer ─events─▶│ Replicator │ ──effects─▶ PeerStore
///     admin, main ──commands─▶└────────────┘ ──alarms──▶ log, metrics
///
/// Safety: all but `mail`, `intake`, `durability`, `lookups`, `changes`, `pulse`, `askers` and what is atomic or behind a mutex belongs
/// to the thread.
final class PeerThread: @unchecked Sendable {
    let store: PeerStore
    let intake = WriteIntake()
    let durability: RegionDurability
    /// What clients wait for.
    let lookups: RemoteLookups
    /// What they want changed, and other nodes are to change.
    let changes: ForwardedChanges
    /// Beats once for each turn of the loop.
    let pulse = Pulse()
    let mail: PeerMail
    private let live: LiveConfiguration
    private let now: @Sendable () -> Instant
    private let ready = Atomic(false)
    private let stopping = Atomic(false)
    /// What was told last, for those whom the thread does not answer.
    private let published: Mutex<PeerFigures>
    /// Who waits for figures of a later moment, each with a place for its answer.
    private let askers = WaitingQueue<WaitingQueue<PeerFigures>>(capacity: waitingAskers)

    let transport: PeerTransport
    var replicator: Replicator
    let registers: AliasRegisters
    private var configurationSeen: UInt64 = 0
    var configuration: Configuration
    private var deadline: Int64 = 0
    var watch = PeerWatch()
    var connected: [ConnectionID: NodeID] = [:]
    /// Of log entries, as it was told last.
    var writtenFormat = UInt16(LogEntry.firstFormat)
    var pace = SnapshotPace()
    private var publishedAt: Int64 = 0
    private var retriedAt: Int64 = 0

    /// `mail` is what `store` and `transport` were made with; `acceptors` are those of a cluster that begins.
    init(
        _ settings: Settings, _ acceptors: [NodeID], _ store: PeerStore, _ transport: PeerTransport, _ mail: PeerMail,
        _ live: LiveConfiguration, now: @escaping @Sendable () -> Instant
    ) throws(StoreError) {
        (self.store, self.transport, self.mail, self.live, self.now) = (store, transport, mail, live, now)
        lookups = RemoteLookups(mail, live)
        changes = ForwardedChanges(mail, live)
        configuration = live.value
        replicator = Replicator(settings, try store.store.holdings(), now: Self.moment(now))
        durability = RegionDurability(ownRegion: settings.member.id.region, wake: { mail.wake() })
        durability.set(configuration)
        registers = try AliasRegisters(
            settings.member.id, Epoch(number: 1, acceptors: acceptors), store.store, mail)
        published = Mutex(PeerFigures(replicator.status, registers.figures, at: System.monotonicMilliseconds()))
    }

    /// Whether the node has what its peers had when it came.
    var isReady: Bool { ready.load(ordering: .relaxed) }

    /// Made after the call, so that they tell of all that users and peers were told before it. If the thread does not turn
    /// within a second, or has ended: what it told last, with its age. For any thread but this one.
    var figures: PeerFigures {
        let answer = WaitingQueue<PeerFigures>(capacity: 1)
        if askers.push(answer) {
            mail.wake()
            if let fresh = answer.take(atMost: 1, timeoutMilliseconds: Self.answerMilliseconds)?.first { return fresh }
        }
        var last = published.withLock { $0 }
        last.ageMilliseconds = max(1, System.monotonicMilliseconds() - last.at)
        return last
    }

    /// How long one waits for figures, and how many may: beyond that nobody has been answered for long.
    private static let answerMilliseconds = 1000
    private static let waitingAskers = 4

    /// From any thread; what came before is handled before.
    func give(_ command: Event.Command) { mail.put(.command(command)) }

    /// Asks the cluster's acceptors for an alias. `completion` is called on the peers' thread, which must not be kept.
    func claim(_ claim: Claim, completion: @escaping AliasRegisters.Completion) {
        mail.put(.claim(claim, completion))
    }

    /// What an operator says of the acceptors.
    func give(_ command: RegisterEvent.Command) { mail.put(.event(.command(command))) }

    /// Another set of acceptors; what became of it, or nil if that was not told in time. For any thread but this one.
    func change(_ action: AcceptorAction, _ node: NodeID) -> ClaimOutcome? {
        let answer = WaitingQueue<ClaimOutcome>(capacity: 1)
        mail.put(.change(action, node) { _ = answer.push($0) })
        return answer.take(atMost: 1, timeoutMilliseconds: Int(RegisterLimits.claimTimeout) + Self.answerMilliseconds)?
            .first
    }

    /// New connections show these certificates.
    func replace(tls: TLSContext) { mail.replace(tls: tls) }

    /// Ends the loop; the connections close.
    func stop() {
        stopping.store(true, ordering: .releasing)
        mail.wake()
    }

    // MARK: The loop

    func run() {
        mail.isRead(by: pthread_self())
        perform(replicator.start())
        registers.start()
        if !replicator.isReady { tellReadiness(false) }
        var events: [Event] = []
        while !stopping.load(ordering: .acquiring) {
            transport.wait(untilTicks: mail.isEmpty ? nextWakeUp : 0, into: &events)
            pulse.beat()
            adoptChanges()
            // First who asks: what came before the question is among the mail then.
            let waiting = askers.take(atMost: .max, timeoutMilliseconds: 0) ?? []
            events += mail.takeAll()
            for event in events { handle(event) }
            events.removeAll(keepingCapacity: events.count <= Self.keptEvents)
            let ticks = System.monotonicMilliseconds()
            if ticks >= deadline {
                deadline = .max
                handle(.deadline)
            }
            durability.expire(at: ticks)
            turnRegisters(ticks)
            if let id = pace.due(ticks) { _ = store.perform(.readSnapshot(id)) }
            tellNotices()
            retry(ticks)
            publish(ticks, for: waiting)
        }
        transport.end()
        durability.end()
        changes.end()
        for message in mail.takeRegisterMessages() { registers.take(message) }
        registers.end()
        askers.close()
        for asker in askers.take(atMost: .max, timeoutMilliseconds: 0) ?? [] { asker.close() }
    }

    private static let keptEvents = 256
    private static let tick: Int64 = 1000

    private var nextWakeUp: Int64 {
        let next = min(deadline, registers.deadline, pace.nextAt ?? .max, durability.nextDeadline ?? .max)
        return min(next, publishedAt + Self.tick)
    }

    private static func moment(_ now: () -> Instant) -> Moment {
        Moment(wall: now(), ticks: System.monotonicMilliseconds())
    }

    private func handle(_ event: Event) {
        look(at: event)
        perform(replicator.handle(event, now: Self.moment(now)))
    }

    /// What failed for want of room is tried again.
    private func retry(_ ticks: Int64) {
        guard ticks - retriedAt >= Self.tick else { return }
        retriedAt = ticks
        store.retry()
    }

    private func adoptChanges() {
        if let tls = mail.takeTLS() { transport.replace(tls: tls) }
        guard live.isNewer(than: &configurationSeen) else { return }
        let next = live.value
        if next.peers != configuration.peers { handle(.command(.peers(next.peers))) }
        durability.set(next)
        configuration = next
    }

    /// After the replicator, which knows who is there and what is durable.
    private func turnRegisters(_ ticks: Int64) {
        for message in mail.takeRegisterMessages() { registers.take(message) }
        registers.look(at: replicator)
        if ticks >= registers.deadline { registers.passDeadline() }
        for (node, frame) in registers.takeFrames() {
            // What is not sent is asked for again; entries come first where a peer takes little.
            guard let id = replicator.connection(to: node),
                transport.queuedBytes(id) + frame.count <= TransportLimits.registerBytes
            else { continue }
            transport.send(id, frame)
        }
    }

    // MARK: Effects

    private func perform(_ effects: [Effect]) {
        for effect in effects {
            switch effect {
            case .connect(let address): transport.connect(address)
            case .send(let id, let frame): transport.send(id, frame)
            case .close(let id, let reason):
                tellClosing(id, reason)
                transport.close(id)
            case .authenticated(let id, let node):
                transport.authenticated(id)
                connected[id] = node
            case .admitted(let id, let node):
                tellConnection(id, node)
                registers.handle(.connected(node))
            case .registers(let node, let frame): registers.received(frame, from: node)
            case .setDeadline(let ticks): deadline = ticks
            case .readSnapshot(let id):
                if !pace.holds(id, at: System.monotonicMilliseconds()) { _ = store.perform(effect) }
            case .closeSnapshot(let id):
                pace.forget(id)
                _ = store.perform(effect)
            case .readiness(let isReady):
                ready.store(isReady, ordering: .relaxed)
                tellReadiness(isReady)
                _ = store.perform(effect)
            case .alarm(let alarm): raise(alarm)
            case .cleared(let alarm): clear(alarm)
            case .writableFormat(let format):
                tellFormat(format)
                _ = store.perform(effect)
            case .acknowledged(let node, let sequence):
                durability.acknowledged(node, of: replicator.own, through: sequence)
            case .lookedUp(let ids, let outcome): lookups.finish(ids, outcome, store.store, now: now())
            case .change(let id, let request, let wanted): change(id, request, wanted)
            case .forwarded(let id, let outcome): changes.finish(id, outcome)
            default: _ = store.perform(effect)
            }
        }
    }

    /// What figures need to know of an event.
    private func look(at event: Event) {
        switch event {
        case .applied(let applied): watch.noteApplied(applied, now: now())
        case .snapshotRead(_, let chunk):
            pace.spent(
                bytes: chunk.count, of: configuration.snapshotBytesPerSecond, at: System.monotonicMilliseconds())
        case .closed(let id):
            if let node = forgetConnection(id) { tellLoss(of: node) }
        case .incarnationBegan: registers.handle(.lost)
        case .command(.noPeers): registers.isAlone()
        default: break
        }
    }

    /// Whose it was. Of two connections with a node one may stay.
    func forgetConnection(_ id: ConnectionID) -> NodeID? {
        guard let node = connected.removeValue(forKey: id) else { return nil }
        if !connected.values.contains(node) { registers.closed(node) }
        return node
    }

    // MARK: Figures

    /// To all who wait, and else at most ten times a second; at least every second.
    private func publish(_ ticks: Int64, for waiting: [WaitingQueue<PeerFigures>]) {
        guard !waiting.isEmpty || ticks - publishedAt >= Self.publishInterval else { return }
        publishedAt = ticks
        let status = replicator.status
        watch.note(status, at: ticks)
        let lag = watch.slowestLag(status, at: ticks)
        for (origin, head) in replicator.settledHeads { store.store.coverage.settle(origin, through: head) }
        intake.note(lag: lag, slow: configuration.lagSlowMilliseconds, stop: configuration.lagStopMilliseconds)
        let figures = PeerFigures(status, watch, transport.figures, registers.figures, at: ticks)
        published.withLock { $0 = figures }
        for asker in waiting { _ = asker.push(figures) }
    }

    private static let publishInterval: Int64 = 100
}
