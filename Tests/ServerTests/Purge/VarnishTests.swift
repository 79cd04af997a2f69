import Glibc
import Testing

/// A real Varnish in front of a node, with the configuration that Operation.md has.
///
/// Safety: nothing of it changes.
final class Varnish: @unchecked Sendable {
    private static let binary = "/usr/sbin/varnishd"

    let port: UInt16
    let directory = TemporaryDirectory()
    private let child: Child

    init(before node: RunningNode) throws {
        port = try PurgeServer.freePort()
        let vcl = try Self.documented().replacing(#".port = "8080""#, with: ".port = \"\(node.port)\"")
        let file = directory.write(vcl, to: "edge.vcl", mode: 0o644)
        chmod(directory.path, 0o755)
        child = try Child(
            Self.binary,
            [
                "-F", "-a", "127.0.0.1:\(port)", "-f", file, "-n", directory.path + "/varnish", "-s", "malloc,16m",
                "-p", "thread_pools=1", "-p", "thread_pool_min=10",
            ], output: nil, error: nil)
        let deadline = Deadline()
        while (try? Client(port: port, of: self).get("/health").status) != 200 {
            guard !deadline.isOver, child.ending == nil else { throw HarnessError("Varnish does not serve") }
            poll(nil, 0, 50)
        }
    }

    deinit {
        child.signal(SIGTERM)
        child.wait()
    }

    /// The lines of the page, without their indentation.
    private static func documented() throws -> String {
        let path = String(#filePath)
        let root = path[..<path.firstRange(of: "Tests/ServerTests")!.lowerBound]
        let text = try readText(root + "Sources/Server/Edge.docc/Following.md")
        let start = try #require(text.firstRange(of: "    vcl 4.1;"))
        let lines = text[start.lowerBound...].split(separator: "\n", omittingEmptySubsequences: false)
            .prefix { $0.isEmpty || $0.hasPrefix("    ") }
        return lines.map { String($0.dropFirst(4)) }.joined(separator: "\n") + "\n"
    }

    func connect() throws -> Client { try Client(port: port, of: self) }
}

extension NodeTests {
    /// What a cache keeps is gone when the link changes.
    @Suite struct Purging {
        /// Asks until the cache answers so; what it answers then.
        private func until(_ client: Client, _ target: String, _ what: (Answer) -> Bool) throws -> Answer {
            let deadline = Deadline()
            while true {
                let answer = try client.get(target)
                if what(answer) { return answer }
                guard !deadline.isOver else { throw HarnessError("\(answer.status), \(answer.fields)") }
                poll(nil, 0, 20)
            }
        }

        private func isKept(_ answer: Answer) -> Bool { answer["x-varnish"]?.split(separator: " ").count == 2 }

        /// In the cache, under each of its spellings.
        private func keep(_ client: Client, _ targets: [String]) throws {
            for target in targets {
                #expect(try client.get(target).status == 302)
                let again = try client.get(target)
                #expect(isKept(again), "\(again.fields)")
            }
        }

        @Test func changed() throws {
            // The cache has to be there before the node that tells it, and the node before the cache.
            let (directory, port) = (TemporaryDirectory(), try PurgeServer.freePort())
            var node: RunningNode? = try RunningNode(
                ["--listen", "127.0.0.1:\(port)", "--redirect_cache_ttl", "1h"], in: directory)
            let varnish = try Varnish(before: node!)
            #expect(node!.stop() == .exited(0))
            node = nil
            node = try RunningNode(
                RunningNode.withAdmin + [
                    "--listen", "127.0.0.1:\(port)", "--redirect_cache_ttl", "1h", "--purge_url",
                    "http://127.0.0.1:\(varnish.port)/{code}",
                ], in: directory)
            let key = try node!.makeKey("--scopes", "links:create,links:manage")
            let (client, cache) = (try node!.connect(), try varnish.connect())
            for alias in [nil, "an-alias"] {
                let code = try client.create("https://example.com/1", key: key, alias: alias)
                let other = try client.create("https://example.com/other", key: key)
                let targets = ["/\(code)", "/\(code)?from=mail"]
                try keep(cache, targets + ["/\(other)"])
                #expect(try client.change(code, #"{"long_url":"https://example.com/2"}"#, key: key).status == 200)
                for target in targets {
                    let answer = try until(cache, target) { $0["location"] == "https://example.com/2" }
                    #expect(answer.status == 302)
                }
                try keep(cache, targets)
                #expect(try client.change(code, nil, key: key).status == 204)
                for target in targets {
                    _ = try until(cache, target) { $0.status == 410 }
                    #expect(try !isKept(cache.get(target)), "no refusal is kept")
                }
                let rest = try cache.get("/\(other)")
                #expect(isKept(rest) && rest.status == 302, "nothing else goes")
            }
            try node!.await("edge_purge_calls_total{result=\"done\"}") { $0 == 4 }
            #expect(try node!.metric("edge_purge_calls_total{result=\"retried\"}") == 0)
        }

        /// What was owed when the process was killed is made up for.
        @Test func killed() throws {
            let server = try PurgeServer { _, _ in .silence }
            defer { server.stop() }
            let flags = RunningNode.withAdmin + ["--purge_url", "http://127.0.0.1:\(server.port)/{code}"]
            let node = try RunningNode(flags)
            let key = try node.makeKey("--scopes", "links:create,links:manage")
            let client = try node.connect()
            let codes = try (0..<20).map { _ in try client.create("https://example.com/", key: key) }
            for code in codes.prefix(10) { #expect(try client.change(code, nil, key: key).status == 204) }
            let deadline = Deadline()
            while server.requests.isEmpty { try #require(!deadline.isOver) }
            #expect(node.child.kill() == .killed(SIGKILL))
            server.answer { _, _ in .status(200) }
            let next = try node.restarted(flags)
            try next.await("edge_purge_calls_total{result=\"done\"}") { $0 == 10 }
            #expect(Set(server.targets) == Set(codes.prefix(10).map { "/" + $0 }))
            #expect(next.stop() == .exited(0))
        }

        /// A server that hangs does not hold up the end of the node.
        @Test func drained() throws {
            let server = try PurgeServer { _, _ in .silence }
            defer { server.stop() }
            let node = try RunningNode(
                RunningNode.withAdmin + [
                    "--purge_url", "http://127.0.0.1:\(server.port)/{code}", "--drain_timeout", "500ms",
                ])
            let key = try node.makeKey("--scopes", "links:create,links:manage")
            let code = try node.connect().create("https://example.com/", key: key)
            #expect(try node.connect().change(code, nil, key: key).status == 204)
            let deadline = Deadline()
            while server.requests.isEmpty { try #require(!deadline.isOver) }
            #expect(try node.connect().get("/\(code)").status == 410, "nor a redirect")
            _ = try node.stopDrained()
        }
    }
}

extension NodeTests.Regions {
    @Suite struct Purging {
        /// A cache is told by the node that it refills from, once that node has the change, wherever it was made.
        @Test func changedElsewhere() throws {
            let server = try PurgeServer()
            defer { server.stop() }
            let cluster = try Cluster(2, starts: false)
            try cluster.start(0)
            cluster.flags[1] = [
                "--purge_url", "http://127.0.0.1:\(server.port)/{code}", "--redirect_cache_ttl", "1h",
            ]
            try cluster.start(1)
            let varnish = try Varnish(before: cluster.node(1))
            let cache = try varnish.connect()
            // What the cache is told goes by way of one that the test can stop.
            server.answer { request, _ in
                let fields = request.fields.filter { !$0.hasPrefix("Host:") }.map { $0 + "\r\n" }.joined()
                guard let client = try? varnish.connect(),
                    (try? client.send(Client.request(request.method, request.target, fields))) != nil,
                    let answer = try? client.read()
                else { return .hangUp }
                return .status(answer.status)
            }
            try cluster.settleConnections()
            let key = try cluster.node(0).makeKey("--scopes", "links:create,links:manage")
            let code = try cluster.node(0).connect().create("https://example.com/1", key: key)
            try cluster.converge()
            for destination in ["https://example.com/2", nil] {
                #expect(try cache.get("/\(code)").status == 302)
                #expect(try cache.get("/\(code)")["x-varnish"]?.contains(" ") == true)
                let change = destination.map { #"{"long_url":"\#($0)"}"# }
                #expect([200, 204].contains(try cluster.node(0).connect().change(code, change, key: key).status))
                try cluster.wait("the cache has forgotten") {
                    let answer = try cache.get("/\(code)")
                    return destination == nil ? answer.status == 410 : answer["location"] == destination
                }
            }
            #expect(try cluster.node(1).metric("edge_purge_calls_total{result=\"done\"}") == 2)
        }

        /// A node that took a snapshot does not know what changed before: it says so.
        @Test func snapshot() throws {
            let server = try PurgeServer()
            defer { server.stop() }
            let cluster = try Cluster(2, starts: false)
            cluster.flags[1] = ["--purge_url", "http://127.0.0.1:\(server.port)/{code}"]
            for index in [0, 1] { try cluster.start(index) }
            try cluster.settleConnections()
            let key = try cluster.node(0).makeKey("--scopes", "links:create,links:manage")
            let code = try cluster.node(0).connect().create("https://example.com/", key: key)
            try cluster.converge()
            cluster.stop(1)
            #expect(try cluster.node(0).connect().change(code, nil, key: key).status == 204)
            cluster.stop(0)
            try cluster.truncate(0)
            for index in [0, 1] { try cluster.start(index) }
            try cluster.converge()
            let node = cluster.node(1)
            try node.await("edge_purge_gaps_total") { $0 >= 1 }
            #expect(
                try readText(cluster.data(1) + "/purge-dead-letters").contains(#""code":"*","error":"the log of 1/0/"#))
        }
    }
}
