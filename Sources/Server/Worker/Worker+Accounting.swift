import HTTP
import Primitives

/// Counting what is answered, and telling the access log.
extension Worker {
    /// Takes over a configuration that a reload has put in place.
    func adopt(_ configuration: Configuration) {
        redirects = RedirectText(
            status: configuration.redirectStatus.rawValue,
            cacheTTLMilliseconds: configuration.redirectCacheTTLMilliseconds)
        redirectStatus = configuration.redirectStatus.rawValue
        warnsOfBlocked = configuration.blockedAnswer == .warning
        timeouts = ConnectionTimeouts(configuration)
        admission = node.admission.admission
        // Another list of proxies may trust others of those who are here.
        for connection in connections.all { note(connection.peer, connection) }
        logsAccess = configuration.accessLog != .off && servesRedirects
        countsClicks = configuration.countsClicks
        adopt(configuration.hsts)
    }

    func adopt(_ hsts: Configuration.HSTS?) {
        strictTransport = hsts?.fieldValue
        strictTransportLine = Array((strictTransport.map { "\r\nStrict-Transport-Security: \($0)" } ?? "").utf8)
    }

    /// The redirects that were sent since the clock was looked at last; they are taken to have been sent just now.
    func countRedirects(_ nowMicroseconds: Int64, since beganMicroseconds: Int64? = nil) {
        guard redirectsSent > 0 else { return }
        counters.redirects.add(redirectsSent)
        counters.answers.add(.code, redirectStatus, redirectsSent)
        counters.noteLatency(
            microseconds: nowMicroseconds - (beganMicroseconds ?? wakeUpMicroseconds), count: redirectsSent)
        redirectsSent = 0
    }

    /// Appends an answer of the worker's own. `bytes` is what `head` was read from; nil if there is no head.
    func append(
        _ response: Response, _ form: Response.Form, as result: AccessResult, on route: AnswerRoute,
        _ head: RequestHead?, _ bytes: UnsafeRawBufferPointer, _ connection: Connection
    ) {
        let start = output.count
        append(response, form, connection)
        counters.answers.add(route, response.status)
        guard logsAccess else { return }
        noteAccess(
            result, response.status, head, bytes, from: start, since: arrivedMicroseconds ?? wakeUpMicroseconds,
            connection)
    }

    /// As above, to a request for a code.
    func append(
        _ answer: FixedAnswer, _ form: Response.Form, as result: AccessResult, _ head: RequestHead,
        _ bytes: UnsafeRawBufferPointer, _ connection: Connection
    ) {
        let start = output.count
        answer.append(
            form, date: redirects.date, marks: marks, connection.session == nil ? [] : strictTransportLine, to: &output)
        counters.answers.add(.code, answer.status)
        guard logsAccess else { return }
        noteAccess(
            result, answer.status, head, bytes, from: start, since: arrivedMicroseconds ?? wakeUpMicroseconds,
            connection)
    }

    /// One line of the access log, of the answer that stands in the output from `start` on.
    func noteAccess(
        _ result: AccessResult, _ status: Int, _ head: RequestHead?, _ bytes: UnsafeRawBufferPointer, from start: Int,
        since beganMicroseconds: Int64, _ connection: Connection
    ) {
        let client = head.map { admission.client(behind: connection.peer, $0, bytes) } ?? connection.peer
        let record = AccessRecord(
            at: now, microseconds: System.monotonicMicroseconds() - beganMicroseconds,
            answerBytes: output.count - start, status: status, method: head?.method, result: result, client: client,
            tls: connection.session?.version)
        let path = head.map { UnsafeRawBufferPointer(rebasing: bytes[$0.path.range]) }
        let shown = UnsafeRawBufferPointer(rebasing: (path ?? bytes).prefix(AccessRecord.pathBytes))
        let recordHead = record.head
        if !accessRing.push(recordHead.span.bytes, shown.bytes) { counters.accessLogDrops.add() }
    }
}
