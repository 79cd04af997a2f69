import Glibc
import Testing

extension NodeTests.Regions {
    /// A request that lands in another region when it comes again.
    @Suite struct Repeats {
        private static func body(_ alias: String? = nil) -> String {
            #"{"long_url":"https://example.com/"\#(alias.map { #","custom_alias":"\#($0)""# } ?? "")}"#
        }

        private func cluster() throws -> Cluster {
            let cluster = try Cluster()
            try cluster.waitForVotes([0, 1, 2])
            try cluster.converge()
            return cluster
        }

        /// Once replication has passed, by an API key: the same link; other body: refused there too.
        @Test(arguments: [nil, "name"] as [String?]) func inAnotherRegion(alias: String?) throws {
            let cluster = try cluster()
            let first = try cluster.node(0).connect().create(idempotently: "a", Self.body(alias))
            #expect(first.status == 201 && first["idempotent-replayed"] == nil)
            try cluster.converge()
            for index in [1, 2, 0] {
                let client = try cluster.node(index).connect()
                let again = try client.create(idempotently: "a", Self.body(alias))
                #expect(
                    try again.status == 201 && again.string("short_code") == first.string("short_code"), "\(again.text)"
                )
                #expect(again["etag"] == first["etag"] && again["idempotent-replayed"] == "true")
                #expect(again["edge-token"] != nil && again["x-write-region"] == first["x-write-region"])
                try client.create(idempotently: "a", Self.body("other")).expectProblem(422, "idempotency-mismatch")
            }
            cluster.stopAll()
        }

        /// Before it has passed: an alias is one link, because the registers know the claim; without one there are two, of
        /// which the earlier one is found everywhere afterwards. With a token nothing is made twice.
        @Test func beforeReplication() throws {
            let cluster = try cluster()
            cluster.part([0], [1, 2])
            let (here, there) = (try cluster.node(0).connect(), try cluster.node(1).connect())
            let first = try here.create(idempotently: "a", Self.body())
            let token = try #require(first["edge-token"])
            #expect(first.status == 201)
            let refused = try there.create(idempotently: "a", Self.body(), "/api/v1/urls", "Edge-Token: \(token)\r\n")
            refused.expectProblem(503, "behind")
            #expect(refused["retry-after"] != nil)
            let second = try there.create(idempotently: "a", Self.body())
            #expect(try second.status == 201 && second.string("short_code") != first.string("short_code"))
            try cluster.join([0], [1, 2])
            try cluster.converge()
            for index in cluster.indices {
                let client = try cluster.node(index).connect()
                let again = try client.create(
                    idempotently: "a", Self.body(), "/api/v1/urls", "Edge-Token: \(token)\r\n")
                #expect(try again.string("short_code") == first.string("short_code"))
                #expect(try client.get("/\(second.string("short_code"))").status == 302)
            }
            cluster.stopAll()
        }

        /// With a token it waits for what is on its way, alone or as a batch, and nothing is made twice.
        @Test func onItsWay() throws {
            let cluster = try Cluster(2, ["--read_your_writes_timeout", "10s"])
            try cluster.converge()
            cluster.set(.held, from: [0], to: [1])
            let first = try cluster.node(0).connect().create(idempotently: "a", Self.body())
            let fields = "Edge-Token: \(try #require(first["edge-token"]))\r\n"
            let (there, batch) = (try cluster.node(1).connect(), try cluster.node(1).connect())
            try there.send(Client.creation(key: "a", Self.body(), "/api/v1/urls", fields))
            try batch.send(Client.creation(key: "b", "[\(Self.body())]", "/api/v1/urls/bulk", fields))
            try cluster.wait("both wait") { try cluster.node(1).metric("edge_remote_lookups_waiting") == 2 }
            cluster.set(.open, from: [0], to: [1])
            let again = try there.read(to: "POST", "/api/v1/urls")
            #expect(try again.status == 201 && again.string("short_code") == first.string("short_code"))
            #expect(again["idempotent-replayed"] == "true" && again["x-consistency"] == "current")
            let taken = try batch.read(to: "POST", "/api/v1/urls/bulk")
            #expect(taken.status == 202 && taken["x-consistency"] == "current", "\(taken.fields)")
            cluster.stopAll()
        }

        /// Everywhere at once, for an alias: all get the same link.
        @Test func anAliasAtOnce() throws {
            let cluster = try cluster()
            let clients = try cluster.indices.flatMap { index in
                try (0..<4).map { _ in try cluster.node(index).connect() }
            }
            for client in clients { try client.send(Client.creation(key: "a", Self.body("name"))) }
            var answers = try clients.map { try $0.read() }
            for (index, client) in clients.enumerated() {
                let deadline = Deadline()
                while answers[index].status == 503, !deadline.isOver {
                    answers[index] = try client.create(idempotently: "a", Self.body("name"))
                }
            }
            #expect(answers.allSatisfy { $0.status == 201 }, "\(answers.map(\.status))")
            #expect(try clients[0].create(idempotently: "b", Self.body("name")).status == 409)
            cluster.stopAll()
        }

        /// Aliases that nobody can decide about for a while keep their own entries waiting and no others, and are made
        /// in the end.
        @Test func aBatchOfAMinority() throws {
            let cluster = try cluster()
            cluster.cutOff(0)
            let client = try cluster.node(0).connect()
            let names = (0..<20).map { #"{"long_url":"https://example.com/","custom_alias":"name-\#($0)"}"# }
            let others = (0..<20).map { #"{"long_url":"https://example.com/\#($0)"}"# }
            let id = try client.takeBatch("[" + (names + others).joined(separator: ",") + "]")
            var batch: [String: Any] = [:]
            try cluster.wait("all others are made") {
                batch = try client.get("/api/v1/urls/bulk/\(id)").object
                return batch["done"] as? Int == 20
            }
            #expect(batch["status"] as? String == "running")
            let results = try #require(batch["results"] as? [Any])
            #expect(results.map { $0 is [String: Any] } == (0..<40).map { $0 >= 20 })
            try cluster.mend(0)
            let made = try outcomes(try client.awaitBatch(id))
            #expect(Array(made[..<20]) == (0..<20).map { "name-\($0)" } && Set(made).count == 40)
            cluster.stopAll()
        }

        /// A batch is with the node that took it, and that node is named; sent again elsewhere it makes nothing twice.
        @Test func batches() throws {
            let cluster = try cluster()
            let entries =
                "["
                + (0..<40).map {
                    #"{"long_url":"https://example.com/\#($0)"\#($0 % 4 == 0 ? #","custom_alias":"name-\#($0)""# : "")}"#
                }.joined(separator: ",") + "]"
            let (here, there) = (try cluster.node(0).connect(), try cluster.node(1).connect())
            let id = try here.takeBatch(entries, key: "a")
            let made = try outcomes(try here.awaitBatch(id))
            #expect(Set(made).count == 40 && made[0] == "name-0")
            try there.get("/api/v1/urls/bulk/\(id)").expectProblem(421, "batch-elsewhere")
            try cluster.converge()
            let other = try there.takeBatch(entries, key: "a")
            #expect(try other != id && outcomes(try there.awaitBatch(other)) == made)
            cluster.stopAll()
        }
    }
}
