import Synchronization

/// The configuration that is in effect, in the one place that a reload changes. Threads that need it often keep a copy,
/// and ask here whether it is still the newest: one relaxed load.
final class LiveConfiguration: Sendable {
    private let current: Mutex<Configuration>
    private let generation = Atomic<UInt64>(0)

    init(_ configuration: Configuration) { current = Mutex(configuration) }

    var value: Configuration { current.withLock { $0 } }

    func replace(with configuration: Configuration) {
        current.withLock { $0 = configuration }
        generation.add(1, ordering: .releasing)
    }

    /// Whether the configuration was replaced after the generation `seen`, which then becomes the newest.
    @inline(__always)
    func isNewer(than seen: inout UInt64) -> Bool {
        let newest = generation.load(ordering: .relaxed)
        if newest == seen { return false }
        seen = newest
        return true
    }
}
