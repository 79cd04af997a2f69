import Links
import Primitives
import Testing

/// The rule of `CacheStamps`, in every order in which the steps of a writer and of workers can come: no hit is older than
/// anything that anybody was shown before its lookup began.
struct StampRuleTests {
    /// What a transaction of the writer does to the key.
    enum Change: CaseIterable { case changes, changesOther, fails, replacesStore }

    /// Ways to break the rule, which must not go unnoticed.
    enum Fault {
        case none
        case stampedAfterCommit, stampedAfterPublication
        case taggedAfterReading, taggedAhead
    }

    /// Two workers, and pairs of transactions.
    @Test(arguments: [[Change.changes, .changes], [.fails, .changes], [.changes, .replacesStore]])
    func twoWorkers(changes: [Change]) {
        let search = Search(changes, rounds: [1, 1], .none)
        #expect(search.violations == 0, "\(search)")
        #expect(search.hits > 0, "\(search)")
    }

    /// One worker that goes on to a second round, and all triples of transactions that end in a change of the key.
    @Test func threeTransactions() {
        for first in Change.allCases {
            for second in Change.allCases {
                for third in [Change.changes, .replacesStore] {
                    let search = Search([first, second, third], rounds: [2], .none)
                    #expect(search.violations == 0, "\(first), \(second), \(third): \(search)")
                    #expect(search.hits > 0, "\(first), \(second), \(third): \(search)")
                }
            }
        }
    }

    @Test(arguments: [
        Fault.stampedAfterCommit, .stampedAfterPublication, .taggedAfterReading, .taggedAhead,
    ])
    func faultsAreFound(fault: Fault) {
        for changes in [[.changes, .changes], [.changesOther, .changes]] as [[Change]] {
            let search = Search(changes, rounds: [1, 1], fault)
            #expect(search.violations > 0, "\(fault), \(changes): \(search)")
        }
        if fault == .stampedAfterCommit || fault == .stampedAfterPublication {
            let search = Search([.changes, .replacesStore], rounds: [1, 1], fault)
            #expect(search.violations > 0, "\(fault), a store replaced: \(search)")
        }
    }

    /// As many orders as there are ways to merge the sequences of steps.
    @Test func ordersAreAll() {
        #expect(Search([.changes, .changes], rounds: [1], .none).orders == 210)  // 10! / (6! 4!)
        #expect(Search([.changes], rounds: [1, 1], .none).orders == 11_550)  // 11! / (3! 4! 4!)
    }
}

/// All orders of the steps, each with a world of its own.
private struct Search: CustomStringConvertible {
    private(set) var orders = 0
    private(set) var hits = 0
    private(set) var violations = 0

    init(_ changes: [StampRuleTests.Change], rounds: [Int], _ fault: StampRuleTests.Fault) {
        // Actor 0 is the writer.
        var left = [changes.count * World.stepsOfTransaction] + rounds.map { $0 * World.stepsOfRound }
        var order: [Int] = []
        func merge() {
            if left.allSatisfy({ $0 == 0 }) { return run(order, changes, workers: rounds.count, fault) }
            // One violation shows that a fault is found.
            for actor in left.indices where left[actor] > 0 && violations == 0 {
                left[actor] -= 1
                order.append(actor)
                merge()
                order.removeLast()
                left[actor] += 1
            }
        }
        merge()
    }

    private mutating func run(
        _ order: [Int], _ changes: [StampRuleTests.Change], workers: Int, _ fault: StampRuleTests.Fault
    ) {
        let world = World(changes, workers: workers, fault)
        for actor in order {
            if actor == 0 { world.stepWriter() } else { world.stepWorker(actor - 1) }
        }
        orders += 1
        hits += world.hits
        violations += world.violations
    }

    var description: String { "\(orders) orders, \(hits) hits, \(violations) of them stale" }
}

/// A store of one key, its writer, and workers with caches of their own. A value is the number of the transaction that
/// wrote it; 0 is "not there".
private final class World {
    static let stepsOfTransaction = 3
    static let stepsOfRound = 4

    private struct Snapshot {
        var environment: UInt16 = 0
        var transaction: UInt64 = 1
        var value: UInt8 = 0
    }

    private final class Worker {
        let cache: CodeCache
        var step = 0
        var isAnswered = false
        var snapshot = Snapshot()
        var tag: CacheTag
        init(_ stamps: CacheStamps) {
            cache = CodeCache(entries: 64, stamps: stamps)
            tag = stamps.tag(environment: 0, transaction: 0)
        }
    }

