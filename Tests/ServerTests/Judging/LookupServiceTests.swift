import Foundation
import Links
import Primitives
import Store
import Testing

@testable import Server

/// Hashes of what is dangerous, and a service that knows them.
@Suite(.serialized) struct LookupServiceTests {
    private static func hash(_ expression: String) -> [UInt8] { SHA256Hasher().hash(Array(expression.utf8)) }

    private func service(
        _ standIn: LookupStandIn, key: String? = nil, timeout: Int64 = 10_000,
        _ change: (inout LookupLimits) -> Void = { _ in },
        clock: @escaping () -> Int64 = { System.monotonicMilliseconds() }
    ) -> LookupService {
        var limits = LookupLimits()
        (limits.firstPauseMilliseconds, limits.longestPauseMilliseconds) = (1, 4)
        change(&limits)
        return LookupService(standIn.url, key: key, timeoutMilliseconds: timeout, limits: limits, clock: clock)
    }

    private func judge(_ service: LookupService, _ urls: String...) throws -> [String?] {
        try service.judge(urls.map { Array($0.utf8) }).map { $0.map { "\($0.list) \($0.reason)" } }
    }

    @Test func matchAndCache() throws {
        let standIn = try LookupStandIn { question, _ in
            .matches(["evil.example/", "sites.example/bad/"], to: question)
        }
        defer { standIn.stop() }
        let service = service(standIn, key: "KEY-1")
        let urls = ["https://www.evil.example/x?y", "https://sites.example/bad/page", "https://sites.example/good/"]
        let dangerous = "lookup-service MALWARE"
        #expect(try judge(service, urls[0], urls[1], urls[2]) == [dangerous, dangerous, nil])
        let question = try #require(standIn.questions.first)
        #expect(question.target == "/v4/fullHashes:find?key=KEY-1" && question.prefixes == question.prefixes.sorted())
        let expressions = Set(urls.flatMap { LookupExpressions(Array($0.utf8)).expressions })
        #expect(Set(question.prefixes) == Set(expressions.map { LookupCache.prefix(SHA256Hasher().hash($0)) }))
        guard case .object(let members)? = try? JSONValue(question.body),
            case .object(let info)? = members["threatInfo"],
            case .object(let client)? = members["client"]
        else { throw HarnessError("the question is no object") }
        #expect(client["clientId"] == .string("edge") && info["threatEntryTypes"] == .array([.string("URL")]))
        #expect(info["platformTypes"] == .array([.string("ANY_PLATFORM")]))
        // Both what is dangerous and what is not is remembered.
        #expect(try judge(service, urls[2], urls[1], urls[0]) == [nil, dangerous, dangerous])
        #expect(standIn.questions.count == 1)
    }

    /// Four bytes alike are not enough.
    @Test func prefixCollision() throws {
        let standIn = try LookupStandIn { question, _ in
            let hashes = question.prefixes.map { prefix in
                var bytes: [UInt8] = []
                bytes.append(bigEndian: prefix)
                return #"{"threatType":"MALWARE","threat":{"hash":""#
                    + Data(bytes + [UInt8](repeating: 7, count: 28)).base64EncodedString()
                    + #""},"cacheDuration":"300s"}"#
            }
            return .body(#"{"matches":["# + hashes.joined(separator: ",") + "]}")
        }
        defer { standIn.stop() }
        #expect(try judge(service(standIn), "https://good.example/") == [nil])
        #expect(standIn.questions.count == 1)
    }

    /// What may not be remembered is asked for again, and judged by what was answered.
    @Test func nothingToRemember() throws {
        let standIn = try LookupStandIn { question, _ in
            .matches(["evil.example/"], cache: "0s", negative: "0s", to: question)
        }
        defer { standIn.stop() }
        let service = service(standIn)
        for count in 1...3 {
            #expect(
                try judge(service, "http://evil.example/", "http://good.example/") == ["lookup-service MALWARE", nil])
            #expect(standIn.questions.count == count)
        }
    }

