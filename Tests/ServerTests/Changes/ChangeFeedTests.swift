import Foundation
import Glibc
import Testing

/// A line of the feed.
struct ToldChange: Equatable {
    let position, kind, code, version, region: String
    /// Of its link; nil for one that is deleted.
    let destination: String?

    init(_ line: some StringProtocol) throws {
        guard let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
            Set(object.keys) == ["position", "kind", "at", "region", "version", "short_code", "link"]
        else { throw HarnessError("no change: \(line)") }
        func string(_ name: String) throws -> String {
            guard let string = object[name] as? String else { throw HarnessError("no \(name): \(line)") }
            return string
        }
        (position, kind, code) = (try string("position"), try string("kind"), try string("short_code"))
        (version, region) = (try string("version"), try string("region"))
        guard try string("at").wholeMatch(of: /\d{4}-\d\d-\d\dT[\d:.]+Z/) != nil else { throw HarnessError("\(line)") }
        let link = object["link"] as? [String: Any]
        destination = link?["long_url"] as? String
        guard (destination == nil) == (kind == "deleted"), link == nil || link?["short_code"] as? String == code else {
            throw HarnessError("no link: \(line)")
        }
    }
}

/// Somebody who keeps what the nodes tell, as a table of links by their newest version.
struct Follower {
    private(set) var position = ""
    private(set) var links: [String: ToldChange] = [:]
    private(set) var toldCount = 0

    /// Takes one page. How many changes it had.
    @discardableResult
    mutating func follow(_ client: Client, key: String, _ query: String = "limit=1000") throws -> Int {
        let after = position.isEmpty ? "" : "&after=\(position)"
        let answer = try client.get("/api/v1/changes?\(query)\(after)", key: key)
        guard answer.status == 200 else { throw HarnessError(answer.text) }
        let changes = try answer.changes
        for change in changes { take(change) }
        position = try #require(answer["edge-position"])
        return changes.count
    }

    mutating func take(_ change: ToldChange) {
        toldCount += 1
        position = change.position
        if let known = links[change.code], known.version >= change.version { return }
        links[change.code] = change
    }

    /// Pages until there is nothing more.
    mutating func catchUp(_ client: Client, key: String, _ query: String = "limit=1000") throws {
        while try follow(client, key: key, query) > 0 {}
    }

    /// The destinations of those that are not deleted.
    var destinations: [String: String] { links.compactMapValues(\.destination) }
}

extension Answer {
    var changes: [ToldChange] {
        get throws {
            guard self["content-type"] == "application/x-ndjson", self["cache-control"] == "no-store" else {
                throw HarnessError("\(fields)")
            }
            return try text.split(separator: "\n").map { try ToldChange($0) }
        }
    }
}

extension RunningNode {
    /// A key that may follow changes, and change them.
    func makeFollowerKey() throws -> String { try makeKey("--scopes", "admin") }
}

extension NodeTests {
    /// What one node tells of changes.
    @Suite struct ChangeFeed {
        private func node(_ flags: String...) throws -> (node: RunningNode, client: Client, key: String) {
            let node = try RunningNode(RunningNode.withAdmin + flags)
            return (node, try node.connect(), try node.makeFollowerKey())
        }

        @Test func refusals() throws {
            let (node, client, key) = try node()
            let target = "/api/v1/changes"
            let anonymous = try client.get(target)
            anonymous.expectProblem(401, "unauthorized")
            #expect(anonymous["www-authenticate"] == "Bearer")
            let manager = try node.makeKey("--scopes", "links:create,links:manage")
            try client.get(target, key: manager).expectProblem(403, "forbidden")
            for query in [
                "after=", "after=abc", "after=\(String(repeating: "A", count: 40))", "limit=0", "limit=1001", "wait=61",
                "wait=-1", "stream=yes", "stream=true&limit=5", "stream=true&wait=1", "cursor=a", "limit=1&limit=1",
            ] { try client.get("\(target)?\(query)", key: key).expectProblem(400, "invalid-query", "\(query)") }
            try client.get(target, method: "DELETE").expectProblem(405, "method-not-allowed")
        }

