import CLinux
import Glibc
import Server

/// The state of a proxy, changed by its thread and by whoever calls it, one at a time.
///
///     client ══ ends[0] ──▶ streams[0] ──▶ ends[1] ══ target
///                       ◀── streams[1] ◀──
final class FaultLink {
    static let listenerToken = UInt64.max
    static let wakeUpToken = UInt64.max - 1
    static let timerToken = UInt64.max - 2

    let set, wakeUp: Int32
    private let timer: Int32
    /// Holds the port while nobody listens on it.
    private let holder: Int32
    private var listener: Int32 = -1
    let address: ListenAddress
    var target: ListenAddress?
    var faults = [Faults(), Faults()]
    private var connections: [UInt64: FaultConnection] = [:]
    private var lastNumber: UInt64 = 0
    private var seed: UInt64
    private var figures = FaultFigures()
    var recordedBytes = 0
    private(set) var recordings: [[UInt8]] = []
    private(set) var replays: [FaultProxy.Replay] = []
    private var buffer = [UInt8](repeating: 0, count: FaultStream.chunkBytes)

    /// On a port of `listen`'s host; nobody listens before `listen`.
    init(_ address: ListenAddress, _ target: ListenAddress?, _ seed: UInt64) throws {
        holder = try Self.bound(address)
        self.address = ListenAddress(host: address.host, port: SocketAddress.own(holder)!.port)
        (self.target, self.seed) = (target, seed)
        (set, wakeUp) = (epoll_create1(Int32(EPOLL_CLOEXEC)), eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC)))
        timer = timerfd_create(CLOCK_MONOTONIC, O_NONBLOCK | O_CLOEXEC)
        watch(wakeUp, EPOLLIN.rawValue, Self.wakeUpToken)
        watch(timer, EPOLLIN.rawValue, Self.timerToken)
    }

    deinit {
        end()
        for descriptor in [holder, timer, wakeUp, set] { close(descriptor) }
    }

    private static func bound(_ address: ListenAddress) throws -> Int32 {
        let own = SocketAddress(address)
        let descriptor = socket(own.family, type, 0)
        var one: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        guard descriptor >= 0, own.withPointer({ bind(descriptor, $0, $1) }) == 0 else {
            defer { close(descriptor) }
            throw LabError("cannot listen on \(address): \(String(cString: strerror(errno)))")
        }
        return descriptor
    }

    private static let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)

    private func watch(_ descriptor: Int32, _ events: UInt32, _ token: UInt64, _ operation: Int32 = EPOLL_CTL_ADD) {
        var event = epoll_event(events: events, data: epoll_data_t(u64: token))
        let code = epoll_ctl(set, operation, descriptor, &event)
        precondition(code == 0, "the system watches no more descriptors")
    }

    func listen() throws {
        guard listener < 0 else { return }
        let descriptor = try Self.bound(address)
        guard Glibc.listen(descriptor, 1024) == 0 else {
            defer { close(descriptor) }
            throw LabError("cannot listen on \(address): \(String(cString: strerror(errno)))")
        }
        listener = descriptor
        watch(listener, EPOLLIN.rawValue, Self.listenerToken)
    }

    func refuse() {
        if listener >= 0 { close(listener) }
        listener = -1
    }

    func reset() {
        figures.cut += connections.count
        for number in connections.keys { drop(number, withReset: true) }
    }

    func end() {
        refuse()
        for number in connections.keys { drop(number, withReset: false) }
    }

    var currentFigures: FaultFigures {
        var figures = figures
        figures.connections = connections.count
        for connection in connections.values {
            for direction in 0..<2 { figures.queued[direction] += connection.streams[direction].queuedBytes }
        }
        return figures
    }

    // MARK: The turn

    func turn(_ events: ArraySlice<epoll_event>) {
        for event in events {
            switch event.data.u64 {
            case Self.listenerToken: accept()
            case Self.wakeUpToken, Self.timerToken:
                var count: UInt64 = 0
                _ = Glibc.read(event.data.u64 == Self.timerToken ? timer : wakeUp, &count, 8)
            case let token:
                guard let connection = connections[token / 2] else { continue }
                let end = Int(token % 2)
                if !connection.isConnected, end == 1 { finishConnecting(token / 2, connection) }
                if event.events & ~EPOLLIN.rawValue != 0 { connection.isFull[end] = false }
                if event.events & ~EPOLLOUT.rawValue != 0 { connection.isReadable[end] = true }
            }
        }
        for (number, connection) in connections { move(number, connection) }
        arm()
    }

    /// For the earliest of what is to leave.
    private func arm() {
        let now = MonotonicClock.nanoseconds
        var earliest = UInt64.max
        for connection in connections.values {
            for direction in 0..<2 where !connection.isFull[1 - direction] {
                let time = connection.streams[direction].wakeUp(faults[direction], at: now)
                earliest = min(earliest, time ?? .max)
            }
        }
        var time = itimerspec()
        if earliest < .max {
            // Zero would mean never.
            time.it_value = timespec(
                tv_sec: Int(earliest / 1_000_000_000), tv_nsec: max(1, Int(earliest % 1_000_000_000)))
        }
        timerfd_settime(timer, 1, &time, nil)  // TFD_TIMER_ABSTIME
    }

    // MARK: Connections

    private func accept() {
        while case let client = accept4(listener, nil, nil, Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)),
            client >= 0
        {
            figures.accepted += 1
            open(client) { _ in }
        }
    }

    func replay(_ bytes: [UInt8]) -> Int {
        replays.append(FaultProxy.Replay())
        let number = replays.count - 1
        open(-1) { connection in connection.replay = number }
        guard let connection = connections[lastNumber], connection.replay == number else {
            replays[number].isOver = true
            return number
        }
        connection.streams[0].take(bytes, Faults(), at: MonotonicClock.nanoseconds, &figures, 0)
        return number
    }

    private func open(_ client: Int32, _ prepare: (FaultConnection) -> Void) {
        let descriptor = socket(target.map { SocketAddress($0).family } ?? AF_INET, Self.type, 0)
        seed &+= 2
        let connection = FaultConnection(client: client, target: descriptor, seed: seed)
        let code = target.map { SocketAddress($0).withPointer { connect(descriptor, $0, $1) } } ?? -1
        guard code == 0 || target != nil && errno == EINPROGRESS else {
            figures.unanswered += 1
            return connection.close(withReset: true)
        }
        prepare(connection)
        lastNumber += 1
        connections[lastNumber] = connection
        for descriptor in connection.ends where descriptor >= 0 {
            var one: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        }
        if recordedBytes > 0, client >= 0 {
            connection.recording = recordings.count
            recordings.append([])
        }
    }

    private func finishConnecting(_ number: UInt64, _ connection: FaultConnection) {
        var (code, size) = (Int32(0), socklen_t(MemoryLayout<Int32>.size))
        getsockopt(connection.ends[1], SOL_SOCKET, SO_ERROR, &code, &size)
        if code == 0 { return connection.isConnected = true }
        figures.unanswered += 1
        drop(number, withReset: true)
    }

    private func drop(_ number: UInt64, withReset: Bool) {
        guard let connection = connections.removeValue(forKey: number) else { return }
        if let replay = connection.replay { replays[replay].isOver = true }
        connection.close(withReset: withReset)
    }

    // MARK: Bytes

    private func move(_ number: UInt64, _ connection: FaultConnection) {
        for direction in 0..<2 {
            guard connections[number] != nil else { return }
            read(connection, direction)
            leave(number, connection, direction)
        }
        guard connections[number] != nil else { return }
        if connection.hasShut == [true, true] { return drop(number, withReset: false) }
        for end in 0..<2 where connection.ends[end] >= 0 { ask(number, connection, end) }
    }

    private func read(_ connection: FaultConnection, _ direction: Int) {
        let now = MonotonicClock.nanoseconds
        let room = connection.streams[direction].room(faults[direction], at: now)
        guard room > 0, connection.isReadable[direction] else { return }
        connection.isReadable[direction] = false
        let count = recv(connection.ends[direction], &buffer, room, 0)
        if count > 0 {
            note(Array(buffer[..<count]), connection, direction, at: now)
        } else if count == 0 {
            connection.streams[direction].take(.closed, faults[direction], at: now)
        } else if errno != EAGAIN && errno != EINTR {
            connection.streams[direction].take(.reset, faults[direction], at: now)
        }
    }

    private func note(_ bytes: [UInt8], _ connection: FaultConnection, _ direction: Int, at now: UInt64) {
        if direction == 0, let recording = connection.recording {
            recordings[recording] += bytes.prefix(recordedBytes - recordings[recording].count)
        }
        if direction == 1, let replay = connection.replay {
            replays[replay].answer += bytes
        } else {
            connection.streams[direction].take(bytes, faults[direction], at: now, &figures, direction)
        }
    }

    private func leave(_ number: UInt64, _ connection: FaultConnection, _ direction: Int) {
        let sink = 1 - direction
        guard connection.isConnected || sink == 0, !connection.isFull[sink] else { return }
        while let chunk = connection.streams[direction].next(faults[direction], at: MonotonicClock.nanoseconds) {
            let count = chunk.bytes.withUnsafeBytes { edge_send(connection.ends[sink], $0.baseAddress, $0.count) }
            guard count >= 0 else {
                if errno == EAGAIN { return connection.isFull[sink] = true }
                return drop(number, withReset: true)
            }
            figures.bytes[direction] += count
            if count == chunk.bytes.count {
                figures.chunks[direction] += 1
                if !chunk.isLate { figures.lateness.add(MonotonicClock.nanoseconds - chunk.due) }
            }
            connection.streams[direction].remove(count)
        }
        finish(number, connection, direction)
    }

    private func finish(_ number: UInt64, _ connection: FaultConnection, _ direction: Int) {
        let now = MonotonicClock.nanoseconds
        guard let end = connection.streams[direction].finished(faults[direction], at: now) else { return }
        if end == .reset || connection.replay != nil { return drop(number, withReset: end == .reset) }
        guard !connection.hasShut[1 - direction] else { return }
        connection.hasShut[1 - direction] = true
        shutdown(connection.ends[1 - direction], Int32(SHUT_WR))
    }

    /// What the end's readiness is wanted for now. If for nothing it leaves the set, which else would tell again and again of
    /// an end that is gone.
    private func ask(_ number: UInt64, _ connection: FaultConnection, _ end: Int) {
        let now = MonotonicClock.nanoseconds
        var events: UInt32 = 0
        if end == 1, !connection.isConnected {
            events = EPOLLOUT.rawValue
        } else {
            if connection.streams[end].room(faults[end], at: now) > 0 { events |= EPOLLIN.rawValue }
            if connection.isFull[end] { events |= EPOLLOUT.rawValue }
        }
        let before = connection.interests[end]
        guard events != before else { return }
        connection.interests[end] = events
        let operation = events == 0 ? EPOLL_CTL_DEL : before == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD
        watch(connection.ends[end], events, number * 2 + UInt64(end), operation)
    }
}
