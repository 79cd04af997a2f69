import Links
import Primitives

/// The digests that write transactions change: read when first touched, written once at the end of each.
struct DigestSums {
    private struct Sum {
        var digest: Digest
        var isTouched: Bool
    }

    /// Of the buckets that this and recent transactions touched.
    private var sums: [DigestBucket: Sum] = [:]
    private var touched: [DigestBucket] = []

    /// `replaced`: the hash of the record that stood under the key before.
    mutating func add(
        _ hash: UInt128, replacing replaced: UInt128? = nil, to bucket: DigestBucket, _ catalogue: Catalogue,
        _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        // Looked up once: most writes go to the bucket of the one before.
        guard let place = sums.index(forKey: bucket) else {
            let value = try transaction.get(catalogue.digests, bucket.rowKey)
            var digest = value.flatMap { Digest(row: bucket.rowKey, $0) } ?? Digest()
            digest.add(hash, replacing: replaced)
            sums[bucket] = Sum(digest: digest, isTouched: true)
            return touched.append(bucket)
        }
        sums.values[place].digest.add(hash, replacing: replaced)
        guard !sums.values[place].isTouched else { return }
        sums.values[place].isTouched = true
        touched.append(bucket)
    }

    /// The sum as it was counted from the records.
    mutating func replace(_ bucket: DigestBucket, by digest: Digest) {
        if sums[bucket]?.isTouched != true { touched.append(bucket) }
        sums[bucket] = Sum(digest: digest, isTouched: true)
    }

    mutating func write(
        _ now: Instant, _ catalogue: Catalogue, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        for bucket in touched {
            let key = bucket.rowKey
            sums[bucket]!.isTouched = false
            guard sums[bucket]!.digest.records > 0 else {
                _ = try transaction.deleteIfThere(catalogue.digests, key)
                continue
            }
            let payload = sums[bucket]!.digest.payload(changedAt: now)
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
