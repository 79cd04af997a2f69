import Links
import Primitives
import Testing

@testable import Replication

/// Two connections to one process: which one stays, and what the other one tells of the peer.
struct DuplicateConnectionTests {
    private func seen(_ bench: Bench) -> ReplicatorStatus.Peer? {
        bench.machine.status.peers.first { $0.node == NodeID(Bench.second) }
    }

    /// The own id is smaller, so what this node dialled stays; of the same direction the newer.
    @Test func twoConnectionsToOneProcess() {
        var bench = Bench()
        let accepted = bench.connect()
        let newer = bench.open(certified: NodeID(Bench.second))
        bench.receive(newer, .hello(Bench.hello()))
        #expect(bench.effects.contains(.close(accepted, .duplicateConnection)))
        #expect(bench.effects.contains(.authenticated(newer, NodeID(Bench.second))))
        bench = Bench()
        _ = bench.connect()
        let dialled = bench.open(address: "b", certified: NodeID(Bench.second))
        bench.receive(dialled, .hello(Bench.hello()))
        #expect(
            bench.closes == [.duplicateConnection]
                && bench.effects.contains(.authenticated(dialled, NodeID(Bench.second))))
        bench.receive(dialled, .state(PeerState(credit: 0, rows: [])))
        let late = bench.open(certified: NodeID(Bench.second))
        bench.receive(late, .hello(Bench.hello()))
        #expect(bench.effects.contains(.close(late, .duplicateConnection)))
    }

    /// The connection that stays tells whether the peer lives; the end of the other one takes nothing from it.
    @Test func oneThatEndsLeavesThePeerAlive() {
        var bench = Bench()
        let accepted = bench.connect()
        bench.wait(3000)
        _ = bench.connect(at: "b")
        #expect(seen(bench)?.isConnected == true && seen(bench)?.isDialled == true)
        #expect(seen(bench)?.silence == 0)
        bench.wait(1000)
        bench.tell(.closed(accepted))
        #expect(seen(bench)?.isConnected == true)
        #expect(seen(bench)?.silence == 1000)
        bench.wait(8000)
        #expect(bench.closes == [])
        bench.wait(1000)
        #expect(bench.closes == [.silence] && seen(bench)?.isConnected == false)
    }

    /// Nor does one that is refused give it anything.
    @Test func oneThatIsRefusedIsNoSignOfLife() {
        var bench = Bench()
        _ = bench.connect(at: "b")
        bench.wait(9000)
        let late = bench.open(certified: NodeID(Bench.second))
        bench.receive(late, .hello(Bench.hello()))
        #expect(bench.closes == [.duplicateConnection])
        #expect(seen(bench)?.isConnected == true)
        #expect(seen(bench)?.silence == 9000)
        bench.wait(1000)
        #expect(bench.closes == [.silence] && seen(bench)?.isConnected == false)
    }
}
