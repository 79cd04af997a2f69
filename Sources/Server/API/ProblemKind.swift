/// The catalogue of errors: every refusal that a port answers with. The answers, the pages below `/problems/` and the
/// descriptions of the interface come from here.
struct ProblemKind: Sendable {
    /// Stable, and what clients rely on.
    let code: String
    /// Of the answer.
    let status: Int
    /// A second one, which the `Problem` then says.
    let otherStatus: Int?
    let title: String
    /// What happened, for the page.
    let happened: String
    /// What whoever met it can do.
    let remedy: String

    private init(
        _ code: String, _ status: Int, _ title: String, _ happened: String, remedy: String, or otherStatus: Int? = nil
    ) {
        (self.code, self.status, self.title, self.otherStatus) = (code, status, title, otherStatus)
        (self.happened, self.remedy) = (happened, remedy)
    }

    var statuses: [Int] { [status] + (otherStatus.map { [$0] } ?? []) }
}

/// Links and what is said of them.
extension ProblemKind {
    static let notFound = ProblemKind(
        "not-found", 404, "No such link", "Nothing is known under this path.",
        remedy: "Check the spelling; codes tell large letters from small ones. "
            + "A link that somebody else owns is not shown either.")
    static let expired = ProblemKind(
        "expired", 410, "The link is no longer available", "It has expired, or was switched off or deleted.",
        remedy: "Ask whoever gave you the link for another one. A deleted code or alias is never given out again.")
    static let blocked = ProblemKind(
        "blocked", 451, "The link is blocked",
        "Whoever runs this service has blocked it, because it was reported or because of where it leads.",
        remedy: "If it should not be, write to whoever runs the service; the link's owner cannot lift it.")
    static let damagedRecord = ProblemKind(
        "damaged-record", 500, "The link cannot be read",
        "Its record fails its checksum, so it is not served. Other links are not affected.",
        remedy: "The operator finds it with edge verify and gets it back from a backup.")
    static let invalidURL = ProblemKind(
        "invalid-url", 422, "The destination is not accepted",
        "The destination is no absolute http or https URL as browsers read it (status 400), or it is one that this "
            + "service leads nobody to (status 422): into a private network, back to itself, with a password in it, or "
            + "under a name that passes for another.",
        remedy: "The detail says what is wrong and at which byte. Give the public address of the page itself.", or: 400)
    static let blockedDestination = ProblemKind(
        "blocked-destination", 422, "The destination is blocked",
        "The destination is on a list of places that this service leads nobody to.",
        remedy: "Give another destination. If the list is wrong about this one, tell the operator.")
    static let lookupFailed = ProblemKind(
        "lookup-failed", 503, "The destination's name cannot be looked up now",
        "This node makes links to names that it can look up only, and had no answer in time. Nothing was changed.",
        remedy: "Ask again after the seconds that Retry-After gives; if it stays so, the name's servers may be down.")
    static let clicksUnavailable = ProblemKind(
        "clicks-unavailable", 503, "The clicks cannot be told now",
        "This node keeps clicks apart from links, and has no place for them at the moment. Links go on working.",
        remedy: "Ask again after the seconds that Retry-After gives; the node's log says what is wrong.")
    static let invalidAlias = ProblemKind(
        "invalid-alias", 422, "The alias is not accepted",
        "It has other characters than letters, digits, - and _, is too short or too long, is reserved, or looks like a "
            + "generated code.",
        remedy: "Choose 3 to 64 such characters; a hyphen makes a name that looks generated acceptable.")
    static let aliasTaken = ProblemKind(
        "alias-taken", 409, "The alias is taken",
        "Another link has it, or had it: an alias belongs to one link for good.",
        remedy: "Choose another alias, or leave it out to get a generated code.")
    static let aliasUnavailable = ProblemKind(
        "alias-unavailable", 503, "Aliases cannot be given now",
        "This node does not reach enough of the regions that decide whose an alias is. Nothing was changed; links with "
            + "generated codes can be made.",
        remedy: "Ask again after the seconds that Retry-After gives, or leave the alias out.")
    static let claimUnknown = ProblemKind(
        "claim-unknown", 503, "Not known yet whose the alias is",
        "The regions that decide about the alias did not answer in time. It may be this request's or become so.",
        remedy: "Send the same request again with the member claim_id of this answer: it then tells, whichever node is "
            + "asked.")
    static let invalidTitle = ProblemKind(
        "invalid-title", 422, "The title is not accepted", "It is too long or has control characters.",
        remedy: "Shorten it to \(LinkLimits.titleBytes) bytes of plain text.")
    static let invalidTags = ProblemKind(
        "invalid-tags", 422, "The tags are not accepted", "They are too many, too long, repeated or not plain text.",
        remedy: "Give at most \(LinkLimits.tags) different ones of 1 to \(LinkLimits.tagBytes) bytes.")
    static let invalidCreation = ProblemKind(
        "invalid-creation", 422, "The time of creation is not accepted", "It lies in the future.",
        remedy: "Leave created_at out, or give the time at which the link was made elsewhere.")
    static let invalidExpiry = ProblemKind(
        "invalid-expiry", 422, "The expiry is not accepted",
        "It is in the past, too far away, no time as RFC 3339 has it, or given in two ways.",
        remedy: "Give either expires_in in seconds, or expires_at like 2030-01-31T12:00:00Z.")
    static let invalidBatch = ProblemKind(
        "invalid-batch", 422, "The batch is not accepted", "It has no entries, or more than one batch may have.",
        remedy: "Send 1 to \(BatchLimits.entries) entries at once.")
    static let batchElsewhere = ProblemKind(
        "batch-elsewhere", 421, "Another node has the batch",
        "A batch stays with the node that took it, and this is another one.",
        remedy: "Ask the node that the detail names; its region and number are the id's first two characters.")
}

