import CLinux
import Glibc
import HTTP
import Links
import Primitives
import Store
import Synchronization

/// One redirect thread: its own listener on the shared port, its own connections, its own view of the store. It answers
/// redirects itself and hands everything else to the API thread.
///
///     accept ─▶ read ─▶ RequestReader ─▶ redirect ──────────────┬─▶ one write for all of one read
///                            │                                  │
///                            └─▶ API thread ─▶ mailbox, wake-up ┘
///
/// Safety: all but `mailbox`, `wakeUp` and `orders` belongs to the worker's thread.
final class Worker: @unchecked Sendable {
    /// An answer on its way back.
    struct Delivery: Sendable {
        let handle: ConnectionHandle
        let response: Response
    }

    enum Order: UInt8, AtomicRepresentable { case serve, drain, stop }

    private static let listenerToken = UInt64.max
    private static let wakeUpToken = UInt64.max - 1

    private static let noEvents = EPOLL_EVENTS(rawValue: 0)

    private let node: Node
    private let listener: Listener
    private let events = EventSet()
    private let mailbox = Mutex<[Delivery]>([])
    private let wakeUp = WakeUp()
    private let order = Atomic<Order>(.serve)
    /// Requests that are not answered in full, from the first look after the order to drain; until then unknown.
    private let openRequests = Atomic<Int>(.max)

    private let reader: LinkReader
    private var redirects: RedirectText
    private var output = OutputBuffer()
    private let input = UnsafeMutableRawBufferPointer.allocate(
        byteCount: ConnectionLimits.readBytes, alignment: 16)
    private var connections = ConnectionTable()
    private var acceptsAgainAt: Int64?
    private var monotonicNow: Int64 = 0
    private var now = Instant(milliseconds: 0)
    private var isDraining = false
    private var nextSweep: Int64 = 0

    init(_ node: Node, _ listener: consuming Listener) throws(StoreError) {
        self.node = node
        self.listener = listener
        reader = try node.store.makeReader()
        redirects = RedirectText(
            status: node.configuration.redirectStatus.rawValue,
            cacheTTLMilliseconds: node.configuration.redirectCacheTTLMilliseconds)
    }

    deinit { input.deallocate() }

    // MARK: From other threads

    /// Brings the answer to a request that was handed over.
    func deliver(_ delivery: Delivery) {
        let wasEmpty = mailbox.withLock { items in
            items.append(delivery)
            return items.count == 1
        }
        if wasEmpty { wakeUp.signal() }
    }

    func give(_ newOrder: Order) {
        order.store(newOrder, ordering: .releasing)
        wakeUp.signal()
    }

    /// It has seen the order to drain, and no request that has begun is still open.
    var hasDrained: Bool { openRequests.load(ordering: .acquiring) == 0 }

    // MARK: The loop

    func run() {
        events.add(listener.descriptor, EPOLLIN, token: Self.listenerToken)
        events.add(wakeUp.descriptor, EPOLLIN, token: Self.wakeUpToken)
        let ready = UnsafeMutableBufferPointer<epoll_event>.allocate(capacity: ConnectionLimits.eventsPerWakeUp)
        defer { ready.deallocate() }
        while order.load(ordering: .acquiring) != .stop {
            let count = events.wait(ready, timeoutMilliseconds: Int32(ConnectionLimits.sweepMilliseconds))
            monotonicNow = System.monotonicMilliseconds()
            now = node.now()
            redirects.setNow(now)
            do throws(StoreError) { try reader.begin() } catch { node.end(because: error.description) }
            for index in 0..<count { handle(ready[index]) }
            if order.load(ordering: .acquiring) == .drain, !isDraining { beginDraining() }
            reader.end()
            if monotonicNow >= nextSweep { sweep() }
            if isDraining { openRequests.store(busyCount, ordering: .releasing) }
        }
        for connection in connections.all { drop(connection) }
    }

    private func handle(_ event: epoll_event) {
        switch event.data.u64 {
        case Self.listenerToken: acceptConnections()
        case Self.wakeUpToken:
            wakeUp.clear()
            takeDeliveries()
        case let token:
            guard let connection = connection(ConnectionHandle(token: token)) else { return }
            // The client reset it: nobody is there to answer, and the event would come again and again.
            if event.events & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0, case .awaitingAnswer = connection.phase {
                return drop(connection)
            }
            if event.events & EPOLLOUT.rawValue != 0 {
                writeOn(connection)
            } else {
                readOn(connection)
            }
        }
    }

    // MARK: Connections

    private func connection(_ handle: ConnectionHandle) -> Connection? { connections[handle] }

