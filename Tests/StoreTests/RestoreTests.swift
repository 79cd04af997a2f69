import Foundation
import Links
import Primitives
import Store
import Testing

/// A data directory from a backup.
@Suite struct RestoreTests {
    let directory = TemporaryDirectory()
    let backup = TemporaryDirectory()
    let restored = TemporaryDirectory()
    let clock = TestClock()

    private func restore(problems: (StoreInspection) -> Void = { _ in }) throws {
        try StoreRestore(backup: backup.store, data: restored.store, problems: problems).run { _, _ in }
    }

    /// Both the old node and the restored one go on, and their codes never meet, however far the old one got.
    @Test func noNumberTwice() throws {
        var own = clusterSettings(directory, clock: clock)
        own.issuerLimits = .init()
        var (before, codes) = (Links(), Set<[UInt8]>())
        let store = try Store(own)
        clock.advance(milliseconds: 1000)
        for number in 0..<100 {
            let link = try store.createAndWait("https://example.com/\(number)")
            before[link.code] = "https://example.com/\(number)"
        }
        try store.copy(to: backup.store)
        // At the cap for some seconds.
        for _ in 0..<20 {
            clock.advance(milliseconds: 1000)
            for result in store.createMany((0..<200).map { NewLink(body: body("https://old.example.com/\($0)")) }) {
                #expect(codes.insert(try result.get().code).inserted)
            }
        }
        try restore()
        #expect(try FileManager.default.contentsOfDirectory(atPath: restored.store) == ["data.mdb"])
        own.directory = restored.store
        let next = try Store(own)
        #expect(next.didBeginIncarnation && next.origin != store.origin)
        try next.expect(before)
        for _ in 0..<10 {
            clock.advance(milliseconds: 1000)
            for one in [store, next] {
                for result in one.createMany((0..<100).map { NewLink(body: body("https://new.example.com/\($0)")) }) {
                    #expect(codes.insert(try result.get().code).inserted)
                }
            }
        }
        #expect(codes.count == 6000)
        // What the old one wrote after the backup can still come to the new one.
        let missing = try store.logBatch(store.origin, from: 101).get()
        #expect(next.applyAndWait(missing) == .applied)
        store.close()
        next.close()
        #expect(try StoreInspection(directory: restored.store).problems == [])
    }

    @Test func refusals() throws {
        let own = clusterSettings(directory, clock: clock)
        try withStore(own) { store in
            for number in 0..<20 { _ = try store.createAndWait("https://example.com/\(number)") }
            try store.copy(to: backup.store)
            // A running node's directory is no backup.
            #expect(throws: SnapshotError.store(.inUse(directory: directory.store))) {
                try StoreRestore(backup: directory.store, data: restored.store) { _ in }
            }
        }
        #expect(throws: SnapshotError.self) {
            try StoreRestore(backup: restored.path + "/none", data: restored.store) { _ in }
        }
        #expect(!FileManager.default.fileExists(atPath: restored.path + "/none"))
        // A store that is there is never touched.
        let before = directory.contents
        let refusal = #expect(throws: SnapshotError.self) {
            try StoreRestore(backup: backup.store, data: directory.store) { _ in }.run { _, _ in }
        }
        #expect(text(refusal).contains("is not empty"))
        #expect(directory.contents == before)
        // A damaged backup is told of before anything is copied.
        try damageRow(backup.store, RawTable.linksName, [0, 0, 0, 0, 0, 16])
        var problems: [String] = []
        #expect(throws: SnapshotError.self) { try restore { problems = $0.problems } }
        #expect(problems.contains { $0.contains("damaged") } && restored.contents == [:])
        var bytes = read(backup.file)
        bytes.removeLast(8192)
        try write(bytes, to: backup.file)
        #expect(throws: SnapshotError.self) { try restore() }
    }

    /// A stopped node's own directory serves as a backup too, and its identity stays there.
    @Test func fromAStoppedNode() throws {
        let links = try makeStore(clusterSettings(directory, clock: clock), clock: clock, generated: 20, aliases: 5)
        try StoreRestore(backup: directory.store, data: restored.store) { _ in }.run { done, all in #expect(done <= all)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: restored.store) == ["data.mdb"])
        #expect(read(restored.file).count == RawFile.usedBytes(read(directory.file)))
        try withStore(clusterSettings(restored, clock: clock)) {
            #expect($0.didBeginIncarnation)
            try $0.expect(links)
        }
    }

    @Test(.enabled("mounting a file system is allowed") { SmallDisk.canBeMade }) func aFullDisk() throws {
        let disk = try SmallDisk(restored.path + "/disk", megabytes: 1)
        try withStore(clusterSettings(directory, clock: clock)) { store in
            for _ in 0..<40 {
                _ = try store.createAndWait("https://example.com/" + String(repeating: "x", count: 40_000))
            }
            try store.copy(to: backup.store)
        }
        #expect(throws: SnapshotError.self) {
            try StoreRestore(backup: backup.store, data: disk.path + "/data") { _ in }.run { _, _ in }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: disk.path + "/data") == [])
    }
}
