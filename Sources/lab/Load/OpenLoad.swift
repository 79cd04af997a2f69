import CLinux
import Glibc

/// What an open-loop load came to.
struct OpenResult {
    var load = LoadResult()
    /// Requests that were due, and those of them for which no connection was free.
    var due = 0
    var turnedAway = 0
}

/// Open-loop load: requests are due at a constant rate, whether or not earlier ones have been answered. Each takes a
/// connection that has none open; if all have, it is turned away, as a user is whose connection is not let in. So the
/// number of connections bounds what can wait. One thread, which never sleeps: it belongs on a processor of its own.
struct OpenLoad: ~Copyable {
    private static let inputBytes = 4096
    private static let patienceSeconds = 60.0

    private var workload: Workload
    private let events = epoll_create1(Int32(EPOLL_CLOEXEC))
    private var descriptors: [Int32] = []
    private var filledBytes: [Int]
    private var dueAt: [UInt64]
    private var free: [Int] = []
    private let request: UnsafeMutableBufferPointer<UInt8>
    private let input: UnsafeMutableRawBufferPointer

    /// Connects. `port` is on 127.0.0.1.
    init(_ workload: Workload, port: UInt16, connections count: Int) throws {
        self.workload = workload
        filledBytes = [Int](repeating: 0, count: count)
        dueAt = [UInt64](repeating: 0, count: count)
        request = .allocate(capacity: workload.template.count)
        _ = request.initialize(fromContentsOf: workload.template)
        input = .allocate(byteCount: count * Self.inputBytes, alignment: 4096)
        for index in 0..<count {
            let descriptor = try connectToLoopback(port)
            descriptors.append(descriptor)
            var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: UInt64(index)))
            guard epoll_ctl(events, EPOLL_CTL_ADD, descriptor, &event) == 0 else { throw LabError("epoll refuses") }
            free.append(index)
        }
    }

    deinit {
        for descriptor in descriptors { close(descriptor) }
        close(events)
        request.deallocate()
        input.deallocate()
    }

    /// Offers `perSecond` requests for `seconds`, then waits for the answers that are owed.
    mutating func run(perSecond: Double, seconds: Double) throws -> OpenResult {
        var result = OpenResult()
        result.load.seconds = seconds
        let start = MonotonicClock.nanoseconds
        let end = start + UInt64(seconds * 1e9)
        let last = end + UInt64(Self.patienceSeconds * 1e9)
        let interval = 1e9 / perSecond
        let ready = UnsafeMutableBufferPointer<epoll_event>.allocate(capacity: 256)
        defer { ready.deallocate() }
        var now = start
        while now < end || free.count < descriptors.count {
            let dueNow = Int(Double(min(now, end) - start) / interval)
            while result.due < dueNow {
                let due = start + UInt64(Double(result.due) * interval)
                result.due += 1
                guard let index = free.popLast() else {
                    result.turnedAway += 1
                    continue
                }
                try send(index, due: due)
            }
            let count = epoll_wait(events, ready.baseAddress, Int32(ready.count), 0)
            now = MonotonicClock.nanoseconds
            for event in ready[..<max(0, Int(count))] {
                try receive(Int(event.data.u64), at: now, before: end, &result.load)
            }
            guard now < last else {
                throw LabError("\(descriptors.count - free.count) requests got no answer within 60 seconds")
            }
        }
        return result
    }

    private mutating func send(_ index: Int, due: UInt64) throws {
        workload.fill(request.baseAddress!)
        dueAt[index] = due
        let count = Glibc.send(descriptors[index], request.baseAddress, request.count, Int32(MSG_NOSIGNAL))
        guard count == request.count else { throw LabError("a connection took \(count) of \(request.count) bytes") }
    }

    private mutating func receive(_ index: Int, at now: UInt64, before end: UInt64, _ result: inout LoadResult) throws {
        let place = input.baseAddress! + index * Self.inputBytes
        let room = Self.inputBytes - filledBytes[index]
        let count = recv(descriptors[index], place + filledBytes[index], room, 0)
        guard count > 0 else { throw LabError(count == 0 ? "the server closed a connection" : "a connection broke") }
        filledBytes[index] += count
        let bytes = UnsafeRawBufferPointer(start: place, count: filledBytes[index])
        guard let answer = ResponseScanner.first(of: bytes) else { return }
        guard answer.byteCount == bytes.count else { throw LabError("more answers than requests") }
        filledBytes[index] = 0
        free.append(index)
        result.answers += 1
        guard answer.status == workload.expectedStatus else {
            result.failures += 1
            result.failureStatus = answer.status
            return
        }
        if now < end { result.answersInTime += 1 }
        result.latency.add(now - min(now, dueAt[index]))
    }
}

/// As many descriptors as `count` connections need; throws if the system does not give them.
func raiseDescriptorLimit(atLeast count: Int) throws {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    guard limit.rlim_max >= rlim_t(count) else {
        throw LabError("\(count) descriptors are needed, and the system gives \(limit.rlim_max); see `ulimit -Hn`")
    }
}
