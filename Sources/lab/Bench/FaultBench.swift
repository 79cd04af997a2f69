import CLinux
import Glibc
import Links
import Server

/// What a store that is larger than its memory costs those who ask for hot codes, where reading a page takes milliseconds:
/// with lookups in the redirect thread, and on reader threads. And how many lookups a thousand requests for one cold
/// code come to.
struct FaultBench {
    static let options: Set<String> = BuiltStore.options.union(["read-ms"])

    private let rounds: Rounds
    private let store: BuiltStore
    private let readMilliseconds: Double

    /// Few codes get nearly all requests.
    private static let hot = LinkDraw.Law.zipf(6)
    private static let hotConnections = 16
    private static let rate = 2000.0
    private static let coldConnections = 8
    private static let simultaneous = 1000
    private static let cacheEntries = 4096

    init(_ options: Options) throws {
        rounds = try Rounds(options)
        readMilliseconds = try options.number("read-ms", 0...1000) ?? 5
        store = try BuiltStore(options, in: rounds, "faults", links: 1_000_000)
    }

    init(_ rounds: Rounds, links: Int) throws {
        (self.rounds, readMilliseconds) = (rounds, 5)
        store = try BuiltStore(links, in: rounds.directory.appending("faults"))
    }

    private struct Sample {
        let quiet, beside: OpenResult
        let coldAnswers: Double
    }

    func run() throws {
        let storeBytes = try fileBytes(store.path)
        // The node's own memory is in it too.
        let memoryBytes = max(48 << 20, storeBytes / 2)
        let slow = try SlowFile(store.path, readMilliseconds: readMilliseconds)
        defer { slow.end() }
        let group = try MemoryGroup(limitBytes: memoryBytes)
        func samples(_ lookups: String) -> Contender<Sample> {
            Contender(name: lookups) { seconds in
                slow.forgetPages()
                let node = try start(lookups, group)
                defer { node.stop() }
                return try measure(node, seconds)
            }
        }
        let results = try rounds.samples([samples("inline"), samples("threads")])
        report(results, storeBytes: storeBytes, memoryBytes: memoryBytes)
        slow.forgetPages()
        let node = try start("auto", group)
        defer { node.stop() }
        StandardStream.output.write(
            "  \(Figure.grouped(Self.simultaneous)) requests at once for one cold code: "
                + "\(try flights(node, store.codes[store.codes.count / 2])); "
                + "`lookups = auto` chose \(try node.sample("edge_lookups_on_threads") == 1 ? "threads" : "inline")\n\n"
        )
    }

    private func start(_ lookups: String, _ group: MemoryGroup) throws -> EdgeNode {
        try EdgeNode(
            data: store.directory, workers: 1, limits: EdgeNode.unlimited,
            flags: ["--lookups", lookups, "--cache_entries", "\(Self.cacheEntries)"], on: Processors.server,
            program: group.entering + [siblingProgram("edge"), "serve"], hasMetrics: true)
    }

    private func measure(_ node: EdgeNode, _ seconds: Double) throws -> Sample {
        try Processors.on(Processors.load) {
            var load = try OpenLoad(
                .redirects(LinkDraw(store.codes, Self.hot)), port: node.port, connections: Self.hotConnections)
            // Until they are in the node's cache.
            _ = try load.run(perSecond: Self.rate, seconds: min(0.5, seconds))
            let quiet = try load.run(perSecond: Self.rate, seconds: seconds)
            let client = try ColdClient(store.codes, port: node.port, connections: Self.coldConnections)
            let beside = try load.run(perSecond: Self.rate, seconds: seconds)
            client.stop()
            return Sample(quiet: quiet, beside: beside, coldAnswers: Double(client.answers) / seconds)
        }
    }

    /// All requests are with the node before its storage gives a page.
    private func flights(_ node: EdgeNode, _ code: Code) throws -> String {
        let before = (
            try node.sample("edge_reader_lookups_total"), try node.sample("edge_reader_joined_requests_total")
        )
        let request = ColdClient.request(code)
        let descriptors = try (0..<Self.simultaneous).map { _ in try connectToLoopback(node.port) }
        defer { for descriptor in descriptors { close(descriptor) } }
        for descriptor in descriptors { _ = send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) }
        var answer = [UInt8](repeating: 0, count: 4096)
        for descriptor in descriptors where recv(descriptor, &answer, answer.count, 0) <= 0 {
            throw LabError("a request got no answer")
        }
        let after = (try node.sample("edge_reader_lookups_total"), try node.sample("edge_reader_joined_requests_total"))
        return "\(Int(after.0 - before.0)) lookups, \(Int(after.1 - before.1)) joined it"
    }

    private func report(_ results: [[Sample]], storeBytes: Int, memoryBytes: Int) {
        var table = Table(
            "\(Figure.number(Self.rate)) requests a second for hot codes, alone and beside \(Self.coldConnections) "
                + "connections that ask for cold ones; \(Figure.bytes(Double(storeBytes))) of store, "
                + "\(Figure.bytes(Double(memoryBytes))) of memory, \(Figure.number(readMilliseconds)) ms a read (FUSE); "
                + "one worker, \(rounds.description)",
            ["", "p50", "p99", "p99 ratio", "max", "cold answers a second", "turned away", "failed"])
        func add(_ name: String, _ own: [OpenResult], _ quiet: [OpenResult], cold: Double) {
            func latency(_ value: (OpenResult) -> UInt64) -> String {
                Figure.duration(median(own.map { Double(value($0)) }))
            }
            func p99(_ result: OpenResult) -> UInt64 { result.load.latency.quantile(0.99) }
            table.add([
                name, latency { $0.load.latency.quantile(0.5) }, latency(p99),
                Figure.ratio(median(zip(own, quiet).map { Double(p99($0)) / Double(max(1, p99($1))) })),
                latency { $0.load.latency.greatest }, Figure.number(cold),
                Figure.grouped(own.reduce(0) { $0 + $1.turnedAway }),
                Figure.grouped(own.reduce(0) { $0 + $1.load.failures }),
            ])
        }
        for (name, samples) in zip(["lookups inline", "lookups on threads"], results) {
            let quiet = samples.map(\.quiet)
            add(name + ", alone", quiet, quiet, cold: 0)
            add(name + ", beside", samples.map(\.beside), quiet, cold: median(samples.map(\.coldAnswers)))
        }
        StandardStream.output.write(table.text)
    }
}
