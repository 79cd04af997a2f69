import Dispatch
import Foundation
import Links
import Primitives
import Store
import Synchronization
import Testing

@testable import Server

/// Calls to a cache that a test stands in for: every way in which one can fail.
@Suite(.serialized) struct PurgerTests {
    /// A store with links, and who is to be told of their changes.
    final class Subject {
        let directory = TemporaryDirectory()
        let store: Store
        var limits = PurgeLimits()
        private(set) var purger: Purger!
        private(set) var links: [CreatedLink] = []

        init(links count: Int) throws {
            let region = StoreSettings.Region(name: "local", character: RegionCharacter(UInt8(ascii: "1"))!)
            store = try Store(
                StoreSettings(
                    directory: directory.path + "/data", regions: [region], region: region, mapSizeBytes: 1 << 28,
                    now: { Instant(milliseconds: System.wallMilliseconds()) }, mustEnd: { fatalError($0) }))
            (limits.firstPauseMilliseconds, limits.longestPauseMilliseconds, limits.saveMilliseconds) = (5, 20, 10)
            for index in 0..<count {
                var body = LinkBody()
                body.destination = Array("https://example.com/\(index)".utf8)
                links.append(try done { store.create(NewLink(body: body), completion: $0) })
            }
        }

        deinit {
            purger?.close()
            store.close()
        }

        func start(port: UInt16, _ path: String = "/{code}", _ method: PurgeMethod = .purge) throws {
            purger = try Purger(
                store, directory: directory.path + "/data", try #require(PurgeURL("http://127.0.0.1:\(port)" + path)),
                method, publicURL: "https://sho.rt", limits: limits,
                now: { Instant(milliseconds: System.wallMilliseconds()) })
            purger.start()
        }

        func stop() {
            purger.close()
            purger = nil
        }

        private func done(_ begin: (@escaping Store.Completion) -> Void) throws -> CreatedLink {
            let finished = DispatchSemaphore(value: 0)
            let result = Mutex<Result<CreatedLink, WriteError>?>(nil)
            begin { outcome in
                result.withLock { $0 = outcome }
                finished.signal()
            }
            finished.wait()
            return try result.withLock { $0! }.get()
        }

        /// Changes every link once; their codes as targets.
        @discardableResult
        func change(_ change: LinkChange? = nil) throws -> [String] {
            try links.map { link in
                var body = LinkBody()
                body.destination = Array("https://example.org/".utf8)
                _ = try done { store.change(link.key, change ?? .update(body), completion: $0) }
                return "/" + String(decoding: link.code, as: UTF8.self)
            }
        }

        func wait(_ what: String, _ isSo: () throws -> Bool) throws {
            let deadline = Deadline()
            while try !isSo() {
                guard !deadline.isOver else { throw HarnessError("it did not come to this: \(what)") }
                poll(nil, 0, 5)
            }
        }

