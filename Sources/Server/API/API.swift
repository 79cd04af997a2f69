import Analytics
import HTTP
import Links
import Primitives
import Store
import Synchronization

/// A request that the API has taken, and the route that its answer is counted under.
struct APICall: Sendable {
    let handedOver: HandedOver
    let answers: APIAnswers
    var route: String
    /// Who asks, as far as it showed.
    var caller = Caller.anonymous
    /// Whose bucket it takes from: its caller's, or that of an anonymous one's network.
    var subject: LimitSubject
    /// Of its network, whoever asks.
    var network: LimitSubject
    /// The same as a number that all nodes know it by.
    let clientNetwork: UInt64
    /// What the limit that it falls under said.
    var limit: LimitAnswer?
    /// What its token and its hints ask for.
    var reading = Reading()
    /// Fields that say what came of that.
    var marks: [(name: String, value: String)] = []
    /// Fields by which a browser lets a page of another site have the answer.
    var sharing: [(name: String, value: String)] = []
    /// Whose link it is does not matter.
    var isForAnybody = false
    /// Refusals are pages for people.
    var showsPages = false
    /// It changes a link, so what it reads must be as new as its token asks for.
    var changes = false

    var message: Message { handedOver.message }

    func answer(_ response: Response) {
        answers.note(route, response.status)
        handedOver.answer(marked(response))
    }

    /// Lets a thread of its own serve the request, in `streams`.
    func stream(
        _ head: Response, in streams: Streams, serve: @escaping @Sendable (ClientStream) throws(StreamEnd) -> Void
    ) {
        guard let stream = streams.begin(marked(head), for: subject, serve: serve) else {
            return answer(Problem.overloaded.response)
        }
        answers.note(route, head.status)
        handedOver.answer(stream)
    }

    private func marked(_ response: Response) -> Response {
        var response = response
        // A refusal says itself which limit it was.
        if let limit, response.status != 429 { response.fields += limit.fields }
        response.fields += marks + sharing
        return response
    }

    func refuse(_ problem: Problem) { answer(showsPages ? HTMLPage.response(problem) : problem.response) }
}

/// Everything but plain redirects, on a thread of its own, so that no slow request delays a redirect.
///
/// Safety: `reader`, `authentication`, the copy of the configuration and what is made of it belong to the thread that runs
/// `run`; the rest does not change.
final class API: RequestHandler, @unchecked Sendable {
    /// Requests that wait; one more is refused. `CallGate` bounds their bytes and how long they wait.
    static let queuedCalls = 4096
    /// So much lower than the workers' is the priority of the API's and the writer's thread, as `nice` counts.
    static let niceness: Int32 = 10

    let store: Store
    let clicks: ClickStorage
    let tokens: Tokens
    let lookups: RemoteLookups?
    let tokenCounts = TokenCounts()
    /// The writer's, which answers creates, and those of the thread that talks to peers.
    let writerTokenCounts = TokenCounts()
    let comeBack = TokenCounts()
    let issuedTokens = Counter()
    let changeCounts = ChangeCounts()
    let reportCounts = ReportCounts()
    let requests: RequestKey
    let repeatCounts = RepeatCounts()
    let claimsUnderWay = ClaimsUnderWay()
    let batches: BatchRunner
    let live: LiveConfiguration
    /// The thread's copy of what `live` holds.
    private(set) var configuration: Configuration
    private var configurationSeen: UInt64 = 0
    let admission: CurrentAdmission
    let intake: WriteIntake
    let durability: RegionDurability
    /// Nil: the node is alone, and aliases are its own.
    let peers: PeerThread?
    /// Nobody is asked, although others decide about aliases too, as the store has it.
    let lacksAcceptors: Bool
    let pulse = Pulse()
    private(set) var feed: ChangeFeed!
    let publicURL: String
    private var madeDescription: OpenAPIDocument?
    private(set) var policy: DestinationPolicy
    /// Nil if names are not looked up. Any thread asks it.
    var nameRule: NameRule? { currentNameRule.withLock { $0 } }
    private let currentNameRule: Mutex<NameRule?>
    private let regionNames: [UInt8: String]
    let now: @Sendable () -> Instant
    let isReady: @Sendable () -> Bool
    let noteDamage: @Sendable () -> Void
    let reader: LinkReader
    private let authentication: Authentication
    let calls = WaitingQueue<HandedOver>(capacity: queuedCalls)
    private let gate = CallGate()
    let answers = APIAnswers()
    /// What threads of their own serve.
    let streams = Streams()

