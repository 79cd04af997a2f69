import Glibc
import Primitives
import Store

/// A stopped node's store, copied as `edge backup` does it: all records, and no log of how they came about. The node that
/// starts there begins a new life; a peer without these records can get them by a snapshot alone.
package enum StoreCopy {
    /// `directory` is not there or empty.
    package static func make(from source: String, in directory: String) throws {
        let settings = LinkPopulation.settings(source)
        let store = try Store(settings)
        defer { store.close() }
        let builder = try SnapshotBuilder(directory: directory, now: settings.now)
        while true {
            switch builder.request {
            case .start: try builder.take(.start(store.snapshotStart()))
            case .rows(let after): try builder.take(.rows(store.snapshotRows(after: after)))
            case .log(let origin, let from, let through):
                try builder.take(.log(store.logBatch(origin, from: from, through: through).get()))
            case .nothing:
                guard try builder.finish().isSound else { throw LabError("\(source) is damaged") }
                return
            }
        }
    }
}
