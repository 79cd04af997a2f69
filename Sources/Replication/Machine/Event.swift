import Links
import Primitives

/// What happened outside the machine.
package enum Event: Equatable, Sendable {
    /// A connection is there: `address` as in `Effect.connect`, nil if it was accepted. `nonce` is from the system's
    /// generator. `certified`: whom the peer's certificate names, nil on a connection without certificates.
    case opened(ConnectionID, address: String?, nonce: UInt128, certified: NodeID?)
    case connectFailed(address: String)
    case closed(ConnectionID)
    /// One whole frame as `FrameReader` cut it.
    case received(ConnectionID, [UInt8])
    /// The instant of `Effect.setDeadline` has come.
    case deadline

    /// The node's own log, after a sync.
    case committed(OwnHead)
    /// The answer to `Effect.apply`, after a sync.
    case applied(Applied)
    case logRead(LogRead, LogReadResult)
    case truncated([Floor])
    /// The answer to `Effect.ceiling`, after a sync.
    case ceilingKept(Origin, UInt64, at: Stamp)
    /// A member's entry was written or applied: all members there are.
    case membersChanged([Member])
    case incarnationBegan(Holdings)

    /// Of this node, nil if the row's checksum fails or the store cannot read.
    case digestsRead(ConnectionID, DigestRead, Digests?)
    case recordsRead(ConnectionID, request: UInt32, Records)
    /// The answer to `Effect.merge`: how many records won over what was here, of these how many should have been here, as
    /// their writer's log is that far, and who wrote the others.
    case merged(ConnectionID, changed: Int, missed: Int = 0, others: Set<Origin> = [])
    /// A record failed its checksum when it was read; its key as in log entries.
    case damagedRecord(key: [UInt8])

    /// A client asks for what is not here, or for what reflects a token.
    case lookUp(Lookup)
    /// The answer to `Effect.readLink`.
    case linkRead(ConnectionID, request: UInt32, LinkAnswer)
    /// A client's change is for another node to make.
    case forward(Forward)
    /// The answer to `Effect.change`.
    case changed(ConnectionID, request: UInt32, ChangeAnswer)

    case snapshotOpened(ConnectionID, rows: [OriginState])
    case snapshotRead(ConnectionID, chunk: [UInt8])
    case snapshotRan(ConnectionID, SnapshotEnd)
    /// A chunk is in the new store; `position` is where its last record stands.
    case chunkInstalled(position: [UInt8])
    case installed(Holdings)
    case installFailed

    case command(Command)

    package enum Command: Equatable, Sendable {
        /// The operator's word that no peer exists.
        case noPeers
        case retire(NodeID)
        /// Addresses to begin with, instead of those before.
        case peers([String])
        /// What an origin was quarantined for was seen to.
        case release(Origin)
    }
}

package struct OwnHead: Equatable, Sendable {
    package var head: UInt64
    package var stamp: Stamp
    package var chain: Chain
    package var ceiling: UInt64

    package init(head: UInt64, stamp: Stamp, chain: Chain, ceiling: UInt64) {
        (self.head, self.stamp, self.chain, self.ceiling) = (head, stamp, chain, ceiling)
    }
}

package struct Floor: Equatable, Sendable {
    package var origin: Origin
    package var floor: UInt64
    package init(origin: Origin, floor: UInt64) { (self.origin, self.floor) = (origin, floor) }
}

/// What came of a batch. Head, stamp and chain are the store's own now, whether the batch changed them or not.
package struct Applied: Equatable, Sendable {
    package enum Outcome: Equatable, Sendable {
        case done
        /// Nothing of the batch was applied: the store is elsewhere.
        case gap
        /// Nothing of the batch was applied: its chain would not be what the sender's is.
        case chainMismatch
        /// What stands before was applied; this entry is of a kind that the applier does not know.
        case unknownKind(sequence: UInt64)
        /// What stands before was applied; the applier cannot handle this entry.
        case poison(sequence: UInt64)
        /// Nothing was applied, for a reason that may pass: disk full, map full.
        case failed
    }

    package var origin: Origin
    package var head: UInt64
    package var stamp: Stamp
    package var chain: Chain
    package var outcome: Outcome

    package init(origin: Origin, head: UInt64, stamp: Stamp, chain: Chain, outcome: Outcome) {
        (self.origin, self.head, self.stamp, self.chain, self.outcome) = (origin, head, stamp, chain, outcome)
    }
}

package enum LogReadResult: Equatable, Sendable {
    /// At least one entry, consecutive from where the read began.
    case entries(Entries)
    case belowFloor(UInt64)
    /// A row's checksum or chain fails; nil: nothing can be read.
    case damaged(sequence: UInt64?)
}
