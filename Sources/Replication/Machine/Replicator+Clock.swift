import Primitives

/// Whose clock is wrong. Stamps and clocks are compared with wall time, never with the last value seen, which would let
/// one wrong clock move all others.
extension Replicator {
    mutating func noteClock(_ node: NodeID, _ wall: Instant) {
        peers[node, default: PeerKnowledge()].clock = (wall.millisecondsSince(now.wall), now.ticks)
        judgeOwnClock()
    }

    /// What peers' clocks say that counts still, ascending.
    private var offsets: [Int64] {
        peers.values.compactMap(\.clock).filter { now.ticks - $0.at <= ReplicationLimits.clockOpinionAge }
            .map(\.offset).sorted()
    }

    /// Whether the own clock can tell how long ago that was. If it is behind, two lives that know of the same last number
    /// would begin at the same one.
    func tellsTime(since past: Instant?) -> Bool {
        let tolerance = ReplicationLimits.clockTolerance
        guard past.map({ now.wall.millisecondsSince($0) >= -tolerance }) ?? true else { return false }
        let offsets = self.offsets
        return offsets.count { $0 > tolerance } * 2 <= offsets.count
    }

    /// With at least two peers, if more than half of them look ahead, it is the own clock that is behind.
    mutating func judgeOwnClock() {
        let offsets = self.offsets
        let ahead = offsets.count { $0 > ReplicationLimits.clockTolerance }
        let isWrong = offsets.count >= 2 && ahead * 2 > offsets.count
        guard isWrong != ownClockIsWrong else { return }
        ownClockIsWrong = isWrong
        effects.append(.localChanges(allowed: !isWrong))
        if isWrong { raise(.ownClockWrong) } else { clear(.ownClockWrong) }
        // What was held back by a clock that is not believed any longer is tried again at once.
        for (origin, intake) in intakes where intake.quarantine == .clock { intakes[origin]!.retryAt = now.ticks }
    }

    /// Wall time as it is believed: the own clock, or the peers' in the middle if the own one is wrong.
    var reference: Instant { ownClockIsWrong ? peersTime ?? now.wall : now.wall }

    /// What is that old is so by the own clock, and by the peers' in the middle.
    var agedBy: Instant { peersTime.map { min($0, now.wall) } ?? now.wall }

    /// Nil: no peer was heard lately.
    private var peersTime: Instant? {
        let offsets = self.offsets
        return offsets.isEmpty ? nil : now.wall.advanced(byMilliseconds: offsets[(offsets.count - 1) / 2])
    }
}
