import Links
import Primitives
import Replication

/// What decides between two writes of one key: the greatest (final, stamp, origin) wins, so that nothing undoes a delete.
/// The sequence follows from stamp and origin.
///
/// Several nodes may log the creation that won a claim: whoever finds it undone. To what users did since, none of these is later,
/// whatever its stamp.
///
/// A generated code belongs to its first creation whatever else was written: two creations of one code are an alarm.
struct RecordRank: Equatable {
    /// What has less never stands where this was: 1 of what is deleted or decided, else 0; of blocks see `BlockBody.rank`.
    let precedence: Int
    let stamp: UInt64
    let origin: Origin
    /// Nil of what has none that would count.
    let creation: Creation?
    /// The creation that a claim decided on, and nothing that was done to the link after.
    let isClaimed: Bool

    init(_ body: LinkBody, stamp: UInt64, origin: Origin) {
        precedence = body.flags.contains(.deleted) ? 1 : 0
        (self.stamp, self.origin) = (stamp, origin)
        creation = body.creation ?? Creation(stamp: stamp, origin: origin)
        isClaimed = body.claimID != nil && body.creation == nil
    }

    /// Of what has no creation that would count.
    init(isFinal: Bool, stamp: UInt64, origin: Origin) {
        self.init(precedence: isFinal ? 1 : 0, stamp: stamp, origin: origin)
    }

    /// Of what has no creation that would count.
    init(precedence: Int, stamp: UInt64, origin: Origin) {
        (self.precedence, self.stamp, self.origin, creation, isClaimed) = (precedence, stamp, origin, nil, false)
    }

    /// Deleted, or decided.
    var isFinal: Bool { precedence > 0 }

    /// Whether this write and `other` are of one creation.
    func sharesCreation(with other: RecordRank) -> Bool {
        guard let creation, let theirs = other.creation else { return true }
        return creation == theirs
    }

    /// Whether this write stands where `other` stood.
    func beats(_ other: RecordRank, at key: RecordKey) -> Bool {
        if key.isGenerated, !sharesCreation(with: other), let creation, let theirs = other.creation {
            return (creation.stamp, creation.origin) < (theirs.stamp, theirs.origin)
        }
        if precedence != other.precedence { return precedence > other.precedence }
        if isClaimed != other.isClaimed { return other.isClaimed }
        return (stamp, origin) > (other.stamp, other.origin)
    }
}

/// What a record is stored under.
enum RecordKey: Equatable {
    case link(LinkKey)
    case member(NodeID)
    case key(KeyID)
    case moderation(ModerationKey)

    /// Of a log entry; nil for a kind that is not known.
    init?(kind: UInt8, _ bytes: RawSpan) throws(MalformedBytes) {
        switch kind {
        case LogEntry.Kind.link: self = .link(try LinkKey(decoding: bytes))
        case LogEntry.Kind.member: self = .member(try NodeID(decoding: bytes))
        case LogEntry.Kind.key: self = .key(try KeyID(decoding: bytes))
        case LogEntry.Kind.moderation: self = .moderation(try ModerationKey(decoding: bytes))
        default: return nil
        }
    }

    /// Of a row; nil if the key is malformed, or the table holds no records.
    init?(_ table: TableID, _ rowKey: UnsafeRawBufferPointer) {
        if let link = LinkKey(table: table, rowKey: rowKey) {
            self = .link(link)
        } else if table == .members, let node = try? NodeID(decoding: rowKey.bytes) {
            self = .member(node)
        } else if table == .keys, let id = try? KeyID(decoding: rowKey.bytes) {
            self = .key(id)
        } else if table == .blocks, let key = try? ModerationKey(decoding: rowKey.bytes) {
            self = .moderation(key)
        } else {
            return nil
        }
    }

    /// Of its log entries.
    var kind: UInt8 {
        switch self {
        case .link: LogEntry.Kind.link
        case .member: LogEntry.Kind.member
        case .key: LogEntry.Kind.key
        case .moderation: LogEntry.Kind.moderation
        }
    }

    var table: TableID {
        switch self {
        case .link(let key): key.table
        case .member: .members
        case .key: .keys
        case .moderation: .blocks
        }
    }

    /// In its table.
    var rowKey: [UInt8] {
        switch self {
        case .link(let key): key.rowKey
        case .member(let node): node.bytes
        case .key(let id): id.bytes
        case .moderation(let key): key.bytes
        }
    }

    /// In log entries and digests.
    var entryKey: [UInt8] {
        switch self {
        case .link(let key):
            var bytes: [UInt8] = []
            key.encode(into: &bytes)
            return bytes
        case .member(let node): return node.bytes
        case .key(let id): return id.bytes
        case .moderation(let key): return key.bytes
        }
    }

    var bucket: DigestBucket {
        switch self {
        case .link(let key): DigestBucket(key)
        case .member(let node): DigestBucket(node)
        case .key(let id): DigestBucket(id)
        case .moderation(let key): DigestBucket(key)
        }
    }

    /// The link whose answer hangs on the record.
    var answeredLink: LinkKey? {
        switch self {
        case .link(let key), .moderation(.block(let key)): key
        case .member, .key, .moderation: nil
        }
    }

    /// A number that a node made up, and so nobody else's.
    var isGenerated: Bool {
        switch self {
        case .link(.generated), .link(.snowflake): true
        case .link(.alias), .member, .key, .moderation: false
        }
    }
}

extension NodeID {
    /// Region and node: the key of a member's entries and records.
    package var bytes: [UInt8] { [region, node] }

    /// Takes the whole of `bytes`.
    init(decoding bytes: RawSpan) throws(MalformedBytes) {
        var bytes = bytes
        self.init(region: try bytes.takeByte(), node: try bytes.takeByte())
        guard bytes.byteCount == 0, RegionCharacter(region) != nil, node < 16 else { throw MalformedBytes() }
    }
}
