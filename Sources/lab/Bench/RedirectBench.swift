import Server

/// What a redirect costs the server, beside the least it can cost on this kernel.
struct RedirectBench {
    private struct Sample {
        /// Processor time of the server, user and system, in microseconds.
        let cost: Double
        let result: LoadResult
    }

    private let rounds: Rounds
    private let connections: [Int]
    private let pipelines: [Int]
    private let links: Int
    /// Whether a node whose redirects are limited, but to more than is asked, is measured beside the one without limits.
    private let withLimits: Bool

    init(_ options: Options) throws {
        rounds = try Rounds(options)
        connections = try options.list("connections", 1...1000) ?? [64]
        pipelines = try options.list("pipeline", 1...64) ?? [1, 16]
        links = try options.whole("links", 1...1_000_000_000) ?? 100_000
        withLimits = options.has("limits")
    }

    init(_ rounds: Rounds, links: Int) {
        (self.rounds, connections, pipelines, self.links) = (rounds, [64], [1, 16], links)
        withLimits = false
    }

    func run() throws {
        let data = rounds.directory.appending("redirect")
        let population = try LinkPopulation.make(links, in: data, keepingCodes: 1_000_000)
        let node = try EdgeNode(data: data, on: Processors.server)
        defer { node.stop() }
        let limited = try limitedNode()
        defer { limited?.node.stop() }
        let floor = try RedirectFloor.start(on: Processors.server)
        defer { floor.process.end() }
        let workload = Workload.redirects(population.codes)
        var table = Table(
            "redirects of \(Figure.grouped(links)) links, asked for by a Zipf-like law, one worker, \(rounds.description)",
            ["", "CPU each", "of floor", "of edge", "a second", "p50", "p99", "max", "failed"])
        for count in connections {
            for pipeline in pipelines {
                let shape = "\(count) connections, \(pipeline == 1 ? "one at a time" : "\(pipeline) at a time")"
                var contenders = [
                    contender("floor", floor.process, floor.port, workload, count, pipeline),
                    contender("edge", node.process, node.port, workload, count, pipeline),
                ]
                if let (limited, codes) = limited {
                    let workload = Workload.redirects(codes)
                    contenders.append(
                        contender("edge, limit on", limited.process, limited.port, workload, count, pipeline))
                }
                let samples = try rounds.samples(contenders)
                for (index, own) in samples.enumerated() {
                    add("\(contenders[index].name), \(shape)", own, of: samples[0], and: samples[1], to: &table)
                }
            }
        }
        StandardStream.output.write(table.text + "\n")
    }

    /// With a store of its own, as one node has one. Nil if it is not wanted.
    private func limitedNode() throws -> (node: EdgeNode, codes: [[UInt8]])? {
        guard withLimits else { return nil }
        let data = rounds.directory.appending("limited")
        let codes = try LinkPopulation.make(links, in: data, keepingCodes: 1_000_000).codes
        let limit = ["--rate_limit_redirect", "1000000/s burst 1000000"]
        return (try EdgeNode(data: data, flags: limit, on: Processors.server), codes)
    }

    private func contender(
        _ name: String, _ process: ChildProcess, _ port: UInt16, _ workload: Workload, _ connections: Int,
        _ pipeline: Int
    ) -> Contender<Sample> {
        Contender(name: name) { seconds in
            try Processors.on(Processors.load) {
                var load = try LoadGenerator(workload, port: port, connections: connections, pipeline: pipeline)
                let before = process.processorSeconds
                let result = try load.run(seconds: seconds)
                return Sample(
                    cost: (process.processorSeconds - before) / Double(max(1, result.answers)) * 1e6, result: result)
            }
        }
    }

    private func add(_ name: String, _ own: [Sample], of floor: [Sample], and edge: [Sample], to table: inout Table) {
        func latency(_ value: (LatencyHistogram) -> UInt64) -> String {
            Figure.duration(median(own.map { Double(value($0.result.latency)) }))
        }
        table.add([
            name, Figure.number(median(own.map(\.cost))) + " us",
            Figure.ratio(median(zip(own, floor).map { $0.cost / $1.cost })),
            Figure.fixed(median(zip(own, edge).map { $0.cost / $1.cost }), 3),
            Figure.number(median(own.map(\.result.answersASecond))),
            latency { $0.quantile(0.5) }, latency { $0.quantile(0.99) }, latency { $0.greatest },
            Figure.grouped(own.reduce(0) { $0 + $1.result.failures }),
        ])
    }
}
