import Replication
import Synchronization

/// Clients' changes that other nodes are to make: the way from any thread to the one that talks to peers, and back.
final class ForwardedChanges: Sendable {
    typealias Completion = @Sendable (ForwardOutcome) -> Void

    private struct Contents {
        var lastID: UInt64 = 0
        var waiting: [UInt64: Completion] = [:]
        var results: [String: UInt64] = [:]
        var hasEnded = false

        mutating func note(_ outcome: ForwardOutcome) {
            let name: String
            switch outcome {
            case .own: return
            case .answered(let answer): name = answer.outcome.isMade ? "made" : "refused"
            case .unreachable: name = "unreachable"
            case .overloaded: name = "overloaded"
            case .unanswered: name = "unanswered"
            }
            results[name, default: 0] += 1
        }
    }

    /// By what came of a change that was not this node's own.
    static let results = ["made", "refused", "unreachable", "overloaded", "unanswered"]

    private let contents = Mutex(Contents())
    private let mail: PeerMail
    private let live: LiveConfiguration

    init(_ mail: PeerMail, _ live: LiveConfiguration) { (self.mail, self.live) = (mail, live) }

    /// From any thread. `completion` is called once, on this thread or on the one that talks to peers, and must not keep it.
    func send(_ whom: Forward.Whom, _ request: ChangeRequest, completion: @escaping Completion) {
        let configuration = live.value
        // Whoever makes the change holds its answer back until other regions have it.
        let timeout =
            configuration.readYourWritesTimeoutMilliseconds
            + (configuration.durability.otherRegions > 0 ? configuration.durabilityTimeoutMilliseconds : 0)
        let (id, refusal): (UInt64, ForwardOutcome?) = contents.withLock { contents in
            let refusal: ForwardOutcome? =
                contents.hasEnded
                ? .unreachable : contents.waiting.count < ReplicationLimits.forwards ? nil : .overloaded
            if let refusal {
                contents.note(refusal)
                return (0, refusal)
            }
            contents.lastID += 1
            contents.waiting[contents.lastID] = completion
            return (contents.lastID, nil)
        }
        if let refusal { return completion(refusal) }
        mail.put(.forward(Forward(id: id, whom: whom, request: request, timeout: timeout)))
    }

    /// By the thread that talks to peers.
    func finish(_ id: UInt64, _ outcome: ForwardOutcome) {
        let completion = contents.withLock { contents in
            contents.note(outcome)
            return contents.waiting.removeValue(forKey: id)!
        }
        completion(outcome)
    }

    /// Nobody waits for what nobody will tell.
    func end() {
        let waiting = contents.withLock { contents in
            contents.hasEnded = true
            defer { contents.waiting = [:] }
            for _ in contents.waiting { contents.note(.unanswered) }
            return contents.waiting
        }
        for completion in waiting.values { completion(.unanswered) }
    }

    func count(_ result: String) -> UInt64 { contents.withLock { $0.results[result] ?? 0 } }
    var waitingCount: Int { contents.withLock { $0.waiting.count } }
}
