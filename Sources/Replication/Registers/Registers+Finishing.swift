import Links
import Primitives

/// An acceptor looks through its table now and then, so that nothing is chosen and never logged, whoever died over it. A row
/// that stands as it stood the last time was left half done: its round is finished, or its value handed out again.
extension Registers {
    mutating func finishPause() -> Int64 {
        RegisterLimits.finishAfter + Int64(random.next() % UInt64(RegisterLimits.finishJitter))
    }

    mutating func lookForHalfDone() {
        finishAt = now + finishPause()
        guard standing.isAcceptor(me) else { return }
        enqueue(Job(me, .finish(after: finishingAfter)))
        for node in standing.epoch.acceptors where node != me {
            send(.epochs(epochs(standing, isAnswer: false)), to: node)
        }
    }

    mutating func finishHalfDone(_ page: RegisterAnswers.Page, _ batch: inout RegisterBatch) {
        var rows: [[UInt8]: RegisterRow] = [:]
        for row in page.rows {
            if page.linked.contains(row.key)
                || Epoch.number(of: row.key).map({ $0 <= batch.standing.epoch.number }) ?? false
            {
                batch.known[row.key, default: RegisterAnswers.Known()].row = row
                forget(row.key, &batch)
            } else if row.accepted != nil {
                rows[row.key] = row
                if finishingSeen[row.key] == row { finish(row, &batch) }
            }
        }
        let (isFirstLook, isWhole) = (finishingSeen.isEmpty, finishingAfter.isEmpty && page.next.isEmpty)
        finishingSeen = rows
        // A page of a long table is looked at twice, then comes the next.
        guard !isWhole, !isFirstLook || rows.isEmpty else { return }
        (finishingAfter, finishingSeen) = (page.next, [:])
    }

    private mutating func finish(_ row: RegisterRow, _ batch: inout RegisterBatch) {
        let accepted = row.accepted!
        if !row.isChosen {
            if batch.standing.votes(me) { batch.answers.append(.half(row.key, accepted.value)) }
        } else if let next = Epoch(accepted.value), Epoch.key(next.number) == row.key {
            confirm(next, &batch)
        } else {
            batch.answers.append(.decided(row.key, accepted.value))
        }
    }
}
