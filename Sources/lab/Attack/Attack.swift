import Glibc

/// One class of attacks.
struct Attack: Sendable {
    let name: String
    var isFlood = false
    let run: @Sendable (AttackTarget, inout AttackReport) -> Void

    static let all = [
        Attack(name: "smuggling") { smuggle(framing, $0, &$1) },
        Attack(name: "malformed requests") { smuggle(malformed, $0, &$1) },
        Attack(name: "splitting", run: split),
        Attack(name: "destinations inside") { shorten(insideURLs, expecting: [400, 422], $0, &$1) },
        Attack(name: "destinations outside") { shorten(outsideURLs, expecting: [201], $0, &$1) },
        Attack(name: "hard bodies", run: sendHardBodies),
        Attack(name: "endless requests", run: sendEndlessly),
        Attack(name: "slow clients", run: beSlow),
        Attack(name: "flood of connections", isFlood: true, run: floodConnections),
        Attack(name: "flood of unknown codes", isFlood: true, run: floodUnknownCodes),
        Attack(name: "flood of creates", isFlood: true, run: floodCreates),
    ]

    /// Each head stands between an ordinary request and a create: the first must be answered, the head refused, and
    /// what follows must not be carried out.
    private static func smuggle(_ heads: [(String, [Int])], _ target: AttackTarget, _ report: inout AttackReport) {
        for (index, (head, expected)) in heads.enumerated() {
            let alias = "smuggled-\(index)-\(report.tried)-\(heads.count)"
            guard let client = try? target.connect(), let witness = try? target.connect() else {
                return report.note("no connection")
            }
            client.send(
                Array((Request.get("/\(target.code)") + head).utf8) + Request.create("https://a.example/", alias: alias)
            )
            let statuses = client.answers(upTo: 9).map(\.status)
            witness.send(Request.get("/\(alias)"))
            let carriedOut = witness.answers(upTo: 1).first?.status != 404
            let isRight = statuses.count == 2 && statuses[0] == 302 && expected.contains(statuses[1]) && client.isClosed
            report.add(statuses.dropFirst().first, isRight && !carriedOut, String(head.prefix(120)))
        }
    }

    private static func shorten(
        _ urls: [String], expecting expected: [Int], _ target: AttackTarget, _ report: inout AttackReport
    ) {
        guard let client = try? target.connect() else { return report.note("no connection") }
        for url in urls {
            client.send(Request.create(url))
            let answer = client.answers(upTo: 1).first
            report.add(answer?.status, expected.contains(answer?.status ?? 0), url)
        }
    }

    /// Lines in paths, queries and members: none may begin a line of an answer.
    private static func split(_ target: AttackTarget, _ report: inout AttackReport) {
        guard let client = try? target.connect() else { return report.note("no connection") }
        let lines = [
            "\r\nX-Split: 1", "\n X-Split: 1", "\r\n\r\n<script>", "\u{2028}X-Split: 1", "\u{85}X-Split: 1", "\0",
        ]
        for line in lines {
            let encoded = line.utf8.map { "%" + (String($0, radix: 16).count < 2 ? "0" : "") + String($0, radix: 16) }
                .joined()
            for request in [
                Array(Request.get("/\(encoded)").utf8), Array(Request.get("/problems/\(encoded)").utf8),
                Array(Request.get("/api/v1/urls/\(encoded)").utf8), Request.create("https://a.example/\(line)"),
                Request.create("https://a\(line).example/"), Request.create("https://a.example/", alias: "a\(line)"),
            ] {
                client.send(request)
                let answer = client.answers(upTo: 1).first
                let isRight = answer.map { [400, 404, 422, 201].contains($0.status) && !$0.head.contains("X-Split") }
                report.add(answer?.status, isRight ?? false, String(decoding: request.prefix(150), as: UTF8.self))
            }
            let url = "https://a.example/?next=\(encoded)"
            client.send(Request.create(url))
            let answer = client.answers(upTo: 1).first
            let place = answer?.head.split(separator: "\r\n").first { $0.hasPrefix("Location: ") }
            guard let path = place?.split(separator: "/").last else {
                report.add(answer?.status, false, url)
                continue
            }
            client.send(Request.get("/\(path)"))
            let jump = client.answers(upTo: 1).first
            let isUnchanged = jump?.head.split(separator: "\r\n").contains { $0 == "Location: \(url)" } == true
            report.add(jump?.status, isUnchanged, url)
        }
    }

