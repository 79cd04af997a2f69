import Links
import Replication

/// What `GET /debug/replication` tells: all that the protocol knows, of one moment.
struct ReplicationReport: Codable {
    struct Log: Codable {
        var origin: String
        var head: UInt64
        /// The highest head that anyone told of.
        var bestHead: UInt64
        var floor: UInt64
        /// Nil while the origin lives.
        var seal: UInt64?
        var chain: String
        /// Of codes, as a counter.
        var ceiling: UInt64
        var lagEntries: UInt64
        var lagMilliseconds: Int64
        var quarantine: String?
    }

    /// Another node, as this one sees it.
    struct Peer: Codable {
        var node: String
        /// As in the configuration; like `node` if its region is not there.
        var name: String
        var connected: Bool
        /// By this node; of two that dial one another the one with the smaller id, in the end.
        var dialled: Bool
        var retired: Bool
        var roundTripMilliseconds: Int64?
        var silentMilliseconds: Int64?
        var clockOffsetMilliseconds: Int64?
        /// Of its logs, those that are not here.
        var missingEntries: UInt64
        /// What it durably holds of this node's log, and for how long there has been more.
        var acknowledged: UInt64
        var lagMilliseconds: Int64
        var unacknowledgedBytes: UInt64
    }

    struct Member: Codable {
        var node: String
        var addresses: [String]
        var witness: Bool
        var retired: Bool
        var logFormat: UInt16
    }

    /// Who decides whose an alias is.
    struct Aliases: Codable {
        var epoch: UInt64
        var acceptors: [String]
        /// This node's own answers count.
        var voting: Bool
        /// Whom the next epoch waits for; nil: none is decided.
        var awaited: [String]?
    }

    /// 0: of a moment after the request. Else the thread that talks to peers did not answer in time.
    var ageMilliseconds: Int64
    var incarnation: String
    var phase: String
    var ready: Bool
    var codesContinue: Bool
    var changesAllowed: Bool
    var logFormat: UInt16
    var logs: [Log]
    var peers: [Peer]
    var members: [Member]
    var alarms: [String]
    var digestRoot: String?
    var aliases: Aliases
    var counters: [String: UInt64]

    init(_ figures: PeerFigures, _ regions: [Configuration.Region], digestRoot: UInt128?) {
        let status = figures.status
        ageMilliseconds = figures.ageMilliseconds
        incarnation = "\(status.own)"
        (phase, ready) = ("\(status.phase)", status.isReady)
        (codesContinue, changesAllowed, logFormat) = (status.isContinuous, status.mayChange, status.format)
        logs = status.logs.map { log in
            Log(
                origin: "\(log.state.origin)", head: log.state.head, bestHead: log.bestHead, floor: log.state.floor,
                seal: log.state.isSealed ? log.state.seal : nil, chain: String(log.state.chain.rawValue, radix: 16),
                ceiling: log.state.ceiling, lagEntries: log.missing,
                lagMilliseconds: figures.lags[log.state.origin] ?? 0, quarantine: log.quarantine.map { "\($0)" })
        }
        peers = status.peers.map { Peer($0, figures, regions) }
        members = status.members.map { member in
            Member(
                node: "\(member.id)", addresses: member.addresses, witness: member.isWitness,
                retired: member.isRetired, logFormat: member.logFormat)
        }
        alarms = status.alarms.map { "\($0.name) \($0.subject)" }
        self.digestRoot = digestRoot.map { String($0, radix: 16) }
        let registers = figures.registers
        aliases = Aliases(
            epoch: registers.epoch.number, acceptors: registers.epoch.acceptors.map { "\($0)" },
            voting: registers.isVoting, awaited: registers.awaited?.map { "\($0)" })
        counters = Dictionary(uniqueKeysWithValues: status.counters.rows)
    }
}

extension ReplicationReport.Peer {
    init(_ peer: ReplicatorStatus.Peer, _ figures: PeerFigures, _ regions: [Configuration.Region]) {
        let status = figures.status
        let region = regions.first { $0.character == peer.node.region }
        self.init(
            node: "\(peer.node)", name: region.map { "\($0.name)/\(peer.node.node)" } ?? "\(peer.node)",
            connected: peer.isConnected, dialled: peer.isDialled,
            retired: status.members.contains { $0.id == peer.node && $0.isRetired },
            roundTripMilliseconds: peer.roundTrip, silentMilliseconds: peer.silence,
            clockOffsetMilliseconds: peer.clockOffset,
            missingEntries: status.logs.filter { NodeID($0.state.origin) == peer.node }.reduce(0) { $0 + $1.missing },
            acknowledged: peer.acknowledged, lagMilliseconds: figures.peerLags[peer.node] ?? 0,
            unacknowledgedBytes: peer.unacknowledgedBytes)
    }
}

extension Counters {
    /// By name, as in metrics.
    var rows: [(String, UInt64)] {
        [
            ("entries_applied", entriesApplied), ("entries_ignored", entriesIgnored), ("gaps", gaps),
            ("pulls", pulls), ("snapshots_given", snapshotsGiven), ("snapshots_installed", snapshotsInstalled),
            ("comparisons", comparisons), ("buckets_repaired", bucketsRepaired),
            ("records_repaired", recordsRepaired), ("rejected", rejected),
        ]
    }
}
