import Foundation
import Links
import Primitives
import Synchronization
import Testing

@testable import Store

extension Store {
    func moderateAndWait(_ write: BlockWrite) -> Result<WrittenBlock, WriteError> {
        let done = DispatchSemaphore(value: 0)
        let result = Mutex<Result<WrittenBlock, WriteError>?>(nil)
        moderate(write) { outcome in
            result.withLock { $0 = outcome }
            done.signal()
        }
        done.wait()
        return result.withLock { $0! }
    }

    /// By a decision.
    @discardableResult
    func block(_ key: LinkKey, _ isBlocked: Bool = true, reason: String = "phishing") throws -> WrittenBlock {
        try moderateAndWait(.decision(key, isBlocked, reason)).get()
    }

    func standing(_ key: LinkKey) throws -> BlockBody? {
        switch try findBlock(key) {
        case .block(let block): block.body
        case .absent: nil
        case .damaged: throw Missing()
        }
    }
}

extension BlockWrite {
    static func decision(_ key: LinkKey, _ isBlocked: Bool, _ reason: String = "phishing") -> BlockWrite {
        BlockWrite(key: key, isBlocked: isBlocked, source: .decision, reason: reason, by: Array("admin".utf8))
    }

    static func list(
        _ name: String, _ key: LinkKey, _ isBlocked: Bool, reason: String = "listed", of destination: String = "",
        replacing: String? = nil
    ) -> BlockWrite {
        BlockWrite(
            key: key, isBlocked: isBlocked, source: .list(name), reason: reason, by: [],
            destination: Array(destination.utf8), replacing: replacing)
    }
}

extension LinkReader {
    /// Whether the link of a code is blocked; nil if it is not there, or damaged.
    func isBlocked(_ code: [UInt8]) throws -> Bool? {
        try begin()
        defer { end() }
        if case .link(let link) = find(code.span.bytes) { return link.isBlocked }
        return nil
    }
}