    private let key = Array("1TcH0Me".utf8)
    private let now = Instant(milliseconds: 0)
    private let stamps = CacheStamps(key0: 1, key1: 2, slotCount: 2)
    private let changes: [StampRuleTests.Change]
    private let fault: StampRuleTests.Fault
    private let workers: [Worker]
    private var writerStep = 0
    private var committed = Snapshot()
    /// The newest value that anybody was told of.
    private var shown: UInt8 = 0
    private(set) var hits = 0
    private(set) var violations = 0

    init(_ changes: [StampRuleTests.Change], workers count: Int, _ fault: StampRuleTests.Fault) {
        (self.changes, self.fault) = (changes, fault)
        workers = [stamps].flatMap { stamps in (0..<count).map { _ in Worker(stamps) } }
    }

    // MARK: The writer

    func stepWriter() {
        let number = writerStep / Self.stepsOfTransaction
        let step = writerStep % Self.stepsOfTransaction
        writerStep += 1
        let order: [(StampRuleTests.Change, UInt8) -> Void] =
            switch fault {
            case .none, .taggedAfterReading, .taggedAhead: [stamp, commit, publish]
            case .stampedAfterCommit: [commit, stamp, publish]
            case .stampedAfterPublication: [commit, publish, stamp]
            }
        order[step](changes[number], UInt8(number + 1))
    }

    /// The snapshot that the transaction makes; made already where the stamps come too late.
    private func next(_ change: StampRuleTests.Change, _ number: UInt8) -> Snapshot {
        if committed.value == number { return committed }
        var next = committed
        switch change {
        case .changes, .fails: (next.transaction, next.value) = (committed.transaction + 1, number)
        case .changesOther: next.transaction += 1
        case .replacesStore: next = Snapshot(environment: committed.environment + 1, transaction: 1, value: number)
        }
        return next
    }

    private func stamp(_ change: StampRuleTests.Change, _ number: UInt8) {
        let next = next(change, number)
        switch change {
        case .changes, .fails:
            let key = key
            stamps.stamp(
                key.span.bytes, stamps.tag(environment: next.environment, transaction: next.transaction))
        case .changesOther: break
        case .replacesStore: stamps.replaceEnvironment(with: next.environment)
        }
    }

    private func commit(_ change: StampRuleTests.Change, _ number: UInt8) {
        if change != .fails { committed = next(change, number) }
    }

    private func publish(_ change: StampRuleTests.Change, _ number: UInt8) { show(committed.value) }

    private func show(_ value: UInt8) { shown = max(shown, value) }

    // MARK: Workers

    /// Begins to read, reads and answers, keeps the answer, looks into the cache; the next round only if nothing is there.
    func stepWorker(_ index: Int) {
        let worker = workers[index]
        let step = worker.step % Self.stepsOfRound
        worker.step += 1
        switch step {
        case _ where worker.isAnswered: break
        case 0:
            worker.snapshot = committed
            worker.tag = tag(of: worker.snapshot)
        case 1: show(worker.snapshot.value)
        case 2: keep(worker)
        default: lookUp(worker)
        }
    }

    private func lookUp(_ worker: Worker) {
        let key = key
        let hit = worker.cache.lookup(key.span.bytes, now: now)
        worker.isAnswered = hit != nil
        guard let hit else { return }
        var value = [UInt8](repeating: 0, count: hit.byteCount)
        value.withUnsafeMutableBytes { worker.cache.copy(hit, to: $0.baseAddress!) }
        hits += 1
        if value[0] < shown { violations += 1 }
        show(value[0])
    }

    private func keep(_ worker: Worker) {
        let key = key
        let value = [worker.snapshot.value]
        if fault == .taggedAfterReading { worker.tag = tag(of: committed) }
        worker.cache.insert(
            key.span.bytes, value[0] == 0 ? .notFound : .redirect, answer: value.span.bytes, tag: worker.tag, now: now,
            renderAgainAt: Instant(milliseconds: .max))
    }

    private func tag(of snapshot: Snapshot) -> CacheTag {
        let ahead: UInt64 = fault == .taggedAhead ? 1 : 0
        return stamps.tag(environment: snapshot.environment, transaction: snapshot.transaction + ahead)
    }
}
