import Testing

extension NodeTests.Regions {
    /// Blocks in a cluster: what is decided in one region holds in all as soon as they hear of it.
    @Suite struct BlocksEverywhere {
        private func status(_ cluster: Cluster, _ code: String) throws -> [Int] {
            try cluster.running.map { try cluster.node($0).connect().get("/\(code)").status }
        }

        /// All of the logs that the first node writes are everywhere.
        private func spread(_ cluster: Cluster, from index: Int = 0) throws {
            let own = try cluster.node(index).standing
            let head = own.logs.first { $0.origin == own.incarnation }?.head ?? 0
            try cluster.wait("what \(index) wrote is everywhere") {
                try cluster.running.allSatisfy {
                    try cluster.node($0).standing.logs.contains { $0.origin == own.incarnation && $0.head >= head }
                }
            }
        }

        /// Also what their caches held; and an owner in another region lifts nothing.
        @Test func decidedInOneRegion() throws {
            let cluster = try Cluster()
            try cluster.converge()
            let admin = try cluster.node(0).makeKey("--scopes", "admin", name: "admin")
            let owner = try cluster.node(0).makeKey("--owner", "team", "--scopes", "links:create,links:manage")
            try spread(cluster)
            let client = try cluster.node(0).connect()
            let code = try client.create("https://example.com/", key: owner)
            try spread(cluster)
            for _ in 0..<2 { #expect(try status(cluster, code) == [302, 302, 302]) }
            let blocked = try client.block(code, key: admin)
            #expect(blocked.status == 201)
            // Whoever brings the token learns of it wherever it asks, however far behind that node is.
            let token = try #require(blocked["edge-token"])
            for index in cluster.indices {
                let other = try cluster.node(index).connect()
                try other.send(Client.request("GET", "/\(code)", "Edge-Token: \(token)\r\n"))
                #expect(try other.read().status == 451, "\(index)")
            }
            try spread(cluster)
            for _ in 0..<2 { #expect(try status(cluster, code) == [451, 451, 451]) }
            let change = #"{"long_url":"https://other.example.com/"}"#
            #expect(try cluster.node(1).connect().change(code, change, key: owner).status == 200)
            try spread(cluster, from: 1)
            #expect(try status(cluster, code) == [451, 451, 451])
            #expect(try cluster.node(2).connect().block(code, nil, key: admin).status == 204)
            try spread(cluster, from: 2)
            for _ in 0..<2 { #expect(try status(cluster, code) == [302, 302, 302]) }
            #expect(try client.get("/\(code)")["location"] == "https://other.example.com/")
            try cluster.converge()
            try cluster.expectEqualStores()
        }

        /// Two regions that cannot hear of each other decide otherwise: in the end all agree.
        @Test func decidedTwiceAtOnce() throws {
            let cluster = try Cluster()
            try cluster.converge()
            let admin = try cluster.node(0).makeKey("--scopes", "admin", name: "admin")
            let codes = try (0..<6).map { try cluster.node(0).connect().create("https://example.com/\($0)") }
            for code in codes { #expect(try cluster.node(0).connect().block(code, key: admin).status == 201) }
            try spread(cluster)
            cluster.cutOff(1)
            for (number, code) in codes.enumerated() {
                let reason = #"{"reason":"again"}"#
                let (first, second) = number % 2 == 0 ? (0, 1) : (1, 0)
                let lifted = try cluster.node(first).connect().block(code, nil, key: admin)
                #expect(lifted.status == 204)
                #expect(try cluster.node(second).connect().block(code, reason, key: admin).status == 200)
            }
            try cluster.mend(1)
            try cluster.converge()
            for code in codes {
                // What was said last, as far as their clocks tell.
                let blocks = try cluster.indices.map {
                    let answer = try cluster.node($0).connect().moderate("GET", "/api/v1/blocks/\(code)", key: admin)
                    // Each node names itself there.
                    return try answer.text.replacing(answer.string("short_url"), with: "")
                }
                #expect(Set(blocks).count == 1)
                let statuses = try status(cluster, code)
                #expect(Set(statuses).count == 1 && [302, 451].contains(statuses[0]))
            }
            try cluster.expectEqualStores()
        }

        /// A node that comes later, or lost its disk, has the blocks with all else.
        @Test func aNewNode() throws {
            let cluster = try Cluster()
            try cluster.converge()
            let admin = try cluster.node(0).makeKey("--scopes", "admin", name: "admin")
            let client = try cluster.node(0).connect()
            let codes = try (0..<4).map { try client.create("https://example.com/\($0)") }
            for code in codes[..<2] { #expect(try client.block(code, key: admin).status == 201) }
            #expect(try client.block(codes[1], nil, key: admin).status == 204)
            cluster.stop(2)
            cluster.wipe(2)
            try cluster.start(2)
            try cluster.converge()
            let other = try cluster.node(2).connect()
            #expect(try codes.map { try other.get("/\($0)").status } == [451, 302, 302, 302])
            try cluster.expectEqualStores()
        }
    }
}
