import Server

/// What redirects take while links are made: one for each hundred redirects, on the same connections.
struct MixedBench {
    static let options: Set<String> = BuiltStore.options.union(["connections", "zipf", "redirects-each"])

    private let rounds: Rounds
    private let connections, redirectsEach: Int
    private let store: BuiltStore
    private let law: LinkDraw.Law

    init(_ options: Options) throws {
        rounds = try Rounds(options)
        connections = try options.whole("connections", 1...1000) ?? 64
        redirectsEach = try options.whole("redirects-each", 1...1_000_000) ?? 100
        law = try BuiltStore.law(options)
        store = try BuiltStore(options, in: rounds, "mixed", links: 100_000)
    }

    init(_ rounds: Rounds, links: Int) throws {
        (self.rounds, connections, redirectsEach, law) = (rounds, 64, 100, .zipf(1))
        store = try BuiltStore(links, in: rounds.directory.appending("mixed"))
    }

    func run() throws {
        let node = try EdgeNode(data: store.directory, on: Processors.server)
        defer { node.stop() }
        let floor = try RedirectFloor.start(on: Processors.server)
        defer { floor.process.end() }
        let workload = Workload.redirects(LinkDraw(store.codes, law))
        func contender(
            _ process: ChildProcess, _ port: UInt16, _ other: LoadGenerator.Admixture?
        ) -> Contender<RedirectSample> {
            Contender(name: "") { seconds in
                try RedirectSample.measure(
                    process, port, workload, connections: connections, .together(1), with: other, seconds: seconds)
            }
        }
        let creates = LoadGenerator.Admixture(workload: .creates(), period: redirectsEach)
        let samples = try rounds.samples([
            contender(floor.process, floor.port, nil), contender(node.process, node.port, nil),
            contender(node.process, node.port, creates),
        ])
        var table = Table(
            "\(redirectsEach) redirects to 1 create, \(Figure.grouped(store.codes.count)) links, \(law.description), "
                + "\(connections) connections, one worker, \(rounds.description)",
            [""] + RedirectSample.columns + ["creates a second", "create p50", "p99"])
        for (name, own) in zip(["floor, redirects alone", "edge, redirects alone", "edge, both"], samples) {
            func other(_ value: (LoadResult) -> Double) -> Double { median(own.map { value($0.result) }) }
            let creates = other { Double($0.otherAnswers) / $0.seconds }
            func latency(_ quantile: Double) -> String {
                creates == 0 ? "-" : Figure.duration(other { Double($0.otherLatency.quantile(quantile)) })
            }
            table.add(
                [name] + RedirectSample.cells(own, of: samples[0])
                    + [creates == 0 ? "-" : Figure.number(creates), latency(0.5), latency(0.99)])
        }
        StandardStream.output.write(table.text + RedirectSample.explanation)
        StandardStream.output.write(
            "  p50, p99 and max are the redirects'; the answers a second and their cost are of both kinds.\n\n")
    }
}
