import Glibc
import Links
import Primitives
import Store

/// What the main thread and the admin port ask of a running node.
extension Node {
    /// Puts another configuration in effect: workers and the API take it over with their next turn. If the
    /// certificates, or the keys of tokens, cannot be read anew, or the access log not be opened, nothing changes. By the main
    /// thread alone.
    ///
    /// - Throws: a `SecretFileError`, a `CertificateError`, a `JWTKeyError` or an `AccessLogError`.
    func reload(_ configuration: Configuration) throws {
        let tls = try configuration.readReplicationTLS(held: replicationTLS)
        let context = try tls == replicationTLS ? nil : tls.map { try TLSContext($0) }
        let useTLS = try self.tls?.prepare(configuration)
        let useJWTKeys = try jwt.prepare(configuration)
        let sink = try AccessLogSink.open(configuration.accessLog)
        Log.configure(format: configuration.logFormat)
        replicationTLS = tls
        certificateEnd.store(tls?.end ?? 0, ordering: .relaxed)
        useTLS?()
        useJWTKeys()
        admission.replace(with: configuration)
        // Only now is it told that there is something new.
        live.replace(with: configuration)
        if let context { peers?.replace(tls: context) }
        peers?.mail.wake()
        judges.lists.wake()
        if !accessLog.write(to: sink) {
            Log.write(
                .warning, "access-log-held", ["reason": "a write to it hangs; lines go where they did until that ends"])
        }
        lookAtMemory()
    }

    /// The process does not stay where the disk holds a thread that the end has to wait for. What was acknowledged is on
    /// the disk, and the next start needs no repair.
    func endIfHeld(at deadline: Int64) {
        let end = max(deadline, System.monotonicMilliseconds()) + ReaderLimits.drainGraceMilliseconds
        SystemThread("drain-limit") { [self] in
            while System.monotonicMilliseconds() < end {
                if hasDrained.load(ordering: .acquiring) { return }
                usleep(10_000)
            }
            Log.write(.error, "drain-cut", ["reason": "a thread is held by the disk"])
            _exit(ExitStatus.failed)
        }.detach()
    }

    /// Decides where lookups are made from now on. By the main thread alone, at the start and at intervals.
    func lookAtMemory() {
        let configuration = configuration
        let (usedBytes, memoryBytes) = (store.figures.size.usedBytes, MemoryLimit.bytes())
        memoryFit.look(
            usedBytes: usedBytes, memoryBytes: memoryBytes,
            ownBytes: ReaderLimits.ownBytes + configuration.workers
                * CodeCache.sizeBytes(entries: configuration.cacheEntries))
        let usesThreads =
            switch configuration.lookups {
            case .inline: false
            case .threads: true
            case .auto: !memoryFit.fits
            }
        guard usesThreads != readers.isOn else { return }
        readers.turn(on: usesThreads)
        do throws(StoreError) { try store.setReadAhead(!usesThreads) } catch {
            Log.write(.warning, "read-ahead-unchanged", ["reason": .string(error.description)])
        }
        Log.write(
            .info, "lookups-moved",
            [
                "to": usesThreads ? "threads" : "inline", "store_bytes": .init(usedBytes),
                "memory_bytes": .init(memoryBytes ?? 0),
            ])
    }

    /// Whose turns show that the node works.
    var beats: [Watchdog.Beats] {
        workers.enumerated().map { ("worker-\($0)", $1.pulse.beats) }
            + [("api", api.pulse.beats), ("writer", store.pulse.beats)]
            + (peers.map { [("peers", $0.pulse.beats)] } ?? [])
    }

    var workerCounters: [WorkerCounters] { workers.filter(\.servesRedirects).map(\.counters) }

    /// Dropped by the workers because the log was behind, or lost by its thread.
    var accessLogDropCount: UInt64 {
        workers.reduce(accessLog.lostLineCount) { $0 + $1.counters.accessLogDrops.value }
    }

    /// Dropped by the workers because the ring was full, or lost behind it.
    var clickDropCount: UInt64 { workers.reduce(clicks.figures.lost.value) { $0 + $1.counters.clickDrops.value } }
}

/// Counted by the main thread.
final class ReloadCounts: Sendable {
    let applied = Counter()
    let refused = Counter()
}
