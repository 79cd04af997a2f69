import Glibc
import Links
import Primitives
import Replication

/// What a store is opened with.
package struct StoreSettings: Sendable {
    package struct Region: Equatable, Sendable {
        package var name: String
        package var character: RegionCharacter
        package init(name: String, character: RegionCharacter) { (self.name, self.character) = (name, character) }
    }

    package var directory: String
    package var cluster: String
    /// All regions of the cluster, this node's among them.
    package var regions: [Region]
    package var region: Region
    /// 0…15.
    package var node: UInt8
    /// Keys the permutation of generated codes; nil: the one in the store, made at the first start.
    package var codeSecret: [UInt8]?
    package var mapSizeBytes: Int
    package var issuerLimits = Issuer.Limits()
    /// See `CacheStamps`; fewer where no cache is.
    package var stampSlots = CacheLimits.stampSlots
    /// Nil: from the system's generator, so that nobody can aim at a slot. Given by tests, so that no two of their codes
    /// share one by chance.
    package var stampKeys: (UInt64, UInt64)?
    /// Of the store's threads, see `SystemThread`.
    package var niceness: Int32 = 0
    /// The wall clock.
    package var now: @Sendable () -> Instant
    /// Milliseconds of a clock that never goes back.
    package var ticks: @Sendable () -> Int64 = {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
    /// Whether numbers may follow those in the store at once. Unproven, as where there are peers: once the replicator
    /// says so; until then creates get Snowflakes.
    package var continuity = Issuer.Continuity.proven
    /// False: the store has no threads, and whoever opened it calls `turn`.
    package var hasThreads = true
    /// Nobody orders truncation, as a replicator does: the store does so by itself.
    package var truncatesAlone = false
    /// Random, not zero, and never twice.
    package var newIncarnation: @Sendable () -> UInt64 = { .random(in: 1 ... .max) }
    /// Between the last stamp that is known at a start and the next one, where the wall clock is behind: random, of 16 ms.
    package var stampGap: @Sendable () -> UInt64 = { .random(in: 0..<1 << 20) }
    /// Of log entries: the newest that the program reads. Another one is for tests of upgrades.
    package var logFormat = StoreLimits.logFormat
    /// Of records in a chunk of a snapshot that is given, beside one more; fewer are for tests.
    package var chunkBytes = WireLimits.chunkBytes - LogEntry.maximumSizeBytes - 512
    /// How many reports may wait for a decision; fewer are for tests.
    package var openReports = StoreLimits.openReports
    /// Called when a transaction is about to be committed and the side file is ahead of it; to throw is a disk that does
    /// not take it. For tests.
    package var beforeCommit: @Sendable () throws(LMDBError) -> Void = {}
    /// The same of a store that a peer's snapshot makes beside this one.
    package var beforeInstallCommit: @Sendable () throws(LMDBError) -> Void = {}
    /// Asked from the housekeeping thread before a lease of numbers is made durable; false: not now, ask again.
    package var mayLease: @Sendable (Issuer.Lease) -> Bool = { _ in true }
    /// Called when a commit's outcome is unknown: the process must end and start anew from the disk.
    package var mustEnd: @Sendable (String) -> Never

    package init(
        directory: String, cluster: String = "default", regions: [Region], region: Region, node: UInt8 = 0,
        codeSecret: [UInt8]? = nil, mapSizeBytes: Int, now: @escaping @Sendable () -> Instant,
        mustEnd: @escaping @Sendable (String) -> Never
    ) {
        (self.directory, self.cluster, self.regions, self.region) = (directory, cluster, regions, region)
        (self.node, self.codeSecret, self.mapSizeBytes) = (node, codeSecret, mapSizeBytes)
        (self.now, self.mustEnd) = (now, mustEnd)
    }
}

extension StoreSettings {
    /// Those of the store that is in `directory`, for who wants to write to it without being told who its node is.
    package init(
        of directory: String, logFormat: UInt16 = StoreLimits.logFormat, now: @escaping @Sendable () -> Instant,
        mustEnd: @escaping @Sendable (String) -> Never
    ) throws(StoreError) {
        let image = try openForReading(directory, logFormat)
        let origin = image.origins[image.identity.originIndex]!.origin
        let region = Region(name: image.identity.regionName, character: RegionCharacter(origin.region)!)
        self.init(
            directory: directory, cluster: image.identity.cluster, regions: [region], region: region,
            node: origin.node, mapSizeBytes: image.environment.size.mapSizeBytes, now: now, mustEnd: mustEnd)
        self.logFormat = logFormat
    }
}

/// Every bound of the store, in one place.
package enum StoreLimits {
    /// Of log entries: the newest that this program reads.
    package static let logFormat: UInt16 = 2
    /// Writes that wait: about 50 ms of work. One more is refused.
    package static let queuedWrites = 2048
    /// Writes of one commit: enough to make its syncs' cost small.
    static let writesPerCommit = 1024
    /// User writes stop at this share of the map; the rest is for deletes and truncation.
    static let userShareOfMapPercent = 90
    /// Reserved on the disk beyond what is used: more than a commit can need (8 pages a write).
    static let reserveBytes = 32 << 20
    static let tables = 1024
    /// A full store is looked at again after this time.
    static let fullnessRecheckMilliseconds: Int64 = 1000
    /// How far a row whose key was damaged may lie from where a search ends: more rows than a page holds.
    static let damageScanRows = 256
    /// Of an owner's links, that one read of the list looks at: some milliseconds where they are in memory.
    package static let listedRows = 2000
    static let cachedDigests = 4096
    /// Damaged records that wait to be told of.
    static let damagedKeys = 256
    /// Log entries that one transaction truncates.
    static let truncatedEntries = 8192
    /// The part of the map from which on the log is truncated whatever its age.
    static let logShareOfMap = 4
    /// Rows that one read of a spread bucket looks at, well within the time that a transaction may last.
    static let bucketScanRows = 16_384
    /// A bucket that changed more recently is not quiet; as the protocol has it.
    static let quietMilliseconds = ReplicationLimits.quietFor
    static let staleReaderCheckMilliseconds: Int64 = 60_000
    /// The scrub goes through the whole store in this time, unless its steps' pauses add up to more: it looks at no more
    /// than 40 000 rows a second.
    package static let scrubRoundMilliseconds: Int64 = 24 * 3_600_000
    /// After the start.
    static let firstScrubMilliseconds: Int64 = 60_000
    static let scrubPauseMilliseconds = 100
    /// Rows of one step, and what it may find before it ends: well within the time that a transaction may last.
    package static let scrubRows = 4096
    static let scrubFindings = 256
    /// How long a link must have been expired, or a tombstone written, before it is cut down. Longer than any clock that
    /// peers talk to is wrong, and than any log entry is kept.
    package static let reducedAfterMilliseconds: Int64 = 30 * 24 * 3_600_000
    /// How long the wall clock must have gone on evenly before anything is cut down: if it was set wrongly, its links
    /// answer 410 for as long, and somebody notices.
    package static let evenBeforeReducingMilliseconds: Int64 = 24 * 3_600_000
    /// How long a request that comes again gets its first answer, and a batch's results stay.
    package static let claimsKeptMilliseconds: Int64 = 24 * 3_600_000
    /// Entries of a batch.
    package static let batchEntries = 1000
    /// Reports that wait for a decision, of one link and in all; more are not kept.
    package static let openReportsOfLink = 100
    package static let openReports = 100_000
    /// Lives of nodes in the version vector.
    static let origins = 4096
    /// Entries in a batch of another node's log, and such batches that wait: with the writes of one commit, fewer pages
    /// than a transaction can hold.
    package static let entriesPerBatch = 4096
    package static let waitingBatches = 4
    /// Rows or entries that are read in one transaction, before the one that passes it.
    package static let partBytes = 256 << 10
    /// Of an encoded part of a snapshot: one row or entry and the whole version vector more than `partBytes`.
    package static let encodedPartBytes = 1 << 20
    /// Longest row that a part of a snapshot takes as it is: a record as large as its log entry.
    static let rowBytes = LogEntry.maximumSizeBytes + 64
    /// Map of a copy while it is made, which must hold all that its source's does.
    static let copyMapBytes = 1 << 40
}
