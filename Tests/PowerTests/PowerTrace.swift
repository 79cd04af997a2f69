import Foundation
import Primitives

/// Real runs of `edge serve` on one data directory, seen by its disk: the very first start, a start whose lease of log
/// sequences soon ends, and one that begins a new incarnation; each under load from several connections.
struct PowerTrace {
    struct Stage {
        var name: String
        var trace: DiskTrace
        /// What was acknowledged before it.
        var before: [String: String]
        /// All that it acknowledged.
        var later: [String: String]
    }

    private(set) var stages: [Stage] = []
    private(set) var acknowledged: [String: String] = [:]

    private static let calls = [
        "openat", "open", "creat", "close", "write", "writev", "pwrite64", "pwritev", "pwritev2", "lseek", "sendto",
        "sendmsg", "fdatasync", "fsync", "sync_file_range", "msync", "ftruncate", "truncate", "fallocate", "rename",
        "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "dup", "dup2",
        "dup3", "copy_file_range",
    ]

    static func record() throws -> PowerTrace {
        let world = TemporaryDirectory()
        let identity = world.path + "/data/identity"
        var trace = PowerTrace()
        try trace.record(Load(name: "first", connections: 4, linksPerConnection: 150, longPercent: 90), world)
        try lowerLease(identity, to: UInt64(trace.acknowledged.count + 40))
        // Syncs that take long let links gather for the next commit.
        let delay = ["-e", "inject=fdatasync:delay_exit=5000"]
        try trace.record(Load(name: "lease", connections: 16, linksPerConnection: 20), world, strace: delay)
        try FileManager.default.removeItem(atPath: identity)
        try trace.record(Load(name: "incarnation", connections: 4, linksPerConnection: 30), world)
        return trace
    }

    private mutating func record(_ load: Load, _ world: TemporaryDirectory, strace options: [String] = []) throws {
        let name = load.name
        let notes = TemporaryDirectory()
        let file = notes.path + "/trace"
        let start = try Disk(path: world.path)
        let filter = ["-e", "trace=" + Self.calls.map { "?" + $0 }.joined(separator: ","), "-o", file]
        let node = try EdgeProcess(
            data: world.path + "/data", ["--map_size", "64MiB"], strace: TraceReader.options + filter + options)
        let outcome = load.run(port: node.port)
        guard try node.drain() == 0, outcome.refused.isEmpty, outcome.unanswered.isEmpty else {
            throw ProcessFailure(description: "\(name): refused \(outcome.refused), log \(node.lines)")
        }
        let trace = try DiskTrace(start, rootPath: world.path, try TraceReader.read(file))
        guard trace.acknowledged == outcome.created else {
            throw TraceFailure(description: "\(name): the trace has other answers than the clients")
        }
        stages.append(Stage(name: name, trace: trace, before: acknowledged, later: outcome.created))
        acknowledged.merge(outcome.created) { $1 }
    }

    /// As if the log had grown nearly to the end of its lease.
    private static func lowerLease(_ path: String, to sequence: UInt64) throws {
        var lines = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
            .components(separatedBy: "\n").dropLast(2).map { $0 }
        lines[5] = "sequence_lease = \(sequence)"
        let text = lines.joined(separator: "\n") + "\n"
        var checksum = CRC32C()
        checksum.append(Array(text.utf8).span.bytes)
        let digits = String(checksum.value, radix: 16)
        let padded = String(repeating: "0", count: 8 - digits.count) + digits
        try Data((text + "crc32c = \(padded)\n").utf8).write(to: URL(filePath: path))
    }
}

extension DiskTrace {
    var acknowledged: [String: String] {
        events.reduce(into: [:]) { all, event in
            if case .acknowledged(let links) = event { all.merge(links) { $1 } }
        }
    }

    /// Meta pages written: one a commit.
    var commitCount: Int { events.count { if case .syncedChange = $0 { true } else { false } } }
}
