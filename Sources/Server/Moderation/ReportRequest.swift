import HTTP
import Links
import Primitives
import Store

/// The JSON body of a report of abuse.
struct ReportRequest {
    enum Limits {
        static let commentBytes = 2000
        static let contactBytes = 254
        static let urlBytes = 2048
    }

    enum Category: String, CaseIterable, Sendable { case phishing, malware, spam, illegal, other }

    static let members = ["code", "short_url", "category", "comment", "contact"]

    let code: String
    let category: Category
    let comment: String?
    let contact: String?

    /// - publicURL: what short URLs start with.
    ///
    /// Throws a `Problem` that says what is wrong with the body.
    init(_ body: [UInt8], publicURL: String) throws(RefusedRequest) {
        let members = try JSONMembers(body, known: Self.members)
        switch (try members.string("code"), try members.string("short_url")) {
        case (let code?, nil): self.code = code
        case (nil, let url?):
            guard let code = Self.code(inShortURL: url, publicURL: publicURL) else {
                throw RefusedRequest(Problem(.notFound, "The member \"short_url\" is no URL of this service."))
            }
            self.code = code
        default: throw RefusedRequest(Problem(.invalidJSON, "Give either \"code\" or \"short_url\"."))
        }
        guard let category = Category(rawValue: try members.required("category", try members.string("category")))
        else {
            let known = Category.allCases.map(\.rawValue).joined(separator: ", ")
            throw RefusedRequest(Problem(.invalidJSON, "The member \"category\" is none of \(known)."))
        }
        self.category = category
        comment = try Self.text(members, "comment", Limits.commentBytes)
        contact = try BlockRequest.text(members, "contact", Limits.contactBytes)
    }

    /// What stands behind the host of `publicURL`, which browsers, and people who type, write in many ways: with either
    /// scheme or none, in any case, with the port that goes without saying, with `/` behind, or with the `+` of a
    /// preview, which no code has. Nil for URLs of other hosts and ports.
    static func code(inShortURL url: String, publicURL: String) -> String? {
        func parts(_ url: String) -> (host: String, port: UInt16?, path: Substring)? {
            let scheme = ["http://", "https://"].first { url.prefix($0.count).lowercased() == $0 } ?? ""
            let rest = url.dropFirst(scheme.count)
            let end = rest.firstIndex(of: "/") ?? rest.endIndex
            guard let authority = Authority(rest[..<end]) else { return nil }
            let port = [80, 443].contains(authority.port) ? nil : authority.port
            return (authority.host.lowercased(), port, rest[end...].dropFirst())
        }
        guard let own = parts(publicURL), let given = parts(url), given.host == own.host, given.port == own.port
        else { return nil }
        let code = given.path.prefix { !"?#".contains($0) }
        return String(code.last.map { "/+".contains($0) } == true ? code.dropLast() : code)
    }

    /// Lines of text.
    private static func text(_ members: JSONMembers, _ name: String, _ bytes: Int) throws(RefusedRequest) -> String? {
        guard let text = try members.string(name) else { return nil }
        let lines = text.filter { !["\n", "\r\n", "\t"].contains($0) }
        guard text.utf8.count <= bytes, isPlain(lines) else {
            throw RefusedRequest(
                Problem(.invalidJSON, "The member \"\(name)\" is not plain text of at most \(bytes) bytes."))
        }
        return text
    }
}

/// The JSON body of a decision.
struct DecisionRequest {
    static let members = ["decision", "reason"]
    let verdict: ReportBody.Verdict
    let reason: String

    /// Throws a `Problem` that says what is wrong with the body.
    init(_ body: [UInt8]) throws(RefusedRequest) {
        let members = try JSONMembers(body, known: Self.members)
        let word = try members.required("decision", try members.string("decision"))
        guard let verdict = ReportBody.Verdict(rawValue: word) else {
            throw RefusedRequest(Problem(.invalidJSON, "The member \"decision\" is neither block nor dismiss."))
        }
        self.verdict = verdict
        reason = try BlockRequest.text(members, "reason", BlockRequest.Limits.reasonBytes) ?? ""
    }
}

/// The query of `GET /api/v1/reports`.
struct ReportListRequest {
    enum State: String, CaseIterable, Sendable { case open, decided, all }

    static let reports = 1...100
    static let usualReports = 20
    static let parameters = [
        QueryParameter("state", "open if left out.", ["enum": .strings(State.allCases.map(\.rawValue))]),
        QueryParameter("limit", "Reports a page.", reports.schema(usually: usualReports)),
        QueryParameter("cursor", "The next_cursor of the page before.", Schema.reportID),
    ]

    let state: State
    let limit: Int
    let after: UInt128?

    /// Throws a `Problem` that says what is wrong with the query.
    init(_ query: String?) throws(RefusedRequest) {
        let values = try QueryValues(query)
        try values.allow(Self.parameters)
        guard let state = State(rawValue: values["state"] ?? State.open.rawValue) else {
            throw .wrongQuery("state", is: State.allCases.map(\.rawValue).joined(separator: " or "))
        }
        self.state = state
        limit = try values.number("limit", Self.reports) ?? Self.usualReports
        after = try values["cursor"].map { (text) throws(RefusedRequest) in
            guard let id = UInt128(claimID: text) else { throw .wrongQuery("cursor", is: "one that this list gave") }
            return id
        }
    }

    func matches(_ body: ReportBody) -> Bool {
        switch state {
        case .open: body.decision == nil
        case .decided: body.decision != nil
        case .all: true
        }
    }
}

/// The query of `GET /api/v1/audit`.
struct AuditRequest {
    static let lines = 1...100
    static let usualLines = 20
    static let parameters = [
        QueryParameter("limit", "Acts a page.", lines.schema(usually: usualLines)),
        QueryParameter("cursor", "The next_cursor of the page before.", Schema.opaque),
    ]

    let limit: Int
    let before: ModerationKey?

    /// Throws a `Problem` that says what is wrong with the query.
    init(_ query: String?) throws(RefusedRequest) {
        let values = try QueryValues(query)
        try values.allow(Self.parameters)
        limit = try values.number("limit", Self.lines) ?? Self.usualLines
        before = try values["cursor"].map { (text) throws(RefusedRequest) in
            guard let key = ModerationKey(text: text), case .audit = key else {
                throw .wrongQuery("cursor", is: "one that this list gave")
            }
            return key
        }
    }
}
