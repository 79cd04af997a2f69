import Links
import Primitives
import Replication
import Synchronization

extension Store {
    /// What a replicator orders where there is one, see `Replicator.truncate`. With nobody to acknowledge anything all that is
    /// old enough may go; in a store that others have a part in, and whose acknowledgements nobody hears now, only what goes
    /// whatever they hold.
    func truncateIfDue(_ now: Instant) {
        let ticks = settings.ticks()
        guard ticks >= nextTruncation.load(ordering: .relaxed) else { return }
        nextTruncation.store(ticks + ReplicationLimits.truncationInterval, ordering: .relaxed)
        let rows = vectorRows.withLock { $0 }.all.map(\.row)
        let isAlone = rows.allSatisfy { NodeID($0.origin) == NodeID(origin) }
        let list = rows.filter { $0.head > $0.floor }.map { row in
            Truncation.Row(origin: row.origin, acknowledged: isAlone ? row.head : 0, pinned: row.head)
        }
        guard !list.isEmpty else { return }
        let floors = Dictionary(uniqueKeysWithValues: rows.map { ($0.origin, $0.floor) })
        carryOut(.truncate(Truncation(list, now: now))) { [self] result in
            guard case .success(let events) = result, case .truncated(let raised)? = events.first else { return }
            let count = raised.reduce(0) { $0 + $1.floor - floors[$1.origin]! }
            guard count >= ReplicationLimits.manyTruncated else { return }
            nextTruncation.store(ticks + ReplicationLimits.truncationPause, ordering: .relaxed)
        }
    }
}
