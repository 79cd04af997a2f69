import Links
import Primitives

/// What a claim stands for already.
enum ClaimState {
    case link(ClaimRow)
    case batch(BatchHead)
    case damaged

    /// Nil: nothing since then. Of the rows under the claim's id in `claims` and `batches`.
    init?(
        _ id: UInt128, since: Instant, claim: UnsafeRawBufferPointer?, batch: UnsafeRawBufferPointer?
    ) {
        let key = ClaimRow.rowKey(id)
        if let claim {
            guard let row = key.withUnsafeBytes({ ClaimRow($0, claim) }) else {
                self = .damaged
                return
            }
            if row.creation.stamp >= ClaimRow.stamp(since) {
                self = .link(row)
                return
            }
        }
        guard let batch else { return nil }
        guard let head = key.withUnsafeBytes({ BatchHead($0, batch) }) else {
            self = .damaged
            return
        }
        guard head.takenAt >= since else { return nil }
        self = .batch(head)
    }
}

/// What was made under a claim.
package enum Claimed: Sendable {
    /// By a request with this hash.
    case link(CreatedLink, request: UInt64)
    case batch(BatchHead)
    case damaged
}

extension Store {
    /// What the request made that first came with the claim, at `since` or later; nil: nothing that is known here.
    package func claimed(_ id: UInt128, since: Instant) throws(StoreError) -> Claimed? {
        try reading { (view, transaction) throws(LMDBError) -> Claimed? in
            let key = ClaimRow.rowKey(id)
            let state = ClaimState(
                id, since: since, claim: try transaction.get(view.catalogue.claims!, key),
                batch: try transaction.get(view.catalogue.batches!, key))
            switch state {
            case nil: return nil
            case .link(let row):
                // Who has the row has the entry, so what is here of that log covers it.
                let index = view.index(of: row.creation.origin)
                let origin = try index.flatMap { (index) throws(LMDBError) in
                    try OriginRow.find(index, view.catalogue, transaction)
                }
                return .link(row.made(codeSpace, sequence: origin?.head ?? 0), request: row.request)
            case .batch(let head): return .batch(head)
            case .damaged: return .damaged
            }
        }
    }
}

extension Writer {
    /// What becomes of a request whose claim stands for something already; nil: nothing was made under it.
    func claimed(
        _ body: LinkBody, _ since: Instant, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> Outcome? {
        guard let id = body.claimID, let request = body.requestHash else { return nil }
        let key = ClaimRow.rowKey(id)
        let found = ClaimState(
            id, since: since, claim: try transaction.get(catalogue.claims!, key),
            batch: try transaction.get(catalogue.batches!, key))
        switch found {
        case nil: return nil
        case .damaged: return .failure(.damagedRecord)
        case .batch: return .failure(.requestDiffers)
        case .link(let row):
            guard row.request == request else { return .failure(.requestDiffers) }
            // Where its entry is in the own log nobody keeps; another life's is on this disk.
            let isOwn = row.creation.origin == state.row.origin
            return .success(row.made(codeSpace, sequence: isOwn ? state.row.head : 0))
        }
    }
}