@Suite struct BlockTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    private var own: StoreSettings { clusterSettings(directory, clock: clock) }
    private func problems() throws -> [String] { try StoreInspection(directory: directory.store).problems }

    /// A generated link, an alias, a Snowflake of another node, and an alias of the greatest length that users may choose.
    private func fill(_ store: Store) throws -> [LinkKey] {
        clock.advance(milliseconds: 1000)
        var author = Author()
        let region = UInt64(RegionCharacter(author.origin.region)!.index)
        let snowflake = LinkKey.snowflake(number: 5 << 23 | region << 17)
        author.write(snowflake, body("https://snowflake.example.com/"))
        #expect(store.applyAndWait(author.whole) == .applied)
        let long = try Alias(imported: [UInt8](repeating: 0x61, count: 64).span.bytes)
        return [
            try store.createAndWait("https://example.com/").key,
            try store.createAndWait("https://example.com/", alias: "a-name").key, snowflake,
            try store.createAndWait(NewLink(alias: long, body: body("https://example.com/"))).get().key,
        ]
    }

    @Test func madeLiftedAndRestarted() throws {
        let keys = try withStore(own) { store in
            let keys = try fill(store)
            let reader = try store.makeReader()
            for key in keys {
                let code = store.code(key)
                #expect(try reader.isBlocked(code) == false)
                let made = try store.block(key)
                #expect(made.isNew && made.sequence == store.figures.head - 1)
                #expect(try reader.isBlocked(code) == true)
                #expect(made.block?.origin == store.origin && made.block?.body.by == Array("admin".utf8))
                // The same once more changes nothing.
                let again = try store.block(key)
                #expect(!again.isNew && again.sequence == nil && again.block == made.block)
                // Another reason is written.
                let other = try store.block(key, reason: "malware")
                #expect(!other.isNew && other.sequence != nil && other.block?.body.reason == "malware")
            }
            let lifted = try store.block(keys[1], false)
            #expect(!lifted.isNew && lifted.block?.body.isBlocked == false)
            #expect(try reader.isBlocked(store.code(keys[1])) == false)
            return keys
        }
        #expect(try problems() == [])
        try withStore(own) { store in
            let reader = try store.makeReader()
            for (index, key) in keys.enumerated() {
                #expect(try reader.isBlocked(store.code(key)) == (index != 1), "\(index)")
                #expect(try store.standing(key)?.reason == (index == 1 ? "phishing" : "malware"))
            }
            // A page at a time, in the order of their keys.
            var (listed, last): ([LinkKey], LinkKey?) = ([], nil)
            repeat {
                let page = try store.blocks(after: last, limit: 3)
                listed += page.blocks.map(\.block.key)
                #expect(page.blocks.map(\.code) == page.blocks.map { store.code($0.block.key) })
                last = page.next
            } while last != nil
            #expect(Set(listed) == Set(keys) && listed.count == 4)
        }
        let lines = try dump(directory.store)
        #expect(lines.count { $0.contains(#""is_blocked":true"#) } == 3)
        #expect(lines.count { $0.contains(#""is_blocked":false"#) } == 1)
    }

    /// An owner's changes, and its end, leave the block as it is.
    @Test func ownersDoNotLift() throws {
        try withStore(own) { store in
            let link = try store.createAndWait("https://example.com/")
            try store.block(link.key)
            let reader = try store.makeReader()
            for change in [LinkChange.update(body("https://other.example.com/")), .delete] {
                let done = DispatchSemaphore(value: 0)
                store.change(link.key, change) { _ in done.signal() }
                done.wait()
                #expect(try reader.isBlocked(link.code) == true)
            }
            // And what is no link any more can be blocked all the same.
            try store.block(link.key, false)
            #expect(try store.block(link.key).isNew)
        }
        #expect(try problems() == [])
    }

    private struct Step {
        let write: (LinkKey) -> BlockWrite
        /// Whether it writes, and what stands then.
        let writes: Bool
        let blocked: Bool?
        let source: BlockSource?
    }

    @Test func listsLeaveDecisionsAlone() throws {
        let steps: [Step] = [
            Step(write: { .list("a", $0, false) }, writes: false, blocked: nil, source: nil),
            Step(write: { .list("a", $0, true) }, writes: true, blocked: true, source: .list("a")),
            Step(write: { .list("a", $0, true) }, writes: false, blocked: true, source: .list("a")),
            Step(write: { .list("a", $0, true, reason: "else") }, writes: true, blocked: true, source: .list("a")),
            // Another list neither lifts nor takes over what one blocks.
            Step(write: { .list("b", $0, false) }, writes: false, blocked: true, source: .list("a")),
            Step(write: { .list("b", $0, true) }, writes: false, blocked: true, source: .list("a")),
            Step(write: { .list("a", $0, false) }, writes: true, blocked: false, source: .list("a")),
            Step(write: { .list("b", $0, true) }, writes: true, blocked: true, source: .list("b")),
            Step(write: { .list("c", $0, true, replacing: "a") }, writes: false, blocked: true, source: .list("b")),
            Step(write: { .list("c", $0, true, replacing: "b") }, writes: true, blocked: true, source: .list("c")),
            Step(write: { .decision($0, false) }, writes: true, blocked: false, source: .decision),
            Step(write: { .list("a", $0, true) }, writes: false, blocked: false, source: .decision),
            Step(write: { .list("b", $0, true) }, writes: false, blocked: false, source: .decision),
            Step(write: { .decision($0, true) }, writes: true, blocked: true, source: .decision),
            Step(write: { .list("b", $0, false) }, writes: false, blocked: true, source: .decision),
        ]
        try withStore(own) { store in
            let link = try store.createAndWait("https://example.com/")
            for (index, step) in steps.enumerated() {
                let head = store.figures.head
                let write = step.write(link.key)
                let written = try store.moderateAndWait(write).get()
                // A decision is in the audit trail too.
                let entries: UInt64 = !step.writes ? 0 : write.source == .decision ? 2 : 1
                #expect((written.sequence != nil) == step.writes && store.figures.head == head + entries)
                let standing = try store.standing(link.key)
                #expect(standing?.isBlocked == step.blocked && standing?.source == step.source, "step \(index)")
                #expect(written.block?.body == standing)
            }
            // A decision is written where nothing is to be lifted: it tells lists to leave the link alone.
            let other = try store.createAndWait("https://example.com/2")
            #expect(try store.block(other.key, false).sequence != nil)
            #expect(try store.moderateAndWait(.list("a", other.key, true)).get().sequence == nil)
        }
        #expect(try problems() == [])
    }

    /// Of what two nodes decide at once the later one stands on both, whatever comes first.
    @Test func theLaterDecisionStands() throws {
        for isForeignLater in [false, true] {
            let directory = TemporaryDirectory()
            try withStore(clusterSettings(directory, clock: clock)) { store in
                let link = try store.createAndWait("https://example.com/")
                try store.block(link.key)
                let mine = store.vector.map(\.headStamp.rawValue).max()!
                var author = Author()
                author.write(.block(link.key), lifted(), stamp: isForeignLater ? mine + 1 : mine - 2)
                #expect(store.applyAndWait(author.whole) == .applied)
                #expect(try store.standing(link.key)?.isBlocked == !isForeignLater)
                #expect(try store.makeReader().isBlocked(link.code) == !isForeignLater)
            }
            #expect(try StoreInspection(directory: directory.store).problems == [])
        }
    }

    /// What somebody decided stands against a list whose node had not heard of it, whichever is later and comes first.
    @Test(arguments: [true, false]) func aLaterListDoesNotUndoIt(decided isBlocked: Bool) throws {
        var listed = BlockBody()
        (listed.source, listed.isBlocked) = (.list("a"), !isBlocked)
        var decision = BlockBody()
        decision.isBlocked = isBlocked
        for isDecidedHere in [true, false] {
            let directory = TemporaryDirectory()
            try withStore(clusterSettings(directory, clock: clock)) { store in
                let link = try store.createAndWait("https://example.com/")
                #expect(try store.moderateAndWait(.list("a", link.key, true)).get().sequence != nil)
                if isDecidedHere {
                    _ = try store.block(link.key, isBlocked)
                } else if isBlocked {
                    #expect(try store.moderateAndWait(.list("a", link.key, false)).get().sequence != nil)
                }
                let mine = store.vector.map(\.headStamp.rawValue).max()!
                var author = Author()
                author.write(
                    .block(link.key), .block(isDecidedHere ? listed : decision),
                    stamp: isDecidedHere ? mine + 1 : mine - 2)
                #expect(store.applyAndWait(author.whole) == .applied)
                let standing = try #require(try store.standing(link.key))
                #expect(standing.source == .decision && standing.isBlocked == isBlocked)
                #expect(try store.makeReader().isBlocked(link.code) == isBlocked)
            }
            #expect(try StoreInspection(directory: directory.store).problems == [])
        }
        // So it does between what two nodes tell, and for those who follow.
        func stored(_ body: BlockBody, _ stamp: UInt64) -> StoredBlock {
            StoredBlock(
                key: .alias([0x61]), body: body, stamp: Stamp(rawValue: stamp), origin: Author().origin)
        }
        let (first, later) = (stored(decision, 1 << 20), stored(listed, 2 << 20))
        #expect(FoundBlock.block(later).isInForce(beside: first) == isBlocked)
        #expect(FoundBlock.block(first).isInForce(beside: later) == isBlocked)
        func write(_ block: StoredBlock) -> LinkWrite {
            LinkWrite(
                origin: block.origin, sequence: 1, stamp: block.stamp, key: block.key, code: [0x61],
                content: .block(block.body))
        }
        #expect(write(first).version > write(later).version)
    }

    private func lifted() -> ModerationBody {
        var body = BlockBody()
        (body.isBlocked, body.reason) = (false, "a mistake")
        return .block(body)
    }

    /// The block may come before its link does.
    @Test func aBlockBeforeItsLink() throws {
        var (author, moderator) = (Author("2"), Author("3"))
        moderator.write(.block(author.key(1)), .block(BlockBody()))
        author.create(1)
        try withStore(own) { store in
            #expect(store.applyAndWait(moderator.whole) == .applied)
            #expect(store.applyAndWait(author.whole) == .applied)
            let reader = try store.makeReader()
            #expect(try reader.isBlocked(store.code(author.key(1))) == true)
        }
        #expect(try problems() == [])
    }

    /// What a cache keeps of a link goes with a block, made here or elsewhere.
    @Test func cachesAreTold() throws {
        try withStore(own) { store in
            let link = try store.createAndWait("https://example.com/", alias: "a-name")
            let cache = CodeCache(entries: 64, stamps: store.stamps)
            func keep() throws {
                let reader = try store.makeReader()
                try reader.begin()
                defer { reader.end() }
                cache.insert(
                    link.code.span.bytes, .redirect, answer: [UInt8](repeating: 0, count: 8).span.bytes,
                    tag: reader.tag, now: clock.now, renderAgainAt: Instant(milliseconds: .max))
                #expect(cache.lookup(link.code.span.bytes, now: clock.now) != nil)
            }
            try keep()
            try store.block(link.key)
            #expect(cache.lookup(link.code.span.bytes, now: clock.now) == nil)
            try keep()
            // What writes nothing costs no cache anything.
            try store.block(link.key)
            #expect(cache.lookup(link.code.span.bytes, now: clock.now) != nil)
            var author = Author(since: clock.now.advanced(byMilliseconds: 1000))
            author.write(.block(link.key), lifted())
            #expect(store.applyAndWait(author.whole) == .applied)
            #expect(cache.lookup(link.code.span.bytes, now: clock.now) == nil)
        }
    }

    // MARK: Faults

    /// A link whose block cannot be read leads nowhere, and no other link suffers.
    @Test func aDamagedBlock() throws {
        let links = try withStore(own) { store in
            let links = try (0..<5).map { try store.createAndWait("https://example.com/", alias: "name-\($0)") }
            for link in links[1...3] { try store.block(link.key) }
            return links
        }
        try damageRow(directory.store, "blocks", ModerationKey.block(links[2].key).bytes)
        try withStore(own) { store in
            let reader = try store.makeReader()
            #expect(try reader.destination(links[2].code) == "damaged")
            #expect(reader.counters.damaged == 1)
            for (index, isBlocked) in [(0, false), (1, true), (3, true), (4, false)] {
                #expect(try reader.isBlocked(links[index].code) == isBlocked)
            }
            #expect(try store.findBlock(links[2].key) == .damaged)
            #expect(store.moderateAndWait(.decision(links[2].key, false)).failure == .damagedRecord)
            let page = try store.blocks(after: nil, limit: 10)
            #expect(page.blocks.count == 2 && page.damagedCount == 1)
            // Whoever has it brings it back.
            try store.block(links[0].key)
        }
        let problems = try problems()
        #expect(problems.contains { $0.contains("blocks: the record of a block is damaged") }, "\(problems)")
    }

    /// A program that knows of no blocks is not to meet one.
    @Test func notBeforeAllReadIt() throws {
        var older = own
        older.logFormat = UInt16(LogEntry.firstFormat)
        let link = try withStore(older) { store in
            let link = try store.createAndWait("https://example.com/")
            #expect(store.moderateAndWait(.decision(link.key, true)).failure == .notReadByAll)
            #expect(store.figures.head == 1)
            return link
        }
        // And what another node writes of them is not applied.
        var author = Author()
        author.write(.block(link.key), .block(BlockBody()))
        try withStore(older) { store in
            #expect(store.applyAndWait(author.whole) == .unknownKind(LogEntry.Kind.moderation, sequence: 1))
            let reader = try store.makeReader()
            #expect(try reader.isBlocked(link.code) == false)
        }
        try withStore(own) { store in
            try store.block(link.key)
            #expect(store.applyAndWait(author.whole) == .applied)
        }
        #expect(throws: StoreError.newerLogFormat(path: directory.file, found: 2, known: 1)) { try Store(older) }
        #expect(try problems() == [])
    }

    /// Where there is no room for links somebody may still decide.
    @Test func aFullStore() throws {
        var small = own
        small.mapSizeBytes = 16 << 20
        try withStore(small) { store in
            let link = try store.createAndWait("https://example.com/")
            var isFull = false
            for _ in 0..<1000 where !isFull {
                clock.advance(milliseconds: 20)
                let made = store.createMany((0..<200).map { _ in NewLink(body: body(long)) })
                isFull = made.contains { $0.failure == .storageFull }
            }
            #expect(isFull && store.figures.isFull)
            #expect(store.moderateAndWait(.list("a", link.key, true)).failure == .storageFull)
            try store.block(link.key)
            #expect(try store.makeReader().isBlocked(link.code) == true)
        }
        #expect(try problems() == [])
    }

    private let long = "https://example.com/" + String(repeating: "x", count: 500)

    // MARK: Copies

    @Test func aBackup() throws {
        let target = TemporaryDirectory()
        let keys = try withStore(own) { store in
            let keys = try fill(store)
            for key in keys { try store.block(key) }
            let report = try store.copy(to: target.store, limitBytes: 100)
            #expect(report.isSound && report.recordCount == 12)
            return keys
        }
        #expect(try StoreInspection(directory: target.store).problems == [])
        #expect(try dump(target.store) == dump(directory.store) && digests(target.store) == digests(directory.store))
        try withStore(clusterSettings(target, clock: clock)) { store in
            let reader = try store.makeReader()
            for key in keys { #expect(try reader.isBlocked(store.code(key)) == true) }
        }
    }
}
