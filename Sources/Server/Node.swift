import Glibc
import HTTP
import Links
import Primitives
import Store
import Synchronization

/// A running node: the store, the workers and the API thread, from start to drain.
///
/// Safety: what changes after `init` is atomic, or changed by the thread that starts and stops the node alone.
final class Node: @unchecked Sendable {
    let live: LiveConfiguration
    let store: Store
    /// Nil: the node stays alone.
    let peers: PeerThread?
    /// Lets users' writes in as fast as peers can follow.
    let intake: WriteIntake
    /// Answers users' writes once enough regions have them.
    let durability: RegionDurability
    let clicks: Clicks
    let tokens: Tokens
    /// Nil: there are no others to ask.
    let lookups: RemoteLookups?
    let admission: CurrentAdmission
    private(set) var api: API!
    private var admin: Admin?
    /// The redirect workers, and behind them those of the port that leads to HTTPS and of the admin port.
    private(set) var workers: [Worker] = []
    private var threads: [SystemThread] = []
    private(set) var accessLog: AccessLog!
    private var accessLogThread: SystemThread?
    private var clickThread: SystemThread?
    let readers: ReaderThreads
    /// The main thread's.
    var memoryFit = MemoryFit()
    let reloads = ReloadCounts()
    private(set) var address: ListenAddress
    private(set) var adminAddress: ListenAddress?
    private let isDraining = Atomic<Bool>(false)
    let hasDrained = Atomic<Bool>(false)
    private let damagedAnswers = Atomic<UInt64>(0)
    private let authFailures = Atomic<UInt64>(0)
    /// What the public port's connections may take; the admin port has its own, so that it always gets in.
    let publicBudget: ConnectionBudget
    private let clockOffsetMilliseconds: Int64
    private let servesUsers: Bool
    /// Nil: there is no cache to be told of changes.
    let purger: Purger?
    let judges: Judges
    let clusterSecret: ClusterSecret?
    /// The main thread's.
    var replicationTLS: ReplicationTLS?
    /// Nil: no HTTPS.
    let tls: ServerTLS?
    let jwt: JWTVerifiers
    private(set) var tlsAddress: ListenAddress?
    /// What answers on the port that leads to HTTPS; nil: there is none.
    private(set) var upgrade: Upgrade?
    private(set) var upgradeAddress: ListenAddress?
    /// Of the certificate for peers, in seconds since 1970; 0 if there is none.
    let certificateEnd = Atomic(0)

