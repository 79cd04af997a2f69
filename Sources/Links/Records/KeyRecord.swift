import Primitives

/// All that an API key is, apart from its secret: the value of a log entry of kind 3, and the tail of a `KeyRecord`.
///
///     flags        1      inactive and deleted, as in a body; the others must be zero
///     fields       to the end, in ascending order of tag: tag (varint), length (varint), content
///
/// A field of an unknown tag, and a scope of an unknown name, are kept and passed on.
package struct KeyBody: Equatable, Sendable {
    /// `inactive`: switched off. `deleted`: revoked, which is final.
    package var flags: LinkBody.Flags = []
    /// SHA-256 of the secret part: 32 bytes. A revoked key has none.
    package var secretHash: [UInt8]?
    /// Absent where this write is the create.
    package var creation: Creation?
    /// Whom the key's links belong to.
    package var principal: [UInt8] = []
    /// Names of what it allows.
    package var scopes: [String] = []
    /// What people call it.
    package var label = ""
    package var expiresAt: Instant?
    /// Set in what is no key: `label` is the claim of the tokens that it revokes.
    package var revokes: TokenClaim?
    package var unknown: [UnknownField] = []

    package init() {}

    enum Tag {
        static let secretHash: UInt64 = 1
        static let creation: UInt64 = 2
        static let principal: UInt64 = 3
        static let scopes: UInt64 = 4
        static let label: UInt64 = 5
        static let expiresAt: UInt64 = 6
        static let revokes: UInt64 = 7
    }

    private static let knownFlags: LinkBody.Flags = [.inactive, .deleted]

    /// What a key of which these are the words allows at `now`.
    package enum State: String, Sendable { case active, inactive, expired, revoked }

    package func state(at now: Instant) -> State {
        if flags.contains(.deleted) { return .revoked }
        if let expiresAt, expiresAt <= now { return .expired }
        return flags.contains(.inactive) ? .inactive : .active
    }

    /// The tombstone of this key, which was created as `creation` says: it tells what there was, and opens nothing.
    package func revoked(_ creation: Creation) -> KeyBody {
        var body = self
        body.flags = .deleted
        body.secretHash = nil
        body.creation = creation
        return body
    }

    package func encode(into bytes: inout [UInt8]) {
        precondition(flags.isSubset(of: Self.knownFlags))
        bytes.append(flags.rawValue)
        if let secretHash { bytes.append(field: Tag.secretHash, secretHash) }
        if let creation {
            var content: [UInt8] = []
            creation.encode(into: &content)
            bytes.append(field: Tag.creation, content)
        }
        bytes.append(field: Tag.principal, principal)
        var names: [UInt8] = []
        for scope in scopes { names.append(lengthPrefixed: Array(scope.utf8)) }
        bytes.append(field: Tag.scopes, names)
        bytes.append(field: Tag.label, Array(label.utf8))
        if let expiresAt {
            var content: [UInt8] = []
            content.append(bigEndian48: expiresAt.storable)
            bytes.append(field: Tag.expiresAt, content)
        }
        if let revokes { bytes.append(field: Tag.revokes, [revokes.rawValue]) }
        for extra in unknown { bytes.append(field: extra.tag, extra.content) }
    }

    /// Takes the whole of `bytes`.
    package init(decoding bytes: RawSpan) throws(MalformedBytes) {
        var bytes = bytes
        flags = LinkBody.Flags(rawValue: try bytes.takeByte())
        guard flags.isSubset(of: Self.knownFlags) else { throw MalformedBytes() }
        var tag: UInt64 = 0
        while bytes.byteCount > 0 {
            let content = try bytes.takeField(after: &tag)
            try decodeField(tag, content)
        }
    }

    private mutating func decodeField(_ tag: UInt64, _ content: [UInt8]) throws(MalformedBytes) {
        var span = unsafe content.span.bytes
        switch tag {
        case Tag.secretHash:
            secretHash = try span.takeBytes(32)
        case Tag.creation: creation = try Creation(decoding: &span)
        case Tag.principal: principal = try span.takeBytes(span.byteCount)
        case Tag.scopes: while span.byteCount > 0 { scopes.append(try String(field: try span.takeLengthPrefixed())) }
        case Tag.label: label = try String(field: try span.takeBytes(span.byteCount))
        case Tag.expiresAt: expiresAt = Instant(milliseconds: Int64(try span.takeUInt48()))
        case Tag.revokes where TokenClaim(rawValue: content.first ?? 0) != nil:
            revokes = TokenClaim(rawValue: try span.takeByte())
        default: unknown.append(UnknownField(tag: tag, content: try span.takeBytes(span.byteCount)))
        }
        guard span.byteCount == 0 else { throw MalformedBytes() }
    }
}

/// What JSON Web Tokens are revoked by.
package enum TokenClaim: UInt8, Sendable {
    /// The one token of that name, for good.
    case jti = 1
    /// All tokens of that subject that were issued up to then.
    case sub = 2
}

/// The payload of a row in the table `keys`: stamp (8), origin index (varint), body.
package struct KeyRecord: Equatable, Sendable {
    package var stamp: UInt64
    package var originIndex: UInt16
    package var body: KeyBody

    package init(decoding bytes: RawSpan) throws(MalformedBytes) {
        var bytes = bytes
        stamp = try bytes.takeUInt64()
        originIndex = try StoredRecord.takeOriginIndex(&bytes)
        body = try KeyBody(decoding: bytes)
    }
}
