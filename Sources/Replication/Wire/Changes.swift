import Links
import Primitives

/// CHANGE-REQUEST: a client's change of a link, for the node that decides about it or has it. The record that it is made on
/// must reflect all positions.
///
///     count      1
///     positions  10 each         as in LINK-REQUEST; at most 5
///     condition  1               1 if there is one, else 0
///     tags       varint, bytes   the condition: If-Match as the client sent it; at most 16 KiB
///     owner      varint, bytes   whose the link must be; empty: nobody's
///     key        varint, bytes   LinkKey
///     change     the rest        empty: the link is deleted; else LinkPatch
package struct ChangeRequest: Hashable, Sendable {
    package var positions: [LogPosition]
    /// Nil: whatever the link is by then.
    package var ifMatch: [UInt8]?
    package var owner: [UInt8]
    package var key: [UInt8]
    package var change: [UInt8]

    package init(positions: [LogPosition], ifMatch: [UInt8]?, owner: [UInt8], key: [UInt8], change: [UInt8]) {
        (self.positions, self.ifMatch, self.owner) = (positions, ifMatch, owner)
        (self.key, self.change) = (key, change)
    }

    /// Without the positions, which are few.
    package var sizeBytes: Int { (ifMatch?.count ?? 0) + owner.count + key.count + change.count }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(UInt8(positions.count))
        for position in positions { position.encode(into: &bytes) }
        bytes.append(ifMatch == nil ? 0 : 1)
        bytes.append(lengthPrefixed: ifMatch ?? [])
        bytes.append(lengthPrefixed: owner)
        bytes.append(lengthPrefixed: key)
        bytes += change
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        let count = Int(try bytes.takeByte())
        guard count <= WireLimits.changePositions else { throw MalformedBytes() }
        positions = []
        for _ in 0..<count { positions.append(try LogPosition(decoding: &bytes)) }
        let hasCondition = try bytes.takeByte()
        let tags = try bytes.takeLengthPrefixed()
        guard hasCondition == 1 || hasCondition == 0 && tags.isEmpty, tags.count <= WireLimits.conditionBytes else {
            throw MalformedBytes()
        }
        ifMatch = hasCondition == 1 ? tags : nil
        owner = try bytes.takeLengthPrefixed()
        key = try bytes.takeLengthPrefixed()
        guard owner.count <= WireLimits.ownerBytes, (1...WireLimits.keyBytes).contains(key.count),
            bytes.byteCount <= LogEntry.maximumSizeBytes
        else { throw MalformedBytes() }
        change = try bytes.takeBytes(bytes.byteCount)
    }
}

/// CHANGE-ANSWER: what came of it.
///
///     outcome   1           Outcome
///     position  10          of the change in the log of the sender; only where it was made
///     record    the rest    what the link is now, in the store's form; only where it was made
///
///     outcome
///     1  made
///     2  made, and too few other regions have it yet for what the sender's `durability` asks
///     3  the condition does not hold
///     4  the link is gone: deleted, or expired long ago
///     5  the sender does not hold all positions or the link, or cannot tell
///     6  the sender has too much to do
///     7  it has no room
///     8  the link's record is damaged there
package struct ChangeAnswer: Equatable, Sendable {
    package enum Outcome: UInt8, Sendable {
        case made = 1
        case unreplicated = 2
        case differs = 3
        case gone = 4
        case behind = 5
        case overloaded = 6
        case storageFull = 7
        case damaged = 8

        /// The link is another than before.
        package var isMade: Bool { self == .made || self == .unreplicated }
    }

    package var outcome: Outcome
    /// With a change that was made.
    package var position: LogPosition?
    package var record: [UInt8]

    package init(_ outcome: Outcome, at position: LogPosition? = nil, record: [UInt8] = []) {
        precondition(outcome.isMade == (position != nil) && outcome.isMade == !record.isEmpty)
        (self.outcome, self.position, self.record) = (outcome, position, record)
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(outcome.rawValue)
        position?.encode(into: &bytes)
        bytes += record
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        guard let outcome = Outcome(rawValue: try bytes.takeByte()) else { throw MalformedBytes() }
        self.outcome = outcome
        position = outcome.isMade ? try LogPosition(decoding: &bytes) : nil
        guard outcome.isMade == (bytes.byteCount > 0), bytes.byteCount <= WireLimits.recordsBytes else {
            throw MalformedBytes()
        }
        record = try bytes.takeBytes(bytes.byteCount)
    }
}
