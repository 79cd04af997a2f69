import Glibc

/// Time that only goes forward.
enum MonotonicClock {
    static var nanoseconds: UInt64 { read(CLOCK_MONOTONIC) }

    /// Runs `body` and returns how long it took, in seconds.
    static func seconds(_ body: () throws -> Void) rethrows -> Double {
        let start = nanoseconds
        try body()
        return Double(nanoseconds - start) / 1e9
    }

    static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        let code = clock_gettime(clock, &time)
        precondition(code == 0, "a clock went away")
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
