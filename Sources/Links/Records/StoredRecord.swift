import Primitives

/// The value of a row in a table of links.
///
///     crc32c   4        over the table's two bytes, the row's key, and all that follows
///     stamp    8        hybrid clock of the last write
///     origin   varint   number of its row in the table `origins`
///     body     the rest (LinkBody)
package struct StoredRecord: Equatable, Sendable {
    package var stamp: UInt64
    package var originIndex: UInt16
    package var body: LinkBody

    package init(stamp: UInt64, originIndex: UInt16, body: LinkBody) {
        (self.stamp, self.originIndex, self.body) = (stamp, originIndex, body)
    }

    /// All but the checksum.
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian: stamp)
        bytes.append(varint: UInt64(originIndex))
        body.encode(into: &bytes)
    }

    package init(decoding bytes: RawSpan) throws(MalformedBytes) {
        var bytes = bytes
        stamp = try bytes.takeUInt64()
        originIndex = try Self.takeOriginIndex(&bytes)
        body = try LinkBody(decoding: bytes)
    }

    /// Drops what stands before the body.
    package static func skipToBody(_ bytes: inout RawSpan) throws(MalformedBytes) {
        _ = try bytes.takeUInt64()
        _ = try takeOriginIndex(&bytes)
    }

    static func takeOriginIndex(_ bytes: inout RawSpan) throws(MalformedBytes) -> UInt16 {
        guard let index = UInt16(exactly: try bytes.takeVarint()) else { throw MalformedBytes() }
        return index
    }
}
