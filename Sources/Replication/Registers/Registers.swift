import Links
import Primitives

/// Who owns an alias: a write-once register for each, decided by single-decree Paxos without a leader (Lamport, Paxos Made
/// Simple, 2001; without one as in CASPaxos, Rystsov 2018) among one acceptor a region. One value that takes events and
/// the time, and says what to do: no clock, no socket, no disk.
///
/// Read in this order: `Ballot` (ballots, values, an acceptor's row), `Epoch`, `Standing`, `Registers` (state, dispatch),
/// `+Claims` and `+Proposing` (a claim's rounds), `+Batches` and `+Accepting` (one batch with the store at a time),
/// `+Learning` (what an acceptor must know before it votes), `+Epochs`, `+Finishing`, `+Sending`.
package struct Registers: Sendable {
    package let me: NodeID
    /// Of the last ballot.
    var attempt: UInt64
    /// As it is durable.
    package internal(set) var standing: Standing
    /// The newest life of each acceptor that was heard of, durable or not.
    var roll: Roll

    var rounds: [[UInt8]: Round] = [:]

    var queue: [Job] = []
    var queuedRows = 0
    var batch: RegisterBatch?
    var lastBatch: UInt64 = 0
    var storeRetryAt = Int64.min

    var learning: Learning?
    var lastCover: UInt64 = 0
    /// Who was connected since the start, acceptor or not: all hear of a new epoch.
    var met: Set<NodeID> = []
    /// Of the next epoch: who has confirmed it, and who will never.
    var confirmed: Set<NodeID> = []
    var dead: Set<NodeID> = []
    var gossipAt: Int64 = 0

    /// The registers behind this key are looked through next, and how they stood the last time.
    var finishingAfter: [UInt8] = []
    var finishingSeen: [[UInt8]: RegisterRow] = [:]
    var finishAt: Int64

    /// Frames from this node to itself.
    var inbox: [Frame] = []
    var outbox = Outbox()
    /// At the latest; never later than what is due.
    var nextDue: Int64 = .max
    var deadline: Int64?
    var random: SeededRandom
    var now: Int64
    /// Of the event in hand.
    var effects: [RegisterEffect] = []

    /// `standing`: as the store has it; nil in a store that never had one, with `first` to begin with. `isLost`: the store
    /// was there and cannot vouch for what it holds; so at each start until a standing with another life was stored. `seed` is from the system's generator:
    /// ballots of two processes must not be alike.
    package init(
        me: NodeID, first: Epoch, standing: Standing?, isLost: Bool, seed: UInt64, now: Int64
    ) {
        RegisterLimits.check()
        precondition(!first.acceptors.isEmpty && first.number > 0)
        (self.me, self.now) = (me, now)
        random = SeededRandom(seed: seed)
        attempt = random.next()
        self.standing = standing ?? Standing(epoch: first, life: 0)
        roll = self.standing.roll
        finishAt = now
        if standing == nil || isLost { queue.append(Job(me, .lost)) }
        finishAt = now + finishPause()
    }

    /// The first effects; then one call for each event.
    package mutating func start() -> [RegisterEffect] {
        beginLearning()
        wake(finishAt)
        if batch == nil, storeRetryAt > now { wake(storeRetryAt) }
        if standing.next != nil { gossip() }
        return finish()
    }

    package mutating func handle(_ event: RegisterEvent, now: Int64) -> [RegisterEffect] {
        precondition(now >= self.now, "steady time went back")
        self.now = now
        switch event {
        case .claim(let claim): self.claim(claim)
        case .received(let node, let frame): received(frame, from: node)
        case .connected(let node): connected(node)
        case .deadline: deadline = nil
        case .read(let answers): read(answers)
        case .stored(let batch, let succeeded): stored(batch, succeeded)
        case .covered(let number): covered(number)
        case .lost: enqueue(Job(me, .lost))
        case .command(let command): handle(command)
        }
        return finish()
    }

    private mutating func handle(_ command: RegisterEvent.Command) {
        switch command {
        case .change(let acceptors, let claim): change(to: acceptors, claim: claim)
        case .declareDead(let node): declareDead(node)
        case .vouch:
            enqueue(Job(me, .become(.vouchedFor(life: standing.life, wholeBefore: standing.wholeBefore))))
        }
    }

    private mutating func received(_ frame: Frame, from node: NodeID) {
        switch frame {
        case .prepare(let prepare): enqueue(Job(node, .prepare(prepare)))
        case .accept(let accept): enqueue(Job(node, .accept(accept)))
        case .votes(let votes): received(votes, from: node)
        case .chosen(let chosen): enqueue(Job(node, .chosen(chosen)))
        case .epochs(let epochs): received(epochs, from: node)
        case .learn(let learn): enqueue(Job(node, .learn(learn)))
        case .learned(let page): received(page, from: node)
        case .hello, .auth, .state, .reject, .entries, .ack, .heads, .pull, .digestsRequest, .digests, .bucketRequest,
            .recordRequest, .records, .snapshotRequest, .snapshotOffer, .snapshotChunk, .snapshotEnd, .linkRequest,
            .linkAnswer, .changeRequest, .changeAnswer:
            preconditionFailure("not a frame of the registers")
        }
    }

    /// What follows from any event: timers, frames to itself, the next batch, frames to others, the next deadline.
    private mutating func finish() -> [RegisterEffect] {
        if nextDue <= now { runTimers() }
        repeat {
            while !inbox.isEmpty { received(inbox.removeFirst(), from: me) }
            beginBatch()
            flush()
        } while !inbox.isEmpty || canBeginBatch
        let at = max(nextDue, now + 1)
        if nextDue != .max, at != deadline {
            deadline = at
            effects.append(.setDeadline(at))
        }
        defer { effects = [] }
        return effects
    }

    /// What becomes due, and when the next does.
    private mutating func runTimers() {
        nextDue = .max
        runRounds()
        if now >= finishAt { lookForHalfDone() }
        wake(finishAt)
        if batch == nil, storeRetryAt > now { wake(storeRetryAt) }
        if standing.next != nil || learning != nil {
            if now >= gossipAt { gossip() }
            wake(gossipAt)
        }
    }

    mutating func wake(_ at: Int64) { nextDue = min(nextDue, at) }

    /// Up to half more or less.
    mutating func jittered(_ milliseconds: Int64) -> Int64 {
        milliseconds / 2 + Int64(random.next() % UInt64(milliseconds + 1))
    }

    /// Whether this acceptor's answers count at present.
    package var isVoting: Bool { standing.votes(me) }

    /// Facts that hold between events; for tests.
    package func checkInvariants() {
        precondition(standing.next == nil || standing.isWhole(me), "confirmed by one that does not vote")
        precondition(standing.wholeFor <= standing.epoch.number && standing.roll[me] <= standing.life)
        precondition(standing.wholeBefore <= standing.epoch.number)
        precondition(standing.wholeBefore == 0 || standing.wholeFor == 0)
        precondition(rounds.count <= RegisterLimits.rounds && queuedRows <= RegisterLimits.queuedRows)
        precondition(inbox.isEmpty && outbox.isEmpty)
        for round in rounds.values { precondition(round.dueAt >= nextDue && !round.waiters.isEmpty) }
    }
}
