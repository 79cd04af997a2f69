import Glibc
import HTTP
import Links
import Primitives
import Store

/// Reading and answering.
extension Worker {
    func readOn(_ connection: Connection) {
        switch connection.phase {
        case .awaitingAnswer:
            // It sends before it has its answer, or hung up: looked at when the answer is here.
            return show(.nothing, connection)
        case .closing: return show(.writing, connection)
        case .open, .lingering: break
        }
        switch System.read(connection.descriptor, input) {
        case .done(0): connection.hasEnded = true
        case .done(let count):
            counters.bytesReceived.add(UInt64(count))
            if case .lingering = connection.phase { return }
            let bytes = UnsafeRawBufferPointer(rebasing: input[..<count])
            if let session = connection.session { return readRecords(bytes, connection, session) }
            connection.isFresh = false
            take(bytes, connection)
            return flush(connection)
        case .notNow: return
        case .failed: return drop(connection)
        }
        if case .lingering = connection.phase { return drop(connection) }
        if connection.session?.state == .handshake { counters.tls.add(.abandoned) }
        take(UnsafeRawBufferPointer(start: nil, count: 0), connection)
        flush(connection)
    }

    /// Answers what is whole in what was left over and `fresh`, and keeps the rest.
    func take(_ fresh: UnsafeRawBufferPointer, _ connection: Connection) {
        var fresh = fresh
        if connection.mayBeginWithProxyHeader {
            connection.input.append(contentsOf: fresh)
            fresh = UnsafeRawBufferPointer(start: nil, count: 0)
            guard takeProxyHeader(connection) else { return }
        }
        if connection.input.isEmpty {
            let consumed = answer(fresh, connection)
            if consumed < fresh.count { connection.input = Array(fresh[consumed...]) }
        } else {
            connection.input.append(contentsOf: fresh)
            let bytes = connection.input
            let consumed = bytes.withUnsafeBytes { answer($0, connection) }
            // Of what is not whole nothing is consumed: whoever sends it byte by byte has it copied once.
            if consumed > 0 { connection.input = consumed == bytes.count ? [] : Array(bytes[consumed...]) }
        }
    }

    /// Reads requests from `bytes` until one has to wait for its answer, or for the client to take earlier ones; the
    /// number of bytes consumed.
    func answer(_ bytes: UnsafeRawBufferPointer, _ connection: Connection) -> Int {
        var consumed = 0
        var requestsLeft = ConnectionLimits.requestsPerTurn
        connection.isHeldBack = false
        while case .open = connection.phase {
            guard connection.output.isEmpty, output.count < ConnectionLimits.answersBytes, requestsLeft > 0 else {
                connection.isHeldBack = true
                break
            }
            requestsLeft -= 1
            let rest = UnsafeRawBufferPointer(rebasing: bytes[consumed...])
            switch connection.reader.next(
                rest.bytes, ended: connection.hasEnded,
                streams: { [servesRedirects] in servesRedirects && Self.streamsBody($0, $1) }
            ) {
            case .request(let head):
                consumed += Int(head.byteCount)
                if !redirect(head, rest, connection) {
                    handOver(Message(copying: head, from: rest.bytes), connection)
                }
                connection.hasProgressed = true
            case .message(let message, let count):
                consumed += count
                // A body means nothing to a redirect (RFC 9110 9.3.1).
                if !message.headBytes.withUnsafeBytes({ redirect(message.head, $0, connection) }) {
                    handOver(message, connection)
                }
                connection.hasProgressed = true
            case .stream(let message, let body, let count):
                consumed += count
                handOver(message, connection, body)
                connection.hasProgressed = true
            case .continueExpected(let count):
                consumed += count
                output.append(Response.continueLine)
            case .incomplete(let count): return consumed + count
            case .refused(let refusal):
                counters.refusals.add()
                refuse(Problem(refusal), connection)
                connection.phase = .closing
                return bytes.count
            case .ended:
                connection.phase = .closing
                return bytes.count
            }
        }
        return consumed
    }

    /// Health is asked of the worker, which is alive if it answers, however much waits for the API thread.
    func health(
        _ path: UnsafeRawBufferPointer, _ form: Response.Form, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer,
        _ connection: Connection
    ) -> Bool {
        var form = form
        if !node.isReady { form.keepsAlive = false }
        func answer(_ response: Response, on route: AnswerRoute) {
            append(response, form, as: .health, on: route, head, bytes, connection)
        }
        if path.elementsEqual("/health".utf8) {
            answer(API.health(true), on: .health)
        } else if path.elementsEqual("/health/ready".utf8) {
            answer(API.health(node.isReady), on: .ready)
        } else {
            return false
        }
        if !form.keepsAlive { connection.phase = .closing }
        return true
    }

