import Glibc
import Server

/// Whether a redirect from a large store costs what one from a small store costs: stores of several sizes beside each
/// other, each with a node of its own, measured in turn.
struct ScaleBench {
    static let options: Set<String> = BuiltStore.options.union(["connections", "zipf", "settle"])

    private let rounds: Rounds
    private let connections: Int
    private let settleSeconds: Double
    private let zipf: LinkDraw.Law
    /// By size.
    private let stores: [BuiltStore]

    init(_ options: Options) throws {
        rounds = try Rounds(options)
        connections = try options.whole("connections", 1...1000) ?? 64
        settleSeconds = try options.number("settle", 0...3600) ?? 5
        zipf = .zipf(try options.number("zipf", 0...10) ?? 1)
        if let data = options.text("data") {
            guard options.text("links") == nil else {
                throw LabError(usage: "`--links` and `--data` exclude each other")
            }
            stores = try data.split(separator: ",").map { try BuiltStore(at: String($0)) }
        } else {
            let sizes = try options.list("links", BuiltStore.sizes) ?? [1_000_000, 10_000_000]
            stores = try Self.build(sizes, in: rounds, try BuiltStore.destinations(options))
        }
        guard !stores.isEmpty else { throw LabError(usage: "`--data` names no store") }
    }

    init(_ rounds: Rounds, links: [Int]) throws {
        (self.rounds, connections, settleSeconds, zipf) = (rounds, 64, 0, .zipf(1))
        stores = try Self.build(links, in: rounds, Destinations(seed: 1))
    }

    private static func build(_ sizes: [Int], in rounds: Rounds, _ destinations: Destinations) throws -> [BuiltStore] {
        try sizes.sorted().enumerated().map { index, links in
            try BuiltStore(links, in: rounds.directory.appending("scale-\(index)"), destinations)
        }
    }

    /// A store's figures that are not measured in turn with others.
    private struct Standing {
        let bytesALink: Double
        let coldStart, start: Double
        let node: EdgeNode
        let bytesAtStart: Int
    }

    func run() throws {
        let standings = try stores.map(stand)
        defer { for standing in standings { standing.node.stop() } }
        let floor = try RedirectFloor.start(on: Processors.server)
        defer { floor.process.end() }
        func contender(_ process: ChildProcess, _ port: UInt16, _ draw: LinkDraw) -> Contender<RedirectSample> {
            let workload = Workload.redirects(draw)
            return Contender(name: "") {
                try RedirectSample.measure(
                    process, port, workload, connections: connections, .together(1), seconds: $0)
            }
        }
        // The floor looks nothing up, so any codes do.
        var contenders = [contender(floor.process, floor.port, LinkDraw(stores[0].codes, zipf))]
        for (store, standing) in zip(stores, standings) {
            for law in [zipf, .uniform] {
                let draw = LinkDraw(store.codes, law, seed: law == zipf ? 42 : 43)
                contenders.append(contender(standing.node.process, standing.node.port, draw))
            }
        }
        for contender in contenders { _ = try contender.measure(settleSeconds) }
        let samples = try rounds.samples(contenders)
        try report(standings, samples)
    }

    /// Starts the node that will be measured, after kill -9 of others.
    private func stand(_ store: BuiltStore) throws -> Standing {
        _ = try StartBench.start(store, thenEndWith: SIGKILL)
        forgetPages(of: store.path)
        let coldStart = try StartBench.start(store, thenEndWith: SIGKILL).seconds
        let start = median(try (0..<3).map { _ in try StartBench.start(store, thenEndWith: SIGKILL).seconds })
        if try availableMemoryBytes() > fileBytes(store.path) { try readThrough(store.path) }
        let node = try EdgeNode(data: store.directory, on: Processors.server)
        return Standing(
            bytesALink: try store.bytesALink(), coldStart: coldStart, start: start, node: node,
            bytesAtStart: try node.process.anonymousBytes())
    }

    private func report(_ standings: [Standing], _ samples: [[RedirectSample]]) throws {
        let floor = samples[0]
        var table = Table(
            "redirects of stores of several sizes, \(connections) connections, one worker, \(rounds.description)",
            ["links"] + stores.map { Figure.grouped($0.codes.count) })
        func row(_ name: String, _ figure: (Int) throws -> String) rethrows {
            table.add([name] + (try stores.indices.map(figure)))
        }
        row("bytes a link") { Figure.number(standings[$0].bytesALink) }
        row("built, links a second") { stores[$0].population.map { Figure.number($0.linksASecond) } ?? "-" }
        row("start after kill -9") { Figure.duration(standings[$0].start * 1e9) }
        row("start after kill -9, file not in memory") { Figure.duration(standings[$0].coldStart * 1e9) }
        for (offset, law) in [zipf, .uniform].enumerated() {
            func own(_ index: Int) -> [RedirectSample] { samples[1 + 2 * index + offset] }
            row("\(law.description): CPU each") { Figure.number(median(own($0).map(\.cost))) + " us" }
            row("  of floor") { Figure.ratio(RedirectSample.ratio(own($0), to: floor)) }
            row("  of smallest") { Figure.ratio(RedirectSample.ratio(own($0), to: own(0))) }
            row("  p99") { Figure.duration(median(own($0).map { Double($0.result.latency.quantile(0.99)) })) }
            row("  failed") { Figure.grouped(own($0).reduce(0) { $0 + $1.result.failures }) }
        }
        try row("own memory") { Figure.bytes(Double(try standings[$0].node.process.anonymousBytes())) }
        row("  of it at start") { Figure.bytes(Double(standings[$0].bytesAtStart)) }
        StandardStream.output.write(table.text + RedirectSample.explanation)
        StandardStream.output.write(
            """
              The floor takes \(Figure.number(median(floor.map(\.cost)))) us.
              of smallest: CPU each, divided by that of the smallest store in the same round; median of the rounds.
              start: from starting the node to its first redirect's answer, median of 3; with the file not in memory, once.
              own memory: what is no file's (RssAnon), caches included; at start they are empty.


            """)
    }
}
