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

    var answersASecond: Double { Double(answersInTime) / seconds }
}

/// Closed-loop load on one address over keep-alive connections: each sends a group of requests at once, and the next
/// group when all answers are there. One thread; where that runs is the caller's choice.
struct LoadGenerator: ~Copyable {
    private struct Connection {
        let descriptor: Int32
        var filledBytes = 0
        var awaited = 0
        var sentAt: UInt64 = 0
    }

    private static let inputBytes = 1 << 17
    /// Answers that do not come within this time are not waited for any more.
    private static let patienceMilliseconds: Int32 = 10_000

    private var workload: Workload
    private let pipeline: Int
    private let events = epoll_create1(Int32(EPOLL_CLOEXEC))
    private var connections: [Connection] = []
    private let requests: UnsafeMutableBufferPointer<UInt8>
    private let input: UnsafeMutableRawBufferPointer

    /// Connects. `port` is on 127.0.0.1.
    init(_ workload: Workload, port: UInt16, connections count: Int, pipeline: Int = 1) throws {
        (self.workload, self.pipeline) = (workload, pipeline)
        requests = .allocate(capacity: workload.template.count * pipeline)
        for index in requests.indices { requests[index] = workload.template[index % workload.template.count] }
        input = .allocate(byteCount: count * Self.inputBytes, alignment: 4096)
        for index in 0..<count {
            let descriptor = try connectToLoopback(port)
            connections.append(Connection(descriptor: descriptor))
            var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: UInt64(index)))
            guard epoll_ctl(events, EPOLL_CTL_ADD, descriptor, &event) == 0 else { throw LabError("epoll refuses") }
        }
    }

    deinit {
        for connection in connections { close(connection.descriptor) }
        close(events)
        requests.deallocate()
        input.deallocate()
    }

    /// Sends for `seconds`, then waits for the answers that are owed.
    mutating func run(seconds: Double) throws -> LoadResult {
        var result = LoadResult()
        let start = MonotonicClock.nanoseconds
        let end = start + UInt64(seconds * 1e9)
        var open = connections.count
        for index in connections.indices { try send(index, at: start) }
        let ready = UnsafeMutableBufferPointer<epoll_event>.allocate(capacity: connections.count)
        defer { ready.deallocate() }
        while open > 0 {
            let count = epoll_wait(events, ready.baseAddress, Int32(ready.count), Self.patienceMilliseconds)
            if count == 0 { throw LabError("\(open) connections got no answer within 10 seconds") }
            for event in ready[..<max(0, Int(count))] {
                let index = Int(event.data.u64)
                guard try receive(index, &result) else { continue }
                let now = MonotonicClock.nanoseconds
                result.latency.add(now - connections[index].sentAt, times: UInt64(pipeline))
                if now < end {
                    result.answersInTime += pipeline
                    try send(index, at: now)
                } else {
                    open -= 1
                }
            }
        }
        result.seconds = seconds
        return result
    }

    private mutating func send(_ index: Int, at now: UInt64) throws {
        for place in 0..<pipeline { workload.fill(requests.baseAddress! + place * workload.template.count) }
        connections[index].sentAt = now
        connections[index].awaited = pipeline
        let count = Glibc.send(connections[index].descriptor, requests.baseAddress, requests.count, Int32(MSG_NOSIGNAL))
        guard count == requests.count else { throw LabError("a connection took \(count) of \(requests.count) bytes") }
    }

    /// True once all answers of the group are there.
    private mutating func receive(_ index: Int, _ result: inout LoadResult) throws -> Bool {
        let place = input.baseAddress! + index * Self.inputBytes
        let filled = connections[index].filledBytes
        let count = recv(connections[index].descriptor, place + filled, Self.inputBytes - filled, 0)
        guard count > 0 else { throw LabError(count == 0 ? "the server closed a connection" : "a connection broke") }
        var rest = UnsafeRawBufferPointer(start: place, count: filled + count)
        while let answer = ResponseScanner.first(of: rest) {
            result.answers += 1
            connections[index].awaited -= 1
            if answer.status != workload.expectedStatus {
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

/// A blocking socket, connected.
func connectToLoopback(_ port: UInt16) throws -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw LabError("no socket: \(String(cString: strerror(errno)))") }
    var one: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    var address = loopback(port)
    let code = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    guard code == 0 else {
        close(descriptor)
        throw LabError("nobody answers on port \(port): \(String(cString: strerror(errno)))")
    }
    return descriptor
}

func loopback(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
}
