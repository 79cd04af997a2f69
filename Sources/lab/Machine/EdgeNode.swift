import CLinux
import Glibc

/// A running `edge serve`, of the binary beside this program.
final class EdgeNode {
    let process: ChildProcess
    let port: UInt16
    /// Of HTTPS; 0 if it is off.
    let tlsPort: UInt16
    /// Of metrics; nil if they are off.
    private let adminPort: UInt16?
    /// Where peers connect, of a node that listens for them on every interface; nil of others.
    let replicationPort: UInt16?
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
    /// `hasMetrics`: whether `sample` can be asked.
    init(
        data: String, workers: Int, limits: [String], flags: [String] = [], on processors: [Int],
        program: [String]? = nil, hasMetrics: Bool = false
    ) throws {
        let start = MonotonicClock.nanoseconds
        let program = try program ?? [siblingProgram("edge"), "serve"]
        process = try ChildProcess(
            program + [
                "--data", data, "--listen", "127.0.0.1:0", "--admin_listen",
                hasMetrics ? "127.0.0.1:0" : "off", "--workers", "\(workers)",
            ] + limits + flags, reading: .standardError, on: processors)
        let line = try process.readLine(with: "event=listening")
        secondsToListen = Double(MonotonicClock.nanoseconds - start) / 1e9
        func port(_ name: String) throws -> UInt16 {
            let mark = name + "=127.0.0.1:"
            guard let place = line.split(separator: " ").first(where: { $0.hasPrefix(mark) }),
                let port = UInt16(place.dropFirst(mark.count))
            else { throw LabError("no \(name) in: \(line)") }
            return port
        }
        self.port = try port("address")
        tlsPort = line.contains(" tls=off ") ? 0 : try port("tls")
        adminPort = hasMetrics ? try port("admin") : nil
        let mark = "replication=0.0.0.0:"
        replicationPort = line.split(separator: " ").first { $0.hasPrefix(mark) }
            .flatMap { UInt16($0.dropFirst(mark.count)) }
    }

    /// The value of a metric without labels.
    func sample(_ name: String) throws -> Double {
        let lines = try metrics()
        guard let line = lines.first(where: { $0.hasPrefix(name + " ") }),
            let value = Double(line.dropFirst(name.count + 1))
        else { throw LabError("no metric \(name)") }
        return value
    }

    /// Of the values that a metric has under its labels; 0 if it has none.
    func sum(_ name: String) throws -> Double {
        try metrics().filter { $0.hasPrefix(name + "{") }.reduce(0) { sum, line in
            guard let value = line.split(separator: " ").last.flatMap({ Double($0) }) else {
                throw LabError("no value in: \(line)")
            }
            return sum + value
        }
    }

    private func metrics() throws -> [Substring] {
        guard let adminPort else { preconditionFailure("metrics are off") }
        let descriptor = try connectToLoopback(adminPort)
        defer { close(descriptor) }
        let request = Array("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".utf8)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
            throw LabError("the admin port takes no request")
        }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = recv(descriptor, &chunk, chunk.count, 0), count > 0 { bytes += chunk[..<count] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    }

    /// Lets it drain.
    func stop() { process.end(SIGTERM, patienceMilliseconds: 20_000) }
}
