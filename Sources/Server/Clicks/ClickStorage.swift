import Analytics
import Links
import Primitives
import Store
import Synchronization

/// Where clicks are kept, as far as that works: opens the environment, sets aside what cannot be used, and opens it anew after
/// a failure. What was written and not folded yet is in memory too, so that it can be told and folded without a search.
///
/// Safety: belongs to the thread that counts. Others call `history` alone, which takes `reading`; so does whoever changes
/// `clicks`, because an environment must not be open twice in a process. `lock` guards the tallies.
final class ClickStorage: @unchecked Sendable {
    private let store: Store
    private let figures: ClickFigures
    private let lock = Mutex(())
    private let reading = Mutex(())
    private let links: LinkReader
    private var clicks: ClickStore?
    /// By partition: what the journal holds.
    private let pending: [ClickTally]
    /// What the journal does not hold yet.
    private let gathered: ClickTally
    /// As of what `pending` holds.
    private var folds: UInt64 = 0
    private(set) var networkKey: NetworkKey
    private var isFailing = false
    private var nextPartition = 0
    /// By partition: the day of its last fold, which removes days that are over.
    private var foldedOn: [ClickDay]

    /// Opens the environment if it can be opened.
    init(_ store: Store, gathered: ClickTally, figures: ClickFigures, now: Instant) throws(StoreError) {
        (self.store, self.gathered, self.figures) = (store, gathered, figures)
        links = try store.makeReader()
        foldedOn = Array(repeating: ClickDay(now), count: ClickLimits.partitions)
        pending = (0..<ClickLimits.partitions).map { _ in
            ClickTally(capacity: ClickLimits.partitionCodes + ClickLimits.gatheredCodes)
        }
        networkKey = NetworkKey(day: ClickDay(now), key0: .random(in: 0 ... .max), key1: .random(in: 0 ... .max))
        if open(), let clicks { networkKey = clicks.networkKey }
        networkKey.advance(to: ClickDay(now))
    }

    /// While the tallies change or are read.
    func locked<Result>(_ body: () -> Result) -> Result { lock.withLock { _ in body() } }

    // MARK: Opening

    /// False if there is no environment to be had.
    private func open() -> Bool {
        if clicks != nil { return true }
        do throws(ClickStoreError) {
            try openOnce()
        } catch .unusable(let reason) {
            guard setAside(reason) else { return false }
            do throws(ClickStoreError) { try openOnce() } catch { return fail(error) }
        } catch {
            return fail(error)
        }
        return true
    }

    private func openOnce() throws(ClickStoreError) {
        let opened = try ClickStore(store)
        locked { for tally in pending { tally.removeAll() } }
        for (partition, tally) in pending.enumerated() { try opened.pending(partition, into: tally) }
        figures.note(opened)
        reading.withLock { _ in
            locked { folds = opened.folds }
            clicks = opened
        }
    }

    private func setAside(_ reason: String) -> Bool {
        do throws(ClickStoreError) {
            let path = try ClickStore.setAside(store)
            figures.setAside.add()
            Log.write(.error, "clicks-set-aside", ["path": .string(path), "reason": .string(reason)])
            return true
        } catch {
            return fail(error)
        }
    }

    private func close() {
        reading.withLock { _ in clicks = nil }
    }

    /// Says once that clicks are not kept; false.
    private func fail(_ error: ClickStoreError) -> Bool {
        if !isFailing {
            isFailing = true
            figures.isAvailable.store(false, ordering: .relaxed)
            Log.write(.error, "clicks-unavailable", ["reason": .string("\(error)")])
        }
        return false
    }

    private func succeed() {
        guard isFailing else { return }
        isFailing = false
        figures.isAvailable.store(true, ordering: .relaxed)
        Log.write(.info, "clicks-available")
    }

    // MARK: Writing

    /// Makes what was gathered durable, and empties it; false if it stays.
    func append() -> Bool {
        guard open(), foldFullPartitions() else { return false }
        if let failure = attempt({ (clicks) throws(ClickStoreError) in try clicks.append(gathered) }) {
            guard recover(failure) else { return false }
            // It had come to the disk before the failure, and so to `pending`.
            locked { gathered.removeAll() }
            return true
        }
        locked {
            for index in 0..<gathered.count {
                let entry = gathered.entry(at: index)
                let isAdded = pending[ClickStore.partition(entry.code)].add(entry.code, entry.day, entry.counts)
                precondition(isAdded, "a partition has room for all that is gathered")
            }
            gathered.removeAll()
        }
        succeed()
        return true
    }

