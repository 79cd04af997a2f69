import Glibc
import Links
import Primitives
import Replication

/// A new store that is made beside a node's old one from a peer's records, and then takes its place.
///
///     begin ── chunks ──▶ records checked ──▶ vector, new life, what only the old store holds ──▶ sync, rename
///
/// Until the rename nothing of the old store has changed; a crash before it leaves a directory that the next attempt or
/// start removes. The file `identity` goes right before it and comes back right after, so that a crash between the two
/// begins a new life. Who reads in the old store may go on: its files have no names any more, and go with it.
///
/// Safety: of the thread that takes the snapshot until it is at its end, then of the writer's.
final class SnapshotInstall: @unchecked Sendable {
    /// The store that is to be replaced, which nobody writes any more.
    struct Old {
        let catalogue: Catalogue
        let snapshot: ReadTransaction
        /// By index.
        let origins: [UInt16: OriginRow]
        let ownIndex: UInt16
        let logFormat: UInt16
    }

    private let settings: StoreSettings
    private let path: String
    private var environment: Environment?
    private var merge: LogMerge
    private var sums = DigestSums()
    private var (recordCount, sum): (UInt64, UInt128) = (0, 0)
    private var position: [UInt8] = []
    /// What the givers cannot read; marked at the end, because beside a damaged row nobody knows what another one was.
    private var damaged: [RecordKey] = []
    /// Once the records are checked.
    private var life: OriginRow?
    private(set) var lost: LostAndFound

    /// Of the directory beside the store.
    static let name = "joining"

    init(_ settings: StoreSettings, codeSecret: [UInt8], codeSpace: CodeSpace) throws(LMDBError) {
        (self.settings, path) = (settings, settings.directory + "/" + Self.name)
        lost = LostAndFound(codeSpace, now: settings.now())
        Self.clear(settings.directory)
        guard mkdir(path, 0o700) == 0 else { throw LMDBError(code: errno) }
        let environment = try Environment(
            directory: path, mapSizeBytes: settings.mapSizeBytes, maximumTables: StoreLimits.tables, readOnly: false,
            syncs: false)
        self.environment = environment
        let transaction = try environment.beginWrite()
        try Catalogue.create(
            in: transaction, links: [.links(region: settings.region.character.byte, node: settings.node)])
        let meta = try transaction.openTable(TableID.meta.name)
        var format: [UInt8] = []
        format.append(bigEndian: MetaRow.currentFormat)
        for (key, payload) in [
            (MetaRow.format, format), (MetaRow.codeSecret, codeSecret), (MetaRow.joining, [1]),
        ] { try transaction.put(meta, key, Row.sealed(.meta, key, payload)) }
        try settings.beforeInstallCommit()
        try transaction.commit()
        let reader = try environment.beginRead()
        guard let catalogue = try Catalogue(reader) else { throw .corrupted }
        try reader.endKeepingTables()
        merge = LogMerge(catalogue, OriginTable([:], ownIndex: nil), codeSpace, hasShapedAliases: false, own: nil)
        merge.claimsSince = ClaimRow.oldestStamp(settings.now())
    }

    static func clear(_ directory: String) {
        for file in [StoreFile.name, "lock.mdb"] { unlink(directory + "/" + name + "/" + file) }
        rmdir(directory + "/" + name)
    }

    /// Nothing of it stays.
    func abandon() {
        environment = nil
        Self.clear(settings.directory)
    }

    /// Another peer goes on behind the last record; number and sum will be of what comes now.
    func resume() { (recordCount, sum) = (0, 0) }

    /// Records in order of their keys; where the last sound one stands, empty before the first. Throws for what no sound peer
    /// sends.
    func take(_ chunk: [UInt8]) throws(LMDBError) -> [UInt8] {
        let records: [PeerRecord]
        do throws(MalformedBytes) { records = try PeerRecord.decodeAll(chunk) } catch { throw .corrupted }
        let transaction = try environment!.beginWrite()
        for record in records {
            if record.isDamaged {
                damaged.append(record.key)
            } else {
                guard
                    let change = try? EntryChange(
                        record.key, record.value, stamp: record.stamp, of: record.origin, merge.owners,
                        takesReduced: true),
                    let index = index(of: record.origin),
                    try merge.put(change, at: index, &sums, transaction) == .changed
                else { throw .corrupted }
            }
            recordCount += 1
            sum &+= record.digest
        }
        try sums.write(settings.now(), merge.catalogue, transaction)
        try merge.origins.write(merge.catalogue.origins, transaction)
        try settings.beforeInstallCommit()
        try transaction.commit()
        merge.origins.forgetTouched()
        // A damaged key may be any.
        if let last = records.last(where: { !$0.isDamaged }) {
            position = SnapshotPosition(last.key.table, last.key.rowKey).bytes
        }
        return position
    }

    private func index(of origin: Origin) -> UInt16? {
        merge.origins.index(of: origin)
            ?? merge.origins.add(OriginRow(origin: origin, chainStart: merge.chain.start(origin)))
    }

    // MARK: The end

