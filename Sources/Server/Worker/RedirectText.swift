import HTTP
import Links
import Primitives

/// The parts of a redirect's answer. What is the same for all of a second stands before the destination, so that a
/// redirect is three copies.
///
///     status line, Content-Length, X-Served-By, Date, Cache-Control, "Location: "     head
///     destination
///     CRLF, what hangs on the connection, on the link's expiry and on its code, CRLF  tail
/// Not to be copied, because a copy would count references at each answer.
struct RedirectText: ~Copyable {
    /// Where the destination was found.
    enum Source: Int, CaseIterable {
        case cache, store
        /// Another node.
        case origin

        /// As `X-Served-By` names it.
        var name: StaticString {
            switch self {
            case .cache: "l1"
            case .store: "store"
            case .origin: "origin"
            }
        }
    }

    private let status: Int
    private let cacheTTLSeconds: Int64
    private var cacheHead: [UInt8] = []
    private var storeHead: [UInt8] = []
    private var originHead: [UInt8] = []
    private(set) var date: [UInt8] = []
    private var second: Int64 = .min

    init(status: Int, cacheTTLMilliseconds: Int64) {
        self.status = status
        cacheTTLSeconds = cacheTTLMilliseconds / 1000
    }

    /// To be called at each wake-up, before anything is answered.
    mutating func setNow(_ now: Instant) {
        let second = now.milliseconds / 1000
        if second == self.second { return }
        self.second = second
        date = Array(CalendarTime(now).httpDate.utf8)
        (cacheHead, storeHead, originHead) = (head(.cache), head(.store), head(.origin))
    }

    private func head(_ source: Source) -> [UInt8] {
        var head: [UInt8] = []
        head.append("HTTP/1.1 ")
        head.append(decimal: status)
        head.append(UInt8(ascii: " "))
        head.append(Response.reasonPhrase(status))
        head.append("\r\nContent-Length: 0\r\nX-Served-By: ")
        head.append(source.name)
        head.append("\r\nDate: ")
        head += date
        if cacheTTLSeconds == 0 { head.append("\r\nCache-Control: private, no-store") }
        head.append("\r\nLocation: ")
        return head
    }

    @inline(__always)
    func appendHead(_ source: Source, to output: inout OutputBuffer) {
        switch source {
        case .cache: output.append(cacheHead)
        case .store: output.append(storeHead)
        case .origin: output.append(originHead)
        }
    }

    /// After the destination. `expiresAtMilliseconds`: of the link, later than now.
    @inline(__always)
    func appendTail(
        _ form: Response.Form, code: UnsafeRawBufferPointer, expiresAtMilliseconds: Int64, now: Instant,
        to output: inout OutputBuffer
    ) {
        if cacheTTLSeconds > 0 {
            let left = (expiresAtMilliseconds - now.milliseconds) / 1000
            output.append("\r\nCache-Control: public, max-age=")
            output.append(decimal: Int(min(cacheTTLSeconds, left)))
            // By this name a cache in front drops what it keeps of a link that was changed.
            output.append("\r\nSurrogate-Key: ")
            output.append(code)
        }
        if !form.keepsAlive {
            output.append("\r\nConnection: close\r\n\r\n")
        } else if form.minorVersion == 0 {
            output.append("\r\nConnection: keep-alive\r\n\r\n")
        } else {
            output.append("\r\n\r\n")
        }
    }
}