    init(
        _ store: Store, _ live: LiveConfiguration, _ admission: CurrentAdmission, _ intake: WriteIntake,
        _ durability: RegionDurability, _ clicks: ClickStorage, _ tokens: Tokens, _ lookups: RemoteLookups?,
        peers: PeerThread?, requests: RequestKey, publicURL: String,
        policy: DestinationPolicy, jwt: JWTVerifiers,
        now: @escaping @Sendable () -> Instant, isReady: @escaping @Sendable () -> Bool,
        noteDamage: @escaping @Sendable () -> Void, noteAuthFailure: @escaping @Sendable () -> Void
    ) throws(StoreError) {
        (self.store, self.live, self.publicURL, self.policy) = (store, live, publicURL, policy)
        lacksAcceptors = peers == nil && (try? store.acceptor())?.standing.epoch.acceptors.count ?? 1 > 1
        (self.admission, self.intake, self.durability) = (admission, intake, durability)
        (self.clicks, self.tokens, self.lookups, self.peers) = (clicks, tokens, lookups, peers)
        configuration = live.value
        (self.now, self.isReady, self.noteDamage) = (now, isReady, noteDamage)
        self.requests = requests
        batches = try BatchRunner(store)
        currentNameRule = Mutex(NameRule(configuration, policy))
        regionNames = Dictionary(uniqueKeysWithValues: configuration.regions.map { ($0.character, $0.name) })
        reader = try store.makeReader()
        authentication = Authentication(store, jwt, noteFailure: noteAuthFailure, noteDamage: noteDamage)
        feed = ChangeFeed(store) { [unowned self] in line($0, $1) }
    }

    func take(_ call: HandedOver) -> Shedding? {
        switch gate.enter(bytes: call.byteCount, at: call.arrivedMicroseconds) {
        case .tooOld: return .queueAge
        case .tooManyBytes: return .queueBytes
        case nil: break
        }
        if calls.push(call) { return nil }
        gate.end(bytes: call.byteCount)
        return .queueLength
    }

    var waitingBytes: Int { gate.waitingBytes }
    var waitingCallCount: Int { calls.count }

    /// What waits is dropped: whoever drains has waited for it as long as there was time.
    func close() {
        calls.closeAndDiscard()
        feed.close()
        batches.close()
    }

    func run() {
        var nextSweep = System.monotonicMicroseconds()
        while let gathered = calls.take(atMost: 256, timeoutMilliseconds: 1000) {
            pulse.beat()
            if live.isNewer(than: &configurationSeen) { adopt(live.value) }
            try? reader.lookAround()
            let admission = admission.admission
            let now = System.monotonicMicroseconds()
            if now >= nextSweep {
                for limiter in admission.limiters { limiter.sweep(at: now) }
                nextSweep = now + Limiter.sweepMicroseconds
            }
            for call in gathered {
                // What comes back from waiting for another node is no part of what the gate counts.
                let isBack = call.result != nil
                if !isBack { gate.begin(since: call.arrivedMicroseconds) }
                admit(call, admission)
                if !isBack { gate.end(bytes: call.byteCount) }
                pulse.beat()
            }
            gate.rest()
        }
    }

