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
                    if let block = try blockRecord(of: key, view, transaction) { block.encode(into: &bytes) }
                    return LinkAnswer(.here, reflecting: position(of: author), record: bytes)
                }
            }
            return LinkAnswer(.notHere)
        }
        return answer ?? LinkAnswer(.behind)
    }

    /// Behind the link its block, so that a token that tells of a block is kept.
    private func blockRecord(
        of link: LinkKey, _ view: StoreView, _ transaction: ReadTransaction
    ) throws(LMDBError) -> PeerRecord? {
        guard case .block(let block) = try view.block(of: link, transaction) else { return nil }
        var value: [UInt8] = []
        block.body.encode(into: &value)
        return PeerRecord(.moderation(.block(link)), value, stamp: block.stamp, of: block.origin)
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
    /// By what both nodes know of blocks; also if it cannot be told.
    package let isBlocked: Bool
    private let rank: RecordRank

    /// What a peer gave for `code`. Nil for anything but that link's one record as some node writes it, and behind that its
    /// block's if there is one, stamped no later than this node would take them in a log.
    package init?(_ bytes: [UInt8], of code: [UInt8], in store: Store, now: Instant) {
        guard let records = try? PeerRecord.decodeAll(bytes), records.count <= 2, let record = records.first,
            case .link(let link) = record.key, store.keys(of: code).contains(link),
            let change = try? EntryChange(
                record.key, record.value, stamp: record.stamp, of: record.origin, OwnerIndex(), takesReduced: true),
            let body = try? LinkBody(decoding: record.value.span.bytes),
            let view = try? RedirectView(body: record.value.span.bytes)
        else { return nil }
        let latest = now.advanced(byMilliseconds: ReplicationLimits.clockTolerance)
        guard records.allSatisfy({ Stamp(rawValue: $0.stamp).instant <= latest }) else { return nil }
        self.record = StoredRecord(stamp: record.stamp, originIndex: 0, body: body)
        (origin, self.view) = (record.origin, view)
        destination = Array(record.value[view.destinationOffset...])
        (rank, key) = (change.rank, link)
        var theirs: StoredBlock?
        if records.count == 2 {
            let block = records[1]
            guard block.key == .moderation(.block(link)), let body = try? BlockBody(decoding: block.value.span.bytes)
            else { return nil }
            theirs = StoredBlock(key: link, body: body, stamp: Stamp(rawValue: block.stamp), origin: block.origin)
        }
        isBlocked = (try? store.findBlock(link))?.isInForce(beside: theirs) ?? true
    }

    /// Whether it stands where `local` stands, by the rule of the winner.
    package func beats(_ local: StoredRecord, of author: Origin) -> Bool {
        rank.beats(RecordRank(local.body, stamp: local.stamp, origin: author), at: .link(key))
    }
}
