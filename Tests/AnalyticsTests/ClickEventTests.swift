import Analytics
import Primitives
import Testing

@Suite struct ClickEventTests {
    @Test func whole() {
        var key = Recorded.key
        key.advance(to: today)
        let event = Recorded(
            code: "1TcH0Me", network: 0xffff_c000_0200, agent: "Mozilla/5.0 (compatible; Googlebot/2.1)",
            referrer: "https://www.Example.com:8080/a?b", language: "de-AT,de;q=0.9"
        ).event
        #expect(
            event
                == ClickEvent(
                    milliseconds: noon.milliseconds, network: key.hash(0xffff_c000_0200), language: Array("de".utf8),
                    agent: .bot, isHead: false, code: Array("1TcH0Me".utf8), referrer: Array("www.Example.com".utf8)))
    }

    @Test func nothingSent() {
        let event = Recorded(code: "abc", isHead: true).event
        #expect(event.isHead && event.agent == .person && event.language.isEmpty && event.referrer.isEmpty)
        #expect(event.code == Array("abc".utf8))
    }

    /// Every length of a code and of a host, at the head's end too, where no word can be read beyond.
    @Test func lengths() {
        for codeCount in 1...64 {
            for hostCount in [1, 2, 7, 15, 16, 17, 39, 40, 41, 100] {
                let code = String((0..<codeCount).map { Character(UnicodeScalar(UInt8(0x61 + $0 % 26))) })
                let host = String((0..<hostCount).map { Character(UnicodeScalar(UInt8(0x41 + $0 % 26))) })
                let event = Recorded(code: code, referrer: "http://" + host).event
                #expect(event.code == Array(code.utf8))
                #expect(
                    event.referrer == Array(host.utf8.suffix(ClickEvent.referrerBytes)), "\(codeCount) \(hostCount)")
            }
        }
    }

    @Test(arguments: [
        ("https://example.com", "example.com"), ("HTTP://example.com/", "example.com"), ("https://a.b?x", "a.b"),
        ("https://a.b#x", "a.b"), ("android-app://com.example", ""), ("about:blank", ""), ("https://", ""),
        ("https:", ""),
        ("http", ""), ("httpx://example.com", ""), ("https:/a/bcdef", ""), ("http:///path", ""),
    ])
    func referrers(_ text: String, _ host: String) {
        #expect(Recorded(referrer: text).event.referrer == Array(host.utf8), "\(text)")
    }

    @Test(arguments: [
        ("en", "en"), ("EN-us", "en"), ("fr;q=1", "fr"), ("pt,en", "pt"), ("*", ""), ("a", ""), ("gsw-CH", ""),
        ("e1", ""),
        ("@z", ""), ("de ", "de"),
    ])
    func languages(_ text: String, _ tag: String) {
        #expect(Recorded(language: text).event.language == Array(tag.utf8), "\(text)")
    }

    /// What is remembered of a User-Agent is what it is, however many came between.
    @Test func agentsAreRemembered() {
        let recorder = ClickRecorder(key: Recorded.key)
        for round in 0..<3 {
            for number in 0..<4000 {
                let isBot = number % 3 == 0
                let agent = "Mozilla/5.0 (\(number)) " + (isBot ? "Bingbot/2" : "Firefox/\(number)")
                let event = Recorded(agent: agent, by: recorder).event
                #expect(event.agent == (isBot ? .bot : .person), "\(round): \(agent)")
            }
        }
    }

    @Test func networks() {
        func network(_ high: UInt64, _ low: UInt64) -> UInt64 { ClickRecorder.network(high: high, low: low) }
        // 192.0.2.17 and .200 are one, 192.0.3.17 is another.
        #expect(network(0, 0xffff_c000_0211) == network(0, 0xffff_c000_02c8))
        #expect(network(0, 0xffff_c000_0211) != network(0, 0xffff_c000_0311))
        // 2001:db8:1:2::1 and 2001:db8:1:3::2 are one, 2001:db8:2:: is another.
        #expect(network(0x2001_0db8_0001_0002, 1) == network(0x2001_0db8_0001_0003, 2))
        #expect(network(0x2001_0db8_0001_0002, 1) != network(0x2001_0db8_0002_0002, 1))
    }

    /// The same network within a day, another the next day, and the same on every worker.
    @Test func keysChangeDaily() {
        let (first, second) = (ClickRecorder(key: Recorded.key), ClickRecorder(key: Recorded.key))
        let midnight = Instant(milliseconds: 20_001 * ClickDay.milliseconds)
        func hash(_ network: UInt64, _ now: Instant, _ recorder: ClickRecorder) -> UInt64 {
            Recorded(network: network, at: now, by: recorder).event.network
        }
        let before = hash(7, noon, first)
        #expect(hash(7, midnight.advanced(byMilliseconds: -1), first) == before)
        #expect(hash(7, noon, second) == before && hash(8, noon, second) != before)
        let after = hash(7, midnight, first)
        #expect(after != before && hash(7, midnight, second) == after)
        // A clock that goes back does not bring the old key back.
        #expect(hash(7, noon, first) == after)
    }

    @Test func keysAreChained() throws {
        var (day, days) = (Recorded.key, Recorded.key)
        for number in 19_991...20_003 { day.advance(to: ClickDay(number: UInt32(number))) }
        days.advance(to: ClickDay(number: 20_003))
        #expect(day == days && day != Recorded.key)
        var bytes: [UInt8] = []
        day.encode(into: &bytes)
        #expect(bytes.count == NetworkKey.sizeBytes)
        var rest = bytes.span.bytes
        #expect(try NetworkKey(decoding: &rest) == day)
        // As far as a clock can jump.
        days.advance(to: ClickDay(number: .max))
        #expect(days.day.number == .max)
    }

    @Test func daysAreDates() {
        #expect(ClickDay(Instant(milliseconds: 0)).text == "1970-01-01")
        #expect(ClickDay(Instant(milliseconds: -5)).number == 0)
        #expect(ClickDay(Instant(milliseconds: 951_782_400_000)).text == "2000-02-29")
        #expect(today.earlier(by: 1) < today && ClickDay(number: 3).earlier(by: 5).number == 0)
    }
}

@Suite struct AgentClassTests {
    private func isBot(_ agent: String) -> Bool {
        Array(agent.utf8).withUnsafeBytes { AgentClass(agent: $0) == .bot }
    }

    @Test(arguments: [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
        "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)", "DuckDuckBot/1.1",
        "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "Twitterbot/1.0",
        "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "TelegramBot (like TwitterBot)",
        "WhatsApp/2.23.20.0", "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5", "ia_archiver", "CCBot/2.0", "GPTBOT/1.0",
        "Mediapartners-Google", "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
        "Mozilla/5.0 (Linux; CUBOT X9) Googlebot",
    ])
    func bots(_ agent: String) { #expect(isBot(agent)) }

    @Test(arguments: [
        "", "curl/7.88.1", "Wget/1.21", "python-requests/2.31",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
        "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0",
        "Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36 Chrome/119.0 Mobile Safari/537.36", "bo", "b",
        "Mozilla/5.0 (Linux; Android 13; SM-S901B) [FBAN/FB4A;FBAV/440.0]",
    ])
    func people(_ agent: String) { #expect(!isBot(agent)) }

    /// A word that is cut by the bound is none, whatever stands behind.
    @Test func onlyTheBeginningIsRead() {
        #expect(!isBot(String(repeating: "x", count: AgentClass.agentBytes - 2) + "bot"))
        #expect(isBot(String(repeating: "x", count: AgentClass.agentBytes - 3) + "bot"))
    }
}
