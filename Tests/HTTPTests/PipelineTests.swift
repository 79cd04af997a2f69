import HTTP
import Primitives
import Testing

/// What a connection leads to must not depend on how its bytes were cut.
@Suite struct PipelineTests {
    static let corpus: [String] = [
        get(), get("User-Agent: x", "Accept: */*"), "\r\n" + get(), "GET / HTTP/1.0\r\n\r\n",
        "GET http://b.example:80/x?y=%20 HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n" + get(),
        "OPTIONS * HTTP/1.1\r\nHost: [::1]:8\r\n\r\n", post("Content-Length: 5", then: "hello") + get(),
        post("Transfer-Encoding: chunked", then: "3;a=\"b\"\r\nabc\r\n0\r\nX: y\r\n\r\n") + get(),
        post("Expect: 100-continue", "Content-Length: 3", then: "abc") + "\r\n" + get(),
        post("Content-Length: 5", then: "hel"), get() + "GET /", get() + "\r\n", get() + "\r", "\r\n\r\n", "",
        get() + "GET / HTTP/1.1\r\nHost : a\r\n\r\n" + get(), get() + "GET /\r\n" + get(),
        post("Content-Length: 3", "Transfer-Encoding: chunked", then: "0\r\n\r\n"),
        post("Transfer-Encoding: chunked", then: "3\r\nabcX\r\n0\r\n\r\n"), "GET / HTTP/1.1\nHost: a\n\n",
        post("Transfer-Encoding: chunked", then: "3\r\nabc\rX"), get("X: a\0b", "Host: again"),
        "GET / HTTP/3.0\r\n\r\n", "X\r\n", "GET / HTTP/1.1\r\nExpect: y\r\nHost: a\r\n\r\n",
        get("A:", "b:", "Cookie: a", "Cookie: b", "X-Forwarded-For:"),
    ]

    @Test(arguments: corpus)
    func splitOnceAtEveryByte(_ text: String) {
        let whole = read(text)
        for split in 0...text.utf8.count { #expect(read(text, splits: [split]) == whole, "split at \(split)") }
        #expect(read(text, splits: Array(1..<max(1, text.utf8.count))) == whole, "one byte at a time")
    }

    @Test func limitsHoldHoweverTheBytesCome() {
        let texts = [
            "GET /" + "a".times(9000), "GET /" + "a".times(8300) + "\0 HTTP/1.1\r\n\r\n",
            get("X: " + "y".times(70_000)), get("X\0: " + "y".times(70_000)),
            post("Transfer-Encoding: chunked", then: "3;" + "a".times(300)),
            post("Transfer-Encoding: chunked", then: "3; =" + "a".times(300) + "\r\n"),
            post("Transfer-Encoding: chunked", then: "0\r\nX:" + "a".times(9000)),
            get("X: y\r\n".times(200)),
        ]
        for text in texts {
            let whole = read(text)
            #expect(read(text, splits: Array(stride(from: 1, to: text.utf8.count, by: 1))) == whole)
            #expect(read(text, splits: Array(stride(from: 97, to: text.utf8.count, by: 97))) == whole)
        }
    }

    @Test func nothingAfterARefusal() {
        let text = get().times(5) + "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + get()
        #expect(statuses(text) == [200, 200, 200, 200, 200, 400])
        #expect(read(text).suffix(2) == [.refused(.malformed), .ended])
    }

    @Test func whatIsNotWholeIsNotDelivered() {
        for text in [
            get(), post("Content-Length: 5", then: "hello"), post("Transfer-Encoding: chunked", then: "0\r\n\r\n"),
        ] {
            for count in 0..<text.utf8.count {
                #expect(read(Array(text.utf8.prefix(count))) == [.ended], "\(count) bytes")
            }
            #expect(statuses(text) == [200])
        }
    }

    @Test(arguments: 0..<40 as Range<UInt64>)
    func manyRequestsAtRandomSplits(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let whole = (0..<200).map { _ in Self.corpus.randomElement(using: &random)! }
            .filter { !["GET /", "X\r\n"].contains($0) }.joined()
        let bytes = Array(whole.utf8)
        let expected = read(bytes)
        for _ in 0..<5 {
            let longest = [1, 3, 17, 200, 1500].randomElement(using: &random)!
            var splits: [Int] = []
            var end = 0
            while true {
                end += Int.random(in: 1...longest, using: &random)
                if end >= bytes.count { break }
                splits.append(end)
            }
            #expect(read(bytes, splits: splits) == expected, "seed \(seed), pieces up to \(longest)")
        }
    }

    @Test func pipelineOfThousands() {
        let events = read(get(target: "/abc").times(5000))
        #expect(events.count == 5001)
        #expect(events.dropLast().allSatisfy { $0 == events[0] })
    }

    @Test func aReaderThatFinishedSaysSo() {
        var reader = RequestReader()
        let bytes = Array("BAD\r\n".utf8)
        guard case .refused(.malformed) = reader.next(bytes.span.bytes, ended: false) else {
            Issue.record("not refused")
            return
        }
        guard case .ended = reader.next(bytes.span.bytes, ended: false) else {
            Issue.record("not ended")
            return
        }
    }
}
