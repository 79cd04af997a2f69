import Primitives
import Server
import Synchronization

/// What is left of the node's best when twice as much is asked of it, and creates besides.
struct OverloadBench {
    fileprivate struct Sample {
        var redirects = 0.0
        var p50 = 0.0
        var p99 = 0.0
        var greatest = 0.0
        var turnedAway = 0.0
        var failures = 0
        /// Creates answered 201 a second, and refused.
        var creates = 0.0
        var refusedCreates = 0.0
    }

    private let rounds: Rounds
    private let connections: Int
    private static let links = 100_000
    private static let createConnections = 32

    init(_ options: Options) throws {
        rounds = try Rounds(options)
        connections = try options.whole("connections", 1...100_000) ?? 4000
    }

    init(_ rounds: Rounds, connections: Int) { (self.rounds, self.connections) = (rounds, connections) }

    func run() throws {
        try raiseDescriptorLimit(atLeast: connections + 1000)
        let subject = try Subject(Self.links, in: rounds, "overload")
        defer { subject.node.stop() }
        var best = 0.0
        let samples = try rounds.samples([
            Contender(name: "best") { seconds in
                let sample = try sustainable(subject, seconds: seconds)
                best = sample.redirects
                return sample
            },
            Contender(name: "twice") { try overload(subject, rate: 2 * best, creates: 0, seconds: $0) },
            Contender(name: "twice and creates") {
                try overload(subject, rate: 2 * best, creates: Self.createConnections, seconds: $0)
            },
        ])
        report(samples)
    }

    /// A closed loop: as much as the node can answer.
    private func sustainable(_ subject: Subject, seconds: Double) throws -> Sample {
        try Processors.on(Processors.load) {
            var load = try LoadGenerator(subject.workload, port: subject.node.port, connections: 64)
            return Sample(try load.run(seconds: seconds))
        }
    }

    private func overload(
        _ subject: Subject, rate: Double, creates: Int, seconds: Double
    ) throws -> Sample {
        try Processors.on(Processors.load) {
            let created = Mutex<Result<LoadResult, LabError>?>(nil)
            let (workload, port) = (subject.workload, subject.node.port)
            let thread = SystemThread("creates") {
                let result = Self.create(port, connections: creates, seconds: seconds)
                created.withLock { $0 = result }
            }
            let outcome: Result<OpenResult, any Error> = Result {
                var load = try OpenLoad(workload, port: port, connections: connections)
                return try load.run(perSecond: rate, seconds: seconds)
            }
            thread.join()
            let result = try outcome.get()
            var sample = Sample(result.load)
            sample.turnedAway = Double(result.turnedAway) / seconds
            if let load = try created.withLock({ $0 })?.get() {
                sample.refusedCreates = Double(load.failures) / seconds
                sample.creates = Double(load.answers - load.failures) / seconds
            }
            return sample
        }
    }

    private static func create(_ port: UInt16, connections: Int, seconds: Double) -> Result<LoadResult, LabError>? {
        guard connections > 0 else { return nil }
        do {
            var load = try LoadGenerator(.creates(), port: port, connections: connections)
            return .success(try load.run(seconds: seconds))
        } catch {
            return .failure(error as? LabError ?? LabError("\(error)"))
        }
    }

    private func report(_ samples: [[Sample]]) {
        let names = [
            "closed loop, 64 connections: the best", "twice as much, open loop",
            "and creates, as fast as they are taken",
        ]
        var table = Table(
            "redirects of \(Figure.grouped(Self.links)) links, open loops on \(Figure.grouped(connections)) connections, "
                + "one worker, \(rounds.description)",
            [
                "", "a second", "of best", "p50", "p99", "max", "turned away", "failed", "creates a second", "refused",
            ])
        for (name, own) in zip(names, samples) {
            func middle(_ value: KeyPath<Sample, Double>) -> Double { median(own.map { $0[keyPath: value] }) }
            table.add([
                name, Figure.number(middle(\.redirects)),
                Figure.ratio(median(zip(own, samples[0]).map { $0.redirects / max(1, $1.redirects) })),
                Figure.duration(middle(\.p50)), Figure.duration(middle(\.p99)), Figure.duration(middle(\.greatest)),
                Figure.number(middle(\.turnedAway)), Figure.grouped(own.reduce(0) { $0 + $1.failures }),
                Figure.number(middle(\.creates)), Figure.number(middle(\.refusedCreates)),
            ])
        }
        StandardStream.output.write(table.text + "\n")
    }
}

extension OverloadBench.Sample {
    fileprivate init(_ load: LoadResult) {
        redirects = Double(load.answersInTime - min(load.answersInTime, load.failures)) / load.seconds
        (p50, p99) = (Double(load.latency.quantile(0.5)), Double(load.latency.quantile(0.99)))
        (greatest, failures) = (Double(load.latency.greatest), load.failures)
    }
}
