import Links
import Primitives

/// What was heard from one node, over all its connections.
struct PeerKnowledge {
    /// What it said that it durably holds.
    var rows: [Origin: OriginState] = [:]
    /// As far as it said the chains too, which acknowledgements do not.
    var said: [Origin: LogHead] = [:]
    var heardAt: Int64?
    /// Its wall clock less this node's, and when that was seen.
    var clock: (offset: Int64, at: Int64)?

    func head(_ origin: Origin) -> UInt64 { rows[origin]?.head ?? 0 }
}

extension [Origin: OriginState] {
    /// All rows have to go into one frame, whatever origins a peer makes up.
    func hasRoom(for origin: Origin) -> Bool { self[origin] != nil || count < WireLimits.origins }
}

/// Entries of one origin that are to come, or have come.
struct Intake {
    struct Received {
        var connection: ConnectionID
        var entries: Entries
        /// Of all frames that are in it.
        var credit: Int

        init(connection: ConnectionID, entries: Entries) {
            (self.connection, self.entries, credit) = (connection, entries, entries.payloadSizeBytes)
        }

        /// Takes in the next frame of the same connection if it goes on where this one ends, so that one commit will do
        /// for both. False if it does not, or both would be too much.
        mutating func join(_ next: Received) -> Bool {
            guard next.connection == connection, next.entries.first == entries.last + 1,
                next.entries.chainBefore == entries.chainAfter,
                entries.bytes.count + next.entries.bytes.count <= WireLimits.entriesBytes
            else { return false }
            entries.bytes += next.entries.bytes
            entries.count += next.entries.count
            entries.chainAfter = next.entries.chainAfter
            credit += next.credit
            return true
        }
    }

    var queue: [Received] = []
    /// What the store works on, its size in credit, and whether it was cut because the rest is stamped too far ahead.
    var applying: (received: Received, isCut: Bool)?
    var quarantine: Quarantine?
    /// When a quarantine that time may end is tried again, or a store that failed.
    var retryAt: Int64?
    /// Since when it has been behind a head that someone announced, without progress.
    var behindSince: Int64?
    /// Pulls since the last progress.
    var pulls: Int64 = 0
    /// Batches in a row that the store could not take.
    var failures: Int64 = 0
    var pulledAt: Int64?
    var needsSnapshot = false

    mutating func take(_ received: Received) {
        if queue.isEmpty || !queue[queue.count - 1].join(received) { queue.append(received) }
    }
}

/// An address, and how reaching it goes.
struct Dial {
    enum Phase: Equatable {
        case waiting(until: Int64)
        case connecting
        case connected(ConnectionID)
        /// The address is this node's own.
        case own
    }

    var phase: Phase
    var failures: Int64 = 0
    /// Who answered there last.
    var node: NodeID?
}

/// A node that is far behind, on its way to another's state.
enum Joining: Equatable {
    case no
    /// After a failure: not before.
    case waiting(until: Int64)
    case asked(ConnectionID, request: UInt32)
    case installing(ConnectionID, request: UInt32, chunks: UInt32)
    /// Who gave it is gone: another is to go on, not before then.
    case paused(until: Int64)
    case finishing
    /// The store was asked for a new incarnation: everything else waits.
    case reborn

    /// The old state takes nothing more.
    var isFrozen: Bool {
        switch self {
        case .no, .waiting: false
        case .asked, .installing, .paused, .finishing, .reborn: true
        }
    }

    var connection: ConnectionID? {
        switch self {
        case .asked(let connection, _), .installing(let connection, _, _): connection
        case .no, .waiting, .paused, .finishing, .reborn: nil
        }
    }
}

/// What of a snapshot is in the new store.
struct PartialInstall {
    /// From where the log is to be replayed: of several givers, the lower head of each log.
    var rows: [OriginState]
    /// Logs of which a giver knows two versions.
    var forked: Set<Origin> = []
    /// Where the last record stands that is in the store.
    var position: [UInt8] = []
    /// Chunks that the store has not told of yet, oldest first, whose bytes their givers get back as credit.
    var underWay: [(connection: ConnectionID, sizeBytes: UInt64)] = []
    /// When it last got on.
    var at: Int64

    /// What the next giver holds of each record is at least as new as its own rows say, and what came before at least as
    /// new as the rows so far.
    mutating func lower(to offered: [OriginState]) {
        for row in rows where row.head > 0 {
            let other = offered.first { $0.origin == row.origin && $0.head == row.head }
            if let other, other.chain != row.chain { forked.insert(row.origin) }
        }
        rows = rows.compactMap { row in
            guard let other = offered.first(where: { $0.origin == row.origin }) else { return nil }
            var lower = other.head < row.head ? other : row
            lower.ceiling = max(row.ceiling, other.ceiling)
            let seals = [row.seal, other.seal].filter { $0 != OriginState.unsealed }
            lower.seal = seals.max() ?? OriginState.unsealed
            return lower
        }
    }
}

/// Figures for people and tests.
package struct Counters: Equatable, Sendable {
    package var entriesApplied: UInt64 = 0
    package var entriesIgnored: UInt64 = 0
    package var gaps: UInt64 = 0
    package var pulls: UInt64 = 0
    package var snapshotsGiven: UInt64 = 0
    package var snapshotsInstalled: UInt64 = 0
    package var comparisons: UInt64 = 0
    package var bucketsRepaired: UInt64 = 0
    package var recordsRepaired: UInt64 = 0
    package var rejected: UInt64 = 0
    /// LINK-REQUESTs that were sent, and that came.
    package var lookupsAsked: UInt64 = 0
    package var lookupsAnswered: UInt64 = 0
}

extension Replicator {
    /// What the machine is about, for figures.
    package enum Phase: Equatable, Sendable { case alone, connecting, behind, joining, giving, level }

    package var phase: Phase {
        if joining.isFrozen { return .joining }
        if sessions.values.contains(where: { $0.providing != nil }) { return .giving }
        if intakes.values.contains(where: { $0.behindSince != nil && !isBlocked($0) }) { return .behind }
        if sessions.values.contains(where: { !$0.isOpen }) { return .connecting }
        return sessions.isEmpty ? .alone : .level
    }

    /// Origins whose entries are not applied, and why.
    package var quarantines: [Origin: Quarantine] { intakes.compactMapValues(\.quarantine) }
}
