import Foundation
import Glibc
import Server
import Synchronization
import Testing

/// A count that several threads share.
private final class Tally: Sendable {
    private let count = Atomic<Int>(0)
    func add() { count.add(1, ordering: .relaxed) }
    var value: Int { count.load(ordering: .relaxed) }
}

extension NodeTests {
    /// SIGHUP on a running node.
    @Suite struct Sighup {
        /// A node of a file, which can be changed.
        private final class Subject {
            let directory = TemporaryDirectory()
            let file: String
            let node: RunningNode
            private let base: String

            init(_ text: String = "", flags: [String] = [], base: String = "") throws {
                self.base = base
                file = directory.write(base + text, to: "edge.conf")
                node = try RunningNode(["--config", file] + flags, in: directory)
            }

            /// Puts `text` into the file and reloads; what was said, up to the line that ends it.
            func reload(_ text: String, until end: String = "event=reload ") throws -> [String] {
                _ = directory.write(base + text, to: "edge.conf")
                return try again(until: end)
            }

            func again(until end: String = "event=reload ") throws -> [String] {
                let before = node.log.seen.count
                node.child.signal(SIGHUP)
                _ = try node.log.next(end)
                return node.log.told(since: before)
            }
        }

        private func create(_ node: RunningNode, _ url: String = "https://example.com/") throws -> Int {
            let client = try node.connect()
            try client.send(Client.creation(url))
            return try client.read().status
        }

