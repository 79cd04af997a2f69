import Analytics
import HTTP
import Links
import Primitives
import Replication
import Store

extension APICall {
    /// What is here is too old for what it asks. A change made on a record that its client has seen newer would undo that, so
    /// it is never made.
    var isTooFarBehind: Bool {
        switch reading.consistency {
        case .behind: reading.isStrict || changes
        case .lost: reading.isStrict
        case .unknown, .current: false
        }
    }
}

/// Reading links for who asks the API. What a request waits for comes back on the queue that it came by.
extension API {
    /// A link that is there for its caller.
    struct ShownLink {
        let code: [UInt8]
        let isAlias: Bool
        let record: StoredRecord
        /// Who wrote it last.
        let origin: Origin
        /// Another node has it, or has it newer than this one.
        let elsewhere: (key: LinkKey, holder: NodeID)?
        let isBlocked: Bool
    }

    func show(_ call: APICall, _ code: String) {
        look(call, code) { link in
            let text = text(of: link)
            return Response(
                status: 200,
                fields: [
                    ("Content-Type", "application/json"), ("ETag", text.entityTag), ("Cache-Control", "no-store"),
                ], body: text.json)
        }
    }

    func text(of link: ShownLink) -> LinkText {
        text(
            link.code, isAlias: link.isAlias, Stamp(rawValue: link.record.stamp), link.origin, link.record.body,
            isBlocked: link.isBlocked)
    }

    /// A link as it was written last, by `origin`.
    func text(
        _ code: [UInt8], isAlias: Bool, _ stamp: Stamp, _ origin: Origin, _ body: LinkBody, isBlocked: Bool = false
    ) -> LinkText {
        LinkText(
            code: code, isAlias: isAlias, stamp: stamp, origin: origin, body: body, isBlocked: isBlocked,
            publicURL: publicURL, region: regionName(body.creation?.origin ?? origin))
    }

    func showClicks(_ call: APICall, _ code: String) {
        let dayCount: Int
        do throws(RefusedRequest) {
            let query = try QueryValues(call.message.query)
            try query.allow(ClickText.parameters)
            dayCount = try query.number("days", 1...ClickLimits.days) ?? ClickText.days
        } catch {
            return call.answer(error.problem.response)
        }
        look(call, code) { link in
            let (key, today) = (reader.key(of: link.code.span.bytes), ClickDay(now()))
            guard let history = clicks.history(of: link.code, key, dayCount: dayCount, today: today),
                let since = clicks.since
            else { return Problem.clicksUnavailable.response }
            let text = ClickText(code: link.code, history: history, today: today, since: since)
            return Response(
                status: 200, fields: [("Content-Type", "application/json"), ("Cache-Control", "no-store")],
                body: text.json)
        }
    }

    /// Answers with what `answer` makes of a link, if there is one for the caller.
    func look(_ call: APICall, _ code: String, _ answer: (ShownLink) -> Response) {
        find(call, code) { $0.answer(answer($1)) }
    }

    /// Hands a link on, if there is one for the caller; answers if not.
    func find(_ call: APICall, _ code: String, _ use: (APICall, ShownLink) -> Void) {
        var call = call
        let bytes = Array(code.utf8)
        guard let environment = read(&call, bytes) else { return }
        do throws(StoreError) { try reader.begin() } catch { return call.refuse(.overloaded) }
        defer { reader.end() }
        noteReplacement(&call, since: environment)
        if call.isTooFarBehind { return call.refuse(.behind) }
        let found = reader.findEvenly(bytes.span.bytes)
        if case .found(let link, _, let holder) = call.handedOver.result, beats(link, found) {
            return hand(
                ShownLink(
                    code: bytes, isAlias: link.key.isAlias, record: link.record, origin: link.origin,
                    elsewhere: (link.key, holder), isBlocked: link.isBlocked), call, use)
        }
        switch found {
        case .absent, .impossible:
            // What is read of a link that is there and not shown, so that both take as long.
            _ = try? StoredRecord(decoding: Self.standIn.span.bytes)
            absent(call, bytes)
        case .damaged: damaged(call)
        case .link(let link):
            guard let record = link.record, let origin = reader.origin(at: record.originIndex) else {
                return damaged(call)
            }
            hand(
                ShownLink(
                    code: bytes, isAlias: link.key == .alias, record: record, origin: origin, elsewhere: nil,
                    isBlocked: link.isBlocked),
                call, use)
        }
    }

