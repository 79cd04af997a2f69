import Links
import Primitives
import Testing

@testable import Replication

/// Whom a node asks for a snapshot.
struct GiverTests {
    /// Who could not give is not asked first again where another can: its store may be damaged, its line slow.
    @Test(arguments: [false, true]) func anotherIsAskedNext(fails: Bool) throws {
        let floored = [Bench.row(Bench.second, 9, chain: 9, floor: 5)]
        var bench = Bench(rows: [Bench.row(Bench.second, 2, chain: 2)])
        let fourth = Origin(region: UInt8(ascii: "2"), node: 1, incarnation: 44)
        let ids = [
            bench.connect(state: floored), bench.connect(Bench.hello(Bench.third, run: 3), state: floored),
            bench.connect(Bench.hello(fourth, run: 4), state: floored),
        ]
        var asked: [ConnectionID] = []
        for _ in 0..<6 {
            var (sent, waits): ([(id: ConnectionID, frame: Frame, request: UInt32)], Int) = ([], 0)
            repeat {
                bench.wait(400)
                sent = bench.sent
                for id in ids {
                    bench.receive(id, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [])))
                    sent += bench.sent
                }
                sent.removeAll { if case .snapshotRequest = $0.frame { false } else { true } }
                waits += 1
            } while sent.isEmpty && waits < 20
            let (id, _, request) = try #require(sent.first)
            asked.append(id)
            bench.receive(id, .snapshotOffer(SnapshotOffer(rows: floored)), request: request)
            let end = SnapshotEnd(fails ? .failed : .complete, chunks: 0)
            bench.receive(id, .snapshotEnd(end), request: request)
            if !fails { bench.tell(.installFailed) }
        }
        #expect(Set(asked.prefix(3)) == Set(ids) && asked.suffix(3) == asked.prefix(3))
    }

    /// What is written while acknowledgements are on their way does not keep a node from joining for ever.
    @Test func whoNeverStopsWritingJoins() {
        var bench = Bench(rows: [Bench.row(Bench.second, 2, chain: 2)])
        let id = bench.connect(state: [Bench.row(Bench.second, 9, chain: 9, floor: 5)])
        var (askedAfter, waited): (Int64?, Int64) = (nil, 0)
        while askedAfter == nil, waited < 2 * ReplicationLimits.snapshotYield {
            bench.committed(bench.machine.rows[Bench.own]!.head + 1)
            bench.receive(id, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [])))
            bench.wait(100)
            waited += 100
            if bench.frames.contains(.snapshotRequest(SnapshotRequest())) { askedAfter = waited }
        }
        #expect(askedAfter.map { $0 >= ReplicationLimits.snapshotYield } == true)
    }
}
