import Glibc

/// The service manager's end of sd_notify(3).
final class NotifySocket {
    /// What `NOTIFY_SOCKET` is to hold: a path, or `@` and an abstract name.
    let name: String
    private let descriptor: Int32
    private(set) var seen: [String] = []

    init(_ name: String) {
        self.name = name
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = name.hasPrefix("@") ? [0] + name.utf8.dropFirst() : Array(name.utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let code = withUnsafeBytes(of: &address) { bytes_ in
            bind(
                descriptor, bytes_.baseAddress!.assumingMemoryBound(to: sockaddr.self),
                socklen_t(MemoryLayout<sa_family_t>.size + bytes.count))
        }
        precondition(code == 0, "\(name): \(String(cString: strerror(errno)))")
    }

    deinit {
        close(descriptor)
        if !name.hasPrefix("@") { unlink(name) }
    }

    /// For the shell that starts the node.
    func environment(watchdogMicroseconds: Int? = nil) -> String {
        "export NOTIFY_SOCKET='\(name)'" + (watchdogMicroseconds.map { "; export WATCHDOG_USEC=\($0)" } ?? "")
    }

    /// The next message that is none of the watchdog's.
    func next() throws -> [String] {
        while true {
            let message = try nextOfAll()
            if message != ["WATCHDOG=1"] { return message }
        }
    }

    /// The next message if it has come.
    func nextIfThere() throws -> [String]? {
        var readiness = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&readiness, 1, 0) > 0 ? try nextOfAll() : nil
    }

    /// The next message, line by line.
    func nextOfAll() throws -> [String] {
        guard Deadline().wait(descriptor, for: POLLIN) else {
            throw HarnessError("nothing more was notified:\n" + seen.joined(separator: "\n"))
        }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        guard count >= 0 else { throw HarnessError(String(cString: strerror(errno))) }
        let text = String(decoding: bytes[..<count], as: UTF8.self)
        seen.append(text)
        return text.split(separator: "\n").map(String.init)
    }
}

/// Stops one thread of a process, and only that one, until it is released (ptrace(2)).
///
/// Used by one thread, which traces.
final class FrozenThread {
    @_silgen_name("ptrace") private static func trace(_ request: Int, _ thread: Int, _ address: Int, _ data: Int) -> Int

    private let thread: pid_t
    private var isFrozen = true

    /// Nil if the system allows no tracing.
    init?(_ name: String, of child: Child) throws {
        // A thread has its name once it runs for the first time, and others end meanwhile.
        let deadline = Deadline()
        var found: pid_t?
        while found == nil, !deadline.isOver {
            let directories = try names(below: "/proc/\(child.pid)/task")
            let named = directories.first { (try? readText("/proc/\(child.pid)/task/\($0)/comm")) == name + "\n" }
            found = named.flatMap { pid_t($0) }
        }
        guard let found else { throw HarnessError("no thread \(name)") }
        thread = found
        // PTRACE_SEIZE, then PTRACE_INTERRUPT: no signal reaches the process.
        guard Self.trace(0x4206, Int(found), 0, 0) == 0 else { return nil }
        precondition(Self.trace(0x4207, Int(found), 0, 0) == 0)
        seeChange()
        child.frozenThread = self
    }

    /// PTRACE_DETACH: it goes on. Of one that was killed the end is seen here, before that of its process.
    func release() {
        guard isFrozen else { return }
        isFrozen = false
        if Self.trace(17, Int(thread), 0, 0) != 0 { seeChange() }
    }

    private func seeChange() {
        var status: Int32 = 0
        precondition(waitpid(thread, &status, Int32(bitPattern: 0x4000_0000)) == thread)  // __WALL
    }
}
