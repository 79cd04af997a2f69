/// What befalls nodes and what is between them.
package enum Fault: String, CaseIterable, Sendable {
    case frameLoss = "frames lost"
    case frameDelay = "frames late"
    case frameReorder = "frames reordered"
    case frameRepeat = "frames repeated"
    case reset = "connection reset"
    case oneWay = "one way cut"
    case partition = "partition"
    case isolation = "node cut off"
    case crash = "crash"
    case crashBeforeCommit = "crash before a commit"
    case crashAfterCommit = "crash after a commit"
    case restart = "clean restart"
    case wipedDisk = "disk wiped"
    case oldDisk = "old disk restored"
    case lostIdentity = "side file lost"
    case clockSkew = "clock skewed"
    case clockStep = "clock stepped"
    case frozen = "node frozen"
    case slowPeer = "slow peer"
    case damagedFrames = "frames damaged"
    case strangers = "strangers' frames"
    case absence = "away beyond retention"
    case fullDisk = "disk full"
    case damagedRecord = "record damaged"
    case damagedLog = "log damaged"
    case poison = "poison entry"
    case secondClaim = "code claimed again"
    case laterFormat = "later log format"
    case join = "member joins"
    case retire = "member retires"
    case damagedRegister = "register damaged"
    case acceptorsChange = "acceptors changed"
}

/// What a node was about when a fault met it: one thing as a replica, and maybe one more as an acceptor or for a client.
package enum Phase: String, CaseIterable, Sendable {
    /// No peer is connected.
    case alone
    /// It connects to someone.
    case connecting
    /// It lacks entries that a peer showed.
    case behind
    /// It takes a snapshot, or begins a new life.
    case joining
    /// It gives a snapshot.
    case giving
    /// It has what its peers have.
    case level
    /// A client waits for its claim.
    case claiming
    /// It is an acceptor that does not know enough to vote.
    case learning
    /// It has confirmed the next epoch of acceptors.
    case changing
}

/// How often each fault met each phase.
package struct FaultTable: Equatable, Sendable {
    private var counts = [UInt64](repeating: 0, count: Fault.allCases.count * Phase.allCases.count)

    package init() {}

    private static func place(_ fault: Fault, _ phase: Phase) -> Int {
        Fault.allCases.firstIndex(of: fault)! * Phase.allCases.count + Phase.allCases.firstIndex(of: phase)!
    }

    package subscript(fault: Fault, phase: Phase) -> UInt64 {
        get { counts[Self.place(fault, phase)] }
        set { counts[Self.place(fault, phase)] = newValue }
    }

    /// What never met and could have: nobody's log is poisoned while acceptors change, because of it who enters would never
    /// have all.
    package var missing: [(fault: Fault, phase: Phase)] {
        Fault.allCases.flatMap { fault in
            Phase.allCases.filter { self[fault, $0] == 0 && (fault, $0) != (.poison, .changing) }.map { (fault, $0) }
        }
    }

    package var total: UInt64 { counts.reduce(0, +) }

    package mutating func add(_ other: FaultTable) {
        for index in counts.indices { counts[index] += other.counts[index] }
    }
}
