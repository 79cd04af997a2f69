import Server
import Testing

/// The keys of replication, and the rules between them.
@Suite struct ReplicationKeyTests {
    /// What a node with peers needs.
    private static let secrets = "node = 0\ncluster_secret_file = c\ncode_secret_file = s\n"
    private static let tls =
        "replication_tls_certificate = c.pem\nreplication_tls_key = c.key\nreplication_tls_ca = ca.pem\n"

    private static let tooManyPeers: String = {
        let peers: [String] = (0...256).map { "a\($0):1" }
        return "peers = " + peers.joined(separator: ",")
    }()

    private func load(_ text: String) throws(ConfigurationErrors) -> Configuration {
        try Configuration.load(file: (path: "edge.conf", text: Array(text.utf8)), flags: [], cores: 2)
    }

    private func errors(_ text: String) -> [String] {
        do {
            _ = try load(text)
            return []
        } catch {
            return error.errors.map(\.description)
        }
    }

    @Test func defaults() throws {
        let configuration = try load("")
        #expect(configuration.role == .edge && configuration.replicationListen == nil && configuration.peers.isEmpty)
        #expect(configuration.replicationAdvertise.isEmpty && configuration.clusterSecretFile == nil)
        #expect(configuration.replicationTLSCertificate == nil && configuration.replicationTLSKey == nil)
        #expect(configuration.replicationTLSCA == nil && !configuration.replicationPlaintext)
        #expect(configuration.snapshotBytesPerSecond == 67_108_864)
        #expect((configuration.lagSlowMilliseconds, configuration.lagStopMilliseconds) == (5000, 30_000))
        #expect(!configuration.replicates && !configuration.hasReplicationTLS && configuration.warnings.isEmpty)
    }

    @Test func everyFieldIsRead() throws {
        let configuration = try load(
            """
            regions = eu:2, us:1/3
            region = us
            node = 3
            role = witness
            replication_listen = 0.0.0.0:9280
            replication_advertise = US-3.example.org:9280
            peers = eu-0.example.org:9280 , [FD00:0::2]:1,10.0.0.1:65535
            cluster_secret_file = cluster.secret
            code_secret_file = code.secret
            replication_tls_certificate = us-3.pem
            replication_tls_key = us-3.key
            replication_tls_ca = ca.pem
            snapshot_rate = 1MiB
            lag_slow = 100ms
            lag_stop = 1d
            durability = regions:1
            durability_timeout = 1m
            """)
        #expect(configuration.role == .witness && configuration.replicates && configuration.hasReplicationTLS)
        #expect(configuration.replicationListen == ListenAddress(host: "0.0.0.0", port: 9280))
        #expect(configuration.replicationAdvertise == ["us-3.example.org:9280"])
        #expect(configuration.peers == ["eu-0.example.org:9280", "[fd00::2]:1", "10.0.0.1:65535"])
        #expect(configuration.clusterSecretFile == "cluster.secret")
        #expect(configuration.replicationTLSCertificate == "us-3.pem")
        #expect(configuration.replicationTLSKey == "us-3.key" && configuration.replicationTLSCA == "ca.pem")
        #expect(configuration.snapshotBytesPerSecond == 1_048_576)
        #expect((configuration.lagSlowMilliseconds, configuration.lagStopMilliseconds) == (100, 86_400_000))
        #expect(configuration.durability == .regions(1) && configuration.durabilityTimeoutMilliseconds == 60_000)
        #expect(try load(configuration.text) == configuration)
    }

    /// Configurations that are right, up to the border of each rule.
    @Test(arguments: [
        "node = 0\ncluster_secret_file = c\nreplication_listen = 127.0.0.1:0",
        "node = 0\ncluster_secret_file = c\nreplication_listen = [::1]:1",
        secrets + "peers = 127.0.0.2:1, [::1]:2, localhost:3, eu.example:4",
        secrets + "peers = 10.0.0.1:1\nreplication_plaintext = on",
        secrets + "peers = 10.0.0.1:1\nreplication_listen = [::]:1\n" + tls,
        secrets + "replication_listen = 10.0.0.1:1\nreplication_plaintext = on",
        secrets + "peers = a:1\nregions = a:1, b:2, c:3\nregion = a\ndurability = regions:2",
        "role = witness", "lag_slow = 30s\nlag_stop = 30s", tls, "replication_plaintext = on",
        "regions = a:1/2, b:2\nregion = a\nnode = 2\nrole = witness",
    ])
    func right(text: String) throws {
        let configuration = try load(text)
        #expect(try load(configuration.text) == configuration)
    }

