import Foundation
import Glibc
import Primitives
import Synchronization
import Testing
import lab

@testable import Store

extension NodeTests.Regions {
    /// Whose an alias is, with real nodes: one winner whatever happens to regions and ways.
    @Suite struct Aliases {
        /// One way, in milliseconds.
        private static let delay = 40.0

        private func cluster(delay: Double = delay, _ flags: [[String]] = [[], [], []]) throws -> Cluster {
            let cluster = try Cluster(starts: false)
            cluster.flags = flags
            for index in cluster.indices { try cluster.start(index) }
            try cluster.waitForVotes([0, 1, 2])
            try cluster.converge()
            cluster.setFaults { $0.delayMilliseconds = delay }
            return cluster
        }

        /// Every name from all regions at once; the last of them while one is killed and comes back.
        @Test func racedFromThreeRegions() throws {
            let cluster = try cluster()
            let names = (0..<80).map { "name-\($0)" }
            let races = cluster.indices.map { AliasRace(cluster, at: $0, names) }
            try cluster.wait("half of the names are decided") { races.allSatisfy { $0.answered >= names.count / 2 } }
            cluster.kill(1)
            try cluster.wait("some more are") { [0, 2].allSatisfy { races[$0].answered >= names.count / 2 + 10 } }
            try cluster.start(1)
            let outcomes = try races.map { try $0.stop() }
            var links = Links()
            for name in names {
                let winners = outcomes.indices.filter { outcomes[$0][name] == 201 }
                #expect(winners.count == 1, "\(name): \(outcomes.map { $0[name] ?? 0 })")
                #expect(outcomes.allSatisfy { [201, 409].contains($0[name]) }, "\(name)")
                if let winner = winners.first { links.add(name, AliasRace.destination(name, winner)) }
            }
            try cluster.expectAll(links)
        }

        /// The others go on; nothing but the dead region's node is missed.
        @Test(arguments: [0, 2]) func oneRegionDead(dead: Int) throws {
            let cluster = try cluster()
            cluster.kill(dead)
            for (number, index) in cluster.running.enumerated() {
                let client = try cluster.node(index).connect()
                for attempt in 0..<5 {
                    #expect(try client.claim("mine-\(number)-\(attempt)", "https://example.com/").status == 201)
                }
            }
            let client = try cluster.node(1).connect()
            #expect(try client.claim("mine-0-0", "https://example.org/").status == 409)
        }

        /// A region that reaches no other: no alias is given there, all else goes on, and it was nobody's fault.
        @Test func aMinority() throws {
            let cluster = try cluster(delay: 0)
            #expect(try cluster.node(0).connect().claim("before", "https://example.com/").status == 201)
            cluster.cutOff(0)
            let client = try cluster.node(0).connect()
            let refusal = try client.claim("lonely", "https://example.com/")
            #expect(refusal.status == 503 && refusal["retry-after"] != nil)
            #expect(try refusal.string("code") == "alias-unavailable")
            let code = try client.create("https://example.com/")
            #expect(try client.get("/\(code)").status == 302 && client.get("/before").status == 302)
            // What is in its store needs nobody.
            #expect(try client.claim("before", "https://example.org/").status == 409)
            #expect(try cluster.node(1).connect().claim("others", "https://example.com/").status == 201)
            try cluster.mend(0)
            try cluster.wait("it is among the others") { try cluster.isConnected(0, to: [1, 2]) }
            #expect(try client.claim("lonely", "https://example.com/").status == 201)
            #expect(try client.claim("others", "https://example.com/").status == 409)
        }

