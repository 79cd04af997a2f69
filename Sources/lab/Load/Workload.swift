/// The requests of a load: all alike but for a few bytes in one place.
package struct Workload {
    /// One request.
    package let template: [UInt8]
    /// What differs.
    package let slot: Range<Int>
    /// Gives the codes that differ; nil: what differs is decimal digits that count up from 0, or a text of `texts`.
    private var draw: LinkDraw?
    private var texts: Texts?
    /// Answers of another status are counted as failures.
    package let expectedStatus: Int
    private var position = 0

    private init(_ head: String, slotBytes: Int, _ tail: String, _ draw: LinkDraw?, expectedStatus: Int) {
        template = Array((head + String(repeating: "0", count: slotBytes) + tail).utf8)
        slot = head.utf8.count..<head.utf8.count + slotBytes
        (self.draw, self.expectedStatus) = (draw, expectedStatus)
    }

    /// Redirects of links.
    package static func redirects(_ draw: LinkDraw) -> Workload {
        Workload(
            "GET /", slotBytes: draw.codeBytes,
            " HTTP/1.1\r\nHost: sho.rt\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n"
                + "Accept: text/html,*/*\r\nAccept-Language: en\r\n\r\n",
            draw, expectedStatus: 302)
    }

    /// Redirects of one link, with further field lines.
    package static func redirects(of code: String, _ fields: String) -> Workload {
        Workload(
            "GET /\(code) HTTP/1.1\r\nHost: sho.rt\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n"
                + "Accept: text/html,*/*\r\nAccept-Language: en\r\n" + fields + "\r\n",
            slotBytes: 0, "", nil, expectedStatus: 302)
    }

    /// Creates of links that differ in a number.
    package static func creates() -> Workload {
        let start = #"{"long_url":"https://example.com/very/long/path/that/is/typical?utm_source=x&id="#
        let digits = 12
        let head =
            "POST /api/v1/urls HTTP/1.1\r\nHost: sho.rt\r\nContent-Type: application/json\r\nContent-Length: "
            + "\(start.utf8.count + digits + 2)\r\n\r\n" + start
        return Workload(head, slotBytes: digits, "\"}", nil, expectedStatus: 201)
    }

    /// Creates with credentials, all of one length, that are taken in turn.
    package static func creates(with credentials: [[UInt8]]) -> Workload {
        let body = #"{"long_url":"https://example.com/very/long/path/that/is/typical?utm_source=x&id=0"}"#
        var workload = Workload(
            "POST /api/v1/urls HTTP/1.1\r\nHost: sho.rt\r\nContent-Type: application/json\r\n"
                + "Content-Length: \(body.utf8.count)\r\nAuthorization: Bearer ",
            slotBytes: credentials[0].count, "\r\n\r\n" + body, nil, expectedStatus: 201)
        workload.texts = Texts(credentials)
        return workload
    }

    /// Copies of a workload go on where another one has stopped.
    ///
    /// Safety: one load at a time has it.
    private final class Texts: @unchecked Sendable {
        private let texts: [[UInt8]]
        private var place = 0

        init(_ texts: [[UInt8]]) {
            precondition(texts.allSatisfy { $0.count == texts[0].count })
            self.texts = texts
        }

        func next() -> [UInt8] {
            defer { place = (place + 1) % texts.count }
            return texts[place]
        }
    }

    /// Writes the next request's own bytes into a copy of the template at `request`.
    mutating func fill(_ request: UnsafeMutablePointer<UInt8>) {
        let place = request + slot.lowerBound
        if let text = texts?.next() {
            for offset in text.indices { place[offset] = text[offset] }
            return
        }
        if let code = draw?.next() {
            for offset in 0..<code.count { place[offset] = code[offset] }
            return
        }
        var rest = position
        for offset in stride(from: slot.count - 1, through: 0, by: -1) {
            place[offset] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
        position += 1
    }
}
