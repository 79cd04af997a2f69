import Glibc
import Links
import Testing
import lab

@testable import Store

extension NodeTests.Regions {
    /// Who decides about aliases is changed while they are claimed, and a node is killed in the midst of each step.
    @Suite struct Epochs {
        @Test func fourThreeTwoOneTwoThree() throws {
            let cluster = try Cluster(4)
            try cluster.waitForVotes([0, 1, 2, 3])
            try cluster.converge()
            let steps: [(order: [String], acceptors: [Int])] = [
                (["remove", "sa/0"], [0, 1, 2]), (["remove", "ap/0"], [0, 1]), (["remove", "eu/0"], [0]),
                (["add", "eu/0"], [0, 1]), (["add", "ap/0"], [0, 1, 2]), (["add", "sa/0"], [0, 1, 2, 3]),
                (["remove", "us/0"], [1, 2, 3]),
            ]
            var links = Links()
            for (step, (order, acceptors)) in steps.enumerated() {
                let names = (0..<8).map { "step-\(step)-\($0)" }
                let races = [0, 3].map { AliasRace(cluster, at: $0, names) }
                try change(cluster, order, at: acceptors[0])
                // Its confirmation, or its learning, is under way.
                let killed = (step + 1) % 4
                cluster.kill(killed)
                try cluster.start(killed)
                try cluster.wait("\(acceptors) vote in epoch \(step + 2)") {
                    try acceptors.allSatisfy {
                        let aliases = try cluster.node($0).standing.aliases
                        return aliases.epoch == UInt64(step + 2) && aliases.voting
                    }
                }
                let outcomes = try races.map { try $0.stop() }
                for name in names {
                    let winners = outcomes.indices.filter { outcomes[$0][name] == 201 }
                    #expect(winners.count == 1, "\(name): \(outcomes.map { $0[name] ?? 0 })")
                    if let winner = winners.first { links.add(name, AliasRace.destination(name, [0, 3][winner])) }
                }
            }
            // Whoever tries a name of any epoch meets its winner.
            for name in links.destinations.keys.sorted() {
                #expect(try cluster.node(2).connect().claim(name, "https://example.org/").status == 409, "\(name)")
            }
            try cluster.expectAll(links)
        }

        /// Until it is decided: a kill, or a way that is not there yet, may have come between.
        private func change(_ cluster: Cluster, _ order: [String], at place: Int) throws {
            let server = "http://127.0.0.1:\(cluster.node(place).adminPort)"
            try cluster.wait("\(order) is decided") {
                let told = try Finished(["cluster", "regions"] + order + ["--server", server])
                return told.ending == .exited(0) || told.error.contains("It is so already")
                    || told.error.contains("under way")
            }
        }

        /// Without the one that is gone nothing begins; the operator says that it is.
        @Test func declaredDead() throws {
            let cluster = try Cluster()
            try cluster.waitForVotes([0, 1, 2])
            cluster.kill(2)
            let server = "http://127.0.0.1:\(cluster.node(0).adminPort)"
            func tell(_ words: String...) throws -> Finished {
                try Finished(["cluster", "regions"] + words + ["--server", server])
            }
            let early = try tell("dead", "ap/0")
            #expect(early.ending == .exited(1) && early.error.contains("No change is decided"), "\(early.error)")
            #expect(try tell("remove", "ap/0").ending == .exited(0))
            try cluster.wait("both have confirmed it") { try cluster.node(0).standing.aliases.awaited == ["3/0"] }
            let shown = try tell()
            #expect(shown.output.contains("acceptors  us/0, eu/0, ap/0") && shown.output.contains("waits for ap/0"))
            #expect(try cluster.node(0).connect().claim("name", "https://example.com/").status == 503)
            #expect(try tell("add", "ap/0").error.contains("under way"))
            #expect(try tell("dead", "ap/0").ending == .exited(0))
            try cluster.wait("the two go on") {
                try [0, 1].allSatisfy { try cluster.node($0).standing.aliases.epoch == 2 }
            }
            try cluster.waitForVotes([0, 1])
            #expect(try cluster.node(0).connect().claim("name", "https://example.com/").status == 201)
            // It comes back, hears of it, and is no acceptor any more.
            try cluster.start(2)
            try cluster.wait("it has heard") { try cluster.node(2).standing.aliases.epoch == 2 }
            #expect(try !cluster.node(2).standing.aliases.voting)
            #expect(try cluster.node(2).connect().claim("name", "https://example.org/").status == 409)
        }

        /// A majority lost its disks at once: nobody votes until the operator says that this is so, and the others learn.
        @Test func vouched() throws {
            let cluster = try Cluster()
            try cluster.waitForVotes([0, 1, 2])
            #expect(try cluster.node(0).connect().claim("before", "https://example.com/").status == 201)
            try cluster.converge()
            for index in [1, 2] {
                cluster.kill(index)
                cluster.wipe(index)
            }
            for index in [1, 2] { try cluster.start(index) }
            try cluster.converge()
            #expect(try cluster.node(0).connect().claim("name", "https://example.com/").status == 503)
            let server = "http://127.0.0.1:\(cluster.node(1).adminPort)"
            #expect(try Finished(["cluster", "regions", "vouch", "--server", server]).ending == .exited(0))
            try cluster.waitForVotes([0, 1, 2])
            #expect(try cluster.node(2).connect().claim("name", "https://example.com/").status == 201)
            #expect(try cluster.node(2).connect().claim("before", "https://example.org/").status == 409)
        }

        /// A row goes bad under a running acceptor: it begins anew in the epoch that runs, not in the first one.
        @Test func damagedInALaterEpoch() throws {
            let cluster = try Cluster()
            try cluster.waitForVotes([0, 1, 2])
            let node = cluster.node(2)
            for (epoch, order) in [(2, "remove"), (3, "add")] as [(UInt64, String)] {
                try change(cluster, [order, "ap/0"], at: 0)
                try cluster.wait("epoch \(epoch)") {
                    try cluster.indices.allSatisfy { try cluster.node($0).standing.aliases.epoch == epoch }
                }
            }
            try cluster.waitForVotes([0, 1, 2])
            var key: [UInt8] = []
            LinkKey.alias(Array("name".utf8)).encode(into: &key)
            try damage(RegisterRows.rowKey(key), in: cluster.data(2))
            #expect(try cluster.node(0).connect().claim("name", "https://example.com/").status == 201)
            _ = try node.log.next("event=registers-damaged")
            #expect(try node.standing.aliases.epoch == 3)
            try cluster.waitForVotes([0, 1, 2])
            #expect(try node.standing.aliases.epoch == 3)
            #expect(try node.connect().claim("name", "https://example.org/").status == 409)
        }

        /// Started without its peers it does not give aliases away that others decide about too.
        @Test func withoutItsPeers() throws {
            let cluster = try Cluster()
            try cluster.waitForVotes([0, 1, 2])
            cluster.stopAll()
            _ = try cluster.copy(0, to: "data")
            let node = try RunningNode(
                [
                    "--region", "us", "--node", "0", "--regions", "us:1, eu:2, ap:3",
                    "--code_secret_file", cluster.directory.path + "/code.secret",
                ], in: cluster.directory)
            let client = try node.connect()
            let refusal = try client.claim("name", "https://example.com/")
            #expect(try refusal.status == 503 && refusal.string("code") == "alias-unavailable")
            #expect(try client.get("/\(client.create("https://example.com/"))").status == 302)
        }
    }
}
