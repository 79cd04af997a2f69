/// The rules between the keys of replication.
extension ConfigurationLoader {
    /// Nothing is said of what depends on a bad value.
    mutating func checkReplication() {
        checkReplicationTLS()
        checkLag()
        if isSound("role", "regions", "region", "node", "replication_listen", "peers") { checkRole() }
        if isSound("durability", "regions", "replication_listen", "peers") { checkDurability() }
        guard isSound("replication_listen", "peers"), configuration.replicates else { return }
        let key = configuration.replicationListen == nil ? "peers" : "replication_listen"
        if places["node"] == nil {
            report(
                key, "peers know a node by its number, and node is not set",
                "set it, unique within the region, such as node = 0")
        }
        if configuration.clusterSecretFile == nil, isSound("cluster_secret_file") {
            report(
                key, "peers know each other by a secret, and cluster_secret_file is not set",
                "edge cluster init makes one")
        }
        if !configuration.peers.isEmpty, configuration.codeSecretFile == nil, isSound("code_secret_file") {
            report(
                "peers", "all nodes key their codes with one secret, and code_secret_file is not set",
                "edge cluster init makes one")
        }
        checkPlaintext()
    }

    private mutating func checkReplicationTLS() {
        let keys = ConfigurationKey.replicationTLS
        let missing = keys.filter { $0.write(configuration) == "none" }.map(\.name)
        guard !missing.isEmpty, let given = keys.first(where: { !missing.contains($0.name) }),
            keys.allSatisfy({ isSound($0.name) })
        else { return }
        report(
            given.name, "\(missing.joined(separator: " and ")) \(missing.count == 1 ? "is" : "are") not set",
            "set all three, or none")
    }

    private mutating func checkLag() {
        guard isSound("lag_slow", "lag_stop"), configuration.lagSlowMilliseconds > configuration.lagStopMilliseconds
        else { return }
        let (slow, stop) = (configuration.lagSlowMilliseconds, configuration.lagStopMilliseconds)
        report(
            places["lag_slow"] == nil ? "lag_stop" : "lag_slow",
            "lag_slow is \(durationText(slow)), lag_stop \(durationText(stop))",
            "intake slows before it is refused: write lag_slow <= lag_stop")
    }

    /// Else no write would ever be answered well.
    private mutating func checkDurability() {
        let others = configuration.replicates ? configuration.regions.count - 1 : 0
        guard configuration.durability.otherRegions > others else { return }
        let remedy = others == 0 ? "write durability = sync" : "write regions:\(others) or less"
        let problem =
            configuration.replicates
            ? "regions has \(others == 0 ? "no" : "\(others)") other \(others == 1 ? "region" : "regions")"
            : "without replication_listen and peers nothing is in other regions"
        report("durability", problem, remedy)
    }

    /// A witness is there for its vote.
    private mutating func checkRole() {
        guard configuration.role == .witness,
            let region = configuration.regions.first(where: { $0.name == configuration.region }),
            region.acceptor != configuration.node
        else { return }
        let named = Configuration.Region(
            name: region.name, character: region.character, acceptor: configuration.node)
        report(
            "role",
            "regions has node \(region.acceptor) as acceptor of \(region.name), and this is node \(configuration.node)",
            "a witness must be an acceptor: write \(named) in regions, or role = edge")
    }

    private mutating func checkPlaintext() {
        guard !configuration.hasReplicationTLS, !configuration.replicationPlaintext,
            isSound("replication_plaintext"), ConfigurationKey.replicationTLS.allSatisfy({ isSound($0.name) })
        else { return }
        let remedy =
            "set replication_tls_certificate, _key and _ca, or a loopback address, or replication_plaintext = on"
        if let address = configuration.replicationListen, !address.isLoopback {
            report("replication_listen", "without certificates \(address) would be open to whoever listens", remedy)
        }
        if let address = configuration.peers.first(where: { ListenAddress($0).map { !$0.isLoopback } ?? false }) {
            report("peers", "without certificates what goes to \(address) would be open to whoever listens", remedy)
        }
    }

    private func isSound(_ keys: String...) -> Bool { failed.isDisjoint(with: keys) }

    /// At the place where `key` is set.
    private mutating func report(_ key: String, _ problem: String, _ remedy: String) {
        guard let place = places[key] else { preconditionFailure("what is not set has its default, which is right") }
        report(place, key, BadValue(problem: problem, remedy: remedy))
    }
}

extension ConfigurationKey {
    /// The three that go together.
    static let replicationTLS = replication.filter { $0.name.hasPrefix("replication_tls_") }
}
