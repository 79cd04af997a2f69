import HTTP
import Testing

/// RFC 9112 3.2 and 5, RFC 9110 5 and 7, one rule a line.
@Suite struct FieldTests {
    @Test(arguments: [
        ("", 400), ("Host: a.example\r\n", 200), ("hOST:a.example\r\n", 200), ("Host:\t a.example \t\r\n", 200),
        ("Host: a.example\r\nHost: a.example\r\n", 400), ("Host: a.example\r\nhost: b.example\r\n", 400),
        ("Host:\r\n", 400), ("Host:  \r\n", 400), ("Host: :80\r\n", 400), ("Host: a.example:\r\n", 200),
        ("Host: a.example:80\r\n", 200), ("Host: a.example:65535\r\n", 200), ("Host: a.example:65536\r\n", 400),
        ("Host: a.example:8x\r\n", 400), ("Host: a.example:+8\r\n", 400), ("Host: a.example:80:80\r\n", 400),
        ("Host: a b\r\n", 400), ("Host: a/b\r\n", 400), ("Host: http://a\r\n", 400), ("Host: u@a\r\n", 400),
        ("Host: a?b\r\n", 400), ("Host: a#b\r\n", 400), ("Host: a\\b\r\n", 400), ("Host: \"a\"\r\n", 400),
        ("Host: a, b\r\n", 400), ("Host: b%C3%BCcher\r\n", 200), ("Host: b%C\r\n", 400), ("Host: b\u{fc}cher\r\n", 400),
        ("Host: a_b!$&'()*+,;=~\r\n", 200), ("Host: 127.0.0.1:8080\r\n", 200), ("Host: 999.1.1.1\r\n", 200),
        ("Host: [::1]\r\n", 200), ("Host: [::1]:8080\r\n", 200), ("Host: [::]\r\n", 200), ("Host: [::1\r\n", 400),
        ("Host: [::1]x\r\n", 400), ("Host: []\r\n", 400), ("Host: [::1]:\r\n", 200), ("Host: ::1\r\n", 400),
        ("Host: [1:2:3:4:5:6:7:8]\r\n", 200), ("Host: [1:2:3:4:5:6:7]\r\n", 400),
        ("Host: [1:2:3:4:5:6:7:8:9]\r\n", 400), ("Host: [1::2::3]\r\n", 400), ("Host: [1:2:3:4:5:6:7::]\r\n", 200),
        ("Host: [::2:3:4:5:6:7:8]\r\n", 200), ("Host: [1:2:3:4:5:6:7:8::]\r\n", 400), ("Host: [12345::]\r\n", 400),
        ("Host: [fe80::1%25eth0]\r\n", 400), ("Host: [::ffff:1.2.3.4]\r\n", 200), ("Host: [::1.2.3]\r\n", 400),
        ("Host: [::1.2.3.256]\r\n", 400), ("Host: [::1.2.3.04]\r\n", 400), ("Host: [1:2:3:4:5:6:1.2.3.4]\r\n", 200),
        ("Host: [1:2:3:4:5:6:7:1.2.3.4]\r\n", 400), ("Host: [1.2.3.4]\r\n", 400), ("Host: [1:]\r\n", 400),
        ("Host: [:1]\r\n", 400), ("Host: [:::]\r\n", 400), ("Host: [g::]\r\n", 400), ("Host: [v1.a:b]\r\n", 200),
        ("Host: [v.a]\r\n", 400), ("Host: [v1.]\r\n", 400), ("Host: [vg.a]\r\n", 400), ("Host: [v1.a/b]\r\n", 400),
    ])
    func host(_ lines: String, _ status: Int) {
        #expect(statuses("GET / HTTP/1.1\r\n\(lines)\r\n") == [status], "\(lines)")
    }

    @Test func hostMayLackOnlyIn10() throws {
        #expect(statuses("GET / HTTP/1.0\r\n\r\n") == [200])
        #expect(statuses("GET http://a.example/ HTTP/1.1\r\n\r\n") == [400])
        #expect(statuses("GET / HTTP/1.0\r\nHost: a b\r\n\r\n") == [400])
        #expect(try !head("GET / HTTP/1.0\r\n\r\n")[.host].isPresent)
    }

