/// Times and sizes of the registers' conduct. All times in milliseconds.
package enum RegisterLimits {
    /// From a claim to its answer.
    package static let claimTimeout: Int64 = 2000
    /// After so long, by half more or less, who has not answered is asked again.
    package static let resendInterval: Int64 = 500
    /// A proposer that met a higher ballot waits for a random time below this, which doubles up to the longest.
    package static let firstBackOff: Int64 = 40
    package static let longestBackOff: Int64 = 640
    /// A round that nothing has changed for so long was left half done. By so much more at random, that not all acceptors
    /// go about it at once.
    package static let finishAfter: Int64 = 10_000
    package static let finishJitter: Int64 = 10_000
    /// How long an acceptor tries to finish one.
    package static let finishTimeout: Int64 = 5000
    /// Between two questions to acceptors that have not confirmed the next epoch, or have given no page.
    package static let gossipInterval: Int64 = 1000

    /// After so long without what a giver's heads spoke of, its registers are walked again, to its heads of then.
    package static let coverPatience: Int64 = 30_000

    /// After the store could not write.
    package static let storeRetry: Int64 = 1000

    /// Rounds of one node at once.
    package static let rounds = 8192
    /// Registers that wait for the store; what comes beyond is not taken, and asked again.
    package static let queuedRows = 65_536
    /// In one transaction, if more than one frame is in it.
    package static let batchRows = 4096

    /// The relations that the rest relies on.
    package static func check() {
        precondition(2 * resendInterval < claimTimeout && longestBackOff < claimTimeout)
        precondition(claimTimeout < finishTimeout && finishTimeout < finishAfter)
        precondition(WireLimits.registerRows <= batchRows && batchRows <= queuedRows)
    }
}
