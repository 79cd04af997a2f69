/// Bounds of the lookups on reader threads, and of the decision for them, in one place.
package enum ReaderLimits {
    /// What `reader_threads` may be. Each has a place in LMDB's table of readers.
    package static let threads = 1...64
    /// Codes that are looked up or wait to be, requests that wait for them, and bytes of these requests.
    package static let lookups = 4096
    package static let requests = 16_384
    package static let requestBytes = 64 << 20
    /// What a node takes beside its caches and the store's pages.
    package static let ownBytes = 64 << 20
    /// The store fits while it takes at most this part of the memory that is left for it, and fits again at the lower
    /// part: the kernel drops pages before all memory is taken, and others on the machine read files too.
    package static let fitsPercent = 75
    package static let fitsAgainPercent = 60
    /// How much longer than the drain time a drain may take for a thread that the disk holds up.
    package static let drainGraceMilliseconds: Int64 = 3_000
}
