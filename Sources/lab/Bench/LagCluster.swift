import Glibc
import Links
import Primitives
import Server
import Store

/// Three nodes in as many regions, with a line of a given delay between each two, in either direction.
final class LagCluster {
    static let regions = ["us", "eu", "ap"]

    private let directory: WorkDirectory
    private let lines: [[FaultProxy]]
    private(set) var nodes: [EdgeNode?]

    init(delayMilliseconds: Double, in directory: WorkDirectory) throws {
        self.directory = directory
        let indices = Self.regions.indices
        lines = try indices.map { _ in try indices.map { _ in try FaultProxy() } }
        nodes = indices.map { _ in nil }
        for line in lines.joined() { line.set { $0.delayMilliseconds = delayMilliseconds } }
        for name in ["cluster", "code"] {
            try writeTextFile(directory.appending(name), String(repeating: name, count: 8))
            chmod(directory.appending(name), 0o600)
        }
        for index in indices { try start(index) }
    }

    deinit { for line in lines.joined() { line.stop() } }

    func data(_ index: Int) -> String { directory.appending("lag-" + Self.regions[index]) }

    func node(_ index: Int) -> EdgeNode { nodes[index]! }

    func start(_ index: Int) throws {
        let others = Self.regions.indices.filter { $0 != index }
        let node = try EdgeNode(
            data: data(index), workers: 1, limits: EdgeNode.unlimited,
            flags: [
                "--regions", Self.regions.enumerated().map { "\($0.element):\($0.offset + 1)" }.joined(separator: ", "),
                "--region", Self.regions[index], "--node", "0", "--replication_listen", "0.0.0.0:0",
                "--replication_plaintext", "on",
                "--peers", others.map { lines[index][$0].address.description }.joined(separator: ", "),
                "--cluster_secret_file", directory.appending("cluster"), "--code_secret_file",
                directory.appending("code"),
            ], on: Processors.available, hasMetrics: true)
        nodes[index] = node
        for other in others {
            lines[other][index].aim(at: ListenAddress(host: "127.0.0.1", port: node.replicationPort!))
        }
    }

    func stop(_ index: Int) {
        nodes[index]?.stop()
        nodes[index] = nil
    }

    func stopAll() { for index in nodes.indices { stop(index) } }

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

    /// Mean bytes of key and value of the first `number` entries in a stopped node's own log.
    func payloadBytes(_ index: Int, first number: Int) throws -> Double {
        let now = Instant(milliseconds: Int64(MonotonicClock.read(CLOCK_REALTIME) / 1_000_000))
        let settings = try StoreSettings(of: data(index), now: { now }, mustEnd: { fatalError($0) })
        let store = try Store(settings)
        defer { store.close() }
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
