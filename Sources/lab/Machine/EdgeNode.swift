import Glibc

/// A running `edge serve`, of the binary beside this program.
final class EdgeNode {
    let process: ChildProcess
    let port: UInt16
    /// From its start until it said that it listens.
    let secondsToListen: Double

    static let unlimited = ["--rate_limit_create", "off", "--rate_limit_read", "off", "--rate_limit_miss", "off"]

    /// One redirect worker, unless said otherwise; no limits but what `flags` say.
    convenience init(
        data: String, workers: Int = 1, flags: [String] = [], on processors: [Int] = Processors.available
    ) throws {
        try self.init(data: data, workers: workers, limits: Self.unlimited, flags: flags, on: processors)
    }

    /// `program`: what runs it, where it is not to be `edge serve` alone. The process must become the node.
    init(
        data: String, workers: Int, limits: [String], flags: [String] = [], on processors: [Int],
        program: [String]? = nil
    ) throws {
        let start = MonotonicClock.nanoseconds
        let program = try program ?? [siblingProgram("edge"), "serve"]
        process = try ChildProcess(
            program + [
                "--data", data, "--listen", "127.0.0.1:0", "--admin_listen", "off", "--workers", "\(workers)",
            ] + limits + flags, reading: .standardError, on: processors)
        let line = try process.readLine(with: "event=listening")
        secondsToListen = Double(MonotonicClock.nanoseconds - start) / 1e9
        let mark = "address=127.0.0.1:"
        guard let place = line.split(separator: " ").first(where: { $0.hasPrefix(mark) }),
            let port = UInt16(place.dropFirst(mark.count))
        else { throw LabError("no address in: \(line)") }
        self.port = port
    }

    /// Lets it drain.
    func stop() { process.end(SIGTERM, patienceMilliseconds: 20_000) }
}
