extension ValueSyntax where Value == [String] {
    /// `eu-0.example.org:9280, 10.0.0.2:9280, [fd00::2]:9280`, or `none`. Each in its one spelling, and once.
    static func addresses(_ limit: Int) -> ValueSyntax {
        ValueSyntax(
            read: { (text) throws(BadValue) in
                if text == "none" { return [] }
                var addresses: [String] = []
                for item in text.split(separator: ",", omittingEmptySubsequences: false) {
                    let address = try peerAddress(item.trimmingBlanks())
                    guard !addresses.contains(address) else {
                        throw BadValue(problem: "\(address) stands there twice", remedy: "take one of them out")
                    }
                    addresses.append(address)
                }
                guard addresses.count <= limit else {
                    throw BadValue(
                        problem: "more than \(limit) addresses",
                        remedy: "write some; nodes tell each other of the rest")
                }
                return addresses
            }, write: { $0.isEmpty ? "none" : $0.joined(separator: ", ") })
    }
}

/// `host:port` as peers are known by: a name in lower case, an IPv4 address, or an IPv6 address in brackets.
private func peerAddress(_ text: Substring) throws(BadValue) -> String {
    let remedy = "write HOST:PORT with commas between, such as eu-0.example.org:9280, or none"
    guard let authority = Authority(text), let port = authority.port else {
        throw BadValue(problem: "\(quoted(text)) is not a host with a port", remedy: remedy)
    }
    guard port != 0 else { throw BadValue(problem: "nobody can connect to port 0", remedy: remedy) }
    if let address = ListenAddress(String(text)) { return address.description }
    return "\(authority.host.lowercased()):\(port)"
}

extension ListenAddress {
    /// 0.0.0.0 or [::]: every interface, which is no place to connect to.
    package var isEveryInterface: Bool { host == "0.0.0.0" || host == "::" }
}

extension Configuration {
    /// Whether the node speaks with others at all.
    package var replicates: Bool { replicationListen != nil || !peers.isEmpty }

    /// Whether peers prove with certificates who they are.
    package var hasReplicationTLS: Bool { replicationTLSCertificate != nil }

    /// Where other nodes reach this one's replication port, for its entry among the members; empty if it only connects to
    /// others, or listens on every interface and nothing says which of them they reach.
    ///
    /// - Parameter bound: what `replicationListen` became: port 0 lets the system choose.
    package func replicationAddresses(boundTo bound: ListenAddress?) -> [String] {
        guard let bound else { return [] }
        if !replicationAdvertise.isEmpty { return replicationAdvertise }
        return bound.isEveryInterface ? [] : [bound.description]
    }

    /// What is right as it stands, and may still not be what is meant. One line each.
    package var warnings: [String] {
        var warnings: [String] = []
        let own = replicationAddresses(boundTo: replicationListen)
        for address in peers where own.contains(address) {
            warnings.append("peers: \(address) is this node itself, which passes it over")
        }
        if let replicationListen, own.isEmpty {
            warnings.append(
                "replication_listen: nobody can connect to \(replicationListen.host); unless replication_advertise says "
                    + "where this node is reached, only nodes that have it among their peers connect to it")
        }
        if replicationListen != nil, codeSecretFile == nil {
            warnings.append(
                "code_secret_file: without it this node makes a secret of its own, and no other node can join it; "
                    + "edge cluster init makes one for all")
        }
        if replicationListen == nil, !replicationAdvertise.isEmpty {
            warnings.append("replication_advertise: without replication_listen there is nothing to reach")
        }
        if listenTLS != nil, !publicURL.hasPrefix("https:") {
            warnings.append("public_url: short URLs do not begin with https://, though listen_tls is set")
        }
        if !jwtKeys.isEmpty, jwtIssuers.isEmpty {
            warnings.append("jwt_issuer: without it all tokens of these keys are taken, whoever they say has made them")
        }
        if !jwtKeys.isEmpty, jwtAudiences.isEmpty {
            warnings.append("jwt_audience: without it tokens are taken that were made for other services")
        }
        for name in [Switch.create, .askRegions, .countClicks] where !self[keyPath: name.field] {
            warnings.append("\(name.rawValue): off")
        }
        if replicationPlaintext, hasReplicationTLS {
            warnings.append("replication_plaintext: has no effect, every connection uses the certificates")
        }
        return warnings
    }
}
