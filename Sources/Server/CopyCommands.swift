import Glibc
import Primitives
import Store

/// A running node to copy, and where to.
package struct BackupRequest: Equatable, Sendable {
    package static let defaultBytesPerSecond = 256 << 20

    package let directory: String
    /// The admin port.
    package let server: Authority
    /// Where the admin port does not listen on loopback: the file of a key with the scope `admin`.
    package let keyFile: String?
    /// At most so much is asked of the node.
    package let bytesPerSecond: Int
}

/// `edge backup`: copies the store of a running node, part by part, through its admin port. Returns the exit status.
package func runBackup(_ request: BackupRequest) -> Int32 {
    do {
        let report = try backup(request)
        for name in report.damaged { say("backup", "the record of \(name) is damaged there and left out") }
        for problem in report.problems { say("backup", problem) }
        StandardStream.output.write(
            "\(request.directory): \(report.recordCount) records, then \(report.entryCount) log entries"
                + (report.isSound ? "\n" : "; usable, but not all is there\n"))
        return report.isSound ? ExitStatus.done : ExitStatus.failed
    } catch {
        say("backup", "\(error)")
        return ExitStatus.failed
    }
}

private func backup(_ request: BackupRequest) throws -> SnapshotReport {
    let builder = try SnapshotBuilder(
        directory: request.directory, now: { Instant(milliseconds: System.wallMilliseconds()) })
    let client = CommandClient(server: request.server, key: try HeldKey.read(file: request.keyFile))
    var progress = CopyProgress("backup", unit: "records")
    var pace = CopyPace(bytesPerSecond: request.bytesPerSecond)
    var recordCount = 0
    while builder.request != .nothing {
        let answer: CommandAnswer
        do { answer = try client.send("GET", builder.request.target) } catch {
            throw BackupError(description: "http://\(request.server): \(error)")
        }
        guard answer.status == 200, answer.mediaType == SnapshotRoutes.mediaType else {
            throw BackupError(description: "http://\(request.server): \(answer.refusal)")
        }
        guard let part = try? SnapshotPart(decoding: answer.body) else { throw SnapshotError.malformed }
        if case .start(let start) = part { recordCount = Int(clamping: start.recordCount) }
        try builder.take(part)
        progress.note(builder.report.recordCount, of: recordCount)
        pace.note(answer.body.count)
    }
    return try builder.finish()
}

/// Why the node gave no part.
private struct BackupError: Error, CustomStringConvertible { let description: String }

extension SnapshotBuilder.Request {
    /// Path and query on the admin port.
    fileprivate var target: String {
        switch self {
        case .start: "/snapshot"
        case .rows(let after): "/snapshot/rows" + (after.map { "?after=\($0.text)" } ?? "")
        case .log(let origin, let from, let through):
            "/snapshot/log?origin=\(origin.hexadecimal)&from=\(from)&through=\(through)"
        case .nothing: preconditionFailure("nothing is to be asked for")
        }
    }
}

/// `edge restore`: makes a data directory from a backup. Returns the exit status.
package func runRestore(backup: String, data: String) -> Int32 {
    reportStructureOnCrash()
    do throws(SnapshotError) {
        let restore = try StoreRestore(backup: backup, data: data) { inspection in
            for problem in inspection.problems { say("restore", "problem: \(problem)") }
        }
        let recordCount = restore.recordCount
        var progress = CopyProgress("restore", unit: "bytes")
        try restore.run { progress.note($0, of: $1) }
        StandardStream.output.write(
            "\(data): \(recordCount) records; the node that starts there begins a new incarnation\n")
        return ExitStatus.done
    } catch {
        say("restore", error.description)
        return ExitStatus.failed
    }
}

private func say(_ command: String, _ text: String) { StandardStream.error.write("edge \(command): \(text)\n") }

/// Says now and then how far a copy is.
private struct CopyProgress {
    private static let intervalMilliseconds: Int64 = 2000

    private let command, unit: String
    private var said = System.monotonicMilliseconds()

    init(_ command: String, unit: String) { (self.command, self.unit) = (command, unit) }

    mutating func note(_ done: Int, of all: Int) {
        let now = System.monotonicMilliseconds()
        guard now - said >= Self.intervalMilliseconds else { return }
        said = now
        say(command, "\(done) of \(all) \(unit)")
    }
}

/// Keeps a copy from taking more of a node than it may.
private struct CopyPace {
    private let bytesPerSecond: Int
    private let start = System.monotonicMilliseconds()
    private var sizeBytes = 0

    init(bytesPerSecond: Int) { self.bytesPerSecond = bytesPerSecond }

    /// Waits until so many bytes more are within the rate.
    mutating func note(_ bytes: Int) {
        sizeBytes += bytes
        let due = start + Int64(Double(sizeBytes) / Double(bytesPerSecond) * 1000)
        let wait = due - System.monotonicMilliseconds()
        if wait > 0 { usleep(UInt32(clamping: wait * 1000)) }
    }
}
