import Links

/// Holds the names of new destinations to the rules for addresses, by what they stand for now. It keeps out what leads
/// inside today; whoever has the name may still point it elsewhere later.
package final class NameRule: Sendable {
    package enum Verdict: Sendable { case admitted, refused, unknown }

    private let lookup: NameLookup
    private let policy: DestinationPolicy
    private let isStrict: Bool

    /// Nil if names are not to be looked up.
    convenience init?(_ configuration: Configuration, _ policy: DestinationPolicy) {
        guard configuration.resolveDestinations != .off, !configuration.allowPrivateDestinations else { return nil }
        self.init(
            NameLookup(timeoutMilliseconds: configuration.resolveTimeoutMilliseconds), policy,
            isStrict: configuration.resolveDestinations == .strict)
    }

    package init(_ lookup: NameLookup, _ policy: DestinationPolicy, isStrict: Bool) {
        (self.lookup, self.policy, self.isStrict) = (lookup, policy, isStrict)
    }

    /// Calls `completion` once, on any thread.
    package func judge(_ name: String, completion: @escaping @Sendable (Verdict) -> Void) {
        lookup.look(up: name) { [policy, isStrict] outcome in
            switch outcome {
            case .addresses(let addresses): completion(policy.admits(addresses) ? .admitted : .refused)
            // Refused in the same way, so that nobody can ask which internal names there are.
            case .absent: completion(isStrict ? .refused : .admitted)
            case .unknown: completion(isStrict ? .unknown : .admitted)
            }
        }
    }
}
