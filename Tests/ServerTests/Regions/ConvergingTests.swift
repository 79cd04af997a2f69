import Glibc
import Primitives
import Testing

extension NodeTests.Regions {
    /// Nodes that write at the same time, go and come, hold the same in the end.
    @Suite struct Converging {
        @Test func eightyMillisecondsApart() throws {
            let cluster = try Cluster()
            cluster.setFaults { $0.delayMilliseconds = 40 }
            let loads = cluster.indices.map { LinkLoad(cluster, at: $0) }
            try cluster.wait("a thousand links") { loads.allSatisfy { $0.count >= 400 } }
            var links = Links()
            for load in loads { links.add(load.stop()) }
            try cluster.converge()
            for index in cluster.indices {
                let node = cluster.node(index)
                try cluster.wait("all round trips were measured") {
                    try node.standing.peers.allSatisfy { $0.roundTripMilliseconds != nil }
                }
                let standing = try node.standing
                #expect(standing.alarms.isEmpty)
                #expect(standing.peers.allSatisfy { $0.roundTripMilliseconds ?? 0 >= 80 })
                // What was on its way on a connection that a slow machine gave up comes once more.
                node.log.gather()
                if node.log.seen.contains(where: { $0.contains("event=peer-lost") }) { continue }
                let counters = standing.counters
                #expect(counters["entries_ignored"]! * 100 <= counters["entries_applied"]!, "\(counters)")
            }
            try cluster.expectAll(links)
        }

        /// Whatever was acknowledged survives, a kill leaves the incarnation as it was, and no code is given twice.
        @Test(arguments: [3] as [UInt64]) func killsUnderLoad(seed: UInt64) throws {
            print("seed \(seed)")
            var random = SeededRandom(seed: seed)
            let cluster = try Cluster()
            try cluster.converge()
            let before = try cluster.indices.map { try cluster.node($0).standing.incarnation }
            let loads = cluster.indices.map { LinkLoad(cluster, at: $0) }
            for _ in 0..<8 {
                let victim = Int.random(in: cluster.indices, using: &random)
                let goal = loads[victim].count + .random(in: 20...150, using: &random)
                try cluster.wait("some links more") { loads[victim].count >= goal }
                cluster.kill(victim)
                try cluster.start(victim)
            }
            var links = Links()
            for load in loads { links.add(load.stop()) }
            try cluster.converge()
            let after = try cluster.indices.map { try cluster.node($0).standing.incarnation }
            #expect(before == after, "seed \(seed)")
            try cluster.expectAll(links)
        }

        /// A node is behind until a peer has told what there is, and the log says both, as readiness does.
        @Test func startsBehind() throws {
            let cluster = try Cluster(2, starts: false)
            let node = try cluster.start(0)
            func said(_ event: String) -> Int? { node.log.seen.firstIndex { $0.contains("event=\(event)") } }
            try cluster.wait("the node says that it is behind") { said("behind") != nil }
            #expect(try node.readiness == 503)
            #expect(said("caught-up") == nil)
            try cluster.start(1)
            try cluster.wait("the node is ready") { try node.readiness == 200 && said("caught-up") != nil }
            #expect(node.log.seen.count { $0.contains("event=behind") } == 1)
            cluster.stopAll()
        }

        /// All at once, in good order and without.
        @Test(arguments: [SIGTERM, SIGKILL]) func fullStopAndColdStart(signal: Int32) throws {
            let cluster = try Cluster()
            var links = Links()
            try cluster.create(100, into: &links)
            let loads = cluster.indices.map { LinkLoad(cluster, at: $0) }
            try cluster.wait("some links") { loads.allSatisfy { $0.count >= 50 } }
            let before = try cluster.indices.map { try cluster.node($0).standing.incarnation }
            for index in cluster.indices { cluster.node(index).child.signal(signal) }
            for index in cluster.indices { if signal == SIGKILL { cluster.kill(index) } else { cluster.stop(index) } }
            for load in loads { links.add(load.stop()) }
            for index in cluster.indices { try cluster.start(index) }
            try cluster.converge()
            #expect(try before == cluster.indices.map { try cluster.node($0).standing.incarnation })
            try cluster.create(50, into: &links)
            try cluster.expectAll(links)
        }
    }
}
