import Foundation
import HTTP
import Primitives
import Server
import Testing

@Suite struct AccessTextTests {
    private func line(
        _ path: String, _ format: Log.Format = .logfmt, client: String = "192.0.2.99",
        method: RequestHead.Method? = .get
    ) -> String {
        let client = IPAddress(client.utf8)!
        let record = AccessRecord(
            at: Instant(milliseconds: 1_767_225_600_007), microseconds: 31, answerBytes: 212, status: 302,
            method: method,
            result: .redirect, client: client)
        var ring: [UInt8] = []
        ring.append(bigEndian: UInt32(record.head.count + path.utf8.count))
        ring += record.head + Array(path.utf8)
        var (text, output) = (AccessText(format: format), [UInt8]())
        #expect(text.append(ring.span.bytes, to: &output) == 1)
        return String(decoding: output, as: UTF8.self)
    }

    @Test func whole() throws {
        #expect(
            line("/1TcH0Me") == "time=2026-01-01T00:00:00.007Z client=192.0.2.0/24 method=GET path=/1TcH0Me status=302 "
                + "bytes=212 us=31 result=redirect\n")
        #expect(
            line("/1TcH0Me", .json) == #"{"time":"2026-01-01T00:00:00.007Z","client":"192.0.2.0/24","method":"GET","#
                + #""path":"/1TcH0Me","status":302,"bytes":212,"us":31,"result":"redirect"}"# + "\n")
        #expect(line("", method: nil).contains(" method=- path=- status"))
    }

    /// A path, and how it stands in logfmt; JSON always has the quotes.
    @Test(arguments: [
        ("/a", "/a"), ("/a%20b", "/a%20b"), ("/a=b", #""/a=b""#), ("/a\"b", #""/a\"b""#), ("/a\\b", #""/a\\b""#),
        ("/a b", "/a%20b"), ("/a\nb", "/a%0Ab"), ("/a\u{1b}[2J", "/a%1B[2J"), ("/\u{7f}", "/%7F"), ("/é", "/%C3%A9"),
        ("/\u{0}", "/%00"), ("", "-"),
    ])
    func paths(path: String, expected: String) throws {
        #expect(line(path).contains(" path=\(expected) status="))
        let json = line(path, .json)
        #expect(json.contains(#""path":\#(expected.hasPrefix("\"") ? expected : "\"\(expected)\""),"#))
        #expect(try JSONSerialization.jsonObject(with: Data(json.utf8)) is [String: Any])
        #expect(json.utf8.count { $0 < 0x20 } == 1)
    }

    @Test(arguments: [
        ("192.0.2.255", "192.0.2.0/24"), ("::ffff:192.0.2.255", "192.0.2.0/24"), ("0.0.0.0", "0.0.0.0/24"),
        ("2001:db8:1234:5678::9abc", "2001:db8:1234::/48"), ("::1", "::/48"),
    ])
    func networks(address: String, expected: String) {
        #expect(IPAddress(address.utf8)?.shownNetwork == expected)
        #expect(line("/a", client: address).contains(" client=\(expected) "))
    }
}
