import Links
import Primitives

/// The digests that write transactions change: read when first touched, written once at the end of each.
struct DigestSums {
    /// Of the buckets that this and recent transactions touched.
    private var sums: [DigestBucket: Digest] = [:]
    private var touched: Set<DigestBucket> = []

    /// `replaced`: the hash of the record that stood under the key before.
    mutating func add(
        _ hash: UInt128, replacing replaced: UInt128? = nil, to bucket: DigestBucket, _ catalogue: Catalogue,
        _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        if sums[bucket] == nil {
            let value = try transaction.get(catalogue.digests, bucket.rowKey)
            sums[bucket] = value.flatMap { Digest(row: bucket.rowKey, $0) } ?? Digest()
        }
        if let replaced {
            sums[bucket]!.sum &+= hash &- replaced
        } else {
            sums[bucket]!.add(hash)
        }
        touched.insert(bucket)
    }

    /// The sum as it was counted from the records.
    mutating func replace(_ bucket: DigestBucket, by digest: Digest) {
        sums[bucket] = digest
        touched.insert(bucket)
    }

    mutating func write(
        _ now: Instant, _ catalogue: Catalogue, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        for bucket in touched {
            let key = bucket.rowKey
            guard sums[bucket]!.records > 0 else {
                _ = try transaction.deleteIfThere(catalogue.digests, key)
                continue
            }
            let payload = sums[bucket]!.payload(changedAt: now)
            try transaction.put(catalogue.digests, key, Row.sealed(.digests, key, payload))
        }
        touched.removeAll(keepingCapacity: true)
        // Random aliases touch many buckets; neighbours of the newest number are all that will be needed again.
        if sums.count > StoreLimits.cachedDigests { sums.removeAll(keepingCapacity: true) }
    }

    /// The transaction was given up.
    mutating func forget() {
        sums.removeAll()
        touched.removeAll()
    }
}

extension Digest {
    /// That of a row of the table `digests`; nil if the row is damaged.
    init?(row key: [UInt8], _ value: UnsafeRawBufferPointer) {
        guard let payload = key.withUnsafeBytes({ Row.payload(.digests, $0, value) }),
            let digest = try? Digest(decoding: payload.bytes)
        else { return nil }
        self = digest
    }
}
