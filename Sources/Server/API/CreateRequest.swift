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
            case .full: ["long_url", "custom_alias", "claim_id", "expires_in", "expires_at", "title", "tags"]
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

    /// Throws a `Problem` that says what is wrong with the body.
    init(_ body: [UInt8], _ form: Form) throws(RefusedRequest) {
        let members = try JSONMembers(body, known: form.members)
        longURL = try members.required("long_url", try members.string("long_url"))
        customAlias = try members.string("custom_alias")
        claimID = try Self.claimID(members, hasAlias: customAlias != nil)
        title = try members.string("title")
        tags = try members.strings("tags")
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

/// Bounds of what a user may say of a link.
enum LinkLimits {
    static let titleBytes = 512
    static let tags = 16
    static let tagBytes = 64
    /// A hundred years.
    static let expiresInSeconds: Int64 = 3_155_760_000
}

extension CreateRequest {
    /// The link to make, judged by the rules for destinations, aliases and the rest; and the name of the host that it
    /// leads to, if that is no address.
    func link(
        _ policy: DestinationPolicy, _ space: CodeSpace, now: Instant
    ) throws(RefusedRequest) -> (link: NewLink, hostName: String?) {
        var body = LinkBody()
        let destination: Destination
        do throws(DestinationError) { destination = try Destination(longURL, policy: policy) } catch {
            throw RefusedRequest(Problem(error))
        }
        body.destination = destination.bytes
        body.expiresAt = try expiry(now)
        if let title {
            guard title.utf8.count <= LinkLimits.titleBytes, isPlain(title) else {
                throw RefusedRequest(
                    Problem(
                        .invalidTitle,
                        "At most \(LinkLimits.titleBytes) bytes without control characters are taken."))
            }
            body.title = title
        }
        body.tags = try checkedTags()
        body.claimID = claimID
        return (NewLink(alias: try alias(space), body: body), destination.hostName)
    }

    private func alias(_ space: CodeSpace) throws(RefusedRequest) -> Alias? {
        guard let customAlias else { return nil }
        do throws(AliasError) { return try Alias(Array(customAlias.utf8).span.bytes, in: space) } catch {
            throw RefusedRequest(Problem(error))
        }
    }

    private func expiry(_ now: Instant) throws(RefusedRequest) -> Instant? {
        func refused(_ detail: String) -> RefusedRequest {
            RefusedRequest(Problem(.invalidExpiry, detail))
        }
        if expiresIn != nil, expiresAt != nil { throw refused("Give expires_in or expires_at, not both.") }
        if let expiresIn {
            guard (1...LinkLimits.expiresInSeconds).contains(expiresIn) else {
                throw refused("It is a number of seconds from 1 to \(LinkLimits.expiresInSeconds).")
            }
            return now.advanced(byMilliseconds: expiresIn * 1000)
        }
        guard let expiresAt else { return nil }
        guard let instant = Instant(rfc3339: expiresAt) else {
            throw refused("It is no time as RFC 3339 has it, like 2030-01-31T12:00:00Z.")
        }
        guard instant > now else { throw refused("It is in the past.") }
        guard instant.millisecondsSince(now) <= LinkLimits.expiresInSeconds * 1000 else {
            throw refused("It is more than a hundred years away.")
        }
        return instant
    }

    private func checkedTags() throws(RefusedRequest) -> [String] {
        let tags = tags ?? []
        let areFine = tags.allSatisfy { (1...LinkLimits.tagBytes).contains($0.utf8.count) && isPlain($0) }
        guard tags.count <= LinkLimits.tags, areFine, Set(tags).count == tags.count else {
            throw RefusedRequest(
                Problem(
                    .invalidTags,
                    "At most \(LinkLimits.tags) different ones of 1 to \(LinkLimits.tagBytes) bytes without control "
                        + "characters are taken."))
        }
        return tags
    }
}

/// Whether `text` may be kept and shown: it has no control characters.
func isPlain(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
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
