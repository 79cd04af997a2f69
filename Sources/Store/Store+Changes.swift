import Links
import Primitives

/// What one entry of a log says of a link.
package struct LinkWrite: Sendable {
    /// The last two are of its block, which is none of the link's own changes.
    package enum Kind: String, CaseIterable, Sendable { case created, updated, deleted, blocked, unblocked }

    /// One or the other: what is written of a block says nothing of where the link leads.
    package enum Content: Equatable, Sendable {
        case link(LinkBody)
        case block(BlockBody)
    }

    package let origin: Origin
    /// Of the entry in the origin's log.
    package let sequence: UInt64
    package let stamp: Stamp
    package let key: LinkKey
    /// The code or alias that the link is reached under.
    package let code: [UInt8]
    package let content: Content

    package var kind: Kind {
        switch content {
        case .block(let block): block.isBlocked ? .blocked : .unblocked
        case .link(let body) where body.flags.contains(.deleted): .deleted
        case .link(let body): body.creation == nil ? .created : .updated
        }
    }

    /// Whether the code was answered in another way before, so that a cache may keep what no longer holds. That nothing is
    /// there is kept by none.
    package var replacesAnswer: Bool { kind != .created }

    /// Of two writes of one link the one whose text is greater stands, as `RecordRank` has it: a delete is final, the
    /// creation that won a claim comes before all that was done to the link since, else the later one. Writes of its block
    /// are compared among themselves.
    package var version: String {
        let order: String
        switch content {
        case .link(let body):
            let rank = RecordRank(body, stamp: stamp.rawValue, origin: origin)
            order = rank.isFinal ? "2" : rank.isClaimed ? "0" : "1"
        case .block(let body): order = hex(UInt64(body.rank(stamp: stamp.rawValue, origin: origin).precedence), 3)
        }
        return order + hex(stamp.rawValue, 16) + hex(UInt64(origin.region), 2) + hex(UInt64(origin.node), 1)
            + hex(origin.incarnation, 16)
    }
}

/// What the logs say of links behind a position.
package struct ChangePage: Sendable {
    /// Of one origin in the order of its log; of several by their stamps, as far as they are here.
    package var writes: [LinkWrite] = []
    /// Behind all of them, and behind the entries of other kinds in between.
    package var end: ChangePosition
}

package enum ChangeReadError: Error, Equatable, Sendable {
    /// Entries of a log behind the position, up to `floor`, are no longer here.
    case truncated(Origin, floor: UInt64)
    case damaged(Origin, sequence: UInt64)
    case failed(reason: String)
}

extension Store {
    /// Behind all that is here now.
    package var endOfChanges: ChangePosition {
        vector.reduce(into: ChangePosition()) { $0[$1.origin] = $1.head }
    }

    /// At most `count` writes of links behind `position`, read in short transactions and bounded in bytes: if there are
    /// none, and the page ends where it began, there is nothing more. A log that this node does not hold so far has nothing
    /// for it either.
    package func changes(
        after position: ChangePosition, atMost count: Int
    ) -> Result<ChangePage, ChangeReadError> {
        let behind = vector.filter { $0.head > position[$0.origin] }
        var logs: [LogPart] = []
        for row in behind {
            let share = max(1, StoreLimits.partBytes / behind.count)
            switch logPart(row, after: position[row.origin], limitBytes: share) {
            case .success(let part?): logs.append(part)
            case .success(nil): break
            case .failure(let error): return .failure(error)
            }
        }
        var page = ChangePage(end: position)
        while page.writes.count < count {
            // What comes next in a log that was read in part may be older than what is here of the others.
            if logs.contains(where: { $0.next == nil && !$0.isWhole }) { break }
            guard
                let index = logs.indices.filter({ logs[$0].next != nil })
                    .min(by: { logs[$0].next!.stamp < logs[$1].next!.stamp })
            else { break }
            let entry = logs[index].take()
            let origin = logs[index].origin
            page.end[origin] = entry.sequence
            if let write = linkWrite(entry, origin) { page.writes.append(write) }
        }
        return .success(page)
    }

    /// Nil if there is nothing, as when another store has just taken this one's place.
    private func logPart(
        _ row: OriginPosition, after sequence: UInt64, limitBytes: Int
    ) -> Result<LogPart?, ChangeReadError> {
        func read(through last: UInt64) -> Result<LogPart?, ChangeReadError> {
            switch logBatch(row.origin, from: sequence + 1, through: last, limitBytes: limitBytes) {
            case .success(let batch):
                let entries = batch.entries.map { try? LogEntry(decoding: $0.span.bytes) }
                if let index = entries.firstIndex(where: { $0 == nil }) {
                    return .failure(.damaged(row.origin, sequence: batch.first + UInt64(index)))
                }
                return .success(
                    LogPart(origin: row.origin, entries: entries.map { $0! }[...], isWhole: batch.last >= row.head))
            case .failure(.unknownOrigin), .failure(.beyond): return .success(nil)
            case .failure(.truncated(let floor)): return .failure(.truncated(row.origin, floor: floor))
            case .failure(.damaged(let damaged)): return .failure(.damaged(row.origin, sequence: damaged))
            case .failure(.failed(let reason)): return .failure(.failed(reason: reason))
            }
        }
        let part = read(through: row.head)
        // What stands before it is sound.
        if case .failure(.damaged(_, let damaged)) = part, damaged > sequence + 1 {
            return read(through: damaged - 1).map { part in
                part.map { LogPart(origin: $0.origin, entries: $0.entries, isWhole: false) }
            }
        }
        return part
    }

    /// Nil for a link of no code that this node answers, and for what is no link's.
    private func linkWrite(_ entry: LogEntry, _ origin: Origin) -> LinkWrite? {
        let key: LinkKey
        let content: LinkWrite.Content
        switch try? RecordKey(kind: entry.kind, entry.key.span.bytes) {
        case .link(let link):
            guard let body = try? LinkBody(decoding: entry.value.span.bytes) else { return nil }
            (key, content) = (link, .link(body))
        case .moderation(.block(let link)):
            guard let block = try? BlockBody(decoding: entry.value.span.bytes) else { return nil }
            (key, content) = (link, .block(block))
        case .member, .key, .moderation, nil: return nil
        }
        let code: [UInt8]
        if case .alias(let name) = key {
            code = name
        } else if let generated = codeSpace.generatedCode(of: key) {
            code = Array(generated.description.utf8)
        } else {
            return nil
        }
        return LinkWrite(
            origin: origin, sequence: entry.sequence, stamp: Stamp(rawValue: entry.stamp), key: key, code: code,
            content: content)
    }

    // MARK: Files beside the store

    /// A small file of the data directory; nil if there is none. One byte more than `limitBytes` tells that it is larger.
    package func readFile(_ name: String, limitBytes: Int) throws(StoreError) -> [UInt8]? {
        try readSmallFile(directory.path + "/" + name, atMostBytes: limitBytes)
    }

    /// Afterwards, and after a power loss, the file holds the old bytes or the new.
    package func replaceFile(_ name: String, with bytes: [UInt8]) throws(StoreError) {
        let path = directory.path + "/" + name
        do throws(LMDBError) { try directory.replace(path, with: bytes) } catch {
            throw .system(path: path, reason: error.description)
        }
    }
}

/// A part of a log that is taken from the front.
private struct LogPart {
    let origin: Origin
    var entries: ArraySlice<LogEntry>
    /// The log ends with the last of them.
    let isWhole: Bool

    var next: LogEntry? { entries.first }

    mutating func take() -> LogEntry { entries.removeFirst() }
}
