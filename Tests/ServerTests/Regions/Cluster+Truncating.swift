import Glibc
import Primitives
import Store
import Synchronization

@testable import Replication

extension Cluster {
    /// A stopped node's logs lose all that they hold, as when they are a week old or take a quarter of the map.
    func truncate(_ index: Int) throws {
        precondition(nodes[index] == nil)
        let now = Instant(milliseconds: Int64(time(nil)) * 1000)
        var settings = try StoreSettings(of: data(index), now: { now }, mustEnd: { fatalError($0) })
        settings.hasThreads = false
        let told = Mutex<[Event]>([])
        let peer = try PeerStore(settings) { event in told.withLock { $0.append(event) } }
        defer { peer.store.close() }
        let later = now.advanced(byMilliseconds: 3_600_000)
        let rows = try peer.store.holdings().rows.map {
            Truncation.Row(origin: $0.origin, acknowledged: $0.head, pinned: $0.head)
        }
        repeat {
            told.withLock { $0 = [] }
            _ = peer.perform(.truncate(Truncation(rows: rows, settledBefore: later, cappedBefore: later)))
            peer.store.turn()
        } while told.withLock { $0.contains { if case .truncated(let floors) = $0 { !floors.isEmpty } else { false } } }
    }
}
