import Links

/// Bounds of what followers of changes may ask for, in one place.
enum ChangeLimits {
    static let changes = 1...1000
    static let usualChanges = 100
    static let waitSeconds = 0...60
    /// Requests that wait for a change at a time.
    static let waiting = 64
    /// How often what came since is looked for.
    static let lookMilliseconds: Int64 = 50
    /// How long a stream is silent before an empty line says that it is still there.
    static let silenceMilliseconds: Int64 = 15_000
}

/// The query of `GET /api/v1/changes`.
struct ChangesRequest {
    enum Start: Equatable {
        /// Behind what was given, or before everything.
        case after(ChangePosition)
        case now
    }

    static let parameters = [
        QueryParameter("after", "A position, or now; without it from the beginning.", Schema.opaque),
        QueryParameter("limit", "Changes a page.", ChangeLimits.changes.schema(usually: ChangeLimits.usualChanges)),
        QueryParameter(
            "wait", "Seconds to wait for a change, if there is none yet.", ChangeLimits.waitSeconds.schema(usually: 0)),
        QueryParameter("stream", "All that comes, without end; not with limit or wait.", ["enum": ["true", "false"]]),
    ]

    let start: Start
    let limit: Int
    let waitMilliseconds: Int64
    /// All that comes, on one connection.
    let isStream: Bool

    /// Throws a `Problem` that says what is wrong with the query, or with who asks.
    init(_ query: String?, _ caller: Caller) throws(RefusedRequest) {
        guard caller != .anonymous else { throw RefusedRequest(.changesNeedKey) }
        guard caller.allows(.admin) else { throw RefusedRequest(.lacksScope(.admin)) }
        let values = try QueryValues(query)
        try values.allow(Self.parameters)
        switch values["after"] {
        case nil: start = .after(ChangePosition())
        case "now": start = .now
        case let text?:
            guard let position = ChangePosition(text: Array(text.utf8).span.bytes) else {
                throw .wrongQuery("after", is: "a position that a node of this cluster gave, or now")
            }
            start = .after(position)
        }
        limit = try values.number("limit", ChangeLimits.changes) ?? ChangeLimits.usualChanges
        waitMilliseconds = Int64(try values.number("wait", ChangeLimits.waitSeconds) ?? 0) * 1000
        switch values["stream"] {
        case nil, "false": isStream = false
        case "true": isStream = true
        default: throw .wrongQuery("stream", is: "true or false")
        }
        guard !isStream || waitMilliseconds == 0 && values["limit"] == nil else {
            throw .wrongQuery("stream", is: "together with limit or wait, which are for pages")
        }
    }
}

extension Problem {
    static let changesNeedKey = unauthorized(
        "Changes are told to keys with the scope admin, and this request has none.")

    /// `after`: where to go on, once the links were exported.
    static func changesTruncated(_ after: ChangePosition) -> Problem {
        var problem = Problem(
            .logTruncated,
            "Changes behind this position are no longer here. Export all links with GET /api/v1/urls/export, and then go "
                + "on from the position in the member \"after\".")
        problem.after = after.text
        return problem
    }
}
