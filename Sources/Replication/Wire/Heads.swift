import Links
import Primitives

/// The running hash of an origin's log at some entry: 16 bytes that the store computes and the protocol compares.
package struct Chain: Hashable, Sendable {
    package var rawValue: UInt128
    package init(rawValue: UInt128) { self.rawValue = rawValue }
}

/// What a node durably holds of one origin's log: a row of STATE, HEADS and of a snapshot's offer.
///
///     origin   10
///     head     6    sequence of the newest entry, 0 if there is none
///     stamp    8    of the head
///     chain    16   at the head; of no meaning at head 0
///     floor    6    newest sequence that was truncated away
///     ceiling  8    counter below which the origin's generated numbers lie
///     seal     6    last sequence of an ended incarnation, as far as is known; 2^48 - 1 while it lives
package struct OriginState: Equatable, Sendable {
    package static let sizeBytes = 60
    package static let unsealed: UInt64 = 1 << 48 - 1

    package var origin: Origin
    package var head: UInt64 = 0
    package var stamp = Stamp(rawValue: 0)
    package var chain = Chain(rawValue: 0)
    package var floor: UInt64 = 0
    package var ceiling: UInt64 = 0
    package var seal: UInt64 = Self.unsealed

    package init(origin: Origin) { self.origin = origin }

    package var isSealed: Bool { seal != Self.unsealed }

    package func encode(into bytes: inout [UInt8]) {
        origin.encode(into: &bytes)
        bytes.append(bigEndian48: head)
        bytes.append(bigEndian: stamp.rawValue)
        bytes.append(bigEndian: chain.rawValue)
        bytes.append(bigEndian48: floor)
        bytes.append(bigEndian: ceiling)
        bytes.append(bigEndian48: seal)
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        origin = try Origin(soundFrom: &bytes)
        head = try bytes.takeUInt48()
        stamp = Stamp(rawValue: try bytes.takeUInt64())
        chain = Chain(rawValue: try bytes.takeUInt128())
        floor = try bytes.takeUInt48()
        ceiling = try bytes.takeUInt64()
        seal = try bytes.takeUInt48()
        guard floor <= head, head <= seal, head < Self.unsealed, ceiling <= GeneratedNumber.endOfCounters,
            stamp.isCredible
        else { throw MalformedBytes() }
    }

    /// To the end of `bytes`; origins ascend, so none is there twice.
    static func decodeAll(_ bytes: inout RawSpan) throws(MalformedBytes) -> [OriginState] {
        let (count, remainder) = bytes.byteCount.quotientAndRemainder(dividingBy: sizeBytes)
        guard remainder == 0, count <= WireLimits.origins else { throw MalformedBytes() }
        var rows: [OriginState] = []
        rows.reserveCapacity(count)
        for _ in 0..<count {
            let row = try OriginState(decoding: &bytes)
            guard rows.last.map({ $0.origin < row.origin }) ?? true else { throw MalformedBytes() }
            rows.append(row)
        }
        return rows
    }
}

/// STATE: all that the sender holds, once, first after authentication.
///
///     credit  8          bytes of ENTRIES and SNAPSHOT-CHUNK payloads that it takes on this connection
///     rows    60 each    OriginState
package struct PeerState: Equatable, Sendable {
    package var credit: UInt64
    package var rows: [OriginState]

    package init(credit: UInt64, rows: [OriginState]) { (self.credit, self.rows) = (credit, rows) }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian: credit)
        for row in rows { row.encode(into: &bytes) }
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        credit = try bytes.takeUInt64()
        rows = try OriginState.decodeAll(&bytes)
    }
}

/// HEADS: rows that changed since the sender last told, and its clocks; the sign of life when nothing changed.
///
///     wall   6          clock, Unix milliseconds
///     sent   8          the sender's steady clock, milliseconds; sent back as echo
///     echo   8          `sent` of the newest HEADS that came from the receiver; 0 before one came
///     held   4          milliseconds since that one came
///     rows   60 each    OriginState
package struct Heads: Equatable, Sendable {
    package static let headSizeBytes = 26

    package var wall: Instant
    package var sent: UInt64
    package var echo: UInt64
    package var held: UInt32
    package var rows: [OriginState]

    package init(wall: Instant, sent: UInt64, echo: UInt64, held: UInt32, rows: [OriginState]) {
        (self.wall, self.sent, self.echo, self.held, self.rows) = (wall, sent, echo, held, rows)
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian48: UInt64(clamping: wall.milliseconds) & 0xffff_ffff_ffff)
        bytes.append(bigEndian: sent)
        bytes.append(bigEndian: echo)
        bytes.append(bigEndian: held)
        for row in rows { row.encode(into: &bytes) }
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        wall = Instant(milliseconds: Int64(try bytes.takeUInt48()))
        sent = try bytes.takeUInt64()
        echo = try bytes.takeUInt64()
        held = try bytes.takeUInt32()
        rows = try OriginState.decodeAll(&bytes)
    }
}

/// ACK: what the sender has synced of what it got, cumulative, and how much more it takes.
///
///     credit  8          bytes that it takes on this connection in all; never less than before
///     rows    16 each    origin (10), head (6); origins ascend
package struct Ack: Equatable, Sendable {
    package struct Row: Equatable, Sendable {
        package var origin: Origin
        package var head: UInt64
        package init(origin: Origin, head: UInt64) { (self.origin, self.head) = (origin, head) }
    }

    static let rowSizeBytes = 16

    package var credit: UInt64
    package var rows: [Row]

    package init(credit: UInt64, rows: [Row]) { (self.credit, self.rows) = (credit, rows) }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian: credit)
        for row in rows {
            row.origin.encode(into: &bytes)
            bytes.append(bigEndian48: row.head)
        }
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        credit = try bytes.takeUInt64()
        let (count, remainder) = bytes.byteCount.quotientAndRemainder(dividingBy: Self.rowSizeBytes)
        guard remainder == 0, count <= WireLimits.origins else { throw MalformedBytes() }
        rows = []
        rows.reserveCapacity(count)
        for _ in 0..<count {
            let row = Row(origin: try Origin(soundFrom: &bytes), head: try bytes.takeUInt48())
            guard rows.last.map({ $0.origin < row.origin }) ?? true else { throw MalformedBytes() }
            rows.append(row)
        }
    }
}
