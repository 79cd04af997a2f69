import Links
import Replication
import Synchronization

/// How far this node holds the log of each life of each node, for any thread to read without a lock: whether it covers a
/// position that a token names.
///
///     writer   commit ─▶ raise(origin, head)                          reader   covers(position) ─▶ begin ─▶ find
///
/// Heads are raised after the commit, so a snapshot that is taken after `covers` has the entry. Where a peer's snapshot
/// takes the store's place heads may fall; whoever found something covered looks whether `environment` is still the same
/// once it has its own snapshot.
///
/// Lives whose tags are equal cannot be told apart: nothing of them is ever covered.
///
/// Safety: the slots are atomics that live as long as the value; `names` and `used` belong to the writer.
package final class Coverage: @unchecked Sendable {
    private struct Slot: ~Copyable {
        /// A life's tag and a bit beside it; 0: none. Never changes once it is set.
        let key = Atomic<UInt64>(0)
        let head = Atomic<UInt64>(0)
        /// What all members hold, as the thread that talks to peers says.
        let settled = Atomic<UInt64>(0)
    }

    private let slots: UnsafeMutablePointer<Slot>
    /// A power of two, twice as many as there may be lives.
    private static let count = StoreLimits.origins * 2
    private static let present: UInt64 = 1 << 32
    /// Slots in the order in which they were taken.
    private let order: UnsafeMutablePointer<Atomic<Int>>
    private let used = Atomic(0)
    private let changes = Atomic<UInt64>(0)
    private let environments = Atomic<UInt64>(0)
    private var names: [LifeTag: Origin] = [:]
    private var ambiguous: Set<LifeTag> = []

    init(_ rows: some Collection<OriginRow>) {
        slots = .allocate(capacity: Self.count)
        for index in 0..<Self.count { (slots + index).initialize(to: Slot()) }
        order = .allocate(capacity: Self.count)
        for index in 0..<Self.count { (order + index).initialize(to: Atomic(0)) }
        for row in rows { raise(row) }
    }

    deinit {
        slots.deinitialize(count: Self.count)
        slots.deallocate()
        order.deinitialize(count: Self.count)
        order.deallocate()
    }

    // MARK: The writer

    /// After the commit.
    func raise(_ row: OriginRow) {
        guard let life = LifeTag(row.origin), let slot = slot(of: life, for: row.origin) else { return }
        guard row.head > slots[slot].head.load(ordering: .relaxed) else { return }
        slots[slot].head.store(row.head, ordering: .releasing)
        changes.add(1, ordering: .releasing)
    }

    /// Another store takes this one's place: before anybody can read in it.
    func replace(by rows: some Collection<OriginRow>) {
        environments.add(1, ordering: .sequentiallyConsistent)
        for place in 0..<used.load(ordering: .relaxed) {
            slots[order[place].load(ordering: .relaxed)].head.store(0, ordering: .sequentiallyConsistent)
        }
        for row in rows { raise(row) }
        changes.add(1, ordering: .releasing)
    }

    /// Nil if the life cannot be told from another one, or there is no room.
    private func slot(of life: LifeTag, for origin: Origin) -> Int? {
        if names[life] == origin { return ambiguous.contains(life) ? nil : find(life) }
        if names[life] != nil {
            ambiguous.insert(life)
            slots[find(life)!].head.store(0, ordering: .sequentiallyConsistent)
            return nil
        }
        let place = used.load(ordering: .relaxed)
        guard place < StoreLimits.origins else { return nil }
        names[life] = origin
        var index = Self.start(life)
        while slots[index].key.load(ordering: .relaxed) != 0 { index = (index + 1) % Self.count }
        slots[index].key.store(UInt64(life.rawValue) | Self.present, ordering: .releasing)
        order[place].store(index, ordering: .relaxed)
        used.store(place + 1, ordering: .releasing)
        return index
    }

    // MARK: The thread that talks to peers

    /// All members hold the log so far.
    package func settle(_ origin: Origin, through head: UInt64) {
        guard let life = LifeTag(origin), let slot = find(life) else { return }
        guard slots[slot].settled.load(ordering: .relaxed) != head else { return }
        slots[slot].settled.store(head, ordering: .relaxed)
        changes.add(1, ordering: .releasing)
    }

    // MARK: Any thread

    /// Grows with every change, so that what was made of the heads can be kept until then.
    @inline(__always)
    package var version: UInt64 { changes.load(ordering: .acquiring) }

    /// Grows when another store takes the place of this one.
    @inline(__always)
    package var environment: UInt64 { environments.load(ordering: .sequentiallyConsistent) }

    /// 0 for a life of which nothing is here.
    package func head(_ life: LifeTag) -> UInt64 { find(life).map { slots[$0].head.load(ordering: .acquiring) } ?? 0 }

    package func covers(_ position: LogPosition) -> Bool { head(position.life) >= position.sequence }

    /// Every member holds it, so no answer anywhere can lack it.
    package func isSettled(_ position: LogPosition) -> Bool {
        guard let slot = find(position.life) else { return false }
        return slots[slot].settled.load(ordering: .relaxed) >= position.sequence
    }

    /// Where the logs stand here that not all members hold as far, the youngest lives first; at most so many.
    package func unsettled(atMost count: Int) -> [LogPosition] {
        var positions: [LogPosition] = []
        var place = used.load(ordering: .acquiring)
        while place > 0, positions.count < count {
            place -= 1
            let slot = order[place].load(ordering: .relaxed)
            let head = slots[slot].head.load(ordering: .acquiring)
            guard head > slots[slot].settled.load(ordering: .relaxed) else { continue }
            let tag = UInt32(truncatingIfNeeded: slots[slot].key.load(ordering: .relaxed))
            if let life = LifeTag(rawValue: tag) { positions.append(LogPosition(life, head)) }
        }
        return positions
    }

    private func find(_ life: LifeTag) -> Int? {
        var index = Self.start(life)
        while true {
            let key = slots[index].key.load(ordering: .acquiring)
            if key == 0 { return nil }
            if key == UInt64(life.rawValue) | Self.present { return index }
            index = (index + 1) % Self.count
        }
    }

    private static func start(_ life: LifeTag) -> Int {
        Int((UInt64(life.rawValue) &* 0x9e37_79b9_7f4a_7c15) >> 40) % count
    }
}
