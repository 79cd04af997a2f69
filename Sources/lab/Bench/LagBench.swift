import Glibc
import Links
import Primitives
import Server
import Synchronization

/// How far regions are behind each other: three nodes, 40 ms apart, that all take links at a steady rate.
struct LagBench {
    private static let regions = ["us", "eu", "ap"]
    private static let delay = 40.0
    private static let idleSeconds = 6.0
    private let rounds: Rounds
    private let perSecond: Int
    private let away: Int

    init(_ options: Options) throws {
        rounds = try Rounds(options)
        perSecond = try options.whole("rate", 10...100_000) ?? 1000
        away = try options.whole("away", 100...10_000_000) ?? 100_000
    }

    init(_ rounds: Rounds, perSecond: Int, away: Int) {
        (self.rounds, self.perSecond, self.away) = (rounds, perSecond, away)
    }

    func run() throws {
        let cluster = try RegionCluster("lag", Self.regions, in: rounds.directory)
        defer { cluster.stopAll() }
        cluster.setLines { $0.delayMilliseconds = Self.delay }
        try cluster.startAll()
        try cluster.wait(applied: [2, 2, 2])
        let idle = try idleBytesASecond(cluster)
        let load = try measureLoad(cluster)
        let catchUp = try measureCatchUp(cluster)
        let lateness = cluster.lateness
        cluster.stopAll()
        let each = load.created / 3
        let payload = try Self.regions.indices.map { try cluster.payloadBytes($0, first: each) }.reduce(0, +) / 3
        report(load, idle, catchUp, lateness, payload)
    }

    private struct LoadFigures {
        var lag = LatencyHistogram()
        var created = 0
        var failures = 0
        /// Of the one that took longest.
        var nanoseconds: UInt64 = 0
        var applied = 0
        var duplicates = 0
        var bytes = 0
    }

    /// Bytes on the wire a second between two nodes, both directions.
    private func idleBytesASecond(_ cluster: RegionCluster) throws -> Double {
        // What the start brought with it has passed; then signs of life come every two seconds.
        usleep(1_000_000)
        let (before, start) = (cluster.carriedBytes, MonotonicClock.nanoseconds)
        usleep(UInt32(Self.idleSeconds * 1e6))
        return Double(cluster.carriedBytes - before) / (Double(MonotonicClock.nanoseconds - start) / 1e9) / 3
    }

    private func measureLoad(_ cluster: RegionCluster) throws -> LoadFigures {
        var figures = LoadFigures()
        let indices = Self.regions.indices
        let before = try indices.map { (try cluster.applied($0), try cluster.duplicates($0)) }
        let bytes = cluster.carriedBytes
        let seconds = rounds.seconds * Double(rounds.count)
        let probes = try indices.map { try LagProbe(cluster.node($0).port) }
        let writers = try indices.map { index in
            try LagWriter(
                cluster.node(index).port, region: index, perSecond: perSecond, seconds: seconds,
                // Each sample is looked for at one of the others.
                probe: probes[(index + 1) % indices.count])
        }
        var made = [Int]()
        for writer in writers {
            let outcome = writer.wait()
            made.append(outcome.created)
            figures.failures += outcome.failures
            figures.nanoseconds = max(figures.nanoseconds, outcome.nanoseconds)
        }
        figures.created = made.reduce(0, +)
        try cluster.wait(applied: indices.map { before[$0].0 + figures.created - made[$0] })
        for probe in probes { figures.lag.add(try probe.finish()) }
        figures.bytes = cluster.carriedBytes - bytes
        for index in indices {
            figures.applied += try cluster.applied(index) - before[index].0
            figures.duplicates += try cluster.duplicates(index) - before[index].1
        }
        return figures
    }

    /// Entries a second that a node takes which was away; from its listening on.
    private func measureCatchUp(_ cluster: RegionCluster) throws -> Double {
        cluster.stop(2)
        for index in [0, 1] {
            var load = try LoadGenerator(.creates(), port: cluster.node(index).port, connections: 64)
            var made = 0
            while made < away / 2 {
                let result = try load.run(seconds: 0.2)
                made += result.answers - result.failures
            }
        }
        let (before, start) = (0, MonotonicClock.nanoseconds)
        try cluster.start(2)
        try cluster.wait(applied: [0, 0, before + away])
        return Double(try cluster.applied(2)) / (Double(MonotonicClock.nanoseconds - start) / 1e9)
    }

    private func report(
        _ load: LoadFigures, _ idle: Double, _ catchUp: Double, _ lateness: LatencyHistogram, _ payload: Double
    ) {
        var table = Table(
            "three regions, \(Figure.number(Self.delay)) ms one way, \(Figure.grouped(perSecond)) creates a second in each",
            ["", "measured", "target"])
        func milliseconds(_ nanoseconds: UInt64) -> String { Figure.duration(Double(nanoseconds)) }
        let own = (lateness.quantile(0.5), lateness.quantile(0.99))
        func net(_ quantile: Double, _ own: UInt64) -> String {
            let lag = load.lag.quantile(quantile)
            return milliseconds(lag - min(lag, own))
        }
        table.add(["from 201 here to 302 there, p50, net of the lines' own", net(0.5, own.0), "50 ms"])
        table.add(["the same, p99", net(0.99, own.1), "100 ms"])
        table.add(["the lines' own delay, p50 and p99", "\(milliseconds(own.0)), \(milliseconds(own.1))", ""])
        let entry = Double(load.bytes) / Double(max(1, load.applied)) - payload
        table.add([
            "bytes an entry beyond key and value (\(Figure.number(payload)))", Figure.number(max(0, entry)), "40",
        ])
        table.add([
            "entries that came twice", Figure.percent(Double(load.duplicates) / Double(max(1, load.applied))), "1 %",
        ])
        table.add(["entries a second of a node that was away", Figure.number(catchUp), "30 000"])
        table.add(["bytes a second between two idle nodes", Figure.number(idle), "1 024"])
        StandardStream.output.write(
            table.text + "  \(Figure.grouped(load.created)) links made in \(milliseconds(load.nanoseconds)), "
                + "\(Figure.grouped(load.failures)) refused; \(Figure.grouped(Int(load.lag.count))) of them looked for elsewhere\n\n"
        )
    }
}
