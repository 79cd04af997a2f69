import Foundation
import Links
import Primitives
import Store
import Synchronization
import Testing

extension Store {
    fileprivate func changeAll(
        _ key: LinkKey, _ changes: [(LinkChange, ChangeCondition?)]
    ) -> [Result<CreatedLink, WriteError>] {
        let done = DispatchGroup()
        let results = Mutex([Result<CreatedLink, WriteError>](repeating: .failure(.stopping), count: changes.count))
        for (index, change) in changes.enumerated() {
            done.enter()
            self.change(key, change.0, if: change.1) { result in
                results.withLock { $0[index] = result }
                done.leave()
            }
        }
        done.wait()
        return results.withLock { $0 }
    }

    fileprivate func change(_ key: LinkKey, _ change: LinkChange, if condition: ChangeCondition? = nil) throws
        -> CreatedLink
    {
        try changeAll(key, [(change, condition)])[0].get()
    }
}

/// What users change of links that are there.
@Suite struct ChangeTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    private static func title(_ title: String) -> LinkChange {
        var patch = LinkPatch()
        (patch.members, patch.body.title) = (.title, title)
        return .patch(patch)
    }

    private static func current(_ link: CreatedLink, owner: [UInt8]? = nil) -> ChangeCondition {
        ChangeCondition(owner: owner) { $0 == link.stamp && $1 == link.origin }
    }

    private func expectSound() throws { #expect(try StoreInspection(directory: directory.store).problems == []) }

    /// A peer's may be as long as a frame; no entry is.
    @Test func whatNoEntryHasTheRoomFor() throws {
        try withStore(clusterSettings(directory, clock: clock)) { store in
            let link = try store.createAndWait("https://example.com/")
            for (count, fits) in [(65_400, true), (65_500, false)] {
                let result = store.changeAll(link.key, [(Self.title(String(repeating: "x", count: count)), nil)])[0]
                if case .failure(let error) = result { #expect(error == .notReadByAll && !fits) } else { #expect(fits) }
            }
        }
        try expectSound()
    }

    /// On what the writer finds, so that none of two undoes the other.
    @Test func patchesAreMadeOnWhatIsThere() throws {
        try withStore(clusterSettings(directory, clock: clock)) { store in
            let link = try store.createAndWait("https://example.com/")
            var inactive = LinkPatch()
            (inactive.members, inactive.body.flags) = (.isActive, .inactive)
            let results = store.changeAll(link.key, [(Self.title("a"), nil), (.patch(inactive), nil)])
            let last = try results[1].get()
            #expect(last.body.title == "a" && last.body.flags == .inactive)
            #expect(last.body.destination == link.body.destination)
            #expect(last.body.creation == Creation(stamp: link.stamp.rawValue, origin: link.origin))
            #expect(try results[0].get().stamp > link.stamp && last.stamp > results[0].get().stamp)
        }
        try expectSound()
    }

    /// Many at once that all know the same version: one is made.
    @Test func oneOfManyWithOneVersion() throws {
        try withStore(clusterSettings(directory, clock: clock)) { store in
            for name in [nil, "name"] {
                let link = try store.createAndWait("https://example.com/", alias: name)
                let results = store.changeAll(
                    link.key, (0..<50).map { (Self.title("\($0)"), Self.current(link)) })
                let made = results.compactMap { try? $0.get() }
                #expect(made.count == 1)
                #expect(results.filter { $0.failure == .preconditionFailed }.count == 49)
                #expect(try store.change(link.key, Self.title("next"), if: Self.current(made[0])).body.title == "next")
            }
        }
        try expectSound()
    }

    /// Another's link is as if it were not there, and a refusal changes nothing.
    @Test func refusals() throws {
        try withStore(clusterSettings(directory, clock: clock)) { store in
            var mine = body("https://example.com/")
            mine.owner = Array("me".utf8)
            let link = try store.createAndWait(NewLink(body: mine)).get()
            let head = store.figures.head
            let others: [(LinkChange, ChangeCondition?)] = [
                (Self.title("a"), ChangeCondition(owner: nil)), (.delete, ChangeCondition(owner: Array("you".utf8))),
                (.delete, ChangeCondition(owner: Array("me".utf8)) { _, _ in false }),
            ]
            let failures = store.changeAll(link.key, others).map(\.failure)
            #expect(failures == [.notFound, .notFound, .preconditionFailed] && store.figures.head == head)
            let deleted = try store.change(link.key, .delete, if: Self.current(link, owner: Array("me".utf8)))
            #expect(deleted.body.flags == .deleted)
            for change in [Self.title("a"), .delete] {
                #expect(store.changeAll(link.key, [(change, Self.current(deleted))])[0].failure == .deleted)
            }
        }
        try expectSound()
    }

    /// What a peer is told of a change is what it finds in the log.
    @Test func asAPeerIsToldOfIt() throws {
        try withStore(clusterSettings(directory, clock: clock)) { store in
            let link = try store.createAndWait("https://example.com/", alias: "name")
            for change in [Self.title("a"), .delete] {
                let made = try store.change(link.key, change)
                let told = try #require(RemoteLink(made.peerRecord, of: link.code, in: store, now: clock.now))
                #expect(told.key == link.key && told.origin == made.origin && told.record.body == made.body)
                #expect(told.record.stamp == made.stamp.rawValue)
            }
        }
    }

    /// A full map takes no patch, and a delete.
    @Test func aFullMap() throws {
        var small = settings(directory, clock: clock)
        small.mapSizeBytes = 16 << 20
        try withStore(small) { store in
            let link = try store.createAndWait("https://example.com/")
            let large = NewLink(body: body("https://example.com/" + String(repeating: "x", count: 2000)))
            var isFull = false
            while !isFull {
                clock.advance(milliseconds: 20)
                isFull = store.createMany(Array(repeating: large, count: 100)).contains { $0.failure == .storageFull }
            }
            #expect(store.changeAll(link.key, [(Self.title("a"), nil)])[0].failure == .storageFull)
            #expect(try store.change(link.key, .delete).body.flags == .deleted)
        }
        try expectSound()
    }
}
