import Foundation
import Glibc
import Testing

/// glibc; the Glibc module lacks it.
@_silgen_name("prlimit")
private func prlimit(
    _ pid: pid_t, _ resource: UInt32, _ new: UnsafePointer<rlimit>?, _ old: UnsafeMutablePointer<rlimit>?
) -> Int32

extension RunningNode {
    /// The samples of the admin port, each by its name with its labels.
    func samples() throws -> [String: Double] {
        let lines = try connectToAdmin().get("/metrics").text.split(separator: "\n").filter { !$0.hasPrefix("#") }
        let pairs = lines.compactMap { line in
            line.lastIndex(of: " ").flatMap { end in
                Double(line[line.index(after: end)...]).map { (String(line[..<end]), $0) }
            }
        }
        return Dictionary(uniqueKeysWithValues: pairs)
    }

    func sample(_ name: String) throws -> Double {
        guard let value = try samples()[name] else { throw HarnessError("no sample \(name)") }
        return value
    }

    /// Waits until a sample is what it should be.
    func await(_ name: String, _ isReached: (Double) -> Bool) throws {
        let deadline = Deadline()
        while !isReached(try sample(name)) {
            if deadline.isOver { throw HarnessError("\(name) is \(try sample(name))") }
        }
    }
}

private let evictedIdle = #"edge_connections_evicted_total{reason="idle"}"#
private let evictedSlow = #"edge_connections_evicted_total{reason="slow"}"#
private func timeouts(_ awaited: String) -> String { "edge_connection_timeouts_total{awaited=\"\(awaited)\"}" }
private let head = Client.request("GET", "/health")
/// All of it but its empty line, and that.
private let (begun, rest) = (String(head.dropLast()), String(head.suffix(1)))

extension NodeTests {
    @Suite struct Connections {
        private func node(_ flags: String..., limits: String? = nil) throws -> RunningNode {
            try RunningNode(["--admin_listen", "127.0.0.1:0"] + flags, limits: limits)
        }

        /// Whichever worker has it; whoever is used moves to the end.
        @Test(arguments: ["1", "3"]) func oldestIdleGoesFirst(workers: String) throws {
            let node = try node("--workers", workers, "--max_connections", "6")
            var clients: [Client] = []
            for turn in 0..<40 {
                let client = try node.connect()
                #expect(try client.get("/health").status == 200)
                clients.append(client)
                if clients.count > 6 {
                    #expect(try clients.removeFirst().endsHere(), "turn \(turn)")
                }
                // One of those that are left is used again.
                let used = clients.remove(at: turn * 7 % clients.count)
                #expect(try used.get("/health").status == 200, "turn \(turn)")
                clients.append(used)
            }
            #expect(try node.sample(evictedIdle) == 34)
            #expect(try node.sample("edge_connections") == 6)
            #expect(try node.sample("edge_connections_limit") == 6)
        }

