import Analytics
import HTTP
import Links
import Primitives
import Replication
import Store

/// Reports of abuse: anybody may make them, admins list and decide them.
extension API {
    /// A client's reports of one link on one day have one id, whichever node takes them; its address is in none.
    private func reportID(_ link: LinkKey, _ call: APICall) -> UInt128 {
        var key: [UInt8] = []
        link.encode(into: &key)
        return requests.report(of: key, by: call.principal, day: ClickDay(now()))
    }

    func takeReport(_ call: APICall) {
        guard configuration.role == .edge else { return call.answer(Problem.witness.response) }
        guard call.message.hasJSONBody else { return call.answer(Problem(.unsupportedMediaType).response) }
        let request: ReportRequest
        do throws(RefusedRequest) { request = try ReportRequest(call.message.body, publicURL: publicURL) } catch {
            return call.answer(error.problem.response)
        }
        var call = call
        call.isForAnybody = true
        find(call, request.code) { call, link in
            let key = link.elsewhere?.key ?? reader.key(of: link.code.span.bytes)
            let id = reportID(key, call)
            var body = ReportBody(key, category: request.category.rawValue, reportedAt: now())
            (body.comment, body.contact) = (request.comment, request.contact)
            store.report(id, body) { [self, call] result in
                switch result {
                case .success(.tooMany):
                    reportCounts.note(.tooMany)
                    call.answer(Problem.overloaded.retryAfter(seconds: 3600).response)
                case .success(let outcome):
                    reportCounts.note(outcome)
                    var json: [UInt8] = [UInt8(ascii: "{")]
                    json.append(jsonKey: "report_id", string: id.claimText)
                    json.append(UInt8(ascii: "}"))
                    call.answer(
                        Response(
                            status: 202,
                            fields: [("Content-Type", "application/json"), ("Cache-Control", "no-store")],
                            body: json))
                case .failure(let error): call.answer(Problem(error).response)
                }
            }
        }
    }

    func listReports(_ call: APICall) {
        guard isForAdmin(call) else { return }
        let request: ReportListRequest
        do throws(RefusedRequest) { request = try ReportListRequest(call.message.query) } catch {
            return call.answer(error.problem.response)
        }
        guard let found = try? store.reports(after: request.after, limit: request.limit, matches: request.matches)
        else { return call.answer(Problem.overloaded.response) }
        for _ in 0..<found.damagedCount { noteDamage() }
        call.answer(
            page(
                "reports", found.reports.map { text(of: $0).json }, next: found.next?.claimText,
                damagedCount: found.damagedCount))
    }

    func decideReport(_ call: APICall, _ id: String) {
        guard isForAdmin(call) else { return }
        guard configuration.role == .edge else { return call.answer(Problem.witness.response) }
        guard call.message.hasJSONBody else { return call.answer(Problem(.unsupportedMediaType).response) }
        let request: DecisionRequest
        do throws(RefusedRequest) { request = try DecisionRequest(call.message.body) } catch {
            return call.answer(error.problem.response)
        }
        guard let id = UInt128(claimID: id) else { return call.answer(Problem.noSuchReport.response) }
        let decision = ReportDecision(
            id: id, request.verdict, reason: request.reason, by: call.caller.principal!)
        store.decide(decision) { [self] result in
            switch result {
            case .success(nil): call.answer(Problem.noSuchReport.response)
            case .success(let decided?):
                AuditBody(
                    "report-\(request.verdict.rawValue)", on: id.claimText, by: decision.by, detail: request.reason
                ).tell()
                durability.hold(decided.origin, decided.sequence, at: System.monotonicMilliseconds()) { isDurable in
                    let text = self.text(of: decided.report)
                    guard isDurable else { return call.answer(Problem.changeNotReplicated(text.code).response) }
                    let position = LifeTag(decided.origin).map { LogPosition($0, decided.sequence) }
                    let fields = self.writeFields(call, decided.stamp, decided.origin, position)
                    call.answer(
                        Response(
                            status: 200, fields: fields + [("Content-Type", "application/json")], body: text.json))
                }
            case .failure(.damagedRecord): damaged(call)
            case .failure(let error): call.answer(Problem(error).response)
            }
        }
    }

