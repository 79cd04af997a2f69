import Glibc
import Links
import Server
import Store

/// How long a new node takes to get all links from a peer over a line of 100 Mbit/s, and what that costs the peer, which goes on
/// answering and taking links meanwhile.
struct JoinBench {
    static let options: Set<String> = ["links", "urls", "seed"]
    private static let bytesPerSecond = 100_000_000 / 8
    private static let delayMilliseconds = 40.0
    private static let createsPerSecond = 300
    private static let redirectsPerSecond = 500
    private static let lookedUp = 5000
    private static let patienceSeconds = 600.0
    /// The giver, whose store is made beforehand, and the newcomer.
    private static let regions = ["local", "far"]
    private static let (giver, newcomer) = (0, 1)

    private let directory: WorkDirectory
    private let links: Int
    private let destinations: Destinations

    init(_ options: Options) throws {
        directory = try Rounds(options).directory
        links = try options.whole("links", BuiltStore.sizes) ?? 1_000_000
        destinations = try BuiltStore.destinations(options)
    }

    init(_ rounds: Rounds, links: Int) {
        (directory, self.links, destinations) = (rounds.directory, links, Destinations(seed: 1))
    }

    private struct Figures {
        var seconds = 0.0
        var carriedBytes = 0
        var usedBytes = (before: 0, after: 0)
        /// Of what was used before, pages that held nothing.
        var freeBytes = 0
        var creates = SteadyLoad.Outcome()
        var redirects = SteadyLoad.Outcome()
    }

    func run() throws {
        // What the node may give is not what limits it.
        let cluster = try RegionCluster("join", Self.regions, flags: ["--snapshot_rate", "1GiB"], in: directory)
        defer { cluster.stopAll() }
        let codes = try makeStore(cluster.data(Self.giver))
        cluster.setLines { ($0.delayMilliseconds, $0.bytesPerSecond) = (Self.delayMilliseconds, Self.bytesPerSecond) }
        let free = try StoreSizes(directory: cluster.data(Self.giver)).freeBytes
        try cluster.start(Self.giver)
        var figures = try measure(cluster, codes)
        figures.freeBytes = free
        try cluster.waitLevel()
        cluster.stop(Self.giver)
        let missed = try lookUp(codes, cluster)
        cluster.stop(Self.newcomer)
        let sizes = try StoreSizes(directory: cluster.data(Self.newcomer))
        let held = sizes.tables.filter { $0.name.hasPrefix("links/") || $0.name == "snowflakes" }
        report(figures, held: held.reduce(0) { $0 + $1.rowCount }, missed: missed)
    }

    /// Without a log of these links, and with hardly a free page, so that growth is seen.
    private func makeStore(_ data: String) throws -> IssuedCodes {
        let original = directory.appending("join-original")
        _ = try LinkPopulation.make(links, in: original, destinations, secret: RegionCluster.codeSecret)
        let codes = try IssuedCodes(directory: original)
        try StoreCopy.make(from: original, in: data)
        try runToEnd(["rm", "-rf", "--", original])
        return codes
    }

    private func measure(_ cluster: RegionCluster, _ codes: IssuedCodes) throws -> Figures {
        let node = cluster.node(Self.giver)
        let creates = SteadyLoad(.creates(), port: node.port, perSecond: Self.createsPerSecond)
        let redirects = SteadyLoad(
            .redirects(LinkDraw(codes, .zipf(1))), port: node.port, perSecond: Self.redirectsPerSecond)
        usleep(1_000_000)
        var figures = Figures()
        figures.usedBytes.before = Int(try node.sample("edge_store_used_bytes"))
        figures.seconds = try MonotonicClock.seconds {
            try cluster.start(Self.newcomer)
            try waitUntilReady(cluster.node(Self.newcomer))
        }
        figures.usedBytes.after = Int(try node.sample("edge_store_used_bytes"))
        figures.carriedBytes = cluster.carriedBytes
        (figures.creates, figures.redirects) = (try creates.stop(), try redirects.stop())
        return figures
    }

    private func waitUntilReady(_ node: EdgeNode) throws {
        let end = MonotonicClock.nanoseconds + UInt64(Self.patienceSeconds * 1e9)
        while try node.sample("edge_ready") == 0 {
            guard MonotonicClock.nanoseconds < end else { throw LabError("the new node does not become ready") }
            usleep(20_000)
        }
        guard try node.sample("edge_replication_snapshots_installed_total") == 1 else {
            throw LabError("the new node took no snapshot")
        }
    }

    /// How many of some links the newcomer alone does not answer.
    private func lookUp(_ codes: IssuedCodes, _ cluster: RegionCluster) throws -> Int {
        var load = try LoadGenerator(
            .redirects(LinkDraw(codes, .uniform)), port: cluster.node(Self.newcomer).port, connections: 8)
        return try load.run(seconds: 60, groups: Self.lookedUp).failures
    }

    private func report(_ figures: Figures, held: Int, missed: Int) {
        var table = Table(
            "a new node joins one of \(Figure.grouped(links)) links over 100 Mbit/s, "
                + "\(Figure.number(Self.delayMilliseconds)) ms one way",
            ["", "measured", "target"])
        table.add(["seconds from its start until it is ready", Figure.number(figures.seconds), "60"])
        let carried = Double(figures.carriedBytes)
        table.add(["bytes on the wire", Figure.bytes(carried), ""])
        table.add(["bytes on the wire a link", Figure.number(carried / Double(links)), ""])
        table.add([
            "of what the line could carry in that time",
            Figure.percent(carried / figures.seconds / Double(Self.bytesPerSecond)), "",
        ])
        let (before, after) = figures.usedBytes
        table.add([
            "growth of the giver's file, with the links made meanwhile",
            Figure.percent(Double(after - before) / Double(before)), "10 %",
        ])
        table.add(["free pages in it at first", Figure.percent(Double(figures.freeBytes) / Double(before)), ""])
        func add(_ name: String, _ outcome: SteadyLoad.Outcome, _ target: String) {
            table.add([
                "\(name) at the giver, failed of \(Figure.grouped(outcome.answers))",
                Figure.grouped(outcome.failures), target,
            ])
            table.add([
                "their p99 and longest",
                "\(Figure.duration(Double(outcome.latency.quantile(0.99)))), "
                    + Figure.duration(Double(outcome.latency.greatest)), "",
            ])
        }
        add("redirects", figures.redirects, "0")
        add("creates", figures.creates, "0")
        let all = links + figures.creates.successes
        table.add([
            "links that the newcomer lacks, of \(Figure.grouped(all))", Figure.grouped(all - min(all, held)), "0",
        ])
        table.add([
            "redirects that failed there, of \(Figure.grouped(Self.lookedUp))", Figure.grouped(missed), "0",
        ])
        StandardStream.output.write(
            table.text
                + "  snapshot_rate was set to 1 GiB a second. The file's growth is that of the pages ever used; the file "
                + "itself is reserved ahead, in steps.\n\n")
    }
}
