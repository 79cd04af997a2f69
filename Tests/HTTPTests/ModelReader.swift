/// RFC 9112 again, slow and plain: splits lines, copies everything, knows the whole input. `Grammar` has its
/// rules. Limits are not modelled: inputs stay below them.
struct ModelReader {
    struct Request: Equatable {
        var line: String
        var lines: [String] = []
        var body: [UInt8] = []
        var hasBody = false
        var keepsAlive = true

        func values(_ name: String) -> [String] {
            lines.compactMap { Grammar.field($0) }.filter { $0.name == name }.map(\.value)
        }
    }

    enum Event: Equatable { case request(Request), continueExpected, refused(Int), ended }

    private struct Refused: Error { let status: Int }
    private struct Incomplete: Error {}

    private var rest: ArraySlice<UInt8>
    private var events: [Event] = []

    static func read(_ bytes: [UInt8]) -> [Event] {
        var model = ModelReader(rest: bytes[...])
        do {
            while try model.readRequest() {}
        } catch let refused as Refused {
            model.events.append(.refused(refused.status))
        } catch {}
        return model.events + [.ended]
    }

    private init(rest: ArraySlice<UInt8>) { self.rest = rest }

    /// Latin-1, so that a character is a byte.
    private mutating func line() throws -> String {
        guard let lineFeed = rest.firstIndex(of: 10) else { throw Incomplete() }
        let line = rest[rest.startIndex..<lineFeed]
        rest = rest[(lineFeed + 1)...]
        guard line.last == 13 else { throw Refused(status: 400) }
        return String(String.UnicodeScalarView(line.dropLast().map { Unicode.Scalar($0) }))
    }

    private mutating func take(_ count: Int) throws -> [UInt8] {
        guard rest.count >= count else { throw Incomplete() }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    private mutating func readRequest() throws -> Bool {
        if rest.starts(with: [13, 10]) { rest = rest.dropFirst(2) }
        var request = Request(line: try line())
        guard let version = Grammar.version(ofRequestLine: request.line) else { throw Refused(status: 400) }
        guard let minor = ["HTTP/1.0": 0, "HTTP/1.1": 1][version] else { throw Refused(status: 505) }
        if request.line.hasPrefix("CONNECT ") { throw Refused(status: 501) }
        while true {
            let line = try line()
            if line.isEmpty { break }
            guard let field = Grammar.field(line) else { throw Refused(status: 400) }
            request.lines.append(line)
            try check(field, in: request)
        }
        let framing = try framing(of: request, minor: minor)
        let options = request.values("connection").flatMap { Grammar.list($0) }
        request.keepsAlive = !options.contains("close") && (minor == 1 || options.contains("keep-alive"))
        request.hasBody = framing != .none
        if request.hasBody, minor == 1, request.values("expect").contains(where: { !Grammar.list($0).isEmpty }) {
            events.append(.continueExpected)
        }
        switch framing {
        case .none: break
        case .length(let length): request.body = try take(length)
        case .chunked: request.body = try chunkedBody()
        }
        events.append(.request(request))
        return request.keepsAlive
    }

    private func check(_ field: (name: String, value: String), in request: Request) throws {
        let single = [
            "host", "content-type", "content-encoding", "authorization", "origin", "idempotency-key", "x-api-key",
            "edge-token", "x-write-region", "x-write-ts", "content-length",
        ]
        if single.contains(field.name), request.values(field.name).count > 1 { throw Refused(status: 400) }
        switch field.name {
        case "host": if !Grammar.isAuthority(field.value) { throw Refused(status: 400) }
        case "content-length":
            if !Grammar.isNumber(field.value) || Int(field.value) == nil { throw Refused(status: 400) }
        case "transfer-encoding":
            if !Grammar.areCodings(field.value) { throw Refused(status: 400) }
        case "expect":
            if Grammar.list(field.value).contains(where: { $0 != "100-continue" }) { throw Refused(status: 417) }
        default: break
        }
    }

    private enum Framing: Equatable { case none, length(Int), chunked }

    private func framing(of request: Request, minor: Int) throws -> Framing {
        if minor == 1, request.values("host").isEmpty { throw Refused(status: 400) }
        let length = request.values("content-length").first.flatMap { Int($0) }
        let codings = request.values("transfer-encoding").flatMap { Grammar.list($0) }
        if !codings.isEmpty {
            let chunked = codings.filter { $0 == "chunked" }.count
            if minor == 0 || length != nil || chunked > 1 || (chunked == 1 && codings.last != "chunked") {
                throw Refused(status: 400)
            }
            if codings.count > chunked { throw Refused(status: 501) }
            return .chunked
        }
        guard let length, length > 0 else { return .none }
        if length > 4 << 20 { throw Refused(status: 413) }
        return .length(length)
    }

    private mutating func chunkedBody() throws -> [UInt8] {
        var body: [UInt8] = []
        while true {
            let line = try line()
            guard let digits = Grammar.chunkSize(line)?.drop(while: { $0 == "0" }), digits.count <= 16 else {
                throw Refused(status: 400)
            }
            let size = digits.isEmpty ? 0 : UInt64(digits, radix: 16)!
            if size > 4 << 20 { throw Refused(status: 413) }
            if size == 0 { break }
            body += try take(Int(size))
            if let first = rest.first, first != 13 { throw Refused(status: 400) }
            if rest.count > 1, rest[rest.startIndex + 1] != 10 { throw Refused(status: 400) }
            _ = try take(2)
        }
        while true {
            let line = try line()
            if line.isEmpty { return body }
            if Grammar.field(line) == nil { throw Refused(status: 400) }
        }
    }
}
