import HTTP
import Links
import Primitives
import Replication
import Store

/// Answering requests that bring a token, or say where something was written: see `Tokens`.
///
///     token ─▶ known and covered ─────────────────────────────▶ as any other, marked current
///          ├─▶ valid: covered ─▶ known from now on ───────────▶
///          │         not ─▶ RemoteLookups ─▶ covered, found … ▶ or behind, lost
///          └─▶ forged: as if it were not there
extension Worker {
    func answerReading(
        _ code: UnsafeRawBufferPointer, _ form: Response.Form, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer,
        _ connection: Connection
    ) {
        if let (text, isFromCookie) = Reading.tokenText(head, bytes),
            let place = memo.find(text, isFromCookie: isFromCookie, node.tokens)
        {
            counters.tokens.add(.covered)
            knownToken = place
            answer(code, form, head, bytes, connection)
            if knownToken >= 0 { return knownToken = -1 }
        } else {
            resolve(code, form, head, bytes, connection)
        }
        forget()
    }

    /// What is known of the token is wanted for more than an answer from the cache.
    func takeUpKnownToken() {
        guard knownToken >= 0 else { return }
        (reading, marks) = memo.kept(at: knownToken)
        knownToken = -1
    }

    /// Looks at what the request brings, whatever has been found out about it.
    func resolve(
        _ code: UnsafeRawBufferPointer, _ form: Response.Form, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer,
        _ connection: Connection
    ) {
        let (version, environment) = (node.tokens.coverage.version, node.tokens.coverage.environment)
        reading = node.tokens.reading(head, bytes, now: now, counters.tokens)
        guard let token = reading.token else { return answer(code, form, head, bytes, connection) }
        if node.tokens.covers(token) {
            counters.tokens.add(.covered)
            (reading.consistency, reading.environment) = (.current, environment)
            marks = node.tokens.marks(reading)
            if let (text, _) = Reading.tokenText(head, bytes) {
                memo.keep(text, reading, marks: marks, version: version)
            }
            return answer(code, form, head, bytes, connection)
        }
        guard node.lookups != nil else {
            // Nobody else will ever have it.
            return settle(.lost, nil, code, form, head, bytes, connection)
        }
        openSnapshot()
        if park(token.positions, .holder, reading, code, head, bytes, connection) {
            connection.phase = .awaitingAnswer(form)
        } else {
            settle(.behind, nil, code, form, head, bytes, connection)
        }
    }

    /// Whether the store is still the one that covered the token.
    var isStillCovered: Bool {
        reading.token == nil || reading.consistency != .current
            || reading.environment == node.tokens.coverage.environment
    }

    // MARK: Asking

    /// Whether the request waits for another node now. It is asked about a request once.
    func ask(
        _ whom: Lookup.Whom, _ code: UnsafeRawBufferPointer, _ form: Response.Form, _ head: RequestHead,
        _ bytes: UnsafeRawBufferPointer, _ connection: Connection
    ) -> Bool {
        guard !reading.hasAsked else { return false }
        openSnapshot()
        guard park([], whom, reading, code, head, bytes, connection) else { return false }
        connection.phase = .awaitingAnswer(form)
        return true
    }

    /// About what was written a moment ago where the request says.
    func askRegion(
        _ code: UnsafeRawBufferPointer, _ form: Response.Form, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer,
        _ connection: Connection
    ) -> Bool {
        guard let region = reading.region else { return false }
        return ask(.region(region), code, form, head, bytes, connection)
    }

    private func park(
        _ positions: [LogPosition], _ whom: Lookup.Whom, _ reading: Reading, _ code: UnsafeRawBufferPointer,
        _ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ connection: Connection
    ) -> Bool {
        guard let lookups = node.lookups else { return false }
        let (call, tag) = (parked(head, bytes, connection), reader.tag)
        return lookups.take([UInt8](code), positions, whom, of: subject(head, bytes, connection)) { result in
            call.worker.deliver(Delivery(call: call, content: .lookedUp(result, tag)))
        }
    }

    // MARK: Answering

    /// What a request waited for is here. `tag`: of a snapshot from before anybody was asked.
    func answer(
        _ result: LookupResult, _ tag: CacheTag, _ form: Response.Form, _ call: HandedOver, _ connection: Connection
    ) {
        countRedirects(System.monotonicMicroseconds())
        take(up: call)
        defer { forget() }
        let head = call.message.head
        call.message.headBytes.withUnsafeBytes { bytes in
            guard let code = Route.code(UnsafeRawBufferPointer(rebasing: bytes[head.path.range])) else {
                preconditionFailure("only requests for codes wait here")
            }
            settle(result, tag, code, form, head, bytes, connection)
        }
        countRedirects(System.monotonicMicroseconds(), since: call.arrivedMicroseconds)
    }

    private func settle(
        _ result: LookupResult, _ tag: CacheTag?, _ code: UnsafeRawBufferPointer, _ form: Response.Form,
        _ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ connection: Connection
    ) {
        if reading.token != nil, reading.consistency == .unknown { counters.tokens.note(result) }
        resume(reading.after(result, environment: node.tokens.coverage.environment))
        if reading.isStrict, reading.consistency == .behind || reading.consistency == .lost {
            return behind(form, head, bytes, connection)
        }
        if case .found(let link, _, _) = result, let tag {
            return answer(link, tag, code, form, head, bytes, connection)
        }
        answer(code, form, head, bytes, connection)
    }

    /// With what another node has, unless what is here has come and stands in its place. Kept only where nothing is here:
    /// until its entry arrives.
    private func answer(
        _ link: RemoteLink, _ tag: CacheTag, _ code: UnsafeRawBufferPointer, _ form: Response.Form, _ head: RequestHead,
        _ bytes: UnsafeRawBufferPointer, _ connection: Connection
    ) {
        let found = FoundCode([UInt8](code), link, tag: tag)
        if !node.readers.isOn {
            reader.end()
            openSnapshot()
            switch reader.find(code.bytes) {
            case .link(let local):
                guard let record = local.record, let author = reader.origin(at: record.originIndex),
                    link.beats(record, of: author)
                else { return find(code, form, head, bytes, connection) }
            case .absent, .impossible: keep(found)
            case .damaged: break
            }
        }
        guard case .link(let view, let entry, let isBlocked) = found.content else {
            preconditionFailure("a link was found")
        }
        if isBlocked { return blocked(view, entry, form, head, bytes, connection) }
        answer(view, entry, from: .origin, form, head, bytes, connection)
    }

    /// Whether a request for what is not here may be for what its token tells of and this node lacks.
    func isBehind(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer) -> Bool {
        guard reading.consistency == .behind, let token = reading.token,
            let code = Route.code(UnsafeRawBufferPointer(rebasing: bytes[head.path.range]))
        else { return false }
        return node.tokens.mayBeAhead(token, of: code.bytes)
    }

    func behind(
        _ form: Response.Form, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ connection: Connection
    ) {
        var response = Problem.behind.response
        response.fields += node.tokens.fields(reading)
        append(response, form, as: .refused, on: .code, head, bytes, connection)
    }
}
