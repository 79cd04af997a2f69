import Primitives

/// The answers of redirects that a worker has given lately. One belongs to each worker, and no other thread uses it.
///
/// W-TinyLFU (Einziger, Friedman and Manes, "TinyLFU: A Highly Efficient Cache Admission Policy", 2017): what is new
/// comes into a small window in the order of use; what falls out of it enters the main area only if it was asked for
/// more often than what would have to go. The main area is segmented: who is asked for again there is protected.
///
///              insert ─▶ window, 1 % ──back──▶ sketch: more often than the victim? ──no──▶ out
///                                                │ yes
///                                                ▼
///              main area:  probation ◀──back── protected, 80 %
///                            │   └───hit──────────▶┘
///                            └──back: the victim─▶ out
///
/// All memory is there from the start, `sizeBytes` of it: a place is a cell of 192 bytes, links of 8, 8 to 16 of the table
/// and of the sketch each. An entry whose key and answer have at most 152 bytes together takes one place, a longer one
/// another for each further 188. A longer candidate has to beat all those together that it would displace (Einziger,
/// Eytan, Friedman and Manes, "Lightweight Robust Size Aware Cache Management", 2022: aggregated victims).
///
/// Time comes in as wall time, because links expire by it. If the clock is set back, what would then live longer than
/// its kind may is taken for expired.
///
/// The value has no mutating function, because it is a stored property of a class, where each would be checked for
/// exclusive access.
///
/// Safety: the table is owned by the value, and used by one thread.
@safe package struct CodeCache: ~Copyable {
    private let table: UnsafeMutablePointer<CacheTable>

    package enum Kind: UInt8, Sendable, CaseIterable {
        case redirect
        /// 404 and 410.
        case notFound, gone
        /// 451, or a page that warns. The answer is that of the redirect, or empty where there would be none.
        case blocked

        /// How long an answer may be given without looking into the store, if nothing changes it.
        var longestLifeMilliseconds: Int64 {
            switch self {
            case .redirect: CacheLimits.redirectMilliseconds
            case .notFound, .gone, .blocked: CacheLimits.negativeMilliseconds
            }
        }
    }

    /// An answer that can be given. Good until the next lookup or insertion.
    package struct Hit: Equatable {
        package let kind: Kind
        package let byteCount: Int
        let cell: Int32
    }

    /// Since the start; written by the owner alone.
    package struct Counters: Equatable, Sendable {
        package var hits: UInt64 = 0
        package var misses: UInt64 = 0
        /// Misses of entries that were there, and too old, or overtaken by a change.
        package var expired: UInt64 = 0
        package var overtaken: UInt64 = 0
        package var insertions: UInt64 = 0
        /// Entries that had to go for others, and such as fell out of the window because all others were used more often.
        package var evictions: UInt64 = 0
        package var rejections: UInt64 = 0
    }

    /// A cache of so many places; see `CacheLimits.entries`.
    package init(entries: Int, stamps: CacheStamps) {
        unsafe table = .allocate(capacity: 1)
        unsafe table.initialize(to: CacheTable(entries: entries, stamps: stamps))
    }

    deinit {
        unsafe table.deinitialize(count: 1)
        unsafe table.deallocate()
    }

    /// Bytes of memory that a cache takes, of which none comes or goes later.
    package static func sizeBytes(entries: Int) -> Int { CacheTable.sizeBytes(entries: entries) }

    package var counters: Counters { unsafe table.pointee.counters }
    /// Entries that are there, valid or not.
    package var entryCount: Int { unsafe table.pointee.entryCount }

    /// The answer for a code or an alias as it stands in the path; nil if it has to be looked up.
    package func lookup(_ key: RawSpan, now: Instant) -> Hit? { unsafe table.pointee.lookup(key, now.milliseconds) }

    /// Copies the bytes of the answer to `target`, which has room for `hit.byteCount`.
    package func copy(_ hit: Hit, to target: UnsafeMutableRawPointer) {
        unsafe table.pointee.cells.copyAnswer(hit.cell, to: target)
    }

    /// Takes what was answered, or leaves it, if it is not worth its place or overtaken already.
    ///
    /// `answer` is what of the rendered answer is this key's own, at most `CacheLimits.longestAnswerBytes`: nothing that
    /// hangs on the second, on the connection or on the request's form, and nothing that is the same for all. `tag` is of
    /// the transaction that it was read in, begun before. From `renderAgainAt` on it is another: an expiry, or a `max-age`
    /// that has shrunk; `.max` if never.
    package func insert(
        _ key: RawSpan, _ kind: Kind, answer: RawSpan, tag: CacheTag, now: Instant, renderAgainAt: Instant
    ) {
        precondition(
            (1...CacheLimits.longestKeyBytes).contains(key.byteCount)
                && answer.byteCount <= CacheLimits.longestAnswerBytes)
        unsafe table.pointee.insert(
            key, kind, answer, tag, now: now.milliseconds, renderAgainAt: renderAgainAt.milliseconds)
    }

    /// For tests: traps if the parts do not fit together. O(n).
    package func checkInvariants() { unsafe table.pointee.checkInvariants() }
}
