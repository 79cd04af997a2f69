import FoundationEssentials
import Primitives

/// What `fullHashes:find` of Safe Browsing v4 answers, as far as it counts here.
struct LookupAnswer: Equatable {
    struct Match: Equatable {
        /// SHA-256, whole.
        let hash: [UInt8]
        /// As `MALWARE`.
        let threat: String
        let cacheMilliseconds: Int64
    }

    private(set) var matches: [Match] = []
    /// For how long a prefix that is asked for has no other matches.
    private(set) var negativeCacheMilliseconds: Int64 = 0
    /// Until the next question may come.
    private(set) var waitMilliseconds: Int64 = 0

    private static let longestMilliseconds: Int64 = 24 * 3_600_000
    /// Seven for each of 500 matches, and room for more of them.
    private static let values = 16_384
    private static let threatBytes = 1...64

    /// Nil if it is none. A match that is none is left out: what does not concern it counts all the same.
    init?(_ body: [UInt8]) {
        guard case .object(let members)? = try? JSONValue(body, valueLimit: Self.values) else { return nil }
        guard let negative = Self.duration(members["negativeCacheDuration"]),
            let wait = Self.duration(members["minimumWaitDuration"])
        else { return nil }
        (negativeCacheMilliseconds, waitMilliseconds) = (negative, wait)
        switch members["matches"] {
        case nil: break
        case .array(let elements):
            matches = elements.compactMap(Self.match)
        default: return nil
        }
    }

    private static func match(_ value: JSONValue) -> Match? {
        guard case .object(let members) = value, case .object(let threat)? = members["threat"],
            case .string(let text)? = threat["hash"], let hash = Data(base64Encoded: text), hash.count == 32,
            case .string(let type)? = members["threatType"], threatBytes.contains(type.utf8.count),
            type.utf8.allSatisfy({ $0.isLetterOrDigit || $0 == UInt8(ascii: "_") }),
            let cache = duration(members["cacheDuration"])
        else { return nil }
        return Match(hash: Array(hash), threat: type, cacheMilliseconds: cache)
    }

    /// Seconds with an `s` behind them, which may have a fraction; 0 without. A day at most is believed.
    private static func duration(_ value: JSONValue?) -> Int64? {
        guard let value else { return 0 }
        guard case .string(let text) = value, text.last == "s", let seconds = Double(text.dropLast()), seconds >= 0
        else { return nil }
        return Int64(min(seconds * 1000, Double(longestMilliseconds)))
    }

    /// The question for these prefixes of hashes.
    static func question(_ prefixes: [UInt32]) -> [UInt8] {
        var body: [UInt8] = Array("{\"client\":{".utf8)
        body.append(jsonKey: "clientId", string: "edge")
        body.append(jsonKey: "clientVersion", string: edgeVersion)
        body += Array("},\"threatInfo\":{".utf8)
        body.append(
            jsonKey: "threatTypes",
            strings: ["MALWARE", "SOCIAL_ENGINEERING", "UNWANTED_SOFTWARE", "POTENTIALLY_HARMFUL_APPLICATION"])
        body.append(jsonKey: "platformTypes", strings: ["ANY_PLATFORM"])
        body.append(jsonKey: "threatEntryTypes", strings: ["URL"])
        body.append(jsonKey: "threatEntries")
        body.append(UInt8(ascii: "["))
        for (index, prefix) in prefixes.enumerated() {
            if index > 0 { body.append(UInt8(ascii: ",")) }
            var bytes: [UInt8] = []
            bytes.append(bigEndian: prefix)
            body.append(UInt8(ascii: "{"))
            body.append(jsonKey: "hash", string: Data(bytes).base64EncodedString())
            body.append(UInt8(ascii: "}"))
        }
        return body + Array("]}}".utf8)
    }
}
