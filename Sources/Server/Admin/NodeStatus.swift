import Links
import Primitives
import Replication
import Store

/// What `GET /status` tells and `edge status` shows.
struct NodeStatus: Codable {
    struct Codes: Codable {
        var left: UInt64
        var ratePerSecond: Double
        var secondsToEmpty: UInt64?
        var breaker: String
    }

    struct StoreState: Codable {
        var usedBytes: Int
        var mapBytes: Int
        var isFull: Bool
        var logHead: UInt64
        var commits: UInt64
        var queuedWrites: Int
    }

    struct Cache: Codable {
        var entries: UInt64
        var requests: UInt64
        var hits: UInt64
    }

    var version: String
    var cluster: String
    var region: String
    var node: Int
    var incarnation: String
    var address: String
    var ready: Bool
    var codes: Codes?
    var cache: Cache
    var store: StoreState
    var switches: [SwitchState]
    /// Of a node that has peers; 0: of a moment after the request.
    var replicationAgeMilliseconds: Int64?
    var phase: String?
    var peers: [ReplicationReport.Peer]?
    var alarms: [String]?

    init(_ node: Node) {
        let figures = node.store.figures
        version = edgeVersion
        cluster = node.configuration.cluster
        region = node.configuration.region
        self.node = node.configuration.node
        incarnation = String(node.store.origin.incarnation, radix: 16)
        address = node.address.description
        ready = node.isReady
        codes = figures.issuer.map {
            Codes(
                left: $0.numbersLeft, ratePerSecond: $0.ratePerSecond, secondsToEmpty: $0.secondsToEmpty,
                breaker: Self.name($0.breaker))
        }
        let lookups = node.workerCounters.map(\.lookups)
        func sum(_ count: (LookupCounters) -> UInt64) -> UInt64 { lookups.reduce(0) { $0 + count($1) } }
        let hits = sum { $0.hits.value }
        cache = Cache(entries: sum { $0.entries.value }, requests: hits + sum { $0.misses.value }, hits: hits)
        store = StoreState(
            usedBytes: figures.size.usedBytes, mapBytes: figures.size.mapBytes, isFull: figures.isFull,
            logHead: figures.head, commits: figures.commits, queuedWrites: figures.queuedWrites)
        switches = node.live.switches
        if let figures = node.peers?.figures {
            let report = ReplicationReport(figures, node.configuration.regions, digestRoot: nil)
            (replicationAgeMilliseconds, phase) = (report.ageMilliseconds, report.phase)
            (peers, alarms) = (report.peers, report.alarms)
        }
    }

    private static func name(_ breaker: Issuer.Breaker) -> String {
        switch breaker {
        case .closed: "closed"
        case .open(let reason, _, _): "open (\(reason))"
        case .halfOpen(let reason, _, _): "half open (\(reason))"
        }
    }

    /// A table for people: a line a fact.
    var table: String {
        var rows = [
            ("region", "\(region) (node \(node), cluster \(cluster))"), ("incarnation", incarnation),
            ("address", address), ("ready", ready ? "yes" : "no"), ("version", version),
            ("log head", "\(store.logHead) in \(store.commits) commits since the start"),
            ("cache", "\(cache.entries) answers, \(cache.hits) hits in \(cache.requests) requests"),
            ("queue", "\(store.queuedWrites) writes"),
            ("store", "\(mebibytes(store.usedBytes)) of \(mebibytes(store.mapBytes))\(store.isFull ? ", FULL" : "")"),
        ]
        rows.append(("switches", switches.map { "\($0.name) \($0.words)" }.joined(separator: "; ")))
        if let codes {
            let empty = codes.secondsToEmpty.map { "empty in \($0) s at \(Int(codes.ratePerSecond)) a second" }
            rows.append(("codes", "\(codes.left) left, \(empty ?? "none given out lately"), breaker \(codes.breaker)"))
        }
        if let phase, let age = replicationAgeMilliseconds {
            let isOld = age > 0 ? ", as it was \(age) ms ago: its thread does not answer" : ""
            rows.append(("replication", phase + isOld))
        }
        for peer in peers ?? [] {
            var facts = [peer.retired ? "retired" : peer.connected ? "connected" : "lost"]
            if let trip = peer.roundTripMilliseconds { facts.append("round trip \(trip) ms") }
            if !peer.retired {
                facts.append("\(peer.missingEntries) entries to come, \(peer.lagMilliseconds) ms behind this node")
            }
            rows.append(("peer \(peer.name)", facts.joined(separator: ", ")))
        }
        for alarm in alarms ?? [] { rows.append(("ALARM", alarm)) }
        return rows.map { $0.0 + String(repeating: " ", count: max(1, 13 - $0.0.count)) + $0.1 + "\n" }.joined()
    }

    private func mebibytes(_ bytes: Int) -> String { "\((bytes + (1 << 20) - 1) >> 20) MiB" }
}

/// `edge status`: asks a running node's admin port. Returns the exit status.
package func runStatus(_ server: Authority) -> Int32 {
    do {
        let answer = try CommandClient(server: server).send("GET", "/status")
        guard answer.status == 200, let status = AdminJSON.decode(answer.body, as: NodeStatus.self) else {
            throw CommandClientError.malformedAnswer
        }
        return StandardStream.output.write(status.table)
            ? ExitStatus.done : ExitStatus.failed
    } catch {
        StandardStream.error.write("edge status: http://\(server): \(error)\n")
        return ExitStatus.failed
    }
}
