/// Why a store cannot be opened. Each says what is wrong and what the operator can do; none loses anything.
package enum StoreError: Error, Equatable, CustomStringConvertible {
    case inUse(directory: String)
    case directory(path: String, reason: String)
    /// The side file tells of a store, and there is none.
    case missing(path: String)
    /// A copy into the directory was cut short, and there is no store.
    case unfinished(directory: String)
    case empty(path: String)
    case truncated(path: String, neededBytes: Int, actualBytes: Int)
    /// No store of this program, or its first pages are damaged.
    case foreign(path: String, reason: String)
    case newerFormat(path: String, found: UInt64, known: UInt64)
    /// Its logs have entries that only a newer program reads.
    case newerLogFormat(path: String, found: UInt16, known: UInt16)
    case identityMismatch(path: String, reason: String)
    case identityDamaged(path: String, reason: String)
    /// The store belongs to another cluster, region or node than the configuration names.
    case otherNode(path: String, reason: String)
    case codeSecretDiffers(path: String)
    case damaged(path: String, reason: String)
    case system(path: String, reason: String)

    package var description: String {
        switch self {
        case .inUse(let directory):
            "\(directory) is in use by another process; one process owns a data directory"
        case .directory(let path, let reason):
            "cannot use \(path) as data directory: \(reason)"
        case .missing(let path):
            "\(path) is missing, but the file `identity` beside it says that there was a store; put the store back, or "
                + "remove `identity` to start as a new incarnation with what the peers have"
        case .unfinished(let directory):
            "a copy into \(directory) was not finished; make it again with the same command, or remove the directory "
                + "`partial` in it to start anew"
        case .empty(let path):
            "\(path) is empty, and a store never is: something truncated it; put a backup in its place and remove "
                + "`identity`, or remove both to start anew"
        case .truncated(let path, let needed, let actual):
            "\(path) is cut short: it has \(actual) bytes and its header speaks of \(needed); put a backup in its place "
                + "and remove `identity`, or remove both to start anew"
        case .foreign(let path, let reason):
            "\(path) is no store of edge (\(reason)); nothing was changed"
        case .newerFormat(let path, let found, let known):
            "\(path) has format \(found), and this program knows formats up to \(known); start the newer program"
        case .newerLogFormat(let path, let found, let known):
            "\(path) has log entries of format \(found), which this cluster writes since all its members read it, and "
                + "this program knows formats up to \(known); start the newer program"
        case .identityMismatch(let path, let reason):
            "\(path) and the file `identity` beside it are not of the same node life (\(reason)); if this store is to "
                + "be used, remove `identity`: the node then joins as a new incarnation and keeps all links"
        case .identityDamaged(let path, let reason):
            "\(path) cannot be read (\(reason)); remove it: the node then joins as a new incarnation and keeps all links"
        case .otherNode(let path, let reason):
            "\(path) belongs to another node (\(reason)); correct the configuration or use another data directory"
        case .codeSecretDiffers(let path):
            "\(path) was made with another code secret; with a different one its codes would mean other links"
        case .damaged(let path, let reason):
            "\(path) is damaged (\(reason)); `edge verify` tells how far, a backup or a peer has the rest"
        case .system(let path, let reason):
            "\(path): \(reason)"
        }
    }
}

/// Why a write was not made. Nothing of it is in the store.
package enum WriteError: Error, Equatable, Sendable {
    case aliasTaken
    /// Another request has been made under the claim.
    case requestDiffers
    /// There is no link to change; or it was changed elsewhere, and has not come here yet.
    case notFound
    /// The link was deleted, for good.
    case deleted
    /// The link is not as whoever changes it thinks.
    case preconditionFailed
    /// A member of the cluster does not read what is to be written.
    case notReadByAll
    /// The node's clock is wrong: a change would be stamped before what it changes elsewhere.
    case clockWrong
    /// More writes wait than can be done soon.
    case overloaded
    /// The node's cap on numbers is reached.
    case rateCapped(retryAfterMilliseconds: Int64)
    case storageFull
    /// What stands under the key cannot be read.
    case damagedRecord
    case stopping
}
