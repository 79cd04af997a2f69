import Glibc
import Testing

extension NodeTests.Regions {
    /// A node takes fewer links, and then none, while a live peer lacks what it has.
    @Suite struct Intake {
        /// The peer is stopped: its connection stays for ten seconds, and nothing is acknowledged on it.
        @Test func peerThatTakesNothing() throws {
            let cluster = try Cluster(2, ["--lag_slow", "500ms", "--lag_stop", "2500ms"])
            var links = Links()
            try cluster.create(20, into: &links)
            try cluster.converge()
            let (node, client) = (cluster.node(0), try cluster.node(0).connect())
            let admin = try node.makeKey("--scopes", "admin")
            let known = try #require(links.destinations.keys.first)
            var refused = 0
            let importer = try node.connect()
            // A machine that stands still may take the ten seconds, or those of the share.
            try attempt("a share is refused, and then all, of one connection", times: 3) {
                // Only a peer that has once had all is waited for.
                try cluster.wait("the peer said that it has all") {
                    let standing = try node.standing
                    let hasAll = standing.logs.contains {
                        $0.origin == standing.incarnation && $0.head == standing.peers[0].acknowledged
                    }
                    return try hasAll && node.metric(Self.ratio) == 0
                }
                cluster.node(1).child.signal(SIGSTOP)
                let taken = try createUntilRefused(client, &links, on: node)
                let changed = try client.change(known, #"{"title":"a"}"#, key: admin)
                refused += taken.count { !$0 } + (changed.status == 503 ? 1 : 0)
                let slow = taken.firstIndex(of: false) ?? 0
                let hasShare = slow > 0 && taken[slow...].contains(true)
                let samples = try node.samples()
                guard hasShare, samples[Self.connected] == 1 else {
                    cluster.node(1).child.signal(SIGCONT)
                    try cluster.converge()
                    return false
                }
                #expect(!taken.suffix(20).contains(true))
                changed.expectProblem(503, "overloaded")
                let counted = try #require(samples["edge_replication_refused_writes_total"])
                #expect(counted >= 20 && Int(counted) <= refused, "\(counted) of \(refused)")
                #expect(try #require(samples[#"edge_peer_lag_seconds{peer="2/0"}"#]) >= 2.5)
                try links.expect(on: node)
                #expect(try node.readiness == 200)
                // A row is not refused: it is begun again and again.
                try importer.beginImport()
                try importer.sendChunk(#"{"long_url":"https://example.com/imported"}"# + "\n")
                try importer.send("0\r\n\r\n")
                try node.await("edge_replication_refused_writes_total") { $0 >= counted + 5 }
                return true
            }

            cluster.node(1).child.signal(SIGCONT)
            #expect(try LineStream(importer).results().map(verdict) == ["created"])
            try cluster.wait("twenty links in a row are taken again") {
                try (0..<20).allSatisfy { _ in try create(client, &links) } && node.metric(Self.ratio) == 0
            }
            try cluster.expectAll(links)
        }

        private static let ratio = "edge_replication_refused_write_ratio"
        private static let connected = #"edge_peer_connected{peer="2/0"}"#

        /// Which links were taken until none is any more, and twenty after these; less if the connection is lost.
        private func createUntilRefused(
            _ client: Client, _ links: inout Links, on node: RunningNode
        ) throws -> [Bool] {
            var taken: [Bool] = []
            let deadline = Deadline()
            while case let samples = try node.samples(), samples[Self.connected] == 1, samples[Self.ratio] != 1 {
                try #require(!deadline.isOver, "not all is refused: \(taken.count { $0 }) of \(taken.count) were taken")
                for _ in 0..<10 { taken.append(try create(client, &links)) }
            }
            for _ in 0..<20 { taken.append(try create(client, &links)) }
            return taken
        }

        /// Whether a new link was taken; if not, the answer says what to do.
        private func create(_ client: Client, _ links: inout Links) throws -> Bool {
            let destination = "https://example.com/intake/\(links.count)"
            let answer = try client.post("/api/v1/urls", json: #"{"long_url":"\#(destination)"}"#)
            if answer.status == 201 {
                links.add(try answer.string("short_code"), destination)
                return true
            }
            answer.expectProblem(503, "overloaded")
            #expect(answer["retry-after"] == "1")
            return false
        }
    }
}
