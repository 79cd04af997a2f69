import Links
import Primitives
import Testing

@testable import Replication
@testable import Store

/// A bit flips in a row of a log, of the entry or of the chain before it.
@Suite struct LogDamageTests {
    private let author: Author
    private let (directory, clock, settings): (TemporaryDirectory, TestClock, StoreSettings)
    private let sound: [String: [UInt8]]

    init() throws {
        var author = Author("3")
        for number in 0..<10 { author.create(UInt64(number)) }
        let before = try PeerStoreTests.Peer(0)
        before.perform(.apply(PeerStoreTests.batch(author, 1...10)))
        before.store.close()
        (directory, clock, settings) = (before.directory, before.clock, before.settings)
        (self.author, sound) = (author, directory.contents)
    }

    /// - place: in the row's value, which begins with the chain.
    private func peer(flipping bit: Int, at place: Int, of sequence: UInt64) throws -> PeerStoreTests.Peer {
        var bytes = sound["data.mdb"]!
        let rows = RawFile(bytes).nodes.filter { $0.table == "log" }
        bytes[rows[Int(sequence) - 1].value.lowerBound + place] ^= 1 << UInt8(bit)
        try directory.restore(sound.merging(["data.mdb": bytes]) { $1 })
        return try PeerStoreTests.Peer(in: directory, settings, clock)
    }

    private func read(_ peer: PeerStoreTests.Peer, from: UInt64) -> LogReadResult {
        peer.store.entries(
            LogRead(
                connection: PeerStoreTests.connection, origin: author.origin, from: from, through: 10,
                limitBytes: 1 << 20))
    }

    private func expect(_ result: LogReadResult, _ sequences: ClosedRange<UInt64>, _ comment: Comment) {
        guard case .entries(let entries) = result else {
            Issue.record("\(result): \(comment)")
            return
        }
        let batch = author.batch(sequences)
        #expect(entries.first == batch.first && entries.count == batch.entries.count, comment)
        #expect(entries.chainBefore == Chain(author.chains[Int(sequences.lowerBound) - 1]), comment)
        #expect(entries.chainAfter == Chain(batch.chain), comment)
    }

    /// The chain follows from the row before, or from what is behind: a peer gets the right one or nothing.
    @Test(arguments: [1, 5, 9, 10] as [UInt64]) func aChain(sequence: UInt64) throws {
        for place in 0..<OriginRow.chainSizeBytes {
            let peer = try peer(flipping: place % 8, at: place, of: sequence)
            for from in 1...10 as ClosedRange<UInt64> { expect(read(peer, from: from), from...10, "\(place), \(from)") }
            peer.store.close()
        }
    }

    @Test(arguments: [1, 5, 9, 10] as [UInt64]) func anEntry(sequence: UInt64) throws {
        let chain = OriginRow.chainSizeBytes
        for place in stride(from: chain, to: chain + author.entries[Int(sequence) - 1].count, by: 3) {
            let peer = try peer(flipping: place % 8, at: place, of: sequence)
            for from in 1...10 as ClosedRange<UInt64> {
                if from == sequence {
                    #expect(read(peer, from: from) == .damaged(sequence: sequence), "\(place)")
                } else {
                    let last = from < sequence ? sequence - 1 : 10
                    expect(read(peer, from: from), from...last, "\(place), \(from)")
                }
            }
            peer.store.close()
        }
    }

    /// The log is cut behind it, and what is left begins with the right chain.
    @Test(arguments: [1, 5, 8, 9, 10] as [UInt64]) func isCut(sequence: UInt64) throws {
        let peer = try peer(flipping: 3, at: 40, of: sequence)
        let row = Truncation.Row(origin: author.origin, acknowledged: 0, pinned: 0, damaged: sequence)
        let floor = min(sequence + 1, 10)
        let told = peer.perform(.truncate(Truncation([row], now: clock.now)))
        #expect(told == [.truncated([Floor(origin: author.origin, floor: floor)])])
        #expect(read(peer, from: floor) == .belowFloor(floor))
        if floor < 10 { expect(read(peer, from: floor + 1), floor + 1...10, "") }
        peer.store.close()
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// Of neighbours that are damaged too nobody can say where the log goes on; it is cut where that is known.
    @Test(
        arguments: [([5, 6], 7), ([5, 7], 8), ([4, 5, 6], 7), ([5, 9], 6), ([9, 10], 10), ([8, 9, 10], 10)]
            as [([UInt64], UInt64)])
    func severalAreCut(sequences: [UInt64], floor: UInt64) throws {
        var bytes = sound["data.mdb"]!
        let rows = RawFile(bytes).nodes.filter { $0.table == "log" }
        for sequence in sequences { bytes[rows[Int(sequence) - 1].value.lowerBound + 40] ^= 1 }
        try directory.restore(sound.merging(["data.mdb": bytes]) { $1 })
        let peer = try PeerStoreTests.Peer(in: directory, settings, clock)
        let row = Truncation.Row(origin: author.origin, acknowledged: 0, pinned: 0, damaged: sequences[0])
        let told = peer.perform(.truncate(Truncation([row], now: clock.now)))
        #expect(told == [.truncated([Floor(origin: author.origin, floor: floor)])])
        if floor < 10, !sequences.contains(floor + 1) {
            expect(read(peer, from: floor + 1), floor + 1...(sequences.last { $0 > floor }.map { $0 - 1 } ?? 10), "")
        }
        #expect(peer.perform(.truncate(Truncation([row], now: clock.now))) == [.truncated([])])
        peer.store.close()
    }

    /// A row that does not stand where it should is none.
    @Test(arguments: [1, 5, 9, 10] as [UInt64]) func aKey(sequence: UInt64) throws {
        var bytes = sound["data.mdb"]!
        let rows = RawFile(bytes).nodes.filter { $0.table == "log" }
        bytes[rows[Int(sequence) - 1].key.upperBound - 2] ^= 1
        try directory.restore(sound.merging(["data.mdb": bytes]) { $1 })
        let peer = try PeerStoreTests.Peer(in: directory, settings, clock)
        #expect(read(peer, from: sequence) == .damaged(sequence: sequence))
        let row = Truncation.Row(origin: author.origin, acknowledged: 0, pinned: 0, damaged: sequence)
        guard case .truncated(let floors)? = peer.perform(.truncate(Truncation([row], now: clock.now))).first else {
            throw Missing()
        }
        #expect(floors.first.map { $0.floor >= sequence } == true)
        peer.store.close()
    }

    /// Nor does it hold truncation back.
    @Test func whatIsSettledGoes() throws {
        let peer = try peer(flipping: 3, at: 40, of: 5)
        let row = Truncation.Row(origin: author.origin, acknowledged: 8, pinned: 10)
        let later = clock.now.advanced(byMilliseconds: ReplicationLimits.settledAge + 1000)
        let told = peer.perform(.truncate(Truncation([row], now: later)))
        #expect(told == [.truncated([Floor(origin: author.origin, floor: 8)])])
        peer.store.close()
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }
}
