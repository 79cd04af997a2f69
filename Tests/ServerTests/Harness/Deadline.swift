import Glibc

/// Does again what the machine can spoil, as a disk that hangs for a second does; a fault spoils every attempt. `body`
/// tells whether it came to something.
func attempt(_ what: String, times: Int = 5, _ body: () throws -> Bool) throws {
    for _ in 0..<times { if try body() { return } }
    throw HarnessError("\(times) times it did not come to this: \(what)")
}

/// The end of a wait for something that will happen: far enough away that only a fault reaches it.
struct Deadline {
    private let end: Int64

    init(seconds: Int64 = 60) { end = Self.now + seconds * 1000 }

    /// On a clock that only goes forward, in milliseconds.
    static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    var isOver: Bool { Self.now >= end }

    /// False if the deadline came first.
    func wait(_ descriptor: Int32, for events: Int32) -> Bool {
        var readiness = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        while true {
            let count = poll(&readiness, 1, Int32(max(0, end - Self.now)))
            if count >= 0 { return count > 0 }
            precondition(errno == EINTR)
        }
    }
}
