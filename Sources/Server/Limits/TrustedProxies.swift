/// The machines whose word is taken for where a request came from, and what their word is.
///
/// A proxy appends the address that it was asked from. So a field is read from its end, where the nearest proxy wrote, and
/// only as far as the addresses are themselves trusted: whatever stands before was written by who knows whom.
///
///     X-Forwarded-For: 1.2.3.4, 203.0.113.7, 10.0.0.2          trusted: 10.0.0.0/8, and the peer is 10.0.0.3
///                      └ anything └ the client └ a proxy
package struct TrustedProxies: Equatable, Sendable {
    package let prefixes: [AddressPrefix]

    /// Hops that are followed; a longer way of trusted proxies ends there.
    package static let hops = 32

    package init(_ prefixes: [AddressPrefix]) { self.prefixes = prefixes }

    package func contains(_ address: IPAddress) -> Bool {
        // Most nodes have none.
        if prefixes.isEmpty { return false }
        return prefixes.contains { $0.contains(address) }
    }

    /// The address that a request of `peer` came from. Nil: the field was not sent.
    ///
    /// Fields of a peer that is not trusted mean nothing. Where both are there and differ, a proxy sets one and passes the
    /// client's own on as the other: neither is believed, and the peer is as far as one can see. What is no address (an
    /// obfuscated name, `unknown`, garbage) ends the walk at the proxy that wrote it.
    package func client(
        behind peer: IPAddress, xForwardedFor: UnsafeRawBufferPointer?, forwarded: UnsafeRawBufferPointer?
    ) -> IPAddress {
        guard contains(peer) else { return peer }
        let first = xForwardedFor.map { walk(from: peer, ForwardedHops.ofXForwardedFor($0)) }
        let second = forwarded.map { walk(from: peer, ForwardedHops.ofForwarded($0)) }
        guard let first, let second else { return first ?? second ?? peer }
        return first == second ? first : peer
    }

    /// `hops`: nearest first; nil where no address stands.
    private func walk(from peer: IPAddress, _ hops: [IPAddress?]) -> IPAddress {
        var client = peer
        for hop in hops.prefix(Self.hops) {
            guard let hop else { return client }
            client = hop
            if !contains(hop) { return hop }
        }
        return client
    }
}
