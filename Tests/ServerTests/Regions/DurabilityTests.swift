import Testing
import lab

extension NodeTests.Regions {
    /// Links that are acknowledged once other regions have them too.
    @Suite struct Durability {
        /// A region is lost in the middle of its work and never comes back: the others have what it acknowledged.
        @Test func aRegionLostForGood() throws {
            let cluster = try Cluster(3, ["--durability", "regions:1"])
            try cluster.converge()
            cluster.setFaults { $0.delayMilliseconds = 20 }
            let load = LinkLoad(cluster, at: 0)
            try cluster.wait("links are acknowledged") { load.count >= 400 }
            cluster.kill(0)
            let links = load.stop()
            try cluster.wait("the others have the same") {
                try cluster.node(1).standing.agrees(with: cluster.node(2).standing)
            }
            for index in [1, 2] { try links.expect(on: cluster.node(index)) }
        }

        /// The first node asks for one other region, the second for two.
        @Test func tooFewRegions() throws {
            let cluster = try Cluster(3, starts: false)
            for index in cluster.indices {
                cluster.flags[index] = [
                    "--durability_timeout", "500ms", "--durability", "regions:\(index == 1 ? 2 : 1)",
                ]
            }
            for index in cluster.indices { try cluster.start(index) }
            try cluster.converge()
            var links = Links()
            try cluster.create(20, into: &links)

            cluster.part([0], [1, 2])
            try expectAloneWithIt(cluster.node(0), &links)
            try expectAloneWithIt(cluster.node(1), &links)
            try cluster.join([0], [1])
            try cluster.wait("the first two nodes are connected") { try cluster.isConnected(0, to: [1]) }
            // Over the second node's log the third has all, and tells the first nothing of it.
            try links.create(20, on: cluster.node(0))
            try links.create(20, on: cluster.node(1))
            cluster.part([1], [2])
            try links.create(20, on: cluster.node(0))
            try expectAloneWithIt(cluster.node(1), &links)
            try cluster.join([0, 1], [2])
            try cluster.expectAll(links)
        }

        /// Entries of a batch that too few regions get: each result has its link, and says so.
        @Test func batches() throws {
            let cluster = try Cluster(2, ["--durability_timeout", "500ms", "--durability", "regions:1"])
            try cluster.converge()
            cluster.part([0], [1])
            let client = try cluster.node(0).connect()
            let destinations = (0..<3).map { "https://example.com/\($0)" }
            let entries = destinations.map { #"{"long_url":"\#($0)"}"# }.joined(separator: ",")
            let id = try client.takeBatch("[\(entries)]")
            let batch = try client.awaitBatch(id)
            try client.get("/api/v1/urls/bulk/\(id)")
            let codes = try outcomes(batch)
            let results = try #require(batch["results"] as? [[String: Any]])
            var links = Links()
            for ((result, code), destination) in zip(zip(results, codes), destinations) {
                let problem = try #require(result["problem"] as? [String: Any])
                #expect(problem["code"] as? String == "not-replicated" && problem["short_code"] as? String == code)
                links.add(code, destination)
            }
            #expect(links.count == 3)
            try links.expect(on: cluster.node(0))
            try cluster.join([0], [1])
            try cluster.expectAll(links)
        }

        /// A link that too few regions get: whoever asked is told, and it is there all the same.
        private func expectAloneWithIt(_ node: RunningNode, _ links: inout Links) throws {
            let before = try node.metric("edge_unreplicated_writes_total")
            let destination = "https://example.com/alone/\(links.count)"
            let answer = try node.connect().post("/api/v1/urls", json: #"{"long_url":"\#(destination)"}"#)
            answer.expectProblem(503, "not-replicated", with: "short_code")
            #expect(answer["retry-after"] == "2")
            let code = try answer.string("short_code")
            #expect(try answer.string("detail").contains("link /\(code) "))
            links.add(code, destination)
            try links.expect(on: node, only: destination)
            #expect(try node.metric("edge_unreplicated_writes_total") == before + 1)
            #expect(try node.metric("edge_unreplicated_writes_waiting") == 0)
        }
    }
}
