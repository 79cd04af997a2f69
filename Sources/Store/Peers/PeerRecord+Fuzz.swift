import Links
import Primitives
import Replication

/// Reads `bytes` as what RECORDS and SNAPSHOT-CHUNK carry, and as the body of a record of each kind; traps where records are
/// written otherwise than they were read, or where a store would not find what one of them makes it keep.
package func fuzzPeerRecords(_ bytes: RawSpan) {
    let bytes = [UInt8](bytes)
    let owners = OwnerIndex()
    if let records = try? PeerRecord.decodeAll(bytes) {
        var again: [UInt8] = []
        for record in records {
            record.encode(into: &again)
            check(record, owners)
        }
        precondition(again == bytes)
    }
    // Mutations seldom leave the lengths before a body right.
    let (origin, name) = (Origin(region: 0x31, node: 0, incarnation: 1), LinkKey.alias([0x61]))
    let keys: [RecordKey] = [
        .link(name), .link(.generated(region: origin.region, node: origin.node, number: 16)), .member(NodeID(origin)),
        .key(KeyID(1)), .moderation(.block(name)), .moderation(.report(1)),
        .moderation(.audit(stamp: 1, origin: origin)),
    ]
    for key in keys { check(PeerRecord(key, bytes, stamp: Stamp(rawValue: 1), of: origin), owners) }
}

private func check(_ record: PeerRecord, _ owners: OwnerIndex) {
    let key = record.key
    let found = key.rowKey.withUnsafeBytes { RecordKey(key.table, $0) }
    precondition(found == key && TableID(key.table.bytes.0, key.table.bytes.1) == key.table)
    precondition(RecordKey(requestKey: key.requestKey) == key)
    func change(takesReduced: Bool) -> EntryChange? {
        try? EntryChange(
            key, record.value, stamp: record.stamp, of: record.origin, owners, takesReduced: takesReduced)
    }
    guard let taken = change(takesReduced: true) else { return precondition(change(takesReduced: false) == nil) }
    precondition(!taken.rank.beats(taken.rank, at: key), "a record that comes again changes nothing")
    if let row = taken.ownerRow {
        let position = row.withUnsafeBytes { OwnerIndex.position($0) }
        precondition(position.map { RecordKey.link($0.key) } == key)
    }
    if let claim = taken.claim {
        let (rowKey, row) = (ClaimRow.rowKey(claim.id), claim.sealed)
        let read = rowKey.withUnsafeBytes { key in row.withUnsafeBytes { ClaimRow(key, $0) } }
        precondition(read == claim)
    }
}
