import Primitives
import Testing

@testable import Replication

/// Machines under random faults: when they are over, all nodes hold the same, and nothing that a client was told of is
/// lost. A failure names its seed, which gives the same run again.
struct ConvergenceTests {
    /// Writes, cuts, crashes; then quiet.
    static func faults(_ world: inout World, rounds: Int) {
        for _ in 0..<rounds {
            for index in world.nodes.indices where world.chance(1, of: 2) { world.write(index) }
            let (left, right) = (
                Int.random(in: 0..<world.nodes.count, using: &world.random),
                Int.random(in: 0..<world.nodes.count, using: &world.random)
            )
            if left != right, world.chance(1, of: 10) { world.cut.insert([min(left, right), max(left, right)]) }
            if world.chance(1, of: 12) { world.cut = [] }
            if world.chance(1, of: 25), world.nodes[left].machine != nil {
                world.crash(left, downFor: .random(in: 1...20_000, using: &world.random))
            }
            world.run(for: .random(in: 1...4000, using: &world.random))
        }
    }

    static func settle(_ world: inout World, for duration: Int64 = 120_000) {
        (world.cut, world.isFaulty) = ([], false)
        world.run(for: duration)
    }

    @Test func nothingIsLostAndAllConverge() {
        var (entries, snapshots) = (0, 0)
        for seed in 1...200 as ClosedRange<UInt64> {
            var world = World(seed: seed, nodes: 3 + Int(seed % 3))
            Self.faults(&world, rounds: 60)
            Self.settle(&world)
            let found = world.checkConverged()
            #expect(found == [], "seed \(seed)")
            #expect(world.vectorsAreEqual, "seed \(seed)")
            entries += world.acknowledged.count
            snapshots += Int(world.nodes.reduce(0) { $0 + $1.machine!.counters.snapshotsInstalled })
            if found != [] { return }
        }
        #expect(entries > 2000, "\(entries) acknowledged")
        #expect(snapshots > 0)
    }

    @Test func sameSeedSameRun() {
        func trace(_ seed: UInt64) -> String {
            var world = World(seed: seed, nodes: 3)
            Self.faults(&world, rounds: 40)
            return "\(world.order) \(world.time) \(world.sentEntries) \(world.nodes.map { $0.disk.states })"
        }
        #expect(trace(7) == trace(7))
        #expect(trace(7) != trace(8))
    }
}
