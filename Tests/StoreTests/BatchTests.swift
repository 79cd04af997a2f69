import Links
import Primitives
import Testing

@testable import Store

/// Batches on the disk: taken whole, settled entry by entry, gone a day after they are done.
@Suite struct BatchTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    private func open() throws -> Quiet { try Quiet(clusterSettings(directory, clock: clock)) }

    private func head(_ number: UInt128 = 7, request: UInt64 = 1, count: Int = 3) -> BatchHead {
        BatchHead(number: number, request: request, takenAt: clock.now, count: count, principal: [1, 2])
    }

    private let entries = (0..<3).map { BatchEntry(isDone: $0 == 1, content: [UInt8($0)]) }

    /// One thread uses it.
    private final class Box: @unchecked Sendable { var value: Result<TakenBatch, WriteError>? }

    private func take(_ store: Quiet, _ head: BatchHead) throws -> Result<TakenBatch, WriteError> {
        let box = Box()
        store.store.takeBatch(head, entries) { box.value = $0 }
        store.store.turn()
        return try #require(box.value)
    }

    private func settle(
        _ store: Quiet, _ results: [(index: Int, content: [UInt8])], doneAt: Instant? = nil
    ) throws -> Result<TakenBatch, WriteError> {
        let box = Box()
        store.store.settleBatch(7, results, doneAt: doneAt) { box.value = $0 }
        store.store.turn()
        return try #require(box.value)
    }

    private func problems() throws -> [String] { try StoreInspection(directory: directory.store).problems }

    @Test func settledOneByOne() throws {
        let head = head()
        try takeAndSettleOne(head)
        #expect(try problems() == [])
        let store = try open()
        #expect(try store.store.unfinishedBatches() == [head])
        #expect(try store.store.waitingEntries(7, atMost: 9).map(\.index) == [0])
        #expect(try settle(store, [(0, [8])], doneAt: clock.now).get().head.doneAt == clock.now)
        let batch = try #require(try store.store.batch(7))
        #expect(batch.entries.map(\.content) == [[8], [1], [9]] && batch.entries.allSatisfy(\.isDone))
        #expect(try store.store.unfinishedBatches().isEmpty && store.store.waitingEntries(7, atMost: 9).isEmpty)
        #expect(try store.store.batch(8) == nil)
        store.close()
        #expect(try problems() == [])
    }

    private func takeAndSettleOne(_ head: BatchHead) throws {
        let store = try open()
        #expect(try take(store, head).get() == TakenBatch(head: head, isReplay: false))
        #expect(try store.store.waitingEntries(7, atMost: 9).map(\.index) == [0, 2])
        #expect(try store.store.waitingEntries(7, atMost: 1).map(\.content) == [[0]])
        #expect(try store.store.waitingEntries(7, from: 1, atMost: 9).map(\.index) == [2])
        #expect(try store.store.waitingEntries(7, from: 3, atMost: 9).isEmpty, "nor another batch's")
        #expect(try settle(store, [(2, [9])]).get().head.doneAt == nil)
        store.close()
    }

    /// A number stands for one request, of a batch or of a link.
    @Test func again() throws {
        let store = try open()
        let head = head()
        #expect(try !take(store, head).get().isReplay)
        clock.advance(milliseconds: 1000)
        #expect(try take(store, self.head()).get() == TakenBatch(head: head, isReplay: true))
        #expect(throws: WriteError.requestDiffers) { try take(store, self.head(request: 2)).get() }
        var link = NewLink(body: body("https://example.com/"))
        (link.body.claimID, link.body.requestHash, link.claimsSince) = (7, 3, Instant(milliseconds: 0))
        let refused = Mutexed<Result<CreatedLink, WriteError>>()
        store.store.create(link) { refused.value = $0 }
        store.store.turn()
        #expect(throws: WriteError.requestDiffers) { try #require(refused.value).get() }
        link.body.claimID = 8
        store.store.create(link) { refused.value = $0 }
        store.store.turn()
        #expect(try #require(refused.value).get().isReplay == false)
        #expect(throws: WriteError.requestDiffers) { try take(store, self.head(8, request: 3)).get() }
        store.close()
    }

    /// One thread uses it.
    private final class Mutexed<Value>: @unchecked Sendable { var value: Value? }

    @Test func aFullDisk() throws {
        let store = try open()
        store.disk.isFull = true
        #expect(throws: WriteError.storageFull) { try take(store, head()).get() }
        store.disk.isFull = false
        clock.advance(milliseconds: 2000)
        #expect(try store.store.batch(7) == nil)
        #expect(try !take(store, head()).get().isReplay)
        store.disk.isFull = true
        #expect(throws: WriteError.storageFull) { try settle(store, [(0, [8])]).get() }
        store.disk.isFull = false
        #expect(try store.store.waitingEntries(7, atMost: 9).map(\.index) == [0, 2])
        store.close()
        #expect(throws: WriteError.stopping) { try take(store, head()).get() }
        #expect(try problems() == [])
    }

    /// What is done goes a day later with all its entries; what is not done stays.
    @Test func sweptAfterADay() throws {
        let store = try open()
        for number in [7, 8] as [UInt128] { #expect(try !take(store, head(number)).get().isReplay) }
        #expect(try settle(store, [(0, [8]), (2, [9])], doneAt: clock.now).get().head.doneAt != nil)
        clock.advance(milliseconds: StoreLimits.claimsKeptMilliseconds - 1000)
        try store.create("https://later.example/")
        store.scrubRound()
        #expect(try store.store.batch(7) != nil)
        clock.advance(milliseconds: 2 * StoreLimits.claimsKeptMilliseconds)
        try store.create("https://later.example/")
        // In small steps, so that entries are looked at after their batch has gone.
        store.scrubRound(rows: 1)
        #expect(try store.store.batch(7) == nil && store.store.batch(8) != nil && store.scrubbed.sweptRows == 4)
        store.close()
        #expect(try problems() == [])
        try editStore(directory.store) { (raw) throws in #expect(try raw.rows("batches").count == 4) }
    }

    private func fill() throws {
        let store = try open()
        #expect(try !take(store, head()).get().isReplay)
        store.close()
    }

    @Test func damage() throws {
        try fill()
        let sound = directory.contents
        let entry = BatchEntry.rowKey(7, 1)
        try editStore(directory.store) { try $0.delete("batches", entry) }
        #expect(try problems().contains { $0.contains("batches: entry 1") })
        for key in [entry, ClaimRow.rowKey(7)] {
            try directory.restore(sound)
            try damageRow(directory.store, "batches", key)
            #expect(try problems().contains { $0.contains("batches: the row of key") })
            let store = try open()
            #expect(throws: StoreError.self) { try store.store.batch(7) }
            if key == entry {
                #expect(throws: StoreError.self) { try store.store.waitingEntries(7, atMost: 9) }
            } else {
                #expect(throws: WriteError.damagedRecord) { try settle(store, [(0, [8])]).get() }
                #expect(throws: WriteError.damagedRecord) { try take(store, head()).get() }
                #expect(try store.store.unfinishedBatches().isEmpty)
                store.scrubRound()
                #expect(throws: WriteError.notFound) { try settle(store, [(0, [8])]).get() }
            }
            store.close()
        }
    }
}
