import Glibc
import Links
import Primitives

/// Makes a store from the parts of a snapshot, beside where it is to be, and moves it in place when it is whole.
///
/// The rows were read while the source went on, so they are newer than the vector at the start, each as of its own
/// moment. Replaying the log from the start's vector on makes them one state: what a row shows already is skipped by the
/// winner rule, what it does not show yet is added. The digests come last, and each part of them is compared after the
/// log was replayed up to that part's own vector, exactly; so the source never has to stand still.
///
///     start ──▶ rows of all tables ──▶ digests ──▶ finished
///                                       ▲  │ the log is behind
///                                       └──┘ replay
///
/// A pure pull: `request` says which part comes next, `take` gets it.
package final class SnapshotBuilder {
    package enum Request: Equatable, Sendable {
        case start
        case rows(after: SnapshotPosition?)
        case log(Origin, from: UInt64, through: UInt64)
        /// All is here; `finish` moves the copy in place.
        case nothing
    }

    package private(set) var request = Request.start
    package private(set) var report = SnapshotReport()
    private let directory: DataDirectory
    private let now: @Sendable () -> Instant
    var copy: SnapshotCopy?
    private var start: SnapshotStart?
    /// Digests that wait until the log is replayed up to their vector.
    private var waiting: SnapshotRows?
    private var position: SnapshotPosition?
    private var isFinished = false

    /// Takes the directory, which must be empty but for what an unfinished copy left.
    package init(directory path: String, now: @escaping @Sendable () -> Instant) throws(SnapshotError) {
        self.now = now
        directory = try PartialStore.take(path)
    }

    deinit { if !isFinished { discard() } }

    /// The next part, which is the one that `request` asks for. After an error the copy is gone.
    package func take(_ part: SnapshotPart) throws(SnapshotError) {
        do throws(SnapshotError) {
            switch (request, part) {
            case (.start, .start(let start)): try begin(start)
            case (.rows(let after), .rows(let rows)): try take(rows, after: after)
            case (.log(let origin, let from, let through), .log(let batch)):
                guard batch.origin == origin, batch.first == from, batch.last <= through, !batch.entries.isEmpty else {
                    throw .malformed
                }
                try replay(batch)
            case (.start, _), (.rows, _), (.log, _), (.nothing, _): throw .malformed
            }
        } catch {
            discard()
            throw error
        }
    }

    private func discard() {
        copy = nil
        PartialStore.clear(directory)
    }

    private func begin(_ start: SnapshotStart) throws(SnapshotError) {
        guard start.format <= MetaRow.currentFormat else { throw .newerFormat(found: start.format) }
        self.start = start
        copy = try storeErrors { () throws(LMDBError) in try SnapshotCopy(start, PartialStore.path(directory)) }
        request = .rows(after: nil)
    }

    // MARK: Rows

    private func take(_ part: SnapshotRows, after: SnapshotPosition?) throws(SnapshotError) {
        let derived: [TableID] = [.origins, .claims, .batches, .owners, .registers]
        guard after == nil || part.table == after!.table, !derived.contains(part.table) else { throw .malformed }
        try adopt(part.vector)
        if part.table == .digests {
            (waiting, position) = (part, after)
            return try goOn()
        }
        // Behind the part's own rows, or in a later table.
        if let next = part.next, next.table == part.table {
            guard !next.key.isEmpty, after.map({ $0.key.lexicographicallyPrecedes(next.key) }) ?? true else {
                throw .sourceDamaged(reason: "the table \(part.table.name) is out of order")
            }
        } else if let next = part.next, next.table.snapshotRank <= part.table.snapshotRank {
            throw .malformed
        }
        let (now, bound) = (now(), after?.key ?? [])
        try storeErrors { [self] () throws(LMDBError) in
            try copy!.put(part.rows, in: part.table, after: bound, now, &report)
        }
        guard report.omittedRows[.meta] == nil else { throw .sourceDamaged(reason: "a row of the table meta") }
        guard let next = part.next else { throw .malformed }
        request = .rows(after: next)
    }

    /// Origins keep the indexes that the records know them by. Nothing that was known may be gone.
    private func adopt(_ vector: [IndexedOrigin]) throws(SnapshotError) {
        let theirs = Dictionary(vector.map { ($0.index, $0.row) }, uniquingKeysWith: { $1 })
        for (index, row) in copy!.merge.origins.rows {
            guard let other = theirs[index], other.origin == row.origin else {
                throw .sourceChanged(reason: "the life \(row.origin) is not known there any more")
            }
            guard other.head > row.head || other.head == row.head && other.headChain == row.headChain else {
                throw .sourceChanged(reason: "the log of \(row.origin) is another one now")
            }
        }
        for origin in vector where copy!.merge.origins.rows[origin.index] == nil {
            guard copy!.add(origin) else {
                throw .sourceDamaged(reason: "the life \(origin.row.origin) has two indexes")
            }
        }
        copy!.vector = vector
    }

    // MARK: Log and digests

    private func replay(_ batch: LogBatch) throws(SnapshotError) {
        let now = now()
        let outcome = try storeErrors { [self] () throws(LMDBError) in try copy!.apply(batch, now) }
        guard outcome == .applied else { throw .logRefused("\(batch.origin): \(outcome)") }
        report.entryCount += batch.entries.count
        try goOn()
    }

    /// Replays what is missing up to the digests' vector, then compares them.
    private func goOn() throws(SnapshotError) {
        for origin in waiting!.vector {
            let head = copy!.merge.origins.rows[origin.index]!.head
            if head < origin.row.head {
                request = .log(origin.row.origin, from: head + 1, through: origin.row.head)
                return
            }
        }
        // The chains tell that it is the same log.
        try adopt(waiting!.vector)
        let (part, after) = (waiting!, position)
        waiting = nil
        try storeErrors { [self] () throws(LMDBError) in try copy!.compare(part, after: after?.key ?? [], &report) }
        if let next = part.next {
            guard next.table == .digests, !next.key.isEmpty, (after?.key ?? []).lexicographicallyPrecedes(next.key)
            else {
                throw .malformed
            }
            request = .rows(after: next)
        } else {
            request = .nothing
        }
    }

    /// The copy appears in its directory, on the disk and whole.
    package func finish() throws(SnapshotError) -> SnapshotReport {
        precondition(request == .nothing, "parts are missing")
        do throws(SnapshotError) {
            report.noteMissing()
            try storeErrors { [self] () throws(LMDBError) in try copy!.complete() }
            copy = nil
            try PartialStore.moveInPlace(directory)
        } catch {
            discard()
            throw error
        }
        isFinished = true
        return report
    }

    private func storeErrors<Value>(
        _ body: () throws(LMDBError) -> Value
    ) throws(SnapshotError) -> Value {
        do throws(LMDBError) { return try body() } catch {
            throw .store(.system(path: PartialStore.path(directory), reason: error.description))
        }
    }
}

/// What a copy of a store holds, and what it lacks.
package struct SnapshotReport: Equatable, Sendable {
    package internal(set) var recordCount = 0
    package internal(set) var entryCount = 0
    /// Records that are damaged in the source, by name: the copy is whole but for them.
    package internal(set) var damaged: [String] = []
    /// What else does not hold in the source.
    package internal(set) var problems: [String] = []
    /// By table: keys of rows that were left out, and how many records that the source's digests count and the copy does not have.
    var omittedRows: [TableID: Set<[UInt8]>] = [:]
    var missingRecords: [TableID: Int] = [:]

    package var isSound: Bool { damaged.isEmpty && problems.isEmpty }

    init() {}

    /// Damaged rows explain as many missing records; more are a finding of their own.
    mutating func noteMissing() {
        for (table, count) in missingRecords.sorted(by: { $0.key.name < $1.key.name }) {
            let unexplained = count - (omittedRows[table]?.count ?? 0)
            if unexplained > 0 { problems.append("\(table.name): \(unexplained) records cannot be found") }
        }
    }
}
