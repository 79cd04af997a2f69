extension ConfigurationKey {
    /// The keys of replication between nodes.
    static let replication: [ConfigurationKey] = [
        .init(
            "role", \.role, .role,
            "edge; or witness: an acceptor for aliases that serves no users, for clusters of two regions"),
        .init(
            "replication_listen", \.replicationListen, .optionalAddress,
            "address and port where peers connect; off: nowhere; without peers too the node stays alone"),
        .init(
            "replication_advertise", \.replicationAdvertise, .addresses(ConfigurationLimits.advertisedAddresses),
            "HOST:PORT where other nodes reach replication_listen; none: at the address that it names"),
        .init(
            "peers", \.peers, .addresses(ConfigurationLimits.peers),
            "HOST:PORT of other nodes' replication ports: some of them, to begin with; this node's own is passed over",
            reloadable: true),
        .init(
            "cluster_secret_file", \.clusterSecretFile, .optionalPath,
            "file with the secret that all nodes share; needed with replication_listen or peers", secret: true),
        .init(
            "replication_tls_certificate", \.replicationTLSCertificate, .optionalPath,
            "PEM file with this node's certificate, as edge cluster issue makes it; the next two go with it",
            reloadable: true),
        .init(
            "replication_tls_key", \.replicationTLSKey, .optionalPath, "PEM file with the certificate's key",
            reloadable: true, secret: true),
        .init(
            "replication_tls_ca", \.replicationTLSCA, .optionalPath,
            "PEM file with the certificate that signs those of all nodes", reloadable: true),
        .init(
            "replication_plaintext", \.replicationPlaintext, .onOff,
            "replication may go without TLS beyond loopback: only where nobody can listen, as in a tunnel"),
        .init(
            "snapshot_rate", \.snapshotBytesPerSecond, .size(ConfigurationLimits.snapshotBytesPerSecond),
            "most bytes a second that this node gives peers of snapshots", reloadable: true),
        .init(
            "lag_slow", \.lagSlowMilliseconds, .duration(ConfigurationLimits.lagMilliseconds),
            "lag of the slowest live region at which local intake begins to slow", reloadable: true),
        .init(
            "lag_stop", \.lagStopMilliseconds, .duration(ConfigurationLimits.lagMilliseconds),
            "lag of the slowest live region at which local intake is refused; at least lag_slow", reloadable: true),
        .init(
            "read_your_writes_timeout", \.readYourWritesTimeoutMilliseconds,
            .duration(ConfigurationLimits.readYourWritesTimeoutMilliseconds),
            "how long a request may wait for the writes that its token tells of, and ask other nodes", reloadable: true),
    ]
}
