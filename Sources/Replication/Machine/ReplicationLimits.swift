/// Times and sizes of the protocol's conduct. All times in milliseconds.
package enum ReplicationLimits {
    /// From a connection's opening until its peer has proved who it is.
    package static let authenticationTimeout: Int64 = 5000
    package static let unauthenticatedConnections = 64
    /// A peer that says nothing for so long is gone.
    package static let silenceTimeout: Int64 = 10_000
    /// HEADS are sent at least so often, and at most so often while heads move.
    package static let keepAliveInterval: Int64 = 2000
    package static let headsInterval: Int64 = 100
    /// A peer heard so recently is alive, and its node lives no other life.
    package static let aliveFor: Int64 = 3000
    /// When for so long nothing told of two live nodes with one id, there is one again.
    package static let twinMemory: Int64 = 15_000

    package static let firstBackOff: Int64 = 200
    /// What a partition costs after its end is mostly this.
    package static let longestBackOff: Int64 = 4000

    /// New entries of one origin go to a peer at most so often, unless there are many of them: what a frame costs beside
    /// its entries, at both ends and on the wire, is shared. The first after a pause goes at once.
    package static let gatherInterval: Int64 = 8
    package static let gatheredEntries: UInt64 = 256
    /// Acknowledgements that grant no credit go at most so often.
    package static let acknowledgeInterval: Int64 = 20

    /// Bytes that a receiver lets a peer send ahead of what it has applied.
    package static let creditWindow: UInt64 = 4 << 20
    /// What one read of the log, or of a snapshot, may cost of the credit at most.
    static let creditForOneRead = UInt64(WireLimits.entriesBytes + 4096)

    /// A node that stays behind a head that it heard of asks for it after so long, or two round trips if that is longer.
    package static let pullDelay: Int64 = 250
    package static let longestPullDelay: Int64 = 8000
    /// What is taken for a round trip before one was measured.
    package static let assumedRoundTrip: Int64 = 100
    /// Before a batch is tried again that the store could not take, or that was stamped too far ahead.
    package static let shortestRetry: Int64 = 1000
    package static let longestRetry: Int64 = 30_000
    /// Batches in a row that the store could not take, after which it is told of.
    package static let failuresToTell: Int64 = 5

    /// A stamp further ahead of the wall clock is not applied; a peer's clock further ahead looks wrong.
    package static let clockTolerance: Int64 = 60_000
    /// Clocks that differ by more are a mistake of setting, and no connection is made.
    package static let refusedSkew: Int64 = 24 * 3_600_000
    /// What a peer's clock said counts for so long.
    package static let clockOpinionAge: Int64 = 60_000

    /// Entries that all members have are kept for so long, others until the hard cap.
    package static let settledAge: Int64 = 24 * 3_600_000
    package static let hardCapAge: Int64 = 7 * 24 * 3_600_000
    /// A member silent for so long no longer holds truncation back.
    package static let memberSilence: Int64 = 7 * 24 * 3_600_000
    package static let truncationInterval: Int64 = 60_000
    /// Where an order took so many entries there may be more, and the next one follows after so long.
    package static let manyTruncated: UInt64 = 4096
    package static let truncationPause: Int64 = 1000
    static let oldestLogFormat: UInt16 = 1

    package static let snapshotsAtOnce = 2
    /// The log stays pinned for so long after a snapshot ended, so that its receiver finds it.
    package static let pinAfterSnapshot: Int64 = 3_600_000
    package static let snapshotRetry: Int64 = 5000
    /// Before another peer is asked to go on with one.
    package static let snapshotResume: Int64 = 250
    /// How long a node that needs another's state waits for those that hold less to take its own.
    package static let snapshotYield: Int64 = 30_000
    /// Entries that a peer may lack then of whoever takes its snapshot.
    package static let snapshotSlack: UInt64 = 8192
    /// Between the question and the offer, and between two chunks; then the attempt is given up.
    package static let snapshotTimeout: Int64 = 60_000
    /// A node that has a store and hears no peer for so long is ready with what it has.
    package static let readyWithoutPeers: Int64 = 10_000

    /// The store calls a bucket quiet that did not change for so long, by wall time; the machine believes that once the
    /// wall clock has gone on evenly for as long.
    package static let quietFor: Int64 = 60_000
    /// Heads of so long ago are marked anew, for comparing by what both have come to hold since.
    package static let markAge: Int64 = 10_000
    package static let digestInterval: Int64 = 60_000
    package static let requestTimeout: Int64 = 10_000
    /// Nodes of the tree of digests that wait to be compared; more are left for the next round.
    package static let digestQueue = 1024
    /// Damaged records that wait for a peer's copy.
    package static let damagedRecords = 1024

    /// For how long a client's lookup waits for entries that are on their way before another node is asked.
    package static let lookupWait: Int64 = 100
    /// What is on its way if no more entries than that lie before it.
    static let comingEntries: UInt64 = 4096
    /// For how long a node that was asked is waited for, or two round trips and so much more if it is far away.
    package static let lookupPatience: Int64 = 150
    static let lookupMargin: Int64 = 50
    /// A connection as old as this, and heard lately, tells that its peer has no other life.
    static let settledConnection: Int64 = 10_000
    /// Lookups that wait.
    package static let lookups = 1024
    /// Changes that were forwarded and have no answer, and of them the bytes; of peers', so many and as many bytes are taken
    /// before they are answered.
    package static let forwards = 256
    package static let forwardedBytes = 1 << 20
    /// How long a peer's change waits for entries of which its client knows.
    package static let changeWait: Int64 = 500
    /// The version of the protocol from which on peers take claims, lookups and changes, frames from 32 on.
    static let requestVersion: UInt8 = 2

    /// The relations that the rest relies on.
    package static func check() {
        precondition(creditForOneRead <= creditWindow / 4)
        precondition(keepAliveInterval * 4 <= silenceTimeout && keepAliveInterval < aliveFor)
        precondition(aliveFor < silenceTimeout && headsInterval < pullDelay)
        // Two tries at least, as far apart as chance makes them.
        precondition(twinMemory >= 2 * (longestBackOff * 3 / 2))
        precondition(settledAge < hardCapAge && clockTolerance < refusedSkew)
    }
}
