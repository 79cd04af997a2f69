import Links
import Primitives

/// Neighbouring entries of one origin's log, as they travel between stores.
package struct LogBatch: Equatable, Sendable {
    package var origin: Origin
    /// The sequence of the first entry; of the one to come, if there is none.
    package var first: UInt64
    /// Whole log entries, byte for byte as the origin wrote them.
    package var entries: [[UInt8]]
    /// The log's chain after the last entry (16 bytes); before `first`, if there is none. Empty: not known.
    package var chain: [UInt8]
    /// The counter below which the origin's generated numbers lie, as far as the sender knows.
    package var ceiling: UInt64
    /// Wall time as it is believed where the own clock is not; nil: by the own clock.
    package var reference: Instant?

    package init(origin: Origin, first: UInt64, entries: [[UInt8]], chain: [UInt8], ceiling: UInt64) {
        (self.origin, self.first, self.entries, self.chain, self.ceiling) = (origin, first, entries, chain, ceiling)
    }

    /// The sequence of the last entry; `first - 1` if there is none.
    package var last: UInt64 { first + UInt64(entries.count) - 1 }

    /// Origin, first sequence (6), ceiling (8), chain (16), entries: varint count, each length-prefixed.
    func encode(into bytes: inout [UInt8]) {
        origin.encode(into: &bytes)
        bytes.append(bigEndian48: first)
        bytes.append(bigEndian: ceiling)
        bytes += chain
        bytes.append(varint: UInt64(entries.count))
        for entry in entries { bytes.append(lengthPrefixed: entry) }
    }

    init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        origin = try Origin(decoding: &bytes)
        first = try bytes.takeUInt48()
        ceiling = try bytes.takeUInt64()
        chain = try bytes.takeBytes(OriginRow.chainSizeBytes)
        let count = try bytes.takeVarint()
        guard first > 0, count <= UInt64(StoreLimits.entriesPerBatch) else { throw MalformedBytes() }
        entries = []
        entries.reserveCapacity(Int(count))
        for _ in 0..<count { entries.append(try bytes.takeLengthPrefixed()) }
    }
}

/// What became of a batch.
package enum ApplyOutcome: Equatable, Sendable {
    /// All of it is durable, now or since earlier.
    case applied
    /// It begins beyond the entry that comes next; nothing was applied. The sequence that comes next.
    case gap(expected: UInt64)
    /// The log that it is of is not the one known under this origin, though sequences are the same. Nothing was applied.
    case chainMismatch
    /// An entry, or the batch's origin (sequence 0), is not as it could have been written. The entries before it are durable
    /// if the batch's chain is right.
    case malformed(sequence: UInt64)
    /// An entry of a kind that this program does not know. Those before it are durable.
    case unknownKind(UInt8, sequence: UInt64)
    /// An entry is stamped more than the tolerance ahead of the wall clock. Those before it are durable.
    case ahead(sequence: UInt64)
    /// More of this node's present life than the node itself wrote: it must not go on as this life.
    case ownLife
    /// No more origins fit into the version vector. What comes before the entry that needs one is durable.
    case tooManyOrigins
    /// Nothing was applied; what stands in the way is this node's own.
    case refused(WriteError)
}

/// Where the log of one origin stands in a store: an element of the version vector.
package struct OriginPosition: Equatable, Sendable {
    package let origin: Origin
    /// Sequence of the newest entry held; 0 if none is.
    package let head: UInt64
    package let headStamp: Stamp
    /// By a snapshot, and no entry came since: nobody has held the stamp against this node's clock.
    package let isHeadTold: Bool
    /// At the head: 16 bytes.
    package let chain: [UInt8]
    /// Newest sequence that was truncated away.
    package let floor: UInt64
    /// Counter below which its generated numbers lie.
    package let ceiling: UInt64
    /// The last sequence of an ended life; nil while it lives.
    package let seal: UInt64?

    init(_ row: OriginRow) {
        (origin, head, headStamp, chain) = (row.origin, row.head, Stamp(rawValue: row.headStamp), row.headChain)
        isHeadTold = row.isHeadTold
        (floor, ceiling, seal) = (row.floor, row.ceiling, row.seal == OriginRow.unsealed ? nil : row.seal)
    }
}
