/// What a service has said of hashes, as long as it may be believed. Pure; time comes in.
struct LookupCache {
    private let limit: Int
    /// By whole hash, until when it is dangerous, and as what.
    private var matches: [[UInt8]: (until: Int64, threat: String)] = [:]
    /// By prefix, until when nothing but what is in `matches` is known to begin with it. Never longer than those of the last
    /// answer stay there: what is dangerous and no longer known is to be asked for.
    private var asked: [UInt32: Int64] = [:]

    /// `limit`: entries of each kind.
    init(limit: Int) { self.limit = limit }

    var count: Int { matches.count + asked.count }

    static func prefix(_ hash: [UInt8]) -> UInt32 { hash[..<4].reduce(0) { $0 << 8 | UInt32($1) } }

    func threat(_ hash: [UInt8], at now: Int64) -> String? {
        matches[hash].flatMap { $0.until > now ? $0.threat : nil }
    }

    /// Whether the service is to be asked for the prefix of a hash that is no match.
    func isUnknown(_ prefix: UInt32, at now: Int64) -> Bool { asked[prefix].map { $0 <= now } ?? true }

    mutating func take(_ answer: LookupAnswer, for prefixes: [UInt32], at now: Int64) {
        makeRoom(matches: answer.matches.count, prefixes: prefixes.count, at: now)
        var shortest: [UInt32: Int64] = [:]
        for match in answer.matches {
            let prefix = Self.prefix(match.hash)
            shortest[prefix] = min(shortest[prefix] ?? .max, match.cacheMilliseconds)
            if match.cacheMilliseconds > 0 { matches[match.hash] = (now + match.cacheMilliseconds, match.threat) }
        }
        for prefix in prefixes {
            let rest = min(answer.negativeCacheMilliseconds, shortest[prefix] ?? .max)
            asked[prefix] = rest > 0 ? now + rest : nil
        }
    }

    /// What is over goes; where that is not enough, all does, because the service can be asked again.
    private mutating func makeRoom(matches newMatches: Int, prefixes: Int, at now: Int64) {
        if matches.count + newMatches > limit { matches = matches.filter { $0.value.until > now } }
        if matches.count + newMatches > limit { (matches, asked) = ([:], [:]) }
        if asked.count + prefixes > limit { asked = asked.filter { $0.value > now } }
        if asked.count + prefixes > limit { asked = [:] }
    }
}
