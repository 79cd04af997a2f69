import Primitives

extension LinkBody {
    /// Whether it says more than has to stay of a link that nobody can follow any more: one that expired before `instant`,
    /// or a tombstone that still has what it had; written before `instant` either way, so that no recent change is lost.
    package func isReducible(before instant: Instant, stamp: UInt64) -> Bool {
        guard !flags.contains(.reduced), Stamp(rawValue: stamp).instant < instant else { return false }
        guard flags.contains(.deleted) else { return expiresAt.map { $0 < instant } ?? false }
        return !destination.isEmpty || expiresAt != nil || owner != nil || title != nil || !tags.isEmpty
            || !unknown.isEmpty
    }

    /// Nobody has changed it, or cut it down.
    package var isAsMade: Bool { creation == nil && !flags.contains(.reduced) }

    /// What the rule of the winner, and later changes of the link, need: who made it, and that it is deleted.
    package var reduced: LinkBody {
        var body = LinkBody()
        body.flags = flags.intersection(.deleted).union(.reduced)
        (body.creation, body.claimID, body.importedCreation) = (creation, claimID, importedCreation)
        return body
    }
}
