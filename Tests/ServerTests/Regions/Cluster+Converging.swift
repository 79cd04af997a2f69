import Foundation
import Glibc
import Testing

/// What `/debug/replication` says, as far as tests ask.
struct Standing: Decodable {
    struct Log: Decodable {
        var origin: String
        var head: UInt64
        var floor: UInt64
        var seal: UInt64?
        var chain: String
        var lagEntries: UInt64
        var quarantine: String?
    }

    struct Aliases: Decodable {
        var epoch: UInt64
        var acceptors: [String]
        var voting: Bool
        var awaited: [String]?
    }

    struct Member: Decodable {
        var node: String
        var retired: Bool
        var logFormat: UInt16
    }

    struct Peer: Decodable {
        var node: String
        var connected: Bool
        var dialled: Bool
        var roundTripMilliseconds: Int64?
        var acknowledged: UInt64
    }

    var ageMilliseconds: Int64
    var incarnation: String
    var phase: String
    var ready: Bool
    var changesAllowed: Bool
    var logFormat: UInt16
    var logs: [Log]
    var members: [Member]
    var peers: [Peer]
    var alarms: [String]
    var digestRoot: String?
    var aliases: Aliases
    var counters: [String: UInt64]

    /// Head and chain of each log that has entries.
    var vector: [String: String] {
        Dictionary(uniqueKeysWithValues: logs.filter { $0.head > 0 }.map { ($0.origin, "\($0.head) \($0.chain)") })
    }

    func agrees(with other: Standing) -> Bool {
        vector == other.vector && digestRoot != nil && digestRoot == other.digestRoot
    }

    /// Has all that anyone told of.
    var isLevel: Bool { ready && logs.allSatisfy { $0.lagEntries == 0 && $0.quarantine == nil } }

    /// The same without a log that has two versions.
    func without(_ forked: String) -> Standing {
        var rest = self
        rest.logs.removeAll { $0.origin == forked }
        return rest
    }
}

extension RunningNode {
    /// As it is now.
    var standing: Standing {
        get throws {
            let deadline = Deadline()
            while !deadline.isOver {
                let standing = try lastStanding
                if standing.ageMilliseconds == 0 { return standing }
            }
            throw HarnessError("the thread of the peers does not answer")
        }
    }

    /// As it was when that could last be told.
    var lastStanding: Standing {
        get throws {
            let answer = try connectToAdmin().get("/debug/replication")
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(Standing.self, from: Data(answer.body))
        }
    }

    func metric(_ name: String) throws -> Double {
        try #require(connectToAdmin().get("/metrics").text.sample(name), "no metric \(name)")
    }

    /// What `/metrics` says of an alarm.
    func expectAlarm(_ name: String, raised: Double, active: Double) throws {
        #expect(try metric("edge_replication_alarms_total{alarm=\"\(name)\"}") == raised, "\(name)")
        #expect(try activeAlarms(name) == active, "\(name)")
    }

    /// How many alarms of that name stand.
    func activeAlarms(_ name: String) throws -> Double {
        try metric("edge_replication_alarms_active{alarm=\"\(name)\"}")
    }

    /// Of `/health/ready` on the public port.
    var readiness: Int { get throws { try connect().get("/health/ready").status } }
}

extension Cluster {
    /// Asks again and again until it is so.
    func wait(_ what: String, seconds: Int64 = 60, _ isSo: () throws -> Bool) throws {
        let deadline = Deadline(seconds: seconds)
        while try !isSo() {
            guard !deadline.isOver else { throw HarnessError("it did not come to this: \(what)\n\(account)") }
            for index in running { node(index).log.gather() }
            poll(nil, 0, 20)
        }
    }

    /// What is to be known where something went wrong.
    var account: String {
        running.map { index in
            node(index).log.gather()
            let standing = (try? node(index).standing).map { "\($0)" } ?? "silent"
            return "\(Self.regions[index]): \(standing)\n" + node(index).log.seen.suffix(40).joined(separator: "\n")
        }.joined(separator: "\n")
    }

    /// Until the nodes that run are all connected, and hold the same: the same logs, byte for byte, and the same records.
    func converge(seconds: Int64 = 60) throws {
        try wait("all hold the same", seconds: seconds) {
            let standings = try running.map { try node($0).standing }
            return standings.allSatisfy { standing in
                standing.isLevel && standing.agrees(with: standings[0])
                    && standing.peers.filter(\.connected).count == running.count - 1
            }
        }
    }

    /// Until of each two nodes the connection is there that stays, which the one with the smaller id has dialled: what was
    /// asked over the other one gets no answer when that goes.
    func settleConnections() throws {
        try wait("the connections are those that stay") {
            try running.allSatisfy { here in
                let peers = try node(here).standing.peers.filter(\.connected)
                return peers.count == running.count - 1
                    && peers.allSatisfy { $0.dialled == ($0.node > "\(here + 1)/0") }
            }
        }
    }

    /// Until they hold the same but for a log that has two versions, and what only one of them says.
    func converge(withoutForked forked: String) throws {
        try wait("all hold the same but for \(forked)") {
            let standings = try running.map { try node($0).standing.without(forked) }
            return standings.allSatisfy { $0.isLevel && $0.vector == standings[0].vector }
        }
    }

    /// Stops all, and looks at what they leave behind: sound stores with the same links.
    func expectEqualStores() throws {
        stopAll()
        var first: String?
        for index in indices {
            let verdict = try Finished(["verify", "--data", data(index)])
            #expect(verdict.ending == .exited(0), "\(Self.regions[index]): \(verdict.output)\(verdict.error)")
            let dump = try Finished(["dump", "--data", data(index)])
            #expect(dump.ending == .exited(0), "\(dump.error)")
            if let first { #expect(dump.output == first, "\(Self.regions[index])") }
            first = first ?? dump.output
        }
    }

    /// All that was acknowledged leads everywhere to where it should, and the stores are the same.
    func expectAll(_ links: Links) throws {
        try converge()
        for index in running { try links.expect(on: node(index)) }
        try expectEqualStores()
    }

    /// New links at the nodes that run.
    func create(_ count: Int, at places: [Int]? = nil, into links: inout Links) throws {
        for index in places ?? running { try links.create(count, on: node(index)) }
    }
}
