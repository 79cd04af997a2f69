import Primitives

/// An answer, before it is bytes. Date, Content-Length, Connection and X-Content-Type-Options are the
/// renderer's to write.
package struct Response: Sendable {
    package var status: Int
    package var fields: [(name: String, value: String)]
    package var body: [UInt8]

    package init(status: Int, fields: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.status = status
        self.fields = fields
        self.body = body
    }

    /// What of the request decides the answer's form.
    package struct Form: Equatable, Sendable {
        /// HEAD is answered as GET, without the body (RFC 9110 9.3.2).
        package var isHead: Bool
        /// 0 or 1: HTTP/1.0 has to be told that the connection stays.
        package var minorVersion: UInt8
        package var keepsAlive: Bool

        package init(isHead: Bool, minorVersion: UInt8, keepsAlive: Bool) {
            self.isHead = isHead
            self.minorVersion = minorVersion
            self.keepsAlive = keepsAlive
        }

        package init(_ head: RequestHead) {
            self.init(isHead: head.method == .head, minorVersion: head.minorVersion, keepsAlive: head.keepsAlive)
        }

        /// Of the answer to a request that was refused: it closes.
        package static var closing: Form { Form(isHead: false, minorVersion: 1, keepsAlive: false) }
    }

    /// The interim answer to `.continueExpected`; nothing else belongs to it.
    package static var continueLine: StaticString { "HTTP/1.1 100 Continue\r\n\r\n" }

    /// Appends the whole answer.
    ///
    /// - Precondition: `date` is an IMF-fixdate of 29 bytes; the status is a final one with a known reason phrase; names
    ///   are tokens other than the renderer's own, values hold no control but HTAB; 204 and 304 have no body.
    package func append(to output: inout [UInt8], form: Form, date: RawSpan) {
        appendStart(to: &output, date)
        if status == 204 || status == 304 {
            precondition(body.isEmpty, "\(status) has no content")
        } else {
            output.append("\r\nContent-Length: ")
            output.append(decimal: body.count)
        }
        if !body.isEmpty { output.append(Self.typeLine) }
        if !form.keepsAlive {
            output.append("\r\nConnection: close")
        } else if form.minorVersion == 0 {
            output.append("\r\nConnection: keep-alive")
        }
        output.append("\r\n")
        for field in fields { Self.append(field, to: &output) }
        output.append("\r\n")
        if !form.isHead { output.append(contentsOf: body) }
    }

    /// Appends the head of an answer whose body follows piece by piece: in chunks, and to HTTP/1.0 until the connection
    /// closes (RFC 9112 7.1, 6.3). The connection closes behind it either way.
    ///
    /// - Precondition: as for `append`, and there is no body here.
    package func appendHead(to output: inout [UInt8], form: Form, date: RawSpan) {
        precondition(body.isEmpty && !form.keepsAlive)
        appendStart(to: &output, date)
        if form.minorVersion > 0 { output.append("\r\nTransfer-Encoding: chunked") }
        output.append(Self.typeLine)
        output.append("\r\nConnection: close\r\n")
        for field in fields { Self.append(field, to: &output) }
        output.append("\r\n")
    }

    /// Of every answer with a body: it is what its type says, whatever a browser makes of the bytes.
    private static var typeLine: StaticString { "\r\nX-Content-Type-Options: nosniff" }

    private func appendStart(to output: inout [UInt8], _ date: RawSpan) {
        precondition(date.byteCount == 29)
        output.append("HTTP/1.1 ")
        output.append(decimal: status)
        output.append(UInt8(ascii: " "))
        output.append(Self.reasonPhrase(status))
        output.append("\r\nDate: ")
        output.append(date)
    }

    private static func append(_ field: (name: String, value: String), to output: inout [UInt8]) {
        let nameStart = output.count
        output.append(contentsOf: field.name.utf8)
        let nameEnd = output.count
        output.append(": ")
        let valueStart = output.count
        output.append(contentsOf: field.value.utf8)
        let end = output.count
        precondition(unsafe isName(output.span.bytes, from: nameStart, to: nameEnd), "not a field name: \(field.name)")
        precondition(
            unsafe output.span.bytes.endOfFieldContent(from: valueStart, to: end) == end,
            "a control character in the value of \(field.name)")
        output.append("\r\n")
    }

    private static func isName(_ bytes: RawSpan, from start: Int, to end: Int) -> Bool {
        end > start && bytes.endOfRun(of: .token, from: start, to: end) == end
            && !isRenderers(bytes, from: start, to: end)
    }

    private static func isRenderers(_ bytes: RawSpan, from start: Int, to end: Int) -> Bool {
        bytes.equalsIgnoringCase("date", from: start, to: end)
            || bytes.equalsIgnoringCase("content-length", from: start, to: end)
            || bytes.equalsIgnoringCase("connection", from: start, to: end)
            || bytes.equalsIgnoringCase("transfer-encoding", from: start, to: end)
            || bytes.equalsIgnoringCase("x-content-type-options", from: start, to: end)
    }

    /// RFC 9110 15, RFC 6585, RFC 7725, RFC 4918. Traps on a status that the server does not use.
    package static func reasonPhrase(_ status: Int) -> StaticString {
        switch status {
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 304: "Not Modified"
        case 307: "Temporary Redirect"
        case 308: "Permanent Redirect"
        case 400...499: clientErrorPhrase(status)
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 503: "Service Unavailable"
        case 505: "HTTP Version Not Supported"
        case 507: "Insufficient Storage"
        default: preconditionFailure("no reason phrase for \(status)")
        }
    }

    private static func clientErrorPhrase(_ status: Int) -> StaticString {
        switch status {
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 406: "Not Acceptable"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 410: "Gone"
        case 412: "Precondition Failed"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 417: "Expectation Failed"
        case 421: "Misdirected Request"
        case 422: "Unprocessable Content"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 451: "Unavailable For Legal Reasons"
        default: preconditionFailure("no reason phrase for \(status)")
        }
    }
}

extension [UInt8] {
    /// The literal's bytes.
    package mutating func append(_ text: StaticString) {
        precondition(text.hasPointerRepresentation)
        // Safety: the literal's bytes are constant, and the buffer covers no others.
        unsafe append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// A number that is not negative, in decimal digits.
    package mutating func append(decimal number: Int) {
        precondition(number >= 0)
        var divisor = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            append(ASCII.zero + UInt8(number / divisor % 10))
            divisor /= 10
        }
    }
}
