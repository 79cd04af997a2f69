import Primitives

/// Who decided that a link is blocked, or is not.
package enum BlockSource: Hashable, Sendable {
    /// Somebody with the scope `admin`: no list overrides it.
    case decision
    /// A list of known addresses, by its name.
    case list(String)
}

/// Whether a link is blocked, and why. It has a key of its own, so that nothing that the link's owner does undoes it. A
/// block that was lifted stays as that, because it tells lists to leave the link alone.
package struct BlockBody: Equatable, Sendable {
    package var isBlocked = true
    package var source = BlockSource.decision
    package var reason = ""
    /// The principal that decided.
    package var by: [UInt8] = []
    /// How often a list has taken the place of somebody's decision since.
    package var turn: UInt8 = 0
    /// Of a decision that the link is not to be blocked: the hash of the destination that this was said of. Where the link
    /// leads elsewhere by now, lists judge it again.
    package var liftedFor: [UInt8] = []
    package var unknown: [UnknownField] = []

    package init() {}

    enum Tag {
        static let reason: UInt64 = 1
        static let by: UInt64 = 3
        static let list: UInt64 = 5
        static let turn: UInt64 = 7
        static let liftedFor: UInt64 = 8
    }

    /// Whether the block that begins with these flags is in force.
    package static func isBlocked(flags: UInt8) -> Bool { !LinkBody.Flags(rawValue: flags).contains(.inactive) }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(isBlocked ? 0 : LinkBody.Flags.inactive.rawValue)
        var fields = unknown
        fields.append(UnknownField(tag: Tag.reason, content: Array(reason.utf8)))
        fields.append(UnknownField(tag: Tag.by, content: by))
        if case .list(let name) = source {
            fields.append(UnknownField(tag: Tag.list, content: Array(name.utf8)))
        }
        if turn > 0 { fields.append(UnknownField(tag: Tag.turn, content: [turn])) }
        if !liftedFor.isEmpty { fields.append(UnknownField(tag: Tag.liftedFor, content: liftedFor)) }
        bytes.append(sorting: fields)
    }

    /// Takes the whole of `bytes`.
    package init(decoding bytes: RawSpan) throws(MalformedBytes) {
        var bytes = bytes
        let flags = LinkBody.Flags(rawValue: try bytes.takeByte())
        guard flags.isSubset(of: .inactive) else { throw MalformedBytes() }
        isBlocked = Self.isBlocked(flags: flags.rawValue)
        var tag: UInt64 = 0
        while bytes.byteCount > 0 {
            let content = try bytes.takeField(after: &tag)
            switch tag {
            case Tag.reason: reason = try String(field: content)
            case Tag.by: by = content
            case Tag.list: source = .list(try String(field: content))
            case Tag.turn:
                guard content.count == 1, content[0] > 0 else { throw MalformedBytes() }
                turn = content[0]
            case Tag.liftedFor:
                guard !content.isEmpty else { throw MalformedBytes() }
                liftedFor = content
            default: unknown.append(UnknownField(tag: tag, content: content))
            }
        }
    }
}
