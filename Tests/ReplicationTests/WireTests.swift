import FoundationEssentials
import Links
import Primitives
import Testing

@testable import Replication

struct WireTests {
    private func payload(_ frame: Frame) -> [UInt8] { Array(frame.encoded().dropFirst(FrameHeader.sizeBytes)) }

    /// A frame of this type and payload with the right length and checksum.
    private func frame(_ type: FrameType, _ payload: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = [1, type.rawValue, 0, 0]
        bytes.append(bigEndian: UInt32(payload.count))
        bytes.append(bigEndian: UInt32(0))
        var crc = CRC32C()
        crc.append(bytes.span.bytes)
        crc.append(payload.span.bytes)
        bytes.append(bigEndian: crc.value)
        return bytes + payload
    }

    @Test func limitsFitTogether() { WireLimits.check() }

    @Test func everyTypeHasASample() { #expect(Samples.frames.map(\.type) == FrameType.allCases) }

    @Test(arguments: Samples.frames) func roundTripAndEveryFlippedBit(sample: Frame) throws {
        let bytes = sample.encoded(request: 0xdead_beef)
        let decoded = try Frame.decode(bytes.span.bytes)
        #expect(decoded.frame == sample && decoded.request == 0xdead_beef)
        for bit in 0..<bytes.count * 8 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: MalformedBytes.self) { try Frame.decode(damaged.span.bytes) }
        }
    }

    /// What is cut off is missed, and what is too much is not passed over, even with a right checksum; but the tails
    /// that a type leaves to others (later fields, records, keys) have no length of their own, and rows may be fewer.
    @Test(arguments: Samples.frames) func cutOrExtended(sample: Frame) {
        let whole = payload(sample)
        for count in 0..<whole.count {
            let cut = frame(sample.type, Array(whole.prefix(count)))
            if let other = try? Frame.decode(cut.span.bytes).frame {
                #expect(other != sample && other.encoded() == cut)
            }
        }
        let longer = frame(sample.type, whole + [0])
        if let other = try? Frame.decode(longer.span.bytes).frame {
            #expect(
                [
                    .hello, .records, .snapshotRequest, .snapshotChunk, .linkRequest, .linkAnswer, .changeRequest,
                    .changeAnswer,
                ].contains(other.type) && other.encoded() == longer)
        }
    }

    @Test(
        arguments: [
            (.hello, 0, 0), (.hello, 2, 0), (.state, 8, 0x20), (.state, 9, 16), (.ack, 24, 0), (.reject, 0, 0),
            (.reject, 0, 12), (.entries, 51, 2), (.entries, 51, 4), (.entries, 48, 0xff), (.pull, 15, 0),
            (.pull, 21, 2),
            (.digestsRequest, 0, 8), (.digestsRequest, 4, 1), (.digests, 10, 2), (.digests, 27, 0),
            (.recordRequest, 0, 0), (.snapshotOffer, 0, 0xff), (.snapshotOffer, 2, 0xff), (.snapshotEnd, 0, 0),
            (.snapshotEnd, 0, 4),
            (.prepare, 8, 0), (.prepare, 11, 0x80), (.prepare, 17, 0x20), (.accept, 16, 0), (.votes, 8, 125),
            (.votes, 10, 16), (.votes, 48, 6), (.chosen, 3, 0x80),
            (.epochs, 0, 2), (.epochs, 29, 0), (.epochs, 30, 63), (.epochs, 47, 9), (.learn, 16, 2),
            (.learned, 16, 3), (.learned, 47, 0xff), (.learned, 99, 3), (.changeRequest, 0, 6), (.changeRequest, 11, 0),
            (.changeRequest, 11, 2), (.changeRequest, 21, 0), (.changeAnswer, 0, 0), (.changeAnswer, 0, 3),
            (.changeAnswer, 0, 9),
        ] as [(FrameType, Int, UInt8)])
    func refused(type: FrameType, offset: Int, byte: UInt8) {
        let sample = Samples.frames.first { $0.type == type }!
        var bytes = payload(sample)
        bytes[offset] = byte
        #expect(throws: MalformedBytes.self) { try Frame.decode(frame(type, bytes).span.bytes) }
    }

    @Test func rowsThatContradictThemselves() {
        func decodes(_ change: (inout OriginState) -> Void) -> Bool {
            var row = Samples.row
            change(&row)
            let bytes = Frame.state(PeerState(credit: 0, rows: [row])).encoded()
            return (try? Frame.decode(bytes.span.bytes)) != nil
        }
        #expect(decodes { _ in })
        #expect(!decodes { $0.floor = 11 })
        #expect(!decodes { $0.seal = 9 })
        #expect(!decodes { $0.origin.incarnation = 0 })
        let twice = Frame.state(PeerState(credit: 0, rows: [Samples.row, Samples.row])).encoded()
        #expect(throws: MalformedBytes.self) { try Frame.decode(twice.span.bytes) }
    }

    /// More rows than a frame may have, and more heads than there are bytes for.
    @Test func registerRowsAreBounded() {
        func decodes(_ frame: Frame) -> Bool { unsafe (try? Frame.decode(frame.encoded().span.bytes)) != nil }
        let limit = WireLimits.registerRows
        for (count, isSound) in [(limit, true), (limit + 1, false)] {
            let row = Accept.Row(key: [3, 97], proposal: Samples.proposal)
            let asked = Prepare.Row(key: [3, 97], ballot: Samples.ballot)
            let vote = Votes.Row(key: [3, 97], ballot: Samples.ballot, verdict: .accepted)
            #expect(decodes(.prepare(Prepare(epoch: 1, rows: .init(repeating: asked, count: count)))) == isSound)
            #expect(decodes(.accept(Accept(epoch: 1, life: 1, rows: .init(repeating: row, count: count)))) == isSound)
            #expect(decodes(.chosen(Chosen(rows: .init(repeating: row, count: count)))) == isSound)
            #expect(
                decodes(.votes(Votes(epoch: 1, roll: Roll(), rows: .init(repeating: vote, count: count)))) == isSound)
            let page = Learned(
                epoch: 1, life: 1, roll: Roll(), after: [], next: [], heads: [],
                rows: .init(repeating: RegisterRow(key: [3]), count: count))
            #expect(decodes(.learned(page)) == isSound)
        }
        let tooLong = [UInt8](repeating: 3, count: WireLimits.keyBytes + 1)
        #expect(!decodes(.prepare(Prepare(epoch: 1, rows: [.init(key: tooLong, ballot: Samples.ballot)]))))
        let beyond = Ballot(round: WireLimits.round + 1, node: Samples.ballot.node, attempt: 1)
        #expect(!decodes(.prepare(Prepare(epoch: 1, rows: [.init(key: [3], ballot: beyond)]))))
    }

    /// A length is refused by its header alone, 4 KiB before authentication and 1 MiB after.
    @Test(arguments: [(4096, true), (1 << 20, false)]) func lengthsAreCheckedInTheHeader(limit: Int, isDefault: Bool)
        throws
    {
        for (length, accepted) in [(limit, true), (limit + 1, false), (Int(UInt32.max), false)] {
            var header: [UInt8] = [1, 2, 0, 0]
            header.append(bigEndian: UInt32(length))
            header += [UInt8](repeating: 0, count: 8)
            var reader = FrameReader()
            if !isDefault { reader.limit = WireLimits.payload }
            var span = header.span.bytes
            let taken = Result { try reader.take(&span) }
            #expect((try? taken.get()) == nil)
            if case .failure = taken { #expect(!accepted) } else { #expect(accepted) }
        }
    }

    @Test func readerCutsAStreamIntoFrames() throws {
        let stream = Samples.frames.flatMap { $0.encoded() }
        for size in [1, 2, 15, 16, 17, 100, stream.count] {
            var (reader, frames): (FrameReader, [Frame]) = (FrameReader(), [])
            for start in stride(from: 0, to: stream.count, by: size) {
                var piece = stream.span.bytes.extracting(start..<min(start + size, stream.count))
                while piece.byteCount > 0 {
                    guard let whole = try reader.take(&piece) else { break }
                    frames.append(try Frame.decode(whole.span.bytes).frame)
                }
            }
            #expect(frames == Samples.frames, "pieces of \(size)")
        }
    }

    @Test func replicationOverheadOfAnEntry() {
        let one = Frame.entries(Samples.entries(1...1)).encoded().count
        let many = Frame.entries(Samples.entries(1...100)).encoded().count
        let (payload, head) = (4, LogEntry.headSizeBytes)
        #expect(head + (many - one) / 99 - head - payload <= 40)
    }

    @Test func entryHeads() throws {
        var rest = Samples.entries(5...6).bytes.span.bytes
        #expect(try EntryHead(takingFrom: &rest) == EntryHead(sequenceForTest: 5))
        #expect(try EntryHead(takingFrom: &rest) == EntryHead(sequenceForTest: 6))
        var damaged = Samples.entries(5...5).bytes
        damaged[damaged.count - 1] ^= 1
        #expect(throws: MalformedBytes.self) {
            var span = damaged.span.bytes
            _ = try EntryHead(takingFrom: &span)
        }
    }

    @Test func neverTrapsOnDamage() {
        var random = SeededRandom(seed: 8)
        let types = UInt8(FrameType.allCases.count)
        for _ in 0..<20_000 {
            var bytes = Samples.frames.randomElement(using: &random)!.encoded()
            if Bool.random(using: &random) {
                bytes[FrameHeader.sizeBytes - 1] = UInt8.random(in: 0..<types, using: &random)
                bytes.removeFirst(FrameHeader.sizeBytes - 1)
            }
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            bytes.removeLast(Int.random(in: 0...min(4, bytes.count), using: &random))
            fuzzReplication(bytes.span.bytes)
        }
    }

    /// The fuzzer begins with one sound frame of each type, behind the place of its type.
    @Test func corpus() throws {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let directory = tests.deletingLastPathComponent().appending(path: "Sources/fuzz/Corpus/replication")
        for (place, frame) in Samples.frames.enumerated() {
            let bytes = try [UInt8](Data(contentsOf: directory.appending(path: "\(frame.type)")))
            #expect(bytes[0] == place && FrameType.allCases[place] == frame.type)
            var whole: [UInt8] = [FrameHeader.version, frame.type.rawValue, 0, 0]
            whole.append(bigEndian: UInt32(bytes.count - 1))
            whole.append(bigEndian: UInt32(0))
            var crc = CRC32C()
            crc.append(whole.span.bytes)
            crc.append(Array(bytes[1...]).span.bytes)
            whole.append(bigEndian: crc.value)
            whole += bytes[1...]
            let decoded = try Frame.decode(whole.span.bytes).frame
            #expect(decoded.type == frame.type)
        }
    }

    /// What would overflow where a node goes on from it.
    @Test func rowsBeyondWhatCanBe() {
        let changes: [(Bool, (inout OriginState) -> Void)] = [
            (true, { _ in }), (true, { $0.ceiling = GeneratedNumber.endOfCounters }),
            (false, { $0.ceiling = GeneratedNumber.endOfCounters + 1 }), (false, { $0.ceiling = .max }),
            (true, { $0.stamp = Stamp(rawValue: 1 << 63 - 1) }), (false, { $0.stamp = Stamp(rawValue: 1 << 63) }),
            (false, { $0.stamp = Stamp(rawValue: .max) }),
        ]
        for (isSound, change) in changes {
            var row = Bench.row(Bench.second, 3)
            change(&row)
            let bytes = Frame.state(PeerState(credit: 0, rows: [row])).encoded(request: 0)
            #expect(((try? Frame.decode(bytes.span.bytes)) != nil) == isSound, "\(row)")
        }
    }
}

extension EntryHead {
    fileprivate init(sequenceForTest sequence: UInt64) {
        var bytes: [UInt8] = []
        bytes.append(lengthPrefixed: Samples.entry(sequence))
        var span = bytes.span.bytes
        try! self.init(takingFrom: &span)
        precondition(self.sequence == sequence && stamp == Stamp(rawValue: 5 << 16))
    }
}
