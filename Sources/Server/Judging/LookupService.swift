import Links
import Primitives
import Store

/// Bounds of asking a service about URLs.
struct LookupLimits {
    /// Prefixes of hashes in one question: what the service takes.
    var prefixes = 500
    /// Answers that are remembered, of each kind.
    var cachedAnswers = 65_536
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
    private let hasher = SHA256Hasher()
    private var cache: LookupCache
    private var failures = 0
    /// Not to be asked before.
    private var notBefore: Int64 = 0

    init(_ url: LookupServiceURL, key: String?, timeoutMilliseconds: Int64, limits: LookupLimits = LookupLimits()) {
        (self.url, self.key, self.limits) = (url, key, limits)
        self.timeoutMilliseconds = timeoutMilliseconds
        cache = LookupCache(limit: limits.cachedAnswers)
    }

    /// Of as many as one question has room for.
    func judge(_ destinations: [[UInt8]]) throws(JudgeUnavailable) -> [Verdict?] {
        let now = System.monotonicMilliseconds()
        var hashes: [[[UInt8]]] = []
        var wanted: [UInt32] = []
        for destination in destinations {
            let own = LookupExpressions(destination).expressions.map { hasher.hash($0) }
            let isKnown = own.contains { cache.threat($0, at: now) != nil }
            let prefixes = isKnown ? [] : own.map(LookupCache.prefix).filter { cache.isUnknown($0, at: now) }
            guard hashes.isEmpty || wanted.count + prefixes.count <= limits.prefixes else { break }
            wanted += prefixes
            hashes.append(own)
        }
        var fresh: [[UInt8]: String] = [:]
        if !wanted.isEmpty {
            let answer = try ask(Set(wanted).sorted(), at: now)
            for match in answer.matches { fresh[match.hash] = match.threat }
        }
        return hashes.map { own in
            own.compactMap { fresh[$0] ?? cache.threat($0, at: now) }.first
                .map { Verdict(list: Self.name, reason: $0) }
        }
    }

    private func ask(_ prefixes: [UInt32], at now: Int64) throws(JudgeUnavailable) -> LookupAnswer {
        guard now >= notBefore else {
            throw JudgeUnavailable(
                reason: "it asked for a pause", pauseMilliseconds: notBefore - now, isWanted: failures == 0)
        }
        let response: CommandAnswer
        do throws(CommandClientError) { response = try exchange(LookupAnswer.question(prefixes)) } catch {
            throw failed(PurgeSender.reason(error), at: now)
        }
        guard response.status == 200 else {
            throw failed(
                "the answer was \(response.status)", at: now,
                wantedPause: response.retryAfterSeconds.map { Int64($0) * 1000 })
        }
        guard let answer = LookupAnswer(response.body) else {
            throw failed("the answer is none to the question", at: now)
        }
        failures = 0
        notBefore = now + min(answer.waitMilliseconds, limits.longestWantedPauseMilliseconds)
        cache.take(answer, for: prefixes, at: now)
        return answer
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

    private func failed(_ reason: String, at now: Int64, wantedPause: Int64? = nil) -> JudgeUnavailable {
        failures += 1
        let whole = min(limits.longestPauseMilliseconds, limits.firstPauseMilliseconds << Int64(min(failures - 1, 20)))
        let wanted = min(wantedPause ?? 0, limits.longestWantedPauseMilliseconds)
        let pause = max(wanted, whole + Int64.random(in: 0...whole))
        notBefore = now + pause
        return JudgeUnavailable(reason: reason, pauseMilliseconds: pause)
    }
}
