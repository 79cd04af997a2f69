import Links
import Primitives

/// A report as it stands in the store.
package struct StoredReport: Equatable, Sendable {
    package let id: UInt128
    package let body: ReportBody

    /// Where it stands in a list of the newest first.
    package var place: ReportPlace { ReportPlace(reportedAt: body.reportedAt, id: id) }
}

/// Orders reports by when they came, and those of one instant by their ids.
package struct ReportPlace: Comparable, Sendable {
    package let reportedAt: Instant
    package let id: UInt128

    package init(reportedAt: Instant, id: UInt128) { (self.reportedAt, self.id) = (reportedAt, id) }

    package static func < (left: ReportPlace, right: ReportPlace) -> Bool {
        (left.reportedAt, left.id) < (right.reportedAt, right.id)
    }
}

/// What is decided of a report.
package struct ReportDecision: Sendable {
    package let id: UInt128
    package let verdict: ReportBody.Verdict
    package let reason: String
    /// The principal that decides.
    package let by: [UInt8]

    package init(id: UInt128, _ verdict: ReportBody.Verdict, reason: String, by: [UInt8]) {
        (self.id, self.verdict, self.reason, self.by) = (id, verdict, reason, by)
    }
}

/// What came of a report that was handed in.
package enum ReportOutcome: Equatable, Sendable {
    case taken
    /// There is one of this id, open or decided, or the link has as many open ones as it may.
    case known
    /// As many are open as may be.
    case tooMany
}

/// A report as it was decided.
package struct DecidedReport: Sendable {
    package let report: StoredReport
    /// Reports of the link that are decided with it, itself among them.
    package let count: Int
    /// The last entry that was written, for who waits until it is safe.
    package let stamp: Stamp
    package let origin: Origin
    package let sequence: UInt64
}

extension Store {
    /// Keeps a report, and calls `completion` on the writer's thread once it is durable. The high half of `id` is the same
    /// for all reports of the link.
    package func report(
        _ id: UInt128, _ body: ReportBody, completion: @escaping @Sendable (Result<ReportOutcome, WriteError>) -> Void
    ) {
        moderate(.report(id, body)) { result in
            completion(
                result.map { outcome in
                    guard case .report(let taken) = outcome else { preconditionFailure("another kind of write") }
                    return taken
                })
        }
    }

    /// Decides a report; to block is to block its link and to decide all open reports of that, in one transaction. Nil: no
    /// report has the id.
    package func decide(
        _ decision: ReportDecision, completion: @escaping @Sendable (Result<DecidedReport?, WriteError>) -> Void
    ) {
        moderate(.decide(decision)) { result in
            completion(
                result.map { outcome in
                    guard case .decided(let decided) = outcome else { preconditionFailure("another kind of write") }
                    return decided
                })
        }
    }

    /// The `limit` newest reports that came before `place` and that `matches` takes, newest first; and how many rows are
    /// damaged. Read in several short transactions: one that comes meanwhile may be among them or not.
    package func reports(
        before place: ReportPlace?, limit: Int, matches: (ReportBody) -> Bool
    ) throws(StoreError) -> (reports: [StoredReport], damagedCount: Int) {
        var (newest, damagedCount): ([StoredReport], Int) = ([], 0)
        var next: [UInt8]? = ModerationKey.reportHead
        while let start = next {
            next = try reading { (view, transaction) throws(LMDBError) -> [UInt8]? in
                let cursor = try transaction.cursor(view.catalogue.blocks!)
                var (row, last, seen) = (try cursor.seek(start), start, 0)
                if let found = row, found.key.elementsEqual(start) { row = try cursor.move(.next) }
                while let (key, value) = row, key.starts(with: ModerationKey.reportHead) {
                    // A damaged key may lead back.
                    if seen == StoreLimits.listedRows { return start.lexicographicallyPrecedes(last) ? last : nil }
                    (last, seen) = (Array(key), seen + 1)
                    if let report = StoredReport(key, value) {
                        if place.map({ report.place < $0 }) ?? true, matches(report.body) {
                            newest.insert(report, limit)
                        }
                    } else {
                        damagedCount += 1
                    }
                    row = try cursor.move(.next)
                }
                return nil
            }
        }
        return (newest, damagedCount)
    }
}

extension [StoredReport] {
    /// Newest first; one beyond `limit` falls out.
    fileprivate mutating func insert(_ report: StoredReport, _ limit: Int) {
        if count == limit, report.place < last!.place { return }
        insert(report, at: firstIndex { $0.place < report.place } ?? count)
        if count > limit { removeLast() }
    }
}

extension StoredReport {
    /// Of a row; nil if it is damaged, or none of a report.
    init?(_ rowKey: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        guard case .moderation(.report(let id)) = RecordKey(.blocks, rowKey),
            let payload = Row.payload(.blocks, rowKey, value),
            let record = try? TableRecord(.moderation(.report(id)), decoding: payload.bytes),
            case .moderation(.report(let body)) = record.body
        else { return nil }
        self.init(id: id, body: body)
    }
}

extension Store {
    /// The code of a link and where it leads; nil if it is not here, or has no code here. A deleted one leads nowhere.
    package func shownLink(_ key: LinkKey) throws(StoreError) -> (code: [UInt8], destination: [UInt8]?)? {
        guard let code = code(of: key) else { return nil }
        return try reading { (view, transaction) throws(LMDBError) in
            guard let table = view.catalogue.handle(key.table), let value = try transaction.get(table, key.rowKey),
                let payload = key.rowKey.withUnsafeBytes({ Row.payload(key.table, $0, value) }),
                let record = try? StoredRecord(decoding: payload.bytes)
            else { return nil }
            return (code, record.body.flags.contains(.deleted) ? nil : record.body.destination)
        }
    }
}
