import Foundation
import Testing

extension NodeTests.Regions {
    /// Imports where several regions decide whose a name is.
    @Suite struct Imports {
        private func cluster() throws -> Cluster {
            let cluster = try Cluster()
            try cluster.waitForVotes([0, 1, 2])
            try cluster.converge()
            return cluster
        }

        private func rows(_ names: [String], _ host: String) -> String {
            names.map { "{\"long_url\":\"https://\(host)/\($0)\",\"short_code\":\"\($0)\"}\n" }.joined()
        }

        private func begin(_ cluster: Cluster, _ index: Int, _ text: String) throws -> Client {
            let client = try cluster.node(index).connect()
            try client.beginImport()
            try client.sendChunk(text)
            try client.send("0\r\n\r\n")
            return client
        }

        /// The same names in two regions at once: each gets one winner, and whoever repeats its own import loses nothing.
        @Test func oneWinner() throws {
            let cluster = try cluster()
            cluster.setFaults { $0.delayMilliseconds = 20 }
            let names = (0..<400).map { "name-\($0)" }
            func verdicts(_ clients: [Client]) throws -> [[String]] {
                try clients.map { try LineStream($0).results().map(verdict) }
            }
            func beginBoth() throws -> [Client] {
                try [0, 1].map { try begin(cluster, $0, rows(names, "example\($0).com")) }
            }
            var outcomes = try verdicts(beginBoth())
            // On a slow machine a name may not be decided in time, and then at a repetition.
            try cluster.wait("all is decided") {
                if outcomes.joined().allSatisfy(["created", "exists", "rejected alias-taken"].contains) { return true }
                outcomes = try verdicts(beginBoth())
                return false
            }
            for (place, name) in names.enumerated() {
                let both = Set(outcomes.map { $0[place] == "created" ? "exists" : $0[place] })
                #expect(both == ["exists", "rejected alias-taken"], "\(name): \(both)")
            }
            let again = try verdicts(beginBoth())
            #expect(again == outcomes.map { $0.map { $0 == "created" ? "exists" : $0 } })
            try cluster.converge()
            try cluster.expectEqualStores()
        }

        /// Without a majority names wait, and other links are made; a repeated import makes what is missing.
        @Test func aMinority() throws {
            let cluster = try cluster()
            cluster.cutOff(0)
            let text = rows(["name-1"], "example.com") + #"{"long_url":"https://example.com/"}"# + "\n"
            let alone = try LineStream(begin(cluster, 0, text)).results().map(verdict)
            #expect(
                ["rejected alias-unavailable", "rejected claim-unknown"].contains(alone[0]) && alone[1] == "created")
            try cluster.mend(0)
            try cluster.wait("it is among the others") { try cluster.isConnected(0, to: [1, 2]) }
            let again = try LineStream(begin(cluster, 0, rows(["name-1"], "example.com"))).results().map(verdict)
            #expect(["created", "exists"].contains(again[0]), "\(again)")
        }

        /// What was made and is not yet where it is to be as well is made, and its row says what it lacks.
        @Test func notReplicated() throws {
            let cluster = try Cluster(3, ["--durability", "regions:1", "--durability_timeout", "300ms"])
            let row = #"{"long_url":"https://example.com/here"}"# + "\n"
            try cluster.wait("rows reach another region") {
                try LineStream(begin(cluster, 0, row)).results()[0]["problem"] == nil
            }
            cluster.cutOff(0)
            try cluster.wait("it is alone") { try !cluster.isConnected(0, to: [1, 2]) }
            let results = try LineStream(begin(cluster, 0, row)).results()
            #expect(results.map { $0["status"] as? String } == ["created"])
            let problem = try #require(results[0]["problem"] as? [String: Any])
            #expect(problem["code"] as? String == "not-replicated")
            let code = try #require(results[0]["short_code"] as? String)
            #expect((problem["detail"] as? String)?.contains(code) == true)
            #expect(try cluster.node(0).connect().get("/\(code)")["location"] == "https://example.com/here")
            try cluster.mend(0)
            try cluster.converge()
            #expect(try cluster.node(1).connect().get("/\(code)")["location"] == "https://example.com/here")
        }

        /// A name that looks like a code is its node's to give, whether or not that node ever makes the code.
        @Test func shapedNames() throws {
            let cluster = try cluster()
            let names = ["1abcdef", "1ABCDEF", "1000001"]
            let elsewhere = try LineStream(begin(cluster, 1, rows(names, "example.com"))).results()
            #expect(elsewhere.map(verdict) == names.map { _ in "rejected invalid-alias" })
            let detail = (elsewhere[0]["problem"] as? [String: Any])?["detail"] as? String
            #expect(detail?.contains("us/0") == true, "\(detail ?? "")")
            let here = try LineStream(begin(cluster, 0, rows(names, "example.com"))).results()
            #expect(here.map(verdict) == names.map { _ in "created" })
            try cluster.converge()
            for index in cluster.indices {
                let client = try cluster.node(index).connect()
                for name in names { #expect(try client.get("/\(name)")["location"] == "https://example.com/\(name)") }
            }
        }
    }
}
