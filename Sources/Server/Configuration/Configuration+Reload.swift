/// What a reload does to a running node's configuration.
package struct ConfigurationReload: Equatable, Sendable {
    /// One key with its value before and after, as the file writes them. A secret is never among them: keys name files.
    package struct Change: Equatable, Sendable {
        package let key: String
        package let old: String
        package let new: String

        package init(key: String, old: String, new: String) { (self.key, self.old, self.new) = (key, old, new) }
    }

    /// What is in effect from now on.
    package let configuration: Configuration
    package let applied: [Change]
    /// Changed too, and only a restart takes it over.
    package let waiting: [Change]

    /// From what is in effect to what the file and the flags say now.
    package init(from running: Configuration, to wanted: Configuration) {
        var next = running
        var (applied, waiting) = ([Change](), [Change]())
        for key in ConfigurationKey.all {
            let change = Change(key: key.name, old: key.write(running), new: key.write(wanted))
            guard change.old != change.new else { continue }
            if key.isReloadable, !Self.waits(key, running, wanted) {
                key.copy(wanted, &next)
                applied.append(change)
            } else {
                waiting.append(change)
            }
        }
        (configuration, self.applied, self.waiting) = (next, applied, waiting)
    }

    /// Whether the new value is sound only together with others that need a restart.
    private static func waits(_ key: ConfigurationKey, _ running: Configuration, _ wanted: Configuration) -> Bool {
        // What protects connections between nodes is the same before and after.
        let isProtectedAlike =
            running.hasReplicationTLS == wanted.hasReplicationTLS
            && running.replicationPlaintext == wanted.replicationPlaintext
        switch key.name {
        // `on` may be meant for a new address, such as a loopback one, and the node still listens on the old. Switching
        // it off never waits.
        case "anonymous_create":
            return wanted.anonymousCreate
                && (running.listen != wanted.listen || running.listenTLS != wanted.listenTLS)
        // The certificates are there for the port, which a restart opens or closes.
        case "tls_certificate", "tls_key": return (running.listenTLS == nil) != (wanted.listenTLS == nil)
        case "acme_directory": return (running.listenUpgrade == nil) != (wanted.listenUpgrade == nil)
        // So many regions may be there only after the restart.
        case "durability": return running.regions != wanted.regions || running.replicates != wanted.replicates
        case "peers":
            let hasSecrets = running.clusterSecretFile != nil && running.codeSecretFile != nil
            return !isProtectedAlike || !running.replicates || !hasSecrets && !wanted.peers.isEmpty
        case "replication_tls_certificate", "replication_tls_key", "replication_tls_ca": return !isProtectedAlike
        default: return false
        }
    }
}
