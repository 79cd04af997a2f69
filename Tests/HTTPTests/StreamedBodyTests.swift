import HTTP
import Testing

/// Bodies that are taken as they come.
@Suite struct StreamedBodyTests {
    private let head = "POST /in HTTP/1.1\r\nHost: a\r\n"

    /// The body of a request that is streamed, read in pieces of so many bytes, and how it ended.
    private func stream(_ request: String, piece: Int) -> (content: String, outcome: StreamedBody.Outcome)? {
        let bytes = Array(request.utf8)
        var reader = RequestReader()
        guard case .stream(let message, var body, let consumed) = next(&reader, bytes) else { return nil }
        #expect(message.path == "/in" && message.body.isEmpty)
        guard case .ended = next(&reader, Array(bytes[consumed...])) else { return nil }
        var (content, unread, rest) = ([UInt8](), [UInt8](), bytes[consumed...])
        while true {
            let (taken, outcome) = body.decode(unread.span.bytes, into: &content)
            unread.removeFirst(taken)
            if outcome != .incomplete || rest.isEmpty { return (String(decoding: content, as: UTF8.self), outcome) }
            unread += rest.prefix(piece)
            rest = rest.dropFirst(piece)
        }
    }

    private func next(_ reader: inout RequestReader, _ bytes: [UInt8]) -> RequestReader.Step {
        reader.next(bytes.span.bytes, ended: false) { $0.method == .post && $1.byteCount > 0 }
    }

    @Test(arguments: [1, 2, 7, 1000]) func bodies(piece: Int) throws {
        let fixed = try #require(stream(head + "Content-Length: 5\r\n\r\nhello", piece: piece))
        #expect(fixed == ("hello", .complete))
        let cut = try #require(stream(head + "Content-Length: 6\r\n\r\nhello", piece: piece))
        #expect(cut == ("hello", .incomplete))
        let chunked = head + "Transfer-Encoding: chunked\r\n\r\n"
        let whole = try #require(stream(chunked + "3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\nT: x\r\n\r\n", piece: piece))
        #expect(whole == ("hello", .complete))
        let open = try #require(stream(chunked + "3\r\nhel\r\n", piece: piece))
        #expect(open == ("hel", .incomplete))
        let wrong = try #require(stream(chunked + "3\r\nhelX\r\n", piece: piece))
        #expect(wrong.outcome == .refused(.malformed))
    }

    /// Longer than any body that is gathered.
    @Test func isNotBounded() throws {
        let size = Limits.bodyBytes + 1
        let text = String(repeating: "x", count: size)
        let fixed = try #require(stream(head + "Content-Length: \(size)\r\n\r\n" + text, piece: 1 << 16))
        #expect(fixed.outcome == .complete && fixed.content.utf8.count == size)
        let chunks = "Transfer-Encoding: chunked\r\n\r\n\(String(size, radix: 16))\r\n"
        let chunked = try #require(stream(head + chunks + text + "\r\n0\r\n\r\n", piece: 1 << 16))
        #expect(chunked.outcome == .complete && chunked.content.utf8.count == size)
    }

    @Test func otherBodiesAreBounded() {
        let bytes = Array((head + "Content-Length: \(Limits.bodyBytes + 1)\r\n\r\n").utf8)
        var reader = RequestReader()
        guard case .refused(.bodyTooLarge) = reader.next(bytes.span.bytes, ended: false) else {
            Issue.record("a body is gathered that is too large")
            return
        }
    }

    /// The client that waits for a word is told by who takes the body.
    @Test func expectation() {
        for version in [0, 1] {
            let bytes = Array(
                "POST /in HTTP/1.\(version)\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n".utf8)
            var reader = RequestReader()
            guard case .stream(_, let body, _) = next(&reader, bytes) else {
                Issue.record("no stream")
                continue
            }
            #expect(body.expectsContinue == (version == 1))
        }
    }

    /// Without a body there is nothing to stream.
    @Test func emptyBody() {
        let bytes = Array((head + "Content-Length: 0\r\n\r\n").utf8)
        var reader = RequestReader()
        var (content, empty) = ([UInt8](), StreamedBody.empty)
        guard case .request = next(&reader, bytes) else {
            Issue.record("no request")
            return
        }
        #expect(empty.decode([UInt8]().span.bytes, into: &content).outcome == .complete && content.isEmpty)
    }

    @Test func heads() {
        let date = Array("Sun, 06 Nov 1994 08:49:37 GMT".utf8)
        func rendered(_ minorVersion: UInt8) -> String {
            var bytes: [UInt8] = []
            Response(status: 200, fields: [("A", "b")]).appendHead(
                to: &bytes, form: .init(isHead: false, minorVersion: minorVersion, keepsAlive: false),
                date: date.span.bytes)
            return String(decoding: bytes, as: UTF8.self)
        }
        let start = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        let rest = "X-Content-Type-Options: nosniff\r\nConnection: close\r\nA: b\r\n\r\n"
        #expect(rendered(1) == start + "Transfer-Encoding: chunked\r\n" + rest)
        #expect(rendered(0) == start + rest)
    }
}
