import HTTP
import Links
import Primitives

/// The parts of a redirect's answer that stay the same for a second: a redirect is three copies.
struct RedirectText {
    private let head: [UInt8]
    private let cacheTTLSeconds: Int64
    private var tail: [UInt8] = []
    private(set) var date: [UInt8] = []
    private var second: Int64 = .min

    init(status: Int, cacheTTLMilliseconds: Int64) {
        var head: [UInt8] = []
        head.append("HTTP/1.1 ")
        head.append(decimal: status)
        head.append(UInt8(ascii: " "))
        head.append(Response.reasonPhrase(status))
        head.append("\r\nLocation: ")
        self.head = head
        cacheTTLSeconds = cacheTTLMilliseconds / 1000
    }

    /// To be called at each wake-up, before anything is answered.
    mutating func setNow(_ now: Instant) {
        let second = now.milliseconds / 1000
        if second == self.second { return }
        self.second = second
        date = Array(CalendarTime(now).httpDate.utf8)
        tail.removeAll(keepingCapacity: true)
        tail.append("Content-Length: 0\r\nX-Served-By: store\r\nDate: ")
        tail += date
        tail.append("\r\n\r\n")
    }

    func append(
        _ link: FoundLinkText, form: Response.Form, now: Instant, to output: inout OutputBuffer
    ) {
        output.append(head)
        output.append(link.prefix)
        output.append(link.destination)
        if cacheTTLSeconds == 0 {
            output.append("\r\nCache-Control: private, no-store\r\n")
        } else {
            let left = (link.expiresAtMilliseconds - now.milliseconds) / 1000
            output.append("\r\nCache-Control: public, max-age=")
            output.append(Array(String(min(cacheTTLSeconds, left)).utf8))
            output.append("\r\n")
        }
        if !form.keepsAlive {
            output.append("Connection: close\r\n")
        } else if form.minorVersion == 0 {
            output.append("Connection: keep-alive\r\n")
        }
        output.append(tail)
    }
}

/// A destination as it is stored, good until the reader's snapshot ends.
struct FoundLinkText {
    let prefix: StaticString
    let destination: UnsafeRawBufferPointer
    let expiresAtMilliseconds: Int64
}
