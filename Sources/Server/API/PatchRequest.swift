import Links
import Primitives

/// The JSON body of a change, as it comes. A member that is not there leaves the link as it is; null takes away what a link
/// need not have.
struct PatchRequest {
    static let removable = ["expires_at", "title", "tags"]
    static let others = ["long_url", "expires_in", "is_active", "forward_query"]

    let longURL: String?
    let expiresIn: Int64?
    let expiresAt: String?
    let title: String?
    let tags: [String]?
    let isActive: Bool?
    let forwardsQuery: Bool?
    /// Those of `removable` that are null.
    let removed: Set<String>

    /// Throws a `Problem` that says what is wrong with the body.
    init(_ body: [UInt8]) throws(RefusedRequest) {
        let members = try JSONMembers(body, known: Self.others + Self.removable)
        for name in Self.others where members.isNull(name) {
            throw RefusedRequest(Problem(.invalidJSON, "The member \"\(name)\" is null, and cannot be taken away."))
        }
        guard !members.isEmpty else {
            let known = (Self.others + Self.removable).sorted().joined(separator: ", ")
            throw RefusedRequest(Problem(.invalidJSON, "The body has no member to change; \(known) can be."))
        }
        longURL = try members.string("long_url")
        expiresIn = try members.integer("expires_in")
        expiresAt = try members.string("expires_at")
        title = try members.string("title")
        tags = try members.strings("tags")
        isActive = try members.bool("is_active")
        forwardsQuery = try members.bool("forward_query")
        removed = Set(Self.removable.filter(members.isNull))
    }

    /// What is to change, judged by the rules for destinations and the rest; and the name of the host that the link leads
    /// to, if that changes and is no address.
    func patch(
        _ policy: DestinationPolicy, now: Instant
    ) throws(RefusedRequest) -> (patch: LinkPatch, hostName: String?) {
        var patch = LinkPatch()
        var hostName: String?
        if let longURL {
            let destination = try LinkRules.destination(longURL, policy)
            (patch.body.destination, hostName) = (destination.bytes, destination.hostName)
            patch.members.insert(.destination)
        }
        if expiresIn != nil, removed.contains("expires_at") {
            throw RefusedRequest(Problem(.invalidExpiry, "Give expires_in or expires_at, not both."))
        }
        patch.body.expiresAt = try LinkRules.expiry(in: expiresIn, at: expiresAt, now: now)
        if patch.body.expiresAt != nil || removed.contains("expires_at") { patch.members.insert(.expiresAt) }
        patch.body.title = try LinkRules.title(title)
        if title != nil || removed.contains("title") { patch.members.insert(.title) }
        patch.body.tags = try LinkRules.tags(tags ?? [])
        if tags != nil || removed.contains("tags") { patch.members.insert(.tags) }
        if let isActive {
            if !isActive { patch.body.flags.insert(.inactive) }
            patch.members.insert(.isActive)
        }
        if let forwardsQuery {
            if forwardsQuery { patch.body.flags.insert(.forwardsQuery) }
            patch.members.insert(.forwardsQuery)
        }
        return (patch, hostName)
    }
}
