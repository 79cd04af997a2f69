import Glibc
import Primitives
import Testing

@testable import Replication

/// Claims under random faults: whatever happens, one winner for each name, and when it is over everybody knows.
struct RegisterModelTests {
    static func run(_ seed: UInt64, areNew: Bool = false) -> (found: [String], counts: RegisterCounts) {
        var random = SeededRandom(seed: seed)
        var plan = RegisterPlan(using: &random)
        plan.areNew = areNew
        var world = RegisterWorld(seed: seed, plan: areNew ? plan : nil)
        world.begin()
        world.run(for: world.plan.faultyFor)
        let found = world.settle()
        return (found, world.counts)
    }

    /// The environment may name another range, `EDGE_REGISTER_SEEDS=1-20000`.
    @Test func oneWinnerWhateverHappens() {
        let range = unsafe getenv("EDGE_REGISTER_SEEDS").map { unsafe String(cString: $0) } ?? "1-1000"
        let ends = range.split(separator: "-").map { UInt64($0)! }
        var (total, failures, causes) = (RegisterCounts(), [UInt64](), [String: Int]())
        for seed in ends[0]...ends[1] {
            let (found, counts) = Self.run(seed)
            total += counts
            guard let first = found.first else { continue }
            failures.append(seed)
            causes[first.filter { !$0.isNumber }, default: 0] += 1
        }
        #expect(failures.isEmpty, "\(failures.count) seeds: \(failures.prefix(10)), \(causes)")
        print("\(ends): \(total)")
    }
    /// Clusters that begin, with all that may happen meanwhile: they come to vote without anybody's word.
    @Test func beginnings() {
        var (failures, first) = ([UInt64](), "")
        for seed in 1...300 as ClosedRange<UInt64> {
            let (found, _) = Self.run(seed, areNew: true)
            if let violation = found.first {
                if failures.isEmpty { first = violation }
                failures.append(seed)
            }
        }
        #expect(failures.isEmpty, "\(failures.count) seeds: \(failures.prefix(10)), \(first)")
    }
}
