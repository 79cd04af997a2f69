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
        let call: HandedOver
        let response: Response
    }

    enum Order: UInt8, AtomicRepresentable {
        case serve
        /// Finish what has begun; every answer closes its connection.
        case drain
        /// And let nobody in any more.
        case shut
        case stop
    }

    static let listenerToken = UInt64.max
    static let wakeUpToken = UInt64.max - 1

    static let noEvents = EPOLL_EVENTS(rawValue: 0)

    let node: Node
    /// Who answers what is no redirect; all there is, on a port without redirects.
    let handler: any RequestHandler
    let servesRedirects: Bool
    let counters = WorkerCounters()
    let listener: Listener
    let events = EventSet()
    let mailbox = Mutex<[Delivery]>([])
    let wakeUp = WakeUp()
    let order = Atomic<Order>(.serve)
    /// The order that was carried out last with no request left open; 0 if none was.
    let doneOrder = Atomic<UInt8>(0)

    let reader: LinkReader
    /// Beats once for each turn of the loop.
    let pulse = Pulse()
    /// Records on their way to the access log.
    let accessRing = ByteRing(capacityBytes: AccessLog.ringBytes)
    var configurationSeen: UInt64 = 0
    var redirects: RedirectText
    var redirectStatus: Int
    var logsAccess: Bool
    var output = OutputBuffer()
    let input = UnsafeMutableRawBufferPointer.allocate(
        byteCount: ConnectionLimits.readBytes, alignment: 16)
    var connections = ConnectionTable()
    var acceptsAgainAt: Int64?
    var monotonicNow: Int64 = 0
    /// When the events in work were fetched, and how many redirects are in the output.
    var wakeUpMicroseconds: Int64 = 0
    var redirectsInOutput: UInt64 = 0
    var now = Instant(milliseconds: 0)
    var admission: Admission
    /// The wake-up's time for the limit of redirects, which is off if this is nil.
    var redirectTick: UInt64?
    var isDraining = false
    var isShut = false
    var nextSweep: Int64 = 0

    init(
        _ node: Node, _ listener: Listener, _ handler: any RequestHandler, servesRedirects: Bool
    ) throws(StoreError) {
        self.node = node
        (self.handler, self.servesRedirects) = (handler, servesRedirects)
        self.listener = listener
        reader = try node.store.makeReader()
        admission = node.admission.admission
        let configuration = node.configuration
        redirects = RedirectText(
            status: configuration.redirectStatus.rawValue,
            cacheTTLMilliseconds: configuration.redirectCacheTTLMilliseconds)
        redirectStatus = configuration.redirectStatus.rawValue
        logsAccess = configuration.accessLog != .off && servesRedirects
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

    /// It has carried out the order, and no request that has begun is open.
    func hasDone(_ order: Order) -> Bool { doneOrder.load(ordering: .acquiring) == order.rawValue }

    // MARK: The loop

    func run() {
        _ = events.add(listener.descriptor, EPOLLIN, token: Self.listenerToken)
        _ = events.add(wakeUp.descriptor, EPOLLIN, token: Self.wakeUpToken)
        let ready = UnsafeMutableBufferPointer<epoll_event>.allocate(capacity: ConnectionLimits.eventsPerWakeUp)
        defer { ready.deallocate() }
        while true {
            let pause = isDraining ? ConnectionLimits.drainLookMilliseconds : ConnectionLimits.sweepMilliseconds
            let count = events.wait(ready, timeoutMilliseconds: Int32(pause))
            let current = order.load(ordering: .acquiring)
            pulse.beat()
            if current == .stop { break }
            look()
            for index in 0..<count {
                handle(ready[index])
                if index % ConnectionLimits.eventsPerLook == ConnectionLimits.eventsPerLook - 1 { lookAgain() }
            }
            if current != .serve, !isDraining { beginDraining() }
            if current == .shut { shut() }
            reader.end()
            if monotonicNow >= nextSweep { sweep() }
            if isDraining { doneOrder.store(busyCount == 0 ? current.rawValue : 0, ordering: .releasing) }
        }
        for connection in connections.all { drop(connection) }
    }

    /// What time it is, and a snapshot of the store as it is now.
    private func look() {
        wakeUpMicroseconds = System.monotonicMicroseconds()
        monotonicNow = wakeUpMicroseconds / 1000
        now = node.now()
        if let configuration = node.live.newer(than: &configurationSeen) { adopt(configuration) }
        redirects.setNow(now)
        redirectTick = admission.redirect.map { $0.limit.ticks(UInt64(wakeUpMicroseconds)) }
        do throws(StoreError) { try reader.begin() } catch { node.end(because: error.description) }
    }

    /// A snapshot that lasts keeps pages from being used again: a long wake-up takes another.
    private func lookAgain() {
        guard System.monotonicMicroseconds() - wakeUpMicroseconds > ConnectionLimits.snapshotMicroseconds else {
            return
        }
        reader.end()
        look()
    }

    func handle(_ event: epoll_event) {
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

    func connection(_ handle: ConnectionHandle) -> Connection? { connections[handle] }

    func acceptConnections() {
        var peer = sockaddr_storage()
        for _ in 0..<ConnectionLimits.acceptsPerWakeUp {
            guard node.takesConnections else { return restFromAccepting() }
            switch System.accept(listener.descriptor, &peer) {
            case .done(let descriptor): open(Int32(descriptor), IPAddress(peer) ?? IPAddress(ipv4: 0))
            case .notNow: return
            case .failed(let code) where [EMFILE, ENFILE, ENOMEM, ENOBUFS].contains(code):
                // Whoever is here is served; who waits outside is looked at again in a moment, without spinning.
                return restFromAccepting()
            case .failed: continue  // The client went away before it was let in.
            }
        }
    }

    private func restFromAccepting() {
        events.change(listener.descriptor, Self.noEvents, token: Self.listenerToken)
        acceptsAgainAt = monotonicNow + ConnectionLimits.acceptRestMilliseconds
    }

    func open(_ descriptor: Int32, _ peer: IPAddress) {
        System.setNoDelay(descriptor)
        let connection = connections.add(descriptor, now: monotonicNow)
        note(peer, connection)
        connection.mayBeginWithProxyHeader = connection.isTrustedProxy
        counters.connectionsOpened.add()
        node.noteConnection(opened: true)
        if !events.add(descriptor, EPOLLIN, token: connection.handle.token) { drop(connection) }
    }

    func drop(_ connection: Connection) {
        close(connection.descriptor)
        counters.connectionsClosed.add()
        node.noteConnection(opened: false)
        connections.remove(connection)
    }

    func show(_ interest: ConnectionInterest, _ connection: Connection) {
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
}
