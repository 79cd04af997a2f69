import Glibc
import Links
import Primitives
import Replication

/// What the replicator wants of the store, in the writer's transaction. The event is told once that is durable.
extension Writer {
    func carryOut(
        _ effect: Effect, _ now: Instant, _ transaction: borrowing WriteTransaction, takesLinks: Bool
    ) throws(LMDBError) -> (outcome: Outcome, changes: Bool) {
        switch effect {
        case .apply(let batch):
            guard takesLinks else { return (.failure(.storageFull), false) }
            let applied = try apply(batch, now, transaction)
            // Who has all entries then knows all members.
            return (.events(try found(transaction) + [.applied(applied)]), false)
        case .seal(let origin, let seal):
            changeRow(of: origin) { row in if row.seal == OriginRow.unsealed || row.seal < seal { row.seal = seal } }
        // Of the own life too, which is about to end: the mark goes with it.
        case .forked(state.row.origin, let isForked): state.row.isForked = isForked
        case .forked(let origin, let isForked): changeRow(of: origin) { $0.isForked = isForked }
        case .ceiling(let origin, let counter, let stamp):
            guard changeRow(of: origin, { $0.raiseCeiling(to: counter, at: stamp.instant) }) else { break }
            return (.events([.ceilingKept(origin, counter, at: stamp)]), false)
        case .truncate(let order):
            let (floors, changes) = try truncate(order, transaction)
            return (.events([.truncated(floors)]), changes)
        case .logMember(let member):
            try log(member, now, transaction)
            return (.events([.membersChanged(try transaction.members(catalogue))]), true)
        case .writableFormat(let format): state.writtenFormat = LogEntry.format(format)
        case .merge(let connection, let bytes, let reference):
            guard takesLinks else { return (.failure(.storageFull), false) }
            let merged = try merge(connection, bytes, reference, now, transaction)
            return (.events(try [merged] + found(transaction)), true)
        case .beginIncarnation:
            try beginIncarnation(now, transaction)
            return (.events([.incarnationBegan(try holdings(transaction))]), true)
        case .continuityProven(let highest):
            state.issuer.heardFromPeer(
                highest: highest.flatMap { known in
                    known.ceiling > 0
                        ? GeneratedNumber.number(counter: known.ceiling - 1, node: settings.node) : nil
                }, at: highest.flatMap { $0.ceiling > 0 ? $0.at : nil }, now: now)
        case .readiness(true):
            // A damaged mark is none.
            do throws(LMDBError) { try transaction.delete(catalogue.meta, MetaRow.joining) } catch {
                guard error == .notFound else { throw error }
                return (.events([]), false)
            }
            return (.events([]), true)
        default: preconditionFailure("an effect that changes nothing here")
        }
        return (.events([]), false)
    }

    /// One that is not known yet gets a row without entries. The own life's is not touched; then, and where there is no
    /// room for another row, this gives false.
    @discardableResult
    private func changeRow(of origin: Origin, _ change: (inout OriginRow) -> Void) -> Bool {
        guard origin != state.row.origin,
            let index = state.merge.origins.index(of: origin)
                ?? state.merge.origins.add(OriginRow(origin: origin, chainStart: chain.start(origin)))
        else { return false }
        state.merge.origins.update(index, change)
        return true
    }

