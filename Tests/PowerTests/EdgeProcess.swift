import Foundation
import Simulation
import Synchronization

/// A directory that goes away with the test, unless it is to be looked at.
final class TemporaryDirectory: Sendable {
    let path: String
    private let isKept = Atomic(false)

    /// In memory, if the system has room there: what is written there need not be durable.
    init(inMemory: Bool = false) {
        let parent = inMemory ? ScratchPlace.path : FileManager.default.temporaryDirectory.path
        path = URL(filePath: parent).appending(path: "edge-power-\(UUID().uuidString)").path
        try! FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { if !isKept.load(ordering: .relaxed) { try? FileManager.default.removeItem(atPath: path) } }

    func keep() { isKept.store(true, ordering: .relaxed) }
}

/// The built program beside the tests' own executable.
let binary = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    .appending(path: "edge")

/// Runs a command to its end: its exit status (a signal's is negative) and what it printed.
func run(_ executable: URL = binary, _ arguments: [String]) throws -> (status: Int32, output: String) {
    let (process, output) = (Process(), Pipe())
    process.executableURL = executable
    process.arguments = arguments
    (process.standardOutput, process.standardError) = (output, output)
    try process.run()
    let printed = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    let status = process.terminationStatus
    return (process.terminationReason == .exit ? status : -status, String(decoding: printed, as: UTF8.self))
}

struct ProcessFailure: Error, CustomStringConvertible { let description: String }

/// The lines that a process writes to its standard error, as they come.
private final class LogReader: Sendable {
    private struct State {
        var lines: [String] = []
        var isEnded = false
    }

    private let state = Mutex(State())
    private let changed = DispatchSemaphore(value: 0)

    init(_ file: FileHandle) {
        Thread.detachNewThread { [self] in
            var rest: [UInt8] = []
            while true {
                let data = file.availableData
                if data.isEmpty { break }
                rest += data
                let whole = rest.split(separator: 0x0A, omittingEmptySubsequences: false)
                rest = Array(whole.last!)
                let lines = whole.dropLast().map { String(decoding: $0, as: UTF8.self) }
                state.withLock { $0.lines += lines }
                changed.signal()
            }
            state.withLock { $0.isEnded = true }
            changed.signal()
        }
    }

    var lines: [String] { state.withLock { $0.lines } }

    /// The first line that has `text`; nil if the process ended without, or did not write it in time.
    func line(with text: String, before deadline: DispatchTime) -> String? {
        while true {
            let (lines, isEnded) = state.withLock { ($0.lines, $0.isEnded) }
            if let line = lines.first(where: { $0.contains(text) }) { return line }
            if isEnded || changed.wait(timeout: deadline) == .timedOut { return nil }
        }
    }

    /// Whether all who could write have ended in time.
    func waitForEnd(before deadline: DispatchTime) -> Bool {
        while !state.withLock({ $0.isEnded }) {
            if changed.wait(timeout: deadline) == .timedOut { return false }
        }
        return true
    }
}

/// `edge serve`, as a user runs it, or under strace(1).
final class EdgeProcess {
    static let patienceSeconds = 60.0
    static let strace = ["/usr/bin/strace", "/bin/strace"].first(where: FileManager.default.isExecutableFile(atPath:))

    private(set) var port: UInt16 = 0
    private let process = Process()
    private let log: LogReader
    private var isFinished = false

    /// Starts a node on `data` and waits until it listens. With options for strace, that follows the node from its
    /// first system call on; the node stays this process's child, so that its exit status is its own.
    init(data: String, _ arguments: [String] = [], strace options: [String]? = nil) throws {
        let serve =
            [
                "serve", "--data", data, "--listen", "127.0.0.1:0", "--admin_listen", "off", "--workers", "2",
                "--rate_limit_create", "off",
            ] + arguments
        process.executableURL = binary
        process.arguments = serve
        if let options {
            guard let strace = Self.strace else {
                throw ProcessFailure(description: "these tests need strace: apt-get install strace")
            }
            process.executableURL = URL(filePath: strace)
            process.arguments = ["-D", "-f"] + options + ["--", binary.path] + serve
        }
        let errors = Pipe()
        process.standardOutput = FileHandle.nullDevice
        process.standardError = errors
        try process.run()
        log = LogReader(errors.fileHandleForReading)
        let line = log.line(with: "event=listening", before: .now() + Self.patienceSeconds)
        guard let field = line?.split(separator: " ").first(where: { $0.hasPrefix("address=") }),
            let port = UInt16(field.split(separator: ":").last!)
        else {
            kill(process.processIdentifier, SIGKILL)
            throw ProcessFailure(description: "the node did not start: \(log.lines)")
        }
        self.port = port
    }

    deinit { if !isFinished, process.isRunning { kill(process.processIdentifier, SIGKILL) } }

    var lines: [String] { log.lines }

    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    /// Waits until the node, and whoever follows it, has ended. The exit status; a signal's is negative.
    func waitForEnd() throws -> Int32 {
        guard log.waitForEnd(before: .now() + Self.patienceSeconds) else {
            throw ProcessFailure(description: "the node did not end: \(log.lines)")
        }
        process.waitUntilExit()
        isFinished = true
        return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    }

    func drain() throws -> Int32 {
        signal(SIGTERM)
        return try waitForEnd()
    }
}
