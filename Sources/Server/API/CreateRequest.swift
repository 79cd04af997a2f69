import Links
import Primitives
import Store

/// The JSON body of a create, as it comes.
struct CreateRequest {
    /// Either form of creating has its own members, and no other is taken: a misspelt one is an error, not ignored.
    enum Form {
        /// `POST /api/v1/urls`
        case full
        /// `POST /shorten`
        case short

        var members: [String] {
            switch self {
            case .full:
                ["long_url", "custom_alias", "claim_id", "expires_in", "expires_at", "title", "tags", "forward_query"]
            case .short: ["long_url", "custom_alias", "claim_id", "expiry"]
            }
        }
    }

    let longURL: String
    let customAlias: String?
    /// Of an earlier attempt to get the alias, as its answer named it.
    let claimID: UInt128?
    let expiresIn: Int64?
    let expiresAt: String?
    let title: String?
    let tags: [String]?
    let forwardsQuery: Bool

    /// Throws a `Problem` that says what is wrong with the body.
    init(_ body: [UInt8], _ form: Form) throws(RefusedRequest) {
        try self.init(try JSONMembers(body, known: form.members), form)
    }

    init(_ members: JSONMembers, _ form: Form) throws(RefusedRequest) {
        longURL = try members.required("long_url", try members.string("long_url"))
        customAlias = try members.string("custom_alias")
        claimID = try Self.claimID(members, hasAlias: customAlias != nil)
        title = try members.string("title")
        tags = try members.strings("tags")
        forwardsQuery = try members.bool("forward_query") ?? false
        switch form {
        case .full:
            expiresIn = try members.integer("expires_in")
            expiresAt = try members.string("expires_at")
        case .short:
            // Seconds from now, or an instant.
            let isInstant = members.holdsString("expiry")
            expiresIn = isInstant ? nil : try members.integer("expiry")
            expiresAt = isInstant ? try members.string("expiry") : nil
        }
    }
}

extension CreateRequest {
    private static func claimID(_ members: JSONMembers, hasAlias: Bool) throws(RefusedRequest) -> UInt128? {
        guard let text = try members.string("claim_id") else { return nil }
        guard let id = UInt128(claimID: text), hasAlias else {
            throw RefusedRequest(
                Problem(
                    .invalidJSON,
                    "The member \"claim_id\" is 32 hexadecimal digits, as an answer gave them, beside custom_alias."))
        }
        return id
    }
}

/// A request that gets a problem for an answer.
struct RefusedRequest: Error {
    let problem: Problem
    init(_ problem: Problem) { self.problem = problem }
}

extension CreateRequest {
    /// The link to make, judged by the rules for destinations, aliases and the rest; and the name of the host that it
    /// leads to, if that is no address.
    func link(
        _ policy: DestinationPolicy, _ space: CodeSpace, now: Instant
    ) throws(RefusedRequest) -> (link: NewLink, hostName: String?) {
        var body = LinkBody()
        let destination = try LinkRules.destination(longURL, policy)
        body.destination = destination.bytes
        body.expiresAt = try LinkRules.expiry(in: expiresIn, at: expiresAt, now: now)
        body.title = try LinkRules.title(title)
        body.tags = try LinkRules.tags(tags ?? [])
        body.claimID = claimID
        if forwardsQuery { body.flags.insert(.forwardsQuery) }
        return (NewLink(alias: try alias(space), body: body), destination.hostName)
    }

    private func alias(_ space: CodeSpace) throws(RefusedRequest) -> Alias? {
        guard let customAlias else { return nil }
        do throws(AliasError) { return try Alias(Array(customAlias.utf8).span.bytes, in: space) } catch {
            throw RefusedRequest(Problem(error))
        }
    }
}

extension UInt128 {
    private static let claimDigits = 32

    /// Nil if it is not what `claimText` gives.
    init?(claimID text: String) {
        guard text.utf8.count == Self.claimDigits, text.utf8.allSatisfy({ $0.isLetterOrDigit }),
            let value = UInt128(text, radix: 16), value != 0
        else { return nil }
        self = value
    }

    /// How clients know a claim.
    var claimText: String {
        let digits = String(self, radix: 16)
        return String(repeating: "0", count: Self.claimDigits - digits.count) + digits
    }
}