    private func acceptConnections() {
        for _ in 0..<ConnectionLimits.acceptsPerWakeUp {
            switch System.accept(listener.descriptor) {
            case .done(let descriptor): open(Int32(descriptor))
            case .notNow: return
            case .failed(let code) where [EMFILE, ENFILE, ENOMEM, ENOBUFS].contains(code):
                // Whoever is here is served; who waits outside is looked at again in a moment, without spinning.
                events.change(listener.descriptor, Self.noEvents, token: Self.listenerToken)
                acceptsAgainAt = monotonicNow + ConnectionLimits.acceptRestMilliseconds
                return
            case .failed: continue  // The client went away before it was let in.
            }
        }
    }

    private func open(_ descriptor: Int32) {
        System.setNoDelay(descriptor)
        let connection = connections.add(descriptor, now: monotonicNow)
        events.add(descriptor, EPOLLIN, token: connection.handle.token)
    }

    private func drop(_ connection: Connection) {
        close(connection.descriptor)
        connections.remove(connection)
    }

    private func show(_ interest: ConnectionInterest, _ connection: Connection) {
        if connection.interest == interest { return }
        connection.interest = interest
        let events: EPOLL_EVENTS =
            switch interest {
            case .reading: EPOLLIN
            case .writing: EPOLLOUT
            case .nothing: Self.noEvents
            }
        self.events.change(connection.descriptor, events, token: connection.handle.token)
    }

    // MARK: Reading and answering

