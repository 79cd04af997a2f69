import Links
import Primitives
import Replication
import Store
import Synchronization

/// What a request is answered with that had to wait for other nodes.
enum LookupResult: Sendable {
    /// This node holds by now what its token tells of.
    case covered
    /// What another node has, how far that holds its writer's log, and which it is.
    case found(RemoteLink, LogPosition?, by: NodeID)
    case absent, unreachable, behind, lost

    var name: String {
        switch self {
        case .covered: "covered"
        case .found: "found"
        case .absent: "absent"
        case .unreachable: "unreachable"
        case .behind: "behind"
        case .lost: "lost"
        }
    }

    static let names = ["covered", "found", "absent", "unreachable", "behind", "lost"]
}

/// Requests that wait for what other nodes have: the way from the threads that clients talk to to the one that peers do,
/// and back. Bounded in all and for each client's network, so that nobody's misses keep others from waiting.
final class RemoteLookups: Sendable {
    /// Requests that wait, of all clients and of one network.
    static let requests = ReplicationLimits.lookups
    static let requestsOfOneClient = 256

    private struct Waiting {
        let code: [UInt8]
        let client: LimitSubject
        let deliver: @Sendable (LookupResult) -> Void
    }

    private struct Contents {
        var lastID: UInt64 = 0
        var waiting: [UInt64: Waiting] = [:]
        var perClient: [LimitSubject: Int] = [:]
        var results: [String: UInt64] = [:]
        var malformed: UInt64 = 0
        var refused = (ofNode: UInt64(0), ofClient: UInt64(0))
    }

    struct Figures {
        var waiting = 0
        var results: [String: UInt64] = [:]
        /// Answers that no peer of this cluster gives.
        var malformed: UInt64 = 0
        /// Requests that were not let in: too many waited in all, or of their client's network.
        var refused = (ofNode: UInt64(0), ofClient: UInt64(0))
    }

    private let contents = Mutex(Contents())
    private let mail: PeerMail
    private let live: LiveConfiguration

    init(_ mail: PeerMail, _ live: LiveConfiguration) { (self.mail, self.live) = (mail, live) }

    /// Whom to ask for a code that is not here. Nil: as far as anybody could know there is none.
    func whom(_ code: RawSpan, _ store: Store, now: Instant) -> Lookup.Whom? {
        if let author = store.authorElsewhere(of: code, now: now) { return .author(author) }
        return store.mayBeAlias(code) ? .everyone : nil
    }

    /// From any thread. False if too much waits; else `deliver` is called once, on the thread that talks to peers, and must
    /// not keep it.
    func take(
        _ code: [UInt8], _ positions: [LogPosition], _ whom: Lookup.Whom, of client: LimitSubject,
        deliver: @escaping @Sendable (LookupResult) -> Void
    ) -> Bool {
        let id = contents.withLock { contents -> UInt64? in
            guard contents.waiting.count < Self.requests else {
                contents.refused.ofNode += 1
                return nil
            }
            guard contents.perClient[client, default: 0] < Self.requestsOfOneClient else {
                contents.refused.ofClient += 1
                return nil
            }
            contents.lastID += 1
            contents.perClient[client, default: 0] += 1
            contents.waiting[contents.lastID] = Waiting(code: code, client: client, deliver: deliver)
            return contents.lastID
        }
        guard let id else { return false }
        let configuration = live.value
        mail.put(
            .lookUp(
                Lookup(
                    id: id, code: code, positions: positions, whom: configuration.asksRegions ? whom : .nobody,
                    timeout: configuration.readYourWritesTimeoutMilliseconds)))
        return true
    }

    /// By the thread that talks to peers.
    func finish(_ ids: [UInt64], _ outcome: LookupOutcome, _ store: Store, now: Instant) {
        let waiting = contents.withLock { contents in
            ids.map { id in
                let waiting = contents.waiting.removeValue(forKey: id)!
                let left = contents.perClient[waiting.client]! - 1
                contents.perClient[waiting.client] = left > 0 ? left : nil
                return waiting
            }
        }
        guard let first = waiting.first else { return }
        let result = result(outcome, first.code, store, now)
        contents.withLock { $0.results[result.name, default: 0] += UInt64(waiting.count) }
        for request in waiting { request.deliver(result) }
    }

    /// A record that no node writes so is no answer.
    private func result(_ outcome: LookupOutcome, _ code: [UInt8], _ store: Store, _ now: Instant) -> LookupResult {
        switch outcome {
        case .covered: return .covered
        case .absent: return .absent
        case .unreachable: return .unreachable
        case .behind: return .behind
        case .lost: return .lost
        case .found(let bytes, let position, let holder):
            if let link = RemoteLink(bytes, of: code, in: store, now: now) { return .found(link, position, by: holder) }
            contents.withLock { $0.malformed += 1 }
            return .behind
        }
    }

    var figures: Figures {
        contents.withLock {
            Figures(
                waiting: $0.waiting.count, results: $0.results, malformed: $0.malformed, refused: $0.refused)
        }
    }
}
