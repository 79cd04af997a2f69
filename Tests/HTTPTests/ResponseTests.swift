import HTTP
import Testing

@Suite struct ResponseTests {
    private static let date = Array("Sun, 06 Nov 1994 08:49:37 GMT".utf8)
    private static let dateLine = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

    private func render(_ response: Response, isHead: Bool = false, minor: UInt8 = 1, keepsAlive: Bool = true) -> String
    {
        var output = Array("before ".utf8)
        let form = Response.Form(isHead: isHead, minorVersion: minor, keepsAlive: keepsAlive)
        response.append(to: &output, form: form, date: Self.date.span.bytes)
        let text = String(decoding: output, as: UTF8.self)
        #expect(text.hasPrefix("before HTTP/1.1 "))
        return String(text.dropFirst("before HTTP/1.1 ".count))
    }

    @Test func forms() {
        let found = Response(status: 200, fields: [("X-A", "b c"), ("ETag", "\"\u{e9}\"")], body: Array("body".utf8))
        let fields = "X-A: b c\r\nETag: \"\u{e9}\"\r\n\r\n"
        let start = "200 OK\r\n\(Self.dateLine)Content-Length: 4\r\nX-Content-Type-Options: nosniff\r\n"
        #expect(render(found) == start + fields + "body")
        #expect(render(found, isHead: true) == start + fields)
        #expect(render(found, keepsAlive: false) == start + "Connection: close\r\n" + fields + "body")
        #expect(render(found, minor: 0) == start + "Connection: keep-alive\r\n" + fields + "body")
        #expect(render(found, minor: 0, keepsAlive: false) == start + "Connection: close\r\n" + fields + "body")
        #expect(render(Response(status: 204)) == "204 No Content\r\n\(Self.dateLine)\r\n")
        #expect(render(Response(status: 304), isHead: true) == "304 Not Modified\r\n\(Self.dateLine)\r\n")
        #expect(render(Response(status: 404)) == "404 Not Found\r\n\(Self.dateLine)Content-Length: 0\r\n\r\n")
    }

    @Test(arguments: [0, 1, 9, 10, 99, 100, 4095, 1_000_000, Int.max])
    func decimals(_ number: Int) {
        var output: [UInt8] = []
        output.append(decimal: number)
        #expect(String(decoding: output, as: UTF8.self) == String(number))
    }

    @Test func phrases() {
        for status in [
            200, 201, 202, 204, 301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 406, 408, 409, 410, 412, 413, 414,
            415,
            417, 422, 429, 431, 451, 500, 501, 503, 505, 507,
        ] {
            #expect(render(Response(status: status)).hasPrefix("\(status) \(Response.reasonPhrase(status))\r\n"))
        }
        for refusal in [
            Refusal.malformed, .bodyTooLarge, .targetTooLong, .expectationFailed, .headTooLarge,
            .notImplemented, .versionNotSupported,
        ] {
            #expect(!Response.reasonPhrase(refusal.status).description.isEmpty)
        }
    }

    @Test func formOfARequest() throws {
        let form = Response.Form(try head("HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"))
        #expect(form == Response.Form(isHead: true, minorVersion: 0, keepsAlive: true))
    }

    @Test func misuseTraps() async {
        await #expect(processExitsWith: .failure) { Self.append("X", "a\r\nSet-Cookie: b") }
        await #expect(processExitsWith: .failure) { Self.append("X", "a\0") }
        await #expect(processExitsWith: .failure) { Self.append("X Y", "a") }
        await #expect(processExitsWith: .failure) { Self.append("", "a") }
        await #expect(processExitsWith: .failure) { Self.append("content-length", "1") }
        await #expect(processExitsWith: .failure) { Self.append("x-content-type-options", "nosniff") }
        await #expect(processExitsWith: .success) { Self.append("X", "a\tb") }
    }

    private static func append(_ name: String, _ value: String) {
        var output: [UInt8] = []
        Response(status: 200, fields: [(name, value)]).append(to: &output, form: .closing, date: date.span.bytes)
    }
}
