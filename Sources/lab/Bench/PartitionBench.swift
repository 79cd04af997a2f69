import Glibc
import Primitives
import Server

/// How soon two regions are level again that were cut off from one another while links were made in both.
struct PartitionBench {
    static let options: Set<String> = ["cut", "rate"]
    private static let regions = ["us", "eu"]
    private static let delayMilliseconds = 40.0
    private static let targetSeconds = 15.0

    private let directory: WorkDirectory
    private let seconds: Double
    private let perSecond: Int

    init(_ options: Options) throws {
        directory = try Rounds(options).directory
        seconds = try options.number("cut", 1...86_400) ?? 600
        perSecond = try options.whole("rate", 10...100_000) ?? 500
    }

    init(_ rounds: Rounds, seconds: Double, perSecond: Int) {
        (directory, self.seconds, self.perSecond) = (rounds.directory, seconds, perSecond)
    }

    func run() throws {
        let cluster = try RegionCluster("partition", Self.regions, flags: RegionCluster.refusesNothing, in: directory)
        defer { cluster.stopAll() }
        cluster.setLines { $0.delayMilliseconds = Self.delayMilliseconds }
        try cluster.startAll()
        try cluster.waitLevel()
        let loads = Self.regions.indices.map {
            SteadyLoad(.creates(), port: cluster.node($0).port, perSecond: perSecond)
        }
        cluster.setLines { $0.passage = .dropped }
        let end = MonotonicClock.nanoseconds + UInt64(seconds * 1e9)
        while MonotonicClock.nanoseconds < end { usleep(50_000) }
        let missed = try Self.regions.indices.map { try lacking(cluster, $0) }
        cluster.setLines { $0.passage = .open }
        let level = try waitLevel(cluster)
        let outcomes = try loads.map { try $0.stop() }
        try cluster.waitLevel()
        cluster.stopAll()
        let isSame = try cluster.holdTheSame()
        report(missed, level, outcomes, isSame)
    }

    private func report(_ missed: [Int], _ level: Double, _ outcomes: [SteadyLoad.Outcome], _ isSame: Bool) {
        var table = Table(
            "two regions, \(Figure.number(Self.delayMilliseconds)) ms apart, cut off for \(Figure.number(seconds)) s",
            ["links a second, each", "refused", "entries missed, each", "level after", "target", "converged"])
        table.add([
            outcomes.map { Figure.number(Double($0.successes) / $0.seconds) }.joined(separator: ", "),
            Figure.grouped(outcomes.reduce(0) { $0 + $1.failures }),
            missed.map { Figure.grouped($0) }.joined(separator: ", "), Figure.duration(level * 1e9),
            Figure.duration(Self.targetSeconds * 1e9), isSame ? "yes" : "no",
        ])
        StandardStream.output.write(
            table.text + "  level: each holds all but a second's links of the other, while more are made.\n\n")
    }

    /// Seconds from healing.
    private func waitLevel(_ cluster: RegionCluster) throws -> Double {
        let start = MonotonicClock.nanoseconds
        while try Self.regions.indices.contains(where: { try lacking(cluster, $0) > perSecond }) {
            guard MonotonicClock.nanoseconds - start < 300_000_000_000 else {
                throw LabError("the regions do not become level")
            }
            usleep(50_000)
        }
        return Double(MonotonicClock.nanoseconds - start) / 1e9
    }

    /// Entries of the other that this one has not applied.
    private func lacking(_ cluster: RegionCluster, _ index: Int) throws -> Int {
        Int(try cluster.node(1 - index).sample("edge_log_head")) - (try cluster.applied(index))
    }
}
