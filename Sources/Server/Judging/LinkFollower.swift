import Links
import Primitives
import Store

/// Follows the logs of all lives as this node holds them: which links were written, or lost a list's block, and where they
/// lead now. Belongs to one thread.
final class LinkFollower {
    /// Links to be judged, each once, and how far the logs are followed with them.
    struct Page {
        var links: [JudgedLink] = []
        var end: ChangePosition
    }

    enum Reading {
        case page(Page)
        /// What was written there is not known; it goes on at `position`.
        case gap(String, position: ChangePosition)
        case failed(String)
    }

    private let store: Store
    private let reader: LinkReader

    init(_ store: Store) throws(StoreError) {
        self.store = store
        reader = try store.makeReader()
    }

    /// The page ends where it began if there is nothing new.
    func read(after position: ChangePosition) -> Reading {
        try? reader.lookAround()
        switch store.changes(after: position, atMost: JudgingLimits.followedLinks) {
        case .success(let changes):
            do throws(StoreError) { return .page(Page(links: try links(changes.writes), end: changes.end)) } catch {
                return .failed(error.description)
            }
        case .failure(.truncated(let origin, let floor)):
            var position = position
            position[origin] = floor
            return .gap("the log of \(origin) begins behind \(floor)", position: position)
        case .failure(.damaged(let origin, let sequence)):
            var position = position
            position[origin] = max(position[origin] + 1, sequence)
            return .gap("entry \(sequence) of the log of \(origin) is damaged", position: position)
        case .failure(.failed(let reason)): return .failed(reason)
        }
    }

    /// As they are now: of two writes of a link the later one in the log may be the one that does not count.
    private func links(_ writes: [LinkWrite]) throws(StoreError) -> [JudgedLink] {
        guard !writes.isEmpty else { return [] }
        var links: [JudgedLink] = []
        var seen: Set<LinkKey> = []
        try reader.begin()
        defer { reader.end() }
        for write in writes {
            var (body, stamp): (LinkBody?, Stamp) = (nil, write.stamp)
            switch write.content {
            case .link(let written): body = written
            // Another list, which has the link too, left it to the one that now lifts its block.
            case .block(let block) where !block.isBlocked && block.source != .decision: break
            case .block: continue
            }
            guard seen.insert(write.key).inserted else { continue }
            if case .link(let found) = reader.find(write.code.span.bytes), found.key == write.key.kind,
                let record = found.record
            {
                (body, stamp) = (record.body, Stamp(rawValue: record.stamp))
            }
            if let body, body.flags.isDisjoint(with: [.deleted, .reduced]) {
                links.append(
                    JudgedLink(
                        key: write.key, destination: body.destination, stamp: stamp,
                        forwardsQuery: body.flags.contains(.forwardsQuery)))
            }
        }
        return links
    }
}

extension LinkKey {
    fileprivate var kind: Kind {
        switch self {
        case .generated: .generated
        case .snowflake: .snowflake
        case .alias: .alias
        }
    }
}
