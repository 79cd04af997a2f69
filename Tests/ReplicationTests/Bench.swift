import Links
import Primitives
import Testing

@testable import Replication

/// One machine and peers that say what a test wants.
struct Bench {
    static let start = Moment(wall: Instant(milliseconds: 1_700_000_000_000), ticks: 1000)
    static let id = NodeID(region: UInt8(ascii: "1"), node: 0)
    static let own = Origin(region: UInt8(ascii: "1"), node: 0, incarnation: 11)
    static let second = Origin(region: UInt8(ascii: "2"), node: 0, incarnation: 22)
    static let third = Origin(region: UInt8(ascii: "3"), node: 0, incarnation: 33)

    /// As good as HMAC for a test: nobody here knows the key but the machine and its true peers.
    static let proof = Proof { message in
        let hash = SipHash.hash24x128(message.span.bytes, key0: 5, key1: 6)
        var mac: [UInt8] = []
        mac.append(bigEndian: hash)
        mac.append(bigEndian: ~hash)
        return mac
    }

    var now = Bench.start
    var machine: Replicator
    var lastID: UInt64 = 0
    var effects: [Effect] = []

    static func settings(peers: [String] = ["b", "c"], logFormat: UInt16 = 1) -> Settings {
        Settings(
            cluster: Array("c".utf8), member: Member(id: id, addresses: ["a"], logFormat: logFormat), run: 1,
            secretCheck: 6, epoch: 7, regions: Samples.hello().regions, peers: peers, proof: proof, seed: 1)
    }

    static func row(
        _ origin: Origin, _ head: UInt64, chain: UInt128 = 0, floor: UInt64 = 0, ceiling: UInt64 = 0,
        seal: UInt64 = OriginState.unsealed
    ) -> OriginState {
        var row = OriginState(origin: origin)
        (row.head, row.chain, row.floor) = (head, Chain(rawValue: chain), floor)
        (row.ceiling, row.seal) = (ceiling, seal)
        return row
    }

    static func head(_ origin: Origin, _ head: UInt64) -> LogHead {
        LogHead(origin: origin, head: head, chain: Chain(rawValue: UInt128(head)))
    }

    init(
        rows: [OriginState] = [], members: [Member] = [], isFresh: Bool = false, peers: [String] = ["b", "c"],
        logFormat: UInt16 = 1
    ) {
        let settings = Self.settings(peers: peers, logFormat: logFormat)
        machine = Replicator(
            settings,
            Holdings(own: Self.own, rows: rows, members: [settings.member] + members, isFresh: isFresh), now: now)
        effects = machine.start()
    }

    /// The effects of one event; invariants hold after it.
    @discardableResult mutating func tell(_ event: Event) -> [Effect] {
        effects = machine.handle(event, now: now)
        machine.checkInvariants()
        return effects
    }

    @discardableResult mutating func wait(_ milliseconds: Int64) -> [Effect] {
        now.ticks += milliseconds
        now.wall = now.wall.advanced(byMilliseconds: milliseconds)
        return tell(.deadline)
    }

    @discardableResult mutating func receive(_ id: ConnectionID, _ frame: Frame, request: UInt32 = 0) -> [Effect] {
        tell(.received(id, frame.encoded(request: request)))
    }

    mutating func open(address: String? = nil, certified: NodeID? = nil) -> ConnectionID {
        lastID += 1
        let id = ConnectionID(rawValue: lastID)
        tell(.opened(id, address: address, nonce: UInt128(lastID), certified: certified))
        return id
    }

    static func hello(_ origin: Origin = second, run: UInt64 = 2, wall: Instant = start.wall) -> Hello {
        var hello = Samples.hello(origin)
        (hello.run, hello.wall) = (run, wall)
        return hello
    }

    static func payload(_ frame: Frame) -> [UInt8] { Array(frame.encoded().dropFirst(FrameHeader.sizeBytes)) }

    /// Up to STATE as someone who dialled in, or is at `address`; certificates spare the proof.
    mutating func connect(
        _ hello: Hello = hello(), at address: String? = nil, state rows: [OriginState] = [], credit: UInt64 = 4 << 20
    ) -> ConnectionID {
        let id = open(address: address, certified: NodeID(hello.origin))
        receive(id, .hello(hello))
        receive(id, .state(PeerState(credit: credit, rows: rows.sorted { $0.origin < $1.origin })))
        return id
    }

    var frames: [Frame] { sent.map(\.frame) }

    var sent: [(id: ConnectionID, frame: Frame, request: UInt32)] {
        effects.compactMap { effect in
            guard case .send(let id, let bytes) = effect else { return nil }
            let (frame, request) = try! Frame.decode(bytes.span.bytes)
            return (id, frame, request)
        }
    }

    var alarms: [Alarm] { effects.compactMap { if case .alarm(let alarm) = $0 { alarm } else { nil } } }
    var closes: [CloseReason] { effects.compactMap { if case .close(_, let reason) = $0 { reason } else { nil } } }
    var batches: [Batch] { effects.compactMap { if case .apply(let batch) = $0 { batch } else { nil } } }
    var reads: [LogRead] { effects.compactMap { if case .readLog(let read) = $0 { read } else { nil } } }
    var pulls: [(id: ConnectionID, pull: Pull)] {
        sent.compactMap { if case .pull(let pull) = $0.frame { ($0.id, pull) } else { nil } }
    }

    /// Entries `sequences` of a peer's log; the chain at n is n.
    static func entries(
        _ sequences: ClosedRange<UInt64>, _ origin: Origin = second, stamp: Int64 = start.wall.milliseconds
    ) -> Entries {
        var bytes: [UInt8] = []
        for sequence in sequences {
            bytes.append(lengthPrefixed: Samples.entry(sequence, stamp: UInt64(stamp) << 16 | sequence))
        }
        return Entries(
            origin: origin, first: sequences.lowerBound,
            chainBefore: Chain(rawValue: UInt128(sequences.lowerBound - 1)),
            chainAfter: Chain(rawValue: UInt128(sequences.upperBound)), count: sequences.count, bytes: bytes)
    }

    /// The store has synced an origin up to `head`.
    @discardableResult mutating func applied(
        _ origin: Origin = second, _ head: UInt64, _ outcome: Applied.Outcome = .done
    ) -> [Effect] {
        tell(
            .applied(
                Applied(
                    origin: origin, head: head, stamp: Stamp(rawValue: head), chain: Chain(rawValue: UInt128(head)),
                    outcome: outcome)))
    }

    @discardableResult mutating func committed(_ head: UInt64, ceiling: UInt64 = 0) -> [Effect] {
        tell(
            .committed(
                OwnHead(
                    head: head, stamp: Stamp(rawValue: head), chain: Chain(rawValue: UInt128(head)), ceiling: ceiling)))
    }
}
