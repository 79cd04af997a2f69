import Links
import Primitives

/// Something that is to be done with what the store holds.
struct Job: Sendable {
    enum Change: Equatable, Sendable {
        case epoch(Epoch)
        /// The registers that this acceptor has are enough for this epoch, in this life.
        case whole(epoch: UInt64, life: UInt64, founders: Roll)
        case lifeAfter(UInt64)
        /// What it may have lost, as it was when that was said.
        case vouchedFor(life: UInt64, wholeBefore: UInt64)
    }

    enum Work: Sendable {
        case prepare(Prepare)
        case accept(Accept)
        case chosen(Chosen)
        case learn(Learn)
        case take(Learned)
        case confirm(Epoch)
        case finish(after: [UInt8])
        case become(Change)
        case lost
    }

    let from: NodeID
    let work: Work

    init(_ from: NodeID, _ work: Work) { (self.from, self.work) = (from, work) }

    var keys: [[UInt8]] {
        switch work {
        case .prepare(let prepare): prepare.rows.map(\.key)
        case .accept(let accept): accept.rows.map(\.key)
        case .chosen(let chosen): chosen.rows.map(\.key)
        case .take(let page): page.rows.map(\.key)
        case .learn, .confirm, .finish, .become, .lost: []
        }
    }

    var pageAfter: [UInt8]? {
        switch work {
        case .learn(let learn): learn.after
        case .finish(let after): after
        case .prepare, .accept, .chosen, .take, .confirm, .become, .lost: nil
        }
    }

    /// What comes before is judged by the standing before it, and so are the answers to that.
    var standsAlone: Bool {
        switch work {
        case .become, .lost: true
        case .prepare, .accept, .chosen, .learn, .take, .confirm, .finish: false
        }
    }
}

/// What is with the store: first it is asked what it holds, then told what becomes of it, and only after the sync anyone
/// hears of it.
struct RegisterBatch: Sendable {
    enum Answer: Sendable {
        case vote(NodeID, Votes.Row)
        case frame(NodeID, Frame)
        case decided([UInt8], RegisterValue)
        /// A register that was left half done.
        case half([UInt8], RegisterValue)
        case learned(NodeID, Learned)
    }

    let id: UInt64
    let jobs: [Job]
    let keys: [[UInt8]]
    var isStoring = false
    var standing: Standing
    var known: [[UInt8]: RegisterAnswers.Known] = [:]
    var changed: Set<[UInt8]> = []
    var forgotten: Set<[UInt8]> = []
    var answers: [Answer] = []
}

extension Registers {
    /// Not taken if too much waits: who asked asks again.
    mutating func enqueue(_ job: Job) {
        let count = job.keys.count + 1
        guard queuedRows + count <= RegisterLimits.queuedRows || job.standsAlone else { return }
        queuedRows += count
        queue.append(job)
    }

    var canBeginBatch: Bool { batch == nil && !queue.isEmpty && now >= storeRetryAt }

    /// All that has gathered, up to a bound, while the store is free.
    mutating func beginBatch() {
        guard canBeginBatch, let first = queue.first else { return }
        var (jobs, rows) = ([first], first.keys.count)
        while !first.standsAlone, jobs.count < queue.count {
            let next = queue[jobs.count]
            rows += next.keys.count
            guard !next.standsAlone, rows <= RegisterLimits.batchRows else { break }
            jobs.append(next)
        }
        queue.removeFirst(jobs.count)
        queuedRows = max(0, queuedRows - jobs.reduce(0) { $0 + $1.keys.count + 1 })
        var (keys, seen): ([[UInt8]], Set<[UInt8]>) = ([], [])
        for key in jobs.flatMap(\.keys) where seen.insert(key).inserted { keys.append(key) }
        let pages = jobs.compactMap(\.pageAfter)
        lastBatch += 1
        batch = RegisterBatch(id: lastBatch, jobs: jobs, keys: keys, standing: standing)
        guard !keys.isEmpty || !pages.isEmpty else {
            return read(RegisterAnswers(batch: lastBatch, known: [], pages: []))
        }
        effects.append(.read(RegisterRead(batch: lastBatch, keys: keys, pagesAfter: pages)))
    }

    mutating func read(_ answers: RegisterAnswers) {
        guard var batch, batch.id == answers.batch, !batch.isStoring else { return }
        precondition(answers.known.count == batch.keys.count)
        for (key, known) in zip(batch.keys, answers.known) { batch.known[key] = known }
        var pages = answers.pages[...]
        for job in batch.jobs {
            let page = job.pageAfter == nil ? nil : pages.removeFirst()
            perform(job, page, &batch)
        }
        store(batch)
    }

    private mutating func store(_ batch: RegisterBatch) {
        self.batch = batch
        self.batch!.isStoring = true
        let rows = batch.keys.filter { batch.changed.contains($0) }.map { batch.known[$0]!.row! }
        let write = RegisterWrite(
            batch: batch.id, rows: rows,
            forgotten: batch.forgotten.sorted { $0.lexicographicallyPrecedes($1) },
            standing: batch.standing == standing ? nil : batch.standing)
        guard !rows.isEmpty || !write.forgotten.isEmpty || write.standing != nil else {
            return stored(batch.id, true)
        }
        effects.append(.store(write))
    }

    /// What could not be stored was not said either: who asked asks again.
    mutating func stored(_ id: UInt64, _ succeeded: Bool) {
        guard let batch, batch.id == id, batch.isStoring || !succeeded else { return }
        self.batch = nil
        guard succeeded else { return failed(batch) }
        let before = standing
        standing = batch.standing
        roll.merge(standing.roll)
        for answer in batch.answers { tell(answer) }
        flush()
        if standing != before { became(before) }
    }

    private mutating func tell(_ answer: RegisterBatch.Answer) {
        switch answer {
        case .vote(let node, let row): outbox[node].votes.append(row)
        case .frame(let node, let frame): send(frame, to: node)
        case .decided(let key, let value): effects.append(.decided(key: key, value))
        case .half(let key, let value): join(Claim(key: key, value: value), isClient: false)
        case .learned(let node, let page): learned(page, from: node)
        }
    }

    /// The store is tried again after a while. What changes the own standing is not asked for again by anyone.
    private mutating func failed(_ batch: RegisterBatch) {
        storeRetryAt = now + RegisterLimits.storeRetry
        wake(storeRetryAt)
        for job in batch.jobs where job.standsAlone {
            queue.insert(job, at: 0)
            queuedRows += 1
        }
    }
}
