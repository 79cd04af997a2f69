import CLinux
import Glibc

/// What a load came to.
struct LoadResult {
    /// Answers, whatever their status; and those until the time was up.
    var answers = 0
    var answersInTime = 0
    /// Answers of another status than expected, and one such status.
    var failures = 0
    var failureStatus = 0
    /// How long requests were sent.
    var seconds = 0.0
    /// From sending a group of requests to its last answer, once a request.
    var latency = LatencyHistogram()
    /// Of the answers, those to requests of another workload among these, and how long they took.
    var otherAnswers = 0
    var otherLatency = LatencyHistogram()

    var answersASecond: Double { Double(answersInTime) / seconds }
}

/// How requests come.
package enum LoadForm: Equatable, Sendable {
    /// So many at once on a connection, and so many more when all are answered.
    case together(Int)
    /// One on a connection of its own, which the client then closes.
    case newConnection

    var groupSize: Int {
        switch self {
        case .together(let count): count
        case .newConnection: 1
        }
    }
}

/// Closed-loop load on one address: each connection sends a group of requests at once, and the next group when all
/// answers are there. One thread; where that runs is the caller's choice.
struct LoadGenerator: ~Copyable {
    private struct Connection {
        var descriptor: Int32 = -1
        var filledBytes = 0
        var awaited = 0
        var sentAt: UInt64 = 0
        /// Whether the other workload's request is awaited.
        var isOther = false
    }

    /// Requests among the others: one after so many.
    struct Admixture {
        var workload: Workload
        let period: Int
    }

    private static let inputBytes = 1 << 17
    /// Answers that do not come within this time are not waited for any more.
    private static let patienceMilliseconds: Int32 = 60_000

    private var workload: Workload
    private var other: Admixture?
    private var sentSinceOther = 0
    private let form: LoadForm
    private let port: UInt16
    private var addresses = ClientAddresses()
    private let events = epoll_create1(Int32(EPOLL_CLOEXEC))
    private var connections: [Connection]
    /// Where the next run begins: if runs are short, no connection is without requests for long.
    private var first = 0
    private let requests: UnsafeMutableBufferPointer<UInt8>
    private let input: UnsafeMutableRawBufferPointer

    /// `port` is on 127.0.0.1. An admixture goes with one request at a time.
    init(
        _ workload: Workload, port: UInt16, connections count: Int, _ form: LoadForm = .together(1),
        with other: Admixture? = nil
    ) throws {
        precondition(other == nil || form == .together(1))
        (self.workload, self.other, self.form, self.port) = (workload, other, form, port)
        connections = [Connection](repeating: Connection(), count: count)
        requests = .allocate(capacity: workload.template.count * form.groupSize)
        for index in requests.indices { requests[index] = workload.template[index % workload.template.count] }
        input = .allocate(byteCount: count * Self.inputBytes, alignment: 4096)
        if form != .newConnection { for index in connections.indices { try connect(index) } }
    }

    deinit {
        for connection in connections where connection.descriptor >= 0 { close(connection.descriptor) }
        close(events)
        requests.deallocate()
        input.deallocate()
    }

