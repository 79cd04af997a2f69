import Primitives
import Store
import Synchronization

/// Makes the links of batches, some of each batch in turn, on a thread of its own.
///
///     API ──batch──▶ store ──durable──▶ runner: the next entries of a batch ──▶ API.make ──▶ writer, registers
///                      ▲                   ▲                                                     │
///                      └──── results ──────┴─────────────────────────────────────────────────────┘
///
/// A result is kept after its link was made. A crash in between has the entry made again: under the same claim, so it is
/// the same link.
final class BatchRunner: Sendable {
    private struct State {
        /// The one that comes next stands first.
        var unfinished: [BatchHead]
        /// In monotonic milliseconds: what has to wait, until when.
        var notBefore: [UInt128: Int64] = [:]
        /// The index from which its next entries are taken: those before have been tried, and wait for the others to have
        /// their turn.
        var start: [UInt128: Int] = [:]
        /// Not durable yet, by principal.
        var reserved: [[UInt8]: Int] = [:]
        var made: UInt64 = 0
        var refused: UInt64 = 0

        func count(of principal: [UInt8]) -> Int {
            unfinished.count { $0.principal == principal } + reserved[principal, default: 0]
        }
    }

    private let store: Store
    private let state: Mutex<State>
    private let wake = WaitingQueue<Void>(capacity: 1)
    /// Of the entries that are being made: nil, to be tried again.
    private let results = WaitingQueue<(index: Int, content: [UInt8]?)>(capacity: .max)
    private let settled = WaitingQueue<Result<TakenBatch, WriteError>>(capacity: .max)

    /// Goes on with what the store has.
    init(_ store: Store) throws(StoreError) {
        self.store = store
        state = Mutex(State(unfinished: try store.unfinishedBatches()))
        _ = wake.push(())
    }

    // MARK: Any thread

    /// A place for one more batch; nil: there is one, and `release` or `begin` has to follow.
    func reserve(_ principal: [UInt8]) -> Problem? {
        state.withLock { state in
            guard state.count(of: principal) < BatchLimits.unfinishedOfOne else { return .tooManyBatches }
            let count = state.unfinished.count + state.reserved.values.reduce(0, +)
            guard count < BatchLimits.unfinished else { return .overloaded }
            state.reserved[principal, default: 0] += 1
            return nil
        }
    }

    func release(_ principal: [UInt8]) { state.withLock { Self.release(principal, &$0) } }

    /// It is durable.
    func begin(_ head: BatchHead) {
        state.withLock { state in
            Self.release(head.principal, &state)
            state.unfinished.append(head)
        }
        _ = wake.push(())
    }

    private static func release(_ principal: [UInt8], _ state: inout State) {
        let count = state.reserved[principal]! - 1
        state.reserved[principal] = count == 0 ? nil : count
    }

    func close() {
        wake.close()
        results.close()
        settled.close()
    }

    var figures: (unfinished: Int, made: UInt64, refused: UInt64) {
        state.withLock { ($0.unfinished.count, $0.made, $0.refused) }
    }

    func note(isMade: Bool) { state.withLock { if isMade { $0.made += 1 } else { $0.refused += 1 } } }

    // MARK: The thread

    func run(_ api: API) {
        while wake.take(atMost: 1, timeoutMilliseconds: Int(BatchLimits.retryMilliseconds)) != nil {
            while let head = next() {
                guard carryOn(head, api) else { return }
            }
        }
    }

    /// The one whose turn it is; it then goes to the end.
    private func next() -> BatchHead? {
        let now = System.monotonicMilliseconds()
        return state.withLock { state in
            guard let index = state.unfinished.firstIndex(where: { state.notBefore[$0.number] ?? now <= now }) else {
                return nil
            }
            let head = state.unfinished.remove(at: index)
            state.unfinished.append(head)
            return head
        }
    }

    /// Makes the next entries of a batch. False once the node ends.
    private func carryOn(_ head: BatchHead, _ api: API) -> Bool {
        let first = state.withLock { $0.start[head.number] ?? 0 }
        let waiting: [(index: Int, content: [UInt8])]
        do throws(StoreError) {
            waiting = try store.waitingEntries(head.number, from: first, atMost: BatchLimits.entriesAtOnce)
        } catch {
            if case .damaged = error {
                Log.write(.error, "batch-unreadable", ["reason": .string(error.description)])
                forget(head)
            } else {
                rest(head)
            }
            return true
        }
        guard api.live.value.creates, api.intake.lets() else {
            rest(head)
            return true
        }
        for (index, content) in waiting {
            api.make(content, of: head, at: index) { [results] in _ = results.push((index, $0)) }
        }
        var made: [(index: Int, content: [UInt8])] = []
        var answered = 0
        while answered < waiting.count {
            guard let some = results.take(atMost: .max, timeoutMilliseconds: 1000) else { return false }
            answered += some.count
            made += some.compactMap { result in result.content.map { (result.index, $0) } }
        }
        let (isLeft, isEnd) = (made.count < waiting.count, waiting.count < BatchLimits.entriesAtOnce)
        if isLeft { rest(head) }
        // What is left keeps nobody behind it waiting: it comes again after the last one.
        let next = isEnd || first == 0 && !isLeft ? nil : waiting.last.map { $0.index + 1 }
        state.withLock { $0.start[head.number] = next }
        return settle(head, made, doneAt: isEnd && first == 0 && !isLeft ? api.now() : nil)
    }

    /// False once the node ends.
    private func settle(
        _ head: BatchHead, _ results: [(index: Int, content: [UInt8])], doneAt: Instant?
    ) -> Bool {
        guard !results.isEmpty || doneAt != nil else { return true }
        store.settleBatch(head.number, results, doneAt: doneAt) { [settled] in _ = settled.push($0) }
        while true {
            guard let outcomes = settled.take(atMost: 1, timeoutMilliseconds: 1000) else { return false }
            guard let outcome = outcomes.first else { continue }
            switch outcome {
            case .success: if doneAt != nil { forget(head) }
            case .failure(.notFound), .failure(.damagedRecord):
                Log.write(.error, "batch-unreadable", ["reason": "its row is gone or damaged"])
                forget(head)
            // They are made again, under the same claims.
            case .failure: rest(head)
            }
            return true
        }
    }

    private func rest(_ head: BatchHead) {
        let until = System.monotonicMilliseconds() + BatchLimits.retryMilliseconds
        state.withLock { $0.notBefore[head.number] = until }
    }

    private func forget(_ head: BatchHead) {
        state.withLock { state in
            state.unfinished.removeAll { $0.number == head.number }
            state.notBefore[head.number] = nil
            state.start[head.number] = nil
        }
    }
}
