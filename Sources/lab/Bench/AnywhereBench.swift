import Glibc
import Server

/// Whether a link works everywhere as soon as it is made: it is made in one region and asked for in another at once, with
/// the token that came with it and without, 40 ms away one way, while others make links. And what a token that is covered
/// costs a redirect.
///
/// While one of the configured nodes has never run, the others cannot know how far its numbers went, and hand out
/// Snowflakes; so those are measured first.
struct AnywhereBench {
    private static let regions = ["us", "eu", "ap"]
    private static let delay = 40.0
    private static let probes = 16

    private let rounds: Rounds
    private let perSecond: Int

    init(_ options: Options) throws {
        rounds = try Rounds(options)
        perSecond = try options.whole("rate", 10...100_000) ?? 1000
    }

    init(_ rounds: Rounds, perSecond: Int) { (self.rounds, self.perSecond) = (rounds, perSecond) }

    func run() throws {
        let cluster = try RegionCluster(
            "anywhere", Self.regions, flags: RegionCluster.refusesNothing, in: rounds.directory)
        defer { cluster.stopAll() }
        cluster.setLines { $0.delayMilliseconds = Self.delay }
        try cluster.start(0)
        try cluster.start(1)
        try cluster.wait(applied: [1, 1, 0])
        var table = Table(
            "made in one region, asked for in another \(Figure.number(Self.delay)) ms away, "
                + "\(Figure.grouped(perSecond)) links a second made besides",
            ["", "links", "wrong", "missing", "by another node", "p50", "p99", "target p99"])
        for carriesToken in [true, false] { try add(.snowflakes, carriesToken, cluster, to: &table) }
        try cluster.start(2)
        try waitForGeneratedCodes(cluster.node(0))
        for kind in [AnywhereProbe.Kind.generated, .aliases] {
            for carriesToken in [true, false] { try add(kind, carriesToken, cluster, to: &table) }
        }
        StandardStream.output.write(
            table.text
                + "  the lines' own delay, p50 and p99: \(Figure.duration(Double(cluster.lateness.quantile(0.5)))), "
                + "\(Figure.duration(Double(cluster.lateness.quantile(0.99))))\n\n")
        cluster.stopAll()
        try measureCost()
    }

    private func add(
        _ kind: AnywhereProbe.Kind, _ carriesToken: Bool, _ cluster: RegionCluster, to table: inout Table
    ) throws {
        let load = SteadyLoad(.creates(), port: cluster.node(0).port, perSecond: perSecond)
        // Until its first links have come.
        usleep(500_000)
        let probes = try (0..<Self.probes).map {
            try AnywhereProbe(
                kind, from: cluster.node(0).port, to: cluster.node(1).port, number: $0, carriesToken: carriesToken,
                seconds: rounds.seconds * Double(rounds.count))
        }
        var outcome = AnywhereProbe.Outcome()
        for probe in probes { outcome.add(try probe.wait()) }
        _ = try load.stop()
        guard kind == .aliases || (outcome.codeBytes > 8) == (kind == .snowflakes) else {
            throw LabError("these are no \(kind.rawValue)")
        }
        func milliseconds(_ quantile: Double) -> String {
            Figure.duration(Double(outcome.latency.quantile(quantile)))
        }
        table.add([
            kind.rawValue + (carriesToken ? ", with the token" : ", without"), Figure.grouped(outcome.links),
            Figure.grouped(outcome.wrong), Figure.grouped(outcome.missing), Figure.grouped(outcome.remote),
            milliseconds(0.5), milliseconds(0.99), "\(Figure.number(2 * Self.delay + 20)) ms",
        ])
    }

    /// Once all nodes have been heard.
    private func waitForGeneratedCodes(_ node: EdgeNode) throws {
        let client = try ProbeClient(node.port)
        let end = MonotonicClock.nanoseconds + 60_000_000_000
        while MonotonicClock.nanoseconds < end {
            let body = #"{"long_url":"https://example.com/"}"#
            let made = try client.ask(
                "POST /shorten HTTP/1.1\r\nHost: lab\r\nContent-Type: application/json\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n" + body)
            if let code = made["Location"]?.split(separator: "/").last, code.utf8.count == 7 { return }
            usleep(50_000)
        }
        throw LabError("no generated codes are given out")
    }

    // MARK: What a token costs

    private struct Cost {
        /// Of the worker, in nanoseconds a redirect.
        var nanoseconds = 0.0
        var failures = 0
    }

    private func measureCost() throws {
        let node = try EdgeNode(data: rounds.directory.appending("anywhere-cost"), on: Processors.server)
        defer { node.stop() }
        let client = try ProbeClient(node.port)
        let body = #"{"long_url":"https://example.com/a/path/of/ordinary/length"}"#
        let made = try client.ask(
            "POST /shorten HTTP/1.1\r\nHost: lab\r\nContent-Type: application/json\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n" + body)
        guard let code = made["Location"]?.split(separator: "/").last, let token = made["Edge-Token"] else {
            throw LabError("no link was made: \(made.status)")
        }
        let worker = try node.process.thread("worker-0")
        let fields = ["", "Edge-Other: \(token)\r\n", "Edge-Token: \(token)\r\n"]
        for (name, form) in [("one at a time", LoadForm.together(1)), ("16 at a time", .together(16))] {
            let samples = try rounds.samples(
                fields.map { fields in
                    Contender(name: "") { seconds in
                        try Processors.on(Processors.load) {
                            try cost(node, worker, .redirects(of: String(code), fields), form, seconds)
                        }
                    }
                })
            report(name, samples)
        }
    }

    private func cost(
        _ node: EdgeNode, _ worker: pid_t, _ workload: Workload, _ form: LoadForm, _ seconds: Double
    ) throws -> Cost {
        var load = try LoadGenerator(workload, port: node.port, connections: 1, form)
        let before = try node.process.processorNanoseconds(of: worker)
        let result = try load.run(seconds: seconds)
        let used = try node.process.processorNanoseconds(of: worker) - before
        return Cost(nanoseconds: Double(used) / Double(max(1, result.answers)), failures: result.failures)
    }

    private func report(_ form: String, _ samples: [[Cost]]) {
        var table = Table(
            "a redirect with a token that is covered, \(form), one worker; \(rounds.description)",
            ["", "worker's CPU each", "of plain", "target", "failed"])
        for (index, name) in ["plain", "with a field of that length that nobody reads", "with the token"].enumerated() {
            let ratio = median(zip(samples[index], samples[0]).map { $0.nanoseconds / max(1, $1.nanoseconds) })
            table.add([
                name, Figure.duration(median(samples[index].map(\.nanoseconds))), Figure.ratio(ratio),
                index == 2 ? "x1.05" : "", Figure.grouped(samples[index].reduce(0) { $0 + $1.failures }),
            ])
        }
        StandardStream.output.write(table.text + "\n")
    }
}
