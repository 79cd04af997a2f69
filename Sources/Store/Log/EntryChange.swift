import Links
import Primitives

/// What one log entry does to one record.
struct EntryChange {
    let key: RecordKey
    /// The body's bytes, as the origin wrote them.
    let value: [UInt8]
    let rank: RecordRank
    /// The row of `owners` that the link then has; nil: none.
    let ownerRow: [UInt8]?

    /// Kinds that change records; another one is not known.
    static let kinds = [LogEntry.Kind.link, LogEntry.Kind.key]

    /// Malformed is what no origin writes: a body that was cut down, or a generated key that is not its creator's.
    init(_ entry: LogEntry, of origin: Origin, _ owners: OwnerIndex) throws(MalformedBytes) {
        value = entry.value
        if entry.kind == LogEntry.Kind.key {
            key = .key(try KeyID(decoding: entry.key.span.bytes))
            let body = try KeyBody(decoding: entry.value.span.bytes)
            (rank, ownerRow) = (RecordRank(body, stamp: entry.stamp, origin: origin), nil)
        } else {
            let link = try LinkKey(decoding: entry.key.span.bytes)
            let body = try LinkBody(decoding: entry.value.span.bytes)
            guard !body.flags.contains(.reduced) else { throw MalformedBytes() }
            key = .link(link)
            rank = RecordRank(body, stamp: entry.stamp, origin: origin)
            ownerRow = owners.row(of: link, body, stamp: entry.stamp)
            guard Self.canName(link, rank.creation!.origin) else { throw MalformedBytes() }
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
