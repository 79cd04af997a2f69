import Links
import Primitives
import Replication

/// What the registers ask of a store: reads at once, each in one short transaction; writes in the writer's.
extension Store {
    package typealias RegisterCompletion = @Sendable (_ succeeded: Bool) -> Void

    /// Nil: this store never had one.
    package func acceptor() throws(RegisterReadError) -> AcceptorState? {
        try readingRegisters { (view, transaction) throws(LMDBError) -> Result<AcceptorState?, RegisterReadError> in
            guard let value = try transaction.get(view.catalogue.registers!, RegisterRows.standingKey) else {
                return .success(nil)
            }
            let state = RegisterRows.standingKey.withUnsafeBytes { RegisterRows.state($0, value) }
            return state == nil ? .failure(.damagedRegister) : .success(state)
        }
    }

    package func registers(_ read: RegisterRead) throws(RegisterReadError) -> RegisterAnswers {
        try readingRegisters { (view, transaction) throws(LMDBError) -> Result<RegisterAnswers, RegisterReadError> in
            var answers = RegisterAnswers(batch: read.batch, known: [], pages: [])
            do throws(RegisterReadError) {
                for key in read.keys { answers.known.append(try known(key, view, transaction)) }
                for after in read.pagesAfter { answers.pages.append(try page(after, view, transaction)) }
            } catch { return .failure(error) }
            return .success(answers)
        }
    }

    /// Whose the alias of this key is, by the store alone; nil: it is not here.
    package func holder(of key: [UInt8]) throws(RegisterReadError) -> RegisterValue? {
        try readingRegisters { (view, transaction) throws(LMDBError) -> Result<RegisterValue?, RegisterReadError> in
            do throws(RegisterReadError) { return .success(try link(key, view, transaction)?.value) } catch {
                return .failure(error)
            }
        }
    }

    /// In one transaction, synced before `completion` is called on the writer's thread. If the store is full what would
    /// need room is not written.
    package func keep(_ write: RegisterWrite, completion: @escaping RegisterCompletion) {
        if !queue.pushPastCapacity(.registers(.write(write), completion)) { completion(false) }
    }

    /// All that the acceptor knew goes: a part of it is damaged.
    package func forgetRegisters(completion: @escaping RegisterCompletion) {
        if !queue.pushPastCapacity(.registers(.forgetAll, completion)) { completion(false) }
    }

    /// Logs a link whose claim was decided, unless it is here; either way `completion` gets the link as it stands, on the
    /// writer's thread, once it is durable. What was changed since it was made, and is not here yet, is `.notFound`.
    package func adopt(_ link: NewLink, completion: @escaping Completion) {
        precondition(link.alias != nil && link.body.claimID != nil)
        if !queue.pushPastCapacity(.create(link, completion)) { completion(.failure(.stopping)) }
    }

    // MARK: Reading

    private func readingRegisters<Answer>(
        _ body: (StoreView, ReadTransaction) throws(LMDBError) -> Result<Answer, RegisterReadError>
    ) throws(RegisterReadError) -> Answer {
        let result: Result<Answer, RegisterReadError>
        do throws(StoreError) { result = try reading(body) } catch {
            guard case .damaged = error else { throw .notNow }
            throw .damagedRegister
        }
        return try result.get()
    }

    private func known(
        _ key: [UInt8], _ view: StoreView, _ transaction: ReadTransaction
    ) throws(RegisterReadError) -> RegisterAnswers.Known {
        var known = RegisterAnswers.Known()
        do throws(RegisterReadError) {
            if let found = try link(key, view, transaction) { (known.link, known.isCovered) = found }
        } catch { known.isUnreadable = true }
        let rowKey = RegisterRows.rowKey(key)
        do throws(LMDBError) {
            switch try transaction.cursor(view.catalogue.registers!).searchRegister(rowKey) {
            case .absent: break
            case .row(let row): known.row = row
            case .damaged: throw .corrupted
            }
        } catch { throw error == .corrupted ? .damagedRegister : .notNow }
        return known
    }

    private func link(
        _ key: [UInt8], _ view: StoreView, _ transaction: ReadTransaction
    ) throws(RegisterReadError) -> (value: RegisterValue, isCovered: Bool)? {
        guard let link = try? LinkKey(decoding: key.span.bytes), case .alias(let name) = link else { return nil }
        let found: StoredRow
        do throws(LMDBError) {
            found = try transaction.cursor(view.catalogue.aliases).search(.aliases, name)
            switch found {
            case .absent: return nil
            case .damaged: break
            case .sound(let payload):
                guard let record = try? StoredRecord(decoding: payload.bytes) else { break }
                var body: [UInt8] = []
                record.body.encode(into: &body)
                // Stamps ascend in each log.
                let author = try OriginRow.find(record.originIndex, view.catalogue, transaction)
                let isCovered = author.map { $0.head > 0 && record.stamp <= $0.headStamp } ?? false
                return (RegisterValue(claim: record.body.claimID ?? 0, bytes: body), isCovered)
            }
        } catch { throw .notNow }
        tellDamage([.link(link)])
        throw .notNow
    }

    private func page(
        _ after: [UInt8], _ view: StoreView, _ transaction: ReadTransaction
    ) throws(RegisterReadError) -> RegisterAnswers.Page {
        var page = RegisterAnswers.Page(rows: [], linked: [], next: [], heads: [])
        do throws(LMDBError) {
            let cursor = try transaction.cursor(view.catalogue.registers!)
            let start = RegisterRows.rowKey(after)
            var (found, sizeBytes, last) = (try cursor.seek(start), 0, start)
            while let (key, value) = found {
                if key.elementsEqual(start) {
                    found = try cursor.move(.next)
                    continue
                }
                guard let row = RegisterRows.row(key, value), last.lexicographicallyPrecedes(key) else {
                    throw .corrupted
                }
                sizeBytes += value.count
                guard page.rows.isEmpty || sizeBytes <= WireLimits.registerBytes,
                    page.rows.count < WireLimits.registerRows
                else {
                    page.next = page.rows.last!.key
                    break
                }
                page.rows.append(row)
                last = Array(key)
                found = try cursor.move(.next)
            }
            page.heads = try vector(view, transaction).map {
                LogHead(
                    origin: $0.row.origin, head: $0.row.isForked ? LogHead.unclear : $0.row.head,
                    chain: Chain($0.row.headChain))
            }
        } catch { throw error.isDamage ? .damagedRegister : .notNow }
        page.heads.sort { $0.origin < $1.origin }
        // Beside a link that cannot be read the register goes on: it says more than its absence.
        for row in page.rows {
            if let link = try? link(row.key, view, transaction), link.isCovered { page.linked.insert(row.key) }
        }
        return page
    }
}

enum StoredRegister {
    case row(RegisterRow)
    case damaged
    case absent
}

extension Cursor {
    /// A key beside a damaged row may have been that row's.
    func searchRegister(_ rowKey: [UInt8]) throws(LMDBError) -> StoredRegister {
        switch try search(.registers, rowKey) {
        case .absent: return .absent
        case .damaged: return .damaged
        case .sound(let payload):
            var bytes = payload.bytes
            guard let row = try? RegisterRow(decoding: &bytes), bytes.byteCount == 0 else { return .damaged }
            return .row(row)
        }
    }
}
