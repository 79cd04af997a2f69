import Foundation
import Testing

/// A data directory with links in it, to be put through something and then looked at.
struct Patient {
    let world: TemporaryDirectory
    /// Code to destination.
    private(set) var created: [String: String]
    private var unanswered: [String: String?] = [:]
    let arguments: [String]

    var data: String { world.path + "/data" }

    /// Makes the store and a few links, with a healthy node; in `world`'s own file system.
    init(_ world: TemporaryDirectory = TemporaryDirectory(), mapSize: String = "64MiB") throws {
        self.world = world
        arguments = ["--map_size", mapSize]
        let node = try EdgeProcess(data: world.path + "/data", arguments)
        created = Load(name: "before", linksPerConnection: 10).run(port: node.port).created
        try #require(created.count == 40)
        let status = try node.drain()
        try #require(status == 0)
    }

    func start(strace: [String]? = nil) throws -> EdgeProcess { try EdgeProcess(data: data, arguments, strace: strace) }

    mutating func note(_ outcome: Load.Outcome) {
        created.merge(outcome.created) { $1 }
        unanswered.merge(outcome.unanswered) { $1 }
    }

    /// Every link answers with its destination.
    func expectRedirects(_ node: EdgeProcess) throws {
        let client = try #require(Client(port: node.port))
        for (code, destination) in created {
            let answer = client.redirect(code)
            #expect(answer?.status == 302 && answer?.fields["location"] == destination, "\(code)")
        }
    }

    /// The store is sound; a healthy node finds all that was acknowledged, and whole or not at all what nobody answered
    /// for; it takes links.
    func expectRecovery() throws {
        let verdict = try run(binary, ["verify", "--data", data])
        #expect(verdict.status == 0, "\(verdict.output)")
        let node = try start()
        try expectRedirects(node)
        let client = try #require(Client(port: node.port))
        for case (let destination, let alias?) in unanswered {
            let answer = client.redirect(alias)
            #expect(answer?.status == 404 || answer?.fields["location"] == destination, "\(alias)")
        }
        #expect(client.create("{\"long_url\":\"https://example.com/after\"}")?.status == 201)
        #expect(try node.drain() == 0)
        try expectKnownDestinations()
    }

    private func expectKnownDestinations() throws {
        let dump = try run(binary, ["dump", "--data", data])
        #expect(dump.status == 0)
        let known = Set(created.values).union(unanswered.keys).union(["https://example.com/after"])
        for line in dump.output.split(separator: "\n") {
            let link = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            let destination = try #require(link?["long_url"] as? String)
            #expect(known.contains(destination))
        }
    }

    /// Asks until a link is made, for some seconds. Every refusal on the way says that the storage is full.
    mutating func expectCreatesSoon(_ node: EdgeProcess, seconds: Double = 15) throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        let client = try #require(Client(port: node.port))
        let destination = "https://example.com/again/\(created.count)"
        while ContinuousClock.now < deadline {
            let answer = try #require(client.create("{\"long_url\":\"\(destination)\"}"))
            if answer.status == 201 {
                created[try #require(answer.member("short_code"))] = destination
                return
            }
            Self.expectStorageFull(answer)
        }
        Issue.record("no link is taken after \(seconds) s")
    }

    static func expectStorageFull(_ answer: Client.Answer) {
        #expect(answer.status == 507)
        #expect(answer.fields["content-type"] == "application/problem+json")
        #expect(answer.member("code") == "storage-full")
    }
}
