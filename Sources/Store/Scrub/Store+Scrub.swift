import Links
import Primitives
import Synchronization

/// When the scrub goes on, and by how much.
struct ScrubPace {
    let beganAt: Instant
    /// Of all tables that are walked, when the round began.
    let rows: Int
    /// The newest stamp that the store then had.
    let newestStamp: Stamp

    /// Rows are spread evenly over a round.
    func due(after rowCount: Int) -> Instant {
        let share = Double(min(rowCount, rows)) / Double(max(rows, 1))
        return beganAt.advanced(byMilliseconds: Int64(share * Double(StoreLimits.scrubRoundMilliseconds)))
    }

    /// Links that expired before are reduced, and what is kept for a time goes. A clock that is wrong shall not cost a link
    /// that has not expired: what it says counts only as far as the store's stamps had come when the round began.
    func reducingBefore(_ now: Instant, age: Int64) -> Instant {
        min(now, newestStamp.instant).advanced(byMilliseconds: -age)
    }
}

extension Store {
    /// One step, in a read transaction of its own; the writer gets what was found. One thread calls it, housekeeping's or
    /// that of a store without threads. Until the writer has looked at the last step's findings nothing happens.
    ///
    /// - reducedAfter: milliseconds for which a link must have been expired.
    /// - evenFor: milliseconds for which the wall clock must have gone on evenly for anything to be reduced.
    /// - rows: about how many are looked at.
    package func scrub(
        reducedAfter age: Int64 = StoreLimits.reducedAfterMilliseconds,
        evenFor: Int64 = StoreLimits.evenBeforeReducingMilliseconds, rows: Int = StoreLimits.scrubRows
    ) {
        let (now, ticks) = (settings.now(), settings.ticks())
        evenClock.note(wall: now, ticks: ticks)
        guard !scrubWaits.load(ordering: .acquiring) else { return }
        let found = try? reading { (view, transaction) throws(LMDBError) in
            if view.number != scrubbedEnvironment { (scrub, scrubbedEnvironment) = (Scrub(), view.number) }
            if scrub.isBetweenRounds { scrubPace = try pace(view.catalogue, transaction) }
            let isEven = evenClock.isEven(for: evenFor, at: ticks)
            return scrub.step(
                view.catalogue, view.names,
                reducingBefore: isEven ? scrubPace!.reducingBefore(now, age: age) : Instant(milliseconds: .min),
                sweepingBefore: scrubPace!.reducingBefore(now, age: StoreLimits.claimsKeptMilliseconds), rows: rows,
                transaction)
        }
        guard let found, !found.isEmpty || scrub.isBetweenRounds else { return }
        scrubWaits.store(true, ordering: .relaxed)
        queue.pushPastCapacity(
            .scrubbed(found, endsRound: scrub.isBetweenRounds, environment: scrubbedEnvironment))
    }

    private func pace(_ tables: Catalogue, _ transaction: ReadTransaction) throws(LMDBError) -> ScrubPace {
        var rows = 0
        for table in tables.recordTables + [.claims, .batches, .digests] {
            if let handle = tables.handle(table) { rows += try transaction.entryCount(handle) }
        }
        let stamps = vectorRows.withLock { $0 }.all.map(\.row.headStamp)
        return ScrubPace(
            beganAt: settings.now(), rows: rows, newestStamp: Stamp(rawValue: stamps.max() ?? 0))
    }

    /// Whether the next step is due. A round begins a round's time after the last one did, the first one a little after
    /// the start.
    func scrubIsDue(_ now: Instant, startedAt: Instant) -> Bool {
        guard let scrubPace else {
            return abs(now.millisecondsSince(startedAt)) >= StoreLimits.firstScrubMilliseconds
        }
        let due = scrubPace.due(after: scrub.isBetweenRounds ? scrubPace.rows : scrub.rowCount)
        return now >= due || now < scrubPace.beganAt
    }

    /// `observer` is called with the key of each damaged record that the scrub or a reader met, as in a request for a record.
    func observeDamage(_ observer: @escaping @Sendable ([UInt8]) -> Void) {
        damageObserver.withLock { $0 = observer }
    }

    /// The writer has done with a step's findings.
    func finishedScrubbing(_ damaged: [RecordKey]) {
        scrubWaits.store(false, ordering: .releasing)
        tellDamage(damaged)
    }

    /// A peer may have them.
    func tellDamage(_ damaged: [RecordKey]) {
        guard let observer = damageObserver.withLock({ $0 }) else { return }
        for key in damaged { observer(key.requestKey) }
    }
}