    /// The answer to what is no request, which closes the connection.
    func refuse(_ problem: Problem, _ connection: Connection) {
        append(
            problem.response, .closing, as: .refused, on: .none, nil, UnsafeRawBufferPointer(start: nil, count: 0),
            connection)
    }

    private func handOver(_ message: Message, _ connection: Connection, _ body: StreamedBody? = nil) {
        var form = form(message.head)
        // Who is answered before the body was taken gets no other answer.
        if body != nil { form.keepsAlive = false }
        let call = HandedOver(
            worker: self, handle: connection.handle, message: message, peer: connection.peer, body: body,
            arrivedMicroseconds: wakeUpMicroseconds)
        guard let reason = handler.take(call) else { return connection.phase = .awaitingAnswer(form) }
        // At once and not by way of a queue: what is too much shall cost little.
        counters.shed(reason)
        message.headBytes.withUnsafeBytes { bytes in
            append(Problem.overloaded.response, form, as: .refused, on: .other, message.head, bytes, connection)
        }
        if !form.keepsAlive { connection.phase = .closing }
    }

    func form(_ head: RequestHead) -> Response.Form {
        var form = Response.Form(head)
        if isDraining { form.keepsAlive = false }
        return form
    }

    func append(_ response: Response, _ form: Response.Form, _ connection: Connection) {
        var bytes: [UInt8] = []
        over(connection, response).append(to: &bytes, form: form, date: redirects.date.span.bytes)
        output.append(bytes)
    }

    /// With what the way to the client adds to it.
    func over(_ connection: Connection, _ response: Response) -> Response {
        guard let strictTransport, connection.session != nil else { return response }
        var response = response
        response.fields.append(("Strict-Transport-Security", strictTransport))
        return response
    }

    func takeDeliveries() {
        mailbox.withLock { items in
            delivered += items
            items = []
        }
    }

    /// Sends answers that came from other threads; if many came at once, so many that the others have their turn too.
    func serveDeliveries() {
        let end = min(delivered.count, nextDelivery + ConnectionLimits.deliveriesPerWakeUp)
        while nextDelivery < end {
            let delivery = delivered[nextDelivery]
            let call = delivery.call
            nextDelivery += 1
            if case .found(let found, isFirst: true) = delivery.content { keep(found) }
            if case .waiting(let end) = delivery.content {
                watch(end, call.handle)
                continue
            }
            guard let connection = connection(call.handle), case .awaitingAnswer(var form) = connection.phase else {
                continue
            }
            if isDraining { form.keepsAlive = false }
            connection.phase = .open
            connection.clientEnd = nil
            switch delivery.content {
            case .response(let response): answer(response, form, call, connection)
            case .stream(let stream):
                guard !detach(stream, form, call, connection) else { continue }
                form.keepsAlive = false
            case .waiting: preconditionFailure("it is no answer")
            case .found(let found, _): answer(found, form, call, connection)
            case .lookedUp(let result, let tag): answer(result, tag, form, call, connection)
            }
            // It may have to wait for something else now.
            guard case .open = connection.phase else { continue }
            if !form.keepsAlive { connection.phase = .closing }
            connection.hasProgressed = true
            take(UnsafeRawBufferPointer(start: nil, count: 0), connection)
            flush(connection)
        }
        if nextDelivery == delivered.count, nextDelivery > 0 { (delivered, nextDelivery) = ([], 0) }
    }

    /// Looks out for the end of a client whose request waits. It may have come, or the connection be gone.
    private func watch(_ end: ClientEnd, _ handle: ConnectionHandle) {
        guard let connection = connection(handle), case .awaitingAnswer = connection.phase else { return end.note() }
        connection.clientEnd = end
        settle(connection)
    }

    /// Told once: the event would come again and again.
    func noteEnd(of connection: Connection) {
        connection.clientEnd?.note()
        connection.clientEnd = nil
        show(.nothing, connection)
    }

    /// Answers with what the handler says.
    func answer(_ response: Response, _ form: Response.Form, _ call: HandedOver, _ connection: Connection) {
        let start = output.count
        append(response, form, connection)
        noteAccess(response.status, call, from: start, connection)
    }

    func noteAccess(_ status: Int, _ call: HandedOver, from start: Int, _ connection: Connection) {
        guard logsAccess else { return }
        call.message.headBytes.withUnsafeBytes { bytes in
            noteAccess(
                .api, status, call.message.head, bytes, from: start, since: call.arrivedMicroseconds, connection)
        }
    }
}
