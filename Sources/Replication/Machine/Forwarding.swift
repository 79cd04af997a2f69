import Links

/// A client's change of a link that is for another node to make.
package struct Forward: Equatable, Sendable {
    package enum Whom: Equatable, Sendable {
        /// Whoever decides about this node's links: see `Replicator.decider`.
        case decider(of: NodeID)
        /// One that has the link.
        case holder(NodeID)
    }

    /// Never given twice.
    package var id: UInt64
    package var whom: Whom
    package var request: ChangeRequest
    /// How long the answer may take, in milliseconds.
    package var timeout: Int64

    package init(id: UInt64, whom: Whom, request: ChangeRequest, timeout: Int64) {
        (self.id, self.whom, self.request, self.timeout) = (id, whom, request, timeout)
    }
}

package enum ForwardOutcome: Equatable, Sendable {
    /// It is this node's own to make.
    case own
    case answered(ChangeAnswer)
    /// Nobody was asked: nothing was changed.
    case unreachable
    /// Too many others have no answer yet; nobody was asked.
    case overloaded
    /// Somebody was asked and said nothing: whether the change was made is not known.
    case unanswered
}

/// Clients' changes under way, to other nodes and from them.
///
///     forward ─▶ who decides? this node ─▶ own         no connection ─▶ unreachable
///        │
///        └─▶ CHANGE-REQUEST ─▶ positions held? ─▶ change ─▶ store ─▶ changed ─▶ CHANGE-ANSWER ─▶ answered
///              │                 └ not yet: waits, at most 500 ms ─▶ behind
///              └ time is up, or the connection is gone ─▶ unanswered
///
/// A change is sent once and to one node: a second one that made it too would make it twice.
struct Forwarding {
    struct Sent {
        let connection: ConnectionID
        let request: UInt32
        let sizeBytes: Int
        let deadline: Int64
    }

    /// A peer's request.
    struct Asker: Hashable, Comparable {
        let connection: ConnectionID
        let request: UInt32

        static func < (left: Asker, right: Asker) -> Bool {
            (left.connection, left.request) < (right.connection, right.request)
        }
    }

    struct Waiting {
        let wanted: ChangeRequest
        let deadline: Int64
    }

    /// To others, by the number of the forward; and those by the number of the request.
    var sent: [UInt64: Sent] = [:]
    var ids: [UInt32: UInt64] = [:]
    var sentBytes = 0
    /// From others, with their sizes, until they are answered.
    var taken: [Asker: Int] = [:]
    var takenBytes = 0
    /// Those of them whose positions are not held yet.
    var waiting: [Asker: Waiting] = [:]
    /// Not later than the first thing that becomes due.
    var nextAt = Int64.max
}
