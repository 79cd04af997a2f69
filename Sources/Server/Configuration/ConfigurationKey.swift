import Links

/// One key of the configuration: what the file, the flags, the help and the example know of it comes from here.
package struct ConfigurationKey: Sendable {
    package let name: String
    /// One line: what it is for, and where its default comes from if other keys decide it.
    package let why: String
    /// When a changed value counts: at SIGHUP, or only after a restart.
    package let isReloadable: Bool
    /// Whether the value names a file with a secret.
    package let namesSecret: Bool
    let read: @Sendable (_ text: String, _ configuration: inout Configuration) throws(BadValue) -> Void
    let write: @Sendable (_ configuration: Configuration) -> String
    /// Takes the value of one configuration over into another.
    let copy: @Sendable (_ source: Configuration, _ target: inout Configuration) -> Void

    init<Value>(
        _ name: String, _ field: WritableKeyPath<Configuration, Value> & Sendable, _ syntax: ValueSyntax<Value>,
        _ why: String, reloadable: Bool = false, secret: Bool = false
    ) {
        self.name = name
        self.why = why
        (isReloadable, namesSecret) = (reloadable, secret)
        copy = { $1[keyPath: field] = $0[keyPath: field] }
        read = { (text, configuration) throws(BadValue) in configuration[keyPath: field] = try syntax.read(text) }
        write = { syntax.write($0[keyPath: field]) }
    }

    /// The default in the file's syntax.
    package var defaultText: String { write(Configuration()) }

    package static func named(_ name: String) -> ConfigurationKey? { all.first { $0.name == name } }

    package static let all = identity + tls + jwt + replication + switches + serving + judging

    /// Who the node is, and where it listens.
    private static let identity: [ConfigurationKey] = [
        .init("data", \.data, .path, "directory of the store, created with mode 0700"),
        .init(
            "user", \.user, .optionalUser,
            "who to be once the ports are bound, if started as root: NAME or NAME:GROUP; none: stay who started it"),
        .init("cluster", \.cluster, .clusterName, "name of the cluster; nodes of another name are refused as peers"),
        .init(
            "regions", \.regions, .regions,
            "every region with the base62 character its codes start with: us:1, eu:2/3 (node 3 is its acceptor, not 0)"),
        .init("region", \.region, .regionName, "the region this node is in; needed once there are several"),
        .init("node", \.node, .integer(ConfigurationLimits.nodes), "this node's number, unique within its region"),
        .init("listen", \.listen, .address, "address and port of public HTTP; port 0 takes any free one"),
        .init(
            "admin_listen", \.adminListen, .optionalAddress,
            "address and port of metrics and status, never to be public; off: none"),
        .init("public_url", \.publicURL, .origin, "what short URLs start with; if left out, http:// and listen"),
    ]

    /// How it serves.
    private static let serving: [ConfigurationKey] = [
        .init(
            "code_secret_file", \.codeSecretFile, .optionalPath,
            "file with the secret that keys generated codes; none: made at first start and kept in the store",
            secret: true),
        .init("workers", \.workers, .workers, "redirect threads; auto: one for each core"),
        .init(
            "cache_entries", \.cacheEntries, .integer(CacheLimits.entries),
            "answers that each redirect thread keeps in memory, 216 bytes each"),
        .init(
            "lookups", \.lookups, .lookups,
            "who reads the store: inline, the redirect threads; threads, such as may wait for the disk; auto: by memory",
            reloadable: true),
        .init(
            "reader_threads", \.readerThreads, .integer(ReaderLimits.threads),
            "threads that read the store where it does not fit in memory: lookups that the disk does at a time"),
        .init(
            "map_size", \.mapSizeBytes, .mapSize, "most that the store can grow to; virtual memory, the file is sparse"
        ),
        .init(
            "max_connections", \.maxConnections, .connections,
            "client connections at a time; then the oldest idle one is closed; auto: by the descriptor limit, <= 100000"
        ),
        .init(
            "head_timeout", \.headTimeoutMilliseconds, .connectionTimeout,
            "how long a request's head may take from its first byte to its last", reloadable: true),
        .init(
            "body_timeout", \.bodyTimeoutMilliseconds, .connectionTimeout,
            "how long a request's body may take from the end of its head to its last byte", reloadable: true),
        .init(
            "idle_timeout", \.idleTimeoutMilliseconds, .connectionTimeout,
            "how long a connection may be without a request", reloadable: true),
        .init(
            "write_timeout", \.writeTimeoutMilliseconds, .connectionTimeout,
            "how long a client may take nothing of its answer", reloadable: true),
        .init(
            "durability", \.durability, .durability,
            "when a write is answered; sync: after its fsync; regions:N: after that of N other regions too",
            reloadable: true),
        .init(
            "durability_timeout", \.durabilityTimeoutMilliseconds,
            .duration(ConfigurationLimits.durabilityTimeoutMilliseconds),
            "how long a write waits for other regions before the answer is 503 not-replicated; the link stays",
            reloadable: true),
        .init(
            "drain_timeout", \.drainTimeoutMilliseconds, .duration(ConfigurationLimits.drainTimeoutMilliseconds),
            "how long open requests may take to finish after SIGTERM", reloadable: true),
        .init(
            "log_format", \.logFormat, .logFormat, "logfmt or json, one line for each event on standard error",
            reloadable: true),
        .init(
            "access_log", \.accessLog, .accessLog,
            "one line for each request: off, stdout, or a file, which SIGHUP opens anew", reloadable: true),
        .init("redirect_status", \.redirectStatus, .redirectStatus, "301, 302, 307 or 308", reloadable: true),
        .init(
            "redirect_cache_ttl", \.redirectCacheTTLMilliseconds, .cacheTTL,
            "how long caches may keep a redirect; 0s: not at all, so that changes and clicks are seen at once",
            reloadable: true),
        .init(
            "blocked_answer", \.blockedAnswer, .blockedAnswer,
            "to who asks for a blocked link: 451, or warning, for people a page that lets them go on", reloadable: true),
        .init(
            "purge_url", \.purgeURL, .purgeURL,
            "what to call when a link changes, so that a cache in front drops it: http://127.0.0.1:6081/{code}; or none"
        ),
        .init(
            "purge_method", \.purgeMethod, .purgeMethod,
            "PURGE, with the host of public_url, or POST, to purge_url's own"),
        .init(
            "click_flush", \.clickFlushMilliseconds, .duration(ConfigurationLimits.clickFlushMilliseconds),
            "the longest time until a click is durable: what a crash may lose of them", reloadable: true),
        .init(
            "anonymous_create", \.anonymousCreate, .onOff,
            "links may be created without a key; if left out, on only where listen and listen_tls are loopback addresses",
            reloadable: true),
        .init(
            "allow_private_destinations", \.allowPrivateDestinations, .onOff,
            "links may lead to private addresses and internal names; for intranets", reloadable: true),
        .init(
            "resolve_destinations", \.resolveDestinations, .resolveDestinations,
            "off, or look names of new links up: lenient lets through what DNS cannot tell, strict does not",
            reloadable: true),
        .init(
            "resolve_timeout", \.resolveTimeoutMilliseconds, .duration(ConfigurationLimits.resolveTimeoutMilliseconds),
            "how long looking a name up may take"),
        .init(
            "rate_limit_create", \.rateLimitCreate, .rateLimit,
            "creating, changing and deleting links, for each key, else each client network (/32, /64); off: no limit",
            reloadable: true),
        .init(
            "rate_limit_read", \.rateLimitRead, .rateLimit,
            "asking the API; also such as 600/m burst 100 or 50/h burst 5", reloadable: true),
        .init(
            "rate_limit_redirect", \.rateLimitRedirect, .rateLimit, "redirects, for each client network",
            reloadable: true),
        .init(
            "rate_limit_miss", \.rateLimitMiss, .rateLimit, "requests for what is not there; links go on redirecting",
            reloadable: true),
        .init(
            "rate_limit_auth_failure", \.rateLimitAuthFailure, .rateLimit, "wrong keys, for each client network",
            reloadable: true),
        .init(
            "rate_limit_report", \.rateLimitReport, .rateLimit,
            "reports of abuse, for each key, else each client network",
            reloadable: true),
        .init(
            "trusted_proxies", \.trustedProxies, .addressPrefixes,
            "addresses whose X-Forwarded-For, Forwarded or PROXY header is believed: 10.0.0.0/8, ::1", reloadable: true),
        .init(
            "clock_offset", \.clockOffsetMilliseconds, .duration(ConfigurationLimits.clockOffsetMilliseconds),
            "added to this node's clock, may be negative; for tests of skew"),
    ]
}
