import Links
import Primitives
import Replication
import Store

/// What a node that has peers is made of besides.
extension Node {
    /// Binds the port that peers connect to; nil for a node that stays alone.
    static func bindPeers(_ configuration: Configuration) throws(ListenError) -> PeerTransport? {
        guard configuration.replicates else { return nil }
        var settings = PeerTransportSettings(listen: configuration.replicationListen)
        settings.allowsPlaintext = configuration.replicationPlaintext
        settings.cluster = configuration.cluster
        for region in configuration.regions { settings.regions[region.name] = region.character }
        return try PeerTransport(settings)
    }

    /// The thread that talks to peers, and the store that it changes. Whoever waits for it to write, or to read, is told
    /// through the mail.
    static func peerThread(
        _ live: LiveConfiguration, _ settings: StoreSettings, _ transport: PeerTransport, _ secrets: NodeSecrets,
        now: @escaping @Sendable () -> Instant
    ) throws -> PeerThread {
        let configuration = live.value
        if let tls = secrets.replicationTLS { transport.replace(tls: try TLSContext(tls)) }
        let mail = PeerMail()
        mail.wakes { transport.wake() }
        var settings = settings
        // Until a peer has said how far numbers went, or an operator that there is none.
        settings.continuity = .unproven
        let store = try PeerStore(settings) { mail.put($0) }
        return try PeerThread(
            replication(configuration, settings.logFormat, secrets.cluster!, store.store, boundTo: transport.address),
            configuration.regions.map { NodeID(region: $0.character, node: UInt8($0.acceptor)) }, store, transport,
            mail, live, now: now)
    }

    private static func replication(
        _ configuration: Configuration, _ logFormat: UInt16, _ secret: ClusterSecret, _ store: Store,
        boundTo address: ListenAddress?
    ) -> Settings {
        let region = configuration.regions.first { $0.name == configuration.region }!
        return Settings(
            cluster: Array(configuration.cluster.utf8),
            member: Member(
                id: NodeID(region: region.character, node: UInt8(configuration.node)),
                addresses: configuration.replicationAddresses(boundTo: address),
                isWitness: configuration.role == .witness, logFormat: logFormat),
            run: .random(in: 1 ... .max), secretCheck: secret.check(ofCodeSecret: store.codeSecret), epoch: 1,
            regions: configuration.regions.sorted { $0.character < $1.character }.map {
                Hello.Region(character: $0.character, name: Array($0.name.utf8))
            },
            peers: configuration.peers, proof: secret.proof, seed: .random(in: 0 ... .max))
    }
}

extension TLSContext {
    convenience init(_ tls: ReplicationTLS) throws(TLSFailure) {
        try self.init(certificate: tls.certificate, key: tls.key, authorities: tls.authority)
    }
}
