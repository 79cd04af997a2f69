import Links
import Synchronization

/// Per region and node, the counter below which its numbers lie: above, a code cannot exist. Raised by the writer, read
/// by all.
///
/// Safety: the atomics live as long as the value, and are the only thing shared.
final class Ceilings: @unchecked Sendable {
    private let counters: UnsafeMutablePointer<Atomic<UInt64>>
    private static let count = 62 * 16

    init(_ rows: some Collection<OriginRow>) {
        counters = .allocate(capacity: Self.count)
        for index in 0..<Self.count { (counters + index).initialize(to: Atomic(0)) }
        for row in rows { raise(row.origin.region, row.origin.node, to: row.ceiling) }
    }

    deinit {
        counters.deinitialize(count: Self.count)
        counters.deallocate()
    }

    /// Only upwards; by one thread at a time.
    func raise(_ region: UInt8, _ node: UInt8, to counter: UInt64) {
        guard let character = RegionCharacter(region) else { return }
        let slot = counters + slotIndex(character, node)
        if counter > slot.pointee.load(ordering: .relaxed) { slot.pointee.store(counter, ordering: .releasing) }
    }

    func allows(_ number: UInt64, region: RegionCharacter, node: UInt8) -> Bool {
        GeneratedNumber.counter(of: number) < counters[slotIndex(region, node)].load(ordering: .acquiring)
    }

    private func slotIndex(_ region: RegionCharacter, _ node: UInt8) -> Int {
        precondition(node < 16)
        return Int(region.index) * 16 + Int(node)
    }
}
