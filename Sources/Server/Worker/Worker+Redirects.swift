import HTTP
import Links
import Primitives
import Store

/// Answering requests for codes: from the cache, else from the store.
///
/// What the cache holds of a redirect is the destination and behind it, in eight bytes, when the link expires and whether
/// the visitor's query is appended: all that is this link's own. The answer's other parts come from the configuration, the
/// clock and the request.
extension Worker {
    /// Answers a plain redirect into the output; false if the request is for the API thread.
    func redirect(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ connection: Connection) -> Bool {
        guard servesRedirects, head.method == .get || head.method == .head else { return false }
        let path = UnsafeRawBufferPointer(rebasing: bytes[head.path.range])
        let form = form(head)
        guard let code = Route.code(path) else { return health(path, form, head, bytes, connection) }
        if let redirectTick, let refusal = refusal(head, bytes, connection, atTick: redirectTick) {
            append(refusal.response, form, as: .limited, on: .code, head, bytes, connection)
        } else if head.mayBringToken {
            answerReading(code, form, head, bytes, connection)
        } else {
            answer(code, form, head, bytes, connection)
        }
        // One that waits for its lookup closes when it has its answer.
        if !form.keepsAlive, case .open = connection.phase { connection.phase = .closing }
        return true
    }

    @inline(__always)
    func answer(
        _ code: UnsafeRawBufferPointer, _ form: Response.Form, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer,
        _ connection: Connection
    ) {
        guard let hit = cache.lookup(code.bytes, now: now) else { return find(code, form, head, bytes, connection) }
        guard hit.kind == .redirect else { return answer(hit, code, form, head, bytes, connection) }
        let start = output.count
        redirects.appendHead(.cache, to: &output)
        let destination = output.count
        cache.copy(hit, to: output.reserve(hit.byteCount))
        output.advance(by: hit.byteCount)
        finish(start, destination, form, head, bytes, connection)
    }

    /// What the cache has of it is no destination.
    private func answer(
        _ hit: CodeCache.Hit, _ code: UnsafeRawBufferPointer, _ form: Response.Form, _ head: RequestHead,
        _ bytes: UnsafeRawBufferPointer, _ connection: Connection
    ) {
        takeUpKnownToken()
        switch hit.kind {
        case .redirect: preconditionFailure("it has one")
        // Where it was written may know better.
        case .notFound where reading.region != nil && !reading.hasAsked: find(code, form, head, bytes, connection)
        case .notFound: unknown(form, head, bytes, connection)
        case .gone: gone(form, head, bytes, connection)
        case .blocked: blocked(hit, form, head, bytes, connection)
        }
    }

    func find(
        _ code: UnsafeRawBufferPointer, _ form: Response.Form, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer,
        _ connection: Connection
    ) {
        takeUpKnownToken()
        // A snapshot of before its token was looked at may not have what the token tells of.
        if reading.token != nil { reader.end() }
        openSnapshot()
        guard isStillCovered else { return resolve(code, form, head, bytes, connection) }
        if node.readers.isOn, reader.needsSearch(code.bytes) { return leave(code, form, head, bytes, connection) }
        switch reader.find(code.bytes) {
        case .link(let link) where link.isBlocked:
            let entry = FoundCode.entry(of: link)
            keepBlocked(link.view, entry, code, tag: reader.tag)
            blocked(link.view, entry, form, head, bytes, connection)
        case .link(let link) where link.view.redirects(at: now):
            let start = output.count
            redirects.appendHead(.store, to: &output)
            let destination = output.count
            output.append(link.view.prefix)
            output.append(link.destination)
            output.append(word: link.view.keptWord)
            keep(
                .redirect, code, UnsafeRawBufferPointer(rebasing: output.bytes[destination...]),
                until: Instant(milliseconds: link.view.expiresAtMilliseconds), tag: reader.tag)
            finish(start, destination, form, head, bytes, connection)
        case .link:
            keep(.gone, code, tag: reader.tag)
            gone(form, head, bytes, connection)
        case .absent: absent(code, isPossible: true, form, head, bytes, connection)
        // Of a node of which nothing has come there is no table to look into.
        case .impossible: absent(code, isPossible: false, form, head, bytes, connection)
        case .damaged: damaged(form, head, bytes, connection)
        }
    }