        /// The letters as objects.
        func letters(_ name: String = PurgeLetters.name) throws -> [[String: String]] {
            guard let text = try? readText(directory.path + "/data/" + name) else { return [] }
            return try text.split(separator: "\n").map {
                try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: String])
            }
        }
    }

    private func subject(links count: Int = 1, _ change: (inout PurgeLimits) -> Void = { _ in }) throws -> Subject {
        let subject = try Subject(links: count)
        change(&subject.limits)
        return subject
    }

    /// What was there before is not told, nor what is made; what is changed and deleted is, over one connection.
    @Test func changesAlone() throws {
        let (subject, server) = (try subject(links: 5) { $0.senders = 1 }, try PurgeServer())
        defer { server.stop() }
        try subject.start(port: server.port)
        let targets = try subject.change()
        #expect(try subject.change(.delete) == targets)
        try subject.wait("all are told") { subject.purger.figures.done.value == 10 }
        #expect(server.targets == targets + targets && server.connectionCount == 1)
        let request = try #require(server.requests.first)
        #expect(request.method == "PURGE")
        #expect(request.fields.contains("Host: sho.rt"), "as users ask for it")
        #expect(request.fields.contains("Surrogate-Key: \(targets[0].dropFirst())"))
        #expect(subject.purger.figures.waiting.load(ordering: .relaxed) == 0)
        #expect(subject.purger.figures.retried.value == 0)
        #expect(try subject.letters().isEmpty)
    }

    /// A block and its end are changes of the answer; a report is none, nor is a line of the audit trail.
    @Test func blocks() throws {
        let (subject, server) = (try subject(links: 2), try PurgeServer())
        defer { server.stop() }
        try subject.start(port: server.port)
        let targets = subject.links.map { "/" + String(decoding: $0.code, as: UTF8.self) }
        for (calls, isBlocked) in [(1, true), (2, false)] as [(UInt64, Bool)] {
            subject.store.report(
                7, ReportBody(subject.links[1].key, category: "spam", reportedAt: .init(milliseconds: 1))
            ) {
                _ in
            }
            subject.store.moderate(
                BlockWrite(
                    key: subject.links[0].key, isBlocked: isBlocked, source: .decision, reason: "", by: [])
            ) { _ in }
            try subject.wait("the cache is told") { subject.purger.figures.done.value == calls }
        }
        #expect(server.targets == [targets[0], targets[0]])
        #expect(try subject.change() == targets)
        try subject.wait("what was behind it is done") { subject.purger.figures.done.value == 4 }
        #expect(server.targets.count == 4 && Set(server.targets[2...]) == Set(targets))
    }

    @Test func post() throws {
        let (subject, server) = (try subject(), try PurgeServer { _, _ in .status(404) })
        defer { server.stop() }
        try subject.start(port: server.port, "/purge?key={code}&soft=1", .post)
        let code = try subject.change()[0].dropFirst()
        try subject.wait("what is not kept is done with") { subject.purger.figures.done.value == 1 }
        let request = try #require(server.requests.first)
        #expect(request.method == "POST" && request.target == "/purge?key=\(code)&soft=1")
        #expect(request.fields.contains("Host: 127.0.0.1:\(server.port)"))
        #expect(request.fields.contains("Content-Length: 0"))
    }

    /// Errors, silence and connections that end: tried again until it is done.
    @Test(arguments: [PurgeServer.Reply.status(500), .status(302), .silence, .hangUp])
    func retry(reply: PurgeServer.Reply) throws {
        let subject = try subject { $0.answerMilliseconds = 50 }
        let server = try PurgeServer { _, index in index < 3 ? reply : .status(200) }
        defer { server.stop() }
        try subject.start(port: server.port)
        let targets = try subject.change()
        try subject.wait("it is done") { subject.purger.figures.done.value == 1 }
        // Where the answer alone is late, the next try may be there before it.
        #expect(server.targets.count >= 4 && Set(server.targets) == Set(targets))
        #expect(subject.purger.figures.retried.value >= 3 && subject.purger.figures.failed.value == 0)
    }

    @Test func refused() throws {
        let (subject, first) = (try subject(links: 2) { $0.tries = 1000 }, try PurgeServer())
        first.stop()
        try subject.start(port: first.port)
        let targets = try subject.change()
        try subject.wait("nobody is there") { subject.purger.figures.retried.value >= 4 }
        let server = try PurgeServer(port: first.port)
        defer { server.stop() }
        try subject.wait("it is done") { subject.purger.figures.done.value == 2 }
        #expect(Set(server.targets) == Set(targets))
    }

    /// Nobody answers a SYN there, so connecting itself has to end.
    @Test func connectTimeout() throws {
        let sender = PurgeSender(
            try #require(PurgeURL("http://192.0.2.1:9/{code}")), .purge, publicHost: "sho.rt",
            PurgeLimits(connectMilliseconds: 50))
        let failure = try #require(sender.send("abc"))
        #expect(failure == "no answer in time" || failure.hasPrefix("no connection"), "\(failure)")
    }

    /// A server that closes each connection costs connections, and no try.
    @Test func closedConnections() throws {
        let (subject, server) = (try subject(links: 8) { $0.senders = 1 }, try PurgeServer { _, _ in .lastStatus(200) })
        defer { server.stop() }
        try subject.start(port: server.port)
        let targets = try subject.change()
        try subject.wait("all are told") { subject.purger.figures.done.value == 8 }
        #expect(Set(server.targets) == Set(targets) && server.connectionCount >= 8)
        #expect(subject.purger.figures.retried.value == 0)
    }

    /// Given up, written down, and not tried again by the next life.
    @Test func deadLetters() throws {
        let (subject, server) = (try subject(links: 3) { $0.tries = 2 }, try PurgeServer { _, _ in .status(503) })
        defer { server.stop() }
        try subject.start(port: server.port)
        let targets = try subject.change()
        try subject.wait("all are given up") { subject.purger.figures.failed.value == 3 }
        let letters = try subject.letters()
        #expect(Set(letters.map { "/" + ($0["code"] ?? "") }) == Set(targets))
        for letter in letters {
            #expect(letter["error"] == "the answer was 503" && letter.count == 3)
            #expect(letter["at"].flatMap { Instant(rfc3339: $0) } != nil)
        }
        #expect(server.requests.count == 6 && subject.purger.figures.retried.value == 3)
        subject.stop()
        try subject.start(port: server.port)
        server.answer { _, _ in .status(200) }
        let again = try subject.change()
        try subject.wait("it goes on") { subject.purger.figures.done.value == 3 }
        #expect(server.requests.count == 9 && Set(server.targets.suffix(3)) == Set(again))
    }

    @Test func lettersAreBounded() throws {
        let directory = TemporaryDirectory()
        let line = PurgeLetters.line(at: Instant(milliseconds: 0), code: "a\"b", error: "x\n")
        #expect(line == Array(#"{"at":"1970-01-01T00:00:00Z","code":"a\"b","error":"x\n"}"#.utf8) + [0x0a])
        let letters = PurgeLetters(directory: directory.path, limitBytes: 3 * line.count)
        for _ in 0..<8 { #expect(letters.write(line)) }
        #expect(try names(below: directory.path).sorted() == ["purge-dead-letters", "purge-dead-letters-old"])
        #expect(try readText(directory.path + "/purge-dead-letters").utf8.count == 2 * line.count)
        #expect(try readText(directory.path + "/purge-dead-letters-old").utf8.count == 3 * line.count)
        #expect(!PurgeLetters(directory: directory.path + "/none", limitBytes: 1).write(line))
    }

    /// What does not fit into memory waits in the log.
    @Test func fullQueue() throws {
        let subject = try subject(links: 30) { ($0.waiting, $0.answerMilliseconds, $0.tries) = (4, 50, 1_000_000) }
        let server = try PurgeServer { _, _ in .silence }
        defer { server.stop() }
        try subject.start(port: server.port)
        let targets = try subject.change()
        try subject.wait("it is full") { subject.purger.figures.waiting.load(ordering: .relaxed) == 4 }
        try subject.wait("and stays so") { subject.purger.figures.retried.value > 8 }
        #expect(subject.purger.figures.waiting.load(ordering: .relaxed) == 4 && Set(server.targets).count <= 4)
        server.answer { _, _ in .status(200) }
        try subject.wait("all are told") { subject.purger.figures.done.value == 30 }
        #expect(Set(server.targets) == Set(targets))
    }

    /// What was owed is made up for by the next life, and by that alone.
    @Test func restart() throws {
        let subject = try subject(links: 20) { ($0.senders, $0.answerMilliseconds) = (1, 50) }
        let server = try PurgeServer { _, index in index < 5 ? .status(200) : .silence }
        defer { server.stop() }
        try subject.start(port: server.port)
        let targets = try subject.change()
        try subject.wait("some are told") { subject.purger.figures.retried.value > 0 }
        subject.stop()
        let before = server.requests.count
        server.answer { _, _ in .status(200) }
        try subject.start(port: server.port)
        try subject.wait("the rest is told") { subject.purger.figures.done.value >= 15 }
        #expect(subject.purger.figures.done.value == 15)
        #expect(Set(server.targets[before...]) == Set(targets[5...]))
    }

    /// Nobody knows what was done: all that the log has is told again.
    @Test func damagedPosition() throws {
        let (subject, server) = (try subject(links: 3), try PurgeServer())
        defer { server.stop() }
        try subject.start(port: server.port)
        try subject.change()
        try subject.wait("all are told") { subject.purger.figures.done.value == 3 }
        subject.stop()
        let path = subject.directory.path + "/data/" + Purger.positionName
        try Data((readText(path).dropLast(5) + "A\n").utf8).write(to: URL(filePath: path))
        try subject.start(port: server.port)
        try subject.wait("all are told again") { subject.purger.figures.done.value == 3 }
        #expect(server.targets.count == 6)
    }
}
