import Glibc
import Testing

/// Why a test cannot go on.
struct HarnessError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// glibc 2.34; descriptors that another test has open do not reach the child.
@_silgen_name("posix_spawn_file_actions_addclosefrom_np")
private func addCloseFrom(_ actions: UnsafeMutablePointer<posix_spawn_file_actions_t>, _ from: Int32) -> Int32

/// glibc 2.36.
@_silgen_name("pidfd_open")
private func pidfdOpen(_ pid: pid_t, _ flags: UInt32) -> Int32

/// The Glibc module lacks it.
@_silgen_name("pipe2")
private func pipe2(_ ends: UnsafeMutablePointer<Int32>, _ flags: Int32) -> Int32

/// The two ends of a new pipe, which no other child inherits.
func makePipe() -> (reading: Int32, writing: Int32) {
    var ends: [Int32] = [0, 0]
    precondition(pipe2(&ends, O_CLOEXEC) == 0)
    return (ends[0], ends[1])
}

/// How a process ended.
enum Ending: Equatable {
    case exited(Int32)
    case killed(Int32)
}

/// A process of ours; killed and waited for when it goes.
///
/// Safety: used by one thread at a time.
final class Child: @unchecked Sendable {
    let pid: pid_t
    private(set) var ending: Ending?
    /// Released before the end is waited for, which the system shows to nobody before that.
    var frozenThread: FrozenThread?

    init(_ path: String, _ arguments: [String], output: Int32?, error: Int32?) throws {
        pid = try Self.spawn(path, arguments, input: nil, output: output, error: error)
        Guard.add(pid)
    }

    deinit { kill() }

    func signal(_ signal: Int32) { if ending == nil { Glibc.kill(pid, signal) } }

    @discardableResult
    func kill() -> Ending {
        if let ending { return ending }
        Glibc.kill(pid, SIGKILL)
        return wait()
    }

    /// Waits until the process has ended; kills it at the deadline, which is then how it ended.
    @discardableResult
    func wait() -> Ending {
        if let ending { return ending }
        frozenThread?.release()
        // Readable once the process has ended.
        let descriptor = pidfdOpen(pid, 0)
        precondition(descriptor >= 0)
        if !Deadline().wait(descriptor, for: POLLIN) {
            Issue.record("process \(pid) did not end in time")
            Glibc.kill(pid, SIGKILL)
        }
        close(descriptor)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 { precondition(errno == EINTR) }
        Guard.remove(pid)
        let ending: Ending = status & 0x7f == 0 ? .exited(status >> 8 & 0xff) : .killed(status & 0x7f)
        self.ending = ending
        return ending
    }

    /// Processor time used so far, user and system, in hundredths of a second.
    var processorTicks: Int { get throws { try fields(of: "stat").dropFirst(13).prefix(2).reduce(0, +) } }

    /// Memory that is resident and belongs to no file, in bytes.
    var privateBytes: Int {
        get throws {
            let fields = try fields(of: "statm")
            return (fields[1] - fields[2]) * 4096
        }
    }

    /// The numbers of a line in /proc, words counted as 0; a name in parentheses is one word.
    private func fields(of file: String) throws -> [Int] {
        let text = try readText("/proc/\(pid)/\(file)")
        let plain = text.lastIndex(of: ")").map { "0 0" + text[text.index(after: $0)...] } ?? text
        return plain.split(whereSeparator: \.isWhitespace).map { Int($0) ?? 0 }
    }

    static func spawn(
        _ path: String, _ arguments: [String], input: Int32?, output: Int32?, error: Int32?
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (index, descriptor) in [input, output, error].enumerated() {
            if let descriptor {
                posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(index))
            } else {
                posix_spawn_file_actions_addopen(&actions, Int32(index), "/dev/null", O_RDWR, 0)
            }
        }
        precondition(addCloseFrom(&actions, 3) == 0)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Whatever the tests' own process ignores or blocks.
        var (none, defaults) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&defaults)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var strings = ([path] + arguments).map { strdup($0) }
        defer { for string in strings { free(string) } }
        strings.append(nil)
        var pid: pid_t = 0
        let code = posix_spawn(&pid, path, &actions, &attributes, strings, environ)
        guard code == 0 else { throw HarnessError("\(path): \(String(cString: strerror(code)))") }
        return pid
    }
}
