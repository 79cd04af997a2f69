import HTTP
import Links
import Primitives
import Store

/// One refusal, as RFC 9457 describes it.
struct Problem: Sendable {
    let kind: ProblemKind
    /// The kind's own, but for the few that have two.
    let status: Int
    /// What was wrong this time and what would be right. Never anything of the machine or of another client.
    let detail: String
    var fields: [(name: String, value: String)] = []
    /// What to send once more to learn what became of a claim.
    var claimID: UInt128?
    /// The position to go on from.
    var after: String?
    /// Of the link that was made all the same.
    var shortCode: [UInt8]?

    /// Without a detail it is what happens to all of the kind.
    init(_ kind: ProblemKind, _ detail: String? = nil, status: Int? = nil) {
        (self.kind, self.status, self.detail) = (kind, status ?? kind.status, detail ?? kind.happened)
        precondition(kind.statuses.contains(self.status), "a status that the catalogue does not have")
    }

    var response: Response {
        Response(
            status: status,
            fields: [("Content-Type", "application/problem+json"), ("Cache-Control", "no-store")] + fields, body: json)
    }

    var json: [UInt8] {
        var body: [UInt8] = [UInt8(ascii: "{")]
        body.append(jsonKey: "type", string: "/problems/\(kind.code)")
        body.append(jsonKey: "title", string: kind.title)
        body.append(jsonKey: "status")
        body += Array(String(status).utf8)
        body.append(jsonKey: "detail", string: detail)
        body.append(jsonKey: "code", string: kind.code)
        if let after { body.append(jsonKey: "after", string: after) }
        if let shortCode { body.append(jsonKey: "short_code", utf8: shortCode) }
        if let claimID { body.append(jsonKey: "claim_id", string: claimID.claimText) }
        body.append(UInt8(ascii: "}"))
        return body
    }

    private func with(_ name: String, _ value: String) -> Problem {
        var problem = self
        problem.fields.append((name, value))
        return problem
    }

    func retryAfter(seconds: Int64) -> Problem { with("Retry-After", String(max(1, seconds))) }
}

extension Problem {
    static let notFound = Problem(.notFound)
    static let gone = Problem(.expired)
    static let damagedRecord = Problem(ProblemKind.damagedRecord)
    static let overloaded = Problem(.overloaded, "Nothing was changed; ask again in a moment.").retryAfter(seconds: 1)
    static let creationOff = Problem(ProblemKind.creationOff).retryAfter(seconds: 60)
    static let notReadByAll = Problem(
        .overloaded,
        "A node of the cluster has an older program, which does not know of blocks and reports. Nothing was changed; it can "
            + "be once all nodes have this one."
    )
    .retryAfter(seconds: 60)
    static let behind = Problem(ProblemKind.behind).retryAfter(seconds: 1)
    static let stopping = Problem(
        .overloaded, "The node is stopping; nothing was changed, and another node will answer."
    )
    .retryAfter(seconds: 1)
    static let namePrivate = Problem(
        .invalidURL,
        "The host's name does not stand for public addresses alone; it must be one that everybody can reach.")
    static let clicksUnavailable = Problem(.clicksUnavailable).retryAfter(seconds: 5)
    static let lookupFailed = Problem(.lookupFailed).retryAfter(seconds: 5)
    static let witness = Problem(
        .overloaded, "This node is a witness, which serves no users; others of the cluster do."
    )
    .retryAfter(seconds: 60)
    static let aliasUnavailable = Problem(.aliasUnavailable).retryAfter(seconds: 2)
    static let claimOfAnother = Problem(.aliasTaken, "The claim was made for another link.")
    static let needsKey = unauthorized("This node makes no links for anonymous clients.")
    static let needsKeyToChange = unauthorized("Links are changed with a key, and this request has none.")
    static let ownedByNobody = Problem(
        .forbidden, "The link was made without a key and belongs to nobody; only a key with the scope admin changes it."
    )
    static let deciderUnreachable = Problem(
        .behind, "The node that this change is for cannot be reached. Nothing was changed."
    )
    .retryAfter(seconds: 1)
    static let deciderSilent = Problem(
        .behind,
        "The node that this change is for gave no answer in time. It may have been made: read the link before it is sent "
            + "again."
    )
    .retryAfter(seconds: 1)
    static let deciderBehind = Problem(
        .behind, "The node that this change is for has not all yet that is known of the link. Nothing was changed."
    )
    .retryAfter(seconds: 1)
    static let plainRequest = Problem(
        .malformedRequest, "This port speaks HTTPS; the request came without.")
    static let requestTimeout = Problem(
        .requestTimeout, "Its head or its body was not whole in the time that this node gives it.")

