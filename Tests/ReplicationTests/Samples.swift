import Links
import Primitives

@testable import Replication

enum Samples {
    static let origin = Origin(region: UInt8(ascii: "1"), node: 3, incarnation: 0x0102_0304_0506_0708)
    static let other = Origin(region: UInt8(ascii: "2"), node: 0, incarnation: 9)

    static func entry(_ sequence: UInt64, stamp: UInt64 = 5 << 16, kind: UInt8 = 1) -> [UInt8] {
        var bytes: [UInt8] = []
        LogEntry(kind: kind, sequence: sequence, stamp: stamp, key: [3, 97], value: [0, 98]).encode(into: &bytes)
        return bytes
    }

    static func entries(_ sequences: ClosedRange<UInt64>, origin: Origin = Samples.origin) -> Entries {
        var bytes: [UInt8] = []
        for sequence in sequences { bytes.append(lengthPrefixed: entry(sequence)) }
        return Entries(
            origin: origin, first: sequences.lowerBound, chainBefore: Chain(rawValue: 1),
            chainAfter: Chain(rawValue: 2),
            count: sequences.count, bytes: bytes)
    }

    static var row: OriginState {
        var row = OriginState(origin: origin)
        (row.head, row.stamp, row.chain) = (10, Stamp(rawValue: 11), Chain(rawValue: 1 << 100 | 12))
        (row.floor, row.ceiling, row.seal) = (4, 13, 10)
        return row
    }

    static var rows: [OriginState] { [row, OriginState(origin: other)] }

    static func hello(_ origin: Origin = origin) -> Hello {
        Hello(
            cluster: Array("c".utf8), origin: origin, run: 77, versions: 1...1, logFormat: 1, nonce: 1 << 127 | 5,
            wall: Instant(milliseconds: 1_700_000_000_000), secretCheck: 6, epoch: 7,
            regions: [.init(character: 0x31, name: Array("us".utf8)), .init(character: 0x32, name: Array("eu".utf8))])
    }

    /// One of each type, in order of the types.
    static let frames: [Frame] = [
        .hello(hello()), .auth(Auth(mac: [UInt8](repeating: 7, count: 32))), .state(PeerState(credit: 99, rows: rows)),
        .reject(Reject(.skew, "clocks differ by 2 days")), .entries(entries(5...7)),
        .ack(Ack(credit: 1 << 40, rows: [.init(origin: origin, head: 7), .init(origin: other, head: 0)])),
        .heads(Heads(wall: Instant(milliseconds: 3), sent: 4, echo: 5, held: 6, rows: rows)),
        .pull(Pull(origin: origin, from: 3, through: 9)),
        .digestsRequest(DigestNode(level: 2, prefix: 0x3103_0000_0000_0000)),
        .digests(
            Digests(
                node: .root,
                children: [.init(byte: 0, isQuiet: true, sum: 1 << 90), .init(byte: 9, isQuiet: false, sum: 2)])),
        .bucketRequest(BucketRequest(bucket: 0x0002_0000_0000_0001, after: [3, 97])),
        .recordRequest(RecordRequest(key: [3, 97])), .records(Records(next: [3, 98], bytes: [1, 2, 3])),
        .snapshotRequest(SnapshotRequest(after: [0, 1, 2, 3])),
        .snapshotOffer(SnapshotOffer(forked: rows.map(\.origin), rows: rows)),
        .snapshotChunk(SnapshotChunk(index: 1, bytes: [4, 5])),
        .snapshotEnd(SnapshotEnd(.complete, chunks: 2, records: 3, sum: 1 << 127)),
        .prepare(
            Prepare(epoch: 5, rows: [.init(key: [3, 97], ballot: ballot), .init(key: [3, 98], ballot: ballot)])),
        .accept(Accept(epoch: 5, life: 1 << 32 | 7, rows: [.init(key: [3, 97], proposal: proposal)])),
        .votes(
            Votes(
                epoch: 5, roll: roll,
                rows: [
                    .init(key: [3, 97], ballot: ballot, verdict: .refused(promised: ballot)),
                    .init(key: [3, 98], ballot: ballot, verdict: .promised(nil)),
                    .init(key: [3, 99], ballot: ballot, verdict: .promised(proposal)),
                    .init(key: [3, 100], ballot: ballot, verdict: .accepted),
                    .init(key: [3, 101], ballot: ballot, verdict: .chosen(proposal.value)),
                    .init(key: [3, 102], ballot: ballot, verdict: .refused(promised: .none)),
                ])),
        .chosen(Chosen(rows: [.init(key: [3, 97], proposal: proposal)])),
        .epochs(Epochs(isAnswer: true, roll: roll, current: epoch, next: epoch.followed(by: [NodeID(origin)]))),
        .learn(Learn(epoch: 5, life: 1 << 32 | 7, isEntering: true, after: [3, 97])),
        .learned(
            Learned(
                epoch: 5, life: 1 << 32 | 7, roll: roll, after: [3, 97], next: [3, 98],
                heads: [.init(origin: origin, head: 7, chain: row.chain)], rows: registerRows)),
        .linkRequest(
            LinkRequest(
                positions: [LogPosition(LifeTag(origin)!, 7), LogPosition(LifeTag(other)!, 1 << 40)],
                code: Array("1TcH0Me".utf8))),
        .linkAnswer(LinkAnswer(.here, reflecting: LogPosition(LifeTag(origin)!, 9), record: [1, 2, 3])),
        .changeRequest(
            ChangeRequest(
                positions: [LogPosition(LifeTag(origin)!, 7)], ifMatch: Array("\"1-a\"".utf8), owner: [97, 98],
                key: [3, 97], change: [1, 1, 97])),
        .changeAnswer(ChangeAnswer(.made, at: LogPosition(LifeTag(origin)!, 9), record: [1, 2, 3])),
    ]

    static let ballot = Ballot(round: 3, node: NodeID(origin), attempt: 1 << 63 | 9)
    static let proposal = Proposal(ballot: ballot, value: RegisterValue(claim: 1 << 127 | 4, bytes: [1, 2, 3]))
    static let roll = Roll([NodeID(origin): 1 << 32 | 7, NodeID(other): 2 << 32])
    static let epoch = Epoch(number: 5, acceptors: [NodeID(origin), NodeID(other)], former: [NodeID(other)])

    /// Nothing accepted, accepted, chosen.
    static var registerRows: [RegisterRow] {
        var rows = [98, 99, 100].map { RegisterRow(key: [3, $0]) }
        rows[0].promised = ballot
        (rows[1].promised, rows[1].accepted) = (ballot, proposal)
        (rows[2].accepted, rows[2].isChosen) = (proposal, true)
        return rows
    }
}
