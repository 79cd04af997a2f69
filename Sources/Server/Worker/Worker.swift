import Analytics
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
/// Safety: all but `mailbox`, `wakeUp`, `counters` and what is atomic belongs to the worker's thread. What is marked
/// `@exclusivity(unchecked)` is so hot that checking for overlapping accesses would cost a sixth of a redirect; nothing
/// that changes one of these calls what looks at the same one.
final class Worker: @unchecked Sendable {
    /// An answer on its way back.
    struct Delivery: Sendable {
        enum Content: Sendable {
            case response(Response)
            case stream(ServedStream)
            /// None yet: it waits, and is to be told of its client's end.
            case waiting(ClientEnd)
            /// What a reader thread found; `isFirst` of those that this worker gets of one lookup.
            case found(FoundCode, isFirst: Bool)
            /// What came of asking other nodes, or of waiting; the tag is of before.
            case lookedUp(LookupResult, CacheTag)
        }

        let call: HandedOver
        let content: Content
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
    static let tlsListenerToken = UInt64.max - 2

    static let noEvents = EPOLL_EVENTS(rawValue: 0)

    let node: Node
    /// Who answers what is no redirect; all there is, on a port without redirects.
    let handler: any RequestHandler
    let servesRedirects: Bool
    let budget: ConnectionBudget
    @exclusivity(unchecked) var timeouts: ConnectionTimeouts
    let counters = WorkerCounters()
    let listener: Listener
    /// Nil: no HTTPS.
    let tls: WorkerTLS?
    let events = EventSet()
    let mailbox = Mutex<[Delivery]>([])
    let wakeUp = WakeUp()
    let order = Atomic<Order>(.serve)
    /// How well this worker could spare a connection, and how many others have asked it for.
    let spare = Atomic<Int64>(Spare.none.key)
    let sparesAsked = Atomic<Int>(0)
    /// The order that was carried out last with no request left open; 0 if none was.
    let doneOrder = Atomic<UInt8>(0)

    let reader: LinkReader
    let cache: CodeCache
    let fixed = (notFound: FixedAnswer(Problem.notFound.response), gone: FixedAnswer(Problem.gone.response))
    let blockedAnswers: BlockedAnswers
    /// A blocked link is answered with a page that lets people go on.
    @exclusivity(unchecked) var warnsOfBlocked: Bool
    /// Beats once for each turn of the loop.
    let pulse = Pulse()
    /// Records on their way to the access log.
    let accessRing: ByteRing
    /// Clicks on their way to the thread that counts them.
    let clickRing = SlotRing(slots: Clicks.ringSlots, slotBytes: ClickEvent.slotBytes)
    let clickRecorder: ClickRecorder
    let memo = TokenMemo()
    /// Of the request in work, and what its answer says of it: field lines, each behind a CRLF.
    @exclusivity(unchecked) var reading = Reading()
    @exclusivity(unchecked) var marks: [UInt8] = []
    /// In place of the two, until more is wanted than the marks: where `memo` has them, or -1. To copy them would cost
    /// more than all else that a token does.
    @exclusivity(unchecked) var knownToken = -1
    @exclusivity(unchecked) var configurationSeen: UInt64 = 0
    @exclusivity(unchecked) var redirects: RedirectText
    @exclusivity(unchecked) var redirectStatus: Int
    @exclusivity(unchecked) var logsAccess: Bool
    @exclusivity(unchecked) var countsClicks: Bool
    /// What answers over TLS say besides: the value, and the field line as `marks` has them.
    @exclusivity(unchecked) var strictTransport: String?
    @exclusivity(unchecked) var strictTransportLine: [UInt8] = []
    @exclusivity(unchecked) var output = OutputBuffer()
    let input = UnsafeMutableRawBufferPointer.allocate(
        byteCount: ConnectionLimits.readBytes, alignment: 16)
    @exclusivity(unchecked) var connections = ConnectionTable()
    /// Answers that came and wait for their turn, in the order of their coming, from an index on.
    @exclusivity(unchecked) var delivered: [Delivery] = []
    @exclusivity(unchecked) var nextDelivery = 0
    /// Connections with more requests than a turn answers, in the order of their turns.
    @exclusivity(unchecked) var waitingForTurn: [ConnectionHandle] = []
    /// While accepting rests.
    @exclusivity(unchecked) var acceptsAgainAt: Int64?
    @exclusivity(unchecked) var awaitsPlace = false
    @exclusivity(unchecked) var monotonicNow: Int64 = 0
    /// When the events in work were fetched, and how many redirects were answered that are not counted yet.
    @exclusivity(unchecked) var wakeUpMicroseconds: Int64 = 0
    @exclusivity(unchecked) var redirectsSent: UInt64 = 0
    /// When the request in work was read, if it has waited for its lookup; nil: at this wake-up.
    var arrivedMicroseconds: Int64?
    @exclusivity(unchecked) var now = Instant(milliseconds: 0)
    @exclusivity(unchecked) var admission: Admission
    /// The wake-up's time for the limit of redirects, which is off if this is nil.
    @exclusivity(unchecked) var redirectTick: UInt64?
    @exclusivity(unchecked) var isDraining = false
    @exclusivity(unchecked) var isShut = false
    @exclusivity(unchecked) var nextSweep: Int64 = 0

