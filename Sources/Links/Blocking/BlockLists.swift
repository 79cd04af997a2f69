import Synchronization

/// The block lists in force, for all threads. Others take their place at once: who looks something up holds on to those that
/// there were, and nobody waits.
package final class BlockLists: Sendable {
    private let current = Mutex(BlockList())
    private let refusals = Atomic<UInt64>(0)

    package init() {}

    package var value: BlockList { current.withLock { $0 } }

    package func replace(with list: consuming BlockList) {
        // The old one is given back behind the lock.
        _ = current.withLock { current in
            let old = current
            current = list
            return old
        }
    }

    /// Destinations that were refused.
    package var refusedCount: UInt64 { refusals.load(ordering: .relaxed) }

    /// Throws if the text of a destination is listed.
    func admit(_ destination: [UInt8]) throws(DestinationError) {
        let list = value
        if list.isEmpty { return }
        var url = NormalisedURL()
        try url.read(destination)
        guard list.find(url) == nil else {
            refusals.add(1, ordering: .relaxed)
            throw .blockListed
        }
    }
}