/// Writes that are refused for what is there, or are not as safe as they were to be.
extension ProblemKind {
    static let preconditionFailed = ProblemKind(
        "precondition-failed", 412, "The link has changed",
        "If-Match names another version of the link than the one that is there. Nothing was changed.",
        remedy: "Read the link, with the field Edge-Token if another node answered, and send the change with its ETag.")
    static let notReplicated = ProblemKind(
        "not-replicated", 503, "Not yet in other regions",
        "The change was made, and not as many other regions as are to have it had it in time. It stays.",
        remedy: "It needs no repetition, and making a link again makes another one: the member short_code names the "
            + "one that was made. The operator sees in edge status which regions are late.")
}

/// Requests that may come again.
extension ProblemKind {
    static let idempotencyMismatch = ProblemKind(
        "idempotency-mismatch", 422, "The key was used for another request",
        "A request with this Idempotency-Key and another path, body or row of an import was taken in the last 24 "
            + "hours. Nothing was changed.",
        remedy: "Use a new key for a new request, and the same key only to send the same request again.")
    static let invalidIdempotencyKey = ProblemKind(
        "invalid-idempotency-key", 400, "The Idempotency-Key is not accepted",
        "It is empty, too long, has other than visible ASCII characters, or stands beside a claim_id.",
        remedy: "Send 1 to \(RepeatableRequest.keyBytes) visible ASCII characters, a random UUID for example.")
}

/// Who asks, and how much.
extension ProblemKind {
    static let unauthorized = ProblemKind(
        "unauthorized", 401, "Not allowed without a valid key",
        "The request has no key or token where one is needed, or one that is wrong, revoked or expired.",
        remedy: "Send a valid key as Authorization: Bearer KEY, or a token likewise. "
            + "The operator makes keys with edge key create.")
    static let invalidKey = ProblemKind(
        "invalid-key", 422, "The key cannot be made",
        "Its name, scopes, owner or expiry are not accepted; or what tokens are to be revoked by.",
        remedy: "The detail says which and what is right; edge help key lists what there is.")
    static let forbidden = ProblemKind(
        "forbidden", 403, "Not allowed to do this",
        "The key is valid and lacks the scope that this needs; or a route of the admin port was asked for from where it "
            + "is not open.",
        remedy: "The detail names what is wanted. The operator makes keys with edge key create.")
    static let rateLimited = ProblemKind(
        "rate-limited", 429, "Too many requests",
        "This client, or others of its network or with its key, asked more often than one client may.",
        remedy: "Ask again after the seconds that Retry-After gives. RateLimit and RateLimit-Policy say what is left.")
    static let storageFull = ProblemKind(
        "storage-full", 507, "No room for more links",
        "Nothing was changed. Redirects go on; links can be made again when there is room.",
        remedy: "The operator frees disk space, or raises map_size. Ask again later.")
    static let behind = ProblemKind(
        "behind", 503, "This node is behind",
        "The request's token tells of writes that this node has not, nor anybody that it could ask in time; or a change is "
            + "for another node to make, which cannot be reached or is behind itself.",
        remedy: "Ask again after the seconds that Retry-After gives. Without Prefer: consistency=strict a link that is "
            + "here is answered as it is here.")
    static let overloaded = ProblemKind(
        "overloaded", 503, "Too much to do at once",
        "The node has more to do than it can, or is stopping. Nothing was changed.",
        remedy: "Ask again after the seconds that Retry-After gives.")
    static let creationOff = ProblemKind(
        "creation-off", 503, "No links are made at the moment",
        "The operator has turned the making of links off. Nothing was changed; links lead on, and can be changed and "
            + "deleted.",
        remedy: "Ask again after the seconds that Retry-After gives.")
}