    private func text(of report: StoredReport) -> ReportText {
        let link = try? store.shownLink(report.body.link)
        return ReportText(
            report: report, code: link?.code ?? [], destination: link?.destination, publicURL: publicURL)
    }

    // MARK: The audit trail

    func tellAudit(_ call: APICall) {
        guard isForAdmin(call) else { return }
        let request: AuditRequest
        do throws(RefusedRequest) { request = try AuditRequest(call.message.query) } catch {
            return call.answer(error.problem.response)
        }
        guard let trail = try? store.auditTrail(before: request.before, limit: request.limit) else {
            return call.answer(Problem.overloaded.response)
        }
        for _ in 0..<trail.damagedCount { noteDamage() }
        let lines = trail.lines.map { line -> [UInt8] in
            var json: [UInt8] = [UInt8(ascii: "{")]
            json.append(jsonKey: "at", string: CalendarTime(line.stamp.instant).rfc3339)
            json.append(jsonKey: "region", string: regionName(line.origin))
            json.append(jsonKey: "node")
            json += Array(String(line.origin.node).utf8)
            json.append(jsonKey: "act", string: line.body.act)
            json.append(jsonKey: "subject", string: line.body.subject)
            json.append(jsonKey: "by", utf8: line.body.by)
            json.append(jsonKey: "outcome", string: line.body.outcome)
            json.append(jsonKey: "detail", string: line.body.detail)
            return json + [UInt8(ascii: "}")]
        }
        call.answer(page("acts", lines, next: trail.next?.text, damagedCount: trail.damagedCount))
    }

    /// A page of a list for admins.
    func page(_ name: StaticString, _ elements: [[UInt8]], next: String?, damagedCount: Int) -> Response {
        var body: [UInt8] = [UInt8(ascii: "{")]
        body.append(jsonKey: name)
        body.append(UInt8(ascii: "["))
        body += elements.joined(separator: [UInt8(ascii: ",")])
        body.append(UInt8(ascii: "]"))
        body.append(jsonKey: "next_cursor", string: next)
        if damagedCount > 0 {
            body.append(jsonKey: "damaged")
            body += Array(String(damagedCount).utf8)
        }
        body.append(UInt8(ascii: "}"))
        return Response(
            status: 200, fields: [("Content-Type", "application/json"), ("Cache-Control", "no-store")], body: body)
    }
}

/// A report as admins see it.
struct ReportText {
    let report: StoredReport
    /// Empty: the link is not here.
    let code: [UInt8]
    let destination: [UInt8]?
    let publicURL: String

    var json: [UInt8] {
        let body = report.body
        var json: [UInt8] = [UInt8(ascii: "{")]
        json.append(jsonKey: "report_id", string: report.id.claimText)
        json.append(jsonKey: "short_code", utf8: code)
        json.append(jsonKey: "short_url", string: publicURL + "/" + String(decoding: code, as: UTF8.self))
        json.append(jsonKey: "long_url", string: destination.map { String(decoding: $0, as: UTF8.self) })
        json.append(jsonKey: "category", string: body.category)
        json.append(jsonKey: "comment", string: body.comment)
        json.append(jsonKey: "contact", string: body.contact)
        json.append(jsonKey: "reported_at", string: CalendarTime(body.reportedAt).rfc3339)
        json.append(jsonKey: "decision", string: body.decision?.verdict.rawValue)
        json.append(jsonKey: "reason", string: body.decision?.reason)
        json.append(jsonKey: "decided_by", string: body.decision.map { String(decoding: $0.by, as: UTF8.self) })
        json.append(
            jsonKey: "decided_at", string: body.decision.map { CalendarTime($0.at).rfc3339 })
        json.append(UInt8(ascii: "}"))
        return json
    }
}

extension Problem {
    static let noSuchReport = Problem(.notFound, "No report has this id.")
}
