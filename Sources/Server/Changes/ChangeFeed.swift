import HTTP
import Links
import Primitives
import Store
import Synchronization

final class ChangeFigures: Sendable {
    /// Told so far, in pages and streams.
    let told = Atomic<UInt64>(0)
    let waiting = Atomic(0)
    let streams = Atomic(0)
}

/// Tells what changed, page by page; whoever wants to wait for a change waits here, off the thread of the API.
///
///     api ──call──▶ queue ──▶ changes: read the logs ─┬─ something, or no wait ──▶ answered
///                              ▲                      └─ nothing yet: looked at again as soon as the logs grow
///                              └──────────────────────────────┘
///
/// A position is all there is between two pages, and the client has it: nothing is kept for one that does not ask.
///
/// Safety: the queue and the figures are made to be shared; `waiting` belongs to the thread that runs `run`.
final class ChangeFeed: @unchecked Sendable {
    private struct Poll {
        let call: APICall
        let request: ChangesRequest
        let position: ChangePosition
        /// Monotonic milliseconds.
        let end: Int64
        let clientEnd = ClientEnd()
    }

    let figures = ChangeFigures()
    private let store: Store
    private let line: @Sendable (LinkWrite, ChangePosition) -> [UInt8]
    private let polls = WaitingQueue<Poll>(capacity: ChangeLimits.waiting)
    private let isDraining = Atomic(false)
    private var waiting: [Poll] = []

    /// `line` is what is told of a change, and of the position behind it.
    init(_ store: Store, line: @escaping @Sendable (LinkWrite, ChangePosition) -> [UInt8]) {
        (self.store, self.line) = (store, line)
    }

    static let fields = [(name: "Content-Type", value: "application/x-ndjson"), ("Cache-Control", "no-store")]

    func position(_ request: ChangesRequest) -> ChangePosition {
        switch request.start {
        case .now: store.endOfChanges
        case .after(let position): position
        }
    }

    func take(_ call: APICall, _ request: ChangesRequest) {
        let poll = Poll(
            call: call, request: request, position: position(request),
            end: System.monotonicMilliseconds() + request.waitMilliseconds)
        if !polls.push(poll) { call.answer(Problem.overloaded.response) }
    }

    /// From now on nobody waits.
    func drain() { isDraining.store(true, ordering: .relaxed) }

    /// Ends the thread. What waits has been answered, or goes with its connection.
    func close() { polls.closeAndDiscard() }

    func run() {
        var seen = ChangePosition()
        while true {
            let pause = waiting.isEmpty ? 1000 : ChangeLimits.lookMilliseconds
            guard let fresh = polls.take(atMost: ChangeLimits.waiting, timeoutMilliseconds: Int(pause)) else { return }
            // Those whose clients have gone make room first.
            look(&seen)
            for poll in fresh where !answer(poll, isOver: poll.request.waitMilliseconds == 0) {
                if waiting.count < ChangeLimits.waiting {
                    waiting.append(poll)
                    poll.call.handedOver.watch(poll.clientEnd)
                } else {
                    poll.call.answer(Problem.overloaded.response)
                }
            }
            figures.waiting.store(waiting.count, ordering: .relaxed)
        }
    }

    /// Answers those for whom something came, whose time is over, or whose clients send no more.
    private func look(_ seen: inout ChangePosition) {
        guard !waiting.isEmpty else { return }
        let (end, clock) = (store.endOfChanges, System.monotonicMilliseconds())
        let hasGrown = end != seen
        seen = end
        let isLast = isDraining.load(ordering: .relaxed)
        waiting.removeAll { poll in
            let isOver = isLast || clock >= poll.end || poll.clientEnd.isHere
            return (hasGrown || isOver) && answer(poll, isOver: isOver)
        }
    }

    /// False if there is nothing yet. `isOver`: then that is the answer.
    private func answer(_ poll: Poll, isOver: Bool) -> Bool {
        switch store.changes(after: poll.position, atMost: poll.request.limit) {
        case .success(let page):
            guard !page.writes.isEmpty || isOver else { return false }
            poll.call.answer(
                Response(
                    status: 200, fields: Self.fields + [("Edge-Position", page.end.text)],
                    body: lines(page, after: poll.position)))
        case .failure(let error): poll.call.answer(problem(error).response)
        }
        return true
    }

    /// Any thread. All that comes, as it comes; returns when the node stops, when the client sends no more, and where a
    /// read finds that it cannot go on: the follower asks anew, and is told why.
    func tell(_ stream: ClientStream, after start: ChangePosition) throws(StreamEnd) {
        figures.streams.add(1, ordering: .relaxed)
        defer { figures.streams.subtract(1, ordering: .relaxed) }
        var position = start
        var silentUntil = System.monotonicMilliseconds() + ChangeLimits.silenceMilliseconds
        while !stream.isStopping {
            guard case .success(let page) = store.changes(after: position, atMost: ChangeLimits.changes.upperBound)
            else {
                return
            }
            let isSilent = System.monotonicMilliseconds() >= silentUntil
            if isSilent || !page.writes.isEmpty {
                try stream.write(isSilent && page.writes.isEmpty ? [0x0a] : lines(page, after: position))
                silentUntil = System.monotonicMilliseconds() + ChangeLimits.silenceMilliseconds
            }
            if page.end != position {
                position = page.end
                continue
            }
            do throws(StreamEnd) {
                guard try stream.restUnlessEnded(milliseconds: ChangeLimits.lookMilliseconds) else { return }
            } catch {
                if case .stopping = error { return }
                throw error
            }
        }
    }

    private func lines(_ page: ChangePage, after start: ChangePosition) -> [UInt8] {
        var (lines, position) = ([UInt8](), start)
        for write in page.writes {
            position[write.origin] = write.sequence
            lines += line(write, position)
        }
        figures.told.add(UInt64(page.writes.count), ordering: .relaxed)
        return lines
    }

    func problem(_ error: ChangeReadError) -> Problem {
        switch error {
        case .truncated: .changesTruncated(store.endOfChanges)
        case .damaged: Problem(.storeUnreadable)
        case .failed: .overloaded
        }
    }
}
