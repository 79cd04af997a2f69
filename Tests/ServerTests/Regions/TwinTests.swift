import Glibc
import Testing

extension NodeTests.Regions {
    /// Two nodes with one id, in directories of their own: the second is refused by who hears both, and both of these say
    /// so. When one has gone the alarm ends, and what either made is where it belongs.
    @Suite struct Twins {
        /// A fourth process, which is node 2 too and knows the same addresses.
        private func start(beside cluster: Cluster) throws -> RunningNode {
            let twin = try RunningNode(cluster.arguments(2))
            for node in [cluster.node(0), cluster.node(1), twin] {
                let line = try node.log.next("event=duplicate-node")
                #expect(line.contains("level=error") && line.hasSuffix("node=3/0"), "\(line)")
                #expect(try node.activeAlarms("duplicate-node") == 1)
            }
            return twin
        }

        private func waitForTheEnd(of cluster: Cluster, _ nodes: [RunningNode]) throws {
            try cluster.wait("the alarm has ended") {
                try nodes.allSatisfy { try $0.activeAlarms("duplicate-node") == 0 }
            }
            for node in nodes {
                _ = try node.log.next("event=alarm-cleared alarm=duplicate-node")
                #expect(try node.metric(#"edge_replication_alarms_total{alarm="duplicate-node"}"#) >= 1)
                #expect(try node.standing.alarms == [])
            }
        }

        @Test func theSecondGoes() throws {
            let cluster = try Cluster()
            var (links, alone) = (Links(), Links())
            try cluster.create(50, into: &links)
            try cluster.converge()
            let incarnation = try cluster.node(2).standing.incarnation
            let twin = try start(beside: cluster)
            try alone.create(20, on: twin)
            let loads = cluster.indices.map { LinkLoad(cluster, at: $0, perSecond: 200) }
            try cluster.wait("some links") { loads.allSatisfy { $0.count >= 100 } }
            #expect(twin.child.kill() == .killed(SIGKILL))
            try waitForTheEnd(of: cluster, [cluster.node(0), cluster.node(1)])
            for load in loads { links.add(load.stop()) }
            try cluster.converge()
            #expect(try cluster.node(2).standing.incarnation == incarnation)
            for code in alone.destinations.keys { #expect(links.destinations[code] == nil) }
            for index in cluster.indices {
                let client = try cluster.node(index).connect()
                for code in alone.destinations.keys { #expect(try client.get("/\(code)").status == 404, "\(index)") }
            }
            try cluster.expectAll(links)
        }

        /// The second takes its place while it runs, and all that it made before comes to the others.
        @Test func theFirstGoes() throws {
            let cluster = try Cluster()
            var links = Links()
            try cluster.create(50, into: &links)
            try cluster.converge()
            let twin = try start(beside: cluster)
            try links.create(20, on: twin)
            try cluster.create(50, into: &links)
            try cluster.converge()
            cluster.stop(2)
            let nodes = [cluster.node(0), cluster.node(1), twin]
            try waitForTheEnd(of: cluster, nodes)
            try links.create(20, on: twin)
            try cluster.wait("all hold the same") {
                let standings = try nodes.map { try $0.standing }
                return standings.allSatisfy { standing in
                    standing.isLevel && standing.agrees(with: standings[0])
                        && standing.peers.filter(\.connected).count == 2
                }
            }
            for node in nodes { try links.expect(on: node) }
            #expect(twin.stop() == .exited(0))
            try cluster.replace(2, by: twin.data)
            try cluster.expectEqualStores()
        }
    }
}
