import Links
import Primitives

/// A proposer's attempt at one register.
///
///     proposer                acceptors
///        │ ── PREPARE ballot ────▶ │   not below what was promised: promise, sync
///        │ ◀── promised, value ─── │
///        │  of a majority: the value of the highest ballot, else the own
///        │ ── ACCEPT value ──────▶ │   not below what was promised: accept, sync
///        │ ◀────────── accepted ── │
///        │  of a majority: chosen
///        │ ── CHOSEN ────────────▶ │
///
/// So two round trips to the nearest majority. The first cannot be saved: without it one would have to know that no
/// other ballot was used, and a proposer that lost its memory, or a second one, would use the first ballot twice.
struct Round: Sendable {
    struct Promise: Equatable, Sendable {
        var life: UInt64
        var accepted: Proposal?
    }

    enum Phase: Equatable, Sendable {
        case preparing
        case accepting(RegisterValue)
        /// Until `dueAt`, after a higher ballot was met.
        case resting
    }

    /// What is proposed if nothing was accepted before.
    let own: RegisterValue
    var waiters: [Waiter]
    var epoch: UInt64 = 0
    var ballot = Ballot.none
    var phase = Phase.resting
    var promises: [NodeID: Promise] = [:]
    /// The lives in which they accepted.
    var votes: [NodeID: UInt64] = [:]
    var refused: Set<NodeID> = []
    /// Of rounds that were heard of.
    var highest: UInt64 = 0
    var failures: Int64 = 0
    var dueAt: Int64

    init(own: RegisterValue, waiters: [Waiter], dueAt: Int64) {
        (self.own, self.waiters, self.dueAt) = (own, waiters, dueAt)
    }
}

extension Registers {
    /// Begins anew with a ballot above all that were heard of.
    mutating func prepare(_ key: [UInt8]) {
        var round = rounds[key]!
        round.highest += 1
        attempt = attempt == .max ? 1 : attempt + 1
        round.ballot = Ballot(round: round.highest, node: me, attempt: attempt)
        (round.phase, round.epoch) = (.preparing, standing.epoch.number)
        (round.promises, round.votes, round.refused) = ([:], [:], [])
        rounds[key] = round
        due(key, after: jittered(RegisterLimits.resendInterval))
        for node in standing.epoch.acceptors {
            outbox[node].prepares.append(Prepare.Row(key: key, ballot: round.ballot))
        }
    }

    /// When to look at it again, unless somebody's time is over before.
    private mutating func due(_ key: [UInt8], after pause: Int64) {
        let at = rounds[key]!.waiters.reduce(now + pause) { min($0, $1.until) }
        rounds[key]!.dueAt = at
        wake(at)
    }

    /// What is due: the end of someone's patience, the end of a pause, or to ask those again who have not answered.
    mutating func runRounds() {
        let list = rounds.filter { $0.value.dueAt <= now }.keys.sorted { $0.lexicographicallyPrecedes($1) }
        for key in list {
            expire(key)
            guard let round = rounds[key] else { continue }
            if round.phase == .resting || !round.refused.isEmpty {
                prepare(key)
            } else {
                askAgain(key, round)
            }
        }
        for round in rounds.values { wake(round.dueAt) }
    }

    private mutating func askAgain(_ key: [UInt8], _ round: Round) {
        due(key, after: jittered(RegisterLimits.resendInterval))
        for node in standing.epoch.acceptors where counts(round.promises[node], of: node) == nil {
            outbox[node].prepares.append(Prepare.Row(key: key, ballot: round.ballot))
        }
        guard case .accepting(let value) = round.phase else { return }
        for (node, promise) in round.promises where round.votes[node] == nil {
            ask(node, promise.life, key, Proposal(ballot: round.ballot, value: value))
        }
    }

    private mutating func ask(_ node: NodeID, _ life: UInt64, _ key: [UInt8], _ proposal: Proposal) {
        outbox[node].accepts[life, default: []].append(Accept.Row(key: key, proposal: proposal))
    }

    /// A promise counts while nobody has shown a later life of who gave it: that one does not know of it.
    private func counts(_ promise: Round.Promise?, of node: NodeID) -> Round.Promise? {
        guard let promise, promise.life == roll[node] else { return nil }
        return promise
    }