    private mutating func connect(_ index: Int) throws {
        let descriptor = try connectToLoopback(port, from: form == .newConnection ? addresses.next() : nil)
        connections[index].descriptor = descriptor
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: UInt64(index)))
        guard epoll_ctl(events, EPOLL_CTL_ADD, descriptor, &event) == 0 else { throw LabError("epoll refuses") }
    }

    /// Sends for `seconds`, or until `groups` groups are sent if that comes first; then waits for the answers that are
    /// owed.
    mutating func run(seconds: Double, groups: Int = .max) throws -> LoadResult {
        var result = LoadResult()
        let start = MonotonicClock.nanoseconds
        let end = start + UInt64(seconds * 1e9)
        var (open, left) = (min(connections.count, groups), groups)
        for _ in 0..<open {
            try send(first)
            first = (first + 1) % connections.count
        }
        left -= open
        let ready = UnsafeMutableBufferPointer<epoll_event>.allocate(capacity: connections.count)
        defer { ready.deallocate() }
        while open > 0 {
            let count = epoll_wait(events, ready.baseAddress, Int32(ready.count), Self.patienceMilliseconds)
            if count == 0 { throw LabError("\(open) connections got no answer within 60 seconds") }
            for event in ready[..<max(0, Int(count))] {
                let index = Int(event.data.u64)
                guard try receive(index, &result) else { continue }
                let now = MonotonicClock.nanoseconds
                note(now - connections[index].sentAt, connections[index], now < end, &result)
                if form == .newConnection {
                    close(connections[index].descriptor)
                    connections[index].descriptor = -1
                }
                if now < end, left > 0 {
                    left -= 1
                    try send(index)
                } else {
                    open -= 1
                }
            }
        }
        result.seconds = groups == .max ? seconds : Double(MonotonicClock.nanoseconds - start) / 1e9
        return result
    }

    private func note(_ nanoseconds: UInt64, _ connection: Connection, _ isInTime: Bool, _ result: inout LoadResult) {
        if connection.isOther {
            result.otherAnswers += 1
            result.otherLatency.add(nanoseconds)
        } else {
            result.latency.add(nanoseconds, times: UInt64(form.groupSize))
        }
        if isInTime { result.answersInTime += form.groupSize }
    }

    private mutating func send(_ index: Int) throws {
        connections[index].sentAt = MonotonicClock.nanoseconds
        if form == .newConnection { try connect(index) }
        connections[index].awaited = form.groupSize
        sentSinceOther += 1
        connections[index].isOther = other.map { sentSinceOther > $0.period } ?? false
        if connections[index].isOther { return try sendOther(index) }
        for place in 0..<form.groupSize { workload.fill(requests.baseAddress! + place * workload.template.count) }
        try send(UnsafeBufferPointer(requests), index)
    }

    private mutating func sendOther(_ index: Int) throws {
        sentSinceOther = 0
        var request = other!.workload.template
        request.withUnsafeMutableBufferPointer { other!.workload.fill($0.baseAddress!) }
        try request.withUnsafeBufferPointer { try send($0, index) }
    }

    private func send(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int) throws {
        let count = Glibc.send(connections[index].descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
        guard count == bytes.count else { throw LabError("a connection took \(count) of \(bytes.count) bytes") }
    }

    /// True once all answers of the group are there.
    private mutating func receive(_ index: Int, _ result: inout LoadResult) throws -> Bool {
        let place = input.baseAddress! + index * Self.inputBytes
        let filled = connections[index].filledBytes
        let count = recv(connections[index].descriptor, place + filled, Self.inputBytes - filled, 0)
        guard count > 0 else { throw LabError(count == 0 ? "the server closed a connection" : "a connection broke") }
        var rest = UnsafeRawBufferPointer(start: place, count: filled + count)
        let expected = connections[index].isOther ? other!.workload.expectedStatus : workload.expectedStatus
        while let answer = ResponseScanner.first(of: rest) {
            result.answers += 1
            connections[index].awaited -= 1
            if answer.status != expected {
                result.failures += 1
                result.failureStatus = answer.status
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[answer.byteCount...])
        }
        if rest.count > 0, rest.baseAddress! != UnsafeRawPointer(place) {
            memmove(place, rest.baseAddress!, rest.count)
        }
        connections[index].filledBytes = rest.count
        guard connections[index].awaited >= 0 else { throw LabError("more answers than requests") }
        return connections[index].awaited == 0
    }
}

/// Own addresses for connections that last for one request: who closes one keeps its port for a minute, and one address
/// has 28 000 ports. All of 127.0.0.0/8 is this machine.
struct ClientAddresses {
    private static let perAddress = 1000
    private var count = 0

    mutating func next() -> UInt32 {
        let number = UInt32(truncatingIfNeeded: count / Self.perAddress)
        count += 1
        return 0x7F01_0001 + number % 0xF000
    }
}
