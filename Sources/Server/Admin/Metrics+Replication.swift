import Links
import Replication
import Store

extension Metrics {
    /// Nothing on a node without peers. Labels are the cluster's nodes, which are few.
    mutating func addReplication(_ figures: PeerFigures, _ intake: WriteIntake) {
        output.value(
            "edge_replication_figures_age_seconds", .gauge,
            "0, or how old what follows is, because the thread that talks to peers does not answer.",
            Double(figures.ageMilliseconds) / 1000)
        addLags(figures)
        addPeers(figures)
        addConnections(figures.transport)
        addAliases(figures.registers)
        let counters = figures.status.counters
        for (name, help, count) in [
            (
                "edge_replication_entries_applied_total", "Entries of other nodes' logs made durable.",
                counters.entriesApplied
            ),
            (
                "edge_replication_duplicate_entries_total", "Entries that came and were here already.",
                counters.entriesIgnored
            ),
            (
                "edge_replication_lookups_asked_total", "Questions of clients that were put to peers.",
                counters.lookupsAsked
            ),
            (
                "edge_replication_lookups_answered_total", "Questions of peers' clients that came.",
                counters.lookupsAnswered
            ),
            ("edge_replication_gaps_total", "Entries that came before those in front of them.", counters.gaps),
            ("edge_replication_pulls_total", "Times that entries were asked for.", counters.pulls),
            (
                "edge_replication_snapshots_given_total", "Snapshots that peers took of this node.",
                counters.snapshotsGiven
            ),
            (
                "edge_replication_snapshots_installed_total", "Snapshots that took the store's place.",
                counters.snapshotsInstalled
            ),
            (
                "edge_replication_digest_comparisons_total", "Rounds of comparing digests with a peer.",
                counters.comparisons
            ),
            (
                "edge_replication_repaired_buckets_total", "Buckets of records that differed from a peer's.",
                counters.bucketsRepaired
            ),
            (
                "edge_replication_repaired_records_total", "Records that were taken from a peer to repair.",
                counters.recordsRepaired
            ),
            ("edge_replication_rejections_total", "Peers that were turned away.", counters.rejected),
            (
                "edge_replication_refused_writes_total", "Users' writes refused because a peer was late.",
                intake.refusalCount
            ),
        ] { output.value(name, .counter, help, Double(count)) }
        output.value(
            "edge_replication_refused_write_ratio", .gauge, "Share of users' writes that are refused for a late peer.",
            intake.refusedShare)
        output.histogram(
            "edge_replication_delay_seconds", "From an entry's stamp to its being durable here, of each batch's last.",
            bounds: PeerWatch.delayBounds.map { Double($0) / 1000 },
            counts: (0..<PeerWatch.delayBounds.count + 1).map { figures.delayMilliseconds.counts[$0] },
            sum: Double(figures.delayMilliseconds.sum) / 1000)
        addAlarms(figures)
    }

    private mutating func addAlarms(_ figures: PeerFigures) {
        output.metric("edge_replication_alarms_total", .counter, "Alarms that were raised, by name.")
        for name in Alarm.names {
            output.sample("edge_replication_alarms_total", ["alarm": name], Double(figures.alarmCounts[name] ?? 0))
        }
        output.metric("edge_replication_alarms_active", .gauge, "Alarms that stand, by name.")
        for name in Alarm.names {
            let count = figures.status.alarms.count { $0.name == name }
            output.sample("edge_replication_alarms_active", ["alarm": name], Double(count))
        }
    }

    private mutating func addAliases(_ figures: RegisterFigures) {
        output.metric("edge_alias_claims_total", .counter, "Claims of aliases at this node, by what became of them.")
        for (result, count) in figures.counts.rows {
            output.sample("edge_alias_claims_total", ["result": result], Double(count))
        }
        output.value(
            "edge_alias_epoch", .gauge, "Number of the acceptors' configuration, as far as it is known here.",
            Double(figures.epoch.number))
        output.value(
            "edge_alias_acceptor_voting", .gauge, "1 while this node is an acceptor whose answers count.",
            figures.isVoting ? 1 : 0)
    }

    /// `end`: in seconds since 1970; 0: the node has none.
    mutating func addCertificate(end: Int) {
        guard end != 0 else { return }
        output.value(
            "edge_certificate_expiry_timestamp_seconds", .gauge,
            "When the certificate for peers ends, in seconds since 1970.", Double(end))
    }

