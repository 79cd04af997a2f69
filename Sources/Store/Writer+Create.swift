import Links
import Primitives

extension Writer {
    /// Puts a new link, its log entry and its share of a digest into the transaction. A refusal changes nothing.
    func create(
        _ link: NewLink, _ now: Instant, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> Outcome {
        let key: LinkKey
        let code: [UInt8]
        if let alias = link.alias {
            (key, code) = (.alias(alias.bytes), alias.bytes)
            switch try find(alias: code, transaction) {
            case .sound: return .failure(.aliasTaken)
            case .damaged: return .failure(.damagedRecord)
            case .absent: break
            }
            try noteShape(alias, transaction)
        } else {
            switch try issue(now, transaction) {
            case .issued(let issuedKey, let issuedCode): (key, code) = (issuedKey, issuedCode)
            case .capped(let milliseconds): return .failure(.rateCapped(retryAfterMilliseconds: milliseconds))
            }
        }
        let stamp = state.clock.stamp(now: now)
        var body: [UInt8] = []
        link.body.encode(into: &body)
        try putRecord(key, stamp, body, transaction)
        try log(LogEntry.Kind.link, key, stamp, body, transaction)
        try addToDigest(key, stamp, transaction)
        return .success(
            CreatedLink(code: code, key: key, stamp: stamp, origin: state.row.origin, body: link.body))
    }

    private enum IssuedKey {
        case issued(LinkKey, code: [UInt8])
        case capped(milliseconds: Int64)
    }

    /// The next code that no imported alias has.
    private func issue(_ now: Instant, _ transaction: borrowing WriteTransaction) throws(LMDBError) -> IssuedKey {
        while true {
            let key: LinkKey
            var code: [UInt8] = []
            switch state.issuer.issue(now: now) {
            case .number(let number):
                let region = settings.region.character
                key = .generated(region: region.byte, node: settings.node, number: number)
                code.append(codeSpace.code(of: number, region: region))
            case .snowflake(let number):
                key = .snowflake(number: number)
                code.append(codeSpace.code(of: Snowflake(number: number)))
            case .capped(let milliseconds): return .capped(milliseconds: milliseconds)
            }
            if try !hasShapedAliases(transaction) { return .issued(key, code: code) }
            if case .absent = try find(alias: code, transaction) { return .issued(key, code: code) }
        }
    }

    /// A name beside a damaged row may have been that row's, and is then nobody's to give away.
    private func find(
        alias name: [UInt8], _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> StoredRow {
        let cursor = try transaction.cursor(catalogue.aliases)
        // The key is read within the call; the row's bytes are the map's.
        let found: Result<StoredRow, LMDBError> = name.withUnsafeBytes { key in
            do throws(LMDBError) { return .success(try cursor.search(.aliases, key)) } catch { return .failure(error) }
        }
        return try found.get()
    }

    private func hasShapedAliases(_ transaction: borrowing WriteTransaction) throws(LMDBError) -> Bool {
        if state.hasNewShapedAlias { return true }
        state.hasNewShapedAlias = try transaction.get(catalogue.meta, MetaRow.shapedAliases) != nil
        return state.hasNewShapedAlias
    }

    /// From the first imported alias that looks like a generated code, codes are looked for among the aliases too.
    private func noteShape(_ alias: Alias, _ transaction: borrowing WriteTransaction) throws(LMDBError) {
        guard codeSpace.hasGeneratedShape(alias.bytes.span.bytes), try !hasShapedAliases(transaction) else { return }
        try transaction.put(catalogue.meta, MetaRow.shapedAliases, Row.sealed(.meta, MetaRow.shapedAliases, [1]))
        state.hasNewShapedAlias = true
    }

    private func putRecord(
        _ key: LinkKey, _ stamp: Stamp, _ body: [UInt8], _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        var payload: [UInt8] = []
        payload.reserveCapacity(12 + body.count)
        payload.append(bigEndian: stamp.rawValue)
        payload.append(varint: UInt64(originIndex))
        payload += body
        let rowKey = key.rowKey
        let value = Row.sealed(key.table, rowKey, payload)
        switch key {
        case .generated(_, _, let number):
            try transaction.putNew(ownTable, rowKey, value, append: state.lastNumber.map { number > $0 } ?? true)
            state.lastNumber = max(number, state.lastNumber ?? 0)
        case .snowflake(let number):
            try transaction.putNew(
                catalogue.snowflakes, rowKey, value, append: state.lastSnowflake.map { number > $0 } ?? true)
            state.lastSnowflake = max(number, state.lastSnowflake ?? 0)
        case .alias:
            try transaction.put(catalogue.aliases, rowKey, value)
        }
    }

    private func log(
        _ kind: UInt8, _ key: LinkKey, _ stamp: Stamp, _ value: [UInt8], _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        var keyBytes: [UInt8] = []
        key.encode(into: &keyBytes)
        let sequence = state.row.head + 1
        var entry: [UInt8] = []
        LogEntry(kind: kind, sequence: sequence, stamp: stamp.rawValue, key: keyBytes, value: value).encode(
            into: &entry)
        state.row.headChain = chain.next(state.row.headChain, entry)
        (state.row.head, state.row.headStamp) = (sequence, stamp.rawValue)
        try transaction.putNew(
            catalogue.log, LogRow.key(originIndex, sequence), state.row.headChain + entry, append: ownLogIsLast)
    }

    // MARK: Digests

    private func addToDigest(
        _ key: LinkKey, _ stamp: Stamp, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        let bucket = DigestBucket(key)
        if digests[bucket] == nil {
            digests[bucket] =
                try transaction.get(catalogue.digests, bucket.rowKey).flatMap { value in
                    bucket.rowKey.withUnsafeBytes { Row.payload(.digests, $0, value) }.flatMap {
                        try? Digest(decoding: $0.bytes)
                    }
                } ?? Digest()
        }
        digests[bucket]!.add(Digest.hash(key, stamp: stamp.rawValue, origin: state.row.origin))
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
