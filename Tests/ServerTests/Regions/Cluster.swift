import Foundation
import Glibc
import Server
import Synchronization
import Testing
import lab

extension NodeTests {
    /// Clusters of real nodes that replicate over links which can be made as bad as real ones are.
    @Suite(.serialized) struct Regions {}
}

/// Those tests that take minutes run with `EDGE_LONG_TESTS=1` in the environment.
let hasTimeForLongTests = ProcessInfo.processInfo.environment["EDGE_LONG_TESTS"] == "1"

/// Nodes of one cluster, a region each, on loopback. Each reaches each other one through a proxy of that direction alone,
/// and none tells an address, so that there is no way around the proxies.
///
///     node i ──dials──▶ proxies[i][j] ──▶ node j
///
/// Safety: used by one thread at a time; what `port` reads is behind a mutex.
final class Cluster: @unchecked Sendable {
    static let regions = ["us", "eu", "ap", "sa"]

    /// Secrets, and whatever else belongs to no node.
    let directory = TemporaryDirectory()
    private var homes: [TemporaryDirectory]
    private let proxies: [[FaultProxy]]
    /// Nil while it does not run.
    private(set) var nodes: [RunningNode?]
    /// What each is started with besides.
    var flags: [[String]]
    /// With them peers speak TLS, else plaintext.
    let certificates: ClusterCertificates?
    /// What each runs.
    var programs: [[String]]
    private let ports: Mutex<[UInt16]>

    /// `starts`: whether all of them run at once.
    init(_ count: Int = 3, _ flags: [String] = [], starts: Bool = true, hasCertificates: Bool = false) throws {
        precondition((2...Self.regions.count).contains(count))
        certificates =
            hasCertificates
            ? try ClusterCertificates(in: directory, "certificates", regions: Self.regions.prefix(count)) : nil
        homes = (0..<count).map { _ in TemporaryDirectory() }
        proxies = try (0..<count).map { here in
            try (0..<count).map { try FaultProxy(seed: UInt64(here * count + $0 + 1)) }
        }
        nodes = Array(repeating: nil, count: count)
        self.flags = Array(repeating: flags, count: count)
        programs = Array(repeating: [edgeBinary, "serve"], count: count)
        ports = Mutex(Array(repeating: 0, count: count))
        for name in ["cluster", "code"] { _ = directory.write(Self.secret(name), to: "\(name).secret") }
        if starts { for index in indices { try start(index) } }
    }

    deinit { for proxy in proxies.joined() { proxy.stop() } }

    static func secret(_ name: String) -> String { String(repeating: "\(name)-", count: 8) }

    var indices: Range<Int> { nodes.indices }
    var running: [Int] { indices.filter { nodes[$0] != nil } }

    /// The way on which `here` dials `there`.
    func proxy(from here: Int, to there: Int) -> FaultProxy { proxies[here][there] }

    /// All ways between a node and the others.
    func proxies(of node: Int) -> [FaultProxy] {
        indices.filter { $0 != node }.flatMap { [proxies[node][$0], proxies[$0][node]] }
    }

    // MARK: Nodes

    func node(_ index: Int) -> RunningNode { nodes[index]! }
    func data(_ index: Int) -> String { homes[index].path + "/data" }

    /// The port of HTTP at present, from any thread; 0 while the node does not run.
    func port(_ index: Int) -> UInt16 { ports.withLock { $0[index] } }

    func arguments(_ index: Int) -> [String] {
        let peers = indices.filter { $0 != index }.map { proxies[index][$0].address.description }
        var arguments = [
            "--region", Self.regions[index], "--node", "0", "--admin_listen", "127.0.0.1:0",
            "--replication_listen", "0.0.0.0:0",
        ]
        let secrets = certificates?.path ?? directory.path
        var others = [
            "regions": indices.map { "\(Self.regions[$0]):\($0 + 1)" }.joined(separator: ", "),
            "cluster_secret_file": secrets + "/cluster.secret", "code_secret_file": secrets + "/code.secret",
            "peers": peers.joined(separator: ", "), "workers": "1",
        ]
        if let certificates {
            others.merge(certificates.keys(of: Self.regions[index])) { _, new in new }
        } else {
            others["replication_plaintext"] = "on"
        }
        // Who brings a file names the peers there.
        for (key, value) in others where !flags[index].contains("--" + key) {
            if key != "peers" || !flags[index].contains("--config") { arguments += ["--" + key, value] }
        }
        return arguments + flags[index]
    }

    @discardableResult
    func start(_ index: Int) throws -> RunningNode {
        precondition(nodes[index] == nil, "a directory has one node at a time")
        let node = try RunningNode(arguments(index), in: homes[index], program: programs[index])
        nodes[index] = node
        ports.withLock { $0[index] = node.port }
        let target = ListenAddress(host: "127.0.0.1", port: node.replicationPort)
        for other in indices where other != index { proxies[other][index].aim(at: target) }
        return node
    }

    private func end(_ index: Int, _ body: (RunningNode) -> Ending) -> Ending {
        ports.withLock { $0[index] = 0 }
        defer { nodes[index] = nil }
        return body(nodes[index]!)
    }

    func stop(_ index: Int) { #expect(end(index) { $0.stop() } == .exited(0)) }
    func kill(_ index: Int) { #expect(end(index) { $0.child.kill() } == .killed(SIGKILL)) }
    func stopAll() { for index in running { stop(index) } }

    /// An empty directory in place of a stopped node's.
    func wipe(_ index: Int) {
        precondition(nodes[index] == nil)
        homes[index] = TemporaryDirectory()
    }

    /// A directory as another one was, in place of a stopped node's.
    func replace(_ index: Int, by copy: String) throws {
        wipe(index)
        try FileManager.default.copyItem(atPath: copy, toPath: data(index))
    }

    /// A stopped node's directory, as it is now.
    func copy(_ index: Int, to name: String) throws -> String {
        precondition(nodes[index] == nil)
        try FileManager.default.copyItem(atPath: data(index), toPath: directory.path + "/" + name)
        return directory.path + "/" + name
    }

    // MARK: Ways

    /// Resets what connects the node with others, and lets nothing through until `mend`.
    func cutOff(_ index: Int) { for proxy in proxies(of: index) { proxy.cut() } }
    func mend(_ index: Int) throws { for proxy in proxies(of: index) { try proxy.mend() } }

    func setFaults(_ change: (inout Faults) -> Void) { for proxy in proxies.joined() { proxy.set(change) } }
}
