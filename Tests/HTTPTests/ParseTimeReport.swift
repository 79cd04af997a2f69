import HTTP
import Primitives
import Testing

/// Prints what a parse costs; asserts nothing about time.
@Suite struct ParseTimeReport {
    static let typicalHead =
        "GET /aB3xYz9 HTTP/1.1\r\nHost: sho.rt\r\n"
        + "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
        + "Accept: text/html,*/*;q=0.8\r\nConnection: keep-alive\r\n\r\n"

    @Test func typicalHeadsInAPipeline() {
        let count = 32
        let bytes = Array(Self.typicalHead.times(count).utf8)
        let clock = ContinuousClock()
        var best = Duration.seconds(1)
        var requests = 0
        var pathBytes = 0
        for _ in 0..<2000 {
            var reader = RequestReader()
            var unread = bytes.span.bytes
            let start = clock.now
            reading: while true {
                switch reader.next(unread, ended: false) {
                case .request(let head):
                    pathBytes += head.has(.userAgent) ? head.path.range.count : 0
                    requests += 1
                    unread = unread.extracting(Int(head.byteCount)...)
                default: break reading
                }
            }
            best = min(best, clock.now - start)
        }
        #expect(requests == 2000 * count && pathBytes == 8 * requests)
        let nanoseconds = Double(best.components.attoseconds) / 1e9 / Double(count)
        print("parse of a head of \(Self.typicalHead.utf8.count) bytes: \(nanoseconds) ns")
    }
}
