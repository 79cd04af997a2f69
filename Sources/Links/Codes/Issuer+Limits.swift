extension Issuer {
    /// Everything that bounds a node's issuing. Tests give smaller ones.
    package struct Limits: Sendable {
        /// Numbers, and apart from them Snowflakes, that a node may issue in a second. A node that lost its disk
        /// reckons with it, so all nodes must have the same.
        package var numbersPerSecond: UInt64 = 50_000
        /// How much of the cap may gather while nothing is issued.
        package var burstMilliseconds: UInt64 = 1000
        /// Numbers end below this, at most 62^7.
        package var rangeLimit: UInt64 = Base62.sevenCharacters
        /// Counters in a lease: enough for `blockSeconds` at the recent rate, but within these.
        package var smallestBlock: UInt64 = 16_384
        package var largestBlock: UInt64 = 1 << 26
        package var blockSeconds: UInt64 = 15 * 60
        /// A renewal is due when this part of the block is left.
        package var renewalPercent: UInt64 = 20
        /// A renewal without an answer for so long is asked for again, and counts as overdue.
        package var renewalTimeoutMilliseconds: Int64 = 10_000
        /// The breaker's, and a failed renewal's, wait before the next try doubles from the first to the second.
        package var firstBackOffMilliseconds: Int64 = 100
        package var longestBackOffMilliseconds: Int64 = 10_000
        /// Clocks that differ, and a burst, are covered by so much time at the cap when a node resumes.
        package var resumptionMarginMilliseconds: UInt64 = 60_000

        package init() {}

        func check() {
            precondition(numbersPerSecond >= 1 && numbersPerSecond <= 1 << 32)
            precondition(burstMilliseconds >= 1 && burstMilliseconds <= 1000)
            precondition(burstMilliseconds < resumptionMarginMilliseconds)
            precondition(burstMilliseconds * numbersPerSecond >= 1000, "a whole token must fit")
            precondition(rangeLimit <= Base62.sevenCharacters)
            precondition(smallestBlock >= 1 && smallestBlock <= largestBlock && largestBlock <= 1 << 40)
            precondition(renewalPercent >= 1 && renewalPercent < 100)
            precondition(firstBackOffMilliseconds >= 1 && firstBackOffMilliseconds <= longestBackOffMilliseconds)
            precondition(renewalTimeoutMilliseconds >= 1)
        }

        func doubled(_ backOffMilliseconds: Int64) -> Int64 {
            min(backOffMilliseconds * 2, longestBackOffMilliseconds)
        }
    }
}
