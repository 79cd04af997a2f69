import HTTP

/// Which pages of other sites may use `/api/v1/` from a browser (the Fetch standard, 3.3), as `cors_origins` says. Never with
/// credentials: what a browser would send by itself opens nothing here, and a page has to bring a key of its own.
enum CORS {
    /// Redirects are not below it.
    private static let prefix = "/api/v1/"
    /// How long a browser may go by what it was told before a request.
    static let maxAgeSeconds = 600

    /// What of an answer a page may read, beside what any may.
    static let exposed: [AnswerField] = [
        .location, .eTag, .retryAfter, .edgeToken, .edgePosition, .xConsistency, .xWriteRegion, .xWriteTs,
        .idempotentReplayed, .rateLimit, .rateLimitPolicy,
    ]

    /// Of the answer to a request. `origins` are those that may; none, and nothing is looked at.
    static func fields(_ message: Message, _ origins: [String]) -> [(name: String, value: String)] {
        guard !origins.isEmpty, message.path.hasPrefix(prefix) else { return [] }
        let isForAll = origins == ["*"]
        // Caches keep an answer for each origin, also the one to a request without.
        let vary = isForAll ? [] : [(name: "Vary", value: "Origin")]
        let origin = message.value(of: .origin) ?? ""
        guard isForAll || origins.contains(origin) else { return vary }
        let shared = [(name: "Access-Control-Allow-Origin", value: isForAll ? "*" : origin)] + vary
        if message.head.method == .options, let resource = Resource.find(message.path)?.resource {
            return shared + preflight(resource)
        }
        return shared + [("Access-Control-Expose-Headers", exposed.map(\.rawValue).joined(separator: ", "))]
    }

    /// What may be sent there.
    private static func preflight(_ resource: Resource) -> [(name: String, value: String)] {
        let operations = resource.operations.map(\.operation)
        let fields = RequestField.allCases.filter { field in operations.contains { $0.fields.contains(field) } }
        let names =
            ["Authorization", "X-Api-Key"] + (operations.contains { $0.body != nil } ? ["Content-Type"] : [])
            + fields.map(\.rawValue)
        return [
            ("Access-Control-Allow-Methods", resource.allow),
            ("Access-Control-Allow-Headers", names.joined(separator: ", ")),
            ("Access-Control-Max-Age", String(maxAgeSeconds)),
        ]
    }
}