        /// Each key that a reload changes, with the proof that it is in effect. A key without one fails below.
        private static let proofs: [String: @Sendable (NodeTests.Sighup) throws -> Void] = [
            "drain_timeout": { _ in
                try attempt("a drain that the disk does not hold up") {
                    let subject = try Subject("drain_timeout = 24h\nhead_timeout = 1h")
                    let client = try subject.node.connect()
                    try client.send("GET /half")
                    for _ in 0..<10 { #expect(try subject.node.connect().get("/health").status == 200) }
                    let said = try subject.reload("drain_timeout = 1ms\nhead_timeout = 1h")
                    #expect(said.contains { $0.contains("event=key-changed key=drain_timeout old=1d new=1ms") })
                    // It does not wait for the half request.
                    let isDrained = try subject.node.stopDrained()
                    subject.node.log.gather()
                    let draining = subject.node.log.seen.first { $0.contains("event=draining") }
                    #expect(draining?.contains("timeout_ms=1") == true)
                    return isDrained
                }
            },
            "log_format": { suite in
                let subject = try Subject()
                let said = try subject.reload("log_format = json", until: #""event":"reload","#)
                #expect(said.contains { $0.contains(#""key":"log_format","old":"logfmt","new":"json""#) }, "\(said)")
                #expect(try subject.reload("log_format = logfmt").last!.hasPrefix("time="))
            },
            "access_log": { suite in
                let subject = try Subject()
                let path = subject.directory.path + "/access.log"
                let client = try subject.node.connect()
                try client.get("/before")
                #expect(try subject.reload("access_log = \(path)").last!.contains("changed=1"))
                try client.get("/on")
                #expect(try subject.reload("").last!.contains("changed=1"))
                try client.get("/after")
                #expect(subject.node.stop() == .exited(0))
                let text = try readText(path)
                #expect(text.contains("path=/on ") && text.count { $0 == "\n" } == 1, "\(text)")
            },
            "click_flush": { suite in
                let subject = try Subject("click_flush = 1h", flags: RunningNode.withAdmin)
                let client = try subject.node.connect()
                try client.get("/\(try client.create("https://example.com/"))")
                try subject.node.expect("edge_clicks_undurable", 1)
                try subject.node.expect("edge_click_commits_total", 0)
                // In force for clicks that wait already.
                _ = try subject.reload("click_flush = 100ms")
                // Once a minute what is committed is folded, which is a commit too.
                try subject.node.await("edge_click_commits_total") { $0 >= 1 }
                try subject.node.expect("edge_clicks_undurable", 0)
            },
            "redirect_status": { suite in
                let subject = try Subject(flags: ["--workers", "2"])
                let clients = try (0..<8).map { _ in try subject.node.connect() }
                let code = try clients[0].create("https://example.com/")
                for status in [301, 307, 308, 302] {
                    _ = try subject.reload("redirect_status = \(status)")
                    for client in clients { #expect(try client.get("/\(code)").status == status) }
                }
            },
            "redirect_cache_ttl": { suite in
                let subject = try Subject()
                let client = try subject.node.connect()
                let code = try client.create("https://example.com/")
                #expect(try client.get("/\(code)")["cache-control"] == "private, no-store")
                _ = try subject.reload("redirect_cache_ttl = 5m")
                #expect(try client.get("/\(code)")["cache-control"] == "public, max-age=300")
            },
            "allow_private_destinations": { suite in
                let subject = try Subject()
                #expect(try suite.create(subject.node, "http://10.0.0.1/") == 422)
                _ = try subject.reload("allow_private_destinations = on")
                #expect(try suite.create(subject.node, "http://10.0.0.1/") == 201)
                _ = try subject.reload("")
                #expect(try suite.create(subject.node, "http://10.0.0.1/") == 422)
            },
            "block_lists": { suite in
                let subject = try Subject()
                let file = subject.directory.write("evil.example", to: "list")
                #expect(try suite.create(subject.node, "http://evil.example/") == 201)
                for (text, status) in [("block_lists = \(file)", 422), ("", 201)] {
                    let said = try subject.reload(text)
                    // It is read on a thread of its own, before the reload is over or after.
                    if !said.contains(where: { $0.contains("event=block-lists-read") }) {
                        _ = try subject.node.log.next("event=block-lists-read")
                    }
                    #expect(try suite.create(subject.node, "http://evil.example/") == status)
                }
            },
            "resolve_destinations": { suite in
                // A name that nobody has (RFC 6761): refused as such, or, where there is no DNS, for want of an answer.
                let url = "https://nobody.invalid.example/"
                let subject = try Subject(flags: ["--resolve_timeout", "100ms"])
                #expect(try suite.create(subject.node, url) == 201)
                _ = try subject.reload("resolve_destinations = strict")
                #expect([422, 503].contains(try suite.create(subject.node, url)))
                _ = try subject.reload("resolve_destinations = lenient")
                #expect(try suite.create(subject.node, url) == 201)
            },
            "lookups": { _ in
                let subject = try Subject(flags: ["--admin_listen", "127.0.0.1:0"])
                let client = try subject.node.connect()
                for (index, lookups) in ["inline", "threads", "inline"].enumerated() {
                    _ = try subject.reload("lookups = \(lookups)")
                    try client.get("/name-\(index)").expectProblem(404, "not-found")
                    #expect(try subject.node.sample("edge_lookups_on_threads") == (index == 1 ? 1 : 0))
                    #expect(try subject.node.sample("edge_reader_lookups_total") == (index == 0 ? 0 : 1))
                }
            },
            "head_timeout": { _ in
                let subject = try Subject("head_timeout = 1h")
                _ = try subject.reload("head_timeout = 100ms")
                let client = try subject.node.connect()
                try client.send("GET /half")
                #expect(try client.read().status == 408)
            },
            "body_timeout": { _ in
                let subject = try Subject("body_timeout = 1h")
                _ = try subject.reload("body_timeout = 100ms")
                let client = try subject.node.connect()
                try client.send(String(Client.creation("https://example.com/").dropLast()))
                #expect(try client.read().status == 408)
            },
            "idle_timeout": { _ in
                let subject = try Subject("idle_timeout = 1h")
                _ = try subject.reload("idle_timeout = 100ms")
                try attempt("a request within 100 ms") {
                    let client = try subject.node.connect()
                    guard let answer = try? client.get("/health") else { return false }
                    #expect(answer.status == 200)
                    #expect(try client.endsHere())
                    return true
                }
            },
            "write_timeout": { _ in
                let subject = try Subject("write_timeout = 1h", flags: ["--admin_listen", "127.0.0.1:0"])
                _ = try subject.reload("write_timeout = 100ms")
                let code = try subject.node.connect().create(
                    "https://example.com/" + String(repeating: "a", count: 2028))
                let client = try subject.node.connect(receiveBytes: 4096)
                let requests = Array(String(repeating: Client.request("GET", "/\(code)"), count: 500).utf8)
                while try client.sendSome(requests[...]) == requests.count {}
                let (admin, deadline) = (try subject.node.connectToAdmin(), Deadline())
                let sample = #"edge_connection_timeouts_total{awaited="write"} 1"#
                while try !admin.get("/metrics").text.contains(sample) { try #require(!deadline.isOver) }
            },
            "rate_limit_create": { suite in
                let subject = try Subject("rate_limit_create = off")
                for _ in 0..<3 { #expect(try suite.create(subject.node) == 201) }
                _ = try subject.reload("rate_limit_create = 1/h burst 1")
                #expect(try suite.create(subject.node) == 201)
                #expect(try suite.create(subject.node) == 429)
            },
            "rate_limit_read": { _ in try limits("rate_limit_read", "/api/v1/urls/missing", 404) },
            "rate_limit_redirect": { _ in try limits("rate_limit_redirect", "/missing", 404) },
            "rate_limit_miss": { _ in try limits("rate_limit_miss", "/missing", 404) },
            "rate_limit_auth_failure": { _ in
                let subject = try Subject(flags: ["--admin_listen", "127.0.0.1:0"])
                let admin = try subject.node.connectToAdmin()
                let sample = #"edge_rate_limit_clients{limit="auth_failure"}"#
                #expect(try admin.get("/metrics").text.contains(sample))
                _ = try subject.reload("rate_limit_auth_failure = off")
                #expect(try !admin.get("/metrics").text.contains(sample))
            },
            "trusted_proxies": { _ in
                let subject = try Subject("rate_limit_miss = 1/h burst 1")
                let client = try subject.node.connect()
                #expect(try [client.miss("203.0.113.1"), client.miss("203.0.113.2")] == [404, 429])
                // A connection that is open already is one of a proxy's from now on.
                _ = try subject.reload("rate_limit_miss = 1/h burst 1\ntrusted_proxies = 127.0.0.0/8")
                #expect(
                    try [client.miss("203.0.113.1"), client.miss("203.0.113.1"), client.miss("203.0.113.2")] == [
                        404, 429, 404,
                    ])
                _ = try subject.reload("rate_limit_miss = 1/h burst 1")
                #expect(try client.miss("203.0.113.3") == 429)
            },
            "anonymous_create": { suite in
                let subject = try Subject()
                #expect(try suite.create(subject.node) == 201)
                _ = try subject.reload("anonymous_create = off")
                #expect(try suite.create(subject.node) == 401)
                _ = try subject.reload("")
                #expect(try suite.create(subject.node) == 201)
            },
        ]

        /// A limit that is off, and then on: one request passes.
        private static func limits(_ key: String, _ path: String, _ status: Int) throws {
            let subject = try Subject("\(key) = off")
            let client = try subject.node.connect()
            for _ in 0..<3 { #expect(try client.get(path).status == status) }
            _ = try subject.reload("\(key) = 1/h burst 1")
            #expect(try [client.get(path).status, client.get(path).status] == [status, 429])
            _ = try subject.reload("\(key) = off")
            #expect(try client.get(path).status == status)
        }

        @Test(arguments: ConfigurationKey.all.filter(\.isReloadable).map(\.name)) func takesEffect(key: String) throws {
            if let proof = Self.proofs[key] { return try proof(self) }
            let proof = try #require(
                ReplicationReload.proofs[key] ?? SecureReload.proofs[key] ?? TokenReload.proofs[key]
                    ?? SwitchProofs.reloads[key] ?? ModerationReload.proofs[key],
                "a key that can be reloaded, and no proof of it")
            try proof()
        }

        /// Operation.md lists them, and no others.
        @Test func documented() throws {
            let path = String(#filePath)
            let root = path[..<path.firstRange(of: "Tests/ServerTests")!.lowerBound]
            let operation = try readText(root + "Sources/Server/Edge.docc/Operation.md")
            let list = try #require(operation.firstMatch(of: /These change without a restart: ([^.]*)\./))
            let names = list.1.matches(of: /`([a-z_]+)`/).map { String($0.1) }
            #expect(names == ConfigurationKey.all.filter(\.isReloadable).map(\.name))
        }

        /// Other values of the keys that need a restart.
        private static let others = [
            "data": "/var/lib/other", "user": "other", "cluster": "other", "regions": "local:1/7, other:2",
            "region": "local", "node": "7", "listen": "127.0.0.1:1", "admin_listen": "127.0.0.1:2",
            "public_url": "https://other.example", "listen_tls": "off", "listen_upgrade": "off",
            "code_secret_file": "other-secret", "workers": "9",
            "cache_entries": "64", "reader_threads": "3",
            "map_size": "17MiB", "max_connections": "77", "resolve_timeout": "100ms", "clock_offset": "1h",
            "role": "witness",
            "replication_listen": "127.0.0.1:3", "replication_advertise": "other.example:3",
            "cluster_secret_file": "other-cluster-secret", "replication_plaintext": "on",
            "purge_url": "http://other.example/{code}", "purge_method": "POST",
            "lookup_service": "http://other.example/find", "lookup_service_key_file": "other-key",
            "lookup_service_timeout": "100ms",
        ]

        /// One reload that changes all of them: each is named with both values, and nothing changes. Those of one value
        /// alone cannot, and those of HTTPS go with files that are reloaded.
        @Test func needsRestart() throws {
            let keys = ConfigurationKey.all.filter { !$0.isReloadable }.map(\.name)
            for key in keys { #expect(Self.others[key] != nil, "\(key) has no other value here") }
            let directory = TemporaryDirectory()
            let file = directory.write(
                "data = \(directory.path)/data\nlisten = 127.0.0.1:0\nadmin_listen = off\n", to: "edge.conf")
            let arguments = ["serve", "--config", file]
            let ends = makePipe()
            let log = Lines(ends.reading)
            let child = try Child(edgeBinary, arguments, output: nil, error: ends.writing)
            close(ends.writing)
            _ = try log.next("event=listening")
            _ = directory.write(keys.map { "\($0) = \(Self.others[$0]!)\n" }.joined(), to: "edge.conf")
            child.signal(SIGHUP)
            let last = try log.next("event=reload ")
            let unchanged: Set = ["region", "listen_tls", "listen_upgrade"]
            for key in keys where !unchanged.contains(key) {
                let line = log.seen.first { $0.contains("event=key-needs-restart key=\(key) ") }
                #expect(line?.contains("level=warning") == true, "\(key)")
                let text = Self.others[key]!
                #expect(
                    line?.contains("configured=\(text.contains(" ") ? "\"\(text)\"" : text)") == true,
                    "\(key): \(line ?? "")")
            }
            #expect(last.contains("changed=0 need_restart=\(keys.count - unchanged.count)"), "\(last)")
            child.signal(SIGTERM)
            #expect(child.wait() == .exited(0))
        }

        /// Flags still win, and what they name is not changed by the file.
        @Test func flagsWin() throws {
            let subject = try Subject(flags: ["--redirect_status", "307"])
            #expect(
                try subject.reload("redirect_status = 301\nlog_format = logfmt").last!.contains(
                    "changed=0 need_restart=0"))
            let client = try subject.node.connect()
            let code = try client.create("https://example.com/")
            #expect(try client.get("/\(code)").status == 307)
        }

        /// One wrong line, and nothing of the file is taken; all that is wrong is said.
        @Test func wrongFile() throws {
            let subject = try Subject("redirect_status = 301\n")
            let said = try subject.reload(
                "redirect_status = 308\nworkers = 0\nlisen = x\n\u{1}", until: "event=reload-failed")
            let problems = said.filter { $0.contains("level=error event=reload-problem") }
            #expect(problems.count == 3 && said.last!.contains("problems=3 changed=0"), "\(said)")
            #expect(problems.contains { $0.contains("\(subject.file):2: workers") })
            #expect(problems.contains { $0.contains("\(subject.file):3: lisen: unknown key; did you mean listen?") })
            let client = try subject.node.connect()
            let code = try client.create("https://example.com/")
            #expect(try client.get("/\(code)").status == 301)
            // Mended, it counts.
            _ = try subject.reload("redirect_status = 308")
            #expect(try client.get("/\(code)").status == 308)
        }

        @Test(arguments: [false, true]) func noFile(isDirectory: Bool) throws {
            let subject = try Subject("redirect_status = 301\n")
            precondition(unlink(subject.file) == 0)
            if isDirectory { precondition(mkdir(subject.file, 0o700) == 0) }
            let said = try subject.again(until: "event=reload-failed")
            let reason = isDirectory ? "Is a directory" : "No such file or directory"
            #expect(said.contains { $0.contains("event=reload-problem") && $0.contains(reason) }, "\(said)")
            let client = try subject.node.connect()
            let code = try client.create("https://example.com/")
            #expect(try client.get("/\(code)").status == 301)
        }

        /// An access log that cannot be opened is part of the check: the other keys stay too.
        @Test func wrongAccessLog() throws {
            let subject = try Subject()
            let said = try subject.reload(
                "redirect_status = 308\naccess_log = /nonexistent/x", until: "event=reload-failed")
            #expect(said.contains { $0.contains("access_log = /nonexistent/x: No such file or directory") }, "\(said)")
            let client = try subject.node.connect()
            let code = try client.create("https://example.com/")
            #expect(try client.get("/\(code)").status == 302)
        }

        /// Requests go on while the configuration changes again and again: every one is answered, by one status or another.
        @Test func underLoad() throws {
            let subject = try Subject("redirect_status = 308", flags: ["--workers", "2"])
            let code = try subject.node.connect().create("https://example.com/")
            let (isDone, failures, answers) = (Tally(), Tally(), Tally())
            let clients = try (0..<8).map { _ in try subject.node.connect() }
            let group = DispatchGroup()
            for client in clients {
                group.enter()
                Thread.detachNewThread {
                    while isDone.value == 0 {
                        let status = (try? client.get("/\(code)"))?.status ?? 0
                        if ![301, 308].contains(status) { failures.add() }
                        answers.add()
                    }
                    group.leave()
                }
            }
            let path = subject.directory.path + "/access.log"
            for round in 0..<60 {
                _ = try subject.reload(
                    "redirect_status = \(round % 2 == 0 ? 301 : 308)\naccess_log = \(round % 3 == 0 ? "off" : path)")
            }
            isDone.add()
            group.wait()
            #expect(answers.value > 60 && failures.value == 0)
            #expect(subject.node.stop() == .exited(0))
        }
    }
}

extension Client {
    /// The status of a code that is not there, asked for by way of a proxy.
    fileprivate func miss(_ address: String) throws -> Int {
        try send(Client.request("GET", "/missing", "X-Forwarded-For: \(address)\r\n"))
        return try read().status
    }
}
