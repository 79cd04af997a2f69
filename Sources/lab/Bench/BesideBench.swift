import Glibc
import Links
import Server
import Store

/// What the redirects of a node cost while entries of another region come in, beside what they cost without: only the
/// processor time of its redirect worker counts.
///
/// The other region is on the same machine here, and takes processor and caches for its own work. So a third run has the
/// same links made at a node that is nobody's peer.
///
/// All redirects come on one connection, so that the worker wakes up for the same number of them each time, whoever else
/// has a processor: of what many connections ask, the more comes at once and so the cheaper the longer it was kept waiting.
struct BesideBench {
    static let options: Set<String> = ["links", "urls", "seed", "rate"]
    /// The measured node, whose store is made beforehand, and the one where links are made.
    private static let regions = ["local", "far"]

    private static let forms: [(name: String, form: LoadForm)] = [
        ("one at a time", .together(1)), ("16 at a time", .together(16)),
    ]

    private let rounds: Rounds
    private let links: Int
    private let destinations: Destinations
    private let createsPerSecond: Int

    init(_ options: Options) throws {
        rounds = try Rounds(options)
        links = try options.whole("links", BuiltStore.sizes) ?? 100_000
        destinations = try BuiltStore.destinations(options)
        createsPerSecond = try options.whole("rate", 10...100_000) ?? 1000
    }

    init(_ rounds: Rounds, links: Int) {
        (self.rounds, self.links, destinations) = (rounds, links, Destinations(seed: 1))
        createsPerSecond = 1000
    }

    private struct Sample {
        /// Of the worker, in nanoseconds a redirect.
        var cost = 0.0
        /// Of the worker, a redirect.
        var wakeUps = 0.0
        var faults = 0.0
        var result = LoadResult()
        /// Of other nodes, applied a second.
        var applied = 0.0
        var creates: SteadyLoad.Outcome?
    }

    func run() throws {
        let cluster = try RegionCluster("beside", Self.regions, in: rounds.directory)
        defer { cluster.stopAll() }
        _ = try LinkPopulation.make(links, in: cluster.data(0), destinations, secret: RegionCluster.codeSecret)
        let redirects = Workload.redirects(LinkDraw(try IssuedCodes(directory: cluster.data(0)), .zipf(1)))
        try cluster.start(0, on: Processors.server)
        try cluster.start(1)
        let stranger = try EdgeNode(data: rounds.directory.appending("beside-stranger"))
        defer { stranger.stop() }
        try cluster.wait(applied: [0, links])
        try cluster.waitLevel()
        let node = cluster.node(0)
        let worker = try node.process.thread("worker-0")
        func contender(_ form: LoadForm, _ creating: EdgeNode?) -> Contender<Sample> {
            Contender(name: "") { seconds in
                let creates = creating.map { SteadyLoad(.creates(), port: $0.port, perSecond: createsPerSecond) }
                var sample = try Processors.on(Processors.load) {
                    try measure(
                        node, worker, try LoadGenerator(redirects, port: node.port, connections: 1, form), seconds)
                }
                sample.creates = try creates?.stop()
                try cluster.waitLevel()
                return sample
            }
        }
        let creating = [nil, stranger, cluster.node(1)]
        let samples = try rounds.samples(
            Self.forms.flatMap { form in creating.map { contender(form.form, $0) } })
        for (index, form) in Self.forms.enumerated() {
            report(form.name, Array(samples[index * creating.count..<(index + 1) * creating.count]))
        }
    }

    private func measure(
        _ node: EdgeNode, _ worker: pid_t, _ load: consuming LoadGenerator, _ seconds: Double
    ) throws -> Sample {
        // Until the first of them have come.
        _ = try load.run(seconds: min(0.3, seconds))
        func figures() throws -> [Double] {
            [
                Double(try node.process.processorNanoseconds(of: worker)), try node.sample("edge_worker_wakeups_total"),
                Double(try node.process.minorFaults(of: worker)),
                try node.sample("edge_replication_entries_applied_total"),
            ]
        }
        let before = try figures()
        let result = try load.run(seconds: seconds)
        let used = zip(try figures(), before).map(-)
        let answers = Double(max(1, result.answers))
        return Sample(
            cost: used[0] / answers, wakeUps: used[1] / answers, faults: used[2] / answers, result: result,
            applied: used[3] / seconds)
    }

    private func report(_ form: String, _ samples: [[Sample]]) {
        let names = ["alone", "links made at a stranger", "links made at a peer"]
        var table = Table(
            "redirects of \(Figure.grouped(links)) links, \(form), one worker; "
                + "\(Figure.grouped(createsPerSecond)) links a second made elsewhere; \(rounds.description)",
            [
                "", "worker's CPU each", "of alone", "of stranger", "target", "wake-ups each", "faults each", "p50",
                "p99", "failed", "entries a second",
            ])
        for (index, name) in names.enumerated() {
            let own = samples[index]
            func middle(_ value: (Sample) -> Double) -> String { Figure.number(median(own.map(value))) }
            func ratio(to other: Int) -> String {
                index <= other ? "" : Figure.ratio(median(zip(own, samples[other]).map { $0.cost / max(1, $1.cost) }))
            }
            func latency(_ quantile: Double) -> String {
                Figure.duration(median(own.map { Double($0.result.latency.quantile(quantile)) }))
            }
            table.add([
                name, Figure.duration(median(own.map(\.cost))), ratio(to: 0), ratio(to: 1), index == 2 ? "x1.05" : "",
                middle(\.wakeUps), middle(\.faults), latency(0.5), latency(0.99),
                Figure.grouped(own.reduce(0) { $0 + $1.result.failures }), middle(\.applied),
            ])
        }
        let creates = samples.joined().compactMap(\.creates)
        let failures = creates.reduce(0) { $0 + $1.failures }
        StandardStream.output.write(
            table.text + "  of stranger: what is left once the other nodes' own work on this machine is in both. "
                + "\(Figure.grouped(failures)) of \(Figure.grouped(creates.reduce(0) { $0 + $1.answers })) links refused.\n\n"
        )
    }
}
