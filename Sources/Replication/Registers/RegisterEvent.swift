import Links
import Primitives

/// What happened outside the registers.
package enum RegisterEvent: Equatable, Sendable {
    /// The client's wish, of this node.
    case claim(Claim)
    /// A frame of an authenticated peer, of one of the types for claims.
    case received(NodeID, Frame)
    /// A peer is there again.
    case connected(NodeID)
    /// The instant of `RegisterEffect.setDeadline` has come.
    case deadline

    /// The answer to `RegisterEffect.read`, all from one snapshot.
    case read(RegisterAnswers)
    /// The answer to `RegisterEffect.store`, after the sync; or nothing of it was written, or nothing could be read.
    case stored(batch: UInt64, succeeded: Bool)
    /// The store holds what `RegisterEffect.cover` or `coverEveryone` of this number asked for.
    case covered(UInt64)
    /// The store cannot vouch any longer for what it holds: an earlier day's disk, another's.
    case lost

    case command(Command)

    package enum Command: Equatable, Sendable {
        /// Another set of acceptors, by one more, fewer or other. The answer comes as to a claim: it is decided then, and
        /// runs once all acceptors have confirmed it.
        case change(to: [NodeID], claim: UInt128)
        /// An acceptor that leaves will never answer: the next epoch does not wait for it.
        case declareDead(NodeID)
        /// The operator's word that what this acceptor may have lost is nothing: it is again what it was in its former life.
        /// If it was whole in no epoch, or for the second time, that it is given up: it votes with what it has.
        case vouch
    }
}

package struct Claim: Equatable, Sendable {
    /// LinkKey.
    package var key: [UInt8]
    package var value: RegisterValue

    package init(key: [UInt8], value: RegisterValue) { (self.key, self.value) = (key, value) }
}

/// What the store holds of the registers that a batch is about.
package struct RegisterAnswers: Equatable, Sendable {
    package struct Known: Equatable, Sendable {
        /// Nil: never asked for.
        package var row: RegisterRow?
        /// The alias, or its tombstone, is in the store: its whole creation as it stands now.
        package var link: RegisterValue?
        /// And so is its entry, as the store's heads say. What a snapshot's records or a repair brought ahead of its log is
        /// not told by heads: the register stays till then.
        package var isCovered: Bool
        /// The alias is in the store, and nobody can say whose it is: its record is damaged.
        package var isUnreadable = false

        package init(row: RegisterRow? = nil, link: RegisterValue? = nil, isCovered: Bool = true) {
            (self.row, self.link, self.isCovered) = (row, link, isCovered)
        }
    }

    package struct Page: Equatable, Sendable {
        /// In order of their keys.
        package var rows: [RegisterRow]
        /// Keys of those whose alias is in the store, and its entry too.
        package var linked: Set<[UInt8]>
        /// Key of the last one if there are more; empty: that was all.
        package var next: [UInt8]
        /// What the store holds of all logs, in this snapshot.
        package var heads: [LogHead]

        package init(rows: [RegisterRow], linked: Set<[UInt8]>, next: [UInt8], heads: [LogHead]) {
            (self.rows, self.linked, self.next, self.heads) = (rows, linked, next, heads)
        }
    }

    package var batch: UInt64
    /// As many as keys were asked for, in their order.
    package var known: [Known]
    /// As many as pages were asked for, in their order.
    package var pages: [Page]

    package init(batch: UInt64, known: [Known], pages: [Page]) {
        (self.batch, self.known, self.pages) = (batch, known, pages)
    }
}
