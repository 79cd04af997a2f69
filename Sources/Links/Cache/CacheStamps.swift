import Primitives
import Synchronization

/// Which snapshot of which store an answer was made from.
///
/// Later snapshots have greater tags: LMDB counts transactions, and a store that takes the place of another has a greater
/// environment number, though its transactions start over.
///
///     bit 63        48 47                    0
///         | environment | transaction          |
package struct CacheTag: Comparable, Sendable {
    let rawValue: UInt64

    package init(environment: UInt16, transaction: UInt64) {
        precondition(transaction < 1 << 48)
        rawValue = UInt64(environment) << 48 | transaction
    }

    package static func < (one: CacheTag, other: CacheTag) -> Bool { one.rawValue < other.rawValue }
}

/// Tells which cached answers the store has overtaken. One for all workers of a node and the writer.
///
/// The rule: before the writer commits a transaction, it stamps the slot of each key that it changes with the
/// transaction's tag; only after the commit does anyone learn of it. An entry carries the tag of the read transaction it
/// was filled from, and is valid while its slot's stamp is not greater.
///
///     writer   stamp(key, T) ─▶ commit T ─▶ publish (answer the user, acknowledge the peer)
///     worker   tag = id of the read transaction ─▶ read ─▶ insert(…, tag)        hit only while stamp ≤ tag
///
/// Why a hit is never older than what was published before its lookup began: publishing T happens before the lookup, and
/// the stamp before the publishing, so the lookup sees a stamp of T or more; an entry that is valid then was read in a
/// transaction of T or later, which holds T's change. For this the stamps could be relaxed, since what carries the news
/// of a publication from thread to thread also carries the stamp. The fences are for a worker that sees the commit itself,
/// in the map, before anybody told it: a release between the stamps and the commit and an acquire between beginning to
/// read and looking into the cache keep it from finding a newer answer in the store, and an older one here afterwards.
///
/// A transaction that was stamped and failed does no harm: nothing is valid in its slots until a later one has its number
/// or more. Two keys in one slot do none either: one is fetched again because the other changed.
///
/// Whatever else a lookup consults beside its snapshot (the ceilings of numbers, whether aliases of a code's shape exist)
/// must also be raised before the commit, or a negative answer could be tagged as newer than it is.
///
/// Safety: the slots are atomics that live as long as the value; the keys never change.
@safe package final class CacheStamps: @unchecked Sendable {
    private let slots: UnsafeMutablePointer<Atomic<UInt64>>
    private let slotBits: UInt64
    /// Tags below are of a store that is no longer there.
    private let floor = Atomic<UInt64>(0)
    private let key0, key1: UInt64

    /// The keys come from the system's generator, so that nobody can aim at a slot. `slotCount` is a power of two.
    package init(key0: UInt64, key1: UInt64, slotCount: Int = CacheLimits.stampSlots) {
        precondition(slotCount > 1 && slotCount & (slotCount - 1) == 0)
        (self.key0, self.key1) = (key0, key1)
        slotBits = UInt64(slotCount.trailingZeroBitCount)
        unsafe slots = .allocate(capacity: slotCount)
        for index in 0..<slotCount { unsafe (slots + index).initialize(to: Atomic(0)) }
    }

    deinit {
        unsafe slots.deinitialize(count: 1 << Int(slotBits))
        unsafe slots.deallocate()
    }

    /// Where a code or an alias belongs, in the stamps and in every worker's cache.
    @inline(__always)
    func hash(_ key: RawSpan) -> UInt64 { SipHash.hash13(key, key0: key0, key1: key1) }

    // MARK: The writer

    /// Before the commit of the transaction that changes `key`; by one thread at a time, with tags that never fall.
    package func stamp(_ key: RawSpan, _ tag: CacheTag) {
        let slot = slotIndex(hash(key))
        precondition(unsafe slots[slot].load(ordering: .relaxed) <= tag.rawValue, "stamps only rise")
        unsafe slots[slot].store(tag.rawValue, ordering: .relaxed)
        atomicMemoryFence(ordering: .releasing)
    }

    /// Before anything of a store that takes the place of another is published: no entry of an earlier one is valid any
    /// more, however its slot is stamped.
    package func replaceEnvironment(with environment: UInt16) {
        let lowest = CacheTag(environment: environment, transaction: 0).rawValue
        precondition(floor.load(ordering: .relaxed) < lowest, "environments only rise")
        floor.store(lowest, ordering: .releasing)
    }

    // MARK: Workers

    /// The tag of what is read from now on, in a read transaction that has begun. For an answer that another node gives:
    /// taken before it is asked.
    package func tag(environment: UInt16, transaction: UInt64) -> CacheTag {
        atomicMemoryFence(ordering: .acquiring)
        return CacheTag(environment: environment, transaction: transaction)
    }

    /// Whether nothing that has been published since the snapshot of `tag` changes `key`.
    package func isCurrent(_ tag: CacheTag, _ key: RawSpan) -> Bool { isCurrent(tag, hash: hash(key)) }

    @inline(__always)
    func isCurrent(_ tag: CacheTag, hash: UInt64) -> Bool {
        let stamp = unsafe slots[slotIndex(hash)].load(ordering: .acquiring)
        return stamp <= tag.rawValue && floor.load(ordering: .acquiring) <= tag.rawValue
    }

    /// The hash's top bits: its low ones choose the place in a worker's table.
    @inline(__always)
    private func slotIndex(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash &>> (64 &- slotBits)) }
}
