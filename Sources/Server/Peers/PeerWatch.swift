import Links
import Primitives
import Replication

/// Follows how far this node and its peers are behind each other.
struct PeerWatch {
    /// When heads came: of other logs those that peers told of, of the own one those that were committed.
    private var histories: [Origin: HeadHistory] = [:]
    /// Peers that have once held all of the own log since their connection began. The others are catching up, which may
    /// take long, and no user is to wait for them.
    private var level: Set<NodeID> = []
    private(set) var alarmCounts: [String: UInt64] = [:]
    /// By address or peer: what the log said of it last.
    private var told: [String: String] = [:]
    private static let toldSubjects = 1024
    /// From a stamp to its entry's being durable here, of batches, by their last entries.
    private(set) var delayMilliseconds = Histogram()
    static let delayBounds: [UInt64] = [5, 10, 25, 50, 100, 250, 500, 1000, 5000, 30_000, 300_000]
    /// Heads that were applied last.
    private var applied: [Origin: UInt64] = [:]

    mutating func noteApplied(_ applied: Applied, now: Instant) {
        guard applied.outcome == .done, applied.head > self.applied[applied.origin] ?? 0 else { return }
        self.applied[applied.origin] = applied.head
        let age = now.millisecondsSince(applied.stamp.instant)
        delayMilliseconds.note(UInt64(max(0, age)), bounds: Self.delayBounds)
    }

    /// Whether the log does not say so already of this address or peer.
    mutating func isNews(_ reason: String, of subject: String) -> Bool {
        // Names that are dialled are few, and strangers' addresses are not kept for ever.
        if told.count > Self.toldSubjects { told = [:] }
        return told.updateValue(reason, forKey: subject) != reason
    }

    /// It is connected: whatever comes next is news. What was told of strangers begins with where they are.
    mutating func forget(_ subject: String) {
        told[subject] = nil
        for stranger in told.keys where stranger.hasPrefix(subject + " ") { told[stranger] = nil }
    }

    mutating func noteAlarm(_ name: String) { alarmCounts[name, default: 0] += 1 }

    mutating func note(_ status: ReplicatorStatus, at ticks: Int64) {
        for log in status.logs {
            let origin = log.state.origin
            histories[origin, default: HeadHistory()].note(log.bestHead, at: ticks)
            var known = log.state.head
            if origin == status.own {
                for peer in status.peers where peer.isConnected { known = min(known, peer.acknowledged) }
            }
            histories[origin]!.forget(through: known)
        }
        let head = status.logs.first { $0.state.origin == status.own }?.state.head ?? 0
        for peer in status.peers {
            if !peer.isConnected {
                level.remove(peer.node)
            } else if peer.acknowledged >= head {
                level.insert(peer.node)
            }
        }
    }

    /// Milliseconds for which this node has known of an entry that it lacks.
    func lag(_ log: ReplicatorStatus.Log, at ticks: Int64) -> Int64 {
        histories[log.state.origin]?.age(behind: log.state.head, at: ticks) ?? 0
    }

    /// Milliseconds for which there has been an entry of this node that the peer lacks.
    func lag(of peer: ReplicatorStatus.Peer, _ own: Origin, at ticks: Int64) -> Int64 {
        histories[own]?.age(behind: peer.acknowledged, at: ticks) ?? 0
    }

    /// Of the peers that users may have to wait for.
    func slowestLag(_ status: ReplicatorStatus, at ticks: Int64) -> Int64 {
        status.peers.filter { level.contains($0.node) }.map { lag(of: $0, status.own, at: ticks) }.max() ?? 0
    }
}

/// What the admin port tells of replication: one moment of it.
struct PeerFigures: Sendable {
    let status: ReplicatorStatus
    /// When, in monotonic milliseconds; and how old they are for who could get no newer ones.
    let at: Int64
    var ageMilliseconds: Int64 = 0
    var transport = TransportFigures()
    var alarmCounts: [String: UInt64] = [:]
    var delayMilliseconds = Histogram()
    /// Milliseconds, as of `PeerWatch.lag`.
    var lags: [Origin: Int64] = [:]
    var peerLags: [NodeID: Int64] = [:]
    let registers: RegisterFigures

    init(_ status: ReplicatorStatus, _ registers: RegisterFigures, at ticks: Int64) {
        (self.status, self.registers, at) = (status, registers, ticks)
    }

    init(
        _ status: ReplicatorStatus, _ watch: PeerWatch, _ transport: TransportFigures, _ registers: RegisterFigures,
        at ticks: Int64
    ) {
        (self.status, self.transport, self.registers, at) = (status, transport, registers, ticks)
        (alarmCounts, delayMilliseconds) = (watch.alarmCounts, watch.delayMilliseconds)
        for log in status.logs { lags[log.state.origin] = watch.lag(log, at: ticks) }
        for peer in status.peers { peerLags[peer.node] = watch.lag(of: peer, status.own, at: ticks) }
    }
}
