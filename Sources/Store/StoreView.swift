import Links
import Primitives

/// What whoever reads a store stands on. When a peer's snapshot takes the store's place, all of it is replaced at once;
/// who still reads in the old one may finish.
struct StoreView: Sendable {
    let environment: Environment
    /// Counts the environments that have been the store; a part of the tags of cached answers.
    let number: UInt16
    var catalogue: Catalogue
    /// Who wrote, by the index that records carry.
    var names: [UInt16: Origin]

    func index(of origin: Origin) -> UInt16? { names.first { $0.value == origin }?.key }
}

extension Store {
    /// Reads in one short transaction.
    func reading<Part>(
        _ read: (StoreView, ReadTransaction) throws(LMDBError) -> Part
    ) throws(StoreError) -> Part {
        do throws(LMDBError) {
            while true {
                // A table is told of after its commit, an origin before.
                var view = view
                let transaction = try view.environment.beginRead()
                let now = self.view
                guard now.number == view.number else { continue }
                view.names = now.names
                return try read(view, transaction)
            }
        } catch {
            throw error.isDamage
                ? .damaged(path: directory.storePath, reason: error.description)
                : .system(path: directory.storePath, reason: error.description)
        }
    }
}
