import Links

/// What decides between two writes of one key: the greatest (deleted, stamp, origin) wins, so that a delete is final.
/// The sequence follows from stamp and origin.
///
/// A generated code belongs to its first creation whatever else was written: two creations of one code are an alarm.
struct RecordRank: Equatable {
    let isDeleted: Bool
    let stamp: UInt64
    let origin: Origin
    /// Nil if it was forgotten when an expired record was cut down.
    let creation: Creation?

    init(_ body: LinkBody, stamp: UInt64, origin: Origin) {
        isDeleted = body.flags.contains(.deleted)
        (self.stamp, self.origin) = (stamp, origin)
        creation = body.creation ?? (body.flags.contains(.reduced) ? nil : Creation(stamp: stamp, origin: origin))
    }

    init(_ body: KeyBody, stamp: UInt64, origin: Origin) {
        isDeleted = body.flags.contains(.deleted)
        (self.stamp, self.origin) = (stamp, origin)
        creation = body.creation ?? Creation(stamp: stamp, origin: origin)
    }

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
        if isDeleted != other.isDeleted { return isDeleted }
        return (stamp, origin) > (other.stamp, other.origin)
    }
}

/// What a record is stored under.
enum RecordKey: Equatable {
    case link(LinkKey)
    case key(KeyID)

    var table: TableID {
        switch self {
        case .link(let key): key.table
        case .key: .keys
        }
    }

    /// In its table.
    var rowKey: [UInt8] {
        switch self {
        case .link(let key): key.rowKey
        case .key(let id): id.bytes
        }
    }

    /// In log entries and digests.
    var entryKey: [UInt8] {
        switch self {
        case .link(let key):
            var bytes: [UInt8] = []
            key.encode(into: &bytes)
            return bytes
        case .key(let id): return id.bytes
        }
    }

    var bucket: DigestBucket {
        switch self {
        case .link(let key): DigestBucket(key)
        case .key(let id): DigestBucket(id)
        }
    }

    /// A number that a node made up, and so nobody else's.
    var isGenerated: Bool {
        switch self {
        case .link(.generated), .link(.snowflake): true
        case .link(.alias), .key: false
        }
    }
}
