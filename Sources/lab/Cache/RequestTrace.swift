import Primitives

/// Requests to measure a cache with: numbers of objects, in the order in which they are asked for. The same seed gives the
/// same trace.
package enum RequestTrace: String, CaseIterable, Sendable {
    /// The n-th object is asked for about 1/n^s as often as the first.
    case zipf08 = "zipf-0.8"
    case zipf10 = "zipf-1.0"
    case zipf12 = "zipf-1.2"
    /// Zipf with s = 1, and every fourth request is a crawler's, which walks over all objects in order.
    case scan
    /// Zipf with s = 1, and twenty times on the way all objects change places: what was asked for most is asked for no more
    /// than others of the long tail.
    case shift

    private var exponent: Double {
        switch self {
        case .zipf08: 0.8
        case .zipf10, .scan, .shift: 1
        case .zipf12: 1.2
        }
    }

    package func requests(_ count: Int, objects: Int, seed: UInt64) -> [UInt32] {
        let law = Zipf(objects: objects, exponent: exponent)
        var random = SeededRandom(seed: seed)
        var crawler = 0
        return (0..<count).map { index in
            if self == .scan, index % 4 == 3 {
                crawler = (crawler + 1) % objects
                return UInt32(crawler)
            }
            let rank = law.rank(&random)
            let phase = self == .shift ? index * 20 / count : 0
            return UInt32((rank + phase * (objects / 20)) % objects)
        }
    }
}
