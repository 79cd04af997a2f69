import Primitives
import Testing

@testable import Replication

/// Whom a node asks for a snapshot.
struct GiverTests {
    /// Who could not give is not asked first again where another can: its store may be damaged, its line slow.
    @Test(arguments: [false, true]) func anotherIsAskedNext(fails: Bool) throws {
        let floored = [Bench.row(Bench.second, 9, chain: 9, floor: 5)]
        var bench = Bench(rows: [Bench.row(Bench.second, 2, chain: 2)])
        let ids = [
            bench.connect(state: floored), bench.connect(Bench.hello(Bench.third, run: 3), state: floored),
        ]
        var asked: [ConnectionID] = []
        for _ in 0..<4 {
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
        #expect(asked == [ids[0], ids[1], ids[0], ids[1]])
    }
}