    /// A file of one fault, on the line that the message names.
    @Test(
        arguments: [
            (1, "role = primary", "role: \"primary\" is not known; write edge or witness"),
            (
                2, "node = 1\nrole = witness",
                "role: regions has node 0 as acceptor of local, and this is node 1; "
                    + "a witness must be an acceptor: write local:1/1 in regions, or role = edge"
            ),
            (
                1, "replication_listen = eu:1",
                "replication_listen: \"eu:1\" is not an IP address with a port; "
                    + "write 127.0.0.1:8080, [::1]:8080, or 0.0.0.0:8080 for every interface"
            ),
            (
                1, "peers = eu",
                "peers: \"eu\" is not a host with a port; "
                    + "write HOST:PORT with commas between, such as eu-0.example.org:9280, or none"
            ),
            (
                1, "peers = eu:0",
                "peers: nobody can connect to port 0; "
                    + "write HOST:PORT with commas between, such as eu-0.example.org:9280, or none"
            ),
            (
                1, "peers = a:1,",
                "peers: \"\" is not a host with a port; "
                    + "write HOST:PORT with commas between, such as eu-0.example.org:9280, or none"
            ),
            (1, "peers = a:1, A:1", "peers: a:1 stands there twice; take one of them out"),
            (1, "peers = [::1]:1, [0::1]:1", "peers: [::1]:1 stands there twice; take one of them out"),
            (
                1, tooManyPeers,
                "peers: more than 256 addresses; write some; nodes tell each other of the rest"
            ),
            (
                1, "replication_advertise = a:1,b:1,c:1,d:1,e:1",
                "replication_advertise: more than 4 addresses; write some; nodes tell each other of the rest"
            ),
            (
                2, "cluster_secret_file = c\nreplication_listen = 127.0.0.1:1",
                "replication_listen: peers know a node by its number, and node is not set; "
                    + "set it, unique within the region, such as node = 0"
            ),
            (
                3, "cluster_secret_file = c\ncode_secret_file = s\npeers = a:1",
                "peers: peers know a node by its number, and node is not set; "
                    + "set it, unique within the region, such as node = 0"
            ),
            (
                2, "node = 0\nreplication_listen = 127.0.0.1:1",
                "replication_listen: peers know each other by a secret, and cluster_secret_file is not set; "
                    + "edge cluster init makes one"
            ),
            (
                3, "node = 0\ncode_secret_file = s\npeers = a:1",
                "peers: peers know each other by a secret, and cluster_secret_file is not set; edge cluster init makes one"
            ),
            (
                3, "node = 0\ncluster_secret_file = c\npeers = a:1",
                "peers: all nodes key their codes with one secret, and code_secret_file is not set; "
                    + "edge cluster init makes one"
            ),
            (
                4, secrets + "replication_listen = 0.0.0.0:1",
                "replication_listen: without certificates 0.0.0.0:1 would be open to whoever listens; "
                    + "set replication_tls_certificate, _key and _ca, or a loopback address, or replication_plaintext = on"
            ),
            (
                4, secrets + "peers = a:1, 127.0.0.1:1, 10.0.0.1:1",
                "peers: without certificates what goes to 10.0.0.1:1 would be open to whoever listens; "
                    + "set replication_tls_certificate, _key and _ca, or a loopback address, or replication_plaintext = on"
            ),
            (
                1, "replication_tls_ca = ca.pem",
                "replication_tls_ca: replication_tls_certificate and replication_tls_key are not set; "
                    + "set all three, or none"
            ),
            (
                1, "replication_tls_certificate = c\nreplication_tls_ca = ca.pem",
                "replication_tls_certificate: replication_tls_key is not set; set all three, or none"
            ),
            (
                1, "replication_plaintext = yes",
                "replication_plaintext: \"yes\" is neither on nor off; write on or off"
            ),
            (1, "snapshot_rate = 1KiB", "snapshot_rate: 1KiB is out of range; write a size from 1MiB to 1TiB"),
            (
                1, "snapshot_rate = 5",
                "snapshot_rate: \"5\" is not a size; write a whole number and B, KiB, MiB, GiB or TiB, such as 64MiB"
            ),
            (1, "lag_slow = 99ms", "lag_slow: 99ms is out of range; write a duration from 100ms to 1d"),
            (1, "lag_stop = 2d", "lag_stop: 2d is out of range; write a duration from 100ms to 1d"),
            (
                1, "lag_slow = 31s",
                "lag_slow: lag_slow is 31s, lag_stop 30s; intake slows before it is refused: write lag_slow <= lag_stop"
            ),
            (
                1, "lag_stop = 4s",
                "lag_stop: lag_slow is 5s, lag_stop 4s; intake slows before it is refused: write lag_slow <= lag_stop"
            ),
            (
                4, secrets + "durability = regions:1\npeers = a:1",
                "durability: regions has no other regions; write durability = sync"
            ),
            (
                4, secrets + "durability = regions:3\npeers = a:1\nregions = a:1, b:2, c:3\nregion = b",
                "durability: regions has 2 other regions; write regions:2 or less"
            ),
            (
                1, "durability_timeout = 99ms",
                "durability_timeout: 99ms is out of range; write a duration from 100ms to 1m"
            ),
        ] as [(Int, String, String)])
    func message(line: Int, text: String, expected: String) {
        #expect(errors(text) == ["edge.conf:\(line): \(expected)"])
    }

