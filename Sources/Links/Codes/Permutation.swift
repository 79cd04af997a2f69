import Primitives

/// A keyed bijection of [0, last] that makes neighbours look unrelated, so that codes of ascending numbers show no
/// order. It hides order and keeps no secrets.
///
/// A balanced Feistel network over the smallest even number of bits that holds the domain; a result outside the domain
/// is fed in again until it falls inside (cycle walking: Black and Rogaway, "Ciphers with Arbitrary Finite Domains",
/// 2002). The round function is SipHash-1-3 of one word:
///
///     bit 63     56 55     48 47     40 39     32 31               0
///         |  zero  |  round  |  tweak  |  width  |  half, ≤ 32 bits |
///
/// Six rounds. Luby and Rackoff (1988) need three for a pseudo-random permutation and four for one that is also asked
/// backwards, but their bound is the square root of a half's range: 2^9 queries for the 18-bit halves of six
/// characters, and everyone sees more codes than that. Patarin ("Security of Random Feistel Schemes with 5 or More
/// Rounds", 2004) shows that five rounds resist chosen numbers, and six chosen codes as well, up to about the range
/// itself. Since no secret hangs on it, no more than these six: each further one is another hash in every redirect.
package struct Permutation: Sendable {
    package static let rounds: UInt64 = 6

    private let key0, key1: UInt64
    /// The greatest element; the domain has one more, so that 2^64 elements can be written.
    private let last: UInt64
    private let halfBits: UInt64
    private let halfMask: UInt64
    /// Tweak and width in their places of the round function's word.
    private let label: UInt64

    /// Over [0, last]. Different keys, tweaks and widths give unrelated permutations.
    package init(key0: UInt64, key1: UInt64, tweak: UInt8, last: UInt64) {
        let bits = UInt64(max(2, UInt64.bitWidth - last.leadingZeroBitCount))
        (self.key0, self.key1, self.last) = (key0, key1, last)
        halfBits = (bits + 1) / 2
        halfMask = 1 << halfBits - 1
        label = UInt64(tweak) << 40 | (2 * halfBits) << 32
    }

    package func apply(_ element: UInt64) -> UInt64 {
        precondition(element <= last)
        var walked = element
        repeat { walked = forward(walked) } while walked > last
        return walked
    }

    package func invert(_ element: UInt64) -> UInt64 {
        precondition(element <= last)
        var walked = element
        repeat { walked = backward(walked) } while walked > last
        return walked
    }

    @inline(__always)
    private func forward(_ block: UInt64) -> UInt64 {
        var (left, right) = (block &>> halfBits, block & halfMask)
        for round in 0..<Self.rounds {
            (left, right) = (right, left ^ mix(right, round))
        }
        return left &<< halfBits | right
    }

    @inline(__always)
    private func backward(_ block: UInt64) -> UInt64 {
        var (left, right) = (block &>> halfBits, block & halfMask)
        var round = Self.rounds
        while round > 0 {
            round &-= 1
            (left, right) = (right ^ mix(left, round), left)
        }
        return left &<< halfBits | right
    }

    @inline(__always)
    private func mix(_ half: UInt64, _ round: UInt64) -> UInt64 {
        SipHash.hash13(round &<< 48 | label | half, key0: key0, key1: key1) & halfMask
    }
}