    /// A match that is over is asked for again, however long its prefix has no others.
    @Test(arguments: ["1s", nil])
    func matchesEndFirst(cacheDuration: String?) throws {
        let standIn = try LookupStandIn { question, _ in
            let answer = LookupStandIn.Reply.matches(["evil.example/"], cache: cacheDuration ?? "none", to: question)
            guard cacheDuration == nil, case .body(let text) = answer else { return answer }
            return .body(text.replacing(#","cacheDuration":"none""#, with: ""))
        }
        defer { standIn.stop() }
        var now: Int64 = 1_000_000
        let service = service(standIn, clock: { now })
        for count in 1...3 {
            #expect(try judge(service, "http://evil.example/x") == ["lookup-service MALWARE"])
            #expect(standIn.questions.count == count)
            now += 2000
        }
        // What is no match is known all the while.
        let prefix = LookupCache.prefix(Self.hash("evil.example/"))
        #expect(standIn.questions.dropFirst().allSatisfy { $0.prefixes == [prefix] })
    }

    /// A verdict that was known stands, though its place in the cache is wanted for the answer to the same question; and
    /// what had to go is asked for again.
    @Test func roomIsMade() throws {
        let standIn = try LookupStandIn { question, _ in
            .matches(["evil.example/", "other.example/"], to: question)
        }
        defer { standIn.stop() }
        let service = service(standIn) { $0.cachedAnswers = 1 }
        let dangerous = "lookup-service MALWARE"
        #expect(try judge(service, "http://evil.example/") == [dangerous])
        #expect(try judge(service, "http://evil.example/", "http://other.example/") == [dangerous, dangerous])
        #expect(try judge(service, "http://evil.example/") == [dangerous])
        #expect(standIn.questions.count == 3)
    }

    /// The matches beside one that is none count.
    @Test(arguments: [
        #"{"threat":{"hash":"AAAA"},"threatType":"MALWARE"}"#, #"{"threat":{"hash":"HASH"},"threatType":"MAL WARE"}"#,
        #"{"threat":{"hash":"HASH"},"threatType":""}"#, #"{"threat":{"hash":"HASH"},"threatType":"LONG"}"#,
        #"{"threat":{"hash":"HASH"},"threatType":"MALWARE","cacheDuration":300}"#, #"{"threat":7}"#, "7",
    ])
    func malformedMatch(match: String) throws {
        let match = match.replacing("HASH", with: Data(Self.hash("good.example/")).base64EncodedString())
            .replacing("LONG", with: String(repeating: "A", count: 65))
        let standIn = try LookupStandIn { question, _ in
            let answer = LookupStandIn.Reply.matches(["evil.example/"], to: question)
            guard case .body(let text) = answer else { return answer }
            return .body(text.replacing("[{", with: "[\(match),{"))
        }
        defer { standIn.stop() }
        let verdicts = try judge(service(standIn), "http://good.example/", "http://evil.example/")
        #expect(verdicts == [nil, "lookup-service MALWARE"])
    }

    /// One link about which there is no answer does not hold up those behind it: it stands alone at last, and is passed over.
    @Test(arguments: [
        LookupStandIn.Reply.status(400), .status(413), .body("{"), .bytes("nonsense"),
        .blanks(2 * CommandClient.answerBytes),
    ])
    func refusedQuestion(reply: LookupStandIn.Reply) throws {
        let poison = LookupCache.prefix(Self.hash("poison.example/"))
        let standIn = try LookupStandIn { question, _ in
            question.prefixes.contains(poison) ? reply : .matches(["evil.example/"], to: question)
        }
        defer { standIn.stop() }
        var now: Int64 = 1_000_000
        let service = service(standIn, clock: { now })
        var urls = (0..<40).map { "http://host\($0).example/" }
        (urls[17], urls[30]) = ("http://poison.example/", "http://evil.example/")
        var verdicts: [String?] = []
        var refusals = 0
        while verdicts.count < urls.count, refusals < 100 {
            do throws(JudgeUnavailable) {
                let next = try service.judge(urls[verdicts.count...].map { Array($0.utf8) })
                verdicts += next.map { $0?.reason }
            } catch {
                refusals += 1
                now += error.pauseMilliseconds
            }
        }
        #expect(verdicts.count == 40 && verdicts.enumerated().allSatisfy { ($1 != nil) == ($0 == 30) })
        #expect(standIn.questions.count { $0.prefixes == [poison] } >= 3 && !service.isFailing)
    }

    /// What lies with the service itself passes over nothing, however often it happens.
    @Test(arguments: [LookupStandIn.Reply.status(401), .status(404), .status(429), .status(500), .status(204)])
    func failuresHold(reply: LookupStandIn.Reply) throws {
        let standIn = try LookupStandIn { _, _ in reply }
        defer { standIn.stop() }
        var now: Int64 = 1_000_000
        let service = service(standIn, clock: { now })
        for _ in 0..<10 {
            #expect(throws: JudgeUnavailable.self) { try judge(service, "http://a.example/", "http://b.example/") }
            now += 1000
        }
        #expect(service.isFailing && standIn.questions.count == 10)
        #expect(Set(standIn.questions.map(\.prefixes)).count == 1)
    }

    /// A pause that no clock would see the end of is a day.
    @Test func endlessRetryAfter() throws {
        let standIn = try LookupStandIn { question, index in
            index == 0 ? .status(503, retryAfter: 9_999_999_999_999_999) : .matches(["evil.example/"], to: question)
        }
        defer { standIn.stop() }
        var now: Int64 = 1_000_000
        let service = service(standIn, clock: { now })
        let unavailable = #expect(throws: JudgeUnavailable.self) { try judge(service, "http://evil.example/") }
        let day: Int64 = 24 * 3_600_000
        #expect(unavailable?.pauseMilliseconds == day)
        now += day
        #expect(try judge(service, "http://evil.example/") == ["lookup-service MALWARE"])
    }

    /// At most 500 prefixes at a time, of as many links as that is.
    @Test func manyLinks() throws {
        let standIn = try LookupStandIn()
        defer { standIn.stop() }
        let service = service(standIn)
        let urls = (0..<64).map { Array("http://a.b.c.d\($0).example/1/2/3/4/5?q=\($0)".utf8) }
        var (judged, rounds) = (0, 0)
        while judged < urls.count {
            let count = try service.judge(Array(urls[judged...])).count
            #expect(count > 0)
            (judged, rounds) = (judged + count, rounds + 1)
        }
        #expect(standIn.questions.count == rounds && rounds > 2)
        #expect(standIn.questions.allSatisfy { $0.prefixes.count <= 500 })
    }

    /// Every way in which it can fail is a pause, and then it is asked again.
    @Test(arguments: [
        LookupStandIn.Reply.status(500), .status(429), .status(503, retryAfter: 0), .status(400), .status(204),
        .silence,
        .drip, .bytes("nonsense"), .bytes("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"matches\":[{"),
        .bytes("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"), .body("[]"), .body("{"), .body(#"{"matches":7}"#),
        .body(#"{"negativeCacheDuration":"-1s"}"#), .body(#"{"negativeCacheDuration":300}"#),
        .body(#"{"minimumWaitDuration":"soon"}"#),
    ])
    func failures(reply: LookupStandIn.Reply) throws {
        let standIn = try LookupStandIn { question, index in
            index < 2 ? reply : .matches(["evil.example/"], to: question)
        }
        defer { standIn.stop() }
        let service = service(standIn, timeout: 200)
        var failures = 0
        let deadline = Deadline()
        while true {
            do throws(JudgeUnavailable) {
                let verdicts = try service.judge([Array("http://evil.example/".utf8)])
                #expect(verdicts.map { $0?.reason } == ["MALWARE"])
                break
            } catch {
                #expect(!error.isWanted && error.pauseMilliseconds > 0 && !error.reason.isEmpty)
                failures += 1
                guard !deadline.isOver else { throw HarnessError("it is not asked again") }
                poll(nil, 0, Int32(error.pauseMilliseconds))
            }
        }
        #expect(failures >= 2 && standIn.questions.count >= 3)
    }

    @Test func nobodyThere() throws {
        let standIn = try LookupStandIn()
        standIn.stop()
        let service = service(standIn)
        #expect(throws: JudgeUnavailable.self) { try judge(service, "http://evil.example/") }
    }

    /// After a failure nobody is asked until the pause is over; pauses grow, to a limit, and the service may ask for more.
    @Test func pauses() throws {
        let standIn = try LookupStandIn { _, index in .status(429, retryAfter: index == 0 ? 7200 : 1) }
        defer { standIn.stop() }
        let patient = service(standIn) { ($0.firstPauseMilliseconds, $0.longestPauseMilliseconds) = (1000, 60_000) }
        func pause(_ service: LookupService) -> Int64 {
            do throws(JudgeUnavailable) {
                _ = try service.judge([Array("http://a.example/".utf8)])
                return 0
            } catch { return error.pauseMilliseconds }
        }
        #expect(pause(patient) == 7_200_000)
        #expect((7_000_000...7_200_000).contains(pause(patient)) && standIn.questions.count == 1)
        let other = service(standIn) { ($0.firstPauseMilliseconds, $0.longestPauseMilliseconds) = (60_000, 90_000) }
        #expect((60_000...120_000).contains(pause(other)) && standIn.questions.count == 2)
    }

    /// A pause that an answer asks for is no failure, and what was answered is known meanwhile.
    @Test func wantedPause() throws {
        let standIn = try LookupStandIn { question, _ in
            .matches(["evil.example/"], wait: "3600.5s", to: question)
        }
        defer { standIn.stop() }
        let service = service(standIn)
        #expect(try judge(service, "http://evil.example/") == ["lookup-service MALWARE"])
        #expect(try judge(service, "http://evil.example/") == ["lookup-service MALWARE"])
        do throws(JudgeUnavailable) {
            _ = try service.judge([Array("http://other.example/".utf8)])
            Issue.record("it was asked")
        } catch {
            #expect(error.isWanted && (3_500_000...3_600_500).contains(error.pauseMilliseconds))
        }
        #expect(standIn.questions.count == 1)
    }

    @Test func cacheIsBounded() {
        var cache = LookupCache(limit: 100)
        for number in UInt32(0)..<1000 {
            let answer = LookupAnswer(
                Array(
                    (#"{"negativeCacheDuration":"1s","matches":[{"threatType":"MALWARE","cacheDuration":"1s","threat":{"hash":""#
                        + Data(Self.hash("\(number)")).base64EncodedString() + #""}}]}"#).utf8))!
            cache.take(answer, for: [number], at: Int64(number))
            #expect(cache.count <= 200 && !cache.isUnknown(number, at: Int64(number)))
            #expect(cache.threat(Self.hash("\(number)"), at: Int64(number)) == "MALWARE")
        }
        #expect(cache.isUnknown(999, at: 1999) && cache.threat(Self.hash("999"), at: 1999) == nil)
    }

    @Test(arguments: ["", "http://", "https://a.example/v4", "http://a.example", "http://a b/", "http://a/#x"])
    func noURLs(text: String) { #expect(LookupServiceURL(text) == nil) }
}

/// Links that are judged once they are made.
@Suite(.serialized) struct LookupFollowerTests {
    private func follower(_ links: JudgedStore, _ standIn: LookupStandIn) throws -> LookupFollower {
        var limits = LookupLimits()
        (limits.firstPauseMilliseconds, limits.longestPauseMilliseconds) = (1, 4)
        let service = LookupService(standIn.url, key: nil, timeoutMilliseconds: 200, limits: limits)
        let follower = try LookupFollower(links.store, service, links.moderation)
        follower.start(niceness: 0)
        return follower
    }

    private static func dangerous(_ question: LookupStandIn.Question) -> LookupStandIn.Reply {
        let hash = SHA256Hasher().hash(Array("evil.example/".utf8))
        guard question.prefixes.contains(LookupCache.prefix(hash)) else { return .body("{}") }
        return .body(
            #"{"matches":[{"threatType":"SOCIAL_ENGINEERING","threat":{"hash":""# + Data(hash).base64EncodedString()
                + #""}}]}"#)
    }

    /// What was there before is not asked about; what is written since is, and what leads elsewhere then is lifted.
    @Test func follows() throws {
        let (links, standIn) = (try JudgedStore(), try LookupStandIn { question, _ in Self.dangerous(question) })
        defer { standIn.stop() }
        let old = try links.make("http://evil.example/old")
        try links.wait("the store tells of it") { links.store.endOfChanges != ChangePosition() }
        let follower = try follower(links, standIn)
        defer { follower.close() }
        let keys = try (0..<20).map { try links.make("http://\($0 == 7 ? "evil" : "good").example/\($0)") }
        try links.wait("it is blocked") { links.list(keys[7]) == LookupService.name }
        try links.change(keys[7], to: "http://good.example/")
        try links.wait("it is lifted") { links.list(keys[7]) == nil }
        #expect(links.writes.map(\.key) == [keys[7], keys[7]] && links.list(old) == nil)
        #expect(links.writes[0].reason == "SOCIAL_ENGINEERING")
        try links.wait("all are judged") { follower.figures.judged.value == 21 }
    }

    /// While the service fails links are made and judged by lists all the same; once it is back nothing is left out, also not
    /// by a restart in between.
    @Test func serviceFails() throws {
        let (links, standIn) = (try JudgedStore(), try LookupStandIn { _, _ in .status(503) })
        defer { standIn.stop() }
        let first = try follower(links, standIn)
        let keys = try (0..<5).map { try links.make("http://evil.example/\($0)") }
        try links.wait("it fails") { first.figures.failures.value > 2 }
        #expect(first.isFailing.load(ordering: .relaxed) && first.figures.judged.value == 0)
        first.close()
        let second = try follower(links, standIn)
        defer { second.close() }
        let late = try links.make("http://evil.example/late")
        try links.wait("it fails still") { second.figures.failures.value > 2 }
        #expect(links.writes.isEmpty)
        standIn.answer { question, _ in Self.dangerous(question) }
        try links.wait("all are blocked") { (keys + [late]).allSatisfy { links.list($0) == LookupService.name } }
        #expect(!second.isFailing.load(ordering: .relaxed) && second.figures.blocked.value == 6)
    }

    /// Those behind a link about which the service refuses to answer are judged.
    @Test func refusedLink() throws {
        let poison = LookupCache.prefix(SHA256Hasher().hash(Array("poison.example/".utf8)))
        let (links, standIn) = (
            try JudgedStore(),
            try LookupStandIn { question, _ in
                question.prefixes.contains(poison) ? .status(400) : Self.dangerous(question)
            }
        )
        defer { standIn.stop() }
        let follower = try follower(links, standIn)
        defer { follower.close() }
        let names = ["good", "poison", "good", "evil", "good"]
        let keys = try names.enumerated().map { try links.make("http://\($1).example/\($0)") }
        try links.wait("all are judged") { follower.figures.judged.value == 5 }
        #expect(keys.map { links.list($0) != nil } == [false, false, false, true, false])
        #expect(follower.figures.failures.value >= 2)
    }

    /// A block that cannot be written is written later.
    @Test func storeFails() throws {
        let (links, standIn) = (try JudgedStore(), try LookupStandIn { question, _ in Self.dangerous(question) })
        defer { standIn.stop() }
        links.blocks.withLock { $0.failure = "full" }
        let follower = try follower(links, standIn)
        defer { follower.close() }
        let key = try links.make("http://evil.example/")
        try links.wait("it is tried") { follower.figures.failures.value > 0 }
        links.blocks.withLock { $0.failure = nil }
        try links.wait("it is blocked") { links.list(key) == LookupService.name }
    }
}
