import Links
import Store

/// Notices what an operator should know of a running node, and says it once in the log when it changes.
package struct Watch {
    private var isFull = false
    private var openReason: Issuer.Reason?
    private var warning: Issuer.Warning?
    private var damagedAnswers: UInt64 = 0
    private var accessLogDrops: UInt64 = 0
    private var clickDrops: UInt64 = 0
    private var codeConflicts: UInt64 = 0
    private var lostRows: UInt64 = 0
    private var scrub = ScrubFigures()

    package init() {}

    /// The log lines for what has changed since the last call.
    package mutating func changes(
        _ figures: StoreFigures, damagedAnswers: UInt64, accessLogDrops: UInt64 = 0, clickDrops: UInt64 = 0
    ) -> [Line] {
        var lines: [Line] = []
        if figures.isFull != isFull {
            isFull = figures.isFull
            lines.append(
                isFull
                    ? Line(.error, "storage-full", "links cannot be made until there is room; redirects go on")
                    : Line(.info, "storage-available", "links can be made again"))
        }
        if let issuer = figures.issuer {
            lines += breakerChanges(issuer.breaker)
            if issuer.warning != warning {
                warning = issuer.warning
                if let warning {
                    let minutes = warning == .twoMinutes ? "two" : "ten"
                    lines.append(
                        Line(.warning, "codes-run-out", "ordinary codes run out in less than \(minutes) minutes"))
                }
            }
        }
        if figures.merged.conflicts > codeConflicts {
            let count = figures.merged.conflicts - codeConflicts
            lines.append(Line(.error, "code-conflict", "\(count) entries of other nodes are for another link's code"))
            codeConflicts = figures.merged.conflicts
        }
        if damagedAnswers > self.damagedAnswers {
            lines.append(
                Line(.error, "damaged-record", "\(damagedAnswers - self.damagedAnswers) requests met a damaged record"))
            self.damagedAnswers = damagedAnswers
        }
        lines += scrubChanges(figures.scrub)
        if figures.lostRows > lostRows {
            lines.append(
                Line(
                    .error, "rows-left-behind",
                    "\(figures.lostRows - lostRows) rows did not go into the new store; the file lost+found has them"))
            lostRows = figures.lostRows
        }
        if accessLogDrops > self.accessLogDrops {
            let count = accessLogDrops - self.accessLogDrops
            lines.append(Line(.warning, "access-log-dropped", "\(count) lines could not be written in time"))
            self.accessLogDrops = accessLogDrops
        }
        if clickDrops > self.clickDrops {
            lines.append(Line(.warning, "clicks-dropped", "\(clickDrops - self.clickDrops) clicks were not counted"))
            self.clickDrops = clickDrops
        }
        return lines
    }

    private mutating func scrubChanges(_ figures: ScrubFigures) -> [Line] {
        var lines: [Line] = []
        if figures.damagedRecords > scrub.damagedRecords {
            let count = figures.damagedRecords - scrub.damagedRecords
            lines.append(Line(.error, "scrub-damage", "\(count) records are damaged; edge verify names them"))
        }
        if figures.correctedDigests > scrub.correctedDigests {
            let count = figures.correctedDigests - scrub.correctedDigests
            lines.append(Line(.error, "digest-corrected", "\(count) digests were not those of their records"))
        }
        scrub = figures
        return lines
    }

    private mutating func breakerChanges(_ breaker: Issuer.Breaker) -> [Line] {
        let reason: Issuer.Reason? =
            switch breaker {
            case .closed: nil
            case .open(let reason, _, _), .halfOpen(let reason, _, _): reason
            }
        if reason == openReason { return [] }
        openReason = reason
        guard let reason else { return [Line(.info, "codes-ordinary", "ordinary codes are handed out again")] }
        return [Line(.warning, "codes-long", "long codes are handed out, because of: \(reason)")]
    }

    package struct Line: Equatable {
        package let level: Log.Level
        package let event: String
        package let detail: String
        init(_ level: Log.Level, _ event: String, _ detail: String) {
            (self.level, self.event, self.detail) = (level, event, detail)
        }
    }
}
