import Primitives

/// One atomic user operation, as its origin wrote it; stored and relayed byte for byte.
///
///     crc32c   4   over all that follows
///     format   1   of one that is not known here, what stands behind the stamp is not either
///     kind     1   see Kind
///     seq      6   1, 2, 3, … within the origin's log
///     stamp    8   hybrid clock
///     keysize  2
///     key      keysize bytes
///     value    the rest
package struct LogEntry: Equatable, Sendable {
    package enum Kind {
        /// A link written whole: key is a LinkKey, value a LinkBody.
        package static let link: UInt8 = 1
        /// A member of the cluster written whole: key is a region's character and a node, value a MemberBody.
        package static let member: UInt8 = 2
        /// An API key written whole: key is a KeyID, value a KeyBody.
        package static let key: UInt8 = 3
        /// A block, a report or a line of the audit trail written whole: key is a ModerationKey, value a ModerationBody.
        package static let moderation: UInt8 = 4
    }

    /// That all programs read.
    package static let firstFormat: UInt8 = 1
    /// From which on there are entries of the kind `moderation`.
    package static let moderationFormat: UInt8 = 2
    /// The format byte of entries that are to be written for readers of a format.
    package static func format(_ readable: UInt16) -> UInt8 { max(firstFormat, UInt8(clamping: readable)) }

    package static let maximumSizeBytes = 65_536
    package static let headSizeBytes = 22
    /// What the varint of an entry's length takes at most.
    package static let lengthSizeBytes = 3

    /// Whether an entry has the room.
    package static func fits(_ key: [UInt8], _ value: [UInt8]) -> Bool {
        headSizeBytes + key.count + value.count <= maximumSizeBytes
    }

    package var format: UInt8
    package var kind: UInt8
    package var sequence: UInt64
    package var stamp: UInt64
    package var key: [UInt8]
    package var value: [UInt8]

    package init(
        format: UInt8 = firstFormat, kind: UInt8, sequence: UInt64, stamp: UInt64, key: [UInt8], value: [UInt8]
    ) {
        (self.format, self.kind, self.sequence, self.stamp) = (format, kind, sequence, stamp)
        (self.key, self.value) = (key, value)
    }

    package func encode(into bytes: inout [UInt8]) {
        precondition(Self.fits(key, value))
        let start = bytes.count
        bytes.reserveCapacity(start + Self.headSizeBytes + key.count + value.count)
        bytes.append(bigEndian: UInt32(0))  // Becomes the checksum.
        bytes.append(format)
        bytes.append(kind)
        bytes.append(bigEndian48: sequence)
        bytes.append(bigEndian: stamp)
        bytes.append(bigEndian: UInt16(key.count))
        bytes += key
        bytes += value
        var crc = CRC32C()
        unsafe crc.append(bytes.span.bytes.extracting((start + 4)...))
        bytes.replace(at: start, bigEndian: crc.value)
    }

    /// Whether the checksum of an encoded entry holds.
    package static func isSound(_ bytes: RawSpan) -> Bool {
        var rest = bytes
        guard bytes.byteCount <= maximumSizeBytes, let expected = try? rest.takeUInt32() else { return false }
        var crc = CRC32C()
        crc.append(rest)
        return crc.value == expected
    }

    /// Takes the whole of `bytes`; a wrong checksum is malformed. Who reads it further judges the format.
    package init(decoding bytes: RawSpan) throws(MalformedBytes) {
        var rest = bytes
        guard Self.isSound(bytes) else { throw MalformedBytes() }
        _ = try rest.takeUInt32()
        format = try rest.takeByte()
        guard format >= Self.firstFormat else { throw MalformedBytes() }
        kind = try rest.takeByte()
        sequence = try rest.takeUInt48()
        stamp = try rest.takeUInt64()
        key = try rest.takeBytes(Int(try rest.takeUInt16()))
        value = try rest.takeBytes(rest.byteCount)
    }
}