        /// All are at work: the newcomer waits until one is done, and the admin port answers all the while.
        @Test(arguments: ["1", "2"]) func theBusyStay(workers: String) throws {
            let node = try node("--workers", workers, "--max_connections", "4", "--head_timeout", "1h")
            var clients = try (0..<4).map { _ in try node.connect() }
            for client in clients { #expect(try client.get("/health").status == 200) }
            for client in clients { try client.send(begun) }
            let received = Double(clients.count * (head.utf8.count + begun.utf8.count))
            try node.await("edge_received_bytes_total") { $0 == received }
            let newcomer = try node.connect()
            try newcomer.send(head)
            try node.await("edge_accept_rests_total") { $0 >= 2 }
            #expect(!newcomer.hasInput(withinMilliseconds: 0))
            for client in clients.dropFirst() {
                try client.send(rest)
                #expect(try client.read().status == 200)
                try client.send(begun)
            }
            // One goes away: its place is the newcomer's.
            try clients.removeFirst().send(rest)
            #expect(try newcomer.read().status == 200)
            for client in clients {
                try client.send(rest)
                #expect(try client.read().status == 200)
            }
            #expect(try node.sample(evictedSlow) == 0)
        }

        /// Heads that trickle, bodies that do not come and answers that are not taken give way to newcomers long before
        /// their own time is over.
        @Test(arguments: ["head", "body", "write"]) func theSlowGiveWay(kind: String) throws {
            let node = try node(
                "--workers", "2", "--max_connections", "4", "--head_timeout", "60s", "--body_timeout", "60s",
                "--write_timeout", "60s")
            let code = try node.connect().create("https://example.com/" + String(repeating: "a", count: 2000))
            let requests = Array(String(repeating: Client.request("GET", "/\(code)"), count: 4000).utf8)
            let slow = try (0..<4).map { _ in try node.connect(receiveBytes: 4096) }
            for client in slow {
                switch kind {
                case "head": try client.send(begun)
                case "body": try client.send(String(Client.creation("https://example.com/").dropLast(3)))
                default: _ = try client.sendSome(requests[...])
                }
            }
            // No worker has one of them yet to accept: with the first, which made the link.
            try node.expect("edge_connections_opened_total", 5)
            // Each is at work from then on, so the next one needs another place.
            let newcomers = try (0..<3).map { _ in
                let newcomer = try node.connect()
                #expect(try newcomer.get("/health").status == 200)
                try newcomer.send(begun)
                return newcomer
            }
            let samples = try node.samples().filter { $0.key.hasPrefix("edge_conn") }
            #expect(samples[evictedSlow]! >= 2 && samples[timeouts(kind)] == 0, "\(samples)")
            withExtendedLifetime((slow, newcomers)) {}
        }

        // MARK: Deadlines

        /// The bytes that go on coming move no deadline.
        @Test(arguments: [("head", Client.request("GET", "/" + String(repeating: "a", count: 4000))), ("body", "")])
        func absoluteDeadlines(awaited: String, target: String) throws {
            let node = try node("--workers", "1", "--\(awaited)_timeout", "400ms")
            var attempts = 0.0
            try attempt("some pieces are sent in time") {
                let client = try node.connect()
                if awaited == "body" {
                    try client.send(
                        Client.request(
                            "POST", "/shorten", "Content-Type: application/json\r\nContent-Length: 4000\r\n"))
                }
                var sent = 0
                while !client.hasInput(withinMilliseconds: 20), sent < 1000 {
                    try client.send(awaited == "head" ? (sent == 0 ? String(target.prefix(20)) : "a") : " ")
                    sent += 1
                }
                let answers = try client.readToEnd()
                #expect(answers.map(\.status) == [408])
                #expect(try answers[0].string("code") == "request-timeout")
                #expect(sent < 1000)
                attempts += 1
                #expect(try node.sample(timeouts(awaited)) == attempts)
                return sent > 3
            }
        }

        @Test func idleTimeout() throws {
            let node = try node("--workers", "1", "--idle_timeout", "300ms")
            let fresh = try node.connect()
            var used: [Client] = []
            // A machine that stands still may take the time in which a connection is used.
            try attempt("a request within 300 ms") {
                used.append(try node.connect())
                guard let answer = try? used.last!.get("/health") else { return false }
                #expect(answer.status == 200)
                return true
            }
            #expect(try fresh.endsHere() && used.last!.endsHere())
            #expect(try node.sample(timeouts("request")) == Double(1 + used.count))
        }

        /// A client that takes nothing is closed, one that takes its answers is not.
        @Test func writeTimeout() throws {
            let node = try node("--workers", "1", "--write_timeout", "400ms")
            let other = try node.connect()
            let code = try other.create("https://example.com/" + String(repeating: "a", count: 2000))
            let client = try node.connect(receiveBytes: 4096)
            let requests = Array(String(repeating: Client.request("GET", "/\(code)"), count: 2000).utf8)
            while try client.sendSome(requests[...]) == requests.count {}
            try node.await(timeouts("write")) { $0 == 1 }
            #expect(try other.get("/\(code)").status == 302)
            try node.await("edge_connections") { $0 == 1 }
            try node.await("edge_kept_bytes") { $0 == 0 }
        }

        /// Once its answers are not taken, not a byte more is read of it.
        @Test func unreadAnswersEndReading() throws {
            let node = try node("--workers", "1")
            let other = try node.connect()
            let code = try other.create("https://example.com/" + String(repeating: "a", count: 2000))
            let client = try node.connect(receiveBytes: 4096)
            let requests = Array(String(repeating: Client.request("GET", "/\(code)"), count: 2000).utf8)
            let deadline = Deadline()
            var before = 0.0
            var after = -1.0
            // Until not a byte is read while others are served and the client tries to send.
            while after != before + Double(50 * head.utf8.count), !deadline.isOver {
                before = try node.sample("edge_received_bytes_total")
                while try client.sendSome(requests[...]) == requests.count {}
                for _ in 0..<50 { #expect(try other.get("/health").status == 200) }
                after = try node.sample("edge_received_bytes_total")
            }
            #expect(after == before + Double(50 * head.utf8.count))
            // The kernel's buffers for both ways, and what is kept: far less than was asked for.
            #expect(Int(before) < 8 << 20, "\(before) bytes were read")
            #expect(Int(try node.sample("edge_kept_bytes")) < 1 << 20)
        }

        // MARK: Shares

        /// A long pipeline is worked off in turns, however much of it has come.
        @Test func turns() throws {
            let node = try node("--workers", "1")
            let client = try node.connect()
            #expect(try client.get("/health").status == 200)
            let before = try node.sample("edge_worker_wakeups_total")
            let short = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
            node.child.signal(SIGSTOP)
            try client.send(String(repeating: short, count: 1900))
            node.child.signal(SIGCONT)
            for _ in 0..<1900 { #expect(try client.read().status == 200) }
            let wakeUps = try node.sample("edge_worker_wakeups_total") - before
            #expect(wakeUps >= 50, "\(wakeUps) wake-ups for 1900 requests, 32 a turn")
        }

        /// No descriptors are left, though places are: one idle connection goes, the rest are served, nothing spins.
        @Test func noDescriptors() throws {
            let node = try node("--workers", "1", "--head_timeout", "1h", limits: "ulimit -n 200")
            var clients = try (0..<10).map { _ in try node.connect() }
            for client in clients { #expect(try client.get("/health").status == 200) }
            for client in clients.dropFirst() { try client.send(begun) }
            let admin = try node.connectToAdmin()
            #expect(try admin.get("/health/ready").status == 200)
            let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(node.child.pid)/fd")
            var limit = rlimit(rlim_cur: rlim_t(open.compactMap { Int($0) }.max()! + 1), rlim_max: 200)
            #expect(prlimit(node.child.pid, RLIMIT_NOFILE.rawValue, &limit, nil) == 0)
            // The place of the only idle one.
            let second = try node.connect()
            try second.send(head)
            #expect(try clients.removeFirst().endsHere())
            #expect(try second.read().status == 200)
            try second.send(begun)
            let third = try node.connect()
            try third.send(head)
            // It rests for 100 ms each time; a node that spins would wake up thousands of times.
            func figure(_ name: String) throws -> Double {
                let text = try admin.get("/metrics").text
                return Double(
                    text.split(separator: "\n").first { $0.hasPrefix(name + " ") }!.dropFirst(name.count + 1))!
            }
            let (rests, wakeUps) = (try figure("edge_accept_rests_total"), try figure("edge_worker_wakeups_total"))
            let deadline = Deadline()
            while try figure("edge_accept_rests_total") < rests + 5, !deadline.isOver,
                !third.hasInput(withinMilliseconds: 20)
            {}
            #expect(!third.hasInput(withinMilliseconds: 0))
            #expect(
                try figure("edge_worker_wakeups_total") - wakeUps < 20 * (figure("edge_accept_rests_total") - rests))
            for client in clients + [second] {
                try client.send(rest)
                #expect(try client.read().status == 200)
            }
            // Now there are idle ones.
            #expect(try third.read().status == 200)
            #expect(try node.sample(evictedSlow) == 0)
        }

        @Test func moreThanTheDescriptorLimit() throws {
            let node = try node("--workers", "1", "--max_connections", "1000", limits: "ulimit -n 128")
            #expect(node.log.seen.contains { $0.contains("event=few-descriptors max_connections=1000 possible=90") })
            #expect(try node.sample("edge_connections_limit") == 90)
        }
    }
}
