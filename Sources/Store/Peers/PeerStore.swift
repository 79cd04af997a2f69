import Links
import Primitives
import Replication

/// Carries out the replicator's effects against the store, and tells it what came of them. It has no socket and no
/// clock: the shell that drives the replicator hands over the effects that are the store's, and delivers the events.
///
///     replicator ──effect──▶ PeerStore ──write──▶ queue ─▶ writer ─▶ commit, sync ──▶ tell(event)
///                                │
///                                └──read, at once──▶ tell(event)
///
/// `tell` is called on the caller's thread for reads, on the writer's for writes; an event that it gets speaks of what is
/// durable. Used by one thread.
package final class PeerStore {
    package let store: Store
    private let settings: StoreSettings
    private let tell: @Sendable (Event) -> Void
    /// Snapshots that are given.
    private var giving: [ConnectionID: Giving] = [:]
    private var install: SnapshotInstall?
    /// What failed and must come about all the same; tried again by `retry`.
    private let owed = WaitingQueue<Effect>(capacity: .max)
    /// As the replicator said last.
    private var (writableFormat, isReady) = (UInt16(LogEntry.firstFormat), false)
    private var marks: [Origin: Bool] = [:]

    private struct Giving {
        var next: SnapshotPosition?
        var isAtEnd = false
        var records: UInt64 = 0
        var sum: UInt128 = 0
    }

    /// Opens the store. From now on `tell` gets an event for each commit that moves its own log.
    package init(_ settings: StoreSettings, tell: @escaping @Sendable (Event) -> Void) throws(StoreError) {
        (self.settings, self.tell) = (settings, tell)
        SnapshotInstall.clear(settings.directory)
        store = try Store(settings)
        store.observeCommits { [tell] head in tell(.committed(head)) }
        store.observeDamage { [tell] key in tell(.damagedRecord(key: key)) }
    }

    /// What could not be done earlier, because the disk was full, is tried again; not what has been taken back since. To be
    /// called now and then.
    package func retry() {
        for effect in owed.take(atMost: .max, timeoutMilliseconds: 0) ?? [] {
            switch effect {
            case .writableFormat: write(.writableFormat(writableFormat))
            case .forked(let origin, let isForked): if marks[origin] == isForked { write(effect) }
            case .readiness: if isReady { write(effect) }
            default: write(effect)
            }
        }
    }

    /// Carries out an effect of the store; false for one that is the shell's.
    package func perform(_ effect: Effect) -> Bool {
        switch effect {
        case .writableFormat(let format): writableFormat = format
        case .forked(let origin, let isForked): marks[origin] = isForked
        case .readiness(let ready): isReady = ready
        default: break
        }
        switch effect {
        case .apply, .truncate, .seal, .forked, .ceiling, .beginIncarnation, .logMember, .writableFormat, .merge,
            .continuityProven, .readiness(true):
            write(effect)
        case .readLog(let read): tell(.logRead(read, store.entries(read)))
        case .readDigests(let id, let read): tell(.digestsRead(id, read, store.digests(read.node)))
        case .readBucket(let id, let request, let bucket):
            tell(.recordsRead(id, request: request, store.records(bucket)))
        case .readRecord(let id, let request, let record):
            tell(.recordsRead(id, request: request, store.record(record)))
        case .readLink(let id, let request, let code):
            tell(.linkRead(id, request: request, store.link(of: code)))
        case .localChanges(let allowed): store.allowsChanges = allowed
        // At once: as a write it could fail for want of room, and come about after the next one.
        case .issuing(let allowed): store.issuesNumbers = allowed
        case .openSnapshot, .readSnapshot, .closeSnapshot: give(effect)
        case .beginInstall, .installChunk, .finishInstall, .abandonInstall: take(effect)
        case .connect, .send, .close, .authenticated, .admitted, .setDeadline, .readiness(false), .registers,
            .lookedUp, .change, .forwarded, .acknowledged, .alarm, .cleared:
            return false
        }
        return true
    }

    // MARK: Writes

    private func write(_ effect: Effect) {
        store.carryOut(effect) { [tell, owed, weak store] result in
            switch result {
            case .success(let events): for event in events { tell(event) }
            case .failure(.stopping): break
            case .failure:
                // The replicator asks again for what it counts on; the rest is owed.
                switch effect {
                case .apply(let batch): if let store { tell(.applied(store.unapplied(batch.origin))) }
                case .merge(let connection, _, _): tell(.merged(connection, changed: 0))
                case .truncate: break
                default: owed.pushPastCapacity(effect)
                }
            }
        }
    }

    // MARK: Giving a snapshot

    private func give(_ effect: Effect) {
        switch effect {
        case .openSnapshot(let id, let after):
            let place = after.isEmpty ? nil : SnapshotPosition(after)
            giving[id] = Giving(next: place)
            if place != nil || after.isEmpty, let rows = try? store.holdings().rows {
                tell(.snapshotOpened(id, rows: rows))
            } else {
                tell(.snapshotRan(id, SnapshotEnd(.failed)))
            }
        case .readSnapshot(let id): tell(read(id))
        case .closeSnapshot(let id): giving[id] = nil
        default: preconditionFailure("not of a snapshot")
        }
    }

    private func read(_ id: ConnectionID) -> Event {
        guard var place = giving[id] else { return .snapshotRan(id, SnapshotEnd(.failed)) }
        var chunk: [PeerRecord] = []
        do throws(StoreError) {
            while chunk.isEmpty, !place.isAtEnd {
                place.next = try store.snapshotRecords(after: place.next, into: &chunk)
                place.isAtEnd = place.next == nil
            }
        } catch { return .snapshotRan(id, SnapshotEnd(.failed)) }
        guard !chunk.isEmpty else {
            return .snapshotRan(id, SnapshotEnd(.complete, records: place.records, sum: place.sum))
        }
        var bytes: [UInt8] = []
        for record in chunk {
            record.encode(into: &bytes)
            place.sum &+= record.digest
        }
        place.records += UInt64(chunk.count)
        giving[id] = place
        return .snapshotRead(id, chunk: bytes)
    }

    // MARK: Taking a snapshot

    private func take(_ effect: Effect) {
        do throws(LMDBError) {
            switch effect {
            case .beginInstall(resumes: true): install?.resume()
            case .beginInstall(resumes: false):
                install = try SnapshotInstall(settings, codeSecret: store.codeSecret, codeSpace: store.codeSpace)
            case .installChunk(let bytes):
                guard let install else { return tell(.installFailed) }
                tell(.chunkInstalled(position: try install.take(bytes)))
            case .finishInstall(let offer, let end): finish(offer, end)
            case .abandonInstall: abandon()
            default: preconditionFailure("not of a snapshot")
            }
        } catch {
            abandon()
            // Of one that could not begin, too.
            SnapshotInstall.clear(settings.directory)
            tell(.installFailed)
        }
    }

    private func abandon() {
        install?.abandon()
        install = nil
    }

    /// Writes that wait are finished in the old store, what comes later in the new one.
    private func finish(_ offer: SnapshotOffer, _ end: SnapshotEnd) {
        guard let install else { return tell(.installFailed) }
        (giving, self.install) = ([:], nil)
        store.replace(by: install, offer, end) { [tell] holdings in
            tell(holdings.map { .installed($0) } ?? .installFailed)
        }
    }
}
