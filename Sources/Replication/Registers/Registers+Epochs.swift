import Links
import Primitives

/// From one configuration to the next.
///
///     decided    the next one is the value of a register of its own, chosen by the acceptors of the present one
///     confirmed  each of these stops voting and says so
///     started    all have said so, or are declared dead: nothing can be chosen in the former epoch any more
///     entered    each acceptor of the new one has learned what may have been chosen before; it votes
///
/// Each step is durable and is taken again by whoever finds it half done: every acceptor that has confirmed asks the
/// others until it has heard of all, or of the start.
extension Registers {
    /// With all lives that were heard of: an acceptor that has lost its disk must not go on in one before a former one.
    /// Of the own one nobody needs to know before it has voted in it: were it lost, the next might come before it, and
    /// whoever remembers this one would take that one for over.
    func epochs(_ standing: Standing, isAnswer: Bool) -> Epochs {
        var told = roll
        told.merge(standing.roll)
        told.lives = told.lives.filter {
            standing.epoch.acceptors.contains($0.key) || standing.epoch.former.contains($0.key)
        }
        told.lives[me] = standing.wholeFor > 0 ? standing.life : nil
        return Epochs(isAnswer: isAnswer, roll: told, current: standing.epoch, next: standing.next)
    }

    mutating func connected(_ node: NodeID) {
        met.insert(node)
        greet(node)
        askAgain(node)
    }

    mutating func greet(_ node: NodeID) { send(.epochs(epochs(standing, isAnswer: false)), to: node) }

    mutating func change(to acceptors: [NodeID], claim: UInt128) {
        let next = standing.epoch.followed(by: acceptors)
        let key = Epoch.key(next.number)
        let objection = standing.next == nil ? standing.epoch.objection(to: next) : .underWay
        if let objection { return effects.append(.answer(claim: claim, key: key, .refused(objection))) }
        self.claim(Claim(key: key, value: RegisterValue(claim: claim, bytes: next.encoded)))
    }

    /// The epoch in question runs, or a later one: its register is no longer asked.
    mutating func settleChange(_ key: [UInt8], _ number: UInt64) {
        guard number == standing.epoch.number else {
            for waiter in rounds.removeValue(forKey: key)!.waiters where waiter.isClient {
                effects.append(.answer(claim: waiter.claim, key: key, .unknown))
            }
            return
        }
        let own = rounds[key]!.own
        finish(key, Epoch(own) == standing.epoch ? own : RegisterValue(claim: 0, bytes: standing.epoch.encoded))
    }

    mutating func received(_ epochs: Epochs, from node: NodeID) {
        roll.merge(epochs.roll)
        roll[me] = standing.life
        if standing.isAcceptor(me), epochs.roll[me] > standing.life {
            enqueue(Job(me, .become(.lifeAfter(epochs.roll[me]))))
        }
        if epochs.current.number > standing.epoch.number {
            return enqueue(Job(node, .become(.epoch(epochs.current))))
        }
        if epochs.current.number < standing.epoch.number {
            return send(.epochs(self.epochs(standing, isAnswer: true)), to: node)
        }
        if let next = epochs.next {
            if standing.next == nil {
                enqueue(Job(node, .confirm(next)))
            } else if standing.epoch.acceptors.contains(node) {
                confirmed.insert(node)
                startIfConfirmed()
            }
        }
        if standing.next != nil, !epochs.isAnswer { send(.epochs(self.epochs(standing, isAnswer: true)), to: node) }
    }

    /// Should it come back it has not stopped. That does no harm: the majority that has, and that all learn from, has a
    /// member in each majority that its vote may still complete.
    mutating func declareDead(_ node: NodeID) {
        guard standing.next != nil, standing.isAcceptor(node) else { return }
        dead.insert(node)
        startIfConfirmed()
    }

    private mutating func startIfConfirmed() {
        guard let next = standing.next, confirmed.count >= standing.epoch.majority,
            confirmed.union(dead).isSuperset(of: standing.epoch.acceptors)
        else { return }
        enqueue(Job(me, .become(.epoch(next))))
    }

    /// For operators: whom the next epoch waits for; nil if none is decided, as far as is known here.
    package var awaited: [NodeID]? {
        standing.next == nil ? nil : standing.epoch.acceptors.filter { !confirmed.contains($0) && !dead.contains($0) }
    }

    // MARK: Steps, in a batch

    func confirm(_ next: Epoch, _ batch: inout RegisterBatch) {
        guard batch.standing.votes(me), batch.standing.epoch.objection(to: next) == nil else { return }
        batch.standing.next = next
    }

    mutating func become(_ change: Job.Change, _ batch: inout RegisterBatch) {
        switch change {
        case .epoch(let epoch):
            guard epoch.number > batch.standing.epoch.number else { return }
            (batch.standing.epoch, batch.standing.next, batch.standing.founders) = (epoch, nil, Roll())
            let acceptors = Set(epoch.acceptors + epoch.former)
            batch.standing.roll.lives = batch.standing.roll.lives.filter { acceptors.contains($0.key) }
        case .whole(let epoch, let life, let founders):
            guard epoch == batch.standing.epoch.number, life == batch.standing.life, batch.standing.isAcceptor(me)
            else { return }
            batch.standing.becomeWhole(founders)
        case .vouchedFor(let life, let wholeBefore):
            guard (life, wholeBefore) == (batch.standing.life, batch.standing.wholeBefore) else { return }
            batch.standing.vouch(me)
        case .lifeAfter(let known):
            guard known > batch.standing.life else { return }
            batch.standing.beginLife(after: known, random: random.next())
            batch.standing.next = nil
        }
    }

    /// What the new standing, now durable, leads to.
    mutating func became(_ before: Standing) {
        roll[me] = standing.life
        if standing.epoch != before.epoch {
            (confirmed, dead) = ([], [])
            let acceptors = standing.epoch.acceptors + standing.epoch.former
            for node in met.union(acceptors).subtracting([me]).sorted() { greet(node) }
            beginRoundsAnew()
        }
        if standing.isWhole(me) { learning = nil }
        if (standing.epoch, standing.life, standing.wholeFor) != (before.epoch, before.life, before.wholeFor) {
            beginLearning()
        }
        guard let next = standing.next, before.next != next else { return }
        confirmed = [me]
        gossip()
        startIfConfirmed()
    }

    /// Asks those again whose word is awaited.
    mutating func gossip() {
        gossipAt = now + jittered(RegisterLimits.gossipInterval)
        wake(gossipAt)
        if let next = standing.next {
            confirmed.insert(me)
            let others = Set(standing.epoch.acceptors + next.acceptors).subtracting([me])
            for node in others.sorted() where !confirmed.contains(node) { greet(node) }
            startIfConfirmed()
        }
        if learning != nil { askForPages() }
    }
}
