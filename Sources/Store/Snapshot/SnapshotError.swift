/// Why a copy of a store cannot be made. What was made of it is gone.
package enum SnapshotError: Error, Equatable, CustomStringConvertible {
    /// The copy's directory, or the system.
    case store(StoreError)
    case notEmpty(directory: String, name: String)
    /// No part of a snapshot, or not the one that was asked for.
    case malformed
    case newerFormat(found: UInt64)
    /// The parts are of different stores.
    case sourceChanged(reason: String)
    /// A part that nothing can do without.
    case sourceDamaged(reason: String)
    /// The log of the source and its own version vector do not go together.
    case logRefused(String)

    package var description: String {
        switch self {
        case .store(let error): error.description
        case .notEmpty(let directory, let name):
            "\(directory) is not empty (there is `\(name)`); name a directory that does not exist, or an empty one"
        case .malformed: "the answer is no part of a snapshot; is it another program's, or of another version?"
        case .newerFormat(let found):
            "the store has format \(found), and this program knows formats up to \(MetaRow.currentFormat); "
                + "use the newer program"
        case .sourceChanged(let reason): "the store changed under the copy (\(reason)); begin again"
        case .sourceDamaged(let reason): "the store is damaged (\(reason)); `edge verify` tells how far"
        case .logRefused(let reason): "the store's log cannot be replayed (\(reason)); `edge verify` tells more"
        }
    }
}