    /// With who blocks it (RFC 7725 4).
    static func blocked(by publicURL: String) -> Problem {
        Problem(.blocked).with("Link", "<\(publicURL)>; rel=\"blocked-by\"").with("Vary", "Accept")
    }

    /// Of a link that was made. The code stands in a member, for programs: who makes it again has two.
    static func notReplicated(_ code: [UInt8]) -> Problem {
        var problem = Problem(
            .notReplicated,
            "The link /\(String(decoding: code, as: UTF8.self)) was made, works here, and will be everywhere as soon as "
                + "the other regions can be reached; until then it is safe in this one alone."
        ).retryAfter(seconds: 2)
        problem.shortCode = code
        return problem
    }

    static func changeNotReplicated(_ code: [UInt8]) -> Problem {
        Problem(
            .notReplicated,
            "The change of /\(String(decoding: code, as: UTF8.self)) was made, holds here, and will everywhere as soon as "
                + "the other regions can be reached; until then it is safe in one region alone."
        ).retryAfter(seconds: 2)
    }

    /// With the scheme that would do (RFC 9110 11.6.1).
    static func unauthorized(_ detail: String) -> Problem {
        Problem(.unauthorized, detail).with("WWW-Authenticate", "Bearer")
    }

    static func claimUnknown(_ id: UInt128) -> Problem {
        var problem = Problem(.claimUnknown).retryAfter(seconds: 1)
        problem.claimID = id
        return problem
    }

    static func rateLimited(_ answer: LimitAnswer) -> Problem {
        var problem = Problem(
            .rateLimited,
            "The limit \"\(answer.name.rawValue)\" is \(answer.limit) for one client; ask again in "
                + "\(answer.retryAfterSeconds) s."
        ).with("Retry-After", String(answer.retryAfterSeconds))
        problem.fields += answer.fields
        return problem
    }

    static func methodNotAllowed(allow: String) -> Problem {
        Problem(.methodNotAllowed, "It takes \(allow).").with("Allow", allow)
    }

    init(_ refusal: Refusal) {
        switch refusal {
        case .malformed: self.init(ProblemKind.malformedRequest)
        case .bodyTooLarge: self.init(.payloadTooLarge, "At most \(Limits.bodyBytes >> 20) MiB are taken.")
        case .targetTooLong: self.init(.targetTooLong, "At most \(Limits.targetBytes) bytes are taken.")
        case .expectationFailed: self.init(ProblemKind.expectationFailed)
        case .headTooLarge:
            self.init(.headTooLarge, "At most \(Limits.headBytes >> 10) KiB and \(Limits.fields) fields are taken.")
        case .notImplemented: self.init(ProblemKind.notImplemented)
        case .versionNotSupported: self.init(ProblemKind.versionNotSupported)
        }
    }

    init(_ error: DestinationError) {
        if error == .blockListed {
            self.init(ProblemKind.blockedDestination)
            return
        }
        self.init(.invalidURL, error.description, status: error.kind == .malformed ? 400 : 422)
    }

    init(_ error: AliasError) { self.init(.invalidAlias, error.message) }

    init(_ error: WriteError) {
        switch error {
        case .aliasTaken: self.init(ProblemKind.aliasTaken)
        case .requestDiffers: self.init(ProblemKind.idempotencyMismatch)
        case .clockWrong: self = .overloaded
        case .notReadByAll: self = .notReadByAll
        case .notFound: self.init(ProblemKind.notFound)
        case .deleted: self = .gone
        case .preconditionFailed: self.init(ProblemKind.preconditionFailed)
        case .overloaded: self = .overloaded
        case .rateCapped(let milliseconds): self = .overloaded.retryAfter(seconds: (milliseconds + 999) / 1000)
        case .storageFull: self.init(ProblemKind.storageFull)
        case .damagedRecord: self = .damagedRecord
        case .stopping: self = .stopping
        }
    }
}