    /// All three that a cluster needs are asked for at once; of what depends on a bad value nothing is said.
    @Test func manyAndNoConsequences() {
        #expect(errors("peers = a:1\nreplication_listen = 127.0.0.1:1").count == 3)
        #expect(errors("peers = a\nreplication_listen = 10.0.0.1:1").count == 1)
        #expect(errors("regions = a:1,\nrole = witness").count == 1)
        #expect(errors("lag_slow = 1\nlag_stop = 100ms").count == 1)
        #expect(errors(Self.secrets + "peers = 10.0.0.1:1\nreplication_plaintext = yes").count == 1)
        #expect(errors("replication_tls_ca =\nreplication_tls_key = k").count == 1)
    }

    @Test(
        arguments: [
            (secrets + "peers = 127.0.0.1:1, a:1\nreplication_listen = 127.0.0.1:1", "peers: 127.0.0.1:1 is this node"),
            (
                secrets + "peers = A:1\nreplication_listen = [::1]:2\nreplication_advertise = a:1",
                "peers: a:1 is this node itself"
            ),
            (
                secrets + "replication_plaintext = on\nreplication_listen = [::]:2",
                "replication_listen: nobody can connect to ::"
            ),
            (
                "node = 0\ncluster_secret_file = c\nreplication_listen = 127.0.0.1:1",
                "code_secret_file: without it this node makes a secret of its own"
            ),
            ("replication_advertise = a:1", "replication_advertise: without replication_listen"),
            ("replication_plaintext = on\n" + tls, "replication_plaintext: has no effect"),
        ] as [(String, String)])
    func warned(text: String, warning: String) throws {
        let warnings = try load(text).warnings
        #expect(warnings.count == 1 && warnings[0].hasPrefix(warning), "\(warnings)")
    }

    /// Where others reach a node, by what it listens on, what became of that, and what is said.
    @Test(
        arguments: [
            ("", nil, []),
            ("replication_listen = 127.0.0.1:0", "127.0.0.1:4711", ["127.0.0.1:4711"]),
            ("replication_listen = [::1]:0", "[::1]:4711", ["[::1]:4711"]),
            ("replication_listen = 0.0.0.0:0\nreplication_plaintext = on", "0.0.0.0:4711", []),
            (
                "replication_listen = [::]:0\nreplication_plaintext = on\nreplication_advertise = a:1, b:2",
                "[::]:4711",
                ["a:1", "b:2"]
            ),
        ] as [(String, String?, [String])])
    func advertised(text: String, bound: String?, expected: [String]) throws {
        let configuration = try load(Self.secrets + text)
        #expect(configuration.replicationAddresses(boundTo: bound.flatMap { ListenAddress($0) }) == expected)
    }

    /// A file before and after, and the keys that only a restart takes over. What is in effect is always a configuration
    /// that loads.
    @Test(
        arguments: [
            (secrets + "peers = a:1", secrets + "peers = b:1, a:1", []),
            (secrets + "peers = a:1\n" + tls, secrets + "peers = 10.0.0.1:1\n" + tls, []),
            (secrets + "peers = a:1", secrets + "", []),
            (secrets, secrets + "peers = a:1", ["peers"]),
            (
                "node = 0\ncluster_secret_file = c\nreplication_listen = 127.0.0.1:1",
                secrets + "replication_listen = 127.0.0.1:1\npeers = a:1", ["peers", "code_secret_file"]
            ),
            (
                secrets + "peers = a:1", secrets + "peers = 10.0.0.1:1\nreplication_plaintext = on",
                ["peers", "replication_plaintext"]
            ),
            (
                secrets + "peers = a:1", secrets + "peers = 10.0.0.1:1\n" + tls,
                ["peers", "replication_tls_certificate", "replication_tls_key", "replication_tls_ca"]
            ),
            (
                secrets + "replication_listen = 0.0.0.0:1\n" + tls,
                secrets + "replication_listen = 0.0.0.0:1\nreplication_plaintext = on",
                [
                    "replication_tls_certificate", "replication_tls_key", "replication_tls_ca", "replication_plaintext",
                ]
            ),
            (tls, tls.replacing("c.", with: "d."), []),
            ("", "snapshot_rate = 1MiB\nlag_slow = 40s\nlag_stop = 50s", []),
            (
                secrets + "peers = a:1\nregions = a:1, b:2\nregion = a",
                secrets + "peers = a:1\nregions = a:1, b:2\nregion = a\ndurability = regions:1", []
            ),
            (
                secrets + "peers = a:1\nregions = a:1, b:2\nregion = a",
                secrets + "peers = a:1\nregions = a:1, b:2, c:3\nregion = a\ndurability = regions:2",
                ["regions", "durability"]
            ),
        ] as [(String, String, [String])])
    func reloaded(before: String, after: String, waiting: [String]) throws {
        let reload = ConfigurationReload(from: try load(before), to: try load(after))
        #expect(reload.waiting.map(\.key) == waiting)
        #expect(try load(reload.configuration.text) == reload.configuration)
    }
}
