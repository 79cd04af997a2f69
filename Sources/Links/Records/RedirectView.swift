import Primitives

/// What a redirect needs of a stored link, found without copying or allocating.
package struct RedirectView: Equatable, Sendable {
    package var flags: LinkBody.Flags
    /// Milliseconds since 1970; `.max` if the link does not expire.
    package var expiresAtMilliseconds: Int64
    /// Where the destination's stored part begins, counted from the body's first byte; it runs to the body's end.
    package var destinationOffset: Int

    /// The prefix to be put before the stored part.
    package var prefix: StaticString { LinkBody.prefixes[Int(flags.rawValue & LinkBody.Flags.prefixMask.rawValue)] }

    /// What a kept answer has behind its destination: when the link expires, and, as the complement of that, that the
    /// visitor's query is appended. One word for both, so that links without it cost nothing more.
    package var keptWord: Int64 { flags.contains(.forwardsQuery) ? ~expiresAtMilliseconds : expiresAtMilliseconds }

    /// Whether the link redirects at `now`; if not, it answers 410.
    package func redirects(at now: Instant) -> Bool {
        flags.isDisjoint(with: [.inactive, .deleted, .reduced]) && now.milliseconds < expiresAtMilliseconds
    }

    package init(body: RawSpan) throws(MalformedBytes) {
        var rest = body
        flags = LinkBody.Flags(rawValue: try rest.takeByte())
        guard !flags.contains(.reserved) else { throw MalformedBytes() }
        expiresAtMilliseconds = .max
        var length = 0
        if flags.contains(.hasFields) {
            length = try rest.takeLength()
            var fields = rest.extracting(..<length)
            // Fields ascend by tag, and the expiry's is the lowest: it stands first or nowhere.
            if try fields.takeVarint() == LinkBody.Tag.expiresAt {
                guard try fields.takeLength() == 6 else { throw MalformedBytes() }
                expiresAtMilliseconds = Int64(try fields.takeUInt48())
            }
        }
        destinationOffset = body.byteCount - rest.byteCount + length
    }
}
