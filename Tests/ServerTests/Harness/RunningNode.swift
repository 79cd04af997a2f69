import Glibc
import Testing

/// All tests that start nodes, one at a time: each may use the machine for itself.
@Suite(.serialized, .timeLimit(.minutes(60))) struct NodeTests {}

/// A real node on loopback in a directory of its own; killed when it goes.
///
/// Safety: used by one thread at a time; `port` does not change.
final class RunningNode: @unchecked Sendable {
    let directory: TemporaryDirectory
    let child: Child
    let log: Lines
    private(set) var port: UInt16 = 0
    /// Of metrics and status; 0 if they are off.
    private(set) var adminPort: UInt16 = 0
    /// Of HTTPS, and of the port that leads to it; 0 if they are off.
    private(set) var tlsPort: UInt16 = 0
    private(set) var upgradePort: UInt16 = 0
    /// 0 if it is off.
    private(set) var replicationPort: UInt16 = 0

    var data: String { directory.path + "/data" }
    var url: String { "http://127.0.0.1:\(port)" }

    /// Starts `edge serve`, or what else is a node's `program`, and waits until it listens. `limits`: what the shell is to say
    /// before, as `ulimit -n 64`.
    init(
        _ flags: [String] = [], in directory: TemporaryDirectory = TemporaryDirectory(), limits: String? = nil,
        program: [String] = [edgeBinary, "serve"]
    ) throws {
        self.directory = directory
        let ends = makePipe()
        log = Lines(ends.reading)
        var arguments = program + ["--data", directory.path + "/data"]
        if !flags.contains("--admin_listen") { arguments += ["--admin_listen", "off"] }
        if !flags.contains("--listen") { arguments += ["--listen", "127.0.0.1:0"] }
        // Tests ask more of a node in a second than a client may.
        // Whoever brings a file decides there.
        for limit in ["create", "read", "miss", "auth_failure", "report"]
        where !flags.contains("--rate_limit_\(limit)") && !flags.contains("--config") {
            arguments += ["--rate_limit_\(limit)", "off"]
        }
        // A disk that takes seconds for a write does not cut the end of a node.
        if !flags.contains("--drain_timeout"), !flags.contains("--config") { arguments += ["--drain_timeout", "25s"] }
        arguments += flags
        if let limits {
            let script = limits + "; exec \"$0\" \"$@\""
            child = try Child("/bin/sh", ["-c", script] + arguments, output: nil, error: ends.writing)
        } else {
            child = try Child(arguments[0], Array(arguments[1...]), output: nil, error: ends.writing)
        }
        close(ends.writing)
        // What other threads said before is for those who ask for it.
        let line = try log.peek("event=listening")
        let address = try #require(line.firstMatch(of: /address=\S+:(\d+)/))
        port = try #require(UInt16(address.1))
        if let replication = line.firstMatch(of: /replication=\S+:(\d+)/) {
            replicationPort = try #require(UInt16(replication.1))
        }
        if let tls = line.firstMatch(of: /\stls=\S+:(\d+)/) { tlsPort = try #require(UInt16(tls.1)) }
        if let upgrade = line.firstMatch(of: /upgrade=\S+:(\d+)/) { upgradePort = try #require(UInt16(upgrade.1)) }
        if let admin = line.firstMatch(of: /admin=\S+:(\d+)/) { adminPort = try #require(UInt16(admin.1)) }
    }

    /// A node of the same directory and another life.
    func restarted(_ flags: [String] = []) throws -> RunningNode {
        precondition(child.ending != nil, "a directory has one node at a time")
        return try RunningNode(flags, in: directory)
    }

    func connect(receiveBytes: Int32? = nil) throws -> Client { try Client(of: self, receiveBytes: receiveBytes) }

    func connectToAdmin() throws -> Client { try Client(of: self, port: adminPort) }

    /// Asks it to end, and waits until it has.
    func stop() -> Ending {
        child.signal(SIGTERM)
        return child.wait()
    }

    /// Asks it to end although something stays open. False if it did not end in good order because the disk held up its
    /// own last writes for longer than the drain may take, and it said so.
    func stopDrained() throws -> Bool {
        let ending = stop()
        if ending == .exited(0) { return true }
        let wasCut = try log.rest().contains { $0.contains("event=drain-cut") }
        guard ending == .exited(1), wasCut else {
            throw HarnessError("\(ending):\n" + log.seen.joined(separator: "\n"))
        }
        return false
    }
}

/// What comes through a pipe, line by line. Owns the descriptor.
final class Lines {
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    /// Lines that came, and how many of them `next` has told.
    private(set) var seen: [String] = []
    private var told = 0

    init(_ descriptor: Int32) { self.descriptor = descriptor }
    deinit { close(descriptor) }

    /// Reads on until a line has `text` in it.
    func next(_ text: String) throws -> String {
        let deadline = Deadline()
        while let line = try next(deadline) {
            if line.contains(text) { return line }
        }
        throw HarnessError("\"\(text)\" was not said before the end:\n" + seen.joined(separator: "\n"))
    }

    /// The lines behind the first `count`, up to the last that `next` told.
    func told(since count: Int) -> [String] { Array(seen[min(count, told)..<told]) }

    /// As `next`, which will tell all lines up to this one again.
    func peek(_ text: String) throws -> String {
        let before = told
        defer { told = before }
        return try next(text)
    }

    /// What has come so far, without a wait for more: `seen` has it then. Whoever writes is not held up by a full pipe.
    func gather() {
        var readiness = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while poll(&readiness, 1, 0) > 0, readiness.revents & Int16(POLLIN) != 0, receive() { cut() }
    }

    /// All that is still to come.
    func rest() throws -> [String] {
        let deadline = Deadline()
        var lines: [String] = []
        while let line = try next(deadline) { lines.append(line) }
        return lines
    }

    private func next(_ deadline: Deadline) throws -> String? {
        while true {
            if told < seen.count {
                told += 1
                return seen[told - 1]
            }
            guard deadline.wait(descriptor, for: POLLIN) else {
                throw HarnessError("nothing more was said:\n" + seen.joined(separator: "\n"))
            }
            guard receive() else { return nil }
            cut()
        }
    }

    /// False at the end.
    private func receive() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(descriptor, &bytes, bytes.count)
        buffer += bytes[..<max(0, count)]
        return count > 0
    }

    private func cut() {
        while let end = buffer.firstIndex(of: 0x0A) {
            seen.append(String(decoding: buffer[..<end], as: UTF8.self))
            buffer.removeSubrange(...end)
        }
    }
}

/// A command that ends by itself, with what it wrote.
struct Finished {
    let ending: Ending
    let output: String
    let error: String

    init(_ arguments: [String], of binary: String = edgeBinary) throws {
        let (output, error) = (makePipe(), makePipe())
        let (printed, said) = (Lines(output.reading), Lines(error.reading))
        let child = try Child(binary, arguments, output: output.writing, error: error.writing)
        close(output.writing)
        close(error.writing)
        // What it says on standard error fits into a pipe.
        self.output = try printed.rest().map { $0 + "\n" }.joined()
        self.error = try said.rest().map { $0 + "\n" }.joined()
        ending = child.wait()
    }
}