    /// Why a write failed, and the sequence that the journal had before.
    private struct Failure {
        let error: ClickStoreError
        let sequence: UInt64
    }

    /// Nobody holds the environment behind this, so that it can be opened anew.
    private func attempt(_ write: (ClickStore) throws(ClickStoreError) -> Void) -> Failure? {
        guard let clicks else { preconditionFailure("it was opened") }
        defer { figures.note(clicks) }
        let sequence = clicks.sequence
        do throws(ClickStoreError) { try write(clicks) } catch { return Failure(error: error, sequence: sequence) }
        return nil
    }

    /// After a failure: whether what was to be written then is on the disk.
    private func recover(_ failure: Failure) -> Bool {
        switch failure.error {
        case .full: return fail(failure.error)
        case .failed:
            close()
            _ = fail(failure.error)
            return open() && clicks!.sequence > failure.sequence
        case .unusable(let reason):
            close()
            if setAside(reason) { _ = open() }
            return false
        }
    }

    /// Folds a partition, each in its turn. To be called `ClickLimits.partitions` times in `ClickLimits.foldMilliseconds`.
    func foldNext(today: ClickDay) {
        networkKey.advance(to: today)
        nextPartition = (nextPartition + 1) % ClickLimits.partitions
        if open() { _ = fold(nextPartition, today) }
    }

    private func foldFullPartitions() -> Bool {
        for (partition, tally) in pending.enumerated() where tally.count > ClickLimits.partitionCodes {
            guard fold(partition, networkKey.day) else { return false }
        }
        return true
    }

    /// An empty partition is folded once a day, for the sake of days that are over: a node that rests leaves the disk alone.
    private func fold(_ partition: Int, _ today: ClickDay) -> Bool {
        if pending[partition].count == 0, foldedOn[partition] == today { return true }
        guard let keys = keys(pending[partition]) else { return false }
        let failure = attempt { (clicks) throws(ClickStoreError) in
            try clicks.fold(partition, pending[partition], links: keys, today: today, networkKey: networkKey)
        }
        if let failure {
            _ = recover(failure)
            return false
        }
        foldedOn[partition] = today
        locked {
            pending[partition].removeAll()
            folds += 1
        }
        return true
    }

    private func keys(_ tally: ClickTally) -> [LinkKey]? {
        do throws(StoreError) { try links.begin() } catch { return nil }
        defer { links.end() }
        return (0..<tally.count).map { links.key(of: tally.entry(at: $0).code.bytes) }
    }

    // MARK: Reading

    /// What is known of a link's clicks; nil while they are not kept. On any thread.
    func history(of code: [UInt8], _ link: LinkKey, dayCount: Int, today: ClickDay) -> ClickHistory? {
        reading.withLock { _ in
            guard let clicks else { return nil }
            // A fold that ends between the two looks is seen by its number, and there are few.
            for _ in 0..<8 {
                let (recent, folds) = locked {
                    let partition = code.withUnsafeBytes { pending[ClickStore.partition($0)] }
                    return (gathered.counts(of: code) + partition.counts(of: code), self.folds)
                }
                guard var history = try? clicks.read(link, dayCount: dayCount, today: today) else { return nil }
                guard history.folds == folds else { continue }
                figures.damagedReads.add(UInt64(history.damagedRows))
                for entry in recent {
                    history.total += entry.counts
                    let place = Int(entry.day.number) - Int(today.number) + dayCount - 1
                    if history.days.indices.contains(place) { history.days[place] += entry.counts }
                }
                return history
            }
            return nil
        }
    }

    var since: Instant? { reading.withLock { _ in clicks?.since } }
}

/// What the admin port tells of clicks.
final class ClickFigures: Sendable {
    let people = Counter()
    let bots = Counter()
    let heads = Counter()
    /// Counted, and not on the disk yet.
    let undurable = Atomic<UInt64>(0)
    /// Events that came while there was no place for them.
    let lost = Counter()
    let commits = Counter()
    let setAside = Counter()
    /// By the thread that counts, and by the API's.
    private let damaged = Counter()
    let damagedReads = Counter()
    let usedBytes = Atomic<Int>(0)
    let isAvailable = Atomic(true)

    var damagedRows: UInt64 { damaged.value + damagedReads.value }

    /// Takes over what an environment did since the last time.
    func note(_ clicks: ClickStore) {
        let done = clicks.takeFigures()
        commits.add(done.commits)
        damaged.add(done.damagedRows)
        usedBytes.store(clicks.usedBytes, ordering: .relaxed)
    }
}
