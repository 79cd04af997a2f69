import CLinux
import Glibc
import Primitives
import Server
import Synchronization

/// How long it takes to get an alias in three regions, with all of them there and with one dead; and whether each of many
/// names that are raced from all has one winner.
struct AliasBench {
    static let options: Set<String> = ["names"]
    private static let regions = ["us", "eu", "ap"]
    private static let delay = 40.0
    /// Beyond two round trips.
    private static let allowedMilliseconds = 20.0
    private static let claims = 100
    /// Connections of one region in the race.
    private static let racers = 8

    private let rounds: Rounds
    private let names: Int

    init(_ options: Options) throws {
        rounds = try Rounds(options)
        names = try options.whole("names", 10...1_000_000) ?? 10_000
    }

    init(_ rounds: Rounds, names: Int) { (self.rounds, self.names) = (rounds, names) }

    func run() throws {
        let cluster = try RegionCluster("aliases", Self.regions, in: rounds.directory)
        defer { cluster.stopAll() }
        try cluster.startAll()
        try cluster.waitLevel()
        try waitForVotes(cluster)
        cluster.setLines { $0.delayMilliseconds = Self.delay }
        let whole = try measure(cluster, "whole")
        let race = try race(cluster)
        cluster.stop(2)
        let lacking = try measure(cluster, "lacking")
        report(whole, lacking, race)
    }

    private func waitForVotes(_ cluster: RegionCluster) throws {
        let end = MonotonicClock.nanoseconds + 60_000_000_000
        for index in Self.regions.indices {
            while try cluster.node(index).sample("edge_alias_acceptor_voting") != 1 {
                guard MonotonicClock.nanoseconds < end else { throw LabError("the acceptors do not vote") }
                usleep(20_000)
            }
        }
    }

    private struct Latency {
        var first: UInt64 = 0
        var rest = LatencyHistogram()
        var failures = 0
    }

    /// One claim after another at the first region, each of a new name.
    private func measure(_ cluster: RegionCluster, _ kind: String) throws -> Latency {
        let client = try AliasClient(cluster.node(0).port)
        var latency = Latency()
        for number in 0..<Self.claims {
            let start = MonotonicClock.nanoseconds
            let status = try client.claim("\(kind)-\(number)", "https://example.com/\(number)")
            let taken = MonotonicClock.nanoseconds - start
            if number == 0 { latency.first = taken } else { latency.rest.add(taken) }
            if status != 201 { latency.failures += 1 }
        }
        return latency
    }

    private struct Race {
        var winners = 0
        var without = 0
        var several = 0
        var unknown = 0
        var seconds = 0.0
    }

    /// Every name from all regions, at about the same time.
    private func race(_ cluster: RegionCluster) throws -> Race {
        let won = Mutex([Int](repeating: 0, count: names))
        let unknown = Atomic(0)
        let failed = Atomic(false)
        let start = MonotonicClock.nanoseconds
        let names = names
        let threads = Self.regions.indices.flatMap { region in
            (0..<Self.racers).map { racer in
                let port = cluster.node(region).port
                return SystemThread("race") {
                    do {
                        let client = try AliasClient(port)
                        for number in stride(from: racer, to: names, by: Self.racers) {
                            switch try client.claim("raced-\(number)", "https://example.com/\(region)") {
                            case 201: won.withLock { $0[number] += 1 }
                            case 409: break
                            default: unknown.add(1, ordering: .relaxed)
                            }
                        }
                    } catch { failed.store(true, ordering: .relaxed) }
                }
            }
        }
        for thread in threads { thread.join() }
        guard !failed.load(ordering: .relaxed) else { throw LabError("a node does not answer") }
        let counts = won.withLock { $0 }
        return Race(
            winners: counts.count { $0 == 1 }, without: counts.count { $0 == 0 }, several: counts.count { $0 > 1 },
            unknown: unknown.load(ordering: .relaxed), seconds: Double(MonotonicClock.nanoseconds - start) / 1e9)
    }

    private func report(_ whole: Latency, _ lacking: Latency, _ race: Race) {
        let target = 4 * Self.delay + Self.allowedMilliseconds
        var table = Table(
            "an alias in three regions, \(Figure.number(Self.delay)) ms apart; at most two round trips and "
                + "\(Figure.number(Self.allowedMilliseconds)) ms: \(Figure.number(target)) ms",
            ["", "first", "p50", "p99", "failures"])
        for (name, latency) in [("all there", whole), ("one dead", lacking)] {
            table.add([
                name, Figure.duration(Double(latency.first)), Figure.duration(Double(latency.rest.quantile(0.5))),
                Figure.duration(Double(latency.rest.quantile(0.99))), Figure.grouped(latency.failures),
            ])
        }
        var races = Table(
            "\(Figure.grouped(names)) names raced from all three",
            ["names a second", "one winner", "several", "none", "503"])
        races.add([
            Figure.number(Double(names) / race.seconds), Figure.grouped(race.winners), Figure.grouped(race.several),
            Figure.grouped(race.without), Figure.grouped(race.unknown),
        ])
        StandardStream.output.write(table.text + "\n" + races.text + "\n")
    }
}

/// One connection that claims one alias after another.
///
/// Safety: used by one thread.
private final class AliasClient {
    private let descriptor: Int32
    private var answer = [UInt8](repeating: 0, count: 16_384)

    init(_ port: UInt16) throws { descriptor = try connectToLoopback(port) }
    deinit { close(descriptor) }

    /// The status of the answer.
    func claim(_ name: String, _ url: String) throws -> Int {
        let body = #"{"long_url":"\#(url)","custom_alias":"\#(name)"}"#
        let request = Array(
            ("POST /api/v1/urls HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n" + body).utf8)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
            throw LabError("a node does not listen")
        }
        var count = 0
        while true {
            let read = answer.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress! + count, $0.count - count, 0) }
            guard read > 0 else { throw LabError("a node does not answer") }
            count += read
            if let found = answer.withUnsafeBytes({ ResponseScanner.first(of: .init(rebasing: $0[..<count])) }) {
                return found.status
            }
        }
    }
}
