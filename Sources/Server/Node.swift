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
    let configuration: Configuration
    let store: Store
    let admission: CurrentAdmission
    private(set) var api: API!
    private var admin: Admin?
    /// The redirect workers, and behind them the one of the admin port.
    private var workers: [Worker] = []
    private var threads: [SystemThread] = []
    private(set) var address: ListenAddress
    private(set) var adminAddress: ListenAddress?
    private let isDraining = Atomic<Bool>(false)
    private let damagedAnswers = Atomic<UInt64>(0)
    private let authFailures = Atomic<UInt64>(0)
    /// What the public port's connections may take; the admin port has its own, so that it always gets in.
    let publicBudget: ConnectionBudget

    /// Opens the store and the port, and serves. Throws a `StoreError` or a `ListenError`.
    init(_ configuration: Configuration) throws {
        self.configuration = configuration
        admission = CurrentAdmission(Admission(configuration))
        publicBudget = ConnectionBudget(limit: Self.connectionLimit(configuration))
        let first = try Listener(configuration.listen)
        address = first.address
        store = try Store(try Self.settings(configuration))
        let publicURL = configuration.publicURL(boundTo: address)
        let offset = configuration.clockOffsetMilliseconds
        api = try API(
            store, configuration, admission, publicURL: publicURL,
            policy: try DestinationPolicy(
                ownHosts: [publicURL], allowPrivate: configuration.allowPrivateDestinations),
            now: { Self.clock(offset) }, isReady: { [unowned self] in isReady },
            noteDamage: { [unowned self] in noteDamage() },
            noteAuthFailure: { [unowned self] in noteAuthFailure() })
        workers.append(try Worker(self, first, api, publicBudget, servesRedirects: true))
        for _ in 1..<configuration.workers {
            let listener = try Listener(address, joins: true)
            workers.append(try Worker(self, listener, api, publicBudget, servesRedirects: true))
        }
        publicBudget.workers = workers
        if let wanted = configuration.adminListen {
            let listener = try Listener(wanted)
            adminAddress = listener.address
            let admin = try Admin(self, address: listener.address)
            self.admin = admin
            let budget = ConnectionBudget(limit: ConnectionLimits.adminConnections)
            let worker = try Worker(self, listener, admin, budget, servesRedirects: false)
            budget.workers = [worker]
            workers.append(worker)
            threads.append(SystemThread("admin") { admin.run() })
        }
        threads.append(SystemThread("api", niceness: API.niceness) { [api] in api!.run() })
        for (index, worker) in workers.enumerated() { threads.append(SystemThread("worker-\(index)", worker.run)) }
    }

    /// Whether the node wants traffic.
    var isReady: Bool { !isDraining.load(ordering: .relaxed) }

    var workerCounters: [WorkerCounters] { workers.filter(\.servesRedirects).map(\.counters) }

    func now() -> Instant { Self.clock(configuration.clockOffsetMilliseconds) }

    func noteDamage() { damagedAnswers.add(1, ordering: .relaxed) }
    var damagedAnswerCount: UInt64 { damagedAnswers.load(ordering: .relaxed) }

    func noteAuthFailure() { authFailures.add(1, ordering: .relaxed) }
    var authFailureCount: UInt64 { authFailures.load(ordering: .relaxed) }

    /// The store cannot be trusted any more: the next start reads what the disk holds.
    func end(because reason: String) -> Never { Self.end(because: reason) }

    /// Lets open requests finish, for at most the drain time, and closes the store.
    func drain() {
        isDraining.store(true, ordering: .relaxed)
        let deadline = System.monotonicMilliseconds() + configuration.drainTimeoutMilliseconds
        // First new connections are still let in, to learn of the drain; then no more, and what came meanwhile finishes.
        for order in [Worker.Order.drain, .shut] {
            for worker in workers { worker.give(order) }
            while System.monotonicMilliseconds() < deadline, !workers.allSatisfy({ $0.hasDone(order) }) {
                usleep(2_000)
            }
        }
        api.close()
        admin?.close()
        for worker in workers { worker.give(.stop) }
        for thread in threads { thread.join() }
        store.close()
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

    private static func settings(_ configuration: Configuration) throws -> StoreSettings {
        let regions = configuration.regions.map {
            StoreSettings.Region(name: $0.name, character: RegionCharacter($0.character)!)
        }
        let offset = configuration.clockOffsetMilliseconds
        var settings = StoreSettings(
            directory: configuration.data, cluster: configuration.cluster, regions: regions,
            region: regions.first { $0.name == configuration.region }!, node: UInt8(configuration.node),
            mapSizeBytes: configuration.mapSizeBytes, now: { clock(offset) }, mustEnd: { end(because: $0) })
        settings.niceness = API.niceness
        if let path = configuration.codeSecretFile { settings.codeSecret = try SecretFile.read(path) }
        return settings
    }
}
