import Import
import Links
import Primitives
import Replication
import Store

/// By what the links of one import are judged: what holds for links that are made, but that a link may have been made
/// elsewhere before, and with what it had there.
struct ImportRules: Sendable {
    static let parameters = [QueryParameter("dry_run", "Judges, and makes nothing.", ["const": "true"])]

    let policy: DestinationPolicy
    let nameRule: NameRule?
    /// Whom the links belong to.
    let principal: [UInt8]?
    /// The links may belong to whom their rows name.
    let takesOwners: Bool

    /// The link to make, and the name of the host that it leads to, if that is no address.
    func link(
        of row: ImportedLink, now: Instant
    ) throws(RefusedRequest) -> (link: NewLink, hostName: String?) {
        var body = LinkBody()
        let destination = try LinkRules.destination(row.longURL, policy)
        body.destination = destination.bytes
        body.title = try LinkRules.title(row.title)
        body.tags = try LinkRules.tags(row.tags)
        body.importedCreation = try creation(row.createdAt, now)
        body.expiresAt = try expiry(row.expiresAt, now)
        body.owner = try owner(row.owner)
        if row.forwardsQuery { body.flags.insert(.forwardsQuery) }
        if !row.isActive { body.flags.insert(.inactive) }
        return (NewLink(alias: try alias(row.code), body: body), destination.hostName)
    }

    /// It may look like a generated code; who decides about it then is another question.
    private func alias(_ code: String?) throws(RefusedRequest) -> Alias? {
        guard let code else { return nil }
        do throws(AliasError) { return try Alias(imported: Array(code.utf8).span.bytes) } catch {
            throw RefusedRequest(Problem(error))
        }
    }

    private func creation(_ instant: Instant?, _ now: Instant) throws(RefusedRequest) -> Instant? {
        guard let instant else { return nil }
        // The clock of whoever made the link may be ahead of this one.
        guard instant <= now.advanced(byMilliseconds: ReplicationLimits.clockTolerance) else {
            throw RefusedRequest(Problem(.invalidCreation))
        }
        return instant
    }

    /// One in the past is kept: the code then answers 410, and is nobody else's.
    private func expiry(_ instant: Instant?, _ now: Instant) throws(RefusedRequest) -> Instant? {
        guard let instant else { return nil }
        guard instant.millisecondsSince(now) <= LinkLimits.expiresInSeconds * 1000 else {
            throw RefusedRequest(Problem(.invalidExpiry, "It is more than a hundred years away."))
        }
        return instant
    }

    /// What an import of so many rows of other owners is in the audit trail; nil if it is nothing there.
    func act(onRows count: Int) -> AuditBody? {
        guard count > 0, let principal else { return nil }
        return AuditBody("import", on: "\(count) rows", by: principal)
    }

    private func owner(_ owner: String?) throws(RefusedRequest) -> [UInt8]? {
        guard takesOwners, let owner else { return principal }
        guard KeyLimits.principalBytes.contains(owner.utf8.count), isPlain(owner) else {
            throw RefusedRequest(
                Problem(.invalidJSON, "The owner has 1 to \(KeyLimits.principalBytes.upperBound) bytes of plain text."))
        }
        return Array(owner.utf8)
    }
}
