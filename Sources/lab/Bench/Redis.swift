import Glibc

/// A Redis of our own that syncs its log with every write, ended with the value. `redis-benchmark` sets values of
/// 100 bytes with 50 clients.
final class Redis {
    let name: String
    private let process: ChildProcess
    private let socket: String
    private let benchmark: String
    private var perSecond = 2000.0

    private static let clients = 50

    /// Nil if it is not installed.
    init?(in work: WorkDirectory) throws {
        guard let server = findProgram("redis-server"), let benchmark = findProgram("redis-benchmark") else {
            return nil
        }
        self.benchmark = benchmark
        let version = try runToEnd([server, "--version"]).split(separator: " ").first { $0.hasPrefix("v=") }
        name = "Redis \(version.map { String($0.dropFirst(2)) } ?? "?"), \(Self.clients) clients"
        let directory = work.appending("redis")
        mkdir(directory, 0o700)
        socket = directory + "/socket"
        process = try ChildProcess([
            server, "--port", "0", "--unixsocket", socket, "--dir", directory, "--appendonly", "yes",
            "--appendfsync", "always", "--save", "",
        ])
        for _ in 0..<300 {
            if access(socket, F_OK) == 0 { return }
            if process.hasEnded { break }
            usleep(100_000)
        }
        throw LabError("Redis does not start in \(directory)")
    }

    deinit { process.end(SIGTERM) }

    /// `redis-benchmark` takes a number of requests, so the last rate says how many.
    func measure(seconds: Double) throws -> WriteSample {
        let report = try runToEnd([
            benchmark, "-s", socket, "-c", "\(Self.clients)", "-t", "set", "-d", "100", "-r", "100000000",
            "-n", "\(Int(max(1000, perSecond * seconds)))", "--csv",
        ])
        // "test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_…","p99_…","max_…"
        for line in report.split(separator: "\n") where line.hasPrefix("\"SET\"") {
            let cells = line.split(separator: ",").map { $0.filter { $0 != "\"" } }
            guard cells.count >= 2, let rate = Double(cells[1]) else { break }
            perSecond = rate
            var sample = WriteSample(perSecond: rate)
            func nanoseconds(_ cell: Int) -> UInt64? {
                cells.count == 8 ? Double(cells[cell]).map { UInt64($0 * 1e6) } : nil
            }
            (sample.p50, sample.p99, sample.greatest) = (nanoseconds(4), nanoseconds(6), nanoseconds(7))
            return sample
        }
        throw LabError("redis-benchmark did not say how much it did: \(report)")
    }
}
