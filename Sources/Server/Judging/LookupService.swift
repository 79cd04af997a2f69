import Links
import Primitives
import Store

/// Bounds of asking a service about URLs.
struct LookupLimits {
    /// Prefixes of hashes in one question: what the service takes.
    var prefixes = 500
    /// Answers that are remembered, of each kind.
    var cachedAnswers = 65_536
    /// Of a question about one destination alone, until that is passed over.
    var refusals = 3
    /// From the first failure to the next question; the double from there on, with a random part of up to as much again.
    var firstPauseMilliseconds: Int64 = 15_000
    var longestPauseMilliseconds: Int64 = 3_600_000
    /// That an answer may ask for.
    var longestWantedPauseMilliseconds: Int64 = 24 * 3_600_000
}

/// Asks a service with the interface of Safe Browsing v4, `fullHashes:find`, whether URLs are dangerous: it is told the first
/// four bytes of hashes, and answers with whole ones. One question at a time, each over a connection of its own; whoever asks
/// waits, so that is a thread of its own.
final class LookupService: DestinationJudge {
    static let name = "lookup-service"
    /// The least that its key may have, and the most.
    static let keyBytes = 8...256

    let names: Set<String> = [name]
    private let url: LookupServiceURL
    /// Shown as the parameter `key`.
    private let key: String?
    private let timeoutMilliseconds: Int64
    private let limits: LookupLimits
    /// Monotonic, in milliseconds.
    private let clock: () -> Int64
    private let hasher = SHA256Hasher()
    private var cache: LookupCache
    /// In a row.
    private var failures = 0
    /// Destinations that one question may be about.
    private var room: Int
    /// The last one that was asked about alone in vain, and how often.
    private var refused: (destination: [UInt8], times: Int)?
    /// Not to be asked before.
    private var notBefore: Int64 = 0

    init(
        _ url: LookupServiceURL, key: String?, timeoutMilliseconds: Int64, limits: LookupLimits = LookupLimits(),
        clock: @escaping () -> Int64 = { System.monotonicMilliseconds() }
    ) {
        (self.url, self.key, self.limits, self.clock) = (url, key, limits, clock)
        self.timeoutMilliseconds = timeoutMilliseconds
        room = limits.prefixes
        cache = LookupCache(limit: limits.cachedAnswers)
    }

    /// Whether the last question came to nothing.
    var isFailing: Bool { failures > 0 }

    /// Of as many as one question has room for.
    func judge(_ links: [JudgedLink]) throws(JudgeUnavailable) -> [Verdict?] {
        let now = clock()
        // What is known is read before the question: its answer may need the room.
        var judged: [(hashes: [[UInt8]], known: String?)] = []
        var asked: [[UInt8]] = []
        var wanted: [UInt32] = []
        for destination in links.map(\.destination) {
            let hashes = LookupExpressions(destination).expressions.map { hasher.hash($0) }
            let known = hashes.compactMap { cache.threat($0, at: now) }.first
            let prefixes = known == nil ? hashes.map(LookupCache.prefix).filter { cache.isUnknown($0, at: now) } : []
            if !prefixes.isEmpty {
                let hasRoom = asked.count < room && wanted.count + prefixes.count <= limits.prefixes
                guard asked.isEmpty || hasRoom else { break }
                asked.append(destination)
                wanted += prefixes
            }
            judged.append((hashes, known))
        }
        let fresh = asked.isEmpty ? [:] : try threats(Set(wanted).sorted(), of: asked, at: now)
        return judged.map { own in
            (own.known ?? own.hashes.compactMap { fresh[$0] }.first).map { Verdict(list: Self.name, reason: $0) }
        }
    }

