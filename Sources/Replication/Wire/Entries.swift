import Links
import Primitives

/// ENTRIES: consecutive entries of one origin's log, byte for byte as their origin wrote them.
///
///     origin   10
///     first    6               sequence of the first entry
///     before   16              chain before it
///     after    16              chain after the last entry
///     count    4
///     entries  varint, bytes   each
package struct Entries: Equatable, Sendable {
    static let headSizeBytes = 52

    package var origin: Origin
    package var first: UInt64
    package var chainBefore: Chain
    package var chainAfter: Chain
    package var count: Int
    /// Each with its length in front.
    package var bytes: [UInt8]

    package init(
        origin: Origin, first: UInt64, chainBefore: Chain, chainAfter: Chain, count: Int, bytes: [UInt8]
    ) {
        (self.origin, self.first, self.count, self.bytes) = (origin, first, count, bytes)
        (self.chainBefore, self.chainAfter) = (chainBefore, chainAfter)
    }

    package var last: UInt64 { first + UInt64(count) - 1 }
    /// What it takes of a receiver's credit.
    package var payloadSizeBytes: Int { Self.headSizeBytes + bytes.count }

    package func encode(into bytes: inout [UInt8]) {
        origin.encode(into: &bytes)
        bytes.append(bigEndian48: first)
        bytes.append(bigEndian: chainBefore.rawValue)
        bytes.append(bigEndian: chainAfter.rawValue)
        bytes.append(bigEndian: UInt32(count))
        bytes += self.bytes
    }

    /// Whether lengths and count agree with the bytes that are there; what the entries say is looked at by `EntryHead`.
    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        origin = try Origin(soundFrom: &bytes)
        first = try bytes.takeUInt48()
        chainBefore = Chain(rawValue: try bytes.takeUInt128())
        chainAfter = Chain(rawValue: try bytes.takeUInt128())
        let claimed = UInt64(try bytes.takeUInt32())
        guard first > 0, claimed > 0, first + claimed <= OriginState.unsealed,
            bytes.byteCount <= WireLimits.entriesBytes
        else { throw MalformedBytes() }
        var rest = bytes
        count = 0
        while rest.byteCount > 0 {
            let length = try rest.takeLength()
            guard (LogEntry.headSizeBytes...LogEntry.maximumSizeBytes).contains(length) else { throw MalformedBytes() }
            rest = rest.extracting(length...)
            count += 1
        }
        guard count == claimed else { throw MalformedBytes() }
        self.bytes = try bytes.takeBytes(bytes.byteCount)
    }
}

/// What the protocol itself reads of an entry.
package struct EntryHead: Equatable, Sendable {
    package var sequence: UInt64
    package var stamp: Stamp

    /// Takes a length and the entry behind it. Throws if its own checksum fails: then the holder's log is damaged.
    package init(takingFrom bytes: inout RawSpan) throws(MalformedBytes) {
        let length = try bytes.takeLength()
        var entry = bytes.extracting(..<length)
        bytes = bytes.extracting(length...)
        let expected = try entry.takeUInt32()
        var crc = CRC32C()
        crc.append(entry)
        guard crc.value == expected else { throw MalformedBytes() }
        _ = try entry.takeUInt16()  // Version and kind are the applier's to judge.
        sequence = try entry.takeUInt48()
        stamp = Stamp(rawValue: try entry.takeUInt64())
    }
}

/// PULL: asks for entries of an origin, whoever wrote them. A new one for the same origin replaces the former.
///
///     origin   10
///     from     6    first sequence wanted
///     through  6    last one
package struct Pull: Equatable, Sendable {
    package var origin: Origin
    package var from: UInt64
    package var through: UInt64

    package init(origin: Origin, from: UInt64, through: UInt64) {
        (self.origin, self.from, self.through) = (origin, from, through)
    }

    package func encode(into bytes: inout [UInt8]) {
        origin.encode(into: &bytes)
        bytes.append(bigEndian48: from)
        bytes.append(bigEndian48: through)
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        origin = try Origin(soundFrom: &bytes)
        from = try bytes.takeUInt48()
        through = try bytes.takeUInt48()
        guard from > 0, from <= through else { throw MalformedBytes() }
    }
}
