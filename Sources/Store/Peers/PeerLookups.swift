import Links
import Primitives
import Replication

/// What one node tells another of a code that a client of that one asks for.
extension Store {
    /// From one short transaction. A record that is damaged here is as good as none that could be told of.
    func link(of code: [UInt8]) -> LinkAnswer {
        let answer = try? reading { (view, transaction) throws(LMDBError) -> LinkAnswer in
            for key in keys(of: code) {
                guard let handle = view.catalogue.handle(key.table) else { continue }
                let rowKey = RecordKey.link(key).rowKey
                switch try transaction.cursor(handle).search(key.table, rowKey) {
                case .absent: continue
                case .damaged: return LinkAnswer(.behind)
                case .sound(let payload):
                    guard let record = try? TableRecord(.link(key), decoding: payload.bytes),
                        let author = view.names[record.originIndex]
                    else { return LinkAnswer(.behind) }
                    var bytes: [UInt8] = []
                    PeerRecord(.link(key), record, of: author).encode(into: &bytes)
                    return LinkAnswer(.here, reflecting: position(of: author), record: bytes)
                }
            }
            return LinkAnswer(.notHere)
        }
        return answer ?? LinkAnswer(.behind)
    }

    /// What the link of `code` can be stored under, as `LinkReader` looks for it.
    fileprivate func keys(of code: [UInt8]) -> [LinkKey] {
        let decoded: LinkKey? =
            switch codeSpace.decode(code.span.bytes) {
            case .generated(let region, let node, let number):
                .generated(region: region.byte, node: node, number: number)
            case .snowflake(_, _, let number): .snowflake(number: number)
            case nil: nil
            }
        let isAlias = decoded == nil && !codeSpace.hasGeneratedShape(code.span.bytes) || hasShapedAliases
        return (decoded.map { [$0] } ?? []) + (isAlias ? [.alias(code)] : [])
    }

    /// How far the log of whoever wrote last is here; at least as far as that write.
    private func position(of author: Origin) -> LogPosition? {
        guard let life = LifeTag(author), case let head = coverage.head(life), head > 0 else { return nil }
        return LogPosition(life, head)
    }
}

/// A link as another node has it.
package struct RemoteLink: Sendable {
    package let record: StoredRecord
    package let origin: Origin
    package let key: LinkKey
    package let view: RedirectView
    /// Without `view.prefix`.
    package let destination: [UInt8]
    private let rank: RecordRank

    /// What a peer gave for `code`. Nil for anything but that link's one record as some node writes it, stamped no later
    /// than this node would take it in a log.
    package init?(_ bytes: [UInt8], of code: [UInt8], in store: Store, now: Instant) {
        guard let records = try? PeerRecord.decodeAll(bytes), records.count == 1, let record = records.first,
            case .link(let link) = record.key, store.keys(of: code).contains(link),
            let change = try? EntryChange(
                record.key, record.value, stamp: record.stamp, of: record.origin, OwnerIndex(), takesReduced: true),
            let body = try? LinkBody(decoding: record.value.span.bytes),
            let view = try? RedirectView(body: record.value.span.bytes)
        else { return nil }
        let latest = now.advanced(byMilliseconds: ReplicationLimits.clockTolerance)
        guard Stamp(rawValue: record.stamp).instant <= latest else { return nil }
        self.record = StoredRecord(stamp: record.stamp, originIndex: 0, body: body)
        (origin, self.view) = (record.origin, view)
        destination = Array(record.value[view.destinationOffset...])
        (rank, key) = (change.rank, link)
    }

    /// Whether it stands where `local` stands, by the rule of the winner.
    package func beats(_ local: StoredRecord, of author: Origin) -> Bool {
        rank.beats(RecordRank(local.body, stamp: local.stamp, origin: author), at: .link(key))
    }
}
