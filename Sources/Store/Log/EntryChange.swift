import Links
import Primitives

/// What one log entry, or a record that came from a peer, does to one record.
struct EntryChange {
    let key: RecordKey
    /// The body's bytes, as the origin wrote them.
    let value: [UInt8]
    let rank: RecordRank
    /// The row of `owners` that the link then has; nil: none.
    let ownerRow: [UInt8]?
    /// The row of `claims` that the link's creation has; nil: none.
    let claim: ClaimRow?

    var isReport: Bool { if case .moderation(.report) = key { true } else { false } }
    /// A report that nobody has decided yet: a decision is final.
    var isOpenReport: Bool { isReport && !rank.isFinal }

    /// Kinds that change records; another one is not known.
    static let kinds = [LogEntry.Kind.link, LogEntry.Kind.member, LogEntry.Kind.key, LogEntry.Kind.moderation]

    /// Malformed is what no origin writes: a body that was cut down, or a generated key that is not its creator's.
    init(_ entry: LogEntry, of origin: Origin, _ owners: OwnerIndex) throws(MalformedBytes) {
        guard let key = try RecordKey(kind: entry.kind, entry.key.span.bytes) else { throw MalformedBytes() }
        try self.init(key, entry.value, stamp: entry.stamp, of: origin, owners, takesReduced: false)
    }

    /// `takesReduced`: nodes cut records down at different times, and pass them on so.
    init(
        _ key: RecordKey, _ value: [UInt8], stamp: UInt64, of origin: Origin, _ owners: OwnerIndex, takesReduced: Bool
    ) throws(MalformedBytes) {
        (self.key, self.value) = (key, value)
        let body = try RecordBody(key, decoding: value.span.bytes)
        rank = body.rank(stamp: stamp, origin: origin)
        ownerRow = body.ownerRow(key, stamp: stamp, owners)
        claim = body.claim(key, stamp: stamp, of: origin)
        guard takesReduced || !body.isReduced else { throw MalformedBytes() }
        if case .link(let link) = key, let creation = rank.creation {
            guard Self.canName(link, creation.origin) else { throw MalformedBytes() }
        }
    }

    private static func canName(_ key: LinkKey, _ creator: Origin) -> Bool {
        switch key {
        case .generated(let region, let node, let number):
            RegionCharacter(region) != nil && number < Base62.sevenCharacters
                && GeneratedNumber.node(of: number) == node && creator.region == region && creator.node == node
        case .snowflake(let number):
            RegionCharacter(index: Snowflake(number: number).regionIndex)?.byte == creator.region
                && Snowflake(number: number).node == creator.node && creator.node < 16
        case .alias: true
        }
    }
}

extension OwnerIndex {
    /// Of a link whose last write was stamped `stamp`; nil for one that nobody owns, or that is deleted.
    func row(of key: LinkKey, _ body: LinkBody, stamp: UInt64) -> [UInt8]? {
        guard let owner = body.owner, !body.flags.contains(.deleted) else { return nil }
        let created = body.importedCreation ?? Stamp(rawValue: body.creation?.stamp ?? stamp).instant
        return self.key(owner, createdAt: created, key)
    }
}
