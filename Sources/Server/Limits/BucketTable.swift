import Glibc
import Synchronization

/// Token buckets of one limit, for any number of clients in memory that does not grow, asked by all threads at once.
///
/// A bucket is the instant at which it will be full again (the "theoretical arrival time" of the generic cell rate
/// algorithm, ITU-T I.371), so it takes one word, and one compare-and-swap takes a token:
///
///     63        40 39                        0
///     | tag      | full again at this tick   |     0: nothing was ever here
///
/// The hash of a client, keyed so that no client can choose it, picks a set of eight words (a cache line) and a tag. A
/// bucket that is full says nothing, so its word is free. Where all eight are in use the one that is nearest to being
/// full makes way: whoever had it has at most that much more. So under any number of clients
///
/// * a client that asks much keeps its word, as its debt is greater than that of those who pass by;
/// * a client that asks little always gets its tokens: whoever is not known has a full bucket;
/// * more than 8 of 131 072 words' clients that ask much at once, in one set, share its words, and are held to the limit
///   the less the more they are.
///
/// Two clients of the same set and tag share a bucket: one in two million of the clients that are there at one time.
/// Where two threads meet an unknown client at the same instant while a third changes its set, it may get a token too
/// many. Ticks go round in 40 bits, in an hour at the highest rate: `sweep` frees full words long before they could seem
/// to be in use again.
///
/// Safety: each word is atomic; the memory lives as long as the value.
package final class BucketTable: @unchecked Sendable {
    package static let ways = 8
    private static let setBits: UInt64 = 14
    private static let sets = 1 << Int(setBits)
    /// A MiB; pages that nobody has needed are not in memory.
    package static let sizeBytes = sets * ways * MemoryLayout<UInt64>.size

    private static let tickBits: UInt64 = 40
    private static let tickMask: UInt64 = 1 << tickBits - 1

    private let words: UnsafeMutablePointer<Atomic<UInt64>>

    package init() {
        let memory = mmap(nil, Self.sizeBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let memory, memory != MAP_FAILED else { preconditionFailure("the system gives no more memory") }
        // Safety: an atomic word is as large as its value, and an atomic 0 is all zeros, as the pages are.
        words = memory.bindMemory(to: Atomic<UInt64>.self, capacity: Self.sets * Self.ways)
    }

    deinit { munmap(words, Self.sizeBytes) }

    /// What became of a request, and the ticks that the client owes now.
    package struct Verdict: Equatable, Sendable {
        package let isAllowed: Bool
        package let debt: UInt64
    }

    /// Takes a token from the bucket of the client whose hash this is, if there is one. `now` in ticks of `limit`.
    @inline(__always)
    package func take(_ hash: UInt64, _ limit: RateLimit, at now: UInt64) -> Verdict {
        while true {
            let (word, old, debt) = find(hash, limit, at: now)
            let after = debt + RateLimit.ticksPerToken
            guard after <= limit.capacityTicks else { return Verdict(isAllowed: false, debt: debt) }
            let new = Self.tag(hash) << Self.tickBits | (now &+ after) & Self.tickMask
            if word.pointee.compareExchange(expected: old, desired: new, ordering: .relaxed).exchanged {
                return Verdict(isAllowed: true, debt: after)
            }
        }
    }

    /// Whether there is a token, without taking it.
    package func look(_ hash: UInt64, _ limit: RateLimit, at now: UInt64) -> Verdict {
        let debt = find(hash, limit, at: now).debt
        return Verdict(isAllowed: debt + RateLimit.ticksPerToken <= limit.capacityTicks, debt: debt)
    }

    /// Frees the words of full buckets; how many are in use.
    package func sweep(_ limit: RateLimit, at now: UInt64) -> Int {
        (0..<Self.sets * Self.ways).count { index in
            let word = words[index].load(ordering: .relaxed)
            if word == 0 { return false }
            if Self.debt(word, limit, at: now) > 0 { return true }
            // Whoever has just taken from it keeps it.
            return !words[index].compareExchange(expected: word, desired: 0, ordering: .relaxed).exchanged
        }
    }

    /// The word of a client and what is in it; of an unknown one, the word to put it into.
    @inline(__always)
    private func find(
        _ hash: UInt64, _ limit: RateLimit, at now: UInt64
    ) -> (word: UnsafeMutablePointer<Atomic<UInt64>>, old: UInt64, debt: UInt64) {
        let set = words + Int(hash & UInt64(Self.sets - 1)) * Self.ways
        let tag = Self.tag(hash)
        var (place, least, old) = (0, UInt64.max, UInt64(0))
        for way in 0..<Self.ways {
            let word = set[way].load(ordering: .relaxed)
            let debt = word == 0 ? 0 : Self.debt(word, limit, at: now)
            if word >> Self.tickBits == tag { return (set + way, word, debt) }
            if debt < least { (place, least, old) = (way, debt, word) }
        }
        return (set + place, old, 0)
    }

    /// Never 0, which is nobody's.
    @inline(__always)
    private static func tag(_ hash: UInt64) -> UInt64 { max(1, hash >> tickBits) }

    /// Ticks until the bucket is full; what is not within the horizon is past.
    @inline(__always)
    private static func debt(_ word: UInt64, _ limit: RateLimit, at now: UInt64) -> UInt64 {
        let difference = (word &- now) & tickMask
        return difference <= limit.horizonTicks ? difference : 0
    }
}
