/// How one node is set up: what `edge.conf` and the flags say, with every default filled in.
///
/// The values here are the defaults, each written once; `ConfigurationKey.all` gives every field its key and its
/// syntax. Files with secrets are named, never read: a configuration holds no secret, so all of it may be printed.
package struct Configuration: Equatable, Sendable {
    /// Directory of the store; created with mode 0700.
    package var data = "./edge-data"
    /// Who the process becomes once its ports are bound, `NAME` or `NAME:GROUP`; nil: it stays who started it.
    package var user: String?
    /// Name of the cluster, a part of the handshake between peers: 1 to 64 of `[A-Za-z0-9._-]`.
    package var cluster = "default"
    /// Every region of the cluster, at least one, in the order given; names and characters are unique.
    package var regions = [Region(name: "local", character: UInt8(ascii: "1"), acceptor: 0)]
    /// The name of this node's region: one of `regions`.
    package var region = "local"
    /// This node's number within its region, 0 to 15.
    package var node = 0
    package var role = Role.edge
    /// Public HTTP. Port 0 lets the system choose.
    package var listen = ListenAddress(host: "127.0.0.1", port: 8080)
    /// Public HTTPS; nil: none.
    package var listenTLS: ListenAddress?
    /// PEM files: certificates for clients, and their keys in the same order; as many of the one as of the other, and one
    /// at least where HTTPS is served.
    package var tlsCertificates: [String] = []
    package var tlsKeys: [String] = []
    package var hsts: HSTS?
    /// Plain HTTP that only leads to HTTPS; nil: none.
    package var listenUpgrade: ListenAddress?
    /// Files that a certificate authority asks for there; nil: none.
    package var acmeDirectory: String?
    /// Where metrics and status are served; nil: nowhere.
    package var adminListen: ListenAddress? = ListenAddress(host: "127.0.0.1", port: 9180)
    /// What short URLs start with: scheme, host and port, without a path and without a slash at the end.
    package var publicURL = "http://127.0.0.1:8080"
    /// Where peers connect; nil: nowhere.
    package var replicationListen: ListenAddress?
    /// Where other nodes reach `replicationListen`, `host:port` each; empty: there.
    package var replicationAdvertise: [String] = []
    /// Replication ports of other nodes to begin with, `host:port` each; names in lower case, addresses canonical.
    package var peers: [String] = []
    /// File with the secret that all nodes of the cluster share.
    package var clusterSecretFile: String?
    /// PEM files: this node's certificate and key, and whose certificates are believed. All three or none.
    package var replicationTLSCertificate: String?
    package var replicationTLSKey: String?
    package var replicationTLSCA: String?
    /// Whether replication may go without TLS where others can listen.
    package var replicationPlaintext = false
    /// At most so much is given to peers of snapshots; what is taken hangs on the giver's.
    package var snapshotBytesPerSecond = 64 << 20
    /// How far the slowest live region may lag before local intake slows, and before it is refused.
    package var lagSlowMilliseconds: Int64 = 5000
    package var lagStopMilliseconds: Int64 = 30_000
    /// How long a request may wait for what its token tells of.
    package var readYourWritesTimeoutMilliseconds: Int64 = 1000
    /// File with the secret that keys the permutation of codes; nil: the node makes one and keeps it in its store.
    package var codeSecretFile: String?
    /// Redirect threads, 1 to 256. `automaticWorkers` stands only in a configuration that is not loaded yet.
    package var workers = Configuration.automaticWorkers
    package var cacheEntries = 65_536
    package var lookups = Lookups.auto
    /// Threads that look codes up where the store does not fit in memory.
    package var readerThreads = 8
    /// Size of the LMDB map: a multiple of 4096.
    package var mapSizeBytes = 1 << 40
    /// Client connections on the public port, 1 to 1 000 000; `automaticConnections`: as many as there are descriptors
    /// for, at most 100 000.
    package var maxConnections = Configuration.automaticConnections
    /// How long a request's head may take from its first byte to its last, and its body from there to its last.
    package var headTimeoutMilliseconds: Int64 = 10_000
    package var bodyTimeoutMilliseconds: Int64 = 30_000
    /// How long a connection may be without a request, and without taking anything of an answer.
    package var idleTimeoutMilliseconds: Int64 = 75_000
    package var writeTimeoutMilliseconds: Int64 = 30_000
    package var durability = Durability.sync
    /// How long a write may wait for other regions.
    package var durabilityTimeoutMilliseconds: Int64 = 2000
    package var drainTimeoutMilliseconds: Int64 = 10_000
    package var logFormat = Log.Format.logfmt
    package var accessLog = AccessLogTarget.off
    package var redirectStatus = RedirectStatus.found
    /// `max-age` of a redirect, whole seconds; 0 forbids caches to keep it.
    package var redirectCacheTTLMilliseconds: Int64 = 0
    /// What is called when a code is to be answered otherwise than before; nil: nothing.
    package var blockedAnswer = BlockedAnswer.status451
    package var purgeURL: PurgeURL?
    package var purgeMethod = PurgeMethod.purge
    /// The longest time from a click to its being durable.
    package var clickFlushMilliseconds: Int64 = 1000
    /// Whether links may be created; and without a key.
    package var creates = true
    package var anonymousCreate = true
    /// Whether other nodes are asked for what is not here.
    package var asksRegions = true
    package var countsClicks = true
    /// Origins as browsers send them, or `*` alone: whose pages may use the API; empty: none may.
    package var corsOrigins: [String] = []
    /// Files with public keys, in PEM or as JSON Web Key Sets: whose tokens are taken; empty: none are.
    package var jwtKeys: [String] = []
    /// What `iss` and `aud` of tokens must be, one of them; empty: whatever they are.
    package var jwtIssuers: [String] = []
    package var jwtAudiences: [String] = []
    /// By so much the clocks of who makes tokens and of this node may differ.
    package var jwtLeewayMilliseconds: Int64 = 30_000
    /// Whether links may lead into private networks; for intranets.
    package var allowPrivateDestinations = false
    package var resolveDestinations = ResolveDestinations.off
    package var resolveTimeoutMilliseconds: Int64 = 2000
    /// Files of what no link may lead to; their names tell them apart.
    package var blockLists: [String] = []
    /// Who is asked about links once they are made; nil: nobody.
    package var lookupService: LookupServiceURL?
    package var lookupServiceKeyFile: String?
    package var lookupServiceTimeoutMilliseconds: Int64 = 2000
    /// Token buckets per principal, else per client network; nil: no limit.
    package var rateLimitCreate: RateLimit? = RateLimit(10, per: .second, burst: 50)
    package var rateLimitRead: RateLimit? = RateLimit(100, per: .second, burst: 200)
    package var rateLimitRedirect: RateLimit?
    package var rateLimitMiss: RateLimit? = RateLimit(50, per: .second, burst: 200)
    package var rateLimitAuthFailure: RateLimit? = RateLimit(1, per: .second, burst: 10)
    /// Who is believed about where a request came from; each once.
    package var rateLimitReport: RateLimit? = RateLimit(1, per: .second, burst: 5)
    package var trustedProxies: [AddressPrefix] = []
    /// Added to this node's clock, for tests of skew; may be negative.
    package var clockOffsetMilliseconds: Int64 = 0

    static let automaticWorkers = 0
    static let automaticConnections = 0

    /// Not loaded: derived values are those that the other defaults give. `load` is the way to a configuration.
    init() {}

    /// The URL that short URLs start with once the listener is bound: differs from `publicURL` only where that was
    /// derived from `listen` and the system chose the port.
    package func publicURL(boundTo address: ListenAddress) -> String {
        publicURL == listen.url ? address.url : publicURL
    }
}

