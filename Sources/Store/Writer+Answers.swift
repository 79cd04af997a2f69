import Links
import Replication

/// What comes of operations, and telling whoever asked for them.
extension Writer {
    enum Outcome {
        case success(CreatedLink)
        /// What there is now; nil if no key has the id.
        case key(StoredKey?)
        case failure(WriteError)
        case applied(ApplyOutcome)
        /// What the replicator is told.
        case events([Event])
        case scrubbed(damaged: [RecordKey])
        case leased
        /// Whether the acceptor's rows were written.
        case kept(Bool)
        case batch(TakenBatch)
        case moderated(Moderated)
    }

    /// Whoever has an answer finds the figures that go with it.
    func answer(_ operations: [WriteOperation], _ outcomes: [Outcome], _ store: Store) {
        publish(store)
        for (operation, outcome) in zip(operations, outcomes) {
            switch (operation, outcome) {
            case (.create(_, let completion), .success(let link)): completion(.success(link))
            case (.create(_, let completion), .failure(let error)): completion(.failure(error))
            case (.key(_, _, let completion), .key(let key)): completion(.success(key))
            case (.key(_, _, let completion), .failure(let error)): completion(.failure(error))
            case (.apply(_, let completion), .applied(let outcome)): completion(outcome)
            case (.apply(_, let completion), .failure(let error)): completion(.refused(error))
            case (.change(_, _, _, _, let completion), .success(let link)): completion(.success(link))
            case (.change(_, _, _, _, let completion), .failure(let error)): completion(.failure(error))
            case (.entry(_, _, _, let completion), .events(let events)): completion(.success(events))
            case (.entry(_, _, _, let completion), .failure(let error)): completion(.failure(error))
            case (.effect(_, let completion), .events(let events)): completion(.success(events))
            case (.effect(_, let completion), .failure(let error)): completion(.failure(error))
            case (.scrubbed, .scrubbed(let damaged)): store.finishedScrubbing(damaged)
            case (.scrubbed, .failure): store.finishedScrubbing([])
            case (.registers(_, let completion), .kept(let isKept)): completion(isKept)
            case (.registers(_, let completion), .failure): completion(false)
            case (.batch(_, let completion), .batch(let batch)): completion(.success(batch))
            case (.batch(_, let completion), .failure(let error)): completion(.failure(error))
            case (.moderate(_, let completion), .moderated(let outcome)): completion(.success(outcome))
            case (.moderate(_, let completion), .failure(let error)): completion(.failure(error))
            case (.lease, _), (.leaseRefused, _): break
            case (.create, _), (.key, _), (.apply, _), (.change, _), (.effect, _), (.entry, _), (.scrubbed, _),
                (.replace, _), (.registers, _), (.batch, _), (.moderate, _):
                preconditionFailure("an operation has the outcome of another")
            }
        }
    }
}
