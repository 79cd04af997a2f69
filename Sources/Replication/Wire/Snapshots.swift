import Links
import Primitives

/// SNAPSHOT-REQUEST: for all records, or for those behind the one at which another attempt ended.
///
///     after  the rest   table (2) and key; empty: from the first
package struct SnapshotRequest: Equatable, Sendable {
    package var after: [UInt8]

    package init(after: [UInt8] = []) { self.after = after }

    package func encode(into bytes: inout [UInt8]) { bytes += after }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        guard bytes.byteCount <= WireLimits.positionBytes else { throw MalformedBytes() }
        after = try bytes.takeBytes(bytes.byteCount)
    }
}

/// SNAPSHOT-OFFER: the answer to SNAPSHOT-REQUEST. What the sender held when it began: from there on the receiver
/// replays the log.
///
///     forked  2, 10 each   count; origins of whose logs the sender knows two versions, ascending
///     rows    60 each      OriginState
package struct SnapshotOffer: Equatable, Sendable {
    package var forked: [Origin]
    package var rows: [OriginState]

    package init(forked: [Origin] = [], rows: [OriginState]) { (self.forked, self.rows) = (forked, rows) }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian: UInt16(forked.count))
        for origin in forked { origin.encode(into: &bytes) }
        for row in rows { row.encode(into: &bytes) }
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        let count = Int(try bytes.takeUInt16())
        guard count <= WireLimits.origins else { throw MalformedBytes() }
        forked = []
        for _ in 0..<count {
            let origin = try Origin(soundFrom: &bytes)
            guard forked.last.map({ $0 < origin }) ?? true else { throw MalformedBytes() }
            forked.append(origin)
        }
        rows = try OriginState.decodeAll(&bytes)
    }
}

/// SNAPSHOT-CHUNK: records in order of their keys, tombstones included.
///
///     index    4          0, 1, 2, …
///     records  the rest   in the store's form
package struct SnapshotChunk: Equatable, Sendable {
    package var index: UInt32
    package var bytes: [UInt8]

    package init(index: UInt32, bytes: [UInt8]) { (self.index, self.bytes) = (index, bytes) }

    /// What it takes of a receiver's credit.
    package var payloadSizeBytes: Int { 4 + bytes.count }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian: index)
        bytes += self.bytes
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        index = try bytes.takeUInt32()
        guard bytes.byteCount <= WireLimits.chunkBytes else { throw MalformedBytes() }
        self.bytes = try bytes.takeBytes(bytes.byteCount)
    }
}

/// SNAPSHOT-END: after the last chunk, or instead of the rest.
///
///     outcome  1    Outcome
///     chunks   4    how many there were
///     records  8    that they held
///     sum      16   of the records' digests, mod 2^128
package struct SnapshotEnd: Equatable, Sendable {
    package enum Outcome: UInt8, Sendable {
        case complete = 1
        /// The sender cannot give one now.
        case refused = 2
        case failed = 3
    }

    package var outcome: Outcome
    package var chunks: UInt32
    package var records: UInt64
    package var sum: UInt128

    package init(_ outcome: Outcome, chunks: UInt32 = 0, records: UInt64 = 0, sum: UInt128 = 0) {
        (self.outcome, self.chunks, self.records, self.sum) = (outcome, chunks, records, sum)
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(outcome.rawValue)
        bytes.append(bigEndian: chunks)
        bytes.append(bigEndian: records)
        bytes.append(bigEndian: sum)
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        guard let outcome = Outcome(rawValue: try bytes.takeByte()) else { throw MalformedBytes() }
        self.outcome = outcome
        chunks = try bytes.takeUInt32()
        records = try bytes.takeUInt64()
        sum = try bytes.takeUInt128()
    }
}
