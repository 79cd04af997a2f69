import Primitives

@testable import Replication

/// What is to happen, the earliest first; what is of one instant in the order in which it was added.
struct RegisterAgenda {
    private struct Item {
        let at: Int64
        let order: UInt64
        let happening: RegisterWorld.Happening
    }

    private var heap: [Item] = []
    private var order: UInt64 = 0

    private static func precedes(_ left: Item, _ right: Item) -> Bool {
        (left.at, left.order) < (right.at, right.order)
    }

    mutating func add(_ happening: RegisterWorld.Happening, at: Int64) {
        order += 1
        heap.append(Item(at: at, order: order, happening: happening))
        var child = heap.count - 1
        while child > 0, Self.precedes(heap[child], heap[(child - 1) / 2]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func take(before end: Int64) -> (at: Int64, happening: RegisterWorld.Happening)? {
        guard let first = heap.first, first.at <= end else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            sink()
        }
        return (first.at, first.happening)
    }

    private mutating func sink() {
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && Self.precedes(heap[child], heap[least]) {
                least = child
            }
            guard least != parent else { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}

/// What one run is to go through; drawn from its seed.
struct RegisterPlan {
    var nodes: Int
    var acceptors: Int
    var keys: Int
    /// Aliases from before there were registers.
    var old: Int
    var claims: Int
    var changes: Int
    var lossPercent: Int
    var latePercent: Int
    var twicePercent: Int
    var cuts: Bool
    var crashes: Bool
    var diskFaults: Bool
    var deaths: Bool
    var faultyFor: Int64
    /// How late a frame may be.
    var lateBy = 6000
    /// How long a node is down.
    var downFor = 800
    /// Between two strokes of fate.
    var pause = 700
    /// At how many nodes clients are.
    var proposers = 5
    /// No acceptor has ever voted.
    var areNew = false

    init(using random: inout SeededRandom) {
        func pick(_ list: [Int]) -> Int { list[Int(random.next() % UInt64(list.count))] }
        nodes = pick([3, 3, 4, 5])
        acceptors = pick([1, 2, 3, 3, 3, 4, 5].filter { [nodes] in $0 <= nodes })
        keys = pick([1, 1, 2, 3])
        old = pick([0, 0, 0, 1])
        claims = pick([2, 3, 4, 6])
        changes = pick([0, 0, 1, 2, 4])
        lossPercent = pick([0, 2, 10, 25])
        latePercent = pick([0, 5, 20])
        twicePercent = pick([0, 5, 20])
        cuts = pick([0, 1]) == 1
        crashes = pick([0, 1, 1]) == 1
        diskFaults = pick([0, 1]) == 1
        deaths = pick([0, 0, 0, 1]) == 1
        faultyFor = Int64(pick([4000, 8000, 16_000]))
        switch pick([0, 0, 0, 1, 1, 2]) {
        case 1: hurry(pick([3, 3, 5]))
        case 2: repeatAtOneNode()
        default: break
        }
    }

    /// Claims that fail one after another at the same node, and what is left of each.
    private mutating func repeatAtOneNode() {
        (nodes, acceptors, keys, old, claims, changes, proposers) = (3, 3, 1, 0, 6, 0, 1)
        (lossPercent, latePercent, twicePercent) = (50, 20, 5)
        (cuts, diskFaults, deaths, faultyFor) = (true, false, false, 16_000)
    }

    /// Disks that are lost while a round is about to be decided, and promises of before that arrive after.
    private mutating func hurry(_ count: Int) {
        (nodes, acceptors, keys, old, claims, changes) = (count, count, 1, 0, 6, 0)
        (lossPercent, latePercent, twicePercent) = (0, 40, 10)
        (cuts, crashes, diskFaults, deaths) = (false, false, true, false)
        (faultyFor, lateBy, downFor, pause) = (3000, 700, 20, 60)
    }
}

struct RegisterCounts {
    var events = 0
    var frames = 0
    var crashes = 0
    var failedCommits = 0
    var lostDisks = 0
    var rolledBack = 0
    var doubts = 0
    var changes = 0
    var deaths = 0
    var deathsAmidChange = 0
    var presumedDead = 0
    var won = 0
    var taken = 0
    var unknown = 0
    var unavailable = 0

    static func += (left: inout RegisterCounts, right: RegisterCounts) {
        for path in [
            \.events, \.frames, \.crashes, \.failedCommits, \.lostDisks, \.rolledBack, \.doubts, \.changes, \.deaths,
            \.deathsAmidChange, \.presumedDead, \.won, \.taken, \.unknown, \.unavailable,
        ] as [WritableKeyPath<RegisterCounts, Int>] { left[keyPath: path] += right[keyPath: path] }
    }
}
