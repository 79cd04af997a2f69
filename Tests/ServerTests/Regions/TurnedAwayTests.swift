import Testing

extension NodeTests.Regions {
    /// Who is turned away tries again and again; the log says it once for each reason.
    @Suite struct TurnedAway {
        /// What the log has of closed connections, without the time.
        private func closings(_ node: RunningNode) -> [String: Int] {
            node.log.gather()
            let lines = node.log.seen.filter { $0.contains("event=peer-closed ") }
            return Dictionary(lines.map { (String($0.drop { $0 != " " }), 1) }, uniquingKeysWith: +)
        }

        private func closings(_ node: RunningNode, _ reason: String) -> [Int] {
            closings(node).filter { $0.key.contains("\(reason)\"") }.map(\.value)
        }

        @Test func members() throws {
            let cluster = try Cluster(2, starts: false)
            let node = try cluster.start(0)
            let secret = cluster.directory.write(Cluster.secret("other"), to: "other.secret")

            /// Node 1 begins anew with flags that node 0 does not agree with, and tries often.
            func turnAway(_ flags: [String]) throws {
                if cluster.running.contains(1) { cluster.kill(1) }
                cluster.wipe(1)
                cluster.flags[1] = flags
                let before = try node.metric("edge_replication_rejections_total")
                let other = try cluster.start(1)
                try cluster.wait("it was turned away again and again") {
                    try node.metric("edge_replication_rejections_total") >= before + 6
                }
                #expect(closings(other).values.allSatisfy { $0 == 1 } && !closings(other).isEmpty, "\(closings(other))")
            }
            // From each side one connection is dialled.
            try turnAway(["--code_secret_file", secret])
            #expect([[1], [1, 1]].contains(closings(node, "codeSecret")), "\(closings(node))")
            try turnAway(["--cluster", "other"])
            #expect([[1], [1, 1]].contains(closings(node, ": cluster")), "\(closings(node))")
            #expect([[1], [1, 1]].contains(closings(node, "codeSecret")), "\(closings(node))")

            cluster.kill(1)
            cluster.wipe(1)
            cluster.flags[1] = []
            try cluster.start(1)
            try cluster.converge()
            try cluster.wait("no alarm stands, once all addresses were dialled again") {
                try cluster.indices.allSatisfy { try cluster.node($0).standing.alarms == [] }
            }

            let before = closings(node, "codeSecret").reduce(0, +)
            try turnAway(["--code_secret_file", secret])
            let after = closings(node, "codeSecret").reduce(0, +)
            #expect((before + 1...before + 2).contains(after), "\(closings(node))")
        }

        /// Behind one address, each with a reason of its own.
        @Test func strangers() throws {
            let cluster = try Cluster(2, starts: false)
            let node = try cluster.start(0)
            for _ in 0..<5 {
                let guesser = try FalsePeer(of: cluster, to: 0, secret: Cluster.secret("guess"))
                #expect(try !guesser.introduce())
                let foreigner = try FalsePeer(of: cluster, to: 0)
                foreigner.hello.cluster = Array("another".utf8)
                try foreigner.send(.hello(foreigner.hello))
                _ = try foreigner.rest()
            }
            #expect(try node.metric("edge_replication_rejections_total") == 10)
            #expect(closings(node).count == 2 && closings(node).values.allSatisfy { $0 == 1 }, "\(closings(node))")
            #expect(closings(node).keys.allSatisfy { $0.contains("peer=127.0.0.1 ") }, "\(closings(node))")
        }
    }
}
