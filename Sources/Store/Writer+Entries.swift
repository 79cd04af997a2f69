import Links
import Primitives

/// What every kind of entry is written with: its record, itself at the end of the log, its share of a digest.
extension Writer {
    /// The value of the row that the entry's record stands in.
    func sealedRecord(_ table: TableID, _ rowKey: [UInt8], _ stamp: Stamp, _ body: [UInt8]) -> [UInt8] {
        Row.sealed(table, rowKey, payloadBytes: 12 + body.count) { payload in
            payload.append(bigEndian: stamp.rawValue)
            payload.append(varint: UInt64(state.originIndex))
            payload += body
        }
    }

    func log(
        _ kind: UInt8, _ key: [UInt8], _ stamp: Stamp, _ value: [UInt8], _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        let sequence = state.row.head + 1
        var entry: [UInt8] = []
        LogEntry(
            format: state.writtenFormat, kind: kind, sequence: sequence, stamp: stamp.rawValue, key: key, value: value
        ).encode(into: &entry)
        try state.merge.noteFormat(state.writtenFormat, transaction)
        state.row.headChain = chain.next(state.row.headChain, entry)
        (state.row.head, state.row.headStamp) = (sequence, stamp.rawValue)
        try transaction.putNew(
            catalogue.log, LogRow.key(state.originIndex, sequence), state.row.headChain + entry,
            append: state.originIndex >= state.merge.origins.lastIndex)
    }

    // MARK: Digests

    /// `replaced`: the hash of the record that stood under the key before.
    func addToDigest(
        _ bucket: DigestBucket, _ hash: UInt128, replacing replaced: UInt128? = nil,
        _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        try sums.add(hash, replacing: replaced, to: bucket, catalogue, transaction)
    }
}