/// Requests and bodies that are not understood.
extension ProblemKind {
    static let invalidJSON = ProblemKind(
        "invalid-json", 400, "The body is not what it should be",
        "It is no JSON as RFC 8259 has it, or has a member that is missing, unknown, repeated or of another type.",
        remedy: "The detail says which member or byte. The description of the route lists its members.")
    static let unsupportedMediaType = ProblemKind(
        "unsupported-media-type", 415, "The body is not JSON", "Its Content-Type is another one, or it is compressed.",
        remedy: "Send it as it is, with Content-Type: application/json.")
    static let payloadTooLarge = ProblemKind(
        "payload-too-large", 413, "The body is too large", "It is larger than this node reads.",
        remedy: "Send less at once.")
    static let methodNotAllowed = ProblemKind(
        "method-not-allowed", 405, "The method is not for this path", "The path is there, and takes other methods.",
        remedy: "Use one of those that the field Allow names.")
    static let malformedRequest = ProblemKind(
        "malformed-request", 400, "The request is malformed",
        "It is not HTTP/1.1 as RFC 9112 has it, or could be read in two ways. The connection is closed.",
        remedy: "Use a current HTTP client. If there is a proxy in between, it may have garbled the request.")
    static let requestTimeout = ProblemKind(
        "request-timeout", 408, "The request took too long", "It did not arrive whole within its time.",
        remedy: "Send it again, over a better connection or in smaller parts.")
    static let targetTooLong = ProblemKind(
        "target-too-long", 414, "The path is too long", "Path and query together are longer than this node reads.",
        remedy: "Shorten them.")
    static let expectationFailed = ProblemKind(
        "expectation-failed", 417, "The expectation is unknown", "Expect has another value than 100-continue.",
        remedy: "Leave the field Expect out.")
    static let headTooLarge = ProblemKind(
        "head-too-large", 431, "The head is too large", "It has more fields, or more bytes, than this node reads.",
        remedy: "Send fewer and shorter fields; cookies are not needed here.")
    static let notImplemented = ProblemKind(
        "not-implemented", 501, "The request needs what is not implemented",
        "Its method or its transfer coding is not known here.",
        remedy: "Methods are GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS; the only transfer coding is chunked.")
    static let versionNotSupported = ProblemKind(
        "version-not-supported", 505, "The HTTP version is not supported", "It is neither HTTP/1.0 nor HTTP/1.1.",
        remedy: "Use HTTP/1.1.")
}

/// Queries, and orders and snapshots on the admin port.
extension ProblemKind {
    static let regionsUnchanged = ProblemKind(
        "regions-unchanged", 409, "The acceptors stay as they are",
        "The change of who decides about aliases is none that can be made now.",
        remedy: "The detail says why; edge cluster regions shows what there is.")
    static let invalidQuery = ProblemKind(
        "invalid-query", 400, "The query is not what it should be",
        "A parameter is missing, unknown, repeated or malformed.", remedy: "The detail names it.")
    static let logTruncated = ProblemKind(
        "log-truncated", 410, "The log does not go back so far", "The entries that were asked for have been truncated.",
        remedy: "Begin a copy again. Who follows changes exports all links, and goes on from the position "
            + "in the member after.")
    static let storeUnreadable = ProblemKind(
        "store-unreadable", 500, "A part of the store cannot be read", "What a copy cannot do without is damaged.",
        remedy: "edge verify tells how far. An older backup, or another node, has the rest.")
}

extension ProblemKind {
    /// Those that the public port has no use for.
    static let ofAdminPort = [invalidKey, regionsUnchanged]

    static let all: [ProblemKind] = [
        notFound, expired, blocked, damagedRecord, invalidURL, blockedDestination, lookupFailed, clicksUnavailable,
        invalidAlias, aliasTaken, aliasUnavailable, claimUnknown, invalidTitle, invalidTags, invalidCreation,
        invalidExpiry,
        invalidBatch, batchElsewhere, preconditionFailed, notReplicated, idempotencyMismatch, invalidIdempotencyKey,
        unauthorized, invalidKey, forbidden, rateLimited,
        storageFull, behind, overloaded, creationOff, invalidJSON, unsupportedMediaType, payloadTooLarge,
        methodNotAllowed,
        malformedRequest, requestTimeout, targetTooLong, expectationFailed, headTooLarge, notImplemented,
        versionNotSupported, regionsUnchanged, invalidQuery, logTruncated, storeUnreadable,
    ]

    static func named(_ code: some StringProtocol) -> ProblemKind? { all.first { $0.code == code } }
}