    /// Makes the new store whole: opened next, it has begun a new life.
    ///
    /// - offer: the peer's vector before it read the first record.
    func finish(_ offer: SnapshotOffer, _ end: SnapshotEnd, replacing old: Old) throws(LMDBError) {
        guard recordCount == end.records, sum == end.sum else { throw .corrupted }
        let rest = try remainder(of: old)
        let transaction = try environment!.beginWrite()
        for row in offer.rows + old.origins.values.map(OriginState.init) where index(of: row.origin) == nil {
            throw .mapFull
        }
        let judged = Dictionary(
            uniqueKeysWithValues: old.origins.values.filter { !$0.isHeadTold }.map { ($0.origin, $0.head) })
        for row in offer.rows { adopt(row, judged: judged[row.origin] ?? 0) }
        for origin in offer.forked {
            if let index = merge.origins.index(of: origin) { merge.origins.update(index) { $0.isForked = true } }
        }
        try merge.noteFormat(LogEntry.format(old.logFormat), transaction)
        for row in old.origins.values { keepCeiling(of: row) }
        for key in damaged { try merge.putDamaged(key, transaction) }
        try beginLife(old, rest, transaction)
        try keepRows(of: old, transaction)
        try merge.origins.write(merge.catalogue.origins, transaction)
        try sums.write(settings.now(), merge.catalogue, transaction)
        try settings.beforeInstallCommit()
        try transaction.commit()
        try StoreFile.cover(environment!.descriptor, usedBytes: environment!.size.usedBytes)
        try environment!.sync()
        environment = nil
    }

    /// The log begins behind the snapshot. `judged`: up to where the old store had it, by entries.
    private func adopt(_ state: OriginState, judged: UInt64) {
        // At head 0 what a peer says of the chain means nothing.
        let chain = state.head > 0 ? state.chain.bytes : merge.chain.start(state.origin)
        merge.origins.update(merge.origins.index(of: state.origin)!) { row in
            // Without entries the stamp is the ceiling's: the first entry's may be less.
            (row.head, row.headStamp, row.headChain) = (state.head, state.head > 0 ? state.stamp.rawValue : 0, chain)
            (row.floor, row.floorChain, row.isHeadTold) = (row.head, row.headChain, row.head > judged)
            // Nobody has judged the giver's clock here.
            row.raiseCeiling(
                to: state.ceiling, at: min(state.stamp, HybridClock.furthest(settings.now())).instant)
            row.seal = state.seal
        }
    }

    /// What the old store alone knows of numbers and of ended lives stays known.
    private func keepCeiling(of old: OriginRow) {
        merge.origins.update(merge.origins.index(of: old.origin)!) { row in
            row.raiseCeiling(to: old.ceiling, at: OriginState(old).stamp.instant)
            guard old.seal != OriginRow.unsealed else { return }
            row.seal = max(old.seal, row.seal == OriginRow.unsealed ? row.head : row.seal)
        }
    }

    /// What wins over the new store's records, oldest first.
    private func remainder(of old: Old) throws(LMDBError) -> [PeerRecord] {
        var rest: [PeerRecord] = []
        let new = try environment!.beginRead()
        for table in old.catalogue.recordTables {
            guard let handle = old.catalogue.handle(table) else { continue }
            let cursor = try old.snapshot.cursor(handle)
            var row = try cursor.move(.first)
            while let (keyBytes, value) = row {
                if let key = RecordKey(table, keyBytes), let payload = Row.payload(table, keyBytes, value),
                    let record = try? TableRecord(key, decoding: payload.bytes),
                    let author = old.origins[record.originIndex]?.origin
                {
                    if try wins(record, author, key, new) { rest.append(PeerRecord(key, record, of: author)) }
                } else {
                    lost.add(table, key: keyBytes, value: value)
                }
                row = try cursor.move(.next)
            }
        }
        return rest.sorted { ($0.stamp, $0.origin) < ($1.stamp, $1.origin) }
    }

    private func wins(
        _ record: TableRecord, _ author: Origin, _ key: RecordKey, _ new: ReadTransaction
    ) throws(LMDBError) -> Bool {
        guard let handle = merge.catalogue.handle(key.table), let value = try new.get(handle, key.rowKey),
            let payload = key.rowKey.withUnsafeBytes({ Row.payload(key.table, $0, value) }),
            let theirs = try? TableRecord(key, decoding: payload.bytes),
            let theirAuthor = merge.origins.names[theirs.originIndex]
        else { return true }
        return record.body.rank(stamp: record.stamp, origin: author).beats(
            theirs.body.rank(stamp: theirs.stamp, origin: theirAuthor), at: key)
    }

    private func isAdopted(_ old: OriginRow) -> Bool {
        let row = merge.origins.rows[merge.origins.index(of: old.origin)!]!
        return row.head > 0 && row.head == old.head && row.headChain == old.headChain
    }

