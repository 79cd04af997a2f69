import Server

/// One measurement of a server that answers redirects.
struct RedirectSample {
    /// Processor time of the server, user and system, of all its threads, in microseconds an answer.
    let cost: Double
    let result: LoadResult

    /// Loads `process` for `seconds`; the load runs on the load's processor.
    static func measure(
        _ process: ChildProcess, _ port: UInt16, _ workload: Workload, connections: Int, _ form: LoadForm,
        with other: LoadGenerator.Admixture? = nil, seconds: Double
    ) throws -> RedirectSample {
        try Processors.on(Processors.load) {
            var load = try LoadGenerator(workload, port: port, connections: connections, form, with: other)
            let before = process.processorSeconds
            let result = try load.run(seconds: seconds)
            let used = process.processorSeconds - before
            return RedirectSample(cost: used / Double(max(1, result.answers)) * 1e6, result: result)
        }
    }

    /// The columns that every bench of redirects has, after the first one.
    static let columns = ["CPU each", "of floor", "a second", "p50", "p99", "max", "failed"]

    static func cells(_ own: [RedirectSample], of floor: [RedirectSample]) -> [String] {
        func latency(_ value: (LatencyHistogram) -> UInt64) -> String {
            Figure.duration(median(own.map { Double(value($0.result.latency)) }))
        }
        return [
            Figure.number(median(own.map(\.cost))) + " us", Figure.ratio(ratio(own, to: floor)),
            Figure.number(median(own.map(\.result.answersASecond))),
            latency { $0.quantile(0.5) }, latency { $0.quantile(0.99) }, latency { $0.greatest },
            Figure.grouped(own.reduce(0) { $0 + $1.result.failures }),
        ]
    }

    /// Of the costs, round by round; the median.
    static func ratio(_ own: [RedirectSample], to other: [RedirectSample]) -> Double {
        median(zip(own, other).map { $0.cost / max($1.cost, 1e-9) })
    }

    static let explanation = """
          CPU each: processor time of the server, all threads, user and system, for one answer.
          of floor: that, divided by the floor's in the same round; median of the rounds. 1.00 is what the kernel alone takes.

        """
}
