import Glibc
import Testing
import lab

extension NodeTests.Regions {
    /// Sides that do not hear each other write on, and hold the same once they do.
    @Suite struct Partitions {
        private static let few = 300
        /// Five minutes' worth of a side at 500 a second.
        private static let many = 150_000

        @Test(arguments: [([0, 1], [2]), ([0, 1], [2, 3])] as [([Int], [Int])])
        func bothWays(side: [Int], other: [Int]) throws { try part(side, other, each: Self.few, seconds: 60) }

        @Test(.enabled(if: hasTimeForLongTests), arguments: [([0, 1], [2]), ([0, 1], [2, 3])] as [([Int], [Int])])
        func bothWaysForLong(side: [Int], other: [Int]) throws {
            try part(side, other, each: Self.many, seconds: 1200)
        }

        /// `each`: how many links each side makes meanwhile.
        private func part(_ side: [Int], _ other: [Int], each: Int, seconds: Int64) throws {
            let cluster = try Cluster(side.count + other.count)
            var links = Links()
            try cluster.create(50, into: &links)
            try cluster.converge()
            cluster.part(side, other)
            try cluster.wait("the sides have lost each other") {
                try side.allSatisfy { try !cluster.isConnected($0, to: other) }
                    && other.allSatisfy { try !cluster.isConnected($0, to: side) }
            }
            let before = try (cluster.heads(at: other[0], of: side), cluster.heads(at: side[0], of: other))
            let loads = cluster.indices.map { LinkLoad(cluster, at: $0, perSecond: each == Self.few ? 800 : 8000) }
            try cluster.wait("each side has made \(each) links", seconds: seconds) {
                [side, other].allSatisfy { $0.reduce(0) { $0 + loads[$1].count } >= each }
            }
            for load in loads { links.add(load.stop()) }

            // Within a side all is as ever, and nothing came over.
            try cluster.wait("each side holds the same", seconds: seconds) {
                try [side, other].allSatisfy { side in
                    let vectors = try side.map { try cluster.node($0).standing.vector }
                    return vectors.allSatisfy { $0 == vectors[0] }
                }
            }
            #expect(try cluster.heads(at: other[0], of: side) == before.0)
            #expect(try cluster.heads(at: side[0], of: other) == before.1)
            try cluster.join(side, other)
            try cluster.converge(seconds: seconds)
            for index in cluster.indices { #expect(try cluster.node(index).standing.alarms == []) }
            try cluster.create(20, into: &links)
            try cluster.expectAll(links)
        }

        /// What one side sends does not come, and what the other sends does. Bytes that are lost in the middle of a
        /// stream, or come late, take nothing along.
        @Test(
            arguments: [
                ([0, 1], [2], .dropped), ([2], [0, 1], .dropped), ([2], [0, 1], .held),
            ] as [([Int], [Int], Faults.Passage)])
        func oneWay(deaf: [Int], other: [Int], passage: Faults.Passage) throws {
            let cluster = try Cluster()
            let loads = cluster.indices.map { LinkLoad(cluster, at: $0, perSecond: 200) }
            try cluster.wait("some links") { loads.allSatisfy { $0.count >= 50 } }
            cluster.set(passage, from: other, to: deaf)
            try cluster.wait("the sides have lost each other") {
                try deaf.allSatisfy { try !cluster.isConnected($0, to: other) }
                    && other.allSatisfy { try !cluster.isConnected($0, to: deaf) }
            }
            // Silence is what it is known by.
            for index in deaf {
                let line = try cluster.node(index).log.next("reason=silence")
                #expect(line.contains("level=warning event=peer-closed"), "\(line)")
            }
            let goals = loads.map { $0.count + 100 }
            try cluster.wait("all make links meanwhile") { zip(loads, goals).allSatisfy { $0.count >= $1 } }
            cluster.set(.open, from: other, to: deaf)
            var links = Links()
            for load in loads { links.add(load.stop()) }
            try cluster.converge()
            try cluster.expectAll(links)
        }

        /// A node that the system stops for longer than anyone waits for it: the others go on, and it catches up.
        @Test func stoppedProcess() throws {
            let cluster = try Cluster()
            var links = Links()
            try cluster.create(50, into: &links)
            try cluster.converge()
            let incarnation = try cluster.node(2).standing.incarnation
            let reader = RedirectLoad(links, port: cluster.node(0).port, of: cluster.node(0))
            let loads = cluster.indices.map { LinkLoad(cluster, at: $0, perSecond: 400) }
            try cluster.wait("some links") { loads.allSatisfy { $0.count >= 100 } }
            cluster.node(2).child.signal(SIGSTOP)
            try cluster.wait("the others have given the connection up") {
                try [0, 1].allSatisfy { try !cluster.isConnected($0, to: [2]) }
            }
            let goals = loads.map { $0.count + 300 }
            try cluster.wait("the others go on") { [0, 1].allSatisfy { loads[$0].count >= goals[$0] } }
            #expect(try cluster.isConnected(0, to: [1]))
            cluster.node(2).child.signal(SIGCONT)
            let behind = loads[2].count + 100
            try cluster.wait("it goes on as well") { loads[2].count >= behind }
            for load in loads { links.add(load.stop()) }
            #expect(reader.stop() > 10)
            try cluster.converge()
            #expect(try cluster.node(2).standing.incarnation == incarnation)
            try cluster.expectAll(links)
        }
    }
}
