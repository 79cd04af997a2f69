import Glibc
import Testing

private let waitingRequests = "edge_reader_waiting_requests"
private let waitingLookups = "edge_reader_waiting_lookups"
private let lookups = "edge_reader_lookups_total"
private let joined = "edge_reader_joined_requests_total"
private let shed = #"edge_shed_requests_total{reason="lookups"}"#

extension NodeTests {
    /// Lookups on reader threads, of a store whose pages are held back by its storage.
    @Suite struct Cold {
        @Test func oneLookupForAThousandRequests() throws {
            let store = try ColdStore()
            let node = try store.node("--lookups", "threads", "--workers", "4")
            let clients = try (0..<1000).map { _ in try node.connect() }
            store.slow.hold()
            for client in clients { try client.send(Client.request("GET", "/\(store.codes[0])")) }
            try node.await(waitingRequests) { $0 == 1000 }
            #expect(try node.sample(waitingLookups) == 1)
            // Whoever asks for something else goes on meanwhile, on all workers.
            for client in try (0..<16).map({ _ in try node.connect() }) {
                #expect(try client.get("/health").status == 200)
            }
            store.slow.release()
            let locations = try clients.map { client in
                let answer = try client.read()
                #expect(answer.status == 302 && answer["x-served-by"] == "store")
                return answer["location"]
            }
            #expect(Set(locations).count == 1)
            try node.await(waitingRequests) { $0 == 0 }
            #expect(try node.sample(lookups) == 1)
            #expect(try node.sample(joined) == 999)
            try node.await("edge_store_lookups_total") { $0 == 1 }
            try node.await(#"edge_code_requests_total{result="redirect"}"#) { $0 == 1000 }
            // Every worker that asked has it in its cache now.
            for client in clients.prefix(64) {
                #expect(try client.get("/\(store.codes[0])")["x-served-by"] == "l1")
            }
        }

        /// Requests behind one that waits are answered behind it; those of other connections are not held up.
        @Test func orderOnOneConnection() throws {
            let store = try ColdStore()
            let node = try store.node("--lookups", "threads", "--workers", "1")
            let (other, pipelining) = (try node.connect(), try node.connect())
            let cold = store.apart(4)
            let hot = cold[3]
            let location = try other.get("/\(hot)")["location"]
            store.slow.hold()
            try pipelining.send(
                Client.request("GET", "/\(hot)") + Client.request("GET", "/\(cold[0])")
                    + Client.request("GET", "/health")
                    + Client.request("GET", "/\(hot)") + Client.request("HEAD", "/\(cold[1])")
                    + Client.request("GET", "/api/v1/urls/ab") + Client.request("GET", "/\(cold[0])")
                    + Client.request("GET", "/\(cold[2])", "Connection: close\r\n") + Client.request("GET", "/health"))
            try node.await(waitingRequests) { $0 == 1 }
            for _ in 0..<100 {
                let answer = try other.get("/\(hot)")
                #expect(answer["location"] == location && answer["x-served-by"] == "l1")
            }
            #expect(try pipelining.read()["location"] == location)
            #expect(!pipelining.hasInput(withinMilliseconds: 0))
            store.slow.release()
            let first = try pipelining.read()
            #expect(first["x-served-by"] == "store" && first["location"] != location)
            #expect(try pipelining.read().status == 200)
            #expect(try pipelining.read()["location"] == location)
            #expect(try pipelining.read(isHead: true)["x-served-by"] == "store")
            #expect(try pipelining.read().status == 404)
            let again = try pipelining.read()
            #expect(again["x-served-by"] == "l1" && again["location"] == first["location"])
            let last = try pipelining.read()
            #expect(last.status == 302 && last["connection"] == "close")
            #expect(try pipelining.endsHere())
        }

        /// Made-up codes are answered without a reader thread, however long the disk takes.
        @Test func impossibleCodes() throws {
            let store = try ColdStore()
            let node = try store.node("--lookups", "threads", "--workers", "1")
            let client = try node.connect()
            store.slow.hold()
            // Eight characters: of seven, one in some thousands lies below what the fast build leased.
            for number in 0..<100 { #expect(try client.get("/1zzzzz\(10 + number % 90)").status == 404) }
            #expect(try node.sample(lookups) == 0)
            #expect(try node.sample(waitingLookups) == 0)
            try node.await("edge_impossible_codes_total") { $0 == 100 }
            store.slow.release()
        }

        /// More than 4096 lookups at a time are refused, and all others answered.
        @Test func tooManyLookups() throws {
            let store = try ColdStore()
            let node = try store.node("--lookups", "threads", "--workers", "2", "--reader_threads", "2")
            store.slow.hold()
            let clients = try (0..<4100).map { _ in try node.connect() }
            for (number, client) in clients.enumerated() {
                try client.send(Client.request("GET", "/\(store.codes[number])"))
            }
            try node.await(shed) { $0 == 4 }
            try node.await(waitingLookups) { $0 == 4096 }
            store.slow.release()
            var refused = 0
            for client in clients {
                let answer = try client.read()
                guard answer.status == 503 else {
                    #expect(answer.status == 302)
                    continue
                }
                refused += 1
                #expect(answer["retry-after"] != nil)
                answer.expectProblem(503, "overloaded")
            }
            #expect(refused == 4)
            #expect(try node.sample(lookups) == 4096)
            try node.await(waitingLookups) { $0 == 0 }
        }

        /// Requests that wait are bounded by their bytes too.
        @Test func tooManyBytes() throws {
            let store = try ColdStore()
            let node = try store.node("--lookups", "threads", "--workers", "1")
            store.slow.hold()
            let field = "X-Long: \(String(repeating: "a", count: 60_000))\r\n"
            let clients = try (0..<1200).map { _ in try node.connect() }
            for client in clients { try client.send(Client.request("GET", "/\(store.codes[0])", field)) }
            try node.await(shed) { $0 > 0 }
            store.slow.release()
            let statuses = try clients.map { try $0.read().status }
            #expect(Set(statuses) == [302, 503])
            try node.await(waitingRequests) { $0 == 0 }
        }

        /// Clients that hang up while their lookup runs leave nothing behind.
        @Test func clientsThatAreGone() throws {
            let store = try ColdStore()
            let node = try store.node("--lookups", "threads", "--workers", "2")
            store.slow.hold()
            do {
                let clients = try (0..<100).map { _ in try node.connect() }
                for (number, client) in clients.enumerated() {
                    try client.send(Client.request("GET", "/\(store.codes[number % 2 * 100])"))
                    if number % 3 == 0 { client.endSending() }
                    var linger = linger(l_onoff: 1, l_linger: 0)
                    if number % 3 == 1 {
                        setsockopt(
                            client.descriptor, SOL_SOCKET, SO_LINGER, &linger,
                            socklen_t(MemoryLayout.size(ofValue: linger)))
                    }
                }
                try node.await(waitingRequests) { $0 == 100 }
            }
            try node.await("edge_connections") { $0 < 100 }
            store.slow.release()
            try node.await("edge_connections") { $0 == 0 }
            try node.await(waitingRequests) { $0 == 0 }
            #expect(try node.sample(lookups) == 2)
            #expect(try node.connect().get("/\(store.codes[0])").status == 302)
        }

        // MARK: The end

        @Test func drainWaitsForLookups() throws {
            let store = try ColdStore()
            let node = try store.node("--lookups", "threads", "--workers", "2")
            let clients = try (0..<8).map { _ in try node.connect() }
            store.slow.hold()
            for (client, code) in zip(clients, store.apart(8)) { try client.send(Client.request("GET", "/\(code)")) }
            try node.await(waitingRequests) { $0 == 8 }
            node.child.signal(SIGTERM)
            _ = try node.log.next("event=draining")
            let deadline = Deadline()
            while try node.connect().get("/health/ready").status == 200, !deadline.isOver {}
            store.slow.release()
            for client in clients {
                let answers = try client.readToEnd()
                #expect(answers.map(\.status) == [302] && answers[0]["connection"] == "close")
            }
            #expect(node.child.wait() == .exited(0))
        }

        /// A disk that hangs for longer than the drain may take does not keep the process.
        @Test func diskThatHangs() throws {
            let store = try ColdStore()
            try attempt("a drain that the writer's disk does not hold up") {
                let node = try store.node("--lookups", "threads", "--workers", "2", "--drain_timeout", "300ms")
                let client = try node.connect()
                store.slow.hold()
                try client.send(Client.request("GET", "/\(store.codes[0])"))
                try node.await(waitingRequests) { $0 == 1 }
                let isDrained = try node.stopDrained()
                #expect(try client.readToEnd().isEmpty)
                store.slow.release()
                return isDrained
            }
            let again = try store.node("--lookups", "threads")
            #expect(try again.connect().get("/\(store.codes[0])").status == 302)
        }

        /// Nor does it if it holds the writer, or a worker that reads the store itself.
        @Test(arguments: [true, false]) func diskThatHoldsAnotherThread(isWriter: Bool) throws {
            let store = try ColdStore()
            let node = try store.node("--lookups", "inline", "--workers", "1", "--drain_timeout", "300ms")
            let client = try node.connect()
            store.slow.hold()
            let creation = #"{"long_url":"https://example.com/","custom_alias":"name"}"#
            try client.send(
                isWriter
                    ? Client.request(
                        "POST", "/shorten",
                        "Content-Type: application/json\r\nContent-Length: \(creation.utf8.count)\r\n") + creation
                    : Client.request("GET", "/\(store.codes[0])"))
            let deadline = Deadline()
            while store.slow.waitingCount == 0, !deadline.isOver { sched_yield() }
            #expect(node.stop() == .exited(1))
            #expect(try node.log.rest().contains { $0.contains("event=drain-cut") })
            store.slow.release()
        }
    }
}
