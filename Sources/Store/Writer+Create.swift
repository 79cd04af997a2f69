import Links
import Primitives

extension Writer {
    /// Puts a new link, its log entry and its share of a digest into the transaction. A refusal changes nothing.
    func create(
        _ link: NewLink, _ now: Instant, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> Outcome {
        if let since = link.claimsSince, let found = try claimed(link.body, since, transaction) { return found }
        let key: LinkKey
        let code: [UInt8]
        if let alias = link.alias {
            (key, code) = (.alias(alias.bytes), alias.bytes)
            switch try find(alias: code, transaction) {
            case .sound(let payload): return existing(key, payload, link)
            case .damaged: return .failure(.damagedRecord)
            // An acceptor told how it stands there. Logged anew that would win over changes which nobody here has seen.
            case .absent: guard link.body.isAsMade else { return .failure(.notFound) }
            }
            switch try findGenerated(code, transaction) {
            case .sound: return .failure(.aliasTaken)
            case .damaged: return .failure(.damagedRecord)
            case .absent: break
            }
            try state.merge.noteShape(alias.bytes, transaction)
        } else {
            switch try issue(now, transaction) {
            case .issued(let issuedKey, let issuedCode): (key, code) = (issuedKey, issuedCode)
            case .capped(let milliseconds): return .failure(.rateCapped(retryAfterMilliseconds: milliseconds))
            }
        }
        state.merge.stamps!.note(code)
        let stamp = state.clock.stamp(now: now)
        var body: [UInt8] = []
        link.body.encode(into: &body)
        try putRecord(key, stamp, body, transaction)
        if let owner = link.body.owner {
            let row = owners.key(owner, createdAt: link.body.importedCreation ?? stamp.instant, key)
            try transaction.put(catalogue.owners!, row, Row.sealed(.owners, row, []))
        }
        if let claim = ClaimRow(key, link.body, stamp: stamp.rawValue, of: state.row.origin) {
            try state.merge.note(claim, transaction)
        }
        var entryKey: [UInt8] = []
        key.encode(into: &entryKey)
        try log(LogEntry.Kind.link, entryKey, stamp, body, transaction)
        let hash = Digest.hash(entryKey, stamp: stamp.rawValue, origin: state.row.origin)
        try addToDigest(DigestBucket(key), hash, transaction)
        return .success(
            CreatedLink(
                code: code, key: key, stamp: stamp, origin: state.row.origin, sequence: state.row.head, body: link.body)
        )
    }

    /// The alias is there. It is the same link if the same claim made it.
    private func existing(_ key: LinkKey, _ payload: UnsafeRawBufferPointer, _ link: NewLink) -> Outcome {
        guard let claim = link.body.claimID else { return .failure(.aliasTaken) }
        guard let record = try? StoredRecord(decoding: payload.bytes),
            let author = state.merge.origins.names[record.originIndex]
        else { return .failure(.damagedRecord) }
        guard record.body.claimID == claim else { return .failure(.aliasTaken) }
        // Where its entry is in the own log nobody keeps; another node's is on that node's disk.
        return .success(
            CreatedLink(
                code: link.alias!.bytes, key: key, stamp: Stamp(rawValue: record.stamp), origin: author,
                sequence: author == state.row.origin ? state.row.head : 0, body: record.body))
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
            if !state.merge.hasShapedAliases { return .issued(key, code: code) }
            if case .absent = try find(alias: code, transaction) { return .issued(key, code: code) }
        }
    }

    /// A name beside a damaged row may have been that row's, and is then nobody's to give away.
    private func find(
        alias name: [UInt8], _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> StoredRow {
        try transaction.cursor(catalogue.aliases).search(.aliases, name)
    }

    private func putRecord(
        _ key: LinkKey, _ stamp: Stamp, _ body: [UInt8], _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        let rowKey = key.rowKey
        let value = sealedRecord(key.table, rowKey, stamp, body)
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
}
