/// Where links may lead.
package struct DestinationPolicy: Sendable {
    private let ownHosts: [Host]
    private var allowPrivate: Bool
    /// Nil: there are none.
    let blockLists: BlockLists?

    /// - ownHosts: names or addresses that this service answers on, with or without a port, or as URLs.
    /// - allowPrivate: lets through addresses and names of private networks; for intranets.
    /// - blockLists: those in force when a destination is judged.
    package init(
        ownHosts: [String] = [], allowPrivate: Bool = false, blockLists: BlockLists? = nil
    ) throws(DestinationError) {
        var hosts: [Host] = []
        for own in ownHosts {
            let text = Array((own.contains("://") ? own : "http://" + own).utf8)
            try refuseHiddenCharacters(in: text)
            hosts.append(try Host(in: text, URLParts(of: text)).unmapped)
        }
        self.ownHosts = hosts
        self.allowPrivate = allowPrivate
        self.blockLists = blockLists
    }

    /// To all that is a URL.
    private init() { (ownHosts, allowPrivate, blockLists) = ([], true, nil) }
    static let everywhere = DestinationPolicy()

    /// The same with private networks allowed, or not.
    package func allowingPrivate(_ allowPrivate: Bool) -> DestinationPolicy {
        var policy = self
        policy.allowPrivate = allowPrivate
        return policy
    }

    /// Throws if no link may lead to `host`, which begins at `offset`.
    func admit(_ host: Host, at offset: Int) throws(DestinationError) {
        if !ownHosts.isEmpty && ownHosts.contains(host.unmapped) { throw .ownHost(at: offset) }
        if allowPrivate { return }
        switch host {
        case .name(let name, _): if isPrivateName(name) { throw .privateName(at: offset) }
        case .ipv4(let address): if isPrivate(ipv4: address) { throw .privateAddress(at: offset) }
        case .ipv6(let address): if isPrivate(ipv6: address) { throw .privateAddress(at: offset) }
        }
    }

    /// Whether a link may lead to a name that stands for these addresses: all of them, since nobody knows which one a
    /// browser takes.
    package func admits(_ addresses: [HostAddress]) -> Bool {
        allowPrivate
            || addresses.allSatisfy { address in
                switch address {
                case .ipv4(let bits): !isPrivate(ipv4: bits)
                case .ipv6(let bits): !isPrivate(ipv6: bits)
                }
            }
    }
}

/// An address that a name stands for.
package enum HostAddress: Hashable, Sendable {
    case ipv4(UInt32)
    case ipv6(UInt128)
}
