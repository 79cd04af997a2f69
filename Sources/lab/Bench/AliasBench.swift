import CLinux
import Glibc
import Primitives
import Server

/// How long it takes to get an alias in three regions, with all of them there and with one dead; and whether each of many
/// names that are raced from all has one winner, whatever happens meanwhile.
struct AliasBench {
    static let options: Set<String> = ["names"]
    private static let regions = ["us", "eu", "ap"]
    private static let delay = 40.0
    /// Beyond two round trips.
    private static let allowedMilliseconds = 20.0
    private static let claims = 100

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
        let race = try AliasRace(cluster, names: names).run()
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

    private func report(_ whole: Latency, _ lacking: Latency, _ race: AliasRace.Outcome) {
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
            "\(Figure.grouped(names)) names raced from all three, while lines lose and nodes are killed",
            ["names a second", "one winner", "several", "none", "wrong", "asked again", "kills", "losses"])
        races.add(
            [Figure.number(Double(names) / race.seconds)]
                + [race.oneWinner, race.several, race.none, race.wrong, race.repeated, race.kills, race.losses].map {
                    Figure.grouped($0)
                })
        StandardStream.output.write(table.text + "\n" + races.text + "\n")
    }
}