    /// The snapshot is of the first miss: a wake-up of hits needs none.
    func openSnapshot() {
        guard !reader.isOpen else { return }
        do throws(StoreError) { try reader.begin() } catch { node.end(because: error.description) }
    }

    /// It is not in the store. Where it may be elsewhere that is asked, and nothing is kept: it may be there, and here,
    /// at any moment.
    private func absent(
        _ code: UnsafeRawBufferPointer, isPossible: Bool, _ form: Response.Form, _ head: RequestHead,
        _ bytes: UnsafeRawBufferPointer, _ connection: Connection
    ) {
        let whom = node.lookups?.whom(code.bytes, node.store, now: now)
        if let whom, ask(whom, code, form, head, bytes, connection) { return }
        // Its entry may have come after the snapshot was taken, and with it the news that none is missing.
        if !node.store.stamps.isCurrent(reader.tag, code.bytes) {
            reader.end()
            openSnapshot()
            if case .link = reader.find(code.bytes) { return find(code, form, head, bytes, connection) }
        }
        if whom == nil, isPossible { keep(.notFound, code, tag: reader.tag) }
        if !askRegion(code, form, head, bytes, connection) { unknown(form, head, bytes, connection) }
    }

    /// Answers what waited for its lookup.
    func answer(_ found: FoundCode, _ form: Response.Form, _ call: HandedOver, _ connection: Connection) {
        countRedirects(System.monotonicMicroseconds())
        take(up: call)
        defer { forget() }
        let head = call.message.head
        call.message.headBytes.withUnsafeBytes { bytes in
            switch found.content {
            case .link(let view, let entry, true): blocked(view, entry, form, head, bytes, connection)
            case .link(let view, let entry, false): answer(view, entry, from: .store, form, head, bytes, connection)
            case .absent, .impossible:
                found.code.withUnsafeBytes { absent(found, $0, form, head, bytes, connection) }
            case .damaged: damaged(form, head, bytes, connection)
            }
        }
        countRedirects(System.monotonicMicroseconds(), since: call.arrivedMicroseconds)
    }

    /// `entry` is as the cache keeps it.
    func answer(
        _ view: RedirectView, _ entry: [UInt8], from source: RedirectText.Source, _ form: Response.Form,
        _ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ connection: Connection
    ) {
        guard view.redirects(at: now) else { return gone(form, head, bytes, connection) }
        let start = output.count
        redirects.appendHead(source, to: &output)
        let destination = output.count
        output.append(entry)
        finish(start, destination, form, head, bytes, connection)
    }

    private func absent(
        _ found: FoundCode, _ code: UnsafeRawBufferPointer, _ form: Response.Form, _ head: RequestHead,
        _ bytes: UnsafeRawBufferPointer, _ connection: Connection
    ) {
        if let whom = node.lookups?.whom(code.bytes, node.store, now: now),
            ask(whom, code, form, head, bytes, connection)
        {
            return
        }
        if !askRegion(code, form, head, bytes, connection) { unknown(form, head, bytes, connection) }
    }

    /// For whoever asks next, once for each worker that asked.
    func keep(_ found: FoundCode) {
        found.code.withUnsafeBytes { code in
            switch found.content {
            case .link(let view, let entry, true): keepBlocked(view, entry, code, tag: found.tag)
            case .link(let view, let entry, _) where view.redirects(at: now):
                entry.withUnsafeBytes {
                    keep(
                        .redirect, code, $0, until: Instant(milliseconds: view.expiresAtMilliseconds), tag: found.tag)
                }
            case .link: keep(.gone, code, tag: found.tag)
            case .absent where node.lookups?.whom(code.bytes, node.store, now: now) == nil:
                keep(.notFound, code, tag: found.tag)
            case .absent, .impossible, .damaged: break
            }
        }
    }

