import HTTP
import Testing

/// RFC 9112 6 and 7, RFC 9110 8.6 and 10.1.1, one rule a line.
@Suite struct BodyTests {
    @Test(arguments: [
        ("0", "", 200), ("3", "abc", 200), ("003", "abc", 200), ("0000000000000000000000000000003", "abc", 200),
        ("+3", "abc", 400), ("-3", "abc", 400), ("", "abc", 400), ("3,3", "abc", 400), ("3, 3", "abc", 400),
        ("3 3", "abc", 400), ("0x3", "abc", 400), ("3.0", "abc", 400), ("three", "abc", 400), ("\u{663}", "abc", 400),
        ("\"3\"", "abc", 400), ("3;a", "abc", 400), ("99999999999999999999", "", 400),
        ("18446744073709551619", "abc", 400), ("9223372036854775808", "", 400), ("9223372036854775807", "", 413),
        ("4194305", "", 413),
    ])
    func contentLength(_ value: String, _ body: String, _ status: Int) {
        #expect(statuses(post("Content-Length: \(value)", then: body)) == [status], "\(value)")
    }

    @Test(arguments: [
        (["Transfer-Encoding: chunked"], 200), (["transfer-encoding:\tChunKed "], 200),
        (["Transfer-Encoding: chunked", "Content-Length: 3"], 400),
        (["Content-Length: 3", "Transfer-Encoding: chunked"], 400),
        (["Content-Length: 3", "Content-Length: 3"], 400), (["Content-Length: 3", "Content-Length: 4"], 400),
        (["Transfer-Encoding: gzip, chunked"], 501), (["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"], 501),
        (["Transfer-Encoding: identity"], 501), (["Transfer-Encoding: xchunked"], 501),
        (["Transfer-Encoding: chunked, gzip"], 400), (["Transfer-Encoding: chunked, identity"], 400),
        (["Transfer-Encoding: chunked, chunked"], 400),
        (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], 400),
        (["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], 400),
        (["Transfer-Encoding:"], 400), (["Transfer-Encoding: ,chunked"], 400), (["Transfer-Encoding: chunked,"], 400),
        (["Transfer-Encoding: chunked;a=b"], 400), (["Transfer-Encoding: \"chunked\""], 400),
        (["Transfer-Encoding: 'chunked'"], 501), (["Transfer-Encoding: chunked chunked"], 400),
        (["Transfer-Encoding : chunked"], 400), (["Transfer-Encoding: \u{b}chunked"], 400),
        (["Transfer-Encoding:\r\n chunked"], 400), (["X: y\rTransfer-Encoding: chunked"], 400),
        (["Transfer_Encoding: chunked", "Content-Length: 14"], 200),
    ])
    func framing(_ lines: [String], _ status: Int) {
        let head = "POST / HTTP/1.1\r\nHost: a\r\n" + lines.map { $0 + "\r\n" }.joined() + "\r\n"
        #expect(statuses(head + "4\r\nabcd\r\n0\r\n\r\n") == [status], "\(lines)")
    }

    @Test func transferEncodingIn10() {
        #expect(statuses("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") == [400])
        #expect(statuses("POST / HTTP/1.0\r\nTransfer-Encoding: gzip\r\n\r\n") == [400])
    }

    @Test(
        arguments: [
            ("0\r\n\r\n", 200, ""), ("3\r\nabc\r\n0\r\n\r\n", 200, "abc"), ("003\r\nabc\r\n000\r\n\r\n", 200, "abc"),
            ("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", 200, "01234567890123456789"),
            ("3\r\n\r\n\n\r\n0\r\n\r\n", 200, "\r\n\n"), ("00000000000000000003\r\nabc\r\n0\r\n\r\n", 200, "abc"),
            ("3;a\r\nabc\r\n0\r\n\r\n", 200, "abc"), ("3;a=b\r\nabc\r\n0;c\r\n\r\n", 200, "abc"),
            ("3 ; a = \"x;\\\"y\" ;b\r\nabc\r\n0\r\n\r\n", 200, "abc"),
            ("3;a=\"\t\u{e9}\"\r\nabc\r\n0\r\n\r\n", 200, "abc"),
            ("0\r\nX: y\r\nZ:\r\n\r\n", 200, ""), ("0\r\nContent-Length: 9\r\n\r\n", 200, ""),
            ("3\r\nabc0\r\n\r\n", 400, nil), ("3\r\nabcd\r\n0\r\n\r\n", 400, nil), ("3\r\nabc\n0\r\n\r\n", 400, nil),
            ("3\r\nabc\r0\r\n\r\n", 400, nil), ("3\nabc\r\n0\r\n\r\n", 400, nil), ("\r\nabc\r\n0\r\n\r\n", 400, nil),
            ("3 \r\nabc\r\n0\r\n\r\n", 400, nil), (" 3\r\nabc\r\n0\r\n\r\n", 400, nil),
            ("+3\r\nabc\r\n0\r\n\r\n", 400, nil),
            ("-3\r\nabc\r\n0\r\n\r\n", 400, nil), ("0x3\r\nabc\r\n0\r\n\r\n", 400, nil), ("g\r\n\r\n", 400, nil),
            ("3;\r\nabc\r\n0\r\n\r\n", 400, nil), ("3;;a\r\nabc\r\n0\r\n\r\n", 400, nil), ("3;=b\r\nabc\r\n", 400, nil),
            ("3;a=\r\nabc\r\n", 400, nil), ("3;a=\"b\r\nabc\r\n", 400, nil), ("3;a=\"b\"c\r\nabc\r\n", 400, nil),
            ("3;a b\r\nabc\r\n", 400, nil), ("3;a \r\nabc\r\n0\r\n\r\n", 400, nil), ("3;a\nb\r\nabc\r\n", 400, nil),
            ("3;a=\"\\\u{1}\"\r\nabc\r\n", 400, nil), ("3;a\rb\r\nabc\r\n", 400, nil), ("3,a\r\nabc\r\n", 400, nil),
            ("10000000000000000\r\nabc\r\n", 400, nil), ("10000000000000003\r\nabc\r\n", 400, nil),
            ("ffffffffffffffff\r\nabc\r\n", 413, nil), ("8000000000000000\r\nabc\r\n", 413, nil),
            ("400001\r\nabc\r\n", 413, nil), ("1\r\na\r\n400000\r\n", 413, nil),
            ("0\r\nX : y\r\n\r\n", 400, nil), ("0\r\n X: y\r\n\r\n", 400, nil), ("0\r\nX: y\n\r\n", 400, nil),
            ("0\r\nX: \0\r\n\r\n", 400, nil), ("0\r\nX\r\n\r\n", 400, nil), ("0\r\n\n", 400, nil),
            ("0\r\nX: a\r\n b\r\n\r\n", 400, nil), ("0\r\nX: a\rb\r\n\r\n", 400, nil),
        ] as [(String, Int, String?)])
    func chunked(_ body: String, _ status: Int, _ content: String?) throws {
        let text = post("Transfer-Encoding: chunked", then: body)
        #expect(statuses(text + get()) == (status == 200 ? [200, 200] : [status]), "\(body)")
        if let content { #expect(try message(text).body == Array(content.utf8)) }
    }

    @Test func chunkLimits() {
        func chunked(_ body: String) -> [Int] { statuses(post("Transfer-Encoding: chunked", then: body)) }
        let limit = Limits.chunkLineBytes
        #expect(chunked("3;" + "a".times(limit - 4) + "\r\nabc\r\n0\r\n\r\n") == [200])
        #expect(chunked("3;" + "a".times(limit - 3) + "\r\nabc\r\n0\r\n\r\n") == [400])
        #expect(chunked("3;" + "a".times(limit - 3)) == [])
        #expect(chunked("3;" + "a".times(limit - 2)) == [400])
        let extended = "1;" + "a".times(limit - 4) + "\r\nx\r\n"
        let most = Limits.chunkExtensionBytes / (limit - Limits.plainChunkLineBytes)
        #expect(chunked(extended.times(most) + "0\r\n\r\n") == [200])
        #expect(chunked(extended.times(most + 1)) == [400])
        #expect(chunked("0\r\n" + "X: y\r\n".times(Limits.trailers) + "\r\n") == [200])
        #expect(chunked("0\r\n" + "X: y\r\n".times(Limits.trailers + 1)) == [431])
        #expect(chunked("0\r\nX:" + "y".times(Limits.trailerBytes - 6) + "\r\n\r\n") == [200])
        #expect(chunked("0\r\nX:" + "y".times(Limits.trailerBytes - 5) + "\r\n\r\n") == [431])
        #expect(chunked("0\r\nX:" + "y".times(Limits.trailerBytes - 2)) == [431])
        #expect(chunked("0\r\nX:" + "y".times(Limits.trailerBytes - 3)) == [])
    }

    @Test func largestBodies() throws {
        let body = "b".times(Limits.bodyBytes)
        #expect(try message(post("Content-Length: \(Limits.bodyBytes)", then: body)).body.count == Limits.bodyBytes)
        let chunk = "100000\r\n" + "b".times(1 << 20) + "\r\n"
        let chunked = post("Transfer-Encoding: chunked", then: chunk.times(4) + "0\r\n\r\n")
        #expect(try message(chunked).body == Array(body.utf8))
        #expect(statuses(post("Transfer-Encoding: chunked", then: chunk.times(4) + "1\r\n")) == [413])
    }

    @Test func messagesOwnTheirBytes() throws {
        let text = post("Content-Type: a/b", "Content-Length: 5", then: "hello")
        let message = try message(text)
        #expect(message.headBytes == Array(text.utf8.dropLast(5)))
        #expect(message.body == Array("hello".utf8))
        #expect(message.path == "/x" && message.query == nil && message.head.method == .post)
        #expect(message.value(of: .contentType) == "a/b")
    }

    @Test func aBodyIsABodyWhateverTheMethod() throws {
        for method in ["GET", "HEAD", "DELETE", "OPTIONS", "X"] {
            let text = "\(method) / HTTP/1.1\r\nHost: a\r\nContent-Length: 29\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a"
            #expect(try message(text).body.count == 29)
            #expect(statuses(text) == [200])
        }
        #expect(try head(post("Content-Length: 0")).method == .post)
    }

    @Test(arguments: [
        ("HTTP/1.1", "100-continue", [100, 200]), ("HTTP/1.1", "100-Continue", [100, 200]),
        ("HTTP/1.0", "100-continue", [200]), ("HTTP/1.1", "100-continue, 100-continue", [100, 200]),
        ("HTTP/1.1", "200-ok", [417]), ("HTTP/1.1", "100-continue, x", [417]), ("HTTP/1.0", "x", [417]),
        ("HTTP/1.1", "100-continue=1", [417]), ("HTTP/1.1", "", [200]),
    ])
    func expectations(_ version: String, _ value: String, _ expected: [Int]) {
        let start = "POST / \(version)\r\nHost: a\r\nConnection: keep-alive\r\nExpect: \(value)\r\n"
        #expect(statuses(start + "Content-Length: 3\r\n\r\nabc") == expected)
        #expect(statuses(start + "Content-Length: 0\r\n\r\n") == expected.filter { $0 != 100 })
        #expect(statuses(start + "Content-Length: 9999999\r\n\r\n") == [expected == [417] ? 417 : 413])
    }

    @Test func continueComesBeforeTheBody() {
        let head = post("Expect: 100-continue", "Content-Length: 3")
        #expect(read(head) == [.continueExpected, .ended])
        #expect(statuses(head + "ab") == [100])
        #expect(statuses(head + "abc" + get()) == [100, 200, 200])
    }
}