    private func apply(
        _ batch: Batch, _ now: Instant, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> Applied {
        let outcome: Applied.Outcome
        if let entries = try? LogBatch(batch) {
            outcome = Applied.Outcome(try apply(entries, now, transaction), next: batch.first)
        } else {
            outcome = .poison(sequence: batch.first)
        }
        return applied(batch.origin, outcome)
    }

    /// What entries and records brought besides.
    private func found(_ transaction: borrowing WriteTransaction) throws(LMDBError) -> [Event] {
        var events = state.merge.damagedKeys.map { Event.damagedRecord(key: $0.requestKey) }
        if state.merge.hasNewMembers { events.append(.membersChanged(try transaction.members(catalogue))) }
        (state.merge.damagedKeys, state.merge.hasNewMembers) = ([], false)
        return events
    }

    private func holdings(_ transaction: borrowing WriteTransaction) throws(LMDBError) -> Holdings {
        return Holdings(
            state.row.origin, Array(state.merge.origins.rows.values) + [state.row],
            members: try transaction.members(catalogue),
            isFresh: try transaction.get(catalogue.meta, MetaRow.joining) != nil)
    }

    private func applied(_ origin: Origin, _ outcome: Applied.Outcome) -> Applied {
        let state = position(of: origin)
        return Applied(
            origin: origin, head: state.head, stamp: state.stamp, chain: state.chain, outcome: outcome)
    }

    private func position(of origin: Origin) -> OriginState {
        if origin == state.row.origin { return OriginState(state.row) }
        guard let index = state.merge.origins.index(of: origin) else { return OriginState(origin: origin) }
        return OriginState(state.merge.origins.rows[index]!)
    }

    // MARK: Members

    private func log(
        _ member: Member, _ now: Instant, _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        let key = RecordKey.member(member.id)
        var (stored, unknown): (Stamp?, [UnknownField]) = (nil, [])
        if let value = try transaction.get(catalogue.members!, key.rowKey),
            let payload = key.rowKey.withUnsafeBytes({ Row.payload(.members, $0, value) }),
            let record = try? TableRecord(key, decoding: payload.bytes), case .member(let body) = record.body
        {
            // Retired is for good.
            if body.isRetired { return }
            (stored, unknown) = (Stamp(rawValue: record.stamp), body.unknown)
        }
        let stamp = state.clock.stamp(now: now, stored: stored)
        var value: [UInt8] = []
        member.body(keeping: unknown).encode(into: &value)
        guard
            let change = try? EntryChange(
                key, value, stamp: stamp.rawValue, of: state.row.origin, owners, takesReduced: false)
        else { throw .corrupted }
        try log(LogEntry.Kind.member, key.entryKey, stamp, value, transaction)
        _ = try state.merge.put(change, at: state.originIndex, as: .repair, &sums, transaction)
    }

    // MARK: Repair

    /// By the rule of the winner. What is malformed changes nothing, and what is stamped too far ahead waits, as an entry
    /// would: whoever changes it takes the clock along.
    private func merge(
        _ connection: ConnectionID, _ bytes: [UInt8], _ reference: Instant, _ now: Instant,
        _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> Event {
        guard let records = try? PeerRecord.decodeAll(bytes) else { return .merged(connection, changed: 0) }
        var (changed, missed) = (0, 0)
        var others: Set<Origin> = []
        for record in records where !state.clock.isLed(by: Stamp(rawValue: record.stamp), now: reference) {
            guard
                let change = try? EntryChange(
                    record.key, record.value, stamp: record.stamp, of: record.origin, owners, takesReduced: true),
                let index = state.merge.origins.index(of: record.origin)
                    ?? state.merge.origins.add(
                        OriginRow(origin: record.origin, chainStart: chain.start(record.origin)))
            else { continue }
            if try state.merge.put(change, at: index, as: .repair, &sums, transaction) == .changed {
                changed += 1
                // What the log here has, or had.
                let log = index == state.originIndex ? state.row : state.merge.origins.rows[index]!
                if log.head > 0, !log.isForked, record.stamp <= log.headStamp {
                    missed += 1
                } else {
                    others.insert(record.origin)
                }
            }
            _ = state.clock.receive(Stamp(rawValue: record.stamp), now: reference)
        }
        noteOwnNumbers(now)
        if changed > 0 {
            try transaction.put(catalogue.meta, MetaRow.repaired, Row.sealed(.meta, MetaRow.repaired, [1]))
        }
        return .merged(connection, changed: changed, missed: missed, others: others)
    }

    // MARK: A new life

    /// The side file goes first: whenever this is cut short, the next start finds none and begins a new life again.
    private func beginIncarnation(_ now: Instant, _ transaction: borrowing WriteTransaction) throws(LMDBError) {
        var ended = state.row
        if ended.seal == OriginRow.unsealed { ended.seal = ended.head }
        let origin = Origin(
            region: ended.origin.region, node: ended.origin.node, incarnation: settings.newIncarnation())
        guard let index = state.merge.origins.beginOwnLife(origin, ended: ended) else { throw .mapFull }
        isWithoutSideFile = true
        try directory.removeIdentity()
        (state.row, state.originIndex) = (OriginRow(origin: origin, chainStart: chain.start(origin)), index)
        state.row.headStamp = state.clock.stamp(now: now).rawValue
        (state.row.ceiling, state.row.wall) = (state.issuer.ceiling, ended.wall)
        let identity = StoreIdentity(
            cluster: settings.cluster, regionName: settings.region.name, originIndex: index)
        try transaction.put(
            catalogue.meta, MetaRow.identity, Row.sealed(.meta, MetaRow.identity, identity.payload))
        try transaction.doubtAcceptor(catalogue)
        state.issuer.doubted(now: now)
    }
}

extension Holdings {
    init(_ own: Origin, _ rows: [OriginRow], members: [Member], isFresh: Bool) {
        let rows = rows.sorted { $0.origin < $1.origin }
        self.init(
            own: own, rows: rows.map(OriginState.init), members: members, isFresh: isFresh,
            forked: rows.filter(\.isForked).map(\.origin))
    }
}

extension Applied.Outcome {
    /// `next`: the sequence after what the store held.
    init(_ outcome: ApplyOutcome, next: UInt64) {
        switch outcome {
        case .applied: self = .done
        case .gap: self = .gap
        case .chainMismatch, .ownLife: self = .chainMismatch
        case .malformed(let sequence): self = .poison(sequence: max(sequence, next))
        case .unknownKind(_, let sequence): self = .unknownKind(sequence: sequence)
        // Judged by the machine before, by the same time.
        case .ahead, .tooManyOrigins, .refused: self = .failed
        }
    }
}

extension DataDirectory {
    /// The file `identity` is gone for good.
    func removeIdentity() throws(LMDBError) {
        guard unlink(identityPath) == 0 else {
            if errno == ENOENT { return }
            throw LMDBError(code: errno)
        }
        do throws(StoreError) { try sync() } catch { throw LMDBError(code: EIO) }
    }
}

extension WriteTransaction {
    /// All members that can be read.
    func members(_ tables: Catalogue) throws(LMDBError) -> [Member] { try Store.members(cursor(tables.members!)) }
}

extension Store {
    /// All members that can be read. `onDamage` gets the key of each other, nil if that is none.
    static func members(
        _ cursor: borrowing Cursor, onDamage: (RecordKey?) throws(LMDBError) -> Void = { _ in }
    ) throws(LMDBError) -> [Member] {
        var members: [Member] = []
        var row = try cursor.move(.first)
        while let (key, value) = row {
            let recordKey = RecordKey(.members, key)
            if let payload = Row.payload(.members, key, value), case .member(let id) = recordKey,
                let record = try? TableRecord(.member(id), decoding: payload.bytes),
                case .member(let body) = record.body
            {
                members.append(Member(id, body))
            } else {
                try onDamage(recordKey)
            }
            row = try cursor.move(.next)
        }
        return members
    }
}