        /// Two regions, and a third acceptor that serves nobody: either region alone goes on.
        @Test(arguments: [0, 1]) func aWitness(dead: Int) throws {
            let cluster = try cluster([[], [], ["--role", "witness"]])
            cluster.kill(dead)
            let client = try cluster.node(1 - dead).connect()
            #expect(try client.claim("name", "https://example.com/").status == 201)
            #expect(try client.claim("name", "https://example.org/").status == 409)
            // It serves no users.
            #expect(try cluster.node(2).readiness == 503)
            let refusal = try cluster.node(2).connect().post(
                "/api/v1/urls", json: #"{"long_url":"https://example.com/"}"#)
            #expect(refusal.status == 503, "\(refusal.text)")
        }

        /// An acceptor whose disk is lost does not vote before it has heard what a majority of the others know.
        @Test func anEmptyDisk() throws {
            let cluster = try cluster(delay: 0)
            var links = Links()
            for index in cluster.indices {
                let url = "https://example.com/\(index)"
                #expect(try cluster.node(index).connect().claim("name-\(index)", url).status == 201)
                links.add("name-\(index)", url)
            }
            cluster.kill(1)
            cluster.wipe(1)
            cluster.cutOff(1)
            try cluster.start(1)
            let client = try cluster.node(1).connect()
            #expect(try client.claim("name-0", "https://example.org/").status == 503)
            #expect(try !cluster.node(1).standing.aliases.voting)
            // Nor do two of three with an empty disk among them decide anything.
            cluster.kill(2)
            try cluster.mend(1)
            try cluster.wait("they see each other") { try cluster.isConnected(1, to: [0]) }
            #expect(try cluster.node(0).connect().claim("fresh", "https://example.com/").status == 503)
            #expect(try !cluster.node(1).standing.aliases.voting)
            try cluster.start(2)
            try cluster.waitForVotes([0, 1, 2])
            #expect(try client.claim("fresh", "https://example.org/").status == 201)
            #expect(try client.claim("name-0", "https://example.org/").status == 409)
            links.add("fresh", "https://example.org/")
            try cluster.expectAll(links)
        }

        /// An earlier day's disk, file `identity` and all, notices that peers know more of it, and learns again.
        @Test func anEarlierDisk() throws {
            let cluster = try cluster(delay: 0)
            cluster.stop(1)
            let copy = try cluster.copy(1, to: "copy")
            try cluster.start(1)
            try cluster.waitForVotes([1])
            var links = Links()
            for number in 0..<5 {
                #expect(try cluster.node(1).connect().claim("name-\(number)", "https://example.com/").status == 201)
                links.add("name-\(number)", "https://example.com/")
            }
            try cluster.converge()
            cluster.kill(1)
            try cluster.replace(1, by: copy)
            let node = try cluster.start(1)
            _ = try node.log.next("event=acceptor-waits")
            _ = try node.log.next("event=acceptor-votes")
            for number in 0..<5 {
                #expect(try node.connect().claim("name-\(number)", "https://example.org/").status == 409)
            }
            try cluster.expectAll(links)
        }

        /// It was cut off in the midst: nobody can say. The same claim at another node tells, whatever became of it.
        @Test func unknownAndAskedAgain() throws {
            let cluster = try cluster(delay: 300)
            var (unknown, links) = (0, Links())
            for attempt in 0..<12 where unknown < 2 {
                let (name, url) = ("name-\(attempt)", "https://example.com/\(attempt)")
                let client = try cluster.node(0).connect()
                try client.send(claim: name, url)
                // Promises are there after 600 ms, votes not before 1200.
                _ = client.hasInput(withinMilliseconds: 800)
                cluster.cutOff(0)
                let answer = try client.read()
                try cluster.mend(0)
                try cluster.wait("it is among the others") { try cluster.isConnected(0, to: [1, 2]) }
                guard answer.status == 503, try answer.string("code") == "claim-unknown" else { continue }
                unknown += 1
                let id = try answer.string("claim_id")
                let other = try cluster.node(1).connect()
                let settled = try other.claimUntilKnown(name, url, id: id)
                #expect(settled.status == 201, "\(settled.text)")
                #expect(try other.claim(name, "https://example.org/").status == 409)
                #expect(try other.claim(name, url, id: id).status == 201)
                // A claim is for what it was made for.
                #expect(try other.claim(name, "https://example.org/", id: id).status == 409)
                links.add(name, url)
            }
            #expect(unknown > 0, "no claim was cut off in the midst")
            cluster.setFaults { $0.delayMilliseconds = 0 }
            try cluster.converge()
            for index in cluster.indices { try links.expect(on: cluster.node(index)) }
        }

        /// A row that cannot be read any more is as good as a lost disk: the acceptor learns from the others.
        @Test func aDamagedRegister() throws {
            let cluster = try cluster(delay: 0)
            cluster.stop(2)
            try damage(RegisterRows.standingKey, in: cluster.data(2))
            let verdict = try Finished(["verify", "--data", cluster.data(2)])
            #expect(verdict.ending == .exited(1), "\(verdict.output)")
            let node = try cluster.start(2)
            _ = try node.log.next("event=registers-damaged")
            _ = try node.log.next("event=acceptor-votes")
            #expect(try node.connect().claim("name", "https://example.com/").status == 201)
            try cluster.converge()
            try cluster.expectEqualStores()
        }
    }
}

/// Makes a row what no program writes.
func damage(_ row: [UInt8], of name: String = "registers", in data: String) throws {
    let environment = try Environment(directory: data, mapSizeBytes: 1 << 30, maximumTables: 64, readOnly: false)
    let transaction = try environment.beginWrite()
    let table = try transaction.openTable(name)
    try transaction.put(table, row, [1, 2, 3, 4, 5])
    try transaction.commit()
}

extension Client {
    static func claim(_ name: String, _ url: String, id: String? = nil) -> String {
        let claim = id.map { #","claim_id":"\#($0)""# } ?? ""
        let body = #"{"long_url":"\#(url)","custom_alias":"\#(name)"\#(claim)}"#
        let fields = "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
        return request("POST", "/api/v1/urls", fields) + body
    }

    func send(claim name: String, _ url: String) throws { try send(Self.claim(name, url)) }

    func claim(_ name: String, _ url: String, id: String? = nil) throws -> Answer {
        try send(Self.claim(name, url, id: id))
        return try read()
    }

    /// Again and again with the same claim, until it is decided.
    func claimUntilKnown(_ name: String, _ url: String, id: String? = nil) throws -> Answer {
        var id = id
        let deadline = Deadline()
        while true {
            let answer = try claim(name, url, id: id)
            guard answer.status == 503, !deadline.isOver else { return answer }
            id = (try? answer.string("claim_id")) ?? id
        }
    }
}

extension Cluster {
    func waitForVotes(_ acceptors: [Int]) throws {
        try wait("\(acceptors) vote") { try acceptors.allSatisfy { try node($0).standing.aliases.voting } }
    }
}

/// Claims of many names at one node, one after another, on a thread of its own. A node that is away is waited for.
///
/// Safety: what the thread and others share is behind a mutex or atomic.
final class AliasRace: @unchecked Sendable {
    private let outcomes = Mutex<[String: Int]>([:])
    private let failure = Mutex<String?>(nil)
    private var thread: SystemThread?

