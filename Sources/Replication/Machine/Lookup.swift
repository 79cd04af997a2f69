import Links

/// What a client asks for and this node cannot answer by itself: a code that may exist elsewhere, or an answer that
/// reflects a token.
package struct Lookup: Equatable, Sendable {
    /// Who is asked.
    package enum Whom: Hashable, Sendable {
        /// Whoever holds all positions, the nearest first.
        case holder
        /// The node whose code it is; if it cannot be reached, whoever holds more of its logs.
        case author(NodeID)
        /// The nodes of a region, by its character, one after the other.
        case region(UInt8)
        /// All at once, for an alias: whoever was told that it is his, that node has it.
        case everyone
        /// It waits for what comes by itself, as if no node could be reached.
        case nobody
    }

    /// Never given twice.
    package var id: UInt64
    package var code: [UInt8]
    /// What the answer must reflect; empty for a code that is not here.
    package var positions: [LogPosition]
    package var whom: Whom
    /// How long it may take, in milliseconds.
    package var timeout: Int64

    package init(id: UInt64, code: [UInt8], positions: [LogPosition] = [], whom: Whom, timeout: Int64) {
        precondition(whom == .nobody || positions.isEmpty == (whom != .holder))
        (self.id, self.code, self.positions, self.whom, self.timeout) = (id, code, positions, whom, timeout)
    }
}

package enum LookupOutcome: Equatable, Sendable {
    /// This node holds all positions now.
    case covered
    /// The record as a peer gave it, in the store's form, what that reflects of its writer's log, and who the peer is.
    case found([UInt8], LogPosition?, by: NodeID)
    /// Who was asked has none.
    case absent
    /// Nobody could be asked, or answered.
    case unreachable
    /// Nobody who could be asked holds all positions, or answered in time.
    case behind
    /// A position lies behind the end of a life: nobody will ever hold it.
    case lost
}

/// Clients' lookups under way.
///
///     lookUp ─▶ covered? lost? ──▶ answered at once
///        │
///        ├─ its entries are on their way ─▶ waits, 100 ms ─┬─ they have come ─▶ covered
///        │                                                 ▼
///        └────────────────────────────────▶ flight: one question for all who ask alike
///                                             │ here ─▶ found          not here ─▶ absent
///                                             └ no answer, behind ─▶ the next peer; none left: waits on, or unreachable
struct Lookups {
    /// Lookups with the same one share an answer.
    struct Question: Hashable {
        let code: [UInt8]
        let positions: [LogPosition]
        let whom: Lookup.Whom
    }

    struct Flight {
        /// Who was there when the question was sent; an answer that nothing is there serves no others, because it may be
        /// older than what they know of.
        var waiters: [UInt64]
        var late: [UInt64] = []
        /// Who has not answered yet, by the number of the request.
        var asked: [UInt32: ConnectionID] = [:]
        /// Then they are given up, and the next one is asked.
        var until: Int64 = 0
        var tried: Set<NodeID> = []
        /// Somebody had none.
        var wasAbsent = false
    }

    struct Waiting {
        let lookup: Lookup
        let deadline: Int64
        /// When another node is asked; nil: one has been.
        var askAt: Int64?

        var question: Question { Question(code: lookup.code, positions: lookup.positions, whom: lookup.whom) }
    }

    var waiting: [UInt64: Waiting] = [:]
    var flights: [Question: Flight] = [:]
    var questions: [UInt32: Question] = [:]
    /// Origins by what tokens know them by; nil after rows went.
    var lives: [LifeTag: [Origin]]?
    /// How many rows `lives` was made of.
    var lifeCount = 0
    /// A head has moved since it was last looked who is covered.
    var hasMoved = false
    /// Not later than the first thing that becomes due.
    var nextAt = Int64.max
}