    // MARK: Answers

    mutating func received(_ votes: Votes, from node: NodeID) {
        // It lost its disk, and nobody whom it learned from knew the life that it had before: its votes would never count.
        if votes.roll[node] < roll[node] { greet(node) }
        roll.merge(votes.roll)
        for row in votes.rows {
            guard let round = rounds[row.key] else { continue }
            if case .chosen(let value) = row.verdict {
                finish(row.key, value)
                continue
            }
            guard row.ballot == round.ballot, round.phase != .resting, votes.epoch == round.epoch,
                standing.isAcceptor(node)
            else { continue }
            take(row.verdict, of: node, life: votes.roll[node], row.key)
        }
    }

    private mutating func take(_ verdict: Votes.Verdict, of node: NodeID, life: UInt64, _ key: [UInt8]) {
        switch verdict {
        case .refused(let promised):
            rounds[key]!.highest = max(rounds[key]!.highest, promised.round)
            rounds[key]!.refused.insert(node)
            backOffIfLost(key)
        case .promised(let accepted):
            rounds[key]!.promises[node] = Round.Promise(life: life, accepted: accepted)
            promised(key, node)
        case .accepted:
            // Only from the life that promised: another does not know what that one told.
            guard rounds[key]!.promises[node]?.life == life else { return }
            rounds[key]!.votes[node] = life
            decideIfChosen(key)
        case .chosen: preconditionFailure("was taken before")
        }
    }

    private mutating func promised(_ key: [UInt8], _ node: NodeID) {
        let round = rounds[key]!
        switch round.phase {
        case .resting: return
        case .accepting(let value):
            ask(node, round.promises[node]!.life, key, Proposal(ballot: round.ballot, value: value))
        case .preparing:
            let given = round.promises.filter { counts($0.value, of: $0.key) != nil }
            guard given.count >= standing.epoch.majority else { return }
            // What may have been chosen is the value of the highest ballot; only where there is none, the own.
            let accepted = given.values.compactMap(\.accepted).max { $0.ballot < $1.ballot }
            propose(key, accepted?.value ?? round.own)
        }
    }

    private mutating func propose(_ key: [UInt8], _ value: RegisterValue) {
        rounds[key]!.phase = .accepting(value)
        for index in rounds[key]!.waiters.indices where rounds[key]!.waiters[index].claim == value.claim {
            rounds[key]!.waiters[index].wasProposed = true
        }
        let round = rounds[key]!
        for node in standing.epoch.acceptors {
            guard let promise = counts(round.promises[node], of: node) else { continue }
            ask(node, promise.life, key, Proposal(ballot: round.ballot, value: value))
        }
    }

    private mutating func decideIfChosen(_ key: [UInt8]) {
        let round = rounds[key]!
        guard case .accepting(let value) = round.phase else { return }
        let given = round.votes.filter { $0.value == roll[$0.key] }
        guard given.count >= standing.epoch.majority else { return }
        if Epoch.number(of: key) == nil { effects.append(.decided(key: key, value)) }
        let row = Accept.Row(key: key, proposal: Proposal(ballot: round.ballot, value: value))
        for node in standing.epoch.acceptors { outbox[node].chosen.append(row) }
        finish(key, value)
    }

    /// So many have refused that the others are no majority: wait for a random time, so that of two that hinder each
    /// other one gets through, then go above.
    private mutating func backOffIfLost(_ key: [UInt8]) {
        let round = rounds[key]!
        guard standing.epoch.acceptors.count - round.refused.count < standing.epoch.majority else { return }
        rounds[key]!.phase = .resting
        rounds[key]!.failures += 1
        let longest = min(RegisterLimits.firstBackOff << min(round.failures, 10), RegisterLimits.longestBackOff)
        due(key, after: 1 + Int64(random.next() % UInt64(longest)))
    }

    /// Another epoch: nothing that was promised or accepted for these rounds counts any longer.
    mutating func beginRoundsAnew() {
        for key in rounds.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            if let number = Epoch.number(of: key), number <= standing.epoch.number {
                settleChange(key, number)
            } else {
                prepare(key)
            }
        }
    }
}
