import Glibc
import Primitives
import Testing

extension NodeTests {
    @Suite struct Framing {
        @Test func pipelinedRedirects() throws {
            let node = try RunningNode()
            let client = try node.connect()
            let codes = try (0..<100).map { try client.create("https://example.com/\($0)") }
            try client.send(codes.map { Client.request("GET", "/\($0)") }.joined())
            for index in codes.indices { #expect(try client.read()["location"] == "https://example.com/\(index)") }
            try client.send(
                codes.map { Client.request("HEAD", "/\($0)") + Client.request("GET", "/\($0)") }.joined())
            for index in codes.indices {
                for isHead in [true, false] {
                    #expect(try client.read(isHead: isHead)["location"] == "https://example.com/\(index)")
                }
            }
        }

        /// More than is answered at once: in order, and all of it.
        @Test func longPipeline() throws {
            let node = try RunningNode()
            let client = try node.connect()
            let url = "https://example.com/" + String(repeating: "a", count: 2000)
            let codes = try (0..<10).map { try client.create("\(url)\($0)") }
            let requests = (0..<5000).map { Client.request("GET", "/\(codes[$0 % 10])") }.joined()
            var rest = Array(requests.utf8)[...]
            var answered = 0
            let deadline = Deadline()
            while answered < 5000, !deadline.isOver {
                rest = rest.dropFirst(rest.isEmpty ? 0 : try client.sendSome(rest))
                while answered < 5000, client.hasInput(withinMilliseconds: rest.isEmpty ? 10_000 : 0) {
                    #expect(try client.read()["location"] == "\(url)\(answered % 10)")
                    answered += 1
                }
            }
            #expect(answered == 5000)
        }

        /// Split at every byte, as two writes and then as one a byte.
        @Test func splitRequests() throws {
            let node = try RunningNode(["--head_timeout", "1h", "--body_timeout", "1h"])
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            let redirect = Client.request("GET", "/\(code)")
            let creation = Client.creation("https://example.com/x")
            let chunked =
                Client.request("POST", "/shorten", "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n")
                + "5;x=y\r\n{\"lon\r\n1f\r\ng_url\":\"https://example.com/x\"}\r\n0\r\nTrailer: x\r\n\r\n"
            for (request, status) in [(redirect, 302), (creation, 201), (chunked, 201)] {
                let bytes = Array(request.utf8)
                for position in 1..<bytes.count {
                    try client.send(Array(bytes[..<position]))
                    try client.send(Array(bytes[position...]))
                    #expect(try client.read().status == status, "\(position)")
                }
                for byte in bytes { try client.send([byte]) }
                #expect(try client.read().status == status)
            }
            #expect(try client.get("/\(code)").status == 302)
        }

        /// A redirect behind a create of its link is answered after it, and finds it.
        @Test(arguments: [1, 2]) func mixedPipelines(seed: UInt64) throws {
            print("seed \(seed)")
            var random = SeededRandom(seed: seed)
            let node = try RunningNode()
            let client = try node.connect()
            for round in 0..<20 {
                var (requests, expected): (String, [(Int, String?)]) = ("", [])
                for index in 0..<50 {
                    let alias = "mixed-\(round)-\(index)"
                    let body = #"{"long_url":"https://example.com/\#(alias)","custom_alias":"\#(alias)"}"#
                    let fields = "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0:
                        requests += Client.request("POST", "/shorten", fields) + body
                        requests += Client.request("GET", "/\(alias)")
                        expected += [(201, "\(node.url)/\(alias)"), (302, "https://example.com/\(alias)")]
                    case 1:
                        requests += Client.request("GET", "/\(alias)")
                        requests += Client.request("POST", "/shorten", fields) + body
                        expected += [(404, nil), (201, "\(node.url)/\(alias)")]
                    case 2:
                        requests += Client.request("GET", "/health")
                        expected.append((200, nil))
                    default:
                        requests += Client.request("POST", "/shorten", fields.replacing("json", with: "xml")) + body
                        expected.append((415, nil))
                    }
                }
                try client.send(requests)
                for (status, location) in expected {
                    let answer = try client.read()
                    #expect(answer.status == status && answer["location"] == location, "seed \(seed)")
                }
            }
        }

