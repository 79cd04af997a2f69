import Links
import Primitives

enum BatchWrite: Sendable {
    case take(BatchHead, [BatchEntry])
    /// Results by index; `doneAt`: there are no more to come.
    case settle(UInt128, results: [(index: Int, content: [UInt8])], doneAt: Instant?)
}

/// A batch as it is on the disk.
package struct TakenBatch: Equatable, Sendable {
    package let head: BatchHead
    /// An earlier request of the same number brought it.
    package let isReplay: Bool
}

extension Store {
    package typealias BatchCompletion = @Sendable (Result<TakenBatch, WriteError>) -> Void

    /// Makes a batch durable and then calls `completion` on the writer's thread, which must not be kept. What is known under
    /// its number since `StoreLimits.claimsKeptMilliseconds` stays as it is.
    package func takeBatch(_ head: BatchHead, _ entries: [BatchEntry], completion: @escaping BatchCompletion) {
        precondition(head.count == entries.count)
        if !queue.push(.batch(.take(head, entries), completion)) { completion(.failure(refusal)) }
    }

    /// Puts results in the place of what was to be made. Needs no room for links.
    package func settleBatch(
        _ number: UInt128, _ results: [(index: Int, content: [UInt8])], doneAt: Instant?,
        completion: @escaping BatchCompletion
    ) {
        let write = BatchWrite.settle(number, results: results, doneAt: doneAt)
        if !queue.pushPastCapacity(.batch(write, completion)) { completion(.failure(.stopping)) }
    }
}

extension Writer {
    /// Whether anything changed. A refusal changes nothing.
    func apply(
        _ write: BatchWrite, _ now: Instant, _ transaction: borrowing WriteTransaction, takesLinks: Bool
    ) throws(LMDBError) -> (outcome: Outcome, changes: Bool) {
        switch write {
        case .take(let head, let entries):
            guard takesLinks else { return (.failure(.storageFull), false) }
            let since = now.advanced(byMilliseconds: -StoreLimits.claimsKeptMilliseconds)
            let found = ClaimState(
                head.number, since: since, claim: try transaction.get(catalogue.claims!, head.rowKey),
                batch: try transaction.get(catalogue.batches!, head.rowKey))
            switch found {
            case .damaged: return (.failure(.damagedRecord), false)
            case .link: return (.failure(.requestDiffers), false)
            case .batch(let present):
                guard present.request == head.request, present.principal == head.principal else {
                    return (.failure(.requestDiffers), false)
                }
                return (.batch(TakenBatch(head: present, isReplay: true)), false)
            case nil: break
            }
            try transaction.put(catalogue.batches!, head.rowKey, head.sealed)
            for (index, entry) in entries.enumerated() {
                let key = BatchEntry.rowKey(head.number, index)
                try transaction.put(catalogue.batches!, key, entry.sealed(key))
            }
            return (.batch(TakenBatch(head: head, isReplay: false)), true)
        case .settle(let number, let results, let doneAt):
            return try settle(number, results, doneAt, transaction)
        }
    }

    private func settle(
        _ number: UInt128, _ results: [(index: Int, content: [UInt8])], _ doneAt: Instant?,
        _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> (outcome: Outcome, changes: Bool) {
        let key = ClaimRow.rowKey(number)
        guard let value = try transaction.get(catalogue.batches!, key) else { return (.failure(.notFound), false) }
        guard var head = key.withUnsafeBytes({ BatchHead($0, value) }) else { return (.failure(.damagedRecord), false) }
        for (index, content) in results {
            precondition(index < head.count)
            let key = BatchEntry.rowKey(number, index)
            try transaction.put(catalogue.batches!, key, BatchEntry(isDone: true, content: content).sealed(key))
        }
        if let doneAt {
            head.doneAt = doneAt
            try transaction.put(catalogue.batches!, key, head.sealed)
        }
        return (.batch(TakenBatch(head: head, isReplay: false)), true)
    }
}
