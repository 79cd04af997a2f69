import Foundation
import Testing

@testable import Server
@testable import lab

extension NodeTests {
    /// What is answered from a reader thread is what a worker would have answered.
    @Suite struct ColdAnswers {
        private struct Asked: Equatable {
            var request: String
            var status: Int
            var fields: [String]
            var body: [UInt8]
        }

        private static let forms = [
            ("GET", "1.1", ""), ("GET", "1.1", "Connection: close\r\n"), ("GET", "1.0", ""),
            ("GET", "1.0", "Connection: keep-alive\r\n"), ("HEAD", "1.1", ""), ("HEAD", "1.0", ""),
        ]

        /// Every result in every form, in the order asked, and the access log of it without its times. Each form has a node
        /// of its own, so that all answers come from the store.
        private func everything(_ store: ColdStore, _ paths: [String], _ lookups: String) throws -> [Asked] {
            let log = store.directory.path + "/\(lookups).log"
            var asked: [Asked] = []
            for (method, version, connection) in Self.forms {
                let node = try store.node(
                    "--lookups", lookups, "--workers", "1", "--clock_offset", "1h", "--access_log", log,
                    "--redirect_cache_ttl", "60s")
                for path in paths {
                    let client = try node.connect()
                    let request = "\(method) /\(path) HTTP/\(version)\r\nHost: a\r\n\(connection)\r\n"
                    try client.send(request)
                    let answer = try client.read(isHead: method == "HEAD")
                    #expect(answer.status != 302 || answer["x-served-by"] == "store")
                    let fields = answer.fields.filter { $0.name != "date" }.map { "\($0.name): \($0.value)" }
                    asked.append(Asked(request: request, status: answer.status, fields: fields, body: answer.body))
                }
                #expect(node.stop() == .exited(0))
            }
            let lines = try readText(log).split(separator: "\n").map(String.init).map {
                $0.replacing(#/time=\S+ /#, with: "").replacing(/us=\d+/, with: "")
            }
            #expect(lines.count == asked.count)
            return asked + lines.map { Asked(request: $0, status: 0, fields: [], body: []) }
        }

        @Test func sameAsInline() throws {
            var paths: [String] = []
            let store = try ColdStore(links: 2000) { node in
                let client = try node.connect()
                let damaged = try client.create("https://example.com/to-be-damaged")
                let expired = try client.create("https://example.com/", #","expires_in":60"#)
                let later = try client.create("https://example.com/", #","expires_in":360000"#)
                let alias = try client.create("http://www.example.com/alias", #","custom_alias":"some-name""#)
                let forwarding = try client.create("https://example.com/?a=1#b", #","forward_query":true"#)
                paths = [damaged, expired, later, alias, "no-name", "1zzzzzz", "\(forwarding)?a=2&c=3"]
            } afterwards: { data in
                var bytes = try Data(contentsOf: URL(filePath: data + "/data.mdb"))
                while let place = bytes.range(of: Data("to-be-damaged".utf8)) { bytes[place.lowerBound] = 0x54 }
                try bytes.write(to: URL(filePath: data + "/data.mdb"))
            }
            paths.append(store.codes[0])
            let (inline, threads) = (
                try everything(store, paths, "inline"), try everything(store, paths, "threads")
            )
            for (one, other) in zip(inline, threads) { #expect(one == other) }
            #expect(Set(inline.map(\.status)) == [0, 302, 404, 410, 500])
            #expect(inline.count == threads.count)
            #expect(threads.contains { $0.fields.contains("location: https://example.com/?a=1&c=3#b") })
        }

        /// A 404 takes its token when it is answered, wherever it was looked up.
        @Test func misses() throws {
            let store = try ColdStore(links: 100)
            let node = try store.node("--lookups", "threads", "--workers", "1", "--rate_limit_miss", "1/h burst 2")
            let client = try node.connect()
            #expect(try (0..<3).map { try client.get("/name-\($0)").status } == [404, 404, 429])
            #expect(try client.get("/\(store.codes[0])").status == 302)
        }

        /// Names that are made while others ask for them: nobody who asks after the 201 is told that there is none.
        @Test func whatIsMadeIsFoundAtOnce() throws {
            let node = try RunningNode(["--workers", "4", "--lookups", "threads", "--admin_listen", "127.0.0.1:0"])
            let clients = try (0..<16).map { _ in try node.connect() }
            for number in 0..<50 {
                for client in clients { try client.send(Client.request("GET", "/name-\(number)")) }
                let maker = try node.connect()
                let json = #"{"long_url":"https://example.com/\#(number)","custom_alias":"name-\#(number)"}"#
                #expect(try maker.post("/api/v1/urls", json: json).status == 201)
                for client in clients { #expect([302, 404].contains(try client.read().status)) }
                for client in clients {
                    #expect(try client.get("/name-\(number)")["location"] == "https://example.com/\(number)")
                }
            }
            #expect(try node.sample("edge_reader_lookups_total") >= 50)
        }

        /// A lookup that has read the store, and is held before it tells of it, while the name that it did not find is made:
        /// who asked before may be told that there is none; who asks afterwards joins, and is not.
        @Test func changeDuringALookup() throws {
            let directory = TemporaryDirectory()
            let flags = [
                "data": directory.path + "/data", "listen": "127.0.0.1:0", "admin_listen": "off", "workers": "2",
                "lookups": "threads", "reader_threads": "2", "rate_limit_miss": "off",
            ]
            let node = try Node(Configuration.load(file: nil, flags: flags.map { ($0.key, $0.value) }))
            let gate = Gate()
            node.readers.onFound = { found in
                if found.code == Array("name".utf8) { gate.pass() }
            }
            func client() throws -> Client { try Client(port: node.address.port, of: node) }
            let (before, after, maker) = (try client(), try (0..<8).map { _ in try client() }, try client())
            try before.send(Client.request("GET", "/name"))
            gate.awaitArrival()
            #expect(try maker.create("https://example.com/", #","custom_alias":"name""#) == "name")
            for client in after { try client.send(Client.request("GET", "/name")) }
            let deadline = Deadline()
            while node.readers.figures.joins < 8, !deadline.isOver { sched_yield() }
            gate.open()
            #expect(try before.read().status == 404)
            for client in after { #expect(try client.read()["location"] == "https://example.com/") }
            #expect(node.readers.figures.lookups == 2)
            // Nor does any cache hold what was found first.
            for client in [before] + after { #expect(try client.get("/name").status == 302) }
            node.drain(whileWaiting: {})
        }

        // MARK: Where lookups are made

        /// A store that does not fit in the memory of its control group is read on threads, and inline again once it does.
        @Test func memoryDecides() throws {
            let group = try MemoryGroup(limitBytes: 72 << 20)
            let node = try RunningNode(
                ["--admin_listen", "127.0.0.1:0", "--workers", "1"], limits: group.entrance)
            #expect(try node.sample("edge_lookups_on_threads") == 1)
            #expect(try node.sample("edge_memory_limit_bytes") == Double(72 << 20))
            try group.setLimit(512 << 20)
            try node.await("edge_lookups_on_threads") { $0 == 0 }
            #expect(try node.log.next("event=lookups-moved to=inline").contains("memory_bytes=\(512 << 20)"))
            let code = try node.connect().create("https://example.com/")
            #expect(try node.connect().get("/\(code)").status == 302)
            #expect(try node.sample("edge_reader_lookups_total") == 0)
            #expect(node.stop() == .exited(0))
        }

        /// Workers tell how often they waited for the disk: never for a link, where reader threads do it.
        @Test func majorFaults() throws {
            let store = try ColdStore(readMilliseconds: 1)
            for (lookups, waits) in [("inline", true), ("threads", false)] {
                let node = try store.node("--workers", "1", "--lookups", lookups)
                let client = try node.connect()
                for code in store.apart(40) { #expect(try client.get("/\(code)").status == 302) }
                let reads = store.slow.readCount
                #expect(reads > 0)
                if waits {
                    try node.await("edge_worker_major_faults_total") { $0 >= 10 }
                } else {
                    #expect(try node.sample("edge_reader_lookups_total") == 40)
                    try node.await("edge_worker_wakeups_total") { $0 > 45 }
                    #expect(try node.sample("edge_worker_major_faults_total") < 10)
                }
            }
        }
    }
}

/// Holds who passes, until it is opened.
private final class Gate: @unchecked Sendable {
    // Safety: pipes are the system's.
    private let (arrivals, openings) = (makePipe(), makePipe())
    private var byte: UInt8 = 0

    func pass() {
        var byte: UInt8 = 0
        write(arrivals.writing, &byte, 1)
        read(openings.reading, &byte, 1)
    }

    func awaitArrival() { read(arrivals.reading, &byte, 1) }

    /// For good.
    func open() { close(openings.writing) }

    deinit { for end in [arrivals.reading, arrivals.writing, openings.reading] { close(end) } }
}