    @Test(arguments: [
        ("X: y", 200), ("X:y", 200), ("X:", 200), ("X: \t y \t ", 200), ("X: a\tb c", 200), ("X: \u{e9}\u{20ac}", 200),
        ("!#$%&'*+-.^_`|~09azAZ: y", 200), ("X: :;,\"\\()<>@{}[]?=", 200),
        ("X : y", 400), ("X\t: y", 400), (" X: y", 400), ("\tX: y", 400), (": y", 400), ("X", 400), ("X y", 400),
        ("X: a\r\n b", 400), ("X: a\r\n\tb", 400), ("X: a\r\n : b", 400), ("X: a\rb", 400), ("X: a\nb", 400),
        ("X: a\r", 400), ("X: a\nY: b", 400), ("X: \0", 400), ("X: a\u{1}", 400), ("X: a\u{b}", 400),
        ("X: a\u{1f}b", 400), ("X: \u{7f}", 400), ("X: 12345678\u{7f}12345678", 400),
        ("X\u{e9}: y", 400), ("X(: y", 400), ("X/Y: y", 400), ("X@: y", 400), ("\"X\": y", 400), ("X\0: y", 400),
        ("Content-Type: a/b\r\nContent-Type: a/b", 400), ("Authorization: a\r\nauthorization: b", 400),
        ("X-Api-Key: a\r\nX-Api-Key: a", 400), ("Idempotency-Key: a\r\nIdempotency-Key: a", 400),
        ("Edge-Token: a\r\nEdge-Token: a", 400), ("X-Write-Region: a\r\nX-Write-Region: a", 400),
        ("X-Write-Ts: 1\r\nX-Write-Ts: 1", 400), ("Origin: a\r\nOrigin: a", 400),
        ("Content-Encoding: a\r\nContent-Encoding: a", 400), ("Content-Length: 0\r\nContent-Length: 0", 400),
        ("Accept: a/b\r\nAccept: a/b", 200), ("Cookie: a=b\r\nCookie: c=d", 200), ("Prefer: a\r\nPrefer: b", 200),
        ("If-Match: a\r\nIf-Match: b", 200), ("X-Forwarded-For: a\r\nX-Forwarded-For: b", 200),
    ])
    func line(_ line: String, _ status: Int) {
        #expect(statuses(get(line)) == [status], "\(line)")
        #expect(statuses(get("Y: z", line)) == [status], "\(line)")
        #expect(statuses(get(line, "Y: z")) == [status], "\(line)")
    }

    @Test func bareLineFeedsEndNothing() {
        #expect(statuses("GET / HTTP/1.1\nHost: a\n\n") == [400])
        #expect(statuses("GET / HTTP/1.1\r\nHost: a\n\r\n") == [400])
        #expect(statuses("GET / HTTP/1.1\r\nHost: a\r\n\n") == [400])
        #expect(statuses("GET / HTTP/1.1\r\n Host: a\r\n\r\n") == [400])
    }

    @Test func everyByteInNamesAndValues() {
        let token = Set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
        for byte in UInt8.min...UInt8.max {
            let start = Array("GET / HTTP/1.1\r\nHost: a\r\n".utf8)
            let name = start + Array("abc".utf8) + [byte] + Array("def: x\r\n\r\n".utf8)
            #expect(statuses(read(name)) == [token.contains(byte) || byte == UInt8(ascii: ":") ? 200 : 400], "\(byte)")
            for position in 0..<20 {
                var value = Array("x".times(20).utf8)
                value[position] = byte
                let isText = byte == 9 || (byte >= 32 && byte != 127)
                let text = start + Array("abc:".utf8) + value + Array("\r\n\r\n".utf8)
                #expect(statuses(read(text)) == [isText ? 200 : 400], "\(byte) at \(position)")
            }
        }
    }

    @Test func everyByteInTargets() {
        let segment = Set(
            "-._~!$&'()*+,;=:@/0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
        for byte in UInt8.min...UInt8.max {
            for (before, isQuery) in [("/a", false), ("/?", true)] {
                let text = Array("GET \(before)".utf8) + [byte] + Array("b HTTP/1.0\r\n\r\n".utf8)
                let isQueryText = (0x21...0x7E).contains(byte) && !"\"#<>".utf8.contains(byte)
                let allowed =
                    before == "/?" ? isQueryText : segment.contains(byte) || byte == UInt8(ascii: "?")
                #expect(statuses(read(text)) == [allowed ? 200 : 400], "\(byte) in \(isQuery ? "query" : "path")")
            }
        }
    }

    /// Every field by its name in three spellings, and names one letter off.
    @Test func recognition() throws {
        let names: [(String, Field)] = [
            ("Content-Type", .contentType), ("Content-Encoding", .contentEncoding), ("Accept", .accept),
            ("Accept-Language", .acceptLanguage), ("Authorization", .authorization), ("If-Match", .ifMatch),
            ("If-None-Match", .ifNoneMatch), ("Origin", .origin), ("User-Agent", .userAgent), ("Referer", .referer),
            ("Cookie", .cookie), ("Prefer", .prefer), ("Forwarded", .forwarded), ("X-Forwarded-For", .xForwardedFor),
            ("Idempotency-Key", .idempotencyKey), ("X-Api-Key", .xAPIKey), ("Edge-Token", .edgeToken),
            ("X-Write-Region", .xWriteRegion), ("X-Write-Ts", .xWriteTs), ("Connection", .connection),
        ]
        for (name, field) in names {
            for spelling in [name, name.lowercased(), name.uppercased()] {
                let text = get("\(spelling):  value one\t")
                let head = try head(text)
                #expect(head.value(of: field, in: Array(text.utf8).span.bytes) == "value one", "\(spelling)")
                #expect(
                    Field.allCases.filter { head[$0].isPresent } == [.host, field].sorted { $0.rawValue < $1.rawValue })
            }
            for index in name.indices {
                var other = name
                other.replaceSubrange(index...index, with: name[index] == "_" ? "z" : "_")
                #expect(try !head(get("\(other): v"))[field].isPresent, "\(other)")
            }
        }
    }

