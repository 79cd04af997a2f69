import Links
import Primitives
import Replication
import Synchronization

/// Per region and node, how far its numbers have come here: between that and the ceiling a code may exist that is not
/// here yet. Raised by the writer, read by all.
///
/// Numbers ascend in the log of one life, so whoever holds an entry that gave one out holds all below it of that life.
/// Only a node's own log counts: another node may have changed a link, and that entry comes before the one that made it.
/// Where an ended life is known to go on beyond what is here (`hasGap`) numbers below may be missing too. What came in a
/// peer's snapshot begins at zero, so more is asked for than must be until the next entry.
///
/// Safety: the atomics live as long as the value, and are the only thing shared.
final class ReceivedNumbers: @unchecked Sendable {
    private struct Slot: ~Copyable {
        /// The counter behind the greatest one.
        let next = Atomic<UInt64>(0)
        /// Of the newest entry of any of its logs, in milliseconds.
        let latest = Atomic<Int64>(0)
        let hasGap = Atomic(false)
    }

    private let slots: UnsafeMutablePointer<Slot>
    private static let count = 62 * 16

    init() {
        slots = .allocate(capacity: Self.count)
        for index in 0..<Self.count { (slots + index).initialize(to: Slot()) }
    }

    deinit {
        slots.deinitialize(count: Self.count)
        slots.deallocate()
    }

    // MARK: The writer

    /// After the commit that brought `rows`. `all`: of every known life.
    func note(_ rows: [OriginRow], all: some Collection<OriginRow>) {
        for row in rows {
            guard let index = Self.slotIndex(row.origin.region, row.origin.node) else { continue }
            let milliseconds = Stamp(rawValue: row.headStamp).instant.milliseconds
            if milliseconds > slots[index].latest.load(ordering: .relaxed) {
                slots[index].latest.store(milliseconds, ordering: .relaxed)
            }
            if row.firstCounter > slots[index].next.load(ordering: .relaxed) {
                slots[index].next.store(row.firstCounter, ordering: .releasing)
            }
            guard row.hasGap || slots[index].hasGap.load(ordering: .relaxed) else { continue }
            let hasGap = all.contains { NodeID($0.origin) == NodeID(row.origin) && $0.hasGap }
            slots[index].hasGap.store(hasGap, ordering: .releasing)
        }
    }

    /// Another store takes this one's place.
    func replace(by rows: [OriginRow]) {
        for index in 0..<Self.count {
            slots[index].next.store(0, ordering: .releasing)
            slots[index].latest.store(0, ordering: .relaxed)
            slots[index].hasGap.store(false, ordering: .relaxed)
        }
        note(rows, all: rows)
    }

    static func slotIndex(_ region: UInt8, _ node: UInt8) -> Int? {
        guard let character = RegionCharacter(region), node < 16 else { return nil }
        return Int(character.index) * 16 + Int(node)
    }

    // MARK: All

    func next(_ region: RegionCharacter, _ node: UInt8) -> UInt64 {
        slots[Int(region.index) * 16 + Int(node)].next.load(ordering: .acquiring)
    }

    func latest(_ region: RegionCharacter, _ node: UInt8) -> Instant {
        Instant(milliseconds: slots[Int(region.index) * 16 + Int(node)].latest.load(ordering: .relaxed))
    }

    func hasGap(_ region: RegionCharacter, _ node: UInt8) -> Bool {
        slots[Int(region.index) * 16 + Int(node)].hasGap.load(ordering: .acquiring)
    }
}

extension OriginRow {
    /// It has ended, and not all of it is here.
    fileprivate var hasGap: Bool { seal != Self.unsealed && head < seal }
}

extension Store {
    /// Whose link `code` may be although it is not here: its entry may be on its way. Nil: what is not here does not
    /// exist, as far as anybody could know.
    ///
    /// A Snowflake's time tells: one that is older than the newest entry of its node, by more than clocks may differ, would
    /// be here; one that is younger than now, by as much, nobody has made.
    ///
    /// To be asked after the code was looked for; whether it has come meanwhile its stamp tells.
    package func authorElsewhere(of code: RawSpan, now: Instant) -> NodeID? {
        guard let decoded = codeSpace.decode(code) else { return nil }
        let (region, node, mayCome): (RegionCharacter, UInt8, Bool)
        switch decoded {
        case .generated(let character, let number, let value):
            guard ceilings.allows(value, region: character, node: number) else { return nil }
            (region, node) = (character, number)
            mayCome = GeneratedNumber.counter(of: value) >= received.next(region, node)
        case .snowflake(let character, let number, let value):
            let (made, tolerance) = (Snowflake(number: value).instant, ReplicationLimits.clockTolerance)
            guard made <= now.advanced(byMilliseconds: tolerance) else { return nil }
            (region, node) = (character, number)
            mayCome = made >= received.latest(region, node).advanced(byMilliseconds: -tolerance)
        }
        let isOwn = region == settings.region.character && node == settings.node
        guard received.hasGap(region, node) || mayCome && !isOwn else { return nil }
        return NodeID(region: region.byte, node: node)
    }

    /// Whether `code` may be an alias that another node's user was given and that has not come here yet. One with the shape
    /// of a generated code is nobody's to give.
    package func mayBeAlias(_ code: RawSpan) -> Bool {
        !codeSpace.hasGeneratedShape(code) && (try? Alias(imported: code)) != nil
    }
}
