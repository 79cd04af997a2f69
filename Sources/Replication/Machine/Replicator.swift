import Links
import Primitives

/// The rules that keep regions equal: one value that takes events and the time, and says what to do. It has no clock, no
/// socket and no disk; the same events give the same effects.
///
/// Read in this order: `Replicator` (state, dispatch), `+Dialling`, `+Handshake` (who may speak), `+Rows` (what peers say
/// they hold: heads, seals, ceilings), `+Sending` (cursors and credit), `+Receiving` (contiguity, chain, clock,
/// quarantine), `+Pulling` (relay), `+Clock`, `+Members` (truncation, formats), `+Providing` and `+Joining` (snapshots),
/// `+Comparing` (digests and repair), `+Lookups` (what clients ask for), `+Forwarding` (what they change), `+Timers`.
package struct Replicator: Sendable {
    let settings: Settings
    package internal(set) var own: Origin
    /// What is durably held here, by origin, with what is known of ceilings and seals.
    var rows: [Origin: OriginState] = [:]
    package internal(set) var members: [NodeID: Member] = [:]
    var isFresh: Bool
    var peers: [NodeID: PeerKnowledge] = [:]
    var sessions: [ConnectionID: PeerSession] = [:]
    var dials: [String: Dial] = [:]
    /// Addresses to begin with; the members' are added.
    var addresses: [String]
    var intakes: [Origin: Intake] = [:]
    /// Lives of this node that have ended, each in some doubt, until what is here of its log is known to be what others have.
    var doubted: Set<Origin> = []
    /// Logs that are to be cut, at the entry that cannot be read.
    var damagedLogs: [Origin: UInt64] = [:]
    /// Of other nodes, on the way to the disk: nobody is told of them before.
    var ceilingsUnderWay: [Origin: UInt64] = [:]
    /// When a head of an origin was last seen to move, here or at a peer.
    var movedAt: [Origin: Int64] = [:]
    var joining = Joining.no
    /// What was committed while the store was being replaced; told of only if it stays.
    var headWhileFinishing: OwnHead?
    /// When the attempt to join last got on.
    var joiningAt: Int64 = 0
    /// While there is a new store.
    var partial: PartialInstall?
    /// Since when a snapshot has been needed and none was begun.
    var joinWantedAt: Int64?
    /// Who was asked for a snapshot, since all that could give one were.
    var askedGivers: Set<NodeID> = []
    var pins: [(rows: [OriginState], connection: ConnectionID?, until: Int64)] = []
    var comparison = Comparison()
    var lookups = Lookups()
    var forwarding = Forwarding()
    var raised: Set<Alarm> = []
    /// Of each id that two live nodes have: when something told so last.
    var twinSeenAt: [NodeID: Int64] = [:]
    package internal(set) var counters = Counters()

    var isContinuous = false
    /// No peer knows of a number of this node's yet.
    var numbersAreUnheard = false
    package internal(set) var isReady = false
    /// Of entries: the newest that all members read, and may be written. Nil until they are known.
    var format: UInt16?
    /// Heads that peers showed and this node must cover before it is ready.
    var goals: [Origin: UInt64] = [:]
    var hasHeardPeer = false
    package internal(set) var ownClockIsWrong = false
    var evenClock: EvenClock

    let startedAt: Int64
    /// The present life of its log, as long as it runs.
    var lifeBeganAt: Int64
    var truncatedAt: Int64
    var comparedAt: Int64
    var deadline: Int64?
    var lastRequest: UInt32 = 0
    var random: SeededRandom
    var now: Moment
    /// Of the event in hand.
    var effects: [Effect] = []

    package init(_ settings: Settings, _ holdings: Holdings, now: Moment) {
        ReplicationLimits.check()
        WireLimits.check()
        precondition(NodeID(holdings.own) == settings.member.id && settings.run != 0)
        self.settings = settings
        (own, isFresh, self.now) = (holdings.own, holdings.isFresh, now)
        (startedAt, lifeBeganAt, truncatedAt, comparedAt) = (now.ticks, now.ticks, now.ticks, now.ticks)
        evenClock = EvenClock(wall: now.wall, ticks: now.ticks)
        addresses = settings.peers
        random = SeededRandom(seed: settings.seed)
        take(holdings)
    }

    /// The first effects; then one call for each event.
    package mutating func start() -> [Effect] {
        membersChanged()
        sealOwnOlderLives()
        judgeReadiness()
        return finish()
    }

    package mutating func handle(_ event: Event, now: Moment) -> [Effect] {
        precondition(now.ticks >= self.now.ticks, "steady time went back")
        self.now = now
        evenClock.note(wall: now.wall, ticks: now.ticks)
        switch event {
        case .opened(let id, let address, let nonce, let certified):
            opened(PeerSession(id, address: address, nonce: nonce, certified: certified, now: now))
        case .connectFailed(let address): backOff(address)
        case .closed(let id): forget(id)
        case .received(let id, let bytes): received(id, bytes)
        case .deadline: deadline = nil
        case .snapshotOpened, .snapshotRead, .snapshotRan, .chunkInstalled, .installed, .installFailed:
            handleSnapshot(event)
        case .digestsRead, .recordsRead, .merged, .damagedRecord: handleComparison(event)
        case .lookUp(let lookup): lookUp(lookup)
        case .linkRead(let id, let request, let answer): linkRead(id, request, answer)
        case .forward(let forward): self.forward(forward)
        case .changed(let id, let request, let answer): changed(id, request, answer)
        case .committed, .applied, .logRead, .truncated, .ceilingKept, .membersChanged, .incarnationBegan:
            handleLog(event)
        case .command(let command): handle(command)
        }
        return finish()
    }

    private mutating func handleLog(_ event: Event) {
        switch event {
        case .committed(let head): committed(head)
        case .applied(let applied): self.applied(applied)
        case .logRead(let read, let result): logRead(read, result)
        case .truncated(let floors): truncated(floors)
        case .ceilingKept(let origin, let ceiling, let stamp): ceilingKept(origin, ceiling, at: stamp)
        case .membersChanged(let list):
            members = Dictionary(uniqueKeysWithValues: list.map { ($0.id, $0) })
            membersChanged()
        case .incarnationBegan(let holdings):
            let former = own
            let isForked = intakes[former]?.quarantine == .fork
            beginAnew(holdings)
            if isForked { fork(former) }
        default: preconditionFailure("not of the log")
        }
    }

    private mutating func handle(_ command: Event.Command) {
        switch command {
        case .noPeers:
            proveContinuity(isAlone: true)
            numbersWereHeard()
        case .retire(let node):
            guard var member = members[node], node != settings.member.id else { return }
            member.isRetired = true
            effects.append(.logMember(member))
        case .peers(let peers):
            addresses = peers
            learnAddresses()
        case .release(let origin): release(origin)
        }
    }

    /// What follows from any event: timers, streams, acknowledgements, the next deadline.
    private mutating func finish() -> [Effect] {
        if deadline.map({ $0 <= now.ticks }) ?? true { runTimers() }
        for id in sessionIDs { pump(id) }
        releaseCovered()
        for id in sessionIDs { acknowledge(id) }
        scheduleDeadline()
        defer { effects = [] }
        return effects
    }

    // MARK: What all parts use

    /// In a fixed order, so that the same events give the same effects.
    var sessionIDs: [ConnectionID] { sessions.keys.sorted() }

    /// Open sessions in order of distance.
    var nearest: [PeerSession] {
        sessions.values.filter(\.isOpen).sorted { ($0.roundTrip, $0.node, $0.id) < ($1.roundTrip, $1.node, $1.id) }
    }

    func head(_ origin: Origin) -> UInt64 { rows[origin]?.head ?? 0 }

    /// Where to say something to a node that is no stream: its open connection. Nil too if it would not understand it.
    package func connection(to node: NodeID) -> ConnectionID? {
        sessions.values.filter {
            $0.isOpen && $0.node == node && $0.hello!.versions.upperBound >= ReplicationLimits.requestVersion
        }.map(\.id).min()
    }

    /// Whether as much of these logs is durably here, as far as numbers say; in which version the store knows. Of a log with
    /// two versions nobody can say: what is here under a number may be of the other one.
    package func holds(_ heads: [LogHead]) -> Bool {
        heads.allSatisfy {
            !doubted.contains($0.origin) && intakes[$0.origin]?.quarantine != .fork && $0.head != LogHead.unclear
                && $0.head <= head($0.origin)
        }
    }

    /// What `nodes` hold, who are every other member and configured address and have been heard; nil if they are not.
    package func held(by nodes: Set<NodeID>) -> [LogHead]? {
        guard everyoneReported,
            members.values.allSatisfy({ $0.id == settings.member.id || $0.isRetired || nodes.contains($0.id) }),
            dials.values.allSatisfy({ $0.phase == .own || $0.node.map(nodes.contains) ?? false })
        else { return nil }
        return nodes.sorted().flatMap { node in
            let rows = (peers[node]?.rows.values ?? [:].values).sorted { $0.origin < $1.origin }
            return rows.flatMap { row in
                [LogHead(origin: row.origin, head: row.head, chain: row.chain), peers[node]!.said[row.origin]]
                    .compactMap(\.self)
            }
        }
    }

    mutating func send(_ id: ConnectionID, _ frame: Frame, request: UInt32 = 0) {
        effects.append(.send(id, frame.encoded(request: request)))
    }

    mutating func nextRequest() -> UInt32 {
        lastRequest = lastRequest == .max ? 1 : lastRequest + 1
        return lastRequest
    }

    mutating func close(_ id: ConnectionID, _ reason: CloseReason) {
        guard sessions[id] != nil else { return }
        effects.append(.close(id, reason))
        forget(id)
    }

    mutating func raise(_ alarm: Alarm) {
        if raised.insert(alarm).inserted { effects.append(.alarm(alarm)) }
    }

    mutating func clear(_ alarm: Alarm) {
        if raised.remove(alarm) != nil { effects.append(.cleared(alarm)) }
    }

    /// The row changed: every open session is to hear of it.
    mutating func announce(_ origin: Origin) {
        for id in sessions.keys where sessions[id]!.isAuthenticated { sessions[id]!.dirty.insert(origin) }
    }

    mutating func take(_ holdings: Holdings) {
        (own, isFresh) = (holdings.own, holdings.isFresh)
        rows = Dictionary(uniqueKeysWithValues: holdings.rows.map { ($0.origin, $0) })
        if rows[own] == nil { rows[own] = OriginState(origin: own) }
        members = Dictionary(uniqueKeysWithValues: holdings.members.map { ($0.id, $0) })
        let fetched = intakes.keys.sorted()
        (intakes, goals, ceilingsUnderWay) = ([:], [:], [:])
        let former = rows.values.filter { NodeID($0.origin) == settings.member.id && $0.origin != own && $0.head > 0 }
        doubted = Set(former.map(\.origin))
        for origin in holdings.forked { quarantine(origin, .fork) }
        for origin in fetched {
            for reason in Quarantine.allCases where intakes[origin]?.quarantine != reason {
                clear(.quarantined(origin, reason))
            }
        }
        (lookups.lives, lookups.hasMoved) = (nil, true)
    }

    /// A new incarnation: what HELLO said no longer holds, so every connection begins again.
    mutating func beginAnew(_ holdings: Holdings) {
        for id in sessionIDs { close(id, .newIncarnation) }
        (joining, partial, lifeBeganAt, headWhileFinishing) = (.no, nil, now.ticks, nil)
        // A store that was in doubt knows no better how far its numbers went.
        (isContinuous, hasHeardPeer, numbersAreUnheard) = (false, false, false)
        take(holdings)
        clear(.incarnationInDoubt)
        for address in dials.keys where dials[address]!.phase != .own {
            dials[address]!.phase = .waiting(until: now.ticks)
        }
        membersChanged()
        sealOwnOlderLives()
        judgeReadiness()
    }

    /// Facts that hold between events; for tests and the simulator.
    package func checkInvariants() {
        for (origin, row) in rows {
            precondition(row.origin == origin && row.floor <= row.head && row.head <= row.seal)
        }
        precondition(!rows[own]!.isSealed || joining == .reborn, "writes under an ended incarnation")
        for session in sessions.values where session.isOpen {
            precondition(session.consumedBytes <= session.receivedBytes && session.receivedBytes <= session.granted)
            precondition(session.sentBytes <= session.credit)
        }
        let strangers = sessions.values.count { !$0.isAuthenticated && $0.role == .listener }
        precondition(strangers <= ReplicationLimits.unauthenticatedConnections, "strangers without bound")
        precondition(forwarding.sent.count == forwarding.ids.count)
        precondition(forwarding.sent.count <= ReplicationLimits.forwards)
        precondition(forwarding.sentBytes == forwarding.sent.values.reduce(0) { $0 + $1.sizeBytes })
        precondition(forwarding.taken.count <= ReplicationLimits.forwards)
        precondition(forwarding.takenBytes == forwarding.taken.values.reduce(0, +))
        let queued = intakes.values.reduce(0) { sum, intake in
            sum + intake.queue.reduce(0) { $0 + $1.credit }
        }
        precondition(UInt64(queued) <= ReplicationLimits.creditWindow * UInt64(max(sessions.count, 1)))
    }
}
