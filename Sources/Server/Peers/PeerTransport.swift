import CLinux
import Glibc
import Primitives
import Replication
import Synchronization

/// What the transport of one node needs to know.
package struct PeerTransportSettings {
    /// Where peers connect; nil: nowhere, all connections are dialled.
    package var listen: ListenAddress?
    /// Nil: plaintext.
    package var tls: TLSContext?
    /// Plaintext on addresses that are not loopback.
    package var allowsPlaintext = false
    /// Name of the cluster and the regions' characters, as certificates must have them.
    package var cluster = ""
    package var regions: [String: UInt8] = [:]
    package var limits = TransportLimits()
    package var nonce: () -> UInt128 = { UInt128.random(in: .min ... .max) }

    package init(listen: ListenAddress?, tls: TLSContext? = nil) { (self.listen, self.tls) = (listen, tls) }
}

/// All connections to peers: one epoll set, used by one thread, which feeds the machine and carries out its effects.
///
///     connect, send, close ──▶ queues ──▶ wait: write ▸ epoll ▸ read ▸ deadlines ──▶ events
///
/// Between two calls of `wait` the thread must carry out the effects of the events it got: a frame behind the one that proves who
/// the peer is may be long, so before authentication a connection gives one frame a turn.
///
/// Safety: all but `wake` belongs to one thread at a time; what `wake` uses is atomic.
package final class PeerTransport: @unchecked Sendable {
    static let listenerToken = UInt64.max
    static let wakeUpToken = UInt64.max - 1

    var settings: PeerTransportSettings
    let listener: Listener?
    let set = EventSet()
    private let wakeUp: CoalescedWakeUp
    let resolver: PeerResolver
    private let ready = UnsafeMutableBufferPointer<epoll_event>.allocate(capacity: TransportLimits.eventsPerTurn)
    /// What is read, and of TLS what that says.
    let wireBuffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
    let plainBuffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 16 << 10, alignment: 16)
    var connections: [ConnectionID: PeerConnection] = [:]
    /// Dials whose names are being looked up.
    var lookups: [UInt64: Dial] = [:]
    private var lastNumber: UInt64 = 0
    /// For the next `wait` to hand out.
    var pending: [Event] = []
    var dirty: [PeerConnection] = []
    var heldBack: [PeerConnection] = []
    var turn: UInt64 = 0
    /// While nobody is let in.
    var acceptsAgainAt = Int64.max
    var counted = TransportFigures()
    var notices: [TransportNotice] = []
    var strangersNotices = (second: Int64(0), count: 0)
    private var hasEnded = false

    package init(_ settings: PeerTransportSettings) throws(ListenError) {
        TransportLimits.check()
        self.settings = settings
        if let listen = settings.listen {
            do throws(ListenError) { listener = try Listener(listen) } catch {
                throw ListenError(address: error.address, code: error.code, flag: "--replication_listen")
            }
        } else {
            listener = nil
        }
        let wakeUp = CoalescedWakeUp()
        self.wakeUp = wakeUp
        resolver = PeerResolver { wakeUp.signal() }
        if let listener { require(set.add(listener.descriptor, EPOLLIN, token: Self.listenerToken)) }
        require(set.add(wakeUp.descriptor, EPOLLIN, token: Self.wakeUpToken))
    }

    deinit {
        ready.deallocate()
        wireBuffer.deallocate()
        plainBuffer.deallocate()
    }

    private func require(_ isAdded: Bool) { precondition(isAdded, "the system watches no more descriptors") }

    // MARK: What the thread asks for

    /// Where peers connect, once bound: port 0 has become a port.
    package var address: ListenAddress? { listener?.address }

    /// Queues a frame; it leaves at the next `wait`. A connection that is gone takes nothing.
    package func send(_ id: ConnectionID, _ frame: [UInt8]) {
        guard let connection = connections[id], case .open = connection.phase else { return }
        guard connection.queuedBytes + frame.count <= TransportLimits.queuedBytes else {
            counted.fullQueues += 1
            let reason = "\(connection.queuedBytes) bytes wait for it"
            return end(connection, .init(kind: .queueFull, address: connection.address, reason: reason))
        }
        if connection.channel == nil { connection.wire.append(frame) } else { connection.frames.append(frame) }
        counted.framesOut += 1
        markDirty(connection)
    }

    /// Closes it once what was queued has left, in at most `TransportLimits.closeTimeout`. Nothing of it comes any more but
    /// what is on its way.
    package func close(_ id: ConnectionID) {
        guard let connection = connections[id], case .open = connection.phase else { return }
        connection.phase = .closing
        connection.heldBack = []
        connection.deadline = now + settings.limits.closeTimeout
        markDirty(connection)
    }

    /// The peer has proved who it is: its frames may be as long as any.
    package func authenticated(_ id: ConnectionID) {
        guard let connection = connections[id] else { return }
        connection.isAuthenticated = true
        connection.reader.limit = WireLimits.payload
    }

    /// New connections use these certificates; old ones live on.
    package func replace(tls: TLSContext?) { settings.tls = tls }

    /// Makes `wait` return, this one or the next. From any thread; calls between two returns cost one system call.
    package func wake() { wakeUp.signal() }

    /// Closes everything at once. Nothing may be asked for afterwards.
    package func end() {
        guard !hasEnded else { return }
        hasEnded = true
        for connection in connections.values { set.remove(connection.descriptor) }
        if let listener {
            set.remove(listener.descriptor)
            System.shutListener(listener.descriptor)
        }
        (connections, lookups) = ([:], [:])
        (pending, dirty, heldBack) = ([], [], [])
    }

    // MARK: What it tells

    package var figures: TransportFigures {
        var figures = counted
        figures.connections = connections.count
        figures.strangers = connections.values.count { $0.isStranger }
        figures.queuedBytes = connections.values.reduce(0) { $0 + $1.queuedBytes }
        return figures
    }

    /// What waits for one peer to take it; 0 of a connection that is gone.
    package func queuedBytes(_ id: ConnectionID) -> Int { connections[id]?.queuedBytes ?? 0 }

    /// What was dialled; nil for a connection that was accepted, or is gone.
    func dialledAddress(_ id: ConnectionID) -> String? { connections[id]?.dialled }

    /// Where the other end is, without its port, which is another one each time.
    func host(_ id: ConnectionID) -> String? { (connections[id]?.peer.host).map { "\($0)" } }

    package func takeNotices() -> [TransportNotice] {
        defer { notices = [] }
        return notices
    }

    // MARK: The turn

    /// Writes what is queued, waits for something to happen until `deadline` (in monotonic milliseconds) at the longest, and
    /// appends what happened. May return with nothing.
    package func wait(untilTicks deadline: Int64, into events: inout [Event]) {
        precondition(!hasEnded)
        turn += 1
        for connection in takeDirty() where isPresent(connection) { write(connection) }
        let count = set.wait(ready, timeoutMilliseconds: pause(until: deadline))
        deliverHeldBack()
        for index in 0..<count { handle(ready[index]) }
        expire()
        events += pending
        pending.removeAll(keepingCapacity: pending.count <= TransportLimits.eventsPerTurn)
    }

    private func takeDirty() -> [PeerConnection] {
        defer { dirty = [] }
        for connection in dirty { connection.isDirty = false }
        return dirty
    }

    private func pause(until deadline: Int64) -> Int32 {
        if !pending.isEmpty || !heldBack.isEmpty { return 0 }
        return Int32(clamping: max(0, min(deadline, nextDeadline) - now))
    }

    private func handle(_ event: epoll_event) {
        switch event.data.u64 {
        case Self.listenerToken: acceptConnections()
        case Self.wakeUpToken:
            wakeUp.clear()
            for answer in resolver.takeAnswers() { resolved(answer) }
        case let token:
            guard let connection = connections[ConnectionID(rawValue: token)] else { return }
            if case .connecting(let dial) = connection.phase { return finishConnecting(connection, dial) }
            if event.events & EPOLLOUT.rawValue != 0 { write(connection) }
            if event.events & ~EPOLLOUT.rawValue != 0, isPresent(connection) { read(connection) }
        }
    }

    // MARK: Small things

    var now: Int64 { System.monotonicMilliseconds() }

    /// Never given twice: connections and questions share them.
    func nextNumber() -> UInt64 {
        lastNumber += 1
        return lastNumber
    }

    func isPresent(_ connection: PeerConnection) -> Bool { connections[connection.id] != nil }

    func markDirty(_ connection: PeerConnection) {
        guard !connection.isDirty else { return }
        connection.isDirty = true
        dirty.append(connection)
    }

    /// What strangers do is told so often a second at most: they must not fill the log.
    func note(_ notice: TransportNotice, ofStranger isStranger: Bool = false) {
        if isStranger {
            let second = now / 1000
            if strangersNotices.second != second { strangersNotices = (second, 0) }
            guard strangersNotices.count < TransportLimits.noticesOfStrangers else { return counted.untoldNotices += 1 }
            strangersNotices.count += 1
        }
        notices.append(notice)
    }
}

/// Wakes one thread from any other; only the first call since the last wake-up costs a system call.
private final class CoalescedWakeUp: Sendable {
    private let wakeUp = WakeUp()
    private let isSignalled = Atomic<Bool>(false)

    var descriptor: Int32 { wakeUp.descriptor }

    func signal() { if !isSignalled.exchange(true, ordering: .acquiringAndReleasing) { wakeUp.signal() } }

    /// Before what was signalled is looked for: who signals later is heard anew.
    func clear() {
        wakeUp.clear()
        _ = isSignalled.exchange(false, ordering: .acquiringAndReleasing)
    }
}
