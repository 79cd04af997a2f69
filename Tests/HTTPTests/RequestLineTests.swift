import HTTP
import Testing

/// RFC 9112 3 and RFC 3986, one rule a line.
@Suite struct RequestLineTests {
    private static let rest = "\r\nHost: a.example\r\n\r\n"

    @Test(arguments: [
        ("GET / HTTP/1.1", 200), ("GET / HTTP/1.0", 200), ("GET /a/b;c=d/e?x=y&z=/?:@ HTTP/1.1", 200),
        ("GET //double HTTP/1.1", 200), ("GET /? HTTP/1.1", 200), ("GET /%41%e2%82%ac HTTP/1.1", 200),
        ("GET /-._~!$&'()*+,;=:@ HTTP/1.1", 200), ("GET /../a HTTP/1.1", 200),
        ("\r\nGET / HTTP/1.1", 200), ("\r\n\r\nGET / HTTP/1.1", 400), ("\nGET / HTTP/1.1", 400),
        ("\rGET / HTTP/1.1", 400), (" GET / HTTP/1.1", 400),
        ("GET  / HTTP/1.1", 400), ("GET /  HTTP/1.1", 400), ("GET / HTTP/1.1 ", 400), ("GET\t/ HTTP/1.1", 400),
        ("GET /\tHTTP/1.1", 400), ("GET /", 400), ("GET", 400), ("GET / ", 400), ("GET HTTP/1.1", 400),
        ("GET  HTTP/1.1", 400), ("/ HTTP/1.1", 400), ("G(T / HTTP/1.1", 400), ("G\u{e9}T / HTTP/1.1", 400),
        ("GET / HTTP/1.2", 505), ("GET / HTTP/2.0", 505), ("GET / HTTP/0.9", 505), ("PRI * HTTP/2.0", 400),
        ("GET / HTTP/1", 400), ("GET / HTTP/1.", 400), ("GET / HTTP/1.10", 400), ("GET / HTTP/11", 400),
        ("GET / http/1.1", 400), ("GET / HTTP/1,1", 400), ("GET / HTTP/1.x", 400), ("GET / HTTPS/1.1", 400),
        ("GET / XTTP/1.1", 400), ("GET / HTTP/01.1", 400),
        ("GET a HTTP/1.1", 400), ("GET ?a HTTP/1.1", 400), ("GET a.example:80 HTTP/1.1", 400),
        ("GET /a#b HTTP/1.1", 400), ("GET /a?b#c HTTP/1.1", 400), ("GET /a\"b HTTP/1.1", 400),
        ("GET /<a> HTTP/1.1", 400), ("GET /[a] HTTP/1.1", 400), ("GET /a\\b HTTP/1.1", 400),
        ("GET /a^b HTTP/1.1", 400), ("GET /a`b HTTP/1.1", 400), ("GET /{a} HTTP/1.1", 400),
        ("GET /a|b HTTP/1.1", 400), ("GET /a\u{7f} HTTP/1.1", 400), ("GET /\u{e9} HTTP/1.1", 400),
        ("GET /\0 HTTP/1.1", 400), ("GET /a\rb HTTP/1.1", 400), ("GET /?q=[a] HTTP/1.1", 200),
        ("GET /% HTTP/1.1", 400), ("GET /%4 HTTP/1.1", 400), ("GET /%4g HTTP/1.1", 400), ("GET /%g4 HTTP/1.1", 400),
        ("GET /?%zz HTTP/1.1", 200), ("GET /?%4 HTTP/1.1", 200), ("GET /?a[]={b}|\\^` HTTP/1.1", 200),
        ("GET /?\" HTTP/1.1", 400), ("GET /?< HTTP/1.1", 400), ("GET /?# HTTP/1.1", 400),
        ("OPTIONS * HTTP/1.1", 200), ("GET * HTTP/1.1", 400), ("OPTIONS ** HTTP/1.1", 400),
        ("OPTIONS *?a HTTP/1.1", 400), ("OPTIONS / HTTP/1.1", 200),
        ("GET http://b.example/x?y HTTP/1.1", 200), ("GET HTTPS://b.example HTTP/1.1", 200),
        ("GET http://b.example?y HTTP/1.1", 200), ("GET http://[::1]:80/ HTTP/1.1", 200),
        ("GET http:///x HTTP/1.1", 400), ("GET http://:80/ HTTP/1.1", 400), ("GET http:/x HTTP/1.1", 400),
        ("GET http://user@b.example/ HTTP/1.1", 400), ("GET http://u:p@b.example/ HTTP/1.1", 400),
        ("GET http://b.example:x/ HTTP/1.1", 400), ("GET http://b.example:65536/ HTTP/1.1", 400),
        ("GET http://b.example/a#b HTTP/1.1", 400), ("GET http://b ex/ HTTP/1.1", 400),
        ("GET ftp://b.example/ HTTP/1.1", 400), ("GET urn:x HTTP/1.1", 400), ("GET http://b.example#a HTTP/1.1", 400),
        ("CONNECT b.example:443 HTTP/1.1", 501), ("CONNECT / HTTP/1.1", 501),
        ("TRACE / HTTP/1.1", 200), ("get / HTTP/1.1", 200), ("M-SEARCH / HTTP/1.1", 200),
    ])
    func line(_ line: String, _ status: Int) {
        #expect(statuses(line + Self.rest) == [status], "\(line)")
    }