    /// The rest of a redirect's answer that begins at `start` of the output, and ends with what is kept of it from
    /// `destination` on.
    @inline(__always)
    private func finish(
        _ start: Int, _ destination: Int, _ form: Response.Form, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer,
        _ connection: Connection
    ) {
        var expiresAtMilliseconds = output.takeWord()
        if expiresAtMilliseconds < 0 {
            expiresAtMilliseconds = ~expiresAtMilliseconds
            output.forward(UnsafeRawBufferPointer(rebasing: bytes[head.query.range]), from: destination)
        }
        if knownToken >= 0 {
            memo.appendMarks(at: knownToken, to: &output)
        } else if !marks.isEmpty {
            output.append(marks)
        }
        if connection.session != nil { output.append(strictTransportLine) }
        redirects.appendTail(
            form, code: UnsafeRawBufferPointer(rebasing: bytes[head.path.range].dropFirst()),
            expiresAtMilliseconds: expiresAtMilliseconds, now: now, to: &output)
        redirectsSent += 1
        noteClick(head, bytes, connection)
        if logsAccess {
            noteAccess(
                .redirect, redirectStatus, head, bytes, from: start, since: arrivedMicroseconds ?? wakeUpMicroseconds,
                connection)
        }
    }

    private func gone(
        _ form: Response.Form, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ connection: Connection
    ) {
        counters.goneCodes.add()
        append(fixed.gone, form, as: .gone, head, bytes, connection)
    }

    private func damaged(
        _ form: Response.Form, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ connection: Connection
    ) {
        counters.damagedRecords.add()
        node.noteDamage()
        append(Problem.damagedRecord.response, form, as: .damaged, on: .code, head, bytes, connection)
    }

    private func unknown(
        _ form: Response.Form, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ connection: Connection
    ) {
        if isBehind(head, bytes) { return behind(form, head, bytes, connection) }
        counters.unknownCodes.add()
        if let refusal = missRefusal(head, bytes, connection) {
            append(refusal.response, form, as: .limited, on: .code, head, bytes, connection)
        } else {
            append(fixed.notFound, form, as: .unknown, head, bytes, connection)
        }
    }

    /// What was found of `code` in a snapshot of `tag`, for whoever asks next.
    func keep(
        _ kind: CodeCache.Kind, _ code: UnsafeRawBufferPointer,
        _ answer: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
        until end: Instant = Instant(milliseconds: .max), tag: CacheTag
    ) {
        guard code.count <= CacheLimits.longestKeyBytes, answer.count <= CacheLimits.longestAnswerBytes else { return }
        cache.insert(code.bytes, kind, answer: answer.bytes, tag: tag, now: now, renderAgainAt: end)
    }
}

extension OutputBuffer {
    fileprivate mutating func append(word: Int64) { withUnsafeBytes(of: word) { append($0) } }

    /// Appends a visitor's query to the URL that begins at `start` and ends here. Apart from the rest: few links want it.
    @inline(never)
    fileprivate mutating func forward(_ query: UnsafeRawBufferPointer, from start: Int) {
        let url = UnsafeMutableRawBufferPointer(
            start: reserve(ForwardedQuery.urlBytes) - (count - start), count: count - start + ForwardedQuery.urlBytes)
        var span = url.mutableBytes
        let length = ForwardedQuery.append(query.bytes, to: &span, count: count - start)
        advance(by: length - (count - start))
    }

    @inline(__always)
    fileprivate mutating func takeWord() -> Int64 {
        let rest = count - MemoryLayout<Int64>.size
        defer { truncate(to: rest) }
        return bytes.loadUnaligned(fromByteOffset: rest, as: Int64.self)
    }
}
