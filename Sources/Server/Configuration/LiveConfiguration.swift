import Synchronization

/// The configuration that is in effect, in the one place that a reload and the admin port's switches change. Threads that
/// need it often keep a copy, and ask here whether it is still the newest: one relaxed load.
final class LiveConfiguration: Sendable {
    private struct Contents {
        /// What the file and the flags say.
        var configured: Configuration
        /// What the admin port says in their place.
        var turned: [Switch: Bool] = [:]

        var value: Configuration {
            turned.reduce(into: configured) { $0[keyPath: $1.key.field] = $1.value }
        }
    }

    private let current: Mutex<Contents>
    private let generation = Atomic<UInt64>(0)

    init(_ configuration: Configuration) { current = Mutex(Contents(configured: configuration)) }

    var value: Configuration { current.withLock { $0.value } }

    /// Without what the admin port has turned.
    var configured: Configuration { current.withLock { $0.configured } }

    func replace(with configuration: Configuration) {
        current.withLock { $0.configured = configuration }
        generation.add(1, ordering: .releasing)
    }

    /// Turns a switch, whatever is configured from now on; nil: it is again as that says. False if it was so already.
    func turn(_ name: Switch, _ isOn: Bool?) -> Bool {
        let isNew = current.withLock { contents in
            defer { contents.turned[name] = isOn }
            return contents.turned[name] != isOn
        }
        if isNew { generation.add(1, ordering: .releasing) }
        return isNew
    }

    var switches: [SwitchState] {
        let contents = current.withLock { $0 }
        let value = contents.value
        return Switch.allCases.map { name in
            SwitchState(
                name: name.rawValue, on: value[keyPath: name.field],
                configured: contents.configured[keyPath: name.field], overridden: contents.turned[name] != nil)
        }
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