    @Test func repeatedFieldsAreJoined() throws {
        let text = get("X-Forwarded-For: a", "Cookie: x=1", "x-forwarded-FOR:", "X-Forwarded-For: b, c ", "Cookie:y=2")
        let request = try head(text)
        let message = Message(copying: request, from: Array(text.utf8).span.bytes)
        #expect(request.isRepeated(.xForwardedFor) && request.isRepeated(.cookie) && !request.isRepeated(.host))
        #expect(message.value(of: .xForwardedFor) == "a, , b, c")
        #expect(message.value(of: .cookie) == "x=1; y=2")
        #expect(message.value(of: .host) == "a.example")
        #expect(message.value(of: .accept) == nil)
    }

    @Test func valuesThatAreNotUTF8() throws {
        let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: ".utf8) + [0xFF, 0xFE] + Array("\r\n\r\n".utf8)
        guard case .request(let head, _)? = read(bytes).first else { throw UnexpectedEvents(events: read(bytes)) }
        #expect(head[.userAgent].isPresent && head[.userAgent].range.count == 2)
        #expect(head.value(of: .userAgent, in: bytes.span.bytes) == nil)
    }

    @Test func limits() {
        #expect(statuses(get("X: " + "y".times(16_000))) == [200])
        #expect(statuses(get("X: y\r\n".times(Limits.fields - 2) + "Z: z")) == [200])
        #expect(statuses(get("X: y\r\n".times(Limits.fields - 1) + "Z: z")) == [431])
        let around = get("X: ").utf8.count
        #expect(statuses(get("X: " + "y".times(Limits.headBytes - around))) == [200])
        #expect(statuses(get("X: " + "y".times(Limits.headBytes - around + 1))) == [431])
        #expect(statuses("\r\n" + get("X: " + "y".times(Limits.headBytes - around))) == [431])
        #expect(statuses(get("X: " + "y".times(200_000))) == [431])
        let endless = "GET / HTTP/1.1\r\nX: "
        #expect(statuses(endless + "y".times(Limits.headBytes - endless.utf8.count - 1)) == [])
        #expect(statuses(endless + "y".times(Limits.headBytes - endless.utf8.count)) == [431])
    }

    @Test(
        arguments: [
            ("HTTP/1.1", [], true), ("HTTP/1.0", [], false), ("HTTP/1.1", ["close"], false),
            ("HTTP/1.1", ["Close"], false),
            ("HTTP/1.0", ["keep-alive"], true), ("HTTP/1.0", ["Keep-Alive"], true), ("HTTP/1.1", ["keep-alive"], true),
            ("HTTP/1.0", ["keep-alive, close"], false), ("HTTP/1.1", ["upgrade", "close"], false),
            ("HTTP/1.1", ["foo ,\tclose , bar"], false), ("HTTP/1.1", ["closed"], true),
            ("HTTP/1.1", ["\"close\""], true),
            ("HTTP/1.0", ["foo", "keep-alive"], true), ("HTTP/1.0", ["keep-alive", "close"], false),
            ("HTTP/1.1", [",,close"], false), ("HTTP/1.1", [""], true),
        ] as [(String, [String], Bool)])
    func persistence(_ version: String, _ values: [String], _ keepsAlive: Bool) throws {
        let lines = values.map { "Connection: \($0)\r\n" }.joined()
        let text = "GET / \(version)\r\nHost: a\r\n\(lines)\r\n"
        #expect(try head(text).keepsAlive == keepsAlive)
        #expect(statuses(text + get()) == (keepsAlive ? [200, 200] : [200]))
    }
}