    /// The acceptor is who it was, and batches are this node's: their rows go over as they are. Of claims the old store knows
    /// what they made at first.
    private func keepRows(of old: Old, _ transaction: borrowing WriteTransaction) throws(LMDBError) {
        for table in [TableID.registers, .batches, .claims] {
            let cursor = try old.snapshot.cursor(old.catalogue.handle(table)!)
            var row = try cursor.move(.first)
            while let (key, value) = row {
                if table != .claims {
                    try transaction.put(merge.catalogue.handle(table)!, Array(key), Array(value))
                } else if let claim = ClaimRow(key, value) {
                    try merge.note(claim, transaction)
                }
                row = try cursor.move(.next)
            }
        }
    }

    private func keep(_ record: PeerRecord, _ transaction: borrowing WriteTransaction) throws(LMDBError) {
        guard
            let change = try? EntryChange(
                record.key, record.value, stamp: record.stamp, of: record.origin, merge.owners, takesReduced: true),
            let index = index(of: record.origin)
        else { throw .corrupted }
        _ = try merge.put(change, at: index, as: .repair, &sums, transaction)
    }

    /// A new life whose log begins with what only the old store held, stamped as it was.
    private func beginLife(
        _ old: Old, _ rest: [PeerRecord], _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) {
        let ended = old.origins[old.ownIndex]!
        let origin = Origin(
            region: ended.origin.region, node: ended.origin.node, incarnation: settings.newIncarnation())
        var row = OriginRow(origin: origin, chainStart: merge.chain.start(origin))
        guard let index = merge.origins.add(row) else { throw .mapFull }
        let whole = Set(old.origins.values.filter(isAdopted).map(\.origin))
        for record in rest {
            // Of a log that the vector covers as the old store had it: others have these records as they are.
            if whole.contains(record.origin) {
                try keep(record, transaction)
                continue
            }
            guard let value = record.valueWithCreation() else {
                lost.add(record.key.table, key: record.key.rowKey, value: record.value)
                continue
            }
            let stamp = max(record.stamp, row.headStamp + 1)
            var entry: [UInt8] = []
            LogEntry(
                kind: record.key.kind, sequence: row.head + 1, stamp: stamp, key: record.key.entryKey, value: value
            ).encode(into: &entry)
            row.headChain = merge.chain.next(row.headChain, entry)
            (row.head, row.headStamp) = (row.head + 1, stamp)
            try transaction.putNew(
                merge.catalogue.log, LogRow.key(index, row.head), row.headChain + entry, append: true)
            let change: EntryChange
            do throws(MalformedBytes) {
                change = try EntryChange(
                    record.key, value, stamp: stamp, of: origin, merge.owners, takesReduced: false)
            } catch { throw .corrupted }
            _ = try merge.put(change, at: index, as: .repair, &sums, transaction)
        }
        (row.firstCounter, row.ceiling, row.wall) = (ended.firstCounter, ended.ceiling, ended.wall)
        row.noteWall(settings.now())
        // Before the first entry it says when the life began, from when its numbers are counted if it ends so.
        if row.head == 0 {
            row.headStamp = Stamp(milliseconds: UInt64(clamping: settings.now().milliseconds), counter: 0).rawValue
        }
        merge.origins.update(index) { $0 = row }
        life = row
        let identity = StoreIdentity(
            cluster: settings.cluster, regionName: settings.region.name, originIndex: index)
        try transaction.put(
            merge.catalogue.meta, MetaRow.identity, Row.sealed(.meta, MetaRow.identity, identity.payload))
    }

    /// The new store appears under the store's name. If this throws, the old one is there still.
    func moveInPlace(_ directory: DataDirectory) throws(LMDBError) {
        try lost.save(in: directory)
        try directory.removeIdentity()
        guard rename(path + "/" + StoreFile.name, directory.storePath) == 0 else { throw LMDBError(code: errno) }
    }

    /// The old store's file has no name any more: what is written into it is lost, so if this throws there is no way back.
    func stay(in directory: DataDirectory) throws(StoreError) {
        // The old one's readers are in it; the new store begins with one of its own.
        unlink(settings.directory + "/lock.mdb")
        Self.clear(settings.directory)
        try directory.sync()
        let side = SideFile(
            cluster: settings.cluster, regionName: settings.region.name, origin: life!.origin,
            sequenceLease: life!.head + SideFile.leaseStep)
        // Without it the next start begins one more life.
        try? directory.replace(directory.identityPath, with: Array(side.text.utf8))
    }
}

extension PeerRecord {
    /// The body as an entry of another origin has to say it: with who made the record. Nil if it is malformed, or no entry
    /// has the room.
    fileprivate func valueWithCreation() -> [UInt8]? {
        guard let body = try? RecordBody(key, decoding: value.span.bytes) else { return nil }
        var bytes: [UInt8] = []
        let own = Creation(stamp: stamp, origin: origin)
        switch body {
        case .link(var link):
            link.creation = link.creation ?? own
            // What was cut down is no entry's; it goes on as a link that has expired.
            if link.flags.remove(.reduced) != nil, !link.flags.contains(.deleted) {
                link.expiresAt = Stamp(rawValue: stamp).instant
            }
            link.encode(into: &bytes)
        case .key(var key):
            key.creation = key.creation ?? own
            key.encode(into: &bytes)
        case .member, .moderation: return value
        }
        return LogEntry.fits(key.entryKey, bytes) ? bytes : nil
    }
}
