import Links
import Primitives

/// What the machine wants done, in this order.
package enum Effect: Equatable, Sendable {
    case connect(address: String)
    case send(ConnectionID, [UInt8])
    /// After what was sent before has left. No event of the connection follows but those that are on their way.
    case close(ConnectionID, CloseReason)
    /// Frames may be up to 1 MiB from now on.
    case authenticated(ConnectionID, NodeID)
    /// And the peer has let this node in: entries can flow.
    case admitted(ConnectionID, NodeID)
    /// One deadline at a time, in ticks; a new one replaces it.
    case setDeadline(Int64)

    case apply(Batch)
    case readLog(LogRead)
    case truncate(Truncation)
    /// An ended incarnation's last sequence; to be persisted; only grows.
    case seal(Origin, UInt64)
    /// Two versions of another life's log are known; or no longer, by an operator's word. To be persisted.
    case forked(Origin, Bool)
    /// Another node's codes may reach this counter, as was known at that time. To be persisted; `ceilingKept` answers.
    case ceiling(Origin, UInt64, at: Stamp)
    /// Begin a new life: never write under the old incarnation again, and issue no number before `continuityProven`.
    case beginIncarnation(IncarnationReason)
    /// Write this entry of a member into the own log.
    case logMember(Member)
    /// All members read entries up to this format; before the first such effect, only the first format is certain.
    case writableFormat(UInt16)

    case readDigests(ConnectionID, DigestRead)
    case readBucket(ConnectionID, request: UInt32, BucketRequest)
    case readRecord(ConnectionID, request: UInt32, RecordRequest)
    /// Merge by the rule of the winner, never into the log; but nothing that is stamped too far ahead of that time.
    case merge(ConnectionID, [UInt8], reference: Instant)

    /// The link of a code, for a client of that peer.
    case readLink(ConnectionID, request: UInt32, code: [UInt8])
    /// What came of lookups, by their numbers, which ascend. Once for each.
    case lookedUp([UInt64], LookupOutcome)
    /// Make this change of a link, for a client of that peer.
    case change(ConnectionID, request: UInt32, ChangeRequest)
    /// What came of a change that was forwarded, by its number. Once for each.
    case forwarded(UInt64, ForwardOutcome)

    /// From the first record on, or behind that position.
    case openSnapshot(ConnectionID, after: [UInt8])
    /// At most `WireLimits.chunkBytes`.
    case readSnapshot(ConnectionID)
    case closeSnapshot(ConnectionID)
    /// A new store beside the old one; or the one that is there goes on with the chunks of another snapshot.
    case beginInstall(resumes: Bool)
    case installChunk([UInt8])
    /// Check the last snapshot's records against their number and sum; set the vector to the rows, and mark the logs that have
    /// two versions; begin a new incarnation in the new store and log again in it whatever the old one holds beyond the rows;
    /// sync, rename.
    case finishInstall(SnapshotOffer, SnapshotEnd)
    /// Remove the new store.
    case abandonInstall

    /// Numbers may be issued beyond the highest that anyone knows: the counter below which they lie and a time up to
    /// which it is known; nil if no number of this node is known.
    case continuityProven(Highest?)
    /// Numbers wait until a peer has heard how far they go: who lost its disk before that would give the same ones out
    /// again.
    case issuing(allowed: Bool)
    /// Changes to keys that exist.
    case localChanges(allowed: Bool)
    case readiness(Bool)
    /// A frame that is the registers', of a peer that is let in.
    case registers(NodeID, Frame)
    /// A peer has synced the own log so far.
    case acknowledged(NodeID, through: UInt64)
    case alarm(Alarm)
    case cleared(Alarm)
}

package struct Highest: Equatable, Sendable {
    package var ceiling: UInt64
    package var at: Instant
    package init(ceiling: UInt64, at: Instant) { (self.ceiling, self.at) = (ceiling, at) }
}

