import Primitives

/// Who made something and when, where that was another write than the present one: 18 bytes in a field.
package struct Creation: Equatable, Sendable {
    package var stamp: UInt64
    package var origin: Origin
    package init(stamp: UInt64, origin: Origin) { (self.stamp, self.origin) = (stamp, origin) }

    /// Stamp (8, big-endian), origin (10).
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian: stamp)
        origin.encode(into: &bytes)
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        stamp = try bytes.takeUInt64()
        origin = try Origin(decoding: &bytes)
    }
}