        /// Made, changed and deleted, in order, in pages of any size; from behind any line the rest follows.
        @Test(arguments: [1, 3, 1000]) func pages(limit: Int) throws {
            let (node, client, key) = try node()
            var expected: [(kind: String, code: String, destination: String?)] = []
            for alias in [nil, "an-alias", nil] {
                let code = try client.create("https://example.com/1", key: key, alias: alias)
                expected.append(("created", code, "https://example.com/1"))
                #expect(try client.change(code, #"{"long_url":"https://example.com/2"}"#, key: key).status == 200)
                expected.append(("updated", code, "https://example.com/2"))
                // What is said of keys is not told.
                _ = try node.makeKey(name: "another")
                #expect(try client.change(code, nil, key: key).status == 204)
                expected.append(("deleted", code, nil))
            }
            var (told, position) = ([ToldChange](), "")
            while true {
                let after = position.isEmpty ? "" : "&after=\(position)"
                let answer = try client.get("/api/v1/changes?limit=\(limit)\(after)", key: key)
                let changes = try answer.changes
                #expect(changes.count <= limit)
                told += changes
                position = try #require(answer["edge-position"])
                if changes.isEmpty { break }
            }
            #expect(told.count == expected.count)
            for (change, (kind, code, destination)) in zip(told, expected) {
                #expect(change.kind == kind && change.code == code && change.destination == destination)
                #expect(change.region == "local")
            }
            for index in told.indices.dropLast() where told[index].code == told[index + 1].code {
                #expect(told[index].version < told[index + 1].version)
            }
            for index in [0, 4, 7] {
                let rest = try client.get("/api/v1/changes?after=\(told[index].position)", key: key).changes
                #expect(rest == Array(told[(index + 1)...]))
            }
            let head = try client.get("/api/v1/changes", method: "HEAD")
            #expect(head.status == 401 && head.body.isEmpty)
            try node.expect("edge_changes_waiting", 0)
        }

        @Test func waits() throws {
            let (node, client, key) = try node()
            let start = try client.get("/api/v1/changes?after=now", key: key)
            let position = try #require(start["edge-position"])
            #expect(try start.changes.isEmpty)
            // Its time is over.
            let over = try client.get("/api/v1/changes?after=\(position)&wait=1", key: key)
            #expect(try over.changes.isEmpty && over["edge-position"] == position)
            // Something comes.
            let waiter = try node.connect()
            try waiter.send(
                Client.request("GET", "/api/v1/changes?after=\(position)&wait=60", "Authorization: Bearer \(key)\r\n"))
            try node.expect("edge_changes_waiting", 1)
            #expect(try client.get("/health").status == 200, "nobody else waits")
            let code = try client.create("https://example.com/")
            #expect(try waiter.read().changes.map(\.code) == [code])
            // It was there before.
            try waiter.send(
                Client.request("GET", "/api/v1/changes?after=\(position)&wait=60", "Authorization: Bearer \(key)\r\n"))
            #expect(try waiter.read().changes.map(\.code) == [code])
        }

        /// More wait than may, and those who do are answered when the node ends.
        @Test func boundedAndDrained() throws {
            let (node, client, key) = try node()
            let request = Client.request(
                "GET", "/api/v1/changes?after=now&wait=60", "Authorization: Bearer \(key)\r\n")
            let waiters = try (0..<64).map { _ in try node.connect() }
            for waiter in waiters { try waiter.send(request) }
            try node.expect("edge_changes_waiting", 64)
            try client.send(request)
            try client.read().expectProblem(503, "overloaded")
            #expect(try client.get("/api/v1/changes", key: key).status == 200, "who does not wait is answered")
            node.child.signal(SIGTERM)
            for waiter in waiters {
                let answer = try waiter.read()
                #expect(try answer.status == 200 && answer.changes.isEmpty && answer["edge-position"] != nil)
            }
            #expect(node.child.wait() == .exited(0))
        }