    @Test(arguments: [
        ("GET", RequestHead.Method.get), ("HEAD", .head), ("POST", .post), ("PUT", .put), ("PATCH", .patch),
        ("DELETE", .delete), ("OPTIONS", .options), ("TRACE", .other), ("get", .other), ("GETS", .other),
        ("GE", .other), ("POSt", .other), ("CONNECTED", .other),
    ])
    func method(_ name: String, _ method: RequestHead.Method) throws {
        #expect(try head("\(name) / HTTP/1.1" + Self.rest).method == method)
    }

    @Test(
        arguments: [
            ("/", "/", nil), ("/a?", "/a", ""), ("/a?b?c/d", "/a", "b?c/d"), ("http://b.example", "/", nil),
            ("http://b.example/", "/", nil), ("http://b.example?q", "/", "q"),
            ("https://b.example:8/p/%20?q=1", "/p/%20", "q=1"),
        ] as [(String, String, String?)])
    func target(_ target: String, _ path: String, _ query: String?) throws {
        let text = get(target: target)
        let message = Message(copying: try head(text), from: Array(text.utf8).span.bytes)
        #expect(message.path == path)
        #expect(message.query == query)
        #expect(
            message.value(of: .host)
                == (target.hasPrefix("http")
                    ? target.split(separator: "/")[1].split(separator: "?")[0].description : "a.example"))
    }

    @Test func lengths() {
        func line(_ method: Int, _ target: Int) -> String {
            "M".times(method) + " /" + "a".times(target - 1) + " HTTP/1.1" + Self.rest
        }
        #expect(statuses(line(3, Limits.targetBytes)) == [200])
        #expect(statuses(line(Limits.methodBytes, Limits.targetBytes)) == [200])
        #expect(statuses(line(3, Limits.targetBytes + 1)) == [414])
        #expect(statuses(line(3, Limits.targetBytes + 1000)) == [414])
        #expect(statuses(line(Limits.methodBytes + 1, 5)) == [501])
        #expect(statuses("\r\n" + line(Limits.methodBytes, Limits.targetBytes)) == [200])
    }

    @Test func whatNeverEndsIsCutEarly() {
        #expect(statuses("GET /" + "a".times(Limits.requestLineBytes - 6)) == [])
        #expect(statuses("GET /" + "a".times(Limits.requestLineBytes - 5)) == [414])
        #expect(statuses("A".times(Limits.requestLineBytes)) == [414])
    }
}