        /// The client says that it has sent all: what it sent is answered, whole requests only.
        @Test func halfClose() throws {
            let node = try RunningNode()
            let code = try node.connect().create("https://example.com/")
            let redirect = Client.request("GET", "/\(code)")
            for (requests, expected) in [
                (redirect, [302]), (redirect + redirect, [302, 302]), (Client.creation("https://example.com/"), [201]),
                (redirect + Client.creation("https://example.com/") + redirect, [302, 201, 302]),
                (redirect + "GET /", [302]), (String(Client.creation("https://example.com/").dropLast()), []), ("", []),
            ] {
                let client = try node.connect()
                try client.send(requests)
                client.endSending()
                #expect(try client.readToEnd().map(\.status) == expected)
            }
        }

        /// What follows a refused request is not looked at; nor what follows one that asked for the end.
        @Test func nothingAfterTheEnd() throws {
            let node = try RunningNode()
            let code = try node.connect().create("https://example.com/")
            let before = Client.request("GET", "/\(code)")
            func smuggled(_ name: String) -> String {
                let body = #"{"long_url":"https://example.com/","custom_alias":"\#(name)"}"#
                return Client.request(
                    "POST", "/shorten", "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n")
                    + body
            }
            let ends: [(request: String, status: Int, code: String?)] = [
                ("GET  /\(code) HTTP/1.1\r\nHost: test\r\n\r\n", 400, "malformed-request"),
                ("GET /\(code) HTTP/1.1\r\n\r\n", 400, "malformed-request"),
                (
                    Client.request("POST", "/shorten", "Content-Length: 1\r\nContent-Length: 2\r\n"), 400,
                    "malformed-request"
                ),
                (
                    Client.request("POST", "/shorten", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"), 400,
                    "malformed-request"
                ),
                (Client.request("POST", "/shorten", "Transfer-Encoding: gzip, chunked\r\n"), 501, "not-implemented"),
                (
                    Client.request("POST", "/shorten", "Transfer-Encoding: chunked\r\n") + "x\r\n", 400,
                    "malformed-request"
                ),
                (Client.request("GET", "/\(String(repeating: "a", count: 9000))"), 414, "target-too-long"),
                (Client.request("GET", "/", "A: \(String(repeating: "a", count: 70_000))\r\n"), 431, "head-too-large"),
                (Client.request("GET", "/", "Expect: x\r\n"), 417, "expectation-failed"),
                ("GET / HTTP/2.0\r\nHost: test\r\n\r\n", 505, "version-not-supported"),
                (Client.request("GET", "/\(code)", "Connection: close\r\n"), 302, nil),
                ("GET /\(code) HTTP/1.0\r\n\r\n", 302, nil),
                (Client.request("GET", "/health", "Connection: close\r\n"), 200, nil),
                ("\u{16}\u{3}\u{1}\u{0}\u{5}", 400, "malformed-request"),
            ]
            for (index, end) in ends.enumerated() {
                let client = try node.connect()
                try client.send(before + end.request + smuggled("smuggled-\(index)"))
                let answers = try client.readToEnd()
                #expect(answers.map(\.status) == [302, end.status], "\(end.request.prefix(100))")
                #expect(answers.last?["connection"] == "close")
                if let code = end.code { answers.last?.expectProblem(end.status, code) }
            }
            let client = try node.connect()
            for index in ends.indices { #expect(try client.get("/smuggled-\(index)").status == 404) }
        }

        @Test func oldClients() throws {
            let node = try RunningNode()
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            for _ in 0..<3 {
                try client.send("GET /\(code) HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                let answer = try client.read()
                #expect(answer.status == 302 && answer["connection"] == "keep-alive")
            }
            let body = #"{"long_url":"https://example.com/"}"#
            let fields =
                "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\nExpect: 100-continue\r\n"
            try client.send(Client.request("GET", "/\(code)") + Client.request("POST", "/shorten", fields))
            #expect(try client.read().status == 302)
            #expect(try client.read().status == 100)
            try client.send(body)
            #expect(try client.read().status == 201)
        }
    }
}