    private func readOn(_ connection: Connection) {
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
            connection.lastProgress = monotonicNow
            connection.isFresh = false
            if case .lingering = connection.phase { return }
            take(UnsafeRawBufferPointer(rebasing: input[..<count]), connection)
            return flush(connection)
        case .notNow: return
        case .failed: return drop(connection)
        }
        if case .lingering = connection.phase { return drop(connection) }
        take(UnsafeRawBufferPointer(start: nil, count: 0), connection)
        flush(connection)
    }

    /// Answers what is whole in what was left over and `fresh`, and keeps the rest.
    private func take(_ fresh: UnsafeRawBufferPointer, _ connection: Connection) {
        if connection.input.isEmpty {
            let consumed = answer(fresh, connection)
            if consumed < fresh.count { connection.input = Array(fresh[consumed...]) }
        } else {
            connection.input.append(contentsOf: fresh)
            let bytes = connection.input
            let consumed = bytes.withUnsafeBytes { answer($0, connection) }
            connection.input = consumed == bytes.count ? [] : Array(bytes[consumed...])
        }
        if case .open = connection.phase, connection.reader.isBetweenRequests, connection.input.isEmpty {
            connection.requestStart = nil
        } else if connection.requestStart == nil {
            connection.requestStart = monotonicNow
        }
    }

    /// Reads requests from `bytes` until one has to wait for its answer, or for the client to take earlier ones; the
    /// number of bytes consumed.
    private func answer(_ bytes: UnsafeRawBufferPointer, _ connection: Connection) -> Int {
        var consumed = 0
        connection.isHeldBack = false
        while case .open = connection.phase {
            guard connection.output.isEmpty, output.count < ConnectionLimits.answersBytes else {
                connection.isHeldBack = true
                break
            }
            let rest = UnsafeRawBufferPointer(rebasing: bytes[consumed...])
            switch connection.reader.next(rest.bytes, ended: connection.hasEnded) {
            case .request(let head):
                consumed += Int(head.byteCount)
                if !redirect(head, rest, connection) {
                    handOver(Message(copying: head, from: rest.bytes), connection)
                }
                connection.requestStart = nil
            case .message(let message, let count):
                consumed += count
                // A body means nothing to a redirect (RFC 9110 9.3.1).
                if !message.headBytes.withUnsafeBytes({ redirect(message.head, $0, connection) }) {
                    handOver(message, connection)
                }
                connection.requestStart = nil
            case .continueExpected(let count):
                consumed += count
                output.append(Response.continueLine)
            case .incomplete(let count): return consumed + count
            case .refused(let refusal):
                append(Problem(refusal).response, .closing)
                connection.phase = .closing
                return bytes.count
            case .ended:
                connection.phase = .closing
                return bytes.count
            }
        }
        return consumed
    }

    /// Answers a plain redirect into the output; false if the request is for the API thread.
    private func redirect(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ connection: Connection) -> Bool {
        guard head.method == .get || head.method == .head else { return false }
        let path = UnsafeRawBufferPointer(rebasing: bytes[head.path.range])
        guard let code = Route.code(path) else { return false }
        let form = form(head)
        switch reader.find(code.bytes) {
        case .link(let link) where link.view.redirects(at: now):
            let text = FoundLinkText(
                prefix: link.view.prefix, destination: link.destination,
                expiresAtMilliseconds: link.view.expiresAtMilliseconds)
            redirects.append(text, form: form, now: now, to: &output)
        case .link: append(Problem.gone.response, form)
        case .absent: append(Problem.notFound.response, form)
        case .damaged:
            node.noteDamage()
            append(Problem.damagedRecord.response, form)
        }
        if !form.keepsAlive { connection.phase = .closing }
        return true
    }

    private func handOver(_ message: Message, _ connection: Connection) {
        connection.phase = .awaitingAnswer(form(message.head))
        let call = APICall(worker: self, handle: connection.handle, message: message)
        if !node.api.take(call) { deliver(Delivery(handle: connection.handle, response: Problem.overloaded.response)) }
    }

    private func form(_ head: RequestHead) -> Response.Form {
        var form = Response.Form(head)
        if isDraining { form.keepsAlive = false }
        return form
    }

    private func append(_ response: Response, _ form: Response.Form) {
        var bytes: [UInt8] = []
        response.append(to: &bytes, form: form, date: redirects.date.span.bytes)
        output.append(bytes)
    }

    private func takeDeliveries() {
        let deliveries = mailbox.withLock { items in
            let taken = items
            items = []
            return taken
        }
        for delivery in deliveries {
            guard let connection = connection(delivery.handle), case .awaitingAnswer(var form) = connection.phase else {
                continue
            }
            if isDraining { form.keepsAlive = false }
            append(delivery.response, form)
            connection.phase = form.keepsAlive ? .open : .closing
            connection.requestStart = nil
            connection.lastProgress = monotonicNow
            take(UnsafeRawBufferPointer(start: nil, count: 0), connection)
            flush(connection)
        }
    }

    // MARK: Writing

    /// Sends what this wake-up has put into the output for one connection.
    private func flush(_ connection: Connection) {
        defer { output.clear() }
        if !connection.output.isEmpty {
            connection.output.append(contentsOf: output.bytes)
            return show(.writing, connection)
        }
        if output.count > 0 {
            switch System.write(connection.descriptor, output.bytes) {
            case .done(let count):
                if count < output.count { connection.output = Array(output.bytes[count...]) }
            case .notNow: connection.output = Array(output.bytes)
            case .failed: return drop(connection)
            }
        }
        settle(connection)
    }

    private func writeOn(_ connection: Connection) {
        switch connection.output.withUnsafeBytes({ System.write(connection.descriptor, $0) }) {
        case .done(let count):
            connection.lastProgress = monotonicNow
            connection.output.removeFirst(count)
        case .notNow: return
        case .failed: return drop(connection)
        }
        if connection.output.isEmpty, case .open = connection.phase {
            take(UnsafeRawBufferPointer(start: nil, count: 0), connection)
            return flush(connection)
        }
        settle(connection)
    }

    /// What the connection waits for next. One that does not take its answers is not read from.
    private func settle(_ connection: Connection) {
        guard connection.output.isEmpty, !connection.isHeldBack else { return show(.writing, connection) }
        switch connection.phase {
        case .open, .lingering: show(.reading, connection)
        // It may be readable, which is looked at once; but it is writable all the time.
        case .awaitingAnswer: if connection.interest == .writing { show(.nothing, connection) }
        case .closing:
            if connection.hasEnded { return drop(connection) }
            System.shutdownWriting(connection.descriptor)
            connection.phase = .lingering
            connection.lastProgress = monotonicNow
            connection.requestStart = monotonicNow
            show(.reading, connection)
        }
    }

    // MARK: Deadlines and draining

    private func sweep() {
        nextSweep = monotonicNow + ConnectionLimits.sweepMilliseconds
        if let acceptsAgainAt, monotonicNow >= acceptsAgainAt {
            self.acceptsAgainAt = nil
            events.change(listener.descriptor, EPOLLIN, token: Self.listenerToken)
        }
        for connection in connections.all where connection.isOverdue(at: monotonicNow) {
            if case .open = connection.phase, connection.output.isEmpty, connection.requestStart != nil {
                append(Problem.requestTimeout.response, .closing)
                connection.phase = .closing
                flush(connection)
            } else {
                drop(connection)
            }
        }
    }

    /// From now on every answer closes its connection, and idle connections are closed; new ones are still let in, so
    /// that whoever asks for readiness learns of the drain.
    private func beginDraining() {
        isDraining = true
        for connection in connections.all where connection.isIdle {
            // A request may have come just now; and on a connection without any so far, the first is on its way.
            readOn(connection)
            if connection.isIdle, !connection.isFresh, self.connection(connection.handle) === connection {
                drop(connection)
            }
        }
    }

    private var busyCount: Int {
        connections.all.count { connection in
            if case .lingering = connection.phase { false } else { !connection.isIdle }
        }
    }
}
