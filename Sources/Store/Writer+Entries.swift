import Links
import Primitives

/// What every kind of entry is written with: its record, itself at the end of the log, its share of a digest.
extension Writer {
    /// The value of the row that the entry's record stands in.
    func sealedRecord(_ table: TableID, _ rowKey: [UInt8], _ stamp: Stamp, _ body: [UInt8]) -> [UInt8] {
        var payload: [UInt8] = []
        payload.reserveCapacity(12 + body.count)
        payload.append(bigEndian: stamp.rawValue)
        payload.append(varint: UInt64(originIndex))
        payload += body
        return Row.sealed(table, rowKey, payload)
    }

    func log(
        _ kind: UInt8, _ key: [UInt8], _ stamp: Stamp, _ value: [UInt8], _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        let sequence = state.row.head + 1
        var entry: [UInt8] = []
        LogEntry(kind: kind, sequence: sequence, stamp: stamp.rawValue, key: key, value: value).encode(into: &entry)
        state.row.headChain = chain.next(state.row.headChain, entry)
        (state.row.head, state.row.headStamp) = (sequence, stamp.rawValue)
        try transaction.putNew(
            catalogue.log, LogRow.key(originIndex, sequence), state.row.headChain + entry, append: ownLogIsLast)
    }

    // MARK: Digests

    /// `replaced`: the hash of the record that stood under the key before.
    func addToDigest(
        _ bucket: DigestBucket, _ hash: UInt128, replacing replaced: UInt128? = nil,
        _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        if digests[bucket] == nil {
            digests[bucket] =
                try transaction.get(catalogue.digests, bucket.rowKey).flatMap { value in
                    bucket.rowKey.withUnsafeBytes { Row.payload(.digests, $0, value) }.flatMap {
                        try? Digest(decoding: $0.bytes)
                    }
                } ?? Digest()
        }
        if let replaced { digests[bucket]!.remove(replaced) }
        digests[bucket]!.add(hash)
        touched.insert(bucket)
    }

    func writeDigests(_ now: Instant, _ transaction: borrowing WriteTransaction) throws(LMDBError) {
        for bucket in touched {
            let key = bucket.rowKey
            let payload = digests[bucket]!.payload(changedAt: now)
            try transaction.put(catalogue.digests, key, Row.sealed(.digests, key, payload))
        }
        touched.removeAll(keepingCapacity: true)
        // Random aliases touch many buckets; neighbours of the newest number are all that will be needed again.
        if digests.count > StoreLimits.cachedDigests { digests.removeAll(keepingCapacity: true) }
    }
}
