import Links
import Primitives

/// Reports and the audit trail in the writer's transaction.
extension Writer {
    func take(
        _ id: UInt128, _ body: ReportBody, _ now: Instant, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> (outcome: Outcome, changes: Bool) {
        let found = try standing(at: .report(id), transaction)
        guard case .absent = found else { return (.moderated(.report(.known)), false) }
        let open = try reports(of: body.link, like: id, transaction).count { $0.body.decision == nil }
        guard open < StoreLimits.openReportsOfLink else { return (.moderated(.report(.known)), false) }
        if state.merge.openReports == nil { state.merge.openReports = try countOpenReports(transaction) }
        guard state.merge.openReports! < settings.openReports else {
            return (.moderated(.report(.tooMany)), false)
        }
        try put(.report(id), .report(body), over: found, now, transaction)
        return (.moderated(.report(.taken)), true)
    }

    func decide(
        _ decision: ReportDecision, _ now: Instant, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> (outcome: Outcome, changes: Bool) {
        let first: ReportBody
        switch try standing(at: .report(decision.id), transaction) {
        case .absent: return (.moderated(.decided(nil)), false)
        case .damaged: return (.failure(.damagedRecord), false)
        case .record(let record, _):
            guard case .moderation(.report(let body)) = record.body else {
                preconditionFailure("a report's key has a report")
            }
            first = body
        }
        var decided = [StoredReport(id: decision.id, body: first)]
        if decision.verdict == .block {
            let write = BlockWrite(
                key: first.link, isBlocked: true, source: .decision, reason: decision.reason, by: decision.by)
            let (outcome, _) = try apply(write, now, transaction)
            if case .failure = outcome { return (outcome, false) }
            decided += try reports(of: first.link, like: decision.id, transaction).filter {
                $0.body.decision == nil && $0.id != decision.id
            }
        }
        var stamp = Stamp(rawValue: 0)
        for (index, report) in decided.enumerated() {
            decided[index] = StoredReport(id: report.id, body: report.body.decided(decision, at: now))
            let standing = try standing(at: .report(report.id), transaction)
            stamp = try put(.report(report.id), .report(decided[index].body), over: standing, now, transaction)
        }
        let subject = decision.id.hexadecimal + " " + name(of: first.link)
        try audit(
            AuditBody(
                "report-\(decision.verdict.rawValue)", on: subject, by: decision.by, detail: decision.reason),
            now, transaction)
        return (
            .moderated(
                .decided(
                    DecidedReport(
                        report: decided[0], count: decided.count, stamp: stamp, origin: state.row.origin,
                        sequence: state.row.head))), true
        )
    }

    /// All sound reports of a link, of which `id` is one's: their ids have one high half.
    private func reports(
        of link: LinkKey, like id: UInt128, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> [StoredReport] {
        let head = Array(ModerationKey.report(id).bytes.prefix(1 + 8))
        var reports: [StoredReport] = []
        let cursor = try transaction.cursor(catalogue.blocks!)
        var row = try cursor.seek(head)
        while let (key, value) = row, key.starts(with: head), reports.count < StoreLimits.bucketScanRows {
            if let report = StoredReport(key, value), report.body.link == link { reports.append(report) }
            row = try cursor.move(.next)
        }
        return reports
    }

    /// Once for each life of the process, and no more: from then on it is known.
    private func countOpenReports(_ transaction: borrowing WriteTransaction) throws(LMDBError) -> Int {
        var count = 0
        let cursor = try transaction.cursor(catalogue.blocks!)
        var row = try cursor.seek(ModerationKey.reportHead)
        while let (key, value) = row, key.starts(with: ModerationKey.reportHead) {
            if let report = StoredReport(key, value), report.body.decision == nil { count += 1 }
            row = try cursor.move(.next)
        }
        return count
    }

    // MARK: The audit trail

    /// Puts a line into the transaction of the act that it tells of; nothing where a member does not read it yet.
    @discardableResult
    func audit(
        _ act: AuditBody?, _ now: Instant, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> Bool {
        guard let act, state.writtenFormat >= LogEntry.moderationFormat else { return false }
        let stamp = state.clock.stamp(now: now)
        let key = ModerationKey.audit(stamp: stamp.rawValue, origin: state.row.origin)
        try put(key, .audit(act), over: .absent, at: stamp, transaction)
        return true
    }

    /// How people know a link.
    func name(of link: LinkKey) -> String {
        link.rowKey.withUnsafeBytes { codeSpace.name(of: $0, in: link.table) }
    }
}

extension ReportBody {
    fileprivate func decided(_ decision: ReportDecision, at now: Instant) -> ReportBody {
        var body = self
        body.decision = Decision(decision.verdict, by: decision.by, at: now, reason: decision.reason)
        return body
    }
}

extension UInt128 {
    /// 32 digits.
    package var hexadecimal: String { hex(UInt64(self >> 64), 16) + hex(UInt64(truncatingIfNeeded: self), 16) }
}
