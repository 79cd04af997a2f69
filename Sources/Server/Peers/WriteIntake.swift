import Primitives
import Synchronization

/// Refuses a share of users' writes while the slowest live peer is late with this node's log, all of them if it is very
/// late: so what a peer lacks cannot grow for ever.
///
/// One thread tells how late it is, any thread asks.
final class WriteIntake: Sendable {
    private let refusedPerMille = Atomic(0)
    private let turn = Atomic(0)
    private let refusals = Atomic<UInt64>(0)

    /// - lag: milliseconds of the slowest peer that counts.
    func note(lag: Int64, slow: Int64, stop: Int64) {
        let share =
            if lag <= slow { 0 } else if lag >= stop { 1000 } else { Int((lag - slow) * 1000 / (stop - slow)) }
        refusedPerMille.store(share, ordering: .relaxed)
    }

    /// Whether the next write is let in. Refusals are spread evenly.
    func lets() -> Bool {
        let share = refusedPerMille.load(ordering: .relaxed)
        if share == 0 { return true }
        let (before, after) = turn.add(share, ordering: .relaxed)
        if before / 1000 == after / 1000, share < 1000 { return true }
        refusals.add(1, ordering: .relaxed)
        return false
    }

    var refusedShare: Double { Double(refusedPerMille.load(ordering: .relaxed)) / 1000 }
    var refusalCount: UInt64 { refusals.load(ordering: .relaxed) }
}
