import Server

/// What slow clients cost the others: the latency of a steady load, with and without them, in turn.
struct SlowBench {
    private let rounds: Rounds
    private let slow: Int
    private let rate: Double

    private static let links = 10_000
    private static let connections = 64

    init(_ options: Options) throws {
        rounds = try Rounds(options)
        slow = try options.whole("clients", 1...100_000) ?? 2000
        rate = try options.number("rate", 1...1_000_000) ?? 10_000
    }

    init(_ rounds: Rounds, clients: Int) { (self.rounds, slow, rate) = (rounds, clients, 10_000) }

    func run() throws {
        try raiseDescriptorLimit(atLeast: slow + 1000)
        let subject = try Subject(Self.links, in: rounds, "slow")
        defer { subject.node.stop() }
        var figures = (bytes: 0, closed: 0)
        let samples = try rounds.samples([
            Contender(name: "alone") { try measure(subject, seconds: $0) },
            Contender(name: "beside") { seconds in
                let clients = try Processors.on(Processors.load) {
                    try SlowClients(slow, port: subject.node.port, code: subject.firstCode)
                }
                defer {
                    let own = clients.stop()
                    figures = (figures.bytes + own.bytes, figures.closed + own.closed)
                }
                return try measure(subject, seconds: seconds)
            },
        ])
        report(samples)
        StandardStream.output.write(
            "  the slow ones sent \(Figure.grouped(figures.bytes)) bytes one by one; the node closed "
                + "\(Figure.grouped(figures.closed)) of their connections\n\n")
    }

    private func measure(_ subject: Subject, seconds: Double) throws -> OpenResult {
        try Processors.on(Processors.load) {
            var load = try OpenLoad(subject.workload, port: subject.node.port, connections: Self.connections)
            // Until the slow ones have what the node gives them at once, and wait.
            _ = try load.run(perSecond: rate, seconds: min(1, seconds))
            return try load.run(perSecond: rate, seconds: seconds)
        }
    }

    private func report(_ samples: [[OpenResult]]) {
        var table = Table(
            "\(Figure.number(rate)) redirects a second, due at a constant rate, one worker, \(rounds.description)",
            ["", "p50", "p99", "p99 ratio", "max", "answered", "turned away", "failed"])
        func p99(_ result: OpenResult) -> Double { Double(result.load.latency.quantile(0.99)) }
        for (name, own) in zip(["alone", "beside \(Figure.grouped(slow)) slow clients"], samples) {
            func latency(_ value: (OpenResult) -> Double) -> String { Figure.duration(median(own.map(value))) }
            table.add([
                name, latency { Double($0.load.latency.quantile(0.5)) }, latency(p99),
                Figure.ratio(median(zip(own, samples[0]).map { p99($0) / max(1, p99($1)) })),
                latency { Double($0.load.latency.greatest) },
                Figure.grouped(own.reduce(0) { $0 + $1.load.answers }),
                Figure.grouped(own.reduce(0) { $0 + $1.turnedAway }),
                Figure.grouped(own.reduce(0) { $0 + $1.load.failures }),
            ])
        }
        StandardStream.output.write(table.text)
    }
}