    /// Takes over what a reload has changed. Lookups that wait at the old rule are answered by it.
    private func adopt(_ next: Configuration) {
        let old = configuration
        configuration = next
        policy = policy.allowingPrivate(next.allowPrivateDestinations)
        if old.anonymousCreate != next.anonymousCreate || old.redirectStatus != next.redirectStatus {
            madeDescription = nil
        }
        if old.allowPrivateDestinations != next.allowPrivateDestinations
            || old.resolveDestinations != next.resolveDestinations
        {
            let rule = NameRule(next, policy)
            currentNameRule.withLock { $0 = rule }
        }
    }

    /// What is told of the public port. The first who asks has it made.
    var description: OpenAPIDocument {
        let description = madeDescription ?? OpenAPIDocument(configuration, publicURL: publicURL)
        madeDescription = description
        return description
    }

    // MARK: Requests

    /// Lets a request in, or answers that its client has to wait or is not who it says. A client is known by its key, and
    /// without one by its network.
    private func admit(_ handedOver: HandedOver, _ admission: Admission) {
        let message = handedOver.message
        let client = message.headBytes.withUnsafeBytes { admission.client(behind: handedOver.peer, message.head, $0) }
        let network = admission.subject(network: client)
        var call = APICall(
            handedOver: handedOver, answers: answers, route: "other", subject: network, network: network,
            clientNetwork: client.network)
        call.sharing = CORS.fields(message, configuration.corsOrigins)
        if Route.isOfAPI(message.path) {
            do throws(RefusedRequest) { call.caller = try caller(of: call, admission) } catch {
                return call.answer(error.problem.response)
            }
            if let principal = call.caller.principal {
                call.subject = admission.subject(principal: String(decoding: principal, as: UTF8.self))
            }
        }
        if let limiter = admission.limiter(message.head.method, message.path) {
            let clock = System.monotonicMicroseconds()
            // One that has waited for another node was let in before.
            let isBack = handedOver.result != nil
            let answer = isBack ? limiter.look(call.subject, at: clock) : limiter.take(call.subject, at: clock)
            guard answer.isAllowed || isBack else { return call.answer(Problem.rateLimited(answer).response) }
            call.limit = answer
        }
        route(call)
    }

    /// A network that has shown too many wrong keys has to wait before another is looked at.
    private func caller(of call: APICall, _ admission: Admission) throws(RefusedRequest) -> Caller {
        guard Authentication.isShown(in: call.message) else { return .anonymous }
        let clock = System.monotonicMicroseconds()
        if let answer = admission.authFailure?.look(call.subject, at: clock), !answer.isAllowed {
            throw RefusedRequest(.rateLimited(answer))
        }
        do throws(RefusedRequest) { return try authentication.caller(of: call.message, now: now()) } catch {
            if error.problem.status == 401 { _ = admission.authFailure?.take(call.subject, at: clock) }
            throw error
        }
    }

    /// The answer to a request for what is not there, which takes from a bucket of its own.
    func missing(_ call: APICall) {
        guard let limiter = admission.admission.miss else { return call.refuse(.notFound) }
        let answer = limiter.take(call.subject, at: System.monotonicMicroseconds())
        call.refuse(answer.isAllowed ? .notFound : .rateLimited(answer))
    }

    static func health(_ passes: Bool) -> Response {
        var body: [UInt8] = [UInt8(ascii: "{")]
        body.append(jsonKey: "status", string: passes ? "pass" : "fail")
        body.append(jsonKey: "version", string: edgeVersion)
        body.append(UInt8(ascii: "}"))
        return Response(
            status: passes ? 200 : 503,
            fields: [("Content-Type", "application/health+json"), ("Cache-Control", "no-store")], body: body)
    }

    func damaged(_ call: APICall) {
        noteDamage()
        call.refuse(.damagedRecord)
    }

    func regionName(_ origin: Origin) -> String { regionName(origin.region) }

    func regionName(_ region: UInt8) -> String { regionNames[region] ?? String(UnicodeScalar(region)) }
}

extension LinkKey {
    var isAlias: Bool { if case .alias = self { true } else { false } }
}
