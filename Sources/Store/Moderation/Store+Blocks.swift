import Links
import Primitives

/// That a link is to be blocked from now on, or not any more.
package struct BlockWrite: Sendable {
    package var key: LinkKey
    package var isBlocked: Bool
    package var source: BlockSource
    package var reason: String
    /// The principal that wants it.
    package var by: [UInt8]
    /// The list whose block this one of another list takes the place of.
    package var replaced: String?
    /// Of where the link leads, as far as is known here.
    let destinationHash: [UInt8]

    /// `destination`: empty if it is not known.
    package init(
        key: LinkKey, isBlocked: Bool, source: BlockSource, reason: String, by: [UInt8], destination: [UInt8] = [],
        replacing replaced: String? = nil
    ) {
        (self.key, self.isBlocked, self.source) = (key, isBlocked, source)
        (self.reason, self.by, self.replaced) = (reason, by, replaced)
        destinationHash = destination.isEmpty ? [] : Array(SHA256Hasher().hash(destination).prefix(8))
    }

    /// Whether there is anything to write where `body` stands. What somebody decided no list touches, unless that was to
    /// leave the link alone as it led elsewhere; and a list no block of another that it does not replace.
    func changes(_ body: BlockBody?) -> Bool {
        guard let body else { return isBlocked || source == .decision }
        if body.isBlocked == isBlocked, body.source == source {
            return body.reason != reason || body.liftedFor != liftedFor
        }
        switch (source, body.source) {
        case (.decision, _): return true
        case (.list, .decision): return isBlocked && !body.isBlocked && isOver(body.liftedFor) && body.turn < .max
        case (.list(let name), .list(let other)):
            return name == other || isBlocked && (!body.isBlocked || other == replaced)
        }
    }

    /// What it leaves in a record; see there.
    var liftedFor: [UInt8] { source == .decision && !isBlocked ? destinationHash : [] }

    /// Whether what was said of that destination says nothing of where the link leads now.
    private func isOver(_ liftedFor: [UInt8]) -> Bool {
        !liftedFor.isEmpty && !destinationHash.isEmpty && liftedFor != destinationHash
    }
}

/// A block as it stands in the store, in force or lifted.
package struct StoredBlock: Equatable, Sendable {
    package let key: LinkKey
    package let body: BlockBody
    /// When and where that was decided.
    package let stamp: Stamp
    package let origin: Origin

    fileprivate var rank: RecordRank { body.rank(stamp: stamp.rawValue, origin: origin) }
}

/// What a look for a link's block found.
package enum FoundBlock: Equatable, Sendable {
    case block(StoredBlock)
    case absent
    /// A row stands there, and its checksum does not hold. Until it is repaired the link leads nowhere: one that was
    /// blocked shall not come back because a bit flipped.
    case damaged

    /// Whether the link leads nowhere because of it.
    package var isInForce: Bool {
        switch self {
        case .block(let block): block.body.isBlocked
        case .absent: false
        case .damaged: true
        }
    }

    /// The same, if another node has the block as `other` says.
    func isInForce(beside other: StoredBlock?) -> Bool {
        guard let other else { return isInForce }
        if case .block(let block) = self, block.rank.beats(other.rank, at: .moderation(.block(block.key))) {
            return isInForce
        }
        return self == .damaged || other.body.isBlocked
    }
}

/// What a link's block is after a `BlockWrite`.
package struct WrittenBlock: Sendable {
    /// Nil: there is none, and there was nothing to lift.
    package let block: StoredBlock?
    /// The link was not blocked before.
    package let isNew: Bool
    /// Of the entry in this node's log; nil: it stood like this, and nothing was written.
    package let sequence: UInt64?
}

extension Store {
    package typealias BlockCompletion = @Sendable (Result<WrittenBlock, WriteError>) -> Void