    /// Binds the ports, gives up root if it is to, opens the store, and serves. Until root is given up nothing is read
    /// but the secrets, and no thread is started. Throws a `StoreError`, `ListenError`, `SecretFileError`, `UserError` or
    /// `AccessLogError`.
    ///
    /// `logFormat`: the newest format of log entries that is read; another one is for tests of upgrades.
    init(_ configuration: Configuration, logFormat: UInt16 = StoreLimits.logFormat) throws {
        System.separateArenas()
        live = LiveConfiguration(configuration)
        clockOffsetMilliseconds = configuration.clockOffsetMilliseconds
        servesUsers = configuration.role == .edge
        admission = CurrentAdmission(Admission(configuration))
        publicBudget = ConnectionBudget(limit: Self.connectionLimit(configuration))
        let listeners = try Self.bindAll(configuration.listen, configuration, flag: "--listen")!
        address = listeners[0].address
        let tlsListeners = try Self.bindAll(configuration.listenTLS, configuration, flag: "--listen_tls")
        tlsAddress = tlsListeners?[0].address
        let upgradeListener = try configuration.listenUpgrade.map { try Listener($0, flag: "--listen_upgrade") }
        upgradeAddress = upgradeListener?.address
        let adminListener = try configuration.adminListen.map { try Listener($0) }
        adminAddress = adminListener?.address
        let transport = try Self.bindPeers(configuration)
        let secrets = try Self.giveUpRoot(configuration)
        (clusterSecret, replicationTLS) = (secrets.cluster, secrets.replicationTLS)
        certificateEnd.store(secrets.replicationTLS?.end ?? 0, ordering: .relaxed)
        let sink = try AccessLogSink.open(configuration.accessLog)
        let offset = configuration.clockOffsetMilliseconds
        tls = try Self.serverTLS(configuration, secrets, now: { Self.clock(offset) })
        jwt = JWTVerifiers(secrets.jwtKeys, configuration.jwtRules, marks: secrets.jwtMarks)
        var settings = Self.settings(configuration, secrets.code)
        settings.logFormat = logFormat
        if let transport {
            peers = try Self.peerThread(live, settings, transport, secrets, now: { Self.clock(offset) })
        } else {
            peers = nil
        }
        settings.truncatesAlone = true
        store = try peers?.store.store ?? Store(settings)
        intake = peers?.intake ?? WriteIntake()
        durability = peers?.durability ?? RegionDurability(ownRegion: settings.region.character.byte)
        lookups = peers?.lookups
        tokens = Tokens(secrets.cluster, store, configuration)
        readers = try ReaderThreads(store, count: configuration.readerThreads, mustEnd: { Self.end(because: $0) })
        let publicURL = configuration.publicURL(boundTo: address)
        purger = try Purger(store, configuration, publicURL: publicURL, now: { Self.clock(offset) })
        judges = try Judges(
            store, live, Moderation(store), lookupKey: secrets.lookupKey, now: { Self.clock(offset) })
        clicks = try Clicks(store, live, now: { Self.clock(offset) })
        let api = try API(
            store, live, admission, intake, durability, clicks.storage, tokens, lookups, peers: peers,
            requests: ClusterSecret.requestKey(secrets.cluster, codeSecret: store.codeSecret), publicURL: publicURL,
            policy: try DestinationPolicy(
                ownHosts: [publicURL], allowPrivate: configuration.allowPrivateDestinations,
                blockLists: judges.lists.lists), jwt: jwt,
            now: { Self.clock(offset) }, isReady: { [unowned self] in isReady },
            noteDamage: { [unowned self] in noteDamage() },
            noteAuthFailure: { [unowned self] in noteAuthFailure() })
        self.api = api
        lookAtMemory()
        try makeWorkers(listeners, tlsListeners, upgradeListener, publicURL: publicURL)
        let redirectWorkers = workers.filter(\.servesRedirects)
        clicks.take(from: redirectWorkers.map(\.clickRing))
        let accessLog = AccessLog(redirectWorkers.map(\.accessRing), live, sink)
        self.accessLog = accessLog
        if let adminListener { try openAdmin(adminListener) }
        accessLogThread = SystemThread("access-log", accessLog.run)
        clickThread = SystemThread("clicks", niceness: Clicks.niceness, clicks.run)
        if let peers { threads.append(SystemThread("peers", niceness: API.niceness, peers.run)) }
        threads.append(SystemThread("api", niceness: API.niceness, api.run))
        threads.append(SystemThread("changes", niceness: API.niceness, api.feed.run))
        purger?.start()
        judges.start()
        threads.append(SystemThread("batches", niceness: API.niceness) { api.batches.run(api) })
        for (index, worker) in workers.enumerated() { threads.append(SystemThread("worker-\(index)", worker.run)) }
    }

    /// Those of the public ports.
    private func makeWorkers(
        _ listeners: [Listener], _ tlsListeners: [Listener]?, _ upgradeListener: Listener?, publicURL: String
    ) throws(StoreError) {
        for (index, listener) in listeners.enumerated() {
            let tls = tls.map { WorkerTLS($0, tlsListeners![index]) }
            workers.append(try Worker(self, listener, api, publicBudget, servesRedirects: true, tls: tls))
        }
        if let upgradeListener, let tls {
            let upgrade = Upgrade(tls, live, publicURL: publicURL, boundTo: tlsAddress!)
            self.upgrade = upgrade
            workers.append(try Worker(self, upgradeListener, upgrade, publicBudget, servesRedirects: false))
        }
        publicBudget.workers = workers
    }

    private func openAdmin(_ listener: Listener) throws(StoreError) {
        let admin = try Admin(self, address: listener.address)
        self.admin = admin
        let budget = ConnectionBudget(limit: ConnectionLimits.adminConnections)
        let worker = try Worker(self, listener, admin, budget, servesRedirects: false)
        budget.workers = [worker]
        workers.append(worker)
        threads.append(SystemThread("admin") { admin.run() })
    }

    /// What is in effect now. A copy: threads that answer keep one of their own.
    var configuration: Configuration { live.value }

    /// Whether the node wants traffic; a witness never does.
    var isReady: Bool { !isDraining.load(ordering: .relaxed) && servesUsers && peers?.isReady ?? true }

    func now() -> Instant { Self.clock(clockOffsetMilliseconds) }

    /// The same, up to a timer tick ago, in a tenth of the time.
    func coarseNow() -> Instant {
        Instant(milliseconds: max(0, System.coarseWallMilliseconds() + clockOffsetMilliseconds))
    }

    func noteDamage() { damagedAnswers.add(1, ordering: .relaxed) }
    var damagedAnswerCount: UInt64 { damagedAnswers.load(ordering: .relaxed) }

    func noteAuthFailure() { authFailures.add(1, ordering: .relaxed) }
    var authFailureCount: UInt64 { authFailures.load(ordering: .relaxed) }

    /// The store cannot be trusted any more: the next start reads what the disk holds.
    func end(because reason: String) -> Never { Self.end(because: reason) }

