import CLinux
import Glibc

/// The system calls of the redirect workers: EINTR is retried, "not now" is a value, a bad descriptor is a bug here.
enum System {
    enum Transfer: Equatable {
        case done(Int)
        case notNow
        case failed(Int32)
    }

    static func read(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        transfer { edge_read(descriptor, buffer.baseAddress, buffer.count) }
    }

    static func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Transfer {
        transfer { edge_send(descriptor, bytes.baseAddress, bytes.count) }
    }

    /// A new connection, non-blocking; `peer` is who connected.
    static func accept(_ listener: Int32, _ peer: inout sockaddr_storage) -> Transfer {
        withUnsafeMutableBytes(of: &peer) { peer in
            let address = peer.baseAddress!.assumingMemoryBound(to: sockaddr.self)
            return transfer {
                var size = socklen_t(peer.count)
                return Int(
                    accept4(listener, address, &size, Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)))
            }
        }
    }

    private static func transfer(_ call: () -> Int) -> Transfer {
        while true {
            let count = call()
            if count >= 0 { return .done(count) }
            switch errno {
            case EINTR: continue
            case EAGAIN: return .notNow
            case EBADF: preconditionFailure("a descriptor was used after it was closed")
            case let code: return .failed(code)
            }
        }
    }

    /// From now on connecting is refused.
    static func shutListener(_ descriptor: Int32) { _ = shutdown(descriptor, Int32(SHUT_RD)) }

    /// A descriptor that a node cannot start without.
    static func required(_ descriptor: Int32) -> Int32 {
        if descriptor >= 0 { return descriptor }
        Log.write(
            .error, "start-failed", ["reason": .string("no descriptors left: \(String(cString: strerror(errno)))")])
        exit(ExitStatus.failed)
    }

    /// Each thread has an arena of the allocator to itself. Without this there are eight for each processor, and redirect
    /// workers wait for the locks of background threads. Once, before there are threads.
    static func separateArenas() {
        let isSet = mallopt(M_ARENA_MAX, 1024)
        precondition(isSet == 1, "the allocator has arenas")
    }

    /// Takes as many descriptors as the system gives; how many they are.
    static func raiseDescriptorLimit() -> Int {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        if limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }
        return Int(min(limit.rlim_cur, 1 << 20))
    }

    static func shutdownWriting(_ descriptor: Int32) { _ = shutdown(descriptor, Int32(SHUT_WR)) }

    static func setNoDelay(_ descriptor: Int32) {
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Milliseconds that only go forward.
    static func monotonicMilliseconds() -> Int64 { milliseconds(CLOCK_MONOTONIC) }

    static func monotonicMicroseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    /// Page faults of the calling thread that had to wait for the disk, since its start.
    static func majorFaultsOfThread() -> UInt64 {
        var usage = rusage()
        getrusage(__rusage_who_t(1), &usage)  // RUSAGE_THREAD, which the Glibc module lacks.
        return UInt64(usage.ru_majflt)
    }

    static func wallMilliseconds() -> Int64 { milliseconds(CLOCK_REALTIME) }
    static func coarseWallMilliseconds() -> Int64 { milliseconds(CLOCK_REALTIME_COARSE) }

    private static func milliseconds(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}

/// A descriptor for wake-ups between threads.
///
/// Safety: a descriptor is a number; closing is left to `deinit`.
final class WakeUp: Sendable {
    let descriptor = System.required(eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC)))

    deinit { close(descriptor) }

    func signal() {
        var one: UInt64 = 1
        _ = Glibc.write(descriptor, &one, 8)
    }

    func clear() {
        var count: UInt64 = 0
        _ = Glibc.read(descriptor, &count, 8)
    }
}

/// A set of descriptors to wait on.
struct EventSet: ~Copyable {
    private let descriptor: Int32

    init() {
        descriptor = System.required(epoll_create1(Int32(EPOLL_CLOEXEC)))
    }

    deinit { close(descriptor) }

    /// False if the system has no room for another one.
    func add(_ target: Int32, _ events: EPOLL_EVENTS, token: UInt64) -> Bool {
        control(EPOLL_CTL_ADD, target, events, token) == 0
    }

    func remove(_ target: Int32) { _ = control(EPOLL_CTL_DEL, target, EPOLL_EVENTS(rawValue: 0), 0) }

    func change(_ target: Int32, _ events: EPOLL_EVENTS, token: UInt64) {
        let code = control(EPOLL_CTL_MOD, target, events, token)
        precondition(code == 0, "a descriptor was used after it was closed")
    }

    private func control(_ operation: Int32, _ target: Int32, _ events: EPOLL_EVENTS, _ token: UInt64) -> Int32 {
        var event = epoll_event(events: events.rawValue, data: epoll_data_t(u64: token))
        return epoll_ctl(descriptor, operation, target, &event)
    }

    /// The number of events written to `events`; none after the time-out or a signal.
    func wait(_ events: UnsafeMutableBufferPointer<epoll_event>, timeoutMilliseconds: Int32) -> Int {
        max(0, Int(edge_epoll_wait(descriptor, events.baseAddress, Int32(events.count), timeoutMilliseconds)))
    }
}