extension Configuration {
    /// A region of the cluster. In the file: `us:1`, or `us:1/3` where node 3 is its acceptor and not node 0.
    package struct Region: Hashable, Sendable {
        /// 1 to 16 of `[a-z0-9-]`.
        package let name: String
        /// The base62 character that the region's codes start with, in ASCII.
        package let character: UInt8
        /// The node that votes for the region on aliases, 0 to 15.
        package let acceptor: Int

        package init(name: String, character: UInt8, acceptor: Int) {
            self.name = name
            self.character = character
            self.acceptor = acceptor
        }
    }

    /// What the node is in its cluster.
    package enum Role: String, CaseIterable, Sendable {
        case edge
        /// An acceptor for aliases that serves no users.
        case witness
    }

    /// Where a line for each request goes.
    package enum AccessLogTarget: Equatable, Sendable {
        case off, standardOutput
        case file(path: String)
    }

    /// When a write is answered.
    package enum Durability: Equatable, Sendable {
        /// After its fsync on this node.
        case sync
        /// After that of so many other regions too, so that losing one of these loses nothing acknowledged.
        case regions(Int)

        package var otherRegions: Int { if case .regions(let count) = self { count } else { 0 } }
    }

    /// Which threads look codes up that no cache has.
    package enum Lookups: String, CaseIterable, Sendable {
        /// `inline` while the store fits in memory, else `threads`.
        case auto
        /// The redirect threads.
        case inline
        /// Threads of their own, which wait for the disk so that the redirect threads do not.
        case threads
    }

