import Glibc

/// A process that this program started, and ends.
final class ChildProcess {
    let name: String
    let pid: pid_t
    /// What the child writes there can be read here; -1 if nothing is.
    let outputDescriptor: Int32
    private var exitStatus: Int32?

    enum Output { case none, standardOutput, standardError }

    /// Starts `arguments[0]`, looked for in `PATH`, on `processors`.
    init(_ arguments: [String], reading output: Output = .none, on processors: [Int] = Processors.available) throws {
        name = arguments[0]
        var ends: [Int32] = [-1, -1]
        if output != .none, pipe2(&ends) != 0 { throw LabError("no pipe: \(String(cString: strerror(errno)))") }
        // What is written and never read must not hold the child up. Where the system gives less, less is held.
        if output != .none { _ = fcntl(ends[0], 1031, 1 << 20) }  // F_SETPIPE_SZ
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (descriptor, source) in [(Int32(1), Output.standardOutput), (2, .standardError)] {
            if output == source {
                posix_spawn_file_actions_adddup2(&actions, ends[1], descriptor)
            } else {
                posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_WRONLY, 0)
            }
        }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        var attributes = Self.attributes()
        defer { posix_spawnattr_destroy(&attributes) }
        var pid: pid_t = 0
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var code: Int32 = 0
        Processors.on(processors) {
            Interruption.noting {
                code = posix_spawnp(&pid, words[0]!, &actions, &attributes, &words, environ)
                return code == 0 ? pid : nil
            }
        }
        if ends[1] >= 0 { close(ends[1]) }
        guard code == 0 else {
            if ends[0] >= 0 { close(ends[0]) }
            throw LabError("cannot start \(name): \(String(cString: strerror(code)))")
        }
        (self.pid, outputDescriptor) = (pid, ends[0])
    }

    /// Signals as a shell would give them to the child, whatever this program does with its own.
    private static func attributes() -> posix_spawnattr_t {
        var attributes = posix_spawnattr_t()
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_init(&attributes)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        return attributes
    }

    deinit {
        end(SIGKILL)
        if outputDescriptor >= 0 { close(outputDescriptor) }
    }

    /// Sends `signal` and waits for the end; after `patienceMilliseconds` it is killed.
    func end(_ signal: Int32 = SIGTERM, patienceMilliseconds: Int = 10_000) {
        guard exitStatus == nil else { return }
        kill(pid, signal)
        for _ in 0..<patienceMilliseconds {
            if reap(WNOHANG) { return }
            usleep(1000)
        }
        kill(pid, SIGKILL)
        _ = reap(0)
    }

    /// Waits for the end; the exit status, or 128 + the signal's number.
    func wait() -> Int32 {
        while exitStatus == nil { _ = reap(0) }
        return exitStatus!
    }

    var hasEnded: Bool { exitStatus != nil || reap(WNOHANG) }

    private func reap(_ options: Int32) -> Bool {
        var status: Int32 = 0
        guard waitpid(pid, &status, options) == pid else { return false }
        exitStatus = status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
        Interruption.forget(.process(pid))
        return true
    }

    /// Processor time that all its threads have used, in seconds.
    var processorSeconds: Double {
        var clock = clockid_t()
        let code = clock_getcpuclockid(pid, &clock)
        precondition(code == 0, "\(name) has ended")
        return Double(MonotonicClock.read(clock)) / 1e9
    }

    /// Memory that is no file's, in bytes.
    func anonymousBytes() throws -> Int { try figure("status", "RssAnon:") << 10 }

    /// What the disk read for it, in bytes.
    func readBytes() throws -> Int { try figure("io", "read_bytes:") }

    /// Page faults that waited for the disk.
    func majorFaults() throws -> Int { try statistic("stat", field: 12) }

    /// As proc(5) counts the fields.
    private func statistic(_ file: String, field: Int) throws -> Int {
        let text = try readTextFile("/proc/\(pid)/\(file)")
        // The fields behind the name, which may hold anything, begin with the third.
        let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].dropFirst().split(separator: " ")
        guard fields.count > field - 3, let number = Int(fields[field - 3]) else {
            throw LabError("the system does not tell of \(name)")
        }
        return number
    }

    /// The system's number for its thread of that name, which may be about to start.
    func thread(_ name: String) throws -> pid_t {
        for _ in 0..<5000 {
            for thread in try threads() where (try? readTextFile("/proc/\(pid)/task/\(thread)/comm")) == name + "\n" {
                return thread
            }
            usleep(1000)
        }
        throw LabError("\(self.name) has no thread \(name)")
    }

    /// Processor time that one of its threads has used, in nanoseconds.
    func processorNanoseconds(of thread: pid_t) throws -> UInt64 {
        // The first of three numbers (the kernel's scheduler/sched-stats.rst).
        let text = try readTextFile("/proc/\(pid)/task/\(thread)/schedstat")
        guard let number = text.split(separator: " ").first.flatMap({ UInt64($0) }) else {
            throw LabError("the system does not tell of a thread of \(name)")
        }
        return number
    }

    /// Page faults of one of its threads that did not wait for the disk.
    func minorFaults(of thread: pid_t) throws -> Int { try statistic("task/\(thread)/stat", field: 10) }

    /// Threads, and arenas of the allocator that are not the first thread's: their heaps begin at multiples of 64 MiB, and
    /// nothing else of a node's that is no file's does.
    func threadsAndArenas() throws -> (threads: Int, arenas: Int) {
        let arenas = try readTextFile("/proc/\(pid)/maps").split(separator: "\n").filter { line in
            let words = line.split(separator: " ")
            guard words.count == 5, words[1] == "rw-p", let start = words[0].split(separator: "-").first else {
                return false
            }
            return UInt64(start, radix: 16).map { $0 % (64 << 20) == 0 } ?? false
        }
        return (try threads().count, arenas.count)
    }

    private func threads() throws -> [pid_t] {
        guard let directory = opendir("/proc/\(pid)/task") else { throw LabError("\(name) has ended") }
        defer { closedir(directory) }
        var threads: [pid_t] = []
        while let entry = readdir(directory) {
            let text = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if let thread = pid_t(text) { threads.append(thread) }
        }
        return threads
    }

    /// The number in the line of a file in /proc that begins with `label`.
    private func figure(_ file: String, _ label: String) throws -> Int {
        for line in try readTextFile("/proc/\(pid)/\(file)").split(separator: "\n") where line.hasPrefix(label) {
            let words = line.split { $0 == " " || $0 == "\t" }
            if words.count >= 2, let number = Int(words[1]) { return number }
        }
        throw LabError("the system does not tell \(label) of \(name)")
    }

    /// Everything that the child writes until it ends or closes its output.
    func readAll() -> String {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = read(outputDescriptor, &chunk, chunk.count), count > 0 { bytes += chunk[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// What is written up to the end of the first line that holds `mark`; throws if there is none.
    func readLine(with mark: String) throws -> String {
        var line: [UInt8] = []
        var last = ""
        var byte: UInt8 = 0
        while read(outputDescriptor, &byte, 1) == 1 {
            guard byte == UInt8(ascii: "\n") else {
                line.append(byte)
                continue
            }
            last = String(decoding: line, as: UTF8.self)
            if last.contains(mark) { return last }
            line.removeAll()
        }
        throw LabError("\(name) ended before it was ready; it said last: \(last)")
    }
}

/// Runs a program to its end and returns what it wrote to standard output.
@discardableResult
func runToEnd(_ arguments: [String]) throws -> String {
    let process = try ChildProcess(arguments, reading: .standardOutput)
    let text = process.readAll()
    let status = process.wait()
    guard status == 0 else { throw LabError("\(arguments.joined(separator: " ")) ended with \(status): \(text)") }
    return text
}

private func pipe2(_ ends: inout [Int32]) -> Int32 {
    let code = pipe(&ends)
    if code == 0 { for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) } }
    return code
}
