import Links

/// Every bound on what a peer may send. A length or a count that a stranger wrote is compared with these, and with the
/// bytes that are there, before anything is reserved for it.
package enum WireLimits {
    /// Payload of a frame before its sender has proved who it is.
    package static let payloadBeforeAuthentication = 4096
    package static let payload = 1 << 20
    package static let clusterBytes = 64
    package static let regionNameBytes = 64
    package static let regions = 62
    package static let rejectDetailBytes = 256
    /// Origins of one cluster: their rows fit into one frame.
    package static let origins = 16_384
    /// Log entries, with their lengths, in one ENTRIES frame that holds more than one.
    package static let entriesBytes = 256 << 10
    package static let chunkBytes = 256 << 10
    package static let recordsBytes = 512 << 10
    /// Of a snapshot: a table and a key.
    package static let positionBytes = 2 + ModerationKey.maximumSizeBytes
    /// Of a record, behind the byte that says of which kind it is.
    package static let keyBytes = 1 + ModerationKey.maximumSizeBytes
    /// A token's positions, and that of the record that the client was shown.
    package static let changePositions = Token.mostPositions + 1
    /// Of If-Match; and of whom a link belongs to.
    package static let conditionBytes = 16 << 10
    package static let ownerBytes = 1024
    /// A node of the tree of digests has a child for each value of a byte, over the eight bytes of a bucket's key.
    package static let digestLevels: UInt8 = 8

    /// Of a ballot. No proposer gets there: a round is one more than the highest that was heard of.
    package static let round: UInt64 = 1 << 47
    /// Registers in one frame; and bytes of them in one that holds more than one.
    package static let registerRows = 1024
    package static let registerBytes = 448 << 10
    /// Acceptors whose lives one knows of: those of two epochs.
    package static let rollRows = 2 * regions

    /// What a length prefix of an entry takes at most.
    static let entryLengthBytes = 3

    /// The relations that the rest relies on.
    package static func check() {
        precondition(origins * OriginState.sizeBytes + Heads.headSizeBytes <= payload)
        precondition(origins * Ack.rowSizeBytes + 10 <= payload)
        precondition(entriesBytes >= LogEntry.maximumSizeBytes + entryLengthBytes)
        precondition(entriesBytes + Entries.headSizeBytes <= payload && chunkBytes + 4 <= payload)
        precondition(recordsBytes + keyBytes + 3 <= payload)
        let learnedHead = 20 + rollRows * 10 + 2 * (keyBytes + 2) + origins * LogHead.sizeBytes
        precondition(registerBytes + learnedHead <= payload && rollRows <= UInt8.max)
        precondition(registerBytes >= LogEntry.maximumSizeBytes + keyBytes + 128)
    }
}
