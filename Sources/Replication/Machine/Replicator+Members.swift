import Links
import Primitives

/// Whom acknowledgement, truncation and formats speak of.
extension Replicator {
    mutating func membersChanged() {
        let me = settings.member
        if members[me.id]?.isRetired == true {
            raise(.retired)
        } else if members[me.id] != me {
            effects.append(.logMember(me))
        }
        learnAddresses()
        for id in sessionIDs where sessions[id]!.isAuthenticated && members[sessions[id]!.node]?.isRetired == true {
            reject(id, .retired, "\(sessions[id]!.node) is retired")
        }
        judgeReadiness()
        judgeFormat()
    }

    /// Of entries, what all members read; before a fresh store has been told of the members, what all programs read.
    var readableFormat: UInt16 {
        let readers = members.values.filter { !$0.isRetired && $0.id != settings.member.id }.map(\.logFormat)
        let all = [settings.member.logFormat] + (isFresh && !isReady ? [ReplicationLimits.oldestLogFormat] : readers)
        return all.min()!
    }

    /// A format of entries is written only once every member reads it. Whoever was away may not know all of them before it
    /// has covered its peers' heads.
    mutating func judgeFormat() {
        let lowest = isReady ? readableFormat : ReplicationLimits.oldestLogFormat
        guard lowest != format else { return }
        format = lowest
        effects.append(.writableFormat(lowest))
    }

    /// Members that hold truncation back: neither retired nor silent for too long. One that was not heard since the
    /// start counts as heard then.
    private var holding: [NodeID] {
        members.values.filter { member in
            let heardAt = peers[member.id]?.heardAt ?? startedAt
            return member.id != settings.member.id && !member.isRetired
                && now.ticks - heardAt < ReplicationLimits.memberSilence
        }.map(\.id)
    }

    /// The least that any of them has durably acknowledged; what a snapshot needs stays in any case.
    mutating func truncate() {
        truncatedAt = now.ticks
        pins.removeAll { $0.connection == nil && $0.until <= now.ticks }
        let holding = self.holding
        let list = rows.values.filter { $0.head > $0.floor }.sorted { $0.origin < $1.origin }.map { row in
            var (acknowledged, pinned) = (row.head, row.head)
            for node in holding { acknowledged = min(acknowledged, peers[node]?.head(row.origin) ?? 0) }
            for pin in pins { pinned = min(pinned, pin.rows.first { $0.origin == row.origin }?.head ?? 0) }
            return Truncation.Row(
                origin: row.origin, acknowledged: acknowledged, pinned: pinned, damaged: damagedLogs[row.origin] ?? 0)
        }
        guard !list.isEmpty, !joining.isFrozen else { return }
        effects.append(.truncate(Truncation(list, now: agedBy)))
    }

    /// A thousand writes a second make more old entries in an interval than one order takes.
    mutating func truncated(_ floors: [Floor]) {
        let count = floors.reduce(0) { $0 + $1.floor - min($1.floor, rows[$1.origin]?.floor ?? 0) }
        for floor in floors {
            // Of what was committed since the store was replaced, or the own life was in doubt, nothing is known here.
            raiseFloor(floor.origin, min(floor.floor, head(floor.origin)))
            if let damaged = damagedLogs[floor.origin], floor.floor >= damaged {
                damagedLogs[floor.origin] = nil
                clear(.damagedLog(floor.origin))
            }
        }
        let isCutting = floors.contains { damagedLogs[$0.origin] != nil }
        guard isCutting || count >= ReplicationLimits.manyTruncated else { return }
        truncatedAt = now.ticks - ReplicationLimits.truncationInterval + ReplicationLimits.truncationPause
    }

    /// How far every member that is not retired holds each log, this node too. None before the node knows them all.
    package var settledHeads: [(origin: Origin, head: UInt64)] {
        guard isReady else { return [] }
        let others = members.values.filter { !$0.isRetired && $0.id != settings.member.id }.map(\.id)
        return rows.values.map { row in
            (row.origin, others.reduce(row.head) { min($0, peers[$1]?.head(row.origin) ?? 0) })
        }
    }

    /// Every member that is not retired has said what it holds since this start: nothing counts as lost before.
    package var allMembersReported: Bool {
        members.values.allSatisfy { $0.id == settings.member.id || $0.isRetired || peers[$0.id]?.heardAt != nil }
    }
}
