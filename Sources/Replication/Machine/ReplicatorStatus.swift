import Links
import Primitives

/// What people and metrics are told of the machine: one moment of it.
package struct ReplicatorStatus: Sendable {
    /// An origin's log, here and at best elsewhere.
    package struct Log: Sendable {
        package var state: OriginState
        /// The highest head that this node or a peer told of.
        package var bestHead: UInt64
        package var quarantine: Quarantine?

        package var missing: UInt64 { bestHead - state.head }
    }

    package struct Peer: Sendable {
        package var node: NodeID
        package var isConnected: Bool
        /// This node opened the connection: of two that dial one another the one with the smaller id, in the end.
        package var isDialled: Bool
        /// Milliseconds; nil without a connection.
        package var roundTrip: Int64?
        /// Milliseconds since it was heard; nil: not since the start.
        package var silence: Int64?
        /// Its clock less this node's, in milliseconds, as it looked last.
        package var clockOffset: Int64?
        /// What it durably holds of this node's log.
        package var acknowledged: UInt64
        /// Entries on their way to it that it has not applied, in bytes.
        package var unacknowledgedBytes: UInt64
    }

    package var own: Origin
    package var phase: Replicator.Phase
    package var isReady: Bool
    /// Numbers may be issued beyond the highest known.
    package var isContinuous: Bool
    package var mayChange: Bool
    /// Of log entries that all members read.
    package var format: UInt16
    package var logs: [Log]
    package var peers: [Peer]
    package var members: [Member]
    package var alarms: [Alarm]
    package var counters: Counters
}

extension Replicator {
    package var status: ReplicatorStatus {
        ReplicatorStatus(
            own: own, phase: phase, isReady: isReady, isContinuous: isContinuous, mayChange: !ownClockIsWrong,
            format: format ?? ReplicationLimits.oldestLogFormat,
            logs: rows.values.sorted { $0.origin < $1.origin }.map { row in
                let elsewhere = peers.values.map { $0.head(row.origin) }.max() ?? 0
                return ReplicatorStatus.Log(
                    state: row, bestHead: max(row.head, min(elsewhere, row.seal)),
                    quarantine: intakes[row.origin]?.quarantine)
            },
            peers: Set(members.keys).union(peers.keys).subtracting([settings.member.id]).sorted().map(status),
            members: members.values.sorted { $0.id < $1.id },
            alarms: raised.sorted { "\($0)" < "\($1)" }, counters: counters)
    }

    private func status(of node: NodeID) -> ReplicatorStatus.Peer {
        let session = sessions.values.first { $0.isOpen && $0.node == node }
        let knowledge = peers[node]
        return ReplicatorStatus.Peer(
            node: node, isConnected: session != nil, isDialled: session?.role == .dialler,
            roundTrip: session?.roundTrip,
            silence: knowledge?.heardAt.map { now.ticks - $0 }, clockOffset: knowledge?.clock?.offset,
            acknowledged: knowledge?.head(own) ?? 0,
            unacknowledgedBytes: session.map { session in
                // What may be sent beyond the peer's window is what it has taken.
                let taken =
                    session.credit > ReplicationLimits.creditWindow
                    ? session.credit - ReplicationLimits.creditWindow : 0
                return session.sentBytes > taken ? session.sentBytes - taken : 0
            } ?? 0)
    }
}
