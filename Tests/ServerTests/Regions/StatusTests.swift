import Testing

extension NodeTests.Regions {
    /// What `edge status` says of another node, from its coming to the end of its place.
    @Suite struct Status {
        @Test func peers() throws {
            let cluster = try Cluster(2)
            try cluster.converge()
            let server = cluster.node(0).adminURL
            func expect(_ pattern: some RegexComponent, _ what: String) throws {
                try cluster.wait(what) {
                    let status = try Finished(["status", "--server", server])
                    #expect(status.ending == .exited(0), "\(status.error)")
                    return status.output.firstMatch(of: pattern) != nil
                }
            }
            try expect(
                #/\npeer eu/0 +connected, round trip \d+ ms, 0 entries to come, 0 ms behind this node\n/#, "connected")
            cluster.kill(1)
            try expect(#/\npeer eu/0 +lost, 0 entries to come, \d+ ms behind this node\n/#, "lost")
            let order = try Finished(["cluster", "retire", "eu/0", "--server", server])
            #expect(order.ending == .exited(0), "\(order.error)")
            try expect(#/\npeer eu/0 +retired\n/#, "retired")
            // The same as JSON, and what the protocol knows besides.
            for path in ["/status", "/debug/replication"] {
                let peers = try cluster.node(0).connectToAdmin().get(path).object["peers"] as? [[String: Any]]
                let peer = try #require(peers?.first)
                #expect(peer["name"] as? String == "eu/0" && peer["node"] as? String == "2/0", "\(path)")
                #expect(peer["retired"] as? Bool == true && peer["connected"] as? Bool == false, "\(path)")
            }
            cluster.stop(0)
        }
    }
}