    /// Bodies that cost a careless reader its stack, its memory or its time.
    private static func sendHardBodies(_ target: AttackTarget, _ report: inout AttackReport) {
        func many(_ text: String, _ count: Int) -> [UInt8] { (0..<count).flatMap { _ in Array(text.utf8) } }
        let bodies: [(String, [UInt8])] = [
            ("4 MiB of [", many("[", 4 << 20)), ("a million of {\"a\":", many("{\"a\":", 800_000)),
            ("a number of a million digits", Array("{\"long_url\":".utf8) + many("9", 1_000_000) + [0x7d]),
            ("1e999999999", Array("{\"long_url\":1e999999999}".utf8)),
            ("a string of 4 MiB", Array("{\"long_url\":\"".utf8) + many("a", 4_000_000) + Array("\"}".utf8)),
            ("a million members", [0x7b] + many("\"a\":1,", 600_000) + Array("\"b\":1}".utf8)),
            ("a million escapes", Array("{\"long_url\":\"".utf8) + many("\\u0041", 600_000) + Array("\"}".utf8)),
            ("half a surrogate pair", Array(#"{"long_url":"https://a.example/\ud800"}"#.utf8)),
            ("invalid UTF-8", Array("{\"long_url\":\"https://a.example/".utf8) + [0xff, 0xfe] + Array("\"}".utf8)),
            ("nothing", []), ("a byte order mark", [0xef, 0xbb, 0xbf] + Array("{}".utf8)), ("NaN", Array("NaN".utf8)),
        ]
        for (what, body) in bodies {
            guard let client = try? target.connect() else { return report.note("no connection") }
            client.send(Request.post(body))
            let status = client.answers(upTo: 1).first?.status
            report.add(status, [400, 413, 422].contains(status ?? 0), what)
        }
    }

    /// Heads, chunks and lines without an end: cut early, and the refusal can still be read.
    private static func sendEndlessly(_ target: AttackTarget, _ report: inout AttackReport) {
        let json = "POST /api/v1/urls HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        let cases: [(what: String, start: String, part: String, expected: [Int])] = [
            ("a path", "GET /", "aaaaaaaa", [414]), ("a method", "", "AAAAAAAA", [414, 501]),
            ("a field", "GET / HTTP/1.1\r\nHost: a\r\nA: ", "aaaaaaaa", [431]),
            ("fields", "GET / HTTP/1.1\r\nHost: a\r\n", "A: a\r\n", [431]),
            ("a body", json + "Content-Length: 9999999999\r\n\r\n", "aaaaaaaa", [413]),
            ("chunks", json + "Transfer-Encoding: chunked\r\n\r\n", "8\r\naaaaaaaa\r\n", [413]),
            (
                "chunks of one byte with extensions", json + "Transfer-Encoding: chunked\r\n\r\n",
                "1;a=a-value-without-meaning\r\na\r\n", [400]
            ),
            ("a chunk's size", json + "Transfer-Encoding: chunked\r\n\r\n", "00000000", [400]),
            ("trailers", json + "Transfer-Encoding: chunked\r\n\r\n0\r\n", "A: a\r\n", [431]),
            ("empty lines", "", "\r\n\r\n\r\n\r\n", [400, 431]),
        ]
        for (what, start, part, expected) in cases {
            guard let client = try? target.connect() else { return report.note("no connection") }
            let parts = [UInt8](String(repeating: part, count: (8 << 20) / part.utf8.count).utf8)
            client.send(Array(start.utf8) + parts)
            let status = client.answers(upTo: 1).first?.status
            report.add(status, expected.contains(status ?? 0), what)
        }
    }
}
