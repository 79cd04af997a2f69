/// Sizes and shares of the L1 cache.
package enum CacheLimits {
    /// Codes and aliases are no longer.
    package static let longestKeyBytes = 64
    /// The longest destination (2048 bytes) with its scheme and the fields that go with it.
    package static let longestAnswerBytes = 2304
    /// Places of a cache, one for each entry of ordinary length.
    package static let entries = 64...(1 << 22)
    /// Slots of the stamps that all workers share: 8 MiB. With 10 000 changes a second an entry that did not change is
    /// fetched again once in about 100 s, because something else in its slot did.
    package static let stampSlots = 1 << 20

    /// The window has one place in so many; the main area has the rest.
    static let windowShare = 100
    /// Of the main area, in per cent.
    static let protectedPercent = 80
    /// Requests a place after which the sketch forgets half of what it counted.
    static let agingRequestsPerEntry = 10

    /// The longest lives of entries. Changes do not wait for them: see `CacheStamps`.
    package static let redirectMilliseconds: Int64 = 60_000
    package static let negativeMilliseconds: Int64 = 5_000
    /// A life is shorter than the longest by up to this part of it, so that what was filled at once is not rendered anew
    /// at once.
    static let jitterPercent: Int64 = 25
}
