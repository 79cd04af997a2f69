import Links
import Primitives
import Replication
import Store

/// What the store's closures share with the simulation; all of it happens in one thread.
///
/// Safety: one thread uses it.
final class NodeMachine: @unchecked Sendable {
    var wall = Instant(milliseconds: 0)
    /// Events for the replicator, and answers to clients, since they were last taken.
    var events: [Event] = []
    var answers: [(operation: UInt64, result: Result<CreatedLink, WriteError>)] = []
    var keyAnswers: [(id: KeyID, isRevoked: Bool, result: Result<StoredKey?, WriteError>)] = []
    var blockAnswers: [Result<WrittenBlock, WriteError>] = []
    /// For the registers.
    var kept = KeptRegisters()
    var random: SeededRandom
    var diskIsFull = false
    /// And a commit has found it so.
    var metFullDisk = false
    /// The next commit fails after the side file went ahead, and the node with it.
    var crashesBeforeCommit = false
    var didCrash = false
    /// It dies right after its next commit, before which the side file was this.
    var crashesAfterCommit = false
    var sideFileAtCommit: (bytes: [UInt8]?, isKnown: Bool) = (nil, false)
    /// Called when a transaction is about to be committed.
    var beforeCommit: () -> Void = {}
    private let disk: Disk

    init(seed: UInt64, _ disk: Disk) { (random, self.disk) = (SeededRandom(seed: seed), disk) }

    func commit() throws(LMDBError) {
        beforeCommit()
        if diskIsFull { metFullDisk = true }
        if crashesBeforeCommit { (crashesBeforeCommit, didCrash) = (false, true) }
        if didCrash || diskIsFull || sideFileAtCommit.isKnown { throw LMDBError.diskFull }
        if crashesAfterCommit { sideFileAtCommit = (disk.sideFile, true) }
    }
}

/// One node: its disk, and while it runs its store and its replicator.
final class SimulatedNode {
    let index: Int
    let id: NodeID
    let disk: Disk
    let machine: NodeMachine
    var clockOffset: Int64 = 0
    /// Parts in a million that its clock goes fast.
    var clockDrift: Int64 = 0

    // While it runs.
    var store: PeerStore?
    var reader: LinkReader?
    /// Goes with the reader.
    var cache: CodeCache?
    var replicator: Replicator?
    var registers: SimulatedRegisters?
    /// Grows with each end, so that what was under way for an earlier run is recognised.
    var life: UInt64 = 0
    var deadline: Int64?
    var turnIsDue = false
    var isReady = false
    var connections: [ConnectionID] = []
    /// Events reach the replicator in the order in which the store told them.
    var toldUntil: Int64 = 0
    var frozenUntil: Int64 = 0 {
        didSet { thawedAt = max(thawedAt, frozenUntil) }
    }
    /// When it was frozen last, until then.
    private(set) var thawedAt: Int64 = -1
    var slowUntil: Int64 = 0
    var isAbsent = false
    /// What it was about when it left.
    var leftIn: [Phase] = []
    /// Faults that are set up and have not happened yet, and what the node was about.
    var struck: [Fault: [Phase]] = [:]
    /// Its retirement was told, and it goes soon.
    var leaves = false
    var isRetired = false
    /// Its program reads, and may write, a later format.
    var logFormat = StoreLimits.logFormat
    var writableFormat: UInt16 = 1
    /// Heads that are durable, as of the last commit.
    var durable: [Origin: UInt64] = [:] {
        didSet {
            everDurable.merge(durable, uniquingKeysWith: max)
            onDisk.merge(durable, uniquingKeysWith: max)
        }
    }
    /// Ceilings likewise.
    var ceilings: [Origin: UInt64] = [:]
    /// The greatest heads since the disk is the one it is.
    var onDisk: [Origin: UInt64] = [:]
    /// The greatest heads, whatever became of the disk.
    private(set) var everDurable: [Origin: UInt64] = [:]
    /// The store is another one, and the replicator has not heard yet.
    var isReplaced = false
    /// The latest that its clock ever showed.
    var latestWall = Instant(milliseconds: 0)
    /// As its store last told.
    var scrubbed = ScrubFigures()
    var wasPoisoned = false
    /// Records that were damaged, as they were before.
    var damaged: [LinkKey: WriteRank] = [:]
    /// Logs with a row of which a bit is wrong, and where. Nothing makes that good but the log's being cut there.
    var damagedLogs: [Origin: UInt64] = [:]
    /// Keys of links that it has shown deleted, since its disk is the one it is.
    var shownDeleted: Set<LinkKey> = []
    /// As well, all that it has shown.
    var shown: Set<LinkKey> = []
    var backup: Backup?
    /// A bit of a row of its acceptor's is wrong.
    var registersAreDamaged = false
    /// It has claimed a name in the quiet.
    var hasClaimedLast = false
    /// What its disk holds, of a node that is down.
    var heldWhileDown: [LinkKey: WriteRank] = [:]

    init(index: Int, id: NodeID, directory: String, seed: UInt64) {
        (self.index, self.id) = (index, id)
        disk = Disk(path: "\(directory)/\(Character(UnicodeScalar(id.region)))\(id.node)")
        machine = NodeMachine(seed: seed, disk)
    }

    var isUp: Bool { replicator != nil }
    var wasDamaged: Bool { !damaged.isEmpty }

    /// What it is about.
    var phases: [Phase] { [replicator.map(Phase.init) ?? .alone] + [registers?.phase].compactMap(\.self) }
}

/// A disk as it was at some time.
struct Backup {
    var files: [String: [UInt8]]
    var acceptor: VoteWitness.Disk
    var registersAreDamaged: Bool
    var damagedLogs: [Origin: UInt64]
}

extension Phase {
    init(_ replicator: Replicator) {
        switch replicator.phase {
        case .alone: self = .alone
        case .connecting: self = .connecting
        case .behind: self = .behind
        case .joining: self = .joining
        case .giving: self = .giving
        case .level: self = .level
        }
    }
}

/// By which writes of one key are ordered. The origin decides between equal stamps, but the same write comes under
/// another one when its node had to log it again.
struct WriteRank {
    var isDeleted: Bool
    /// The creation that a claim decided on, which may be logged again after what users did to the link.
    var isClaimed: Bool
    var stamp: UInt64
    var origin: Origin

    /// This write or a later one stands there.
    func covers(_ other: WriteRank) -> Bool {
        (isDeleted ? 1 : 0, isClaimed ? 0 : 1, stamp)
            >= (other.isDeleted ? 1 : 0, other.isClaimed ? 0 : 1, other.stamp)
    }
}