        /// Clients that have gone leave their places to others, long before their time is over. One that only sends no
        /// more is answered with what there is.
        @Test func goneClients() throws {
            let (node, client, key) = try node()
            let request = Client.request(
                "GET", "/api/v1/changes?after=now&wait=60", "Authorization: Bearer \(key)\r\n")
            for _ in 0..<2 {
                var waiters = try (0..<64).map { _ in try node.connect() }
                for waiter in waiters { try waiter.send(request) }
                try node.expect("edge_changes_waiting", 64)
                let reader = waiters.removeLast()
                waiters.removeAll()
                reader.endSending()
                let deadline = Deadline(seconds: 30)
                while try node.metric("edge_changes_waiting") > 0 { try #require(!deadline.isOver) }
                let answer = try reader.read()
                #expect(try answer.status == 200 && answer.changes.isEmpty && answer["edge-position"] != nil)
            }
            // Its end comes before anybody looks out for it.
            let early = try node.connect()
            try early.send(request)
            early.endSending()
            #expect(try early.read().changes.isEmpty)
            // Who has a request behind the one that waits is still there.
            try client.send(request + Client.request("GET", "/health"))
            try node.expect("edge_changes_waiting", 1)
            let code = try node.connect().create("https://example.com/")
            #expect(try client.read().changes.map(\.code) == [code])
            #expect(try client.read().status == 200)
        }

        /// All that was acknowledged is told, whatever the node and its follower went through.
        @Test func killed() throws {
            var node = try RunningNode(RunningNode.withAdmin)
            let key = try node.makeFollowerKey()
            var (follower, links) = (Follower(), Links())
            for round in 0..<3 {
                try links.create(40, on: node, path: "/\(round)")
                try follower.follow(node.connect(), key: key, "limit=25")
                // As one that was killed before it had written down what it took.
                let before = follower
                try follower.follow(node.connect(), key: key, "limit=10")
                follower = before
                #expect(node.child.kill() == .killed(SIGKILL))
                node = try node.restarted(RunningNode.withAdmin)
            }
            try follower.catchUp(node.connect(), key: key, "limit=7")
            #expect(follower.destinations == links.destinations && follower.toldCount == links.count)
        }
    }
}

extension NodeTests.Regions {
    /// One position for all nodes.
    @Suite struct ChangeFeeds {
        /// Changes from both sides, asked for here and there in turn: nothing is left out, and the newest versions are what the
        /// nodes agree on.
        @Test func anyNode() throws {
            let cluster = try Cluster(2)
            try cluster.settleConnections()
            let key = try cluster.node(0).makeFollowerKey()
            try cluster.converge()
            var (follower, expected) = (Follower(), [String: String]())
            let clients = try cluster.indices.map { try cluster.node($0).connect() }
            for round in 0..<12 {
                let (here, there) = (clients[round % 2], clients[(round + 1) % 2])
                let code = try here.create("https://example.com/\(round)", key: key)
                expected[code] = "https://example.com/\(round)"
                if round % 3 == 1 {
                    try cluster.converge()
                    // Of one link from both sides at once.
                    for (index, client) in clients.enumerated() {
                        try client.sendChange(code, #"{"long_url":"https://example.org/\#(index)"}"#, key: key)
                    }
                    for client in clients { #expect(try client.read().status == 200) }
                    expected[code] = ""
                }
                try follower.follow(there, key: key, "limit=2")
            }
            try cluster.converge()
            for code in expected.filter({ $0.value.isEmpty }).keys {
                expected[code] = try clients[0].get("/\(code)")["location"]
            }
            try follower.catchUp(clients[0], key: key, "limit=3")
            #expect(follower.destinations == expected)
            #expect(follower.toldCount == 12 + 4 * 2, "and nothing comes twice")
            #expect(try follower.follow(clients[1], key: key) == 0)
            // In order of each writer, whoever asks.
            var whole = (0...1).map { _ in Follower() }
            for index in cluster.indices { try whole[index].catchUp(clients[index], key: key, "limit=4") }
            #expect(whole.allSatisfy { $0.destinations == expected })
            #expect(whole[0].position == whole[1].position && whole[0].position == follower.position)
        }

        /// A node without peers keeps its log no longer than one with them.
        @Test func truncatedAlone() throws {
            let flags = RunningNode.withAdmin + ["--rate_limit_read", "off"]
            let node = try RunningNode(flags)
            let key = try node.makeKey("--scopes", "admin")
            _ = try node.connect().create("https://example.com/")
            #expect(try node.connect().get("/api/v1/changes", key: key).status == 200)
            #expect(node.stop() == .exited(0))
            let later = try node.restarted(flags + ["--clock_offset", "25h"]).connect()
            let deadline = Deadline()
            while try later.get("/api/v1/changes", key: key).status == 200 { try #require(!deadline.isOver) }
            try later.get("/api/v1/changes", key: key).expectProblem(410, "log-truncated", with: "after")
        }

        /// Whoever has fallen behind what the logs hold is told so, and from where to go on.
        @Test func truncated() throws {
            let cluster = try Cluster(2)
            try cluster.settleConnections()
            let key = try cluster.node(0).makeFollowerKey()
            try cluster.converge()
            var follower = Follower()
            let code = try cluster.node(0).connect().create("https://example.com/1", key: key)
            try cluster.converge()
            try follower.follow(cluster.node(0).connect(), key: key)
            for destination in ["2", "3"] {
                let json = #"{"long_url":"https://example.com/\#(destination)"}"#
                #expect(try cluster.node(0).connect().change(code, json, key: key).status == 200)
            }
            try cluster.converge()
            cluster.stop(0)
            try cluster.truncate(0)
            try cluster.start(0)
            try cluster.converge()
            let client = try cluster.node(0).connect()
            for query in ["", "?after=\(follower.position)", "?stream=true&after=\(follower.position)"] {
                let answer = try client.get("/api/v1/changes\(query)", key: key)
                #expect(answer.status == 410 && answer["content-type"] == "application/problem+json")
                #expect(try answer.string("code") == "log-truncated")
                #expect(try answer.string("detail").contains("/api/v1/urls/export"))
                let after = try answer.string("after")
                #expect(try client.get("/api/v1/changes?after=\(after)", key: key).changes.isEmpty)
            }
            // Another node still has them.
            var other = follower
            try other.catchUp(cluster.node(1).connect(), key: key)
            #expect(other.destinations == [code: "https://example.com/3"])
            // And whoever goes on from there misses nothing that comes.
            let start = try client.get("/api/v1/changes", key: key).string("after")
            let made = try client.create("https://example.com/4", key: key)
            #expect(try client.get("/api/v1/changes?after=\(start)", key: key).changes.map(\.code) == [made])
        }
    }
}
