import Glibc
import Links
import Primitives
import Server
import Store

/// Nodes in as many regions, each with data of its own, and a line from each to each other that can be made as bad as
/// real ones are. None runs at first.
final class RegionCluster {
    let regions: [String]
    private let directory: WorkDirectory
    private let name: String
    private let flags: [String]
    private let lines: [[FaultProxy]]
    private(set) var nodes: [EdgeNode?]

    /// `name`: what the files in `directory` begin with. `flags`: of every node, beside those that make them a cluster.
    init(_ name: String, _ regions: [String], flags: [String] = [], in directory: WorkDirectory) throws {
        (self.name, self.regions, self.flags, self.directory) = (name, regions, flags, directory)
        lines = try regions.map { _ in try regions.map { _ in try FaultProxy() } }
        nodes = regions.map { _ in nil }
        for secret in ["cluster", "code"] {
            try writeTextFile(path(secret), Self.secret(secret))
            chmod(path(secret), 0o600)
        }
    }

    deinit { for line in lines.joined() { line.stop() } }

    /// The longest that the keys take: no write waits or is refused, however late a peer is.
    static let refusesNothing = ["--lag_slow", "24h", "--lag_stop", "24h"]

    private static func secret(_ name: String) -> String { String(repeating: name, count: 8) }

    /// What a store that is made beforehand has to have.
    static var codeSecret: [UInt8] { Array(secret("code").utf8) }

    private func path(_ part: String) -> String { directory.appending("\(name)-\(part)") }

    func data(_ index: Int) -> String { path(regions[index]) }

    func node(_ index: Int) -> EdgeNode { nodes[index]! }

    /// All, or those to and from one node.
    private func lines(of index: Int?) -> [FaultProxy] {
        regions.indices.flatMap { from in
            regions.indices.filter { index == nil || from == index || $0 == index }.map { lines[from][$0] }
        }
    }

    func setLines(of index: Int? = nil, _ change: (inout Faults) -> Void) {
        for line in lines(of: index) { line.set(change) }
    }

    /// What they hold is lost.
    func resetLines(of index: Int) { for line in lines(of: index) { line.reset() } }

    func start(_ index: Int, on processors: [Int] = Processors.available) throws {
        let others = regions.indices.filter { $0 != index }
        let node = try EdgeNode(
            data: data(index), workers: 1, limits: EdgeNode.unlimited,
            flags: [
                "--regions", regions.enumerated().map { "\($0.element):\($0.offset + 1)" }.joined(separator: ", "),
                "--region", regions[index], "--node", "0", "--replication_listen", "0.0.0.0:0",
                "--replication_plaintext", "on",
                "--peers", others.map { lines[index][$0].address.description }.joined(separator: ", "),
                "--cluster_secret_file", path("cluster"), "--code_secret_file", path("code"),
            ] + flags, on: processors, hasMetrics: true)
        nodes[index] = node
        for other in others {
            lines[other][index].aim(at: ListenAddress(host: "127.0.0.1", port: node.replicationPort!))
        }
    }

    func startAll() throws { for index in regions.indices { try start(index) } }

    func stop(_ index: Int) {
        nodes[index]?.stop()
        nodes[index] = nil
    }

    func kill(_ index: Int) {
        nodes[index]?.process.end(SIGKILL, patienceMilliseconds: 20_000)
        nodes[index] = nil
    }

    func stopAll() { for index in nodes.indices { stop(index) } }

    /// Until each that runs has heard from every peer that it holds all of its entries.
    func waitLevel(atMost seconds: Double = 120) throws {
        let end = MonotonicClock.nanoseconds + UInt64(seconds * 1e9)
        while let lacking = try lacking() {
            guard MonotonicClock.nanoseconds < end else {
                throw LabError("the nodes do not become level: \(lacking)")
            }
            usleep(20_000)
        }
    }

    /// What one of them lacks; nil: nothing.
    private func lacking() throws -> String? {
        let others = Double(nodes.count { $0 != nil } - 1)
        for (region, node) in zip(regions, nodes) {
            guard let node else { continue }
            let (connected, lag) = (try node.sum("edge_peer_connected"), try node.sum("edge_peer_lag_seconds"))
            if connected != others || lag != 0 {
                return "\(region) has \(connected) of \(others) peers, which lag by \(lag) s in all"
            }
        }
        return nil
    }

    /// Until each that runs is connected with all others that do, and has applied so many entries at least.
    func wait(applied: [Int]) throws {
        let end = MonotonicClock.nanoseconds + 120_000_000_000
        for index in nodes.indices where nodes[index] != nil {
            while try node(index).sample("edge_replication_entries_applied_total") < Double(applied[index]) {
                guard MonotonicClock.nanoseconds < end else { throw LabError("the nodes do not become level") }
                usleep(2000)
            }
        }
    }

    func applied(_ index: Int) throws -> Int { Int(try node(index).sample("edge_replication_entries_applied_total")) }

    func duplicates(_ index: Int) throws -> Int {
        Int(try node(index).sample("edge_replication_duplicate_entries_total"))
    }

    /// What all lines have carried, in both directions.
    var carriedBytes: Int { lines.joined().reduce(0) { $0 + $1.figures.bytes.reduce(0, +) } }

    /// How much later than wanted the lines let bytes go.
    var lateness: LatencyHistogram {
        var sum = LatencyHistogram()
        for line in lines.joined() { sum.add(line.figures.lateness) }
        return sum
    }

    /// Whether the stopped nodes hold the same logs: as far, and with the same bytes.
    func holdTheSame() throws -> Bool {
        let vectors = try regions.indices.map { index in
            try reading(index) { store in
                Dictionary(
                    uniqueKeysWithValues: store.vector.map { ($0.origin, [$0.head.description, "\($0.chain)"]) })
            }
        }
        return vectors.allSatisfy { $0 == vectors[0] }
    }

    private func reading<Value>(_ index: Int, _ body: (Store) throws -> Value) throws -> Value {
        let now = Instant(milliseconds: Int64(MonotonicClock.read(CLOCK_REALTIME) / 1_000_000))
        let settings = try StoreSettings(of: data(index), now: { now }, mustEnd: { fatalError($0) })
        let store = try Store(settings)
        defer { store.close() }
        return try body(store)
    }

    /// Mean bytes of key and value of the first `number` entries in a stopped node's own log.
    func payloadBytes(_ index: Int, first number: Int) throws -> Double {
        try reading(index) { store in try Self.payloadBytes(store, first: number) }
    }

    private static func payloadBytes(_ store: Store, first number: Int) throws -> Double {
        var (bytes, count, next) = (0, 0, UInt64(1))
        guard let own = store.vector.first(where: { $0.origin == store.origin }) else { return 0 }
        while next <= own.head, count < number {
            let batch = try store.logBatch(own.origin, from: next).get()
            let entries = batch.entries.prefix(number - count)
            bytes += entries.reduce(0) { $0 + $1.count - LogEntry.headSizeBytes }
            count += entries.count
            next = batch.last + 1
        }
        return Double(bytes) / Double(max(1, count))
    }
}