    private func hand(_ link: ShownLink, _ call: APICall, _ use: (APICall, ShownLink) -> Void) {
        guard call.isForAnybody || call.caller.maySee(link.record.body) else { return missing(call) }
        guard link.record.body.flags.isDisjoint(with: [.deleted, .reduced]) else {
            return call.refuse(.gone)
        }
        use(call, link)
    }

    /// Whether what another node has stands in the place of what is here.
    private func beats(_ link: RemoteLink, _ found: Found) -> Bool {
        guard case .link(let local) = found else { return true }
        guard let record = local.record, let author = reader.origin(at: record.originIndex) else { return true }
        return link.beats(record, of: author)
    }

    private static let standIn: [UInt8] = {
        var body = LinkBody()
        body.destination = Array("https://www.example.com/a/path/of/some/length?with=a&query=too".utf8)
        body.owner = Array(KeyID(0).description.utf8)
        var bytes: [UInt8] = []
        StoredRecord(stamp: 0, originIndex: 0, body: body).encode(into: &bytes)
        return bytes
    }()

    // MARK: Tokens

    /// To be called with a snapshot: another store may have taken the place of the one that covered the request's token.
    func noteReplacement(_ call: inout APICall, since environment: UInt64) {
        guard call.reading.consistency == .current, tokens.coverage.environment != environment else { return }
        (call.reading.consistency, call.marks) = (.behind, [("X-Consistency", "behind")])
    }

    /// Looks at what the request brings, or at what came of it. Nil: it waits, or is answered. Else the environment of the
    /// store in which its token is covered, if it is. Without a code no other node can be asked, and it waits for what
    /// comes by itself.
    func read(_ call: inout APICall, _ code: [UInt8]) -> UInt64? {
        let environment = tokens.coverage.environment
        if let result = call.handedOver.result {
            call.reading = call.handedOver.reading.after(result, environment: environment)
        } else {
            let message = call.message
            call.reading = message.headBytes.withUnsafeBytes {
                tokens.reading(message.head, $0, now: now(), tokenCounts)
            }
            if let token = call.reading.token {
                if tokens.covers(token) {
                    tokenCounts.add(.covered)
                    call.reading.consistency = .current
                } else if wait(call, code, token.positions, code.isEmpty ? .nobody : .holder) {
                    return nil
                } else {
                    let result: LookupResult = lookups == nil ? .lost : .behind
                    tokenCounts.note(result)
                    call.reading = call.reading.after(result, environment: environment)
                }
            }
        }
        call.marks = tokens.fields(call.reading)
        if call.isTooFarBehind {
            call.refuse(.behind)
            return nil
        }
        return environment
    }

    /// It is not in the store: it may be elsewhere.
    private func absent(_ call: APICall, _ code: [UInt8]) {
        if !call.reading.hasAsked {
            if let whom = lookups?.whom(code.span.bytes, store, now: now()), wait(call, code, [], whom) {
                return
            }
            if let region = call.reading.region, wait(call, code, [], .region(region)) { return }
        }
        if call.reading.consistency == .behind, let token = call.reading.token,
            tokens.mayBeAhead(token, of: code.span.bytes)
        {
            return call.refuse(.behind)
        }
        missing(call)
    }

    /// False if there is nobody to ask, or too much waits. Until it comes back the request is nobody's.
    private func wait(
        _ call: APICall, _ code: [UInt8], _ positions: [LogPosition], _ whom: Lookup.Whom
    ) -> Bool {
        guard let lookups, Alias.lengths.upperBound >= code.count, whom == .nobody || !code.isEmpty else {
            return false
        }
        var parked = call.handedOver
        parked.reading = call.reading
        return lookups.take(code, positions, whom, of: call.network) { [self, parked] result in
            if parked.reading.token != nil, parked.reading.consistency == .unknown { comeBack.note(result) }
            var back = parked
            back.result = result
            if !calls.pushPastCapacity(back) { back.answer(Problem.stopping.response) }
        }
    }
}