package enum CloseReason: Equatable, Sendable {
    /// A REJECT was sent.
    case rejected(Reject.Reason)
    /// The peer sent one.
    case refused(Reject.Reason)
    case malformed
    /// A frame that has no place here, or more than was granted.
    case violation
    case authenticationTimeout
    case silence
    /// Another connection to the same process stays.
    case duplicateConnection
    /// What HELLO said no longer holds.
    case newIncarnation
}

package struct Batch: Equatable, Sendable {
    package var origin: Origin
    /// The store's head + 1.
    package var first: UInt64
    package var count: Int
    /// Each entry behind a varint of its length.
    package var bytes: [UInt8]
    /// What the chain must be after the last one; nil if the sender's batch was cut.
    package var chainAfter: Chain?
    /// Wall time against which the stamps were judged; for the store's own clock.
    package var reference: Instant
}

package struct LogRead: Equatable, Sendable {
    package var connection: ConnectionID
    package var origin: Origin
    package var from: UInt64
    /// Synced; the store reads no further, whatever it holds.
    package var through: UInt64
    /// Of entries with their lengths; one entry may pass it.
    package var limitBytes: Int
}

package struct Truncation: Equatable, Sendable {
    package struct Row: Equatable, Sendable {
        package var origin: Origin
        /// Every member that counts has synced the log up to here.
        package var acknowledged: UInt64
        /// Nothing beyond may go, whatever its age: a snapshot needs it.
        package var pinned: UInt64
        /// The entry of this sequence cannot be read, and all before goes with it; 0: none.
        package var damaged: UInt64

        package init(origin: Origin, acknowledged: UInt64, pinned: UInt64, damaged: UInt64 = 0) {
            (self.origin, self.acknowledged, self.pinned, self.damaged) = (origin, acknowledged, pinned, damaged)
        }
    }

    package var rows: [Row]
    /// Acknowledged entries stamped before may go.
    package var settledBefore: Instant
    /// Entries stamped before may go whether or not they are acknowledged. So may the oldest where the log takes more
    /// than a quarter of the map.
    package var cappedBefore: Instant

    package init(rows: [Row], settledBefore: Instant, cappedBefore: Instant) {
        (self.rows, self.settledBefore, self.cappedBefore) = (rows, settledBefore, cappedBefore)
    }

    /// What is due at `now`.
    package init(_ rows: [Row], now: Instant) {
        self.init(
            rows: rows, settledBefore: now.advanced(byMilliseconds: -ReplicationLimits.settledAge),
            cappedBefore: now.advanced(byMilliseconds: -ReplicationLimits.hardCapAge))
    }
}

package struct DigestRead: Equatable, Sendable {
    package var node: DigestNode
    /// The peer's question that this answers; nil: for the machine's own comparison.
    package var request: UInt32?
}

package enum IncarnationReason: Equatable, Sendable {
    /// A peer has entries of this incarnation that this node has not.
    case peerKnowsMore(NodeID)
    /// Same sequence, different bytes.
    case chainMismatch(NodeID)
    /// Others hold this incarnation for ended.
    case sealed(NodeID)
}

/// What an operator must hear of. Each is raised once and, where that can be, cleared.
package enum Alarm: Hashable, Sendable {
    case duplicateNode(NodeID)
    case rejected(Reject.Reason, by: String)
    case quarantined(Origin, Quarantine)
    case ownClockWrong
    case incarnationInDoubt
    /// A bucket lacked what nodes with equal vectors, or the logs here, have.
    case diverged(bucket: UInt64)
    /// An entry that a peer sent fails its own checksum.
    case damagedEntry(Origin, from: NodeID)
    case damagedLog(Origin)
    case snapshotNeeded(Origin)
    case retired
}

/// Why an origin's entries are not applied, acknowledged or relayed.
package enum Quarantine: Hashable, CaseIterable, Sendable {
    /// Its stamps are too far ahead of the wall clock.
    case clock
    /// Same sequence, different bytes.
    case fork
    case unknownKind
    case poison
    /// The store could not take them, several times in a row. They are tried again for as long as it takes.
    case store
}
