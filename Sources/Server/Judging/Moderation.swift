import Links
import Replication
import Store

/// What is to be written of one link.
struct JudgedBlock: Equatable, Sendable {
    let key: LinkKey
    let destination: [UInt8]
    let isBlocked: Bool
    /// On whose word.
    let list: String
    let reason: String
    /// The list whose block this one takes the place of.
    var replaced: String?
}

/// A block on the word of a list.
struct ListBlock: Equatable, Sendable {
    let list: String
    /// When it was written.
    let stamp: Stamp
    /// This node wrote it.
    let isOwn: Bool
}

/// The blocks of links, as those who judge links need them.
struct Moderation: Sendable {
    enum Outcome: Equatable, Sendable {
        case done
        /// There was nothing to change, or somebody has decided, or the block is damaged.
        case unchanged
        /// It cannot be written now.
        case failed(reason: String)
    }

    /// The block of a link; nil if there is none, or if somebody has decided about it.
    let standing: @Sendable (LinkKey) throws(StoreError) -> ListBlock?
    /// In the order of the calls. Calls back once, on any thread, once it is durable or has failed. Nothing is changed where
    /// a decision stands, nor where another list blocks that is not replaced.
    let write: @Sendable (JudgedBlock, @escaping @Sendable (Outcome) -> Void) -> Void
}

extension Moderation {
    init(_ store: Store) {
        standing = { (key) throws(StoreError) in
            guard case .block(let block) = try store.findBlock(key), block.body.isBlocked,
                case .list(let name) = block.body.source
            else { return nil }
            return ListBlock(list: name, stamp: block.stamp, isOwn: NodeID(block.origin) == NodeID(store.origin))
        }
        write = { block, end in
            let write = BlockWrite(
                key: block.key, isBlocked: block.isBlocked, source: .list(block.list), reason: block.reason, by: [],
                destination: block.destination, replacing: block.replaced)
            store.moderate(write) { result in
                switch result {
                case .success(let written): end(written.sequence == nil ? .unchanged : .done)
                // The link leads nowhere until a peer has mended that, and no other link waits for it.
                case .failure(.damagedRecord): end(.unchanged)
                case .failure(let error): end(.failed(reason: "\(error)"))
                }
            }
        }
    }
}

/// Why a destination is not to be led to.
struct Verdict: Equatable, Sendable {
    let list: String
    let reason: String
}

/// A judge cannot be asked now.
struct JudgeUnavailable: Error, Equatable {
    let reason: String
    /// Not to be asked before.
    let pauseMilliseconds: Int64
    /// The judge has asked for the pause, and nothing is wrong.
    var isWanted = false

    static func store(_ reason: String) -> JudgeUnavailable {
        JudgeUnavailable(reason: reason, pauseMilliseconds: Int64(JudgingLimits.failurePauseMilliseconds))
    }
}

/// Who says which destinations no link may lead to: block lists, and a service outside. Belongs to one thread.
protocol DestinationJudge: AnyObject {
    /// Under which its blocks are written. Those of other names it leaves alone.
    var names: Set<String> { get }

    /// Of the first of the links, and of one at least, why they are blocked, or nil.
    func judge(_ links: [JudgedLink]) throws(JudgeUnavailable) -> [Verdict?]
}

/// A link as it is now.
struct JudgedLink: Sendable {
    let key: LinkKey
    let destination: [UInt8]
    /// When it was written last; nil where all links are judged anew.
    var stamp: Stamp?
    /// The visitor's query comes behind the destination.
    var forwardsQuery = false
}

/// Brings blocks in line with verdicts. Belongs to one thread.
final class Moderator {
    private let moderation: Moderation
    private let figures: JudgingFigures

    init(_ moderation: Moderation, _ figures: JudgingFigures) {
        (self.moderation, self.figures) = (moderation, figures)
    }

    /// Waits until all of it is durable. What is blocked on the word of others than `names` stays as it is, and so does what
    /// another node has blocked since the link was written. Throws why it was not all written; then it is to be judged once more.
    func apply(_ verdicts: [Verdict?], to links: some Collection<JudgedLink>, names: Set<String>)
        throws(JudgeUnavailable)
    {
        var writes: [JudgedBlock] = []
        for (link, verdict) in zip(links, verdicts) {
            let standing: ListBlock?
            do throws(StoreError) { standing = try moderation.standing(link.key) } catch {
                throw .store(error.description)
            }
            if let standing, !names.contains(standing.list) || standing.list == verdict?.list { continue }
            if let verdict {
                writes.append(
                    JudgedBlock(
                        key: link.key, destination: link.destination, isBlocked: true, list: verdict.list,
                        reason: verdict.reason, replaced: standing?.list))
            } else if let standing, standing.isOwn || link.stamp.map({ $0 > standing.stamp }) ?? true {
                // Another node that blocked the link as it is now may know better than this one does yet.
                writes.append(
                    JudgedBlock(
                        key: link.key, destination: link.destination, isBlocked: false, list: standing.list,
                        reason: "no longer listed"))
            }
        }
        figures.judged.add(UInt64(verdicts.count))
        if let reason = run(writes) { throw .store(reason) }
    }

    /// Why not all of it is durable; nil if it is. As many at a time as leave the writer's queue to others.
    private func run(_ writes: [JudgedBlock]) -> String? {
        var failure: String?
        var rest = writes[...]
        while !rest.isEmpty, failure == nil {
            let part = rest.prefix(JudgingLimits.writes)
            rest = rest.dropFirst(part.count)
            let ends = Outcomes()
            for write in part { moderation.write(write) { ends.add(write, $0) } }
            for (write, outcome) in ends.wait(for: part.count) {
                switch outcome {
                case .done: write.isBlocked ? figures.blocked.add() : figures.lifted.add()
                case .unchanged: break
                case .failed(let reason): failure = reason
                }
            }
        }
        return failure
    }
}