    /// By hash, what the service knows of these destinations; nothing if they are to be passed over.
    private func threats(
        _ prefixes: [UInt32], of asked: [[UInt8]], at now: Int64
    ) throws(JudgeUnavailable) -> [[UInt8]: String] {
        guard now >= notBefore else {
            throw JudgeUnavailable(
                reason: "it asked for a pause", pauseMilliseconds: notBefore - now, isWanted: failures == 0)
        }
        do throws(QuestionFailure) {
            let answer = try ask(prefixes)
            failures = 0
            room = min(room * 2, limits.prefixes)
            if let destination = refused?.destination, asked.contains(destination) { refused = nil }
            notBefore = now + min(answer.waitMilliseconds, limits.longestWantedPauseMilliseconds)
            cache.take(answer, for: prefixes, at: now)
            return Dictionary(answer.matches.map { ($0.hash, $0.threat) }) { $1 }
        } catch {
            if error.isRefusal, narrow(asked, error.reason) { return [:] }
            throw failed(error, at: now)
        }
    }

    private func ask(_ prefixes: [UInt32]) throws(QuestionFailure) -> LookupAnswer {
        let response: CommandAnswer
        do throws(CommandClientError) { response = try exchange(LookupAnswer.question(prefixes)) } catch {
            let isRefusal = [.malformedAnswer, .answerTooLarge].contains(error)
            throw QuestionFailure(reason: PurgeSender.reason(error), isRefusal: isRefusal)
        }
        guard response.status == 200 else {
            let isRefusal = [400, 413, 414, 422].contains(response.status)
            throw QuestionFailure(
                reason: "the answer was \(response.status)", isRefusal: isRefusal,
                wantedPauseSeconds: response.retryAfterSeconds ?? 0)
        }
        guard let answer = LookupAnswer(response.body) else {
            throw QuestionFailure(reason: "the answer is none to the question", isRefusal: true)
        }
        return answer
    }

    /// The next question is about fewer destinations, so that the one at fault stands alone in the end, and holds up those
    /// behind it no longer. True if it is to be passed over.
    private func narrow(_ asked: [[UInt8]], _ reason: String) -> Bool {
        guard asked.count == 1 else {
            room = asked.count / 2
            // The service is there, and halving has an end: pauses need not grow.
            failures = 0
            return false
        }
        var times = 1
        if let refused, refused.destination == asked[0] { times += refused.times }
        refused = (asked[0], times)
        if times == limits.refusals {
            let text = "a link is passed over, because it was asked about alone \(times) times: \(reason)"
            Log.write(.error, "lookup-service-fails", ["reason": .string(text)])
        }
        return times >= limits.refusals
    }

    private func exchange(_ body: [UInt8]) throws(CommandClientError) -> CommandAnswer {
        let target = url.target + (key.map { (url.target.contains("?") ? "&" : "?") + "key=" + $0 } ?? "")
        var request = "POST \(target) HTTP/1.1\r\nHost: \(url.server)\r\nUser-Agent: edge/\(edgeVersion)\r\n"
        request += "Accept: application/json\r\nConnection: close\r\nContent-Type: application/json\r\n"
        request += "Content-Length: \(body.count)\r\n\r\n"
        let connection = try CommandConnection(url.server, timeoutMilliseconds: timeoutMilliseconds)
        let deadline = System.monotonicMilliseconds() + timeoutMilliseconds
        try connection.send(Array(request.utf8) + body, before: deadline)
        var received: [UInt8] = []
        while true {
            let count = try connection.receive(into: &received, before: deadline)
            if let answer = try CommandAnswer.parse(received, isWhole: count == 0) { return answer }
            guard count > 0 else { throw .connectionLost }
            guard received.count <= CommandClient.answerBytes else { throw .answerTooLarge }
        }
    }

    private func failed(_ failure: QuestionFailure, at now: Int64) -> JudgeUnavailable {
        failures += 1
        let whole = min(limits.longestPauseMilliseconds, limits.firstPauseMilliseconds << Int64(min(failures - 1, 20)))
        let wanted = Int64(min(failure.wantedPauseSeconds, Int(limits.longestWantedPauseMilliseconds / 1000))) * 1000
        let pause = max(wanted, whole + Int64.random(in: 0...whole))
        notBefore = now + pause
        return JudgeUnavailable(reason: failure.reason, pauseMilliseconds: pause)
    }
}

/// Why a question has no answer that can be used.
private struct QuestionFailure: Error {
    let reason: String
    /// It may lie with what was asked, because the service does answer.
    let isRefusal: Bool
    /// That the service asks for.
    var wantedPauseSeconds = 0
}
