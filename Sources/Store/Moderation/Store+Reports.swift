import Links
import Primitives

/// A report as it stands in the store.
package struct StoredReport: Equatable, Sendable {
    package let id: UInt128
    package let body: ReportBody
}

/// Some of all reports, and where to go on.
package struct ReportPage: Sendable {
    package var reports: [StoredReport] = []
    /// Behind which the next page begins; nil: there is none.
    package var next: UInt128?
    /// What is left out, because a record fails its checksum.
    package var damagedCount = 0
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

    /// At most `limit` reports behind the one of `last` that `matches` takes, in the order of their ids: those of one link
    /// stand together. Read in one short transaction, of a bounded number of rows, so a page may have fewer, or none, and
    /// others come behind it.
    package func reports(
        after last: UInt128?, limit: Int, matches: (ReportBody) -> Bool
    ) throws(StoreError) -> ReportPage {
        try reading { (view, transaction) throws(LMDBError) in
            var (page, end, seen) = (ReportPage(), last, 0)
            let cursor = try transaction.cursor(view.catalogue.blocks!)
            let start = last.map { ModerationKey.report($0).bytes } ?? ModerationKey.reportHead
            var row = try cursor.seek(start)
            if let (key, _) = row, key.elementsEqual(start) { row = try cursor.move(.next) }
            while let (key, value) = row, key.starts(with: ModerationKey.reportHead) {
                if page.reports.count == limit || seen == StoreLimits.listedRows {
                    page.next = end
                    break
                }
                seen += 1
                // A damaged key may lead back.
                if case .moderation(.report(let id)) = RecordKey(.blocks, key), end.map({ $0 < id }) ?? true {
                    end = id
                }
                if let report = StoredReport(key, value) {
                    if matches(report.body) { page.reports.append(report) }
                } else {
                    page.damagedCount += 1
                }
                row = try cursor.move(.next)
            }
            return page
        }
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
