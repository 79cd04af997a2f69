import Links
import Primitives

/// What an acceptor makes of a batch. Everything here is judged by the batch's copy of standing and rows, and nobody
/// hears of it before that is durable.
///
/// An alias in the store, or its tombstone, is older than any ballot: it was chosen, or made before there were registers.
/// So whoever asks is told that it is chosen, and the register itself may go.
extension Registers {
    mutating func perform(_ job: Job, _ page: RegisterAnswers.Page?, _ batch: inout RegisterBatch) {
        switch job.work {
        case .prepare(let prepare):
            guard isInEpoch(prepare.epoch, job.from, &batch) else { return }
            for row in prepare.rows where isReadable(row.key, batch) { answer(row, job.from, &batch) }
        case .accept(let accept):
            guard isInEpoch(accept.epoch, job.from, &batch) else { return }
            for row in accept.rows where isReadable(row.key, batch) { answer(row, life: accept.life, job.from, &batch) }
        case .chosen(let chosen):
            guard batch.standing.isAcceptor(me) else { return }
            for row in chosen.rows { note(row, &batch) }
        case .learn(let learn): give(learn, page!, to: job.from, &batch)
        case .take(let learned): take(learned, from: job.from, &batch)
        case .confirm(let next): confirm(next, &batch)
        case .finish: finishHalfDone(page!, &batch)
        case .become(let change): become(change, &batch)
        case .lost:
            batch.standing.beginLife(after: batch.standing.roll[me], random: random.next())
            batch.standing.next = nil
        }
    }

    /// Whether this acceptor votes in that epoch. A proposer in another one, or in one that is about to end, is told.
    private func isInEpoch(_ epoch: UInt64, _ node: NodeID, _ batch: inout RegisterBatch) -> Bool {
        let standing = batch.standing
        if epoch == standing.epoch.number, standing.votes(me) { return true }
        if node != me, epoch != standing.epoch.number || standing.next != nil {
            batch.answers.append(.frame(node, .epochs(epochs(standing, isAnswer: true))))
        }
        return false
    }

    /// Of an alias that cannot be read nothing is said: it was chosen, whoever asks comes again, and a peer may have it.
    private func isReadable(_ key: [UInt8], _ batch: RegisterBatch) -> Bool { !batch.known[key]!.isUnreadable }

    /// The value if it is chosen as far as this acceptor knows, by the store or by the register.
    func chosen(_ key: [UInt8], _ batch: inout RegisterBatch) -> RegisterValue? {
        let known = batch.known[key]!
        if let link = known.link {
            if known.isCovered { forget(key, &batch) }
            return link
        }
        return known.row?.isChosen == true ? known.row!.accepted!.value : nil
    }

    func forget(_ key: [UInt8], _ batch: inout RegisterBatch) {
        guard batch.known[key]?.row != nil else { return }
        batch.known[key]!.row = nil
        batch.changed.remove(key)
        batch.forgotten.insert(key)
    }

    private func write(_ row: RegisterRow, _ batch: inout RegisterBatch) {
        guard row != batch.known[row.key]!.row else { return }
        batch.known[row.key]!.row = row
        batch.changed.insert(row.key)
    }

    private func answer(_ asked: Prepare.Row, _ node: NodeID, _ batch: inout RegisterBatch) {
        func vote(_ verdict: Votes.Verdict) {
            batch.answers.append(.vote(node, Votes.Row(key: asked.key, ballot: asked.ballot, verdict: verdict)))
        }
        if let value = chosen(asked.key, &batch) { return vote(.chosen(value)) }
        var row = batch.known[asked.key]!.row ?? RegisterRow(key: asked.key)
        guard asked.ballot >= row.promised else { return vote(.refused(promised: row.promised)) }
        row.promised = asked.ballot
        write(row, &batch)
        vote(.promised(row.accepted))
    }

    private func answer(_ asked: Accept.Row, life: UInt64, _ node: NodeID, _ batch: inout RegisterBatch) {
        let ballot = asked.proposal.ballot
        func vote(_ verdict: Votes.Verdict) {
            batch.answers.append(.vote(node, Votes.Row(key: asked.key, ballot: ballot, verdict: verdict)))
        }
        if let value = chosen(asked.key, &batch) { return vote(.chosen(value)) }
        var row = batch.known[asked.key]!.row ?? RegisterRow(key: asked.key)
        // A promise of another life is not this one's.
        guard life == batch.standing.life, ballot >= row.promised else {
            return vote(.refused(promised: row.promised))
        }
        (row.promised, row.accepted) = (ballot, asked.proposal)
        write(row, &batch)
        vote(.accepted)
    }

    /// What another has found to be chosen.
    private mutating func note(_ told: Accept.Row, _ batch: inout RegisterBatch) {
        guard chosen(told.key, &batch) == nil else { return }
        var row = batch.known[told.key]!.row ?? RegisterRow(key: told.key)
        row.promised = max(row.promised, told.proposal.ballot)
        (row.accepted, row.isChosen) = (told.proposal, true)
        write(row, &batch)
        if let next = Epoch(told.proposal.value), Epoch.key(next.number) == told.key { confirm(next, &batch) }
    }

    /// Registers of a giver, on top of what is here.
    func merge(_ rows: [RegisterRow], _ batch: inout RegisterBatch) {
        for told in rows where chosen(told.key, &batch) == nil {
            var row = batch.known[told.key]!.row ?? RegisterRow(key: told.key)
            row.merge(told)
            write(row, &batch)
        }
    }
}
