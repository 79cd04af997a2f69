import Foundation
import Glibc
import Primitives
import Testing

extension NodeTests {
    @Suite struct Crashes {
        /// Every real URL at hand becomes a link while the node is killed again and again; whatever was acknowledged
        /// is there in the end, byte for byte.
        @Test(arguments: [1] as [UInt64]) func realURLs(seed: UInt64) throws {
            print("seed \(seed)")
            var random = SeededRandom(seed: seed)
            let urls = realURLList()
            var waiting = Array(urls.indices)
            var (codes, refused): ([Int: String], [Int]) = ([:], [])
            var node = try RunningNode()
            var kills = 0
            while !waiting.isEmpty {
                // The last life is not cut short; the ones before share the rest of the work.
                let isLast = kills >= 12 || waiting.count < 64
                let limit =
                    isLast ? Int.max : Int.random(in: 1...max(1, 2 * waiting.count / (13 - kills)), using: &random)
                let outcome = try Self.create(waiting.map { urls[$0] }, on: node, killedAfter: limit)
                for (index, answer) in outcome {
                    if answer.status == 201 {
                        codes[waiting[index]] = try answer.string("short_code")
                    } else {
                        answer.expectProblem(422, "invalid-url")
                        refused.append(waiting[index])
                    }
                }
                waiting = waiting.indices.filter { outcome[$0] == nil }.map { waiting[$0] }
                node.child.kill()
                kills += 1
                node = try node.restarted()
            }
            print("\(urls.count) URLs, \(kills) kills, \(refused.count) refused")
            #expect(kills >= 10 || urls.count < 1000)
            try Self.expect(codes, urls, on: node)
            for index in refused { #expect(urls[index].split(separator: "/")[1].contains("@"), "\(urls[index])") }
            node.child.kill()
            let verdict = try Finished(["verify", "--data", node.data])
            #expect(verdict.ending == .exited(0), "seed \(seed): \(verdict.output)\(verdict.error)")
        }

        /// Answers by index, over eight connections with some requests under way on each; the node is killed when
        /// `limit` of them have come, and what had been sent by then is still read.
        private static func create(
            _ urls: [String], on node: RunningNode, killedAfter limit: Int
        ) throws -> [Int: Answer] {
            let clients = try (0..<8).map { _ in try node.connect() }
            var sent: [[Int]] = Array(repeating: [], count: clients.count)
            var (answers, next): ([Int: Answer], Int) = ([:], 0)
            while answers.count < urls.count {
                for (index, client) in clients.enumerated() {
                    while sent[index].count < 16, next < urls.count {
                        try client.send(Client.creation(urls[next], "/api/v1/urls"))
                        sent[index].append(next)
                        next += 1
                    }
                }
                for (index, client) in clients.enumerated() where !sent[index].isEmpty {
                    answers[sent[index].removeFirst()] = try client.read()
                    guard answers.count >= limit else { continue }
                    node.child.kill()
                    for (index, client) in clients.enumerated() {
                        for (url, answer) in zip(sent[index], try client.readToEnd()) { answers[url] = answer }
                    }
                    return answers
                }
            }
            return answers
        }

        private static func expect(_ codes: [Int: String], _ urls: [String], on node: RunningNode) throws {
            let client = try node.connect()
            var encoded = 0
            let order = Array(codes)
            for start in stride(from: 0, to: order.count, by: 100) {
                let some = order[start..<min(start + 100, order.count)]
                try client.send(some.map { Client.request("GET", "/\($0.value)") }.joined())
                for (index, code) in some {
                    let answer = try client.read()
                    #expect(answer.status == 302, "\(code)")
                    if answer["location"] == urls[index] { continue }
                    // An IRI is written as the URI that it means.
                    encoded += 1
                    #expect(
                        try !urls[index].utf8.allSatisfy { (0x21...0x7E).contains($0) }
                            || isEncoded(urls[index], answer))
                }
            }
            #expect(Set(codes.values).count == codes.count)
            print("\(codes.count) links, \(encoded) of them encoded")
            #expect(encoded < 10)
        }

        /// Visible characters that no URI may hold were percent-encoded, and nothing else was changed.
        private static func isEncoded(_ url: String, _ answer: Answer) throws -> Bool {
            let location = try #require(answer["location"])
            return location.contains("%") && location.removingPercentEncoding == url.removingPercentEncoding
        }

