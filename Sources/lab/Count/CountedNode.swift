import CLinux
import CountedAllocator
import Glibc
import Server

/// `edge serve` within this program, whose allocator counts the calls of its first worker: between two signals, each of
/// which is answered with a line on standard error.
final class CountedNode {
    /// The command of this program that runs it.
    static let command = "counted-node"

    private static let begin = SIGUSR1
    private static let end = SIGUSR2

    /// Runs the node with the flags of `edge serve`. Returns the exit status.
    static func serve(_ flags: [String]) -> Int32 {
        // Both are sent to the worker's thread alone, and so handled there. They do what a handler may.
        signal(begin) { _ in
            CountedAllocator.watchThisThread()
            CountedNode.say("counting", 0)
        }
        signal(end) { _ in CountedNode.say("allocations", CountedAllocator.stop()) }
        do {
            guard case .serve(let source) = try Command.parse(["serve"] + flags) else { return ExitStatus.wrongUsage }
            return runServer(source, try source.load())
        } catch {
            StandardStream.error.write("lab: \(error)\n")
            return ExitStatus.failed
        }
    }

    /// Writes `name=number` as a line, without allocating.
    private static func say(_ name: StaticString, _ number: Int) {
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { line in
            var place = line.count - 1
            line[place] = UInt8(ascii: "\n")
            var rest = number
            repeat {
                place -= 1
                line[place] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            } while rest > 0
            place -= 1
            line[place] = UInt8(ascii: "=")
            place -= name.utf8CodeUnitCount
            line.baseAddress!.advanced(by: place).copyMemory(
                from: name.utf8Start, byteCount: name.utf8CodeUnitCount)
            _ = write(STDERR_FILENO, line.baseAddress! + place, line.count - place)
        }
    }

    // MARK: From outside

    let node: EdgeNode
    private let worker: pid_t

    init(data: String, flags: [String]) throws {
        node = try EdgeNode(
            data: data, workers: 1, limits: EdgeNode.unlimited, flags: flags, on: Processors.available,
            program: [siblingProgram("lab"), Self.command])
        worker = try node.process.thread("worker-0")
    }

    /// Calls of the allocator that the worker makes during `body`.
    func allocations(_ body: () throws -> Void) throws -> Int {
        tgkill(node.process.pid, worker, Self.begin)
        _ = try node.process.readLine(with: "counting=")
        try body()
        tgkill(node.process.pid, worker, Self.end)
        let line = try node.process.readLine(with: "allocations=")
        guard let count = Int(line.dropFirst("allocations=".count)) else { throw LabError("no number in: \(line)") }
        return count
    }
}