    /// Makes a block, or its end, durable and then calls `completion` on the writer's thread, which must not be kept. From
    /// then on no cache of this node leads to the link.
    ///
    /// A decision is written wherever it changes something, also where there is no room for links. A write for a list does
    /// nothing where somebody decided, where another list blocks, or where there is nothing to change.
    package func moderate(_ write: BlockWrite, completion: @escaping BlockCompletion) {
        moderate(.block(write)) { result in
            completion(
                result.map { outcome in
                    guard case .block(let written) = outcome else { preconditionFailure("another kind of write") }
                    return written
                })
        }
    }

    /// Hands a write of moderation to the writer.
    func moderate(_ write: ModerationWrite, completion: @escaping ModerationCompletion) {
        guard allowsChanges else { return completion(.failure(.clockWrong)) }
        if !queue.push(.moderate(write, completion)) { completion(.failure(refusal)) }
    }

    /// Of all that is committed.
    package func findBlock(_ key: LinkKey) throws(StoreError) -> FoundBlock {
        try reading { (view, transaction) throws(LMDBError) in try view.block(of: key, transaction) }
    }
}

/// Some of all blocks, and where to go on.
package struct BlockPage: Sendable {
    /// With the code or alias of each link.
    package var blocks: [(block: StoredBlock, code: [UInt8])] = []
    /// Behind which the next page begins; nil: there is none.
    package var next: LinkKey?
    /// What is left out, because a record fails its checksum.
    package var damagedCount = 0
}

extension Store {
    /// At most `limit` blocks behind the one of `last`, in the order of their links' keys, those that were lifted too. Read
    /// in one short transaction.
    package func blocks(after last: LinkKey?, limit: Int) throws(StoreError) -> BlockPage {
        try reading { (view, transaction) throws(LMDBError) in
            var (page, end, seen) = (BlockPage(), last, 0)
            let cursor = try transaction.cursor(view.catalogue.blocks!)
            let start = last.map { ModerationKey.block($0).bytes } ?? ModerationKey.blockHead
            var row = try cursor.seek(start)
            if last != nil, let (key, _) = row, key.elementsEqual(start) { row = try cursor.move(.next) }
            while let (key, value) = row, key.starts(with: ModerationKey.blockHead) {
                if page.blocks.count == limit || page.damagedCount == StoreLimits.damageScanRows
                    || seen == StoreLimits.listedRows
                {
                    page.next = end
                    break
                }
                seen += 1
                // A damaged key may lead back.
                if case .moderation(.block(let link)) = RecordKey(.blocks, key),
                    end.map({ ModerationKey.block(link).isBehind(.block($0)) }) ?? true
                {
                    end = link
                }
                if let block = StoredBlock(key, value, view.names) {
                    if let code = code(of: block.key) { page.blocks.append((block, code)) }
                } else {
                    page.damagedCount += 1
                }
                row = try cursor.move(.next)
            }
            return page
        }
    }
}

extension StoreView {
    /// The block of a link, in force or lifted.
    func block(of link: LinkKey, _ transaction: ReadTransaction) throws(LMDBError) -> FoundBlock {
        try catalogue.block(of: link, names, transaction)
    }
}

extension Catalogue {
    /// The block of a link; `names`: of all origins that records can have.
    func block(
        of link: LinkKey, _ names: [UInt16: Origin], _ transaction: ReadTransaction
    ) throws(LMDBError) -> FoundBlock {
        let rowKey = ModerationKey.block(link).bytes
        guard let table = blocks, let value = try transaction.get(table, rowKey) else { return .absent }
        let block = rowKey.withUnsafeBytes { StoredBlock($0, value, names) }
        return block.map { .block($0) } ?? .damaged
    }
}

extension StoredBlock {
    /// Of a row; nil if it is damaged, or none of a block.
    fileprivate init?(
        _ rowKey: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ names: [UInt16: Origin]
    ) {
        guard case .moderation(let key) = RecordKey(.blocks, rowKey), case .block(let link) = key,
            let payload = Row.payload(.blocks, rowKey, value),
            let record = try? TableRecord(.moderation(key), decoding: payload.bytes),
            case .moderation(.block(let body)) = record.body, let origin = names[record.originIndex]
        else { return nil }
        self.init(key: link, body: body, stamp: Stamp(rawValue: record.stamp), origin: origin)
    }
}
