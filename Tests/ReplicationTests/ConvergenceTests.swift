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
                world.crash(
                    left, downFor: .random(in: 1...(world.chance(1, of: 3) ? 90_000 : 10_000), using: &world.random))
            }
            world.run(for: .random(in: 1...4000, using: &world.random))
        }
    }

    /// All faults are over. What is still wrong after two minutes.
    static func settle(_ world: inout World) -> [String] {
        (world.cut, world.isFaulty) = ([], false)
        var found: [String] = []
        for _ in 0..<12 {
            world.run(for: 10_000)
            found = world.checkConverged()
            if found == [] { return [] }
        }
        return found
    }

    @Test(arguments: 0..<10) func nothingIsLostAndAllConverge(part: UInt64) {
        var (acknowledged, pulls) = (0, 0)
        for seed in part * 20 + 1...part * 20 + 20 {
            var world = World(seed: seed, nodes: 3 + Int(seed % 3))
            Self.faults(&world, rounds: 24)
            #expect(Self.settle(&world) == [], "seed \(seed)")
            acknowledged += world.acknowledged.count
            pulls += Int(world.nodes.reduce(0) { $0 + $1.machine!.counters.pulls })
        }
        #expect(acknowledged > 500 && pulls > 20, "\(acknowledged), \(pulls)")
    }

    /// A node is cut off until all logs were truncated beyond it, and its own too: it takes another's state, and what it
    /// alone had comes back under a new incarnation. Faults during that time only make it begin again.
    @Test(arguments: 1...30 as ClosedRange<UInt64>) func farBehind(seed: UInt64) {
        var world = World(seed: seed, nodes: 3)
        world.isFaulty = false
        world.run(for: 5000)
        for _ in 0..<5 { world.write(Int.random(in: 0...2, using: &world.random)) }
        world.run(for: 5000)
        (world.cut, world.alwaysCaps) = ([[0, 1], [0, 2]], true)
        for _ in 0..<20 {
            for index in 0...2 { world.write(index) }
            world.run(for: 4000)
        }
        let before = world.nodes.map(\.disk.own)
        (world.cut, world.alwaysCaps, world.isFaulty) = ([], false, seed % 2 == 0)
        for index in 0...2 { world.nodes[index].truncates = false }
        world.run(for: .random(in: 100...3000, using: &world.random))
        if seed % 2 == 0 { world.crash(Int.random(in: 0...2, using: &world.random), downFor: 2000) }
        world.run(for: 30_000)
        #expect(Self.settle(&world) == [], "seed \(seed)")
        // Which of them depends on who asks first.
        #expect(world.nodes.map(\.disk.own) != before, "seed \(seed)")
    }

    /// A disk that goes back to an earlier day, identity and all, and writes on before it hears anyone: what the others
    /// have comes back, what was written meanwhile stays, and nobody is left with another version.
    @Test(arguments: 1...20 as ClosedRange<UInt64>) func rolledBackDisk(seed: UInt64) {
        var world = World(seed: seed, nodes: 3)
        world.isFaulty = false
        for index in world.nodes.indices { world.nodes[index].truncates = false }
        world.run(for: 5000)
        for _ in 0..<5 { world.write(0) }
        world.run(for: 5000)
        let backup = world.nodes[0].disk
        for _ in 0..<5 { world.write(Int.random(in: 0...2, using: &world.random)) }
        world.write(0)
        world.run(for: 5000)
        world.crash(0, downFor: 1000)
        world.nodes[0].disk = backup
        world.run(for: 1000)
        let isFork = seed % 2 == 0
        if isFork { for _ in 0..<Int(seed % 5 + 1) { world.write(0) } }
        var found: [String] = []
        // A fork's rest is found by comparing buckets, each quiet for a minute, now with one peer and now with another.
        for _ in 0..<5 {
            found = Self.settle(&world).filter { !isFork || $0 != "vectors differ" }
            if found == [] { break }
        }
        #expect(found == [], "seed \(seed)")
        #expect(world.nodes[0].disk.own != backup.own, "seed \(seed): a number under the old incarnation again")
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
