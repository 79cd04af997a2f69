import Links
import Primitives

extension Writer {
    /// Puts another node's entries into the transaction; all but this node's own share of them, which is its clock and
    /// its numbers, is done by `LogMerge`.
    func apply(
        _ batch: LogBatch, _ now: Instant, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> ApplyOutcome {
        if batch.origin == state.row.origin { return try judge(own: batch, transaction) }
        let reference = batch.reference ?? now
        let latest = reference.advanced(byMilliseconds: Int64(HybridClock.toleranceMilliseconds) + 1)
        let latestStamp = min(UInt64(max(0, latest.milliseconds)), Stamp.lastMillisecond) << 16
        let outcome = try state.merge.apply(batch, latestStamp: latestStamp - 1, &sums, transaction)
        if let index = state.merge.origins.index(of: batch.origin) {
            _ = state.clock.receive(Stamp(rawValue: state.merge.origins.rows[index]!.headStamp), now: reference)
        }
        noteOwnNumbers(now)
        return outcome
    }

    /// What comes back of this node's own log must be what it wrote.
    private func judge(
        own batch: LogBatch, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> ApplyOutcome {
        guard batch.first > 0 else { return .malformed(sequence: 0) }
        guard batch.last <= state.row.head else { return .ownLife }
        return try state.merge.isKnown(batch, state.row, state.originIndex, transaction) ? .applied : .chainMismatch
    }

    /// Numbers of an earlier life may come back from peers: later ones are greater.
    func noteOwnNumbers(_ now: Instant) {
        let seen = state.merge.ownNumbers
        state.merge.ownNumbers = .init()
        if let snowflake = seen.snowflake { state.issuer.sawSnowflake(snowflake) }
        if let number = seen.number {
            state.issuer.sawNumber(number.value, at: Stamp(rawValue: number.stamp).instant, now: now)
        }
    }
}
