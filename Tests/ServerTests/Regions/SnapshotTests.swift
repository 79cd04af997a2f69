import Glibc
import Primitives
import Synchronization
import Testing

extension NodeTests.Regions {
    /// Nodes that are below what the others' logs still hold: they take a snapshot.
    @Suite struct Snapshots {
        private static let points = 20

        /// Nodes 0 and 1 without the logs of what they hold, and node 2 stopped: with what it had when it was cut off, and
        /// with links that only it has.
        private func farBehind(_ count: Int, _ links: inout Links, alone: inout Links) throws -> Cluster {
            let cluster = try Cluster()
            try cluster.create(50, into: &links)
            try cluster.converge()
            cluster.cutOff(2)
            try cluster.create(50, at: [2], into: &alone)
            cluster.kill(2)
            try cluster.mend(2)
            try cluster.create(count / 2, at: [0, 1], into: &links)
            try cluster.converge()
            for index in [0, 1] {
                cluster.stop(index)
                try cluster.truncate(index)
                // So that the snapshot takes a while.
                cluster.flags[index] = ["--snapshot_rate", "1MiB"]
                try cluster.start(index)
            }
            try cluster.converge()
            return cluster
        }

        /// Until it has caught up it is not ready, and redirects all the same; the swap fails none.
        @Test func farBehindNode() throws {
            var (links, alone) = (Links(), Links())
            let cluster = try farBehind(8000, &links, alone: &alone)
            // It cannot have caught up before it is asked.
            cluster.cutOff(2)
            let node = try cluster.start(2)
            let reader = RedirectLoad(alone, port: node.port, of: node)
            #expect(try node.readiness == 503)
            try cluster.mend(2)
            _ = try node.log.next("event=snapshot-needed")
            try cluster.wait("ready") { try node.readiness == 200 }
            try cluster.wait("one was installed") { try node.standing.counters["snapshots_installed"] == 1 }
            try cluster.converge()
            #expect(try node.metric("edge_lost_rows_total") == 0)
            #expect(reader.stop() > 10)
            links.add(alone)
            try cluster.create(50, into: &links)
            try cluster.expectAll(links)
        }

        /// Killed again and again on its way, and others write meanwhile.
        @Test func joiningWithKills() throws {
            var (links, lost) = (Links(), Links())
            let cluster = try farBehind(8000, &links, alone: &lost)
            cluster.wipe(2)
            let loads = [0, 1].map { LinkLoad(cluster, at: $0, perSecond: 200) }
            func carried() -> Int { cluster.proxies(of: 2).reduce(0) { $0 + $1.figures.bytes.reduce(0, +) } }
            // A whole one, to know what it takes.
            var start = carried()
            try cluster.start(2)
            try cluster.wait("ready") { try cluster.node(2).readiness == 200 }
            let whole = carried() - start
            cluster.kill(2)
            cluster.wipe(2)
            for point in 1...Self.points {
                start = carried()
                let node = try cluster.start(2)
                let goal = whole * point / Self.points
                try cluster.wait("\(point) parts") { try carried() - start >= goal || node.readiness == 200 }
                cluster.kill(2)
            }
            try cluster.start(2)
            try cluster.wait("ready") { try cluster.node(2).readiness == 200 }
            for load in loads { links.add(load.stop()) }
            try cluster.expectAll(links)
        }
    }
}

/// Follows links at one node, again and again, and holds each to its destination.
final class RedirectLoad: Sendable {
    private struct Outcome {
        var answers = 0
        var failures: [String] = []
    }

    private let outcome = Mutex(Outcome())
    private let isStopping = Atomic(false)
    private let thread: Mutex<SystemThread?> = Mutex(nil)

    init(_ links: Links, port: UInt16, of node: RunningNode) {
        thread.withLock { $0 = SystemThread("redirect-load") { [self] in run(links, port, node) } }
    }

    /// How many were answered.
    func stop() -> Int {
        isStopping.store(true, ordering: .releasing)
        thread.withLock { $0.take() }!.join()
        return outcome.withLock { outcome in
            #expect(outcome.failures.isEmpty)
            return outcome.answers
        }
    }

    private func run(_ links: Links, _ port: UInt16, _ node: RunningNode) {
        do {
            let client = try Client(port: port, of: node)
            while !isStopping.load(ordering: .acquiring) {
                for (code, destination) in links.destinations {
                    let answer = try client.get("/\(code)")
                    outcome.withLock { outcome in
                        outcome.answers += 1
                        if answer.status != 302 || answer["location"] != destination {
                            outcome.failures.append("\(code): \(answer.status)")
                        }
                    }
                }
            }
        } catch { outcome.withLock { $0.failures.append("\(error)") } }
    }
}
