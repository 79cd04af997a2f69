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
            case .full: ["long_url", "custom_alias", "expires_in", "expires_at", "title", "tags"]
            case .short: ["long_url", "custom_alias", "expiry"]
            }
        }
    }

    let longURL: String
    let customAlias: String?
    let expiresIn: Int64?
    let expiresAt: String?
    let title: String?
    let tags: [String]?

    /// Throws a `Problem` that says what is wrong with the body.
    init(_ body: [UInt8], _ form: Form) throws(RefusedRequest) {
        let members = try JSONMembers(body, known: form.members)
        longURL = try members.required("long_url", try members.string("long_url"))
        customAlias = try members.string("custom_alias")
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