    /// What `durability` asks for.
    mutating func addDurability(_ durability: RegionDurability) {
        output.value(
            "edge_unreplicated_writes_total", .counter, "Users' writes that too few other regions had in time.",
            Double(durability.unreplicatedCount))
        output.value(
            "edge_unreplicated_writes_waiting", .gauge, "Users' writes that wait for other regions.",
            Double(durability.waitingCount))
    }

    /// By the node that wrote: an ended life has its own log, and they are summed up.
    private mutating func addLags(_ figures: PeerFigures) {
        let logs = Dictionary(grouping: figures.status.logs) { NodeID($0.state.origin) }.sorted { $0.key < $1.key }
        output.metric("edge_replication_lag_entries", .gauge, "Entries that exist and are not here, by who wrote them.")
        for (node, logs) in logs {
            output.sample(
                "edge_replication_lag_entries", ["origin": "\(node)"], Double(logs.reduce(0) { $0 + $1.missing }))
        }
        output.metric(
            "edge_replication_lag_seconds", .gauge, "For how long an entry has been known that is not here.")
        for (node, logs) in logs {
            let longest = logs.map { figures.lags[$0.state.origin] ?? 0 }.max() ?? 0
            output.sample("edge_replication_lag_seconds", ["origin": "\(node)"], Double(longest) / 1000)
        }
        output.metric(
            "edge_replication_quarantined", .gauge, "Logs whose entries are not applied, by who wrote them.")
        for (node, logs) in logs {
            output.sample(
                "edge_replication_quarantined", ["origin": "\(node)"], Double(logs.count { $0.quarantine != nil }))
        }
    }

    private mutating func addPeers(_ figures: PeerFigures) {
        let peers = figures.status.peers
        func add(_ name: String, _ help: String, _ value: (ReplicatorStatus.Peer) -> Double?) {
            output.metric(name, .gauge, help)
            for peer in peers { if let value = value(peer) { output.sample(name, ["peer": "\(peer.node)"], value) } }
        }
        add("edge_peer_connected", "1 while there is a connection.") { $0.isConnected ? 1 : 0 }
        add("edge_peer_round_trip_seconds", "As it was last measured.") { $0.roundTrip.map { Double($0) / 1000 } }
        add("edge_peer_lag_seconds", "For how long there has been an entry of this node that the peer lacks.") {
            Double(figures.peerLags[$0.node] ?? 0) / 1000
        }
        add("edge_peer_clock_offset_seconds", "Its clock less this node's.") {
            $0.clockOffset.map { Double($0) / 1000 }
        }
        add("edge_peer_unacknowledged_bytes", "Of entries that were sent and not yet taken.") {
            Double($0.unacknowledgedBytes)
        }
    }

    private mutating func addConnections(_ figures: TransportFigures) {
        output.value(
            "edge_peer_connections", .gauge, "Connections with peers and strangers.", Double(figures.connections))
        output.value(
            "edge_peer_strangers", .gauge, "Those whose other end has not proved who it is.", Double(figures.strangers))
        output.value(
            "edge_peer_queued_bytes", .gauge, "Of frames that wait for peers to take them.", Double(figures.queuedBytes)
        )
        for (name, help, count) in [
            ("edge_peer_received_bytes_total", "Received from peers, on the wire.", figures.bytesIn),
            ("edge_peer_sent_bytes_total", "Sent to peers, on the wire.", figures.bytesOut),
            ("edge_peer_received_frames_total", "Frames from peers.", figures.framesIn),
            ("edge_peer_sent_frames_total", "Frames to peers.", figures.framesOut),
            (
                "edge_peer_refused_connections_total", "Connections closed before anything was read.",
                figures.refusedConnections
            ),
            ("edge_peer_displaced_strangers_total", "Strangers closed for newer ones.", figures.displacedStrangers),
            ("edge_peer_failed_dials_total", "Addresses that could not be reached.", figures.failedDials),
            ("edge_peer_failed_handshakes_total", "TLS that could not be agreed on.", figures.failedHandshakes),
            (
                "edge_peer_malformed_frames_total", "Frames that no program of this cluster sends.",
                figures.malformedFrames
            ),
            ("edge_peer_full_queues_total", "Peers closed because too much waited for them.", figures.fullQueues),
            ("edge_peer_stalled_total", "Peers closed because they took nothing.", figures.stalledPeers),
        ] { output.value(name, .counter, help, Double(count)) }
    }
}
