import HTTP

/// A field of answers that clients may rely on.
enum AnswerField: String, CaseIterable, Sendable {
    case cacheControl = "Cache-Control"
    case location = "Location"
    case eTag = "ETag"
    case vary = "Vary"
    case link = "Link"
    case allow = "Allow"
    case retryAfter = "Retry-After"
    case wwwAuthenticate = "WWW-Authenticate"
    case edgeToken = "Edge-Token"
    case edgePosition = "Edge-Position"
    case xConsistency = "X-Consistency"
    case xWriteRegion = "X-Write-Region"
    case xWriteTs = "X-Write-Ts"
    case xServedBy = "X-Served-By"
    case surrogateKey = "Surrogate-Key"
    case idempotentReplayed = "Idempotent-Replayed"
    case preferenceApplied = "Preference-Applied"
    case setCookie = "Set-Cookie"
    case rateLimit = "RateLimit"
    case rateLimitPolicy = "RateLimit-Policy"

    /// Whether it stands in each answer that it is named for.
    var isAlwaysThere: Bool {
        switch self {
        case .cacheControl, .location, .eTag, .vary, .link, .allow, .retryAfter, .wwwAuthenticate, .edgePosition,
            .xWriteRegion, .xWriteTs, .xServedBy:
            true
        case .edgeToken, .xConsistency, .surrogateKey, .idempotentReplayed, .preferenceApplied, .setCookie,
            .rateLimit, .rateLimitPolicy:
            false
        }
    }

    private var schema: JSONTree {
        switch self {
        case .retryAfter: ["type": "integer", "minimum": 1]
        case .location: ["type": "string", "format": "uri-reference"]
        case .xWriteTs: ["type": "string", "format": "date-time"]
        case .eTag: ["type": "string", "pattern": "^\"[0-9a-f-]+\"$"]
        case .edgeToken, .edgePosition: ["type": "string", "pattern": "^[A-Za-z0-9_-]+$"]
        case .xConsistency:
            ["enum": .strings([Reading.Consistency.current, .behind, .lost].compactMap(\.name))]
        case .xServedBy: ["enum": .strings(RedirectText.Source.allCases.map { "\($0.name)" })]
        case .idempotentReplayed: ["const": "true"]
        case .preferenceApplied: ["const": "token=cookie"]
        case .cacheControl, .vary, .link, .allow, .wwwAuthenticate, .xWriteRegion, .surrogateKey, .setCookie,
            .rateLimit,
            .rateLimitPolicy:
            ["type": "string"]
        }
    }

    private var words: String {
        switch self {
        case .cacheControl: "What caches may keep."
        case .location: "Where the link leads; of an answer to POST, what was made."
        case .eTag: "The version. Of a link, for If-Match."
        case .vary: "What of the request decided."
        case .link: "Who blocks it, as RFC 7725 has it."
        case .allow: "The methods that there are."
        case .retryAfter: "Seconds to wait before asking again."
        case .wwwAuthenticate: "How to show a key."
        case .edgeToken:
            "To be sent with later requests, to any region: these then reflect at least what this answer tells."
        case .edgePosition: "To go on from."
        case .xConsistency: "What came of the request's token."
        case .xWriteRegion: "The region that has written."
        case .xWriteTs: "The instant of the write."
        case .xServedBy: "Where the destination was found."
        case .surrogateKey: "The name by which a cache in front drops the redirect."
        case .idempotentReplayed: "This is the first answer again."
        case .preferenceApplied: "The token is also set as a cookie."
        case .setCookie: "The token, if Prefer asked for it."
        case .rateLimit: "What is left of the limit, and the seconds until there is more."
        case .rateLimitPolicy: "The limit."
        }
    }

    /// - asRequired: nil for as often as it is there.
    func header(asRequired isRequired: Bool? = nil) -> JSONTree {
        let header: JSONTree = ["description": .string(words), "schema": schema]
        return isRequired ?? isAlwaysThere ? header + ["required": true] : header
    }

    /// All of them, as components.
    static var components: JSONTree { .object(allCases.map { ($0.rawValue, $0.header()) }) }
}
