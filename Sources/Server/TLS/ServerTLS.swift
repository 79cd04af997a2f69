import Glibc
import Primitives
import Synchronization

/// HTTPS of a node: what new connections are shown, and the files that it comes from.
///
/// Safety: `identities` and `pairs` may be asked by any thread; the rest is the main thread's.
final class ServerTLS: @unchecked Sendable {
    private struct Current {
        var pairs: [TLSPair]
        var identities: TLSIdentities
    }

    private let tickets: TicketKeys
    private let current: Mutex<Current>
    private var watch: FileWatch
    private var lookedAtEnds: Int64?
    /// The ends of certificates that were told of.
    private var toldEnds: Set<Int> = []

    /// - Parameters:
    ///   - pairs: one at least.
    ///   - marks: of the files that they were read from, taken before.
    init(_ pairs: [TLSPair], _ tickets: TicketKeys, marks: [FileMark?]) throws(CertificateError) {
        self.tickets = tickets
        let identities = try TLSIdentities(pairs, tickets)
        current = Mutex(Current(pairs: pairs, identities: identities))
        watch = FileWatch(marks)
        Self.tellUnused(identities)
    }

    /// For new connections; those that are there keep theirs.
    var identities: TLSIdentities { current.withLock { $0.identities } }

    var pairs: [TLSPair] { current.withLock { $0.pairs } }

    // MARK: The main thread

    /// What a reload is to put in effect, or why it cannot be.
    ///
    /// - Throws: a `SecretFileError` or a `CertificateError`.
    func prepare(_ configuration: Configuration) throws -> () -> Void {
        let marks = configuration.tlsMarks
        let pairs = try configuration.readTLSPairs(held: self.pairs)
        let identities = try TLSIdentities(pairs, tickets)
        return { [self] in
            current.withLock { $0 = Current(pairs: pairs, identities: identities) }
            watch.take(marks)
            lookedAtEnds = nil
            Self.tellUnused(identities)
        }
    }

    private static func tellUnused(_ identities: TLSIdentities) {
        for path in identities.unused { Log.write(.warning, "tls-certificate-unused", ["file": .string(path)]) }
    }

    /// Reads the files again if they have changed and stand still now. Says what came of it, and which certificates are about
    /// to end.
    func look(_ configuration: Configuration, now: Int64) {
        lookAtFiles(configuration, now: now)
        guard lookedAtEnds.map({ now - $0 >= TLSLimits.endLookMilliseconds }) ?? true else { return }
        lookedAtEnds = now
        for pair in pairs where pair.end - time(nil) < TLSLimits.endNoticeSeconds && toldEnds.insert(pair.end).inserted
        {
            let at = CalendarTime(Instant(milliseconds: Int64(pair.end) * 1000)).rfc3339
            Log.write(
                .warning, "tls-certificate-ends",
                ["file": .string(pair.certificatePath), "name": .string(pair.shownName), "at": .string(at)])
        }
    }

    private func lookAtFiles(_ configuration: Configuration, now: Int64) {
        guard let marks = watch.changed({ configuration.tlsMarks }, now: now) else { return }
        do {
            try prepare(configuration)()
            Log.write(.info, "tls-certificates-read", ["pairs": .init(pairs.count)])
        } catch {
            watch.refuse(marks)
            Log.write(.error, "tls-certificates-refused", ["reason": .string("\(error)")])
        }
    }
}

extension TLSPair {
    /// The first of its names, or the file's.
    var shownName: String { names.first ?? certificatePath }
}
