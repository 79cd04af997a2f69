import Primitives

/// What a user changes of a link; the rest stays as it is by then. Between nodes:
///
///     members  1          which of the body's count: see Members; at least one
///     body     the rest   LinkBody
package struct LinkPatch: Equatable, Sendable {
    package struct Members: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let destination = Members(rawValue: 1 << 0)
        /// That there is none counts too, as with title and tags.
        package static let expiresAt = Members(rawValue: 1 << 1)
        package static let title = Members(rawValue: 1 << 2)
        package static let tags = Members(rawValue: 1 << 3)
        /// Whether the flag `inactive` is set.
        package static let isActive = Members(rawValue: 1 << 4)
        /// The flag of that name.
        package static let forwardsQuery = Members(rawValue: 1 << 5)

        static let all: Members = [.destination, .expiresAt, .title, .tags, .isActive, .forwardsQuery]

        /// Those flags of the body that count.
        var flags: LinkBody.Flags {
            var flags: LinkBody.Flags = []
            if contains(.isActive) { flags.insert(.inactive) }
            if contains(.forwardsQuery) { flags.insert(.forwardsQuery) }
            return flags
        }
    }

    package var members: Members = []
    package var body = LinkBody()

    package init() {}

    package func applied(to link: LinkBody) -> LinkBody {
        var link = link
        if members.contains(.destination) { link.destination = body.destination }
        if members.contains(.expiresAt) { link.expiresAt = body.expiresAt }
        if members.contains(.title) { link.title = body.title }
        if members.contains(.tags) { link.tags = body.tags }
        link.flags.subtract(members.flags)
        link.flags.formUnion(body.flags.intersection(members.flags))
        return link
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(members.rawValue)
        body.encode(into: &bytes)
    }

    /// Takes the whole of `bytes`. Malformed too is a member that this program does not know, and an empty destination.
    package init(decoding bytes: RawSpan) throws(MalformedBytes) {
        var bytes = bytes
        members = Members(rawValue: try bytes.takeByte())
        body = try LinkBody(decoding: bytes)
        guard !members.isEmpty, members.isSubset(of: .all),
            !members.contains(.destination) || !body.destination.isEmpty
        else { throw MalformedBytes() }
    }
}
