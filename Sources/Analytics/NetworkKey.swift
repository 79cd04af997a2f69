import Primitives

/// Keys the hash that stands for a client's network for one day, so that no address is kept and nobody can be followed from
/// one day to the next: each day's key is made from that of the day before, and cannot be reckoned back.
package struct NetworkKey: Equatable, Sendable {
    package private(set) var day: ClickDay
    private var key0: UInt64
    private var key1: UInt64

    /// The key of a day, from 16 random bytes.
    package init(day: ClickDay, key0: UInt64, key1: UInt64) { (self.day, self.key0, self.key1) = (day, key0, key1) }

    /// More days than this in one step get a key by one step: their keys were never used.
    static let steps: UInt32 = 400

    /// Goes on to `day`. A day that is over keeps its successor's key: a clock that was set back brings none back.
    package mutating func advance(to day: ClickDay) {
        guard day > self.day else { return }
        for _ in 0..<min(day.number - self.day.number, Self.steps) {
            let next = unsafe SipHash.hash24x128(Self.label.span.bytes, key0: key0, key1: key1)
            (key0, key1) = (UInt64(truncatingIfNeeded: next), UInt64(truncatingIfNeeded: next >> 64))
        }
        self.day = day
    }

    private static let label = Array("edge click network of the next day".utf8)

    /// `network`: what `ClickRecorder.network` makes of an address.
    package func hash(_ network: UInt64) -> UInt64 { SipHash.hash13(network, key0: key0, key1: key1) }

    package static let sizeBytes = 20

    /// Day (4), key (16).
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian: day.number)
        bytes.append(bigEndian: key0)
        bytes.append(bigEndian: key1)
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        day = ClickDay(number: try bytes.takeUInt32())
        key0 = try bytes.takeUInt64()
        key1 = try bytes.takeUInt64()
    }
}