    /// Whether the names of new destinations are looked up and held to the rules for addresses.
    package enum ResolveDestinations: String, CaseIterable, Sendable {
        case off
        /// A name that cannot be looked up is let through.
        case lenient
        /// A name that has no address is refused, and one that cannot be looked up in time too, for now.
        case strict
    }

    /// Status of a redirect (RFC 9110 15.4).
    /// What a blocked link is answered with.
    package enum BlockedAnswer: String, CaseIterable, Sendable {
        case status451 = "451"
        /// To who wants a page, one that lets people go on; 451 to everybody else.
        case warning
    }

    package enum RedirectStatus: Int, CaseIterable, Sendable {
        case movedPermanently = 301
        case found = 302
        case temporaryRedirect = 307
        case permanentRedirect = 308
    }
}

/// Every bound that a configuration is held to.
package enum ConfigurationLimits {
    package static let fileBytes = 1 << 20
    package static let clusterNameBytes = 64
    package static let regionNameBytes = 16
    /// Of a user or a group (useradd(8)).
    package static let userNameBytes = 32
    package static let nodes = 0...15
    package static let workers = 1...256
    /// 64 TiB is half of the address space that a process has.
    package static let mapSizeBytes = 16 << 20...64 << 40
    package static let mapPageBytes = 4096
    package static let connections = 1...1_000_000
    package static let connectionTimeoutMilliseconds: ClosedRange<Int64> = 100...86_400_000
    /// Addresses in `peers`, and in `replication_advertise`.
    package static let peers = 256
    package static let advertisedAddresses = 4
    package static let snapshotBytesPerSecond = 1 << 20...1 << 40
    package static let readYourWritesTimeoutMilliseconds: ClosedRange<Int64> = 0...10_000
    package static let lagMilliseconds: ClosedRange<Int64> = 100...86_400_000
    package static let durabilityTimeoutMilliseconds: ClosedRange<Int64> = 100...60_000
    package static let drainTimeoutMilliseconds: ClosedRange<Int64> = 0...86_400_000
    package static let redirectCacheTTLMilliseconds: ClosedRange<Int64> = 0...365 * 86_400_000
    /// Two years at most; of a preloaded one, one at least.
    package static let hstsMilliseconds: ClosedRange<Int64> = 0...2 * 365 * 86_400_000
    package static let preloadMilliseconds: Int64 = 365 * 86_400_000
    package static let clickFlushMilliseconds: ClosedRange<Int64> = 100...3_600_000
    package static let resolveTimeoutMilliseconds: ClosedRange<Int64> = 100...10_000
    package static let blockListNameBytes = 1...64
    package static let lookupServiceTimeoutMilliseconds: ClosedRange<Int64> = 100...10_000
    package static let trustedProxies = 64
    package static let corsOrigins = 64
    package static let clockOffsetMilliseconds: ClosedRange<Int64> = -3650 * 86_400_000...3650 * 86_400_000
}