    static func destination(_ name: String, _ place: Int) -> String { "https://example.com/\(name)/\(place)" }

    init(_ cluster: Cluster, at place: Int, _ names: [String]) {
        // Another order at each place, so that each is first somewhere.
        let rotated = names.indices.map { ($0 * 7 + place * 3) % names.count }
        thread = SystemThread("race-\(place)") { [self] in
            for number in rotated {
                do { try race(names[number], number, cluster, place) } catch {
                    return failure.withLock { $0 = "\(error)" }
                }
            }
        }
    }

    var answered: Int { outcomes.withLock { $0.count } }

    /// Once all names are decided.
    func stop() throws -> [String: Int] {
        thread?.join()
        if let failure = failure.withLock({ $0 }) { throw HarnessError(failure) }
        return outcomes.withLock { $0 }
    }

    /// With one claim, however often it is asked.
    private func race(_ name: String, _ number: Int, _ cluster: Cluster, _ place: Int) throws {
        let id = String(format: "%016x%016x", place + 1, number + 1)
        let deadline = Deadline()
        while !deadline.isOver {
            let port = cluster.port(place)
            if port != 0, let client = try? Client(port: port, of: cluster),
                let answer = try? client.claim(name, Self.destination(name, place), id: id), answer.status != 503
            {
                return outcomes.withLock { $0[name] = answer.status }
            }
            poll(nil, 0, 20)
        }
        throw HarnessError("\(name) was not decided at \(place)")
    }
}