    init(
        _ node: Node, _ listener: Listener, _ handler: any RequestHandler, _ budget: ConnectionBudget,
        servesRedirects: Bool, tls: WorkerTLS? = nil
    ) throws(StoreError) {
        self.node = node
        self.budget = budget
        timeouts = ConnectionTimeouts(node.configuration)
        (self.handler, self.servesRedirects) = (handler, servesRedirects)
        (self.listener, self.tls) = (listener, tls)
        reader = try node.store.makeReader()
        cache = CodeCache(
            entries: servesRedirects ? node.configuration.cacheEntries : CacheLimits.entries.lowerBound,
            stamps: node.store.stamps)
        accessRing = ByteRing(capacityBytes: servesRedirects ? AccessLog.ringBytes : 4096)
        clickRecorder = ClickRecorder(key: node.clicks.storage.networkKey)
        admission = node.admission.admission
        let configuration = node.configuration
        redirects = RedirectText(
            status: configuration.redirectStatus.rawValue,
            cacheTTLMilliseconds: configuration.redirectCacheTTLMilliseconds)
        redirectStatus = configuration.redirectStatus.rawValue
        blockedAnswers = BlockedAnswers(publicURL: configuration.publicURL(boundTo: listener.address))
        warnsOfBlocked = configuration.blockedAnswer == .warning
        logsAccess = configuration.accessLog != .off && servesRedirects
        countsClicks = configuration.countsClicks
        adopt(configuration.hsts)
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
        for (listener, token) in doors { _ = events.add(listener.descriptor, EPOLLIN, token: token) }
        _ = events.add(wakeUp.descriptor, EPOLLIN, token: Self.wakeUpToken)
        let ready = UnsafeMutableBufferPointer<epoll_event>.allocate(capacity: ConnectionLimits.eventsPerWakeUp)
        defer { ready.deallocate() }
        while true {
            let count = events.wait(ready, timeoutMilliseconds: pauseMilliseconds)
            let current = order.load(ordering: .acquiring)
            pulse.beat()
            if current == .stop { break }
            look()
            counters.wakeUps.add()
            for index in 0..<count {
                handle(ready[index])
                if index % ConnectionLimits.eventsPerLook == ConnectionLimits.eventsPerLook - 1 { lookAgain() }
            }
            serveDeliveries()
            takeFurtherTurns()
            closeAskedSpares()
            if current != .serve, !isDraining { beginDraining() }
            if current == .shut { shut() }
            reader.end()
            if redirectsSent > 0 { countRedirects(System.monotonicMicroseconds()) }
            if monotonicNow >= nextSweep { sweep() }
            // A place that became free wakes whoever waits for one.
            if let acceptsAgainAt, monotonicNow >= acceptsAgainAt || !budget.isFull && awaitsPlace { acceptAgain() }
            tellSpare()
            counters.lookups.set(cache.counters, entryCount: cache.entryCount, reader.counters)
            if isDraining { doneOrder.store(isBusy ? 0 : current.rawValue, ordering: .releasing) }
        }
        for connection in connections.all { drop(connection) }
    }

    /// Where clients come in.
    var doors: [(listener: Listener, token: UInt64)] {
        [(listener, Self.listenerToken)] + (tls.map { [($0.listener, Self.tlsListenerToken)] } ?? [])
    }

    /// Until something is due without an event.
    private var pauseMilliseconds: Int32 {
        if nextDelivery < delivered.count || !waitingForTurn.isEmpty { return 0 }
        let longest = isDraining ? ConnectionLimits.drainLookMilliseconds : ConnectionLimits.sweepMilliseconds
        let due = min(nextSweep, acceptsAgainAt ?? .max) - monotonicNow
        return Int32(max(0, min(longest, due)))
    }

    /// What time it is.
    private func look() {
        wakeUpMicroseconds = System.monotonicMicroseconds()
        monotonicNow = wakeUpMicroseconds / 1000
        now = node.coarseNow()
        if node.live.isNewer(than: &configurationSeen) { adopt(node.live.value) }
        redirects.setNow(now)
        clickRecorder.setNow(now)
        redirectTick = admission.redirect.map { $0.limit.ticks(UInt64(wakeUpMicroseconds)) }
    }

    /// A snapshot that lasts keeps pages from being used again: in a long wake-up another one follows.
    private func lookAgain() {
        let nowMicroseconds = System.monotonicMicroseconds()
        countRedirects(nowMicroseconds)
        guard nowMicroseconds - wakeUpMicroseconds > ConnectionLimits.snapshotMicroseconds else { return }
        reader.end()
        look()
    }

    func handle(_ event: epoll_event) {
        switch event.data.u64 {
        case Self.listenerToken: acceptConnections(listener)
        case Self.tlsListenerToken: acceptConnections(tls!.listener)
        case Self.wakeUpToken:
            wakeUp.clear()
            takeDeliveries()
        case let token:
            guard let connection = connection(ConnectionHandle(token: token)) else { return }
            // The client reset it: nobody is there to answer, and the event would come again and again.
            if event.events & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0, connection.standing == .answer {
                return drop(connection)
            }
            if case .end = connection.interest, event.events & EPOLLRDHUP.rawValue != 0 {
                return noteEnd(of: connection)
            }
            // It has its turn without an event.
            if connection.isQueued { return }
            if event.events & EPOLLOUT.rawValue != 0 {
                writeOn(connection)
            } else {
                readOn(connection)
            }
        }
    }

    // MARK: Connections

    func connection(_ handle: ConnectionHandle) -> Connection? { connections[handle] }

    func show(_ interest: ConnectionInterest, _ connection: Connection) {
        if connection.interest == interest { return }
        connection.interest = interest
        let events: EPOLL_EVENTS =
            switch interest {
            case .reading: EPOLLIN
            case .writing: EPOLLOUT
            case .end: EPOLLRDHUP
            case .nothing: Self.noEvents
            }
        self.events.change(connection.descriptor, events, token: connection.handle.token)
    }
}