    /// Lets open requests finish, for at most the drain time, and closes the store. `whileWaiting` is called often.
    func drain(whileWaiting: () -> Void) {
        isDraining.store(true, ordering: .relaxed)
        api.feed.drain()
        let deadline = System.monotonicMilliseconds() + configuration.drainTimeoutMilliseconds
        // First new connections are still let in, to learn of the drain; then no more, and what came meanwhile finishes.
        api.streams.end()
        for order in [Worker.Order.drain, .shut] {
            for worker in workers { worker.give(order) }
            while System.monotonicMilliseconds() < deadline, !workers.allSatisfy({ $0.hasDone(order) }) {
                usleep(2_000)
                whileWaiting()
            }
        }
        while System.monotonicMilliseconds() < deadline, api.streams.count > 0 {
            usleep(2_000)
            whileWaiting()
        }
        endIfHeld(at: deadline)
        api.close()
        admin?.close()
        peers?.stop()
        for worker in workers { worker.give(.stop) }
        readers.close(deadline: deadline)
        for thread in threads { thread.join() }
        // All clicks are in the rings now.
        clicks.close()
        clickThread?.join()
        purger?.close()
        judges.close()
        store.close()
        if accessLog.close() { accessLogThread?.join() }
        hasDrained.store(true, ordering: .releasing)
    }

    private static func end(because reason: String) -> Never {
        Log.write(.error, "must-end", ["reason": .string(reason)])
        _exit(ExitStatus.failed)
    }

    private static func clock(_ offsetMilliseconds: Int64) -> Instant {
        // Before 1970 there are no stamps; a machine without a set clock stands there.
        Instant(milliseconds: max(0, System.wallMilliseconds() + offsetMilliseconds))
    }

    /// What is configured, as far as there are descriptors for it: the store and the admin port always have some left.
    private static func connectionLimit(_ configuration: Configuration) -> Int {
        let hasAdmin = configuration.adminListen != nil
        let others =
            ConnectionLimits.nodeDescriptors
            + ConnectionLimits.workerDescriptors * (configuration.workers + (hasAdmin ? 1 : 0))
            + (configuration.listenTLS == nil ? 0 : configuration.workers)
            + (configuration.listenUpgrade == nil ? 0 : ConnectionLimits.workerDescriptors)
            + (hasAdmin ? ConnectionLimits.adminConnections : 0)
        let available = max(8, System.raiseDescriptorLimit() - others)
        guard configuration.maxConnections != Configuration.automaticConnections else {
            return min(available, ConnectionLimits.automaticConnections)
        }
        if configuration.maxConnections > available {
            Log.write(
                .warning, "few-descriptors",
                ["max_connections": .init(configuration.maxConnections), "possible": .init(available)])
        }
        return min(available, configuration.maxConnections)
    }

    /// A listener for each redirect worker, on one port; nil if there is to be none.
    private static func bindAll(
        _ wanted: ListenAddress?, _ configuration: Configuration, flag: String
    ) throws(ListenError) -> [Listener]? {
        guard let wanted else { return nil }
        var listeners = [try Listener(wanted, flag: flag)]
        for _ in 1..<configuration.workers {
            listeners.append(try Listener(listeners[0].address, joins: true, flag: flag))
        }
        return listeners
    }

    /// HTTPS with the certificates that were read; nil without.
    private static func serverTLS(
        _ configuration: Configuration, _ secrets: NodeSecrets, now: @escaping @Sendable () -> Instant
    ) throws(CertificateError) -> ServerTLS? {
        guard !secrets.tlsPairs.isEmpty else { return nil }
        return try ServerTLS(
            secrets.tlsPairs, TicketKeys(secrets.cluster, region: configuration.region, now: now),
            marks: secrets.tlsMarks)
    }

    /// What only root may do first, if the process is to become another user, and then that user. What the files
    /// with secrets hold.
    private static func giveUpRoot(_ configuration: Configuration) throws -> NodeSecrets {
        let user = try configuration.processUser()
        let secrets = try NodeSecrets(configuration, user: user?.id)
        try user?.claim(directory: configuration.data)
        try user?.become()
        return secrets
    }

    private static func settings(_ configuration: Configuration, _ codeSecret: [UInt8]?) -> StoreSettings {
        let regions = configuration.regions.map {
            StoreSettings.Region(name: $0.name, character: RegionCharacter($0.character)!)
        }
        let offset = configuration.clockOffsetMilliseconds
        var settings = StoreSettings(
            directory: configuration.data, cluster: configuration.cluster, regions: regions,
            region: regions.first { $0.name == configuration.region }!, node: UInt8(configuration.node),
            mapSizeBytes: configuration.mapSizeBytes, now: { clock(offset) }, mustEnd: { end(because: $0) })
        settings.niceness = API.niceness
        settings.codeSecret = codeSecret
        return settings
    }
}
