/// Counts of durations in buckets whose width is at most a 128th of their value (as HdrHistogram's), so that any
/// quantile is exact to 0.8 %; the greatest is kept exactly.
package struct LatencyHistogram {
    private static let stepBits = 7
    private static let steps = 1 << stepBits
    private var counts = [UInt64](repeating: 0, count: (64 - stepBits + 1) * steps)
    package private(set) var count: UInt64 = 0
    package private(set) var greatest: UInt64 = 0

    package init() {}

    /// Durations are in nanoseconds.
    package mutating func add(_ nanoseconds: UInt64, times: UInt64 = 1) {
        counts[Self.bucket(nanoseconds)] += times
        count += times
        greatest = max(greatest, nanoseconds)
    }

    package mutating func add(_ other: LatencyHistogram) {
        for index in counts.indices { counts[index] += other.counts[index] }
        count += other.count
        greatest = max(greatest, other.greatest)
    }

    /// The duration that a part `quantile` (0…1) of all did not exceed; 0 if there are none.
    package func quantile(_ quantile: Double) -> UInt64 {
        precondition(quantile >= 0 && quantile <= 1)
        let rank = max(1, UInt64((Double(count) * quantile).rounded(.up)))
        var seen: UInt64 = 0
        for (index, bucketCount) in counts.enumerated() {
            seen += bucketCount
            if seen >= rank { return min(greatest, Self.last(of: index)) }
        }
        return greatest
    }

    /// Values below 2 × `steps` have buckets of their own; above, each power of two has `steps` of them.
    private static func bucket(_ value: UInt64) -> Int {
        let shift = max(0, 63 - stepBits - value.leadingZeroBitCount)
        return shift << stepBits + Int(value >> UInt64(shift))
    }

    /// The greatest value of a bucket.
    private static func last(of bucket: Int) -> UInt64 {
        let shift = max(0, bucket >> stepBits - 1)
        let step = UInt64(bucket - shift << stepBits)
        return step << UInt64(shift) + (1 << UInt64(shift) - 1)
    }
}
