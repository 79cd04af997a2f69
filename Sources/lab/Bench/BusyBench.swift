import Glibc
import Primitives
import Server
import Synchronization

/// What batches and imports cost the others: the latency of redirects at a steady rate, with a link made for each hundred of
/// them, alone, beside batches, and beside an import, in turn.
struct BusyBench {
    private let rounds: Rounds
    private let rate: Double

    private static let links = 10_000
    private static let connections = 64
    private static let redirectsEach = 100.0
    private static let batchEntries = 1000
    /// More rows than a node takes in.
    private static let importedPerSecond = 100_000.0

    private struct Sample {
        let redirects: OpenResult
        let creates: SteadyLoad.Outcome
        /// Of all kinds.
        let linksPerSecond: Double

        var p99: Double { Double(redirects.load.latency.quantile(0.99)) }
    }

    init(_ options: Options) throws {
        rounds = try Rounds(options)
        rate = try options.number("rate", 1...1_000_000) ?? 10_000
    }

    init(_ rounds: Rounds) { (self.rounds, rate) = (rounds, 10_000) }

    func run() throws {
        let store = try BuiltStore(Self.links, in: rounds.directory.appending("busy"))
        let node = try EdgeNode(
            data: store.directory, workers: 1, limits: EdgeNode.unlimited, on: Processors.server, hasMetrics: true)
        defer { node.stop() }
        let redirects = Workload.redirects(LinkDraw(store.codes, .zipf(1)))
        var imports = 0
        report(
            try rounds.samples([
                Contender(name: "") { try measure(node, redirects, seconds: $0) },
                Contender(name: "") { seconds in
                    let batches = BatchLoad(port: node.port, entries: Self.batchEntries)
                    let sample = Result { try measure(node, redirects, seconds: seconds) }
                    try batches.stop()
                    return try sample.get()
                },
                Contender(name: "") { seconds in
                    imports += 1
                    let file = ImportFile(rounds.directory.appending("busy.ndjson"), names: "busy-\(imports)-")
                    _ = try file.write(rows: Int(Self.importedPerSecond * (seconds + 1)))
                    // Whoever moves in does so from elsewhere: their program is not to take the node's processor.
                    let moving = try ChildProcess(
                        ["/usr/bin/nice", "-n", "19", siblingProgram("edge"), "import", "ndjson", file.path]
                            + ["--server", "http://127.0.0.1:\(node.port)"])
                    let sample = try measure(node, redirects, seconds: seconds)
                    guard !moving.hasEnded else { throw LabError("the import ended before the measurement did") }
                    return sample
                },
            ]))
    }

    private func measure(_ node: EdgeNode, _ redirects: Workload, seconds: Double) throws -> Sample {
        try Processors.on(Processors.load) {
            var load = try OpenLoad(redirects, port: node.port, connections: Self.connections)
            _ = try load.run(perSecond: rate, seconds: min(1, seconds))
            let creates = SteadyLoad(.creates(), port: node.port, perSecond: Int(rate / Self.redirectsEach))
            let head = try node.sample("edge_log_head")
            let result = Result { try load.run(perSecond: rate, seconds: seconds) }
            let made = try node.sample("edge_log_head") - head
            return Sample(redirects: try result.get(), creates: try creates.stop(), linksPerSecond: made / seconds)
        }
    }

    private func report(_ samples: [[Sample]]) {
        var table = Table(
            "\(Figure.number(rate)) redirects a second, due at a constant rate, and a create for each "
                + "\(Figure.number(Self.redirectsEach)), one worker, \(rounds.description)",
            ["", "p50", "p99", "p99 ratio", "max", "answered", "failed", "create p99", "links a second"])
        let names = ["alone", "beside batches of \(Figure.grouped(Self.batchEntries))", "beside an import"]
        for (name, own) in zip(names, samples) {
            func latency(_ value: (Sample) -> Double) -> String { Figure.duration(median(own.map(value))) }
            table.add([
                name, latency { Double($0.redirects.load.latency.quantile(0.5)) }, latency(\.p99),
                Figure.ratio(median(zip(own, samples[0]).map { $0.p99 / max(1, $1.p99) })),
                latency { Double($0.redirects.load.latency.greatest) },
                Figure.grouped(own.reduce(0) { $0 + $1.redirects.load.answers }),
                Figure.grouped(own.reduce(0) { $0 + $1.redirects.load.failures + $1.creates.failures }),
                latency { Double($0.creates.latency.quantile(0.99)) },
                Figure.number(median(own.map(\.linksPerSecond))),
            ])
        }
        StandardStream.output.write(table.text + "\n")
    }
}

/// Batches of links, one after the other, until it is stopped.
private final class BatchLoad: Sendable {
    private let failure = Mutex<(any Error)?>(nil)
    private let isStopping = Atomic(false)
    private let thread = Mutex<SystemThread?>(nil)

    /// `port` is on 127.0.0.1.
    init(port: UInt16, entries: Int) {
        let link = #"{"long_url":"https://example.com/very/long/path/that/is/typical?utm_source=x"}"#
        let body = Array(("[" + Array(repeating: link, count: entries).joined(separator: ",") + "]").utf8)
        let client = CommandClient(server: Authority("127.0.0.1:\(port)")!)
        thread.withLock {
            $0 = SystemThread("batches") { [self] in
                do {
                    while !isStopping.load(ordering: .acquiring) { try run(client, body) }
                } catch {
                    failure.withLock { $0 = error }
                }
            }
        }
    }

    private func run(_ client: CommandClient, _ body: [UInt8]) throws {
        let taken = try client.send("POST", "/api/v1/urls/bulk", json: body)
        let words = String(decoding: taken.body, as: UTF8.self).split(separator: "\"")
        guard taken.status == 202, words.count > 3 else { throw LabError("a batch got \(taken.status)") }
        while true {
            let shown = try client.send("GET", "/api/v1/urls/bulk/\(words[3])")
            guard shown.status == 200 else { throw LabError("a batch is shown with \(shown.status)") }
            if shown.body.starts(with: #"{"status":"done""#.utf8) { return }
            usleep(10_000)
        }
    }

    /// Throws what kept it from going on.
    func stop() throws {
        isStopping.store(true, ordering: .releasing)
        thread.withLock { $0.take() }?.join()
        if let failure = failure.withLock({ $0 }) { throw failure }
    }
}
