import Analytics
import Glibc
import Links
import Primitives
import Store
import Synchronization

/// Counts clicks, on a thread of its own: takes the events out of the workers' rings, adds them up by code, and makes the sums
/// durable before an event is older than `click_flush`. Nothing waits for it: a click that has no room is dropped and counted.
///
///     worker ──▶ SlotRing ──┐ every 100 ms, or a half ring        within click_flush          once a minute
///     worker ──▶ SlotRing ──┴────────▶ gathered, by code ─────────▶ journal, fsync ───────────▶ totals, days
///                                          └──▶ HotCodes
///
/// Safety: the rings, the atomics and the storage are made to be shared; `hot` and `gathered` are guarded by the storage's lock;
/// the rest belongs to the thread.
final class Clicks: @unchecked Sendable {
    /// Events that a worker may be ahead: 4 MiB, of which ordinary events touch half.
    static let ringSlots = 32_768
    /// How often the rings are looked at, at least; a share of `click_flush` if that is short.
    private static let pauseMilliseconds: Int64 = 100
    private static let pausesPerFlush: Int64 = 10
    /// Counters of the sketch, and when a request counts for half.
    static let hotCounters = 1024
    static let hotHalfLifeMilliseconds: Int64 = 60_000
    /// A code is hot from so many requests a second on.
    static let hotPerSecond = 100.0
    static let hottest = 100
    static let niceness: Int32 = 10

    let wakeUp = WakeUp()
    let figures = ClickFigures()
    let storage: ClickStorage
    private let live: LiveConfiguration
    private let now: @Sendable () -> Instant
    private var rings: [SlotRing] = []
    private let isEnding = Atomic(false)
    private let gathered = ClickTally(capacity: ClickLimits.gatheredCodes)
    /// Of the entries of `gathered`, what `hot` knows of.
    private var known: [UInt64] = []
    private var hot: HotCodes
    private var configurationSeen: UInt64 = 0
    private var flushMilliseconds: Int64
    /// When the rings were looked at last: what is in them is younger.
    private var lookedAt: Int64
    /// No event in `gathered` is older.
    private var gatheringSince: Int64 = 0
    private var nextFold: Int64

    init(_ store: Store, _ live: LiveConfiguration, now: @escaping @Sendable () -> Instant) throws(StoreError) {
        (self.live, self.now) = (live, now)
        storage = try ClickStorage(store, gathered: gathered, figures: figures, now: now())
        hot = HotCodes(
            capacity: Self.hotCounters, halfLifeMilliseconds: Self.hotHalfLifeMilliseconds, now: now())
        flushMilliseconds = live.value.clickFlushMilliseconds
        lookedAt = System.monotonicMilliseconds()
        nextFold = lookedAt
    }

    /// Before the thread is started.
    func take(from rings: [SlotRing]) { self.rings = rings }

    /// Ends the thread once all that is in the rings is durable, as far as it can be. After the workers have ended.
    func close() {
        isEnding.store(true, ordering: .releasing)
        wakeUp.signal()
    }

    func run() {
        nextFold = System.monotonicMilliseconds() + foldPause
        while true {
            let isLast = isEnding.load(ordering: .acquiring)
            if live.isNewer(than: &configurationSeen) { flushMilliseconds = live.value.clickFlushMilliseconds }
            gather()
            let clock = System.monotonicMilliseconds()
            // The next look is a pause away, and the disk takes its time too.
            if isLast { return finish() }
            if clock + 2 * pause >= gatheringSince + flushMilliseconds { flush() }
            if clock >= nextFold {
                storage.foldNext(today: ClickDay(now()))
                nextFold = clock + foldPause
            }
            sleep()
        }
    }

    private func finish() {
        if flush() { return }
        let count = figures.undurable.load(ordering: .relaxed)
        figures.lost.add(count)
        Log.write(.warning, "clicks-dropped", ["detail": .string("\(count) clicks could not be made durable")])
    }

    private var pause: Int64 { min(Self.pauseMilliseconds, flushMilliseconds / Self.pausesPerFlush) }
    private var foldPause: Int64 { ClickLimits.foldMilliseconds / Int64(ClickLimits.partitions) }

    private func sleep() {
        var readiness = pollfd(fd: wakeUp.descriptor, events: Int16(POLLIN), revents: 0)
        if poll(&readiness, 1, Int32(pause)) > 0 { wakeUp.clear() }
    }

    // MARK: Counting

    /// Takes what is in the rings. What comes meanwhile is for the next time.
    private func gather() {
        let clock = System.monotonicMilliseconds()
        if gathered.count == 0 { gatheringSince = lookedAt }
        for ring in rings {
            // Where the ring begins anew there is a second piece.
            for _ in 0..<2 { take(ring) }
        }
        lookedAt = clock
    }

    private func take(_ ring: SlotRing) {
        var left = ring.filled.count / ClickEvent.slotBytes
        while left > 0 {
            let events = ring.filled
            let taken = storage.locked {
                gathered.count(UnsafeRawBufferPointer(rebasing: events.prefix(left * ClickEvent.slotBytes)))
            }
            ring.release(taken)
            figures.undurable.add(UInt64(taken), ordering: .relaxed)
            left -= taken
            if left > 0, !flush() {
                // As good as no room in the ring: the workers must find some again.
                ring.release(left)
                figures.lost.add(UInt64(left))
                return
            }
        }
    }

    /// False if what was gathered stays.
    @discardableResult
    private func flush() -> Bool {
        guard gathered.count > 0 else { return true }
        let sums = tellHot()
        guard storage.append() else {
            // The next try is as far away as if it had not failed.
            gatheringSince = System.monotonicMilliseconds()
            return false
        }
        gatheringSince = lookedAt
        known.removeAll(keepingCapacity: true)
        figures.people.add(sums.people)
        figures.bots.add(sums.bots)
        figures.heads.add(sums.heads)
        figures.undurable.store(0, ordering: .relaxed)
        return true
    }

    /// Tells the sketch what came since it was told last; all that is gathered.
    private func tellHot() -> ClickCounts {
        let instant = now()
        var sums = ClickCounts()
        storage.locked {
            hot.add(gathered, known: &known, now: instant)
            for index in 0..<gathered.count { sums += gathered.entry(at: index).counts }
        }
        return sums
    }

    // MARK: Other threads

    /// The hottest codes now, and the most by which a rate may be too high.
    var hottestCodes: (codes: [HotCodes.Hot], errorBound: Double) {
        let instant = now()
        return storage.locked { (hot.hottest(Self.hottest, now: instant), hot.errorBound(now: instant)) }
    }

    var hotCodeCount: Int {
        let instant = now()
        return storage.locked { hot.count(above: Self.hotPerSecond, now: instant) }
    }
}
