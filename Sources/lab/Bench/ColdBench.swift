import Server

/// Redirects of links that are all asked for alike, while the store's file is not in memory: the worst that can come
/// after a start, and what a store that is larger than memory gives all the time.
struct ColdBench {
    static let options: Set<String> = BuiltStore.options.union(["connections"])

    private let rounds: Rounds
    private let connections: Int
    private let store: BuiltStore

    init(_ options: Options) throws {
        rounds = try Rounds(options)
        connections = try options.whole("connections", 1...1000) ?? 64
        store = try BuiltStore(options, in: rounds, "cold", links: 1_000_000)
    }

    init(_ rounds: Rounds, links: Int) throws {
        (self.rounds, connections) = (rounds, 64)
        store = try BuiltStore(links, in: rounds.directory.appending("cold"))
    }

    private struct Sample {
        let redirects: RedirectSample
        /// Of all redirects together.
        let majorFaults, readBytes: Double
    }

    func run() throws {
        let floor = try RedirectFloor.start(on: Processors.server)
        defer { floor.process.end() }
        let workload = Workload.redirects(LinkDraw(store.codes, .uniform))
        var contenders = [
            Contender(name: "floor") { try measure(floor.process, floor.port, workload, $0) },
            Contender(name: "edge, file not in memory") { seconds in
                forgetPages(of: store.path)
                return try measureNode(workload, seconds)
            },
        ]
        if try availableMemoryBytes() > fileBytes(store.path) {
            contenders.append(
                Contender(name: "edge, file in memory") { seconds in
                    try readThrough(store.path)
                    return try measureNode(workload, seconds)
                })
        }
        let samples = try rounds.samples(contenders)
        var table = Table(
            "redirects of \(Figure.grouped(store.codes.count)) links, uniform, \(connections) connections, one worker, "
                + "a new node each time, \(rounds.description)",
            [""] + RedirectSample.columns + ["disk reads each", "bytes each"])
        for (contender, own) in zip(contenders, samples) {
            func each(_ value: KeyPath<Sample, Double>) -> Double {
                median(own.map { $0[keyPath: value] / Double(max(1, $0.redirects.result.answers)) })
            }
            table.add(
                [contender.name] + RedirectSample.cells(own.map(\.redirects), of: samples[0].map(\.redirects))
                    + [Figure.fixed(each(\.majorFaults), 3), Figure.number(each(\.readBytes))])
        }
        StandardStream.output.write(table.text + RedirectSample.explanation)
        StandardStream.output.write("  disk reads: page faults that waited for the disk; bytes: what it read.\n\n")
    }

    private func measureNode(_ workload: Workload, _ seconds: Double) throws -> Sample {
        let node = try EdgeNode(data: store.directory, on: Processors.server)
        defer { node.stop() }
        return try measure(node.process, node.port, workload, seconds)
    }

    private func measure(
        _ process: ChildProcess, _ port: UInt16, _ workload: Workload, _ seconds: Double
    ) throws -> Sample {
        let (faults, bytes) = (try process.majorFaults(), try process.readBytes())
        let redirects = try RedirectSample.measure(
            process, port, workload, connections: connections, .together(1), seconds: seconds)
        return Sample(
            redirects: redirects, majorFaults: Double(try process.majorFaults() - faults),
            readBytes: Double(try process.readBytes() - bytes))
    }
}
