/// What kind of program asks, by its User-Agent.
package enum AgentClass: UInt8, Sendable {
    case person = 0
    case bot = 1

    /// Of a longer User-Agent only so much is looked at.
    package static let agentBytes = 256

    /// Words, in small letters, of which a program that follows links by itself has one in its User-Agent: crawlers,
    /// fetchers of previews, monitors, and browsers without a screen.
    ///
    /// From the lists "crawler-user-agents" (Martin Monperrus) and of Matomo's "Device Detector", cut down to words that cover
    /// most of their entries. As the latter does, tools and libraries (curl, Wget, Python) are no bots: somebody runs them.
    /// Nor is who sends no User-Agent.
    package static let botWords: [StaticString] = [
        "bot", "crawl", "spider", "slurp", "preview", "facebookexternalhit", "facebookcatalog", "externalagent",
        "externalfetcher", "mediapartners", "feedfetcher", "feedburner", "google-read-aloud", "google-inspection",
        "googleother", "google-site-verification", "headless", "phantomjs", "lighthouse", "pingdom", "monitor",
        "archiver", "whatsapp/", "slack-imgproxy", "validator", "embedly", "quora link", "bitrix link", "vkshare",
        "bytespider", "scraper", "checker",
    ]

    /// A phone's maker whose name ends in one of the words.
    private static let phoneMaker: StaticString = "cubot"

    /// Reads a User-Agent, in any case of letters.
    package init(agent: UnsafeRawBufferPointer) {
        let text = unsafe agent.prefix(Self.agentBytes).map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        var isBot = false
        for offset in text.indices where !isBot && Self.firstLetters >> UInt64(text[offset] & 63) & 1 == 1 {
            isBot = Self.botWords.contains { Self.spells($0, text, at: offset) }
            if isBot, offset >= 2, Self.spells(Self.phoneMaker, text, at: offset - 2) { isBot = false }
        }
        self = isBot ? .bot : .person
    }

    /// A bit for each byte that a word begins with, by its low six bits: most bytes begin none.
    private static let firstLetters: UInt64 = botWords.reduce(0) { letters, word in
        // Safety: no word is empty.
        unsafe letters | 1 << UInt64(word.utf8Start.pointee & 63)
    }

    private static func spells(_ word: StaticString, _ text: [UInt8], at offset: Int) -> Bool {
        guard offset + word.utf8CodeUnitCount <= text.count else { return false }
        for index in 0..<word.utf8CodeUnitCount {
            // Safety: the index is below the literal's count.
            if unsafe word.utf8Start[index] != text[offset + index] { return false }
        }
        return true
    }
}