        /// A million codes over two hundred lives, and none twice.
        @Test(arguments: [7] as [UInt64]) func codesAcrossKills(seed: UInt64) throws {
            print("seed \(seed)")
            var random = SeededRandom(seed: seed)
            let (wanted, lives) = (1_000_000, 200)
            let start = Deadline.now
            var seen = Set<UInt64>(minimumCapacity: wanted)
            var acknowledged = 0
            var node = try RunningNode(["--workers", "1"])
            for life in 1...lives {
                let share = (wanted - acknowledged) / (lives - life + 1) + 1
                let limit = life == lives ? share : Int.random(in: share / 2...share * 3 / 2, using: &random)
                for number in try IssuingRound(node).codes(killingAfter: limit) {
                    acknowledged += 1
                    #expect(seen.insert(number).inserted, "seed \(seed): a code twice in life \(life)")
                }
                if life < lives { node = try node.restarted(["--workers", "1"]) }
            }
            print("\(acknowledged) codes, \(lives) kills, \((Deadline.now - start) / 1000) s")
            #expect(acknowledged >= wanted)
            let verdict = try Finished(["verify", "--data", node.data])
            #expect(verdict.ending == .exited(0), "seed \(seed): \(verdict.output)\(verdict.error)")
            let match = try #require(verdict.output.firstMatch(of: /sound: (\d+) records/))
            #expect(try #require(Int(match.1)) >= acknowledged)
        }
    }
}

/// One life of a node that does nothing but make links, over many connections, until it is killed.
private struct IssuingRound {
    private static let connections = 96
    private static let requestsAtOnce = 64
    private let node: RunningNode
    private let clients: [Client]
    private let requests: [UInt8]

    init(_ node: RunningNode) throws {
        self.node = node
        clients = try (0..<Self.connections).map { _ in try node.connect() }
        requests = Array(String(repeating: Client.creation("http://a.example"), count: Self.requestsAtOnce).utf8)
    }

    /// The codes of all answers, read as numbers of base 256. The node is killed once there are `limit`.
    func codes(killingAfter limit: Int) throws -> [UInt64] {
        var codes: [UInt64] = []
        var readers = clients.map { CodeReader($0.descriptor) }
        for client in clients { try client.send(requests) }
        let deadline = Deadline()
        while codes.count < limit {
            guard !deadline.isOver else { throw HarnessError("\(codes.count) of \(limit) codes in time") }
            for index in readers.indices where codes.count < limit {
                try readers[index].read(into: &codes, waits: false)
                if readers[index].answers >= Self.requestsAtOnce / 2 {
                    readers[index].answers -= Self.requestsAtOnce / 2
                    try clients[index].send(Array(requests[..<(requests.count / 2)]))
                }
            }
        }
        node.child.kill()
        for index in readers.indices { try readers[index].read(into: &codes, waits: true) }
        return codes
    }
}

/// Takes the codes out of many answers to `POST /shorten`: each has one `"short_url":"http://host:port/CODE"`.
private struct CodeReader {

    private let descriptor: Int32
    private var rest: [UInt8] = []
    var answers = 0

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// Reads what is there; or, if it waits, all until the end of the connection.
    mutating func read(into codes: inout [UInt64], waits: Bool) throws {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EAGAIN {
                guard waits else { return }
                guard Deadline().wait(descriptor, for: POLLIN) else {
                    throw HarnessError("a dead node's connection stays")
                }
                continue
            }
            guard count > 0 else {
                if waits { return }
                throw HarnessError("the node closed a connection")
            }
            rest += buffer[..<count]
            take(&codes)
        }
    }

    /// Whole answers: head, empty line, and a body that ends in `}`. A refusal for the node's cap has no code.
    private mutating func take(_ codes: inout [UInt64]) {
        var start = 0
        while let end = rest[start...].firstIndex(of: UInt8(ascii: "}")) {
            let answer = rest[start...end]
            if let code = Self.code(answer) { codes.append(code) }
            answers += 1
            start = end + 1
        }
        rest.removeSubrange(..<start)
    }

    private static func code(_ answer: ArraySlice<UInt8>) -> UInt64? {
        guard answer.dropFirst("HTTP/1.1 ".utf8.count).first == UInt8(ascii: "2") else { return nil }
        let body = answer.dropLast(2)
        guard let slash = body.lastIndex(of: UInt8(ascii: "/")) else { return nil }
        let code = body[(slash + 1)...]
        precondition(code.count == 7 || code.count == 8, "a code of \(code.count) characters")
        return code.reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// Lines of `shared/data/urls.txt` in a directory above the sources; else a small list.
private func realURLList() -> [String] {
    var directory = URL(filePath: #filePath)
    while directory.path() != "/" {
        directory = directory.deletingLastPathComponent()
        let file = directory.appending(path: "shared/data/urls.txt")
        guard let text = try? String(contentsOf: file, encoding: .utf8) else { continue }
        return text.split(separator: "\n").map(String.init)
    }
    print("no shared/data/urls.txt above the sources: a small list was tested")
    return (0..<4000).map { "https://example.com/%7Ea/\($0)?q=\($0 * 7919)&r=a+b#c-\($0)" }
}
