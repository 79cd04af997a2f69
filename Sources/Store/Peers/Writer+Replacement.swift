import Links
import Replication

/// That a store made of a peer's snapshot takes the place of the present one.
struct StoreReplacement: Sendable {
    let install: SnapshotInstall
    /// The peer's vector before it read the first record.
    let offer: SnapshotOffer
    let end: SnapshotEnd
    /// Called on the writer's thread; nil: nothing has changed.
    let completion: @Sendable (Holdings?) -> Void
}

extension Writer {
    /// Who reads goes on in the old store meanwhile, and takes to the new one with its next snapshot; writes wait.
    func replace(_ replacement: StoreReplacement, _ store: Store) {
        let install = replacement.install
        do throws(LMDBError) {
            let old = SnapshotInstall.Old(
                catalogue: catalogue, snapshot: try environment.beginRead(),
                origins: store.vectorRows.withLock { $0 }.rows, ownIndex: state.originIndex,
                logFormat: state.merge.logFormat)
            try install.finish(replacement.offer, replacement.end, replacing: old)
            try install.moveInPlace(directory)
        } catch {
            install.abandon()
            return replacement.completion(nil)
        }
        do {
            try install.stay(in: directory)
            let opening = try StoreOpening(settings, directory)
            try goOn(in: opening, stamps: store.stamps)
            noteLost(install.lost.count)
            store.replace(by: opening, number: environmentNumber, state)
            publish(store)
            replacement.completion(try store.holdings())
        } catch {
            settings.mustEnd("the store that a peer's snapshot made cannot be opened: \(error)")
        }
    }
}
