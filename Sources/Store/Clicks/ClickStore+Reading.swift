import Analytics
import Links

/// What is known of one link's clicks.
package struct ClickHistory: Sendable {
    package var total = ClickCounts()
    /// Of consecutive days, the last one last.
    package var days: [ClickCounts]
    /// How often a partition had been folded.
    package var folds: UInt64 = 0
    /// Rows that were left out because their checksum does not hold.
    package var damagedRows = 0

    package init(dayCount: Int) { days = Array(repeating: ClickCounts(), count: dayCount) }
}

extension ClickStore {
    /// What was folded of a link, for the `dayCount` days up to `today`.
    package func read(
        _ link: LinkKey, dayCount: Int, today: ClickDay
    ) throws(ClickStoreError) -> ClickHistory {
        precondition((1...ClickLimits.days).contains(dayCount))
        var history = ClickHistory(dayCount: dayCount)
        let key = ClickRows.key(link)
        do throws(LMDBError) {
            let snapshot = try environment.beginRead()
            func counts(_ id: TableID, _ table: TableHandle, _ key: [UInt8]) throws(LMDBError) -> ClickCounts {
                guard let value = try snapshot.get(table, key) else { return ClickCounts() }
                if let counts = ClickCounts(id, key, value) { return counts }
                history.damagedRows += 1
                return ClickCounts()
            }
            history.folds = try ClickMeta.folds(snapshot, tables)
            history.total = try counts(.totals, tables.totals, key)
            for place in 0..<dayCount {
                let day = today.earlier(by: dayCount - 1 - place)
                history.days[place] = try counts(.days, tables.days, ClickRows.key(day, key))
            }
        } catch {
            throw .failed(reason: error.description)
        }
        return history
    }
}
