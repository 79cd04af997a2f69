import Glibc
import Links
import Primitives
import Store

/// Runs a node until it is told to end. `source` is where `configuration` came from, to be read again at SIGHUP.
/// `logFormat`: the newest format of log entries that the node reads; another one is for tests of upgrades. Returns the exit
/// status.
package func runServer(
    _ source: ConfigurationSource, _ configuration: Configuration, logFormat: UInt16 = StoreLimits.logFormat
) -> Int32 {
    Log.configure(format: configuration.logFormat)
    // Blocked before any thread is started, so that they come to this one alone.
    var signals = NodeService.signals
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    if geteuid() == 0, configuration.user == nil {
        Log.write(.warning, "running-as-root", ["reason": "user names nobody to become once the ports are bound"])
    }
    let notifier = ServiceNotifier()
    let node: Node
    do { node = try Node(configuration, logFormat: logFormat) } catch {
        Log.write(.error, "start-failed", ["reason": .string("\(error)")])
        return isConfigurationFault(error) ? ExitStatus.wrongConfiguration : ExitStatus.failed
    }
    configuration.warnings.forEach(warn)
    announce(node)
    return NodeService(node, source, notifier).run()
}

/// The store, or what else the configuration names, is not what it says.
private func isConfigurationFault(_ error: any Error) -> Bool {
    switch error {
    case StoreError.otherNode, StoreError.codeSecretDiffers, is SecretFileError, is CertificateError, is JWTKeyError,
        is UserError, is AccessLogError, is BlockListFileError:
        true
    default: false
    }
}

private func warn(_ detail: String) { Log.write(.warning, "configuration-warning", ["detail": .string(detail)]) }

private func announce(_ node: Node) {
    let url = "http://\(node.address)"
    if node.store.didBeginIncarnation {
        Log.write(.warning, "new-incarnation", ["origin": .init(node.store.origin)])
    }
    Log.write(
        .info, "listening",
        [
            "address": .init(node.address), "tls": .string(node.tlsAddress?.description ?? "off"),
            "upgrade": .string(node.upgradeAddress?.description ?? "off"),
            "admin": .string(node.adminAddress?.description ?? "off"),
            "replication": .string(node.peers?.transport.address?.description ?? "off"),
            "region": .string(node.configuration.region),
            "node": .init(node.configuration.node), "data": .string(node.configuration.data),
            "try": .string(
                !node.configuration.anonymousCreate
                    ? "curl \(url)/health"
                    : "curl -H 'Content-Type: application/json' -d '{\"long_url\":\"https://example.com/\"}' \(url)/api/v1/urls"
            ),
        ])
}

/// The main thread of a running node: signals, what the operator should know, and the service manager.
private final class NodeService {
    static var signals: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&set, signal) }
        return set
    }

    private static let certificateNoticeSeconds = 30 * 86_400

    private let node: Node
    private let source: ConfigurationSource
    private let notifier: ServiceNotifier
    private var watch = Watch()
    private var watchdog: Watchdog
    private var watchedAt: Int64 = 0
    /// The end of a certificate that was told of.
    private var toldEnd: Int?

    init(_ node: Node, _ source: ConfigurationSource, _ notifier: ServiceNotifier) {
        (self.node, self.source, self.notifier) = (node, source, notifier)
        watchdog = Watchdog(watchdogMilliseconds: notifier.watchdogMilliseconds)
    }

    private var status: String { "serving on \(node.address)" }

    func run() -> Int32 {
        notifier.send(.ready(status: status))
        var signals = Self.signals
        while true {
            lookAtThreads()
            lookAtFigures()
            let milliseconds = Int(watchdog.pauseMilliseconds)
            var pause = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
            switch sigtimedwait(&signals, nil, &pause) {
            case SIGHUP: reload()
            case SIGTERM, SIGINT: return stop()
            default: break
            }
        }
    }

    private func stop() -> Int32 {
        Log.write(.info, "draining", ["timeout_ms": .init(node.configuration.drainTimeoutMilliseconds)])
        notifier.send(.stopping)
        node.drain { lookAtThreads() }
        Log.write(.info, "stopped")
        return ExitStatus.done
    }

    private func lookAtFigures() {
        let now = System.monotonicMilliseconds()
        guard now - watchedAt >= 1000 else { return }
        watchedAt = now
        node.lookAtMemory()
        lookAtCertificate()
        node.tls?.look(node.configuration, now: now)
        node.jwt.look(node.configuration, now: now)
        let lines = watch.changes(
            node.store.figures, damagedAnswers: node.damagedAnswerCount, accessLogDrops: node.accessLogDropCount,
            clickDrops: node.clickDropCount)
        for line in lines { Log.write(line.level, line.event, ["detail": .string(line.detail)]) }
    }

    /// Says once of each certificate that it ends soon, or has ended.
    private func lookAtCertificate() {
        guard let end = node.replicationTLS?.end, end != toldEnd, end - time(nil) < Self.certificateNoticeSeconds else {
            return
        }
        toldEnd = end
        let at = CalendarTime(Instant(milliseconds: Int64(end) * 1000)).rfc3339
        Log.write(.warning, "certificate-ends", ["at": .string(at)])
    }

    private func lookAtThreads() {
        for action in watchdog.look(node.beats, now: System.monotonicMilliseconds()) {
            switch action {
            case .feed: notifier.send(.watchdog)
            case .stalled(let thread):
                Log.write(.error, "thread-stalled", ["thread": .string(thread)])
                notifier.send(.status("the thread \(thread) stands still"))
            case .recovered(let thread):
                Log.write(.info, "thread-recovered", ["thread": .string(thread)])
                notifier.send(.status(status))
            }
        }
    }

    // MARK: Reload

    private func reload() {
        notifier.send(.reloading)
        defer { notifier.send(.ready(status: status)) }
        do throws(ConfigurationErrors) {
            apply(ConfigurationReload(from: node.live.configured, to: try source.load()))
        } catch {
            refuse(error.errors.map(\.description))
        }
    }

    private func apply(_ reload: ConfigurationReload) {
        do { try node.reload(reload.configuration) } catch { return refuse(["\(error)"]) }
        for warning in node.configuration.warnings { warn(warning) }
        for change in reload.applied {
            Log.write(
                .info, "key-changed",
                ["key": .string(change.key), "old": .string(change.old), "new": .string(change.new)])
        }
        for state in node.live.switches where state.on != state.configured {
            Log.write(
                .warning, "switch-held",
                [
                    "switch": .string(state.name), "running": .string(state.on ? "on" : "off"),
                    "configured": .string(state.configured ? "on" : "off"),
                ])
        }
        if !reload.applied.isEmpty {
            let keys = reload.applied.map(\.key).joined(separator: " ")
            AuditBody("reload", on: keys, by: AuditBody.operator).tell(to: node.store)
        }
        for change in reload.waiting {
            Log.write(
                .warning, "key-needs-restart",
                ["key": .string(change.key), "running": .string(change.old), "configured": .string(change.new)])
        }
        node.reloads.applied.add()
        Log.write(
            .info, "reload", ["changed": .init(reload.applied.count), "need_restart": .init(reload.waiting.count)])
    }

    /// Each problem has a line, so that none is cut; the last line says what came of it.
    private func refuse(_ problems: [String]) {
        for problem in problems { Log.write(.error, "reload-problem", ["problem": .string(problem)]) }
        node.reloads.refused.add()
        Log.write(.error, "reload-failed", ["problems": .init(problems.count), "changed": 0])
    }
}
