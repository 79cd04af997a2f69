/// Decides whether the store fits in memory, so that a lookup of any link finds its pages there.
package struct MemoryFit: Equatable, Sendable {
    /// As of the last look.
    package private(set) var fits = true

    package init() {}

    /// `memoryBytes`: what the process and the pages of its files may take in all, nil if nobody tells; `ownBytes`: what
    /// the process takes itself. It is looked at at intervals, because stores grow and limits are changed; between the two
    /// bounds it stays as it was, so that a store at the border does not go to and fro.
    package mutating func look(usedBytes: Int, memoryBytes: Int?, ownBytes: Int) {
        guard let memoryBytes else {
            fits = false
            return
        }
        let room = max(0, memoryBytes - ownBytes)
        let percent = fits ? ReaderLimits.fitsPercent : ReaderLimits.fitsAgainPercent
        fits = usedBytes <= room / 100 * percent
    }
}
