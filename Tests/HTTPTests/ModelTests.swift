import HTTP
import Primitives
import Testing

/// Compares the reader with the slow model on made-up requests, whole and damaged.
@Suite struct ModelTests {
    @Test(arguments: 0..<64 as Range<UInt64>)
    func readerAgreesWithModel(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var delivered = 0
        for round in 0..<150 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 1...3, using: &random) { bytes += Self.request(&random) }
            for _ in 0..<[0, 0, 1, 1, 2, 4].randomElement(using: &random)! { Self.damage(&bytes, &random) }
            let events = read(bytes)
            let model = ModelReader.read(bytes)
            delivered += events.count - 1
            #expect(
                events.map(Self.modelled) == model,
                "seed \(seed), round \(round): \(String(decoding: bytes, as: UTF8.self).debugDescription)")
            fuzzRequestReader(bytes.span.bytes)
        }
        #expect(delivered > 100, "seed \(seed): most inputs ought to say something")
    }

    /// The reader's event as the model would say it: lines again, from the head's bytes.
    private static func modelled(_ event: ReadEvent) -> ModelReader.Event {
        switch event {
        case .request(let head, let bytes): .request(request(head, bytes, body: [], hasBody: false))
        case .message(let message):
            .request(request(message.head, message.headBytes, body: message.body, hasBody: true))
        case .continueExpected: .continueExpected
        case .refused(let refusal): .refused(refusal.status)
        case .ended: .ended
        }
    }

    private static func request(
        _ head: RequestHead, _ bytes: [UInt8], body: [UInt8], hasBody: Bool
    ) -> ModelReader.Request {
        let text = String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
        var lines = text.unicodeScalars.split(separator: "\r\n".unicodeScalars).map { String($0) }
        return ModelReader.Request(
            line: lines.removeFirst(), lines: lines, body: body, hasBody: hasBody, keepsAlive: head.keepsAlive)
    }

    private static let methods = ["GET", "GET", "GET", "POST", "HEAD", "PUT", "OPTIONS", "CONNECT", "X-Y"]
    private static let targets = [
        "/", "/abc", "/a/b?c=d", "/%41?%42", "*", "http://a.example", "https://[::1]:80/x?y", "http://a@b/", "a", "/#",
        "/%4",
    ]
    private static let lines = [
        "Accept: */*", "User-Agent: Mozilla/5.0 (X11; Linux x86_64)", "Connection: close", "Connection: keep-alive",
        "Connection: a, \"b,close\" , keep-alive", "Cookie: a=b", "X: \u{e9}\t.", "Expect: 100-continue", "Expect: x",
        "Host: b", "Content-Length: 4", "Content-Length: 04", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip , chunked", "Authorization: Bearer x", "If-None-Match: \"a\"", "Empty:",
        "X-Forwarded-For: 1",
    ]
    private static let hosts = ["a", "a.example:80", "[::1]", "[1:2:3:4:5:6:1.2.3.4]:", "a%20b", "[v1.x]:1", "1.2.3.4"]
    private static let bodies = [
        "", "", "", "abcd", "0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n", "2;a=\"b\\\"\"\r\nab\r\n00 ; c\r\nX: y\r\n\r\n",
        "4\r\nabcd\r\n1 ;b = c;d\r\ne\r\n0\r\n\r\n",
    ]

    private static func request(_ random: inout SeededRandom) -> [UInt8] {
        var text = Int.random(in: 0..<10, using: &random) == 0 ? "\r\n" : ""
        let version = Int.random(in: 0..<6, using: &random) == 0 ? "HTTP/1.0" : "HTTP/1.1"
        let method = methods.randomElement(using: &random)!
        text +=
            "\(method) \(targets.prefix(method == "OPTIONS" ? 11 : 4).randomElement(using: &random)!) \(version)\r\n"
        text += "Host: \(hosts.randomElement(using: &random)!)\r\n"
        let pick = Int.random(in: 0..<8, using: &random)
        if pick < 2 { text += "Transfer-Encoding: chunked\r\n" }
        if pick == 2 { text += "Content-Length: 4\r\n" }
        let common = Bool.random(using: &random) ? 6 : lines.count
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            text += lines.prefix(common).randomElement(using: &random)! + "\r\n"
        }
        text += "\r\n"
        if pick < 2 { text += bodies.suffix(4).randomElement(using: &random)! }
        if pick == 2 { text += "abcd" }
        if pick == 3 { text += bodies.randomElement(using: &random)! }
        return Array(text.utf8)
    }

    private static let spice = Array("\r\n \t:;,=/?%#\"\\\0\u{7f}[]@-aF09".utf8) + [0x80, 0xFF]

    private static func damage(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
        guard !bytes.isEmpty else { return }
        let index = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes.remove(at: index)
        case 1: bytes.insert(spice.randomElement(using: &random)!, at: index)
        case 2: bytes[index] = spice.randomElement(using: &random)!
        case 3: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 4: bytes.removeLast(min(bytes.count, Int.random(in: 0..<20, using: &random)))
        default:
            let end = min(bytes.count, index + Int.random(in: 0..<40, using: &random))
            bytes.insert(contentsOf: bytes[index..<end], at: Int.random(in: 0..<bytes.count, using: &random))
        }
    }
}
