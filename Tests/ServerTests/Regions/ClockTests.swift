import Glibc
import Primitives
import Testing

extension NodeTests.Regions {
    /// One node of three whose clock is an hour off.
    @Suite struct Clocks {
        private static let hour: Int64 = 3_600_000

        /// Milliseconds by which the stamp of a new link is ahead of this machine's clock.
        private func leadOfStamp(at node: RunningNode, into links: inout Links) throws -> Int64 {
            let destination = "https://example.com/stamped/\(node.port)/\(links.count)"
            let answer = try node.connect().post("/api/v1/urls", json: #"{"long_url":"\#(destination)"}"#)
            guard answer.status == 201 else { throw HarnessError(answer.text) }
            links.add(try answer.string("short_code"), destination)
            let text = try #require(answer["x-write-ts"])
            let stamp = try #require(Instant(rfc3339: text), "\(text)")
            return stamp.milliseconds - Int64(time(nil)) * 1000
        }

        private func restart(_ cluster: Cluster, _ index: Int, offset: String) throws -> RunningNode {
            cluster.stop(index)
            cluster.flags[index] = ["--clock_offset", offset]
            return try cluster.start(index)
        }

        /// Its own clock is the wrong one: most peers are ahead. It applies what they write by their time, and changes
        /// nothing that is there; new links it can make.
        @Test func behind() throws {
            let cluster = try Cluster()
            var links = Links()
            try cluster.create(50, into: &links)
            try cluster.converge()
            let node = try restart(cluster, 2, offset: "-1h")
            let line = try node.log.next("event=clock-wrong")
            #expect(line.contains("level=error"), "\(line)")
            #expect(try node.activeAlarms("clock-wrong") == 1)
            #expect(try !node.standing.changesAllowed)
            let admin = try node.makeKey("--scopes", "admin")
            let known = try #require(links.destinations.keys.first)
            try node.connect().change(known, #"{"title":"a"}"#, key: admin).expectProblem(503, "overloaded")
            try node.connect().change(known, nil, key: admin).expectProblem(503, "overloaded")
            try cluster.create(50, into: &links)
            try cluster.converge()
            for index in cluster.indices { try links.expect(on: cluster.node(index)) }
            for index in [0, 1] {
                let other = cluster.node(index)
                let lead = try leadOfStamp(at: other, into: &links)
                #expect(abs(lead) < Self.hour / 2)
                let standing = try other.standing
                #expect(standing.alarms == [] && standing.changesAllowed)
                let offset = try other.metric(#"edge_peer_clock_offset_seconds{peer="3/0"}"#)
                #expect((-3700 ... -3500).contains(offset), "\(offset)")
            }
            let again = try restart(cluster, 2, offset: "0s")
            try cluster.create(20, into: &links)
            try cluster.converge()
            let standing = try again.standing
            #expect(standing.alarms == [] && standing.changesAllowed)
            #expect(try again.activeAlarms("clock-wrong") == 0)
            try cluster.expectAll(links)
        }

        /// What it writes is held back by the others until their clocks have come there, and moves none of them; what they
        /// write comes to it.
        @Test func ahead() throws {
            let cluster = try Cluster()
            var (links, early) = (Links(), Links())
            try cluster.create(50, into: &links)
            try cluster.converge()
            let node = try restart(cluster, 2, offset: "1h")
            let lead = try leadOfStamp(at: node, into: &early)
            #expect(lead > Self.hour / 2)
            try early.create(20, on: node)
            let origin = try node.standing.incarnation
            for index in [0, 1] {
                let line = try cluster.node(index).log.next("event=origin-quarantined")
                #expect(line.contains("level=error") && line.contains("cause=clock"), "\(line)")
                #expect(line.contains("origin=\(origin)"), "\(line)")
            }
            try expectHeldBack(cluster, origin, &links)
            try early.expect(on: node)

            // Its clock is right again, and what it wrote still lies ahead.
            _ = try restart(cluster, 2, offset: "0s")
            try expectHeldBack(cluster, origin, &links)
            // An hour later.
            cluster.stopAll()
            for index in cluster.indices {
                cluster.flags[index] = ["--clock_offset", "1h"]
                try cluster.start(index)
            }
            links.add(early)
            try cluster.create(20, into: &links)
            try cluster.converge()
            for index in cluster.indices { #expect(try cluster.node(index).standing.alarms == []) }
            try cluster.expectAll(links)
        }

        /// Nodes 0 and 1 take nothing of node 2's log, and go on with all else, as it does with theirs.
        private func expectHeldBack(_ cluster: Cluster, _ origin: String, _ links: inout Links) throws {
            let heads = try [0, 1].map { try cluster.heads(at: $0, of: [2]) }
            try cluster.create(20, at: [0, 1], into: &links)
            for index in [0, 1] {
                let other = cluster.node(index)
                let lead = try leadOfStamp(at: other, into: &links)
                #expect(abs(lead) < Self.hour / 2)
                #expect(try other.standing.changesAllowed)
            }
            try cluster.wait("the log that is ahead is held back, and all others are everywhere") {
                let standings = try cluster.indices.map { try cluster.node($0).standing }
                let rest = standings.map { $0.without(origin) }
                return rest.allSatisfy { $0.vector == rest[0].vector && $0.logs.allSatisfy { $0.lagEntries == 0 } }
                    && standings[..<2].allSatisfy { standing in
                        standing.logs.contains { $0.origin == origin && $0.quarantine == "clock" }
                    }
            }
            // It ends for the moment in which it is tried again.
            try cluster.wait("the alarm stands") {
                try [0, 1].allSatisfy { try cluster.node($0).activeAlarms("origin-quarantined") == 1 }
            }
            let now = try [0, 1].map { try cluster.heads(at: $0, of: [2]) }
            #expect(now == heads)
            for index in cluster.indices { try links.expect(on: cluster.node(index)) }
        }
    }
}
