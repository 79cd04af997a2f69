import Foundation
import Links
import Primitives
import Store
import Testing

@testable import Server

/// Block lists and the links that are there: scans, what is written meanwhile and since, and what stands in the way.
@Suite(.serialized) struct ListJudgeTests {
    private final class Subject {
        let links: JudgedStore
        let live: LiveConfiguration
        private(set) var judge: ListJudge!

        /// - moderation: of what blocks are; nil: those in memory.
        init(_ links: JudgedStore, _ lists: [String], _ moderation: Moderation? = nil) throws {
            self.links = links
            live = LiveConfiguration(links.configuration(lists))
            judge = try ListJudge(
                links.store, live, moderation ?? links.moderation,
                now: { Instant(milliseconds: System.wallMilliseconds()) })
            // Beside tests that use all processors it would wait for ever.
            judge.start(niceness: 0)
        }

        deinit { judge?.close() }

        func stop() {
            judge.close()
            judge = nil
        }

        func scanned(_ count: UInt64) throws {
            try links.wait("\(count) scans") { judge.scans.value == count }
        }

        /// Of the lists as they are named now.
        func reload(_ lists: [String]) {
            live.replace(with: links.configuration(lists))
            judge.wake()
        }
    }

    @Test func scanAndFollow() throws {
        let links = try JudgedStore()
        let keys = try (0..<50).map { try links.make("https://\($0 % 5 == 0 ? "bad" : "good").example/\($0)") }
        let alias = try links.make("http://www.bad.example:8080/", alias: "an-alias")
        let subject = try Subject(links, [links.file("bad.example\nlate.example", "list")])
        try subject.scanned(1)
        for (index, key) in keys.enumerated() { #expect(links.list(key) == (index % 5 == 0 ? "list" : nil)) }
        #expect(links.list(alias) == "list" && links.writes.count == 11)
        #expect(links.writes.allSatisfy { $0.isBlocked && $0.reason == "list:1" })
        #expect(subject.judge.scannedLinks.load(ordering: .relaxed) == 51)
        // Made without a look at lists, as in another region.
        let late = try links.make("https://late.example/")
        try links.wait("it is followed") { links.list(late) == "list" }
        try links.change(late, to: "https://good.example/")
        try links.wait("it leads elsewhere") { links.list(late) == nil }
        try links.change(keys[1], to: "https://bad.example/")
        try links.wait("it leads there") { links.list(keys[1]) == "list" }
        // Counted behind the write.
        try links.wait("all is counted") {
            subject.judge.figures.lifted.value == 1 && subject.judge.figures.blocked.value == 13
        }
        #expect(subject.judge.scans.value == 1)
    }

    /// A link that is judged again, and listed still, stays blocked, and nothing is written: neither after its owner changed
    /// it, nor by another scan. And a block that judging wrote is not judged.
    @Test func judgedAgain() throws {
        let links = try JudgedStore()
        let store = links.store
        let bad = try links.make("https://bad.example/")
        let (first, second) = (links.file("bad.example", "first"), links.file("late.example", "second"))
        let subject = try Subject(links, [first], Moderation(store))
        func isBlocked(_ key: LinkKey) throws -> Bool { try store.findBlock(key).isInForce }
        try subject.scanned(1)
        #expect(try isBlocked(bad))
        try links.change(bad, to: "https://bad.example/2")
        subject.reload([first, second])
        try subject.scanned(2)
        // What comes later in the log is judged after all that stands before it.
        for number in 0..<3 {
            let late = try links.make("https://late.example/\(number)")
            try links.wait("it is followed") { try isBlocked(late) }
        }
        #expect(try isBlocked(bad))
        subject.stop()
        // Four links, one change, and four blocks.
        #expect(store.figures.head == 9)
    }

    /// What another list blocks is left to it, until it lifts that.
    @Test func liftedByAnother() throws {
        let links = try JudgedStore()
        let store = links.store
        let (bad, good) = (try links.make("https://bad.example/"), try links.make("https://good.example/"))
        func write(_ key: LinkKey, _ isBlocked: Bool) {
            let block = JudgedBlock(
                key: key, destination: [], isBlocked: isBlocked, list: "another-list", reason: "")
            let done = Outcomes()
            Moderation(store).write(block) { done.add(block, $0) }
            #expect(done.wait(for: 1).map(\.1) == [.done])
        }
        for key in [bad, good] { write(key, true) }
        let subject = try Subject(links, [links.file("bad.example", "list")], Moderation(store))
        try subject.scanned(1)
        #expect(try Moderation(store).standing(bad)?.list == "another-list")
        for key in [good, bad] { write(key, false) }
        try links.wait("this one blocks it") { try Moderation(store).standing(bad)?.list == "list" }
        #expect(try Moderation(store).standing(good) == nil)
    }

    /// A block tells nothing of where its link leads; only one that a list lifts has the link judged again.
    @Test func blocksAreNotFollowed() throws {
        let links = try JudgedStore()
        let store = links.store
        let follower = try LinkFollower(store)
        let key = try links.make("https://example.com/")
        var position = ChangePosition()
        for (isBlocked, keys) in [(nil, [key]), (true, []), (false, [key])] as [(Bool?, [LinkKey])] {
            if let isBlocked {
                let block = JudgedBlock(
                    key: key, destination: [], isBlocked: isBlocked, list: "list", reason: "")
                let done = Outcomes()
                Moderation(store).write(block) { done.add(block, $0) }
                #expect(done.wait(for: 1).map(\.1) == [.done])
            }
            guard case .page(let page) = follower.read(after: position) else {
                Issue.record("no page")
                return
            }
            #expect(page.links.map(\.key) == keys && page.links.allSatisfy { !$0.destination.isEmpty })
            #expect(page.end == store.endOfChanges && page.end != position)
            position = page.end
        }
    }

    /// What is deleted is nobody's, and a decision stands.
    @Test func leftAlone() throws {
        let links = try JudgedStore()
        let keys = try (0..<3).map { try links.make("https://bad.example/\($0)") }
        let good = try links.make("https://good.example/")
        try links.delete(keys[0])
        links.blocks.withLock {
            $0.standing[keys[1]] = .some(nil)
            $0.standing[good] = .some("another-list")
        }
        let subject = try Subject(links, [links.file("bad.example", "list")])
        try subject.scanned(1)
        #expect(!links.writes.contains { $0.key == keys[0] } && links.list(keys[2]) == "list")
        #expect(links.blocks.withLock { $0.standing[keys[1]] == .some(nil) }, "the store lets a decision stand")
        #expect(links.list(good) == "another-list", "of a list that this node does not have")
    }

    /// A restart with the same lists judges nothing again, whatever their comments; other lists are another matter.
    @Test func restart() throws {
        let links = try JudgedStore()
        let (bad, worse) = (try links.make("https://bad.example/"), try links.make("https://worse.example/"))
        let file = links.file("bad.example", "list")
        let first = try Subject(links, [file])
        try first.scanned(1)
        first.stop()
        let late = try links.make("https://bad.example/while/away")
        _ = links.file("# the same\nBAD.example.\n", "list")
        let second = try Subject(links, [file])
        try links.wait("what came meanwhile is followed") { links.list(late) == "list" }
        #expect(second.judge.scans.value == 0 && second.judge.figures.judged.value == 1)
        second.stop()
        _ = links.file("worse.example", "list")
        let third = try Subject(links, [file])
        try third.scanned(1)
        #expect(links.list(bad) == nil && links.list(late) == nil && links.list(worse) == "list")
        #expect(third.judge.figures.lifted.value == 2 && third.judge.figures.blocked.value == 1)
    }

    /// Lists change while the node runs: by SIGHUP, or by themselves. One that is gone lifts its blocks.
    @Test func listsChange() throws {
        let links = try JudgedStore()
        let (a, b) = (try links.make("https://a.example/"), try links.make("https://b.example/"))
        let (first, second) = (links.file("a.example", "first"), links.file("b.example", "second"))
        let subject = try Subject(links, [first])
        try subject.scanned(1)
        #expect([links.list(a), links.list(b)] == ["first", nil])
        subject.reload([first, second])
        try subject.scanned(2)
        #expect([links.list(a), links.list(b)] == ["first", "second"])
        _ = links.file("nobody.example\nb.example", "first")
        try subject.scanned(3)
        #expect([links.list(a), links.list(b)] == [nil, "first"], "the first list that has it")
        #expect(!links.writes.contains { $0.key == b && !$0.isBlocked }, "it was never open in between")
        subject.reload([])
        try subject.scanned(4)
        #expect(links.list(b) == nil && subject.judge.lists.value.isEmpty)
        subject.stop()
        let saved = JudgedState(text: Array(try readText(links.data + "/judged").utf8))
        #expect(saved?.names == [] && saved?.fingerprint == 0)
    }

    /// A link that takes the visitor's query along falls under prefixes with one.
    @Test func forwardedQueries() throws {
        let links = try JudgedStore()
        let url = "https://bad.example/page"
        let (taking, plain) = (try links.make(url, forwardsQuery: true), try links.make(url))
        let subject = try Subject(links, [links.file("bad.example/page?id=7", "list")])
        try subject.scanned(1)
        #expect(links.list(taking) == "list" && links.list(plain) == nil)
        let late = try links.make(url, forwardsQuery: true)
        try links.wait("it is followed") { links.list(late) == "list" }
        try links.change(late, to: url)
        try links.wait("it takes nothing along any more") { links.list(late) == nil }
        #expect(subject.judge.scans.value == 1)
    }

    /// What is no list changes nothing, and is said.
    @Test func refusedFiles() throws {
        let links = try JudgedStore()
        let bad = try links.make("https://bad.example/")
        let file = links.file("bad.example", "list")
        let subject = try Subject(links, [file])
        try subject.scanned(1)
        _ = links.file("this is\nno list\nof domains\n", "list")
        try links.wait("it is refused") { subject.judge.refusedReads.value == 1 }
        #expect(links.list(bad) == "list" && subject.judge.lists.value.entryCount == 1)
        try FileManager.default.removeItem(atPath: file)
        try links.wait("it is not there") { subject.judge.refusedReads.value == 2 }
        // What a download that failed leaves.
        _ = links.file("", "list")
        try links.wait("it is empty") { subject.judge.refusedReads.value == 3 }
        subject.reload([file])
        try links.wait("it is empty still") { subject.judge.refusedReads.value == 4 }
        #expect(links.list(bad) == "list" && subject.judge.lists.value.entryCount == 1)
        _ = links.file("other.example", "list")
        try subject.scanned(2)
        #expect(links.list(bad) == nil)
        for path in [links.directory.path + "/none", links.directory.path, links.file("", "empty")] {
            #expect(throws: BlockListFileError.self) { try BlockListFiles.read([path]) }
        }
        #expect(try BlockListFiles.read([links.file("#", "comment")]).isEmpty)
    }

    /// Nothing is lost while blocks cannot be written: the scan does not move on.
    @Test func storeFails() throws {
        let links = try JudgedStore()
        let bad = try links.make("https://bad.example/")
        links.blocks.withLock { $0.failure = "full" }
        let subject = try Subject(links, [links.file("bad.example", "list")])
        try links.wait("it is tried") { subject.judge.figures.failures.value > 0 }
        #expect(links.list(bad) == nil && subject.judge.scans.value == 0)
        links.blocks.withLock { $0.failure = nil }
        try subject.scanned(1)
        #expect(links.list(bad) == "list")
    }

    /// A scan that was cut short goes on behind the key that it had come to.
    @Test func scanGoesOn() throws {
        let links = try JudgedStore()
        let keys = try ["bb", "dd", "ff"].map { try links.make("https://bad.example/\($0)", alias: "alias-" + $0) }
        let file = links.file("bad.example", "list")
        var state = JudgedState()
        state.fingerprint = try BlockListFiles.read([file]).fingerprint
        (state.names, state.position) = (["list"], links.store.endOfChanges)
        state.scan = .after(keys[0])
        try links.store.replaceFile(JudgedState.fileName, with: state.text)
        let subject = try Subject(links, [file])
        try subject.scanned(1)
        #expect(keys.map { links.list($0) } == [nil, "list", "list"])
    }

    /// Lists that change while it scans: it goes on by the new ones, and comes to what it had passed after that.
    @Test func listsChangeMeanwhile() throws {
        let links = try JudgedStore()
        let keys = try ["bb", "dd", "ff"].map { try links.make("https://bad.example/\($0)", alias: "alias-" + $0) }
        var state = JudgedState()
        (state.fingerprint, state.scan, state.position) = (1, .after(keys[1]), links.store.endOfChanges)
        try links.store.replaceFile(JudgedState.fileName, with: state.text)
        let subject = try Subject(links, [links.file("bad.example", "list")])
        try subject.scanned(1)
        #expect(keys.allSatisfy { links.list($0) == "list" } && links.writes.first?.key == keys[2])
        #expect(subject.judge.figures.judged.value == 4)
    }

    /// What another node blocked since the link was written it does not lift, because it may not know yet what that one
    /// knew; but by lists that change here it does.
    @Test func blockedElsewhere() throws {
        let links = try JudgedStore()
        let good = try links.make("https://good.example/")
        let file = links.file("late.example", "list")
        let subject = try Subject(links, [file])
        try subject.scanned(1)
        for (stamp, isLeft) in [(UInt64.max, true), (1, false)] {
            links.blocks.withLock {
                $0.standing[good] = .some("list")
                $0.writtenElsewhere = Stamp(rawValue: stamp)
            }
            try links.change(good, to: "https://good.example/\(stamp)")
            // What comes later in the log is judged after all that stands before it.
            let late = try links.make("https://late.example/")
            try links.wait("it is followed") { links.list(late) == "list" }
            #expect((links.list(good) == "list") == isLeft)
        }
        links.blocks.withLock {
            $0.standing[good] = .some("list")
            $0.writtenElsewhere = Stamp(rawValue: UInt64.max)
        }
        _ = links.file("late.example\nanother.example", "list")
        try subject.scanned(2)
        #expect(links.list(good) == nil)
    }

    /// A damaged block keeps no other link from being judged.
    @Test func aDamagedBlock() throws {
        let directory = TemporaryDirectory()
        let keys = ["aa-name", "bb-name"].map { LinkKey.alias(Array($0.utf8)) }
        do {
            let links = try JudgedStore(in: directory)
            for name in ["aa-name", "bb-name"] { try links.make("https://bad.example/\(name)", alias: name) }
            let subject = try Subject(links, [links.file("bad.example/aa", "list")], Moderation(links.store))
            try subject.scanned(1)
            #expect(try keys.map { try Moderation(links.store).standing($0)?.list } == ["list", nil])
            subject.stop()
        }
        try damage(ModerationKey.block(keys[0]).bytes, of: "blocks", in: directory.path + "/data")
        let links = try JudgedStore(in: directory)
        let subject = try Subject(links, [links.file("bad.example", "list")], Moderation(links.store))
        try subject.scanned(1)
        #expect(try links.store.findBlock(keys[0]) == .damaged)
        #expect(try Moderation(links.store).standing(keys[1])?.list == "list")
    }

    /// A file that cannot be read, and a position that no log has: all is judged anew.
    @Test func damagedState() throws {
        let links = try JudgedStore()
        let bad = try links.make("https://bad.example/")
        try links.store.replaceFile(JudgedState.fileName, with: Array("judged 1\nnonsense\n".utf8))
        let subject = try Subject(links, [links.file("bad.example", "list")])
        try subject.scanned(1)
        #expect(links.list(bad) == "list")
    }
}

@Suite struct JudgedStateTests {
    private func state() -> JudgedState {
        var state = JudgedState()
        (state.fingerprint, state.names) = (1 << 127 | 7, ["a list", "b"])
        state.isAgain = true
        state.position[Origin(region: UInt8(ascii: "1"), node: 2, incarnation: 3)] = 4
        return state
    }

    @Test func comesBack() {
        #expect(JudgedState(text: JudgedState().text) == JudgedState())
        let key = LinkKey.generated(region: UInt8(ascii: "1"), node: 3, number: 0x1233)
        for scan in [JudgedState.Scan.done, .after(nil), .after(key), .after(.alias(Array("ä b".utf8)))] {
            var state = state()
            state.scan = scan
            #expect(JudgedState(text: state.text) == state)
        }
    }

    @Test func damage() {
        let text = state().text
        for index in text.indices {
            var damaged = text
            damaged[index] ^= 1
            #expect(JudgedState(text: damaged) == nil, "byte \(index)")
            #expect(JudgedState(text: Array(text[..<index])) == nil, "cut at \(index)")
        }
    }
}
