import Glibc
import Server
import Testing

private let kept = "edge_kept_bytes"
private func shed(_ reason: String) -> String { "edge_shed_requests_total{reason=\"\(reason)\"}" }

@Suite struct CallGateTests {
    @Test func bytes() {
        let gate = CallGate()
        #expect(gate.enter(bytes: CallGate.queuedBytes, at: 0) == nil)
        #expect(gate.enter(bytes: 1, at: 0) == .tooManyBytes)
        #expect(gate.waitingBytes == CallGate.queuedBytes)
        gate.end(bytes: 1)
        #expect(gate.enter(bytes: 1, at: 0) == nil)
        gate.end(bytes: CallGate.queuedBytes)
        #expect(gate.waitingBytes == 0)
    }

    /// When the request in work came, when one asks, and what it is told.
    @Test(
        arguments: [
            (nil, 1 << 40, nil), (0, 500_000, nil), (0, 500_001, .tooOld), (7, 500_007, nil), (7, 500_008, .tooOld),
            (600_000, 500_000, nil),
        ] as [(Int64?, Int64, CallGate.Refusal?)])
    func age(since: Int64?, now: Int64, refusal: CallGate.Refusal?) {
        let gate = CallGate()
        if let since { gate.begin(since: since) }
        #expect(gate.enter(bytes: 1, at: now) == refusal)
        gate.rest()
        #expect(gate.enter(bytes: 1, at: now) == nil)
        #expect(gate.waitingBytes == (refusal == nil ? 2 : 1))
    }
}

extension NodeTests {
    @Suite struct Overload {
        private static let bodyBytes = 4 << 20
        private func bodyHead(_ count: Int = bodyBytes) -> String {
            Client.request("POST", "/shorten", "Content-Type: application/json\r\nContent-Length: \(count)\r\n")
        }

        private func node(_ flags: String...) throws -> RunningNode {
            try RunningNode(["--admin_listen", "127.0.0.1:0", "--workers", "1"] + flags)
        }

        /// A declared size costs nothing; what has come of bodies is bounded in all, and who asks for little is served.
        @Test func unfinishedBodies() throws {
            let node = try node("--body_timeout", "1h")
            let other = try node.connect()
            let before = try node.child.privateBytes
            let declaring = try (0..<200).map { _ in try node.connect() }
            for client in declaring { try client.send(bodyHead()) }
            #expect(try other.get("/health").status == 200)
            #expect(try node.child.privateBytes - before < 4 << 20)
            let part = [UInt8](repeating: 0x20, count: Self.bodyBytes - 1)
            for client in declaring.prefix(24) {
                // Whoever is refused meets a closed connection.
                try? client.send(part)
                #expect(try other.get("/health").status == 200)
            }
            try node.await(shed("kept_bytes")) { $0 >= 8 }
            let answered = declaring.prefix(24).filter { $0.hasInput(withinMilliseconds: 0) }
            for client in answered {
                // Whoever was still sending may meet the reset before the answer.
                guard let answer = try? client.read() else { continue }
                #expect(answer.status == 503 && answer["retry-after"] == "1")
                #expect(try answer.string("code") == "overloaded")
            }
            #expect(!answered.isEmpty)
            // What comes last is counted before it is refused.
            try node.await(kept) { $0 <= Double(64 << 20) }
            // Twice what is kept: arrays grow by doubling.
            #expect(try node.child.privateBytes - before < 160 << 20)
            #expect(try !other.create("https://example.com/").isEmpty)
            withExtendedLifetime(declaring) {}
        }

        /// What waits for the API is bounded: more is refused at once, redirects go on, and it is soon over.
        @Test func whatWaitsForTheAPI() throws {
            let node = try node()
            let other = try node.connect()
            let code = try other.create("https://example.com/")
            func client(_ body: [UInt8]) throws -> Client {
                let client = try node.connect()
                try client.send(Array(bodyHead(body.count).utf8) + body)
                return client
            }
            // A destination that takes long to be refused, and bodies of the same size that do not.
            let url = String(repeating: "\\u00e9", count: (Self.bodyBytes - 40) / 6)
            let body = Array(#"{"long_url":"\#(url)"}"#.utf8)
            var slow = try (0..<4).map { _ in try client(body) }
            let quick = try (0..<20).map { _ in try client([UInt8](repeating: 0x20, count: Self.bodyBytes)) }
            let deadline = Deadline()
            var asking: [Client] = []
            while try node.sample(shed("queue_age")) == 0, !deadline.isOver {
                // What was sent may have been worked off before anybody asked.
                if slow.allSatisfy({ $0.hasInput(withinMilliseconds: 0) }) {
                    slow += try (0..<4).map { _ in try client(body) }
                }
                asking.append(try node.connect())
                try asking.last!.send(Client.creation("https://example.com/"))
                #expect(try other.get("/\(code)").status == 302)
            }
            #expect(try node.sample(shed("queue_age")) >= 1)
            for (clients, status) in [(slow, 422), (quick, 400), (asking, 201)] {
                for client in clients {
                    let answer = try client.read()
                    #expect([status, 503].contains(answer.status))
                    guard answer.status == 503 else { continue }
                    #expect(answer["retry-after"] == "1")
                    #expect(try answer.string("code") == "overloaded")
                }
            }
            var answer = try other.post("/shorten", json: #"{"long_url":"https://example.com/"}"#)
            while answer.status == 503, !deadline.isOver {
                answer = try other.post("/shorten", json: #"{"long_url":"https://example.com/"}"#)
            }
            #expect(answer.status == 201)
            try node.await(kept) { $0 == 0 }
        }
    }
}
