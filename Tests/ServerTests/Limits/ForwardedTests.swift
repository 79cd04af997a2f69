import Primitives
import Server
import Testing

@Suite struct ForwardedTests {
    private static let trusted = "10.0.0.0/8, ::1, 2001:db8:ffff::/48"

    private func client(_ peer: String, xForwardedFor: String? = nil, forwarded: String? = nil) throws -> String {
        let prefixes = try Configuration.load(file: nil, flags: [("trusted_proxies", Self.trusted)], cores: 1)
            .trustedProxies
        let address = try #require(IPAddress(peer.utf8))
        func withBytes<Result>(_ text: String?, _ body: (UnsafeRawBufferPointer?) -> Result) -> Result {
            guard let text else { return body(nil) }
            return Array(text.utf8).withUnsafeBytes { body($0) }
        }
        return withBytes(xForwardedFor) { first in
            withBytes(forwarded) { second in
                TrustedProxies(prefixes).client(behind: address, xForwardedFor: first, forwarded: second).description
            }
        }
    }

    /// What a peer sends, and who is then the client.
    @Test(arguments: [
        // Nobody's word counts but a trusted peer's.
        ("192.0.2.9", "198.51.100.1", "192.0.2.9"), ("2001:db8::1", "198.51.100.1", "2001:db8::1"),
        ("11.0.0.0", "198.51.100.1", "11.0.0.0"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"), ("::1", "198.51.100.1", "198.51.100.1"),
        ("2001:db8:ffff:1::7", "198.51.100.1", "198.51.100.1"), ("::ffff:10.9.9.9", "198.51.100.1", "198.51.100.1"),
        // What a client wrote itself stands to the left of what the proxy wrote.
        ("10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"), ("10.0.0.1", "10.0.0.5, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "garbage!, 198.51.100.1", "198.51.100.1"), ("10.0.0.1", "\"x, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", ", 198.51.100.1", "198.51.100.1"),
        // Trusted hops are passed by; where all are trusted the first of them asked.
        ("10.0.0.1", "1.2.3.4, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1,10.0.0.2 ,\t::1", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        // Forms.
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"), ("10.0.0.1", "2001:db8::5", "2001:db8::5"),
        ("10.0.0.1", "[2001:DB8::5]", "2001:db8::5"), ("10.0.0.1", "[2001:db8::5]:80", "2001:db8::5"),
        ("10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        // What is no address: the proxy that wrote it is as far as one can see.
        ("10.0.0.1", "", "10.0.0.1"), ("10.0.0.1", "unknown", "10.0.0.1"), ("10.0.0.1", "198.51.100.1,", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, _hidden, 10.0.0.2", "10.0.0.2"), ("10.0.0.1", "198.51.100", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.256", "10.0.0.1"), ("10.0.0.1", "198.51.100.01", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1:x", "10.0.0.1"), ("10.0.0.1", "198.51.100.1:", "10.0.0.1"),
        ("10.0.0.1", "[2001:db8::5", "10.0.0.1"), ("10.0.0.1", "[198.51.100.1]", "10.0.0.1"),
        ("10.0.0.1", "[2001:db8::5]x", "10.0.0.1"), ("10.0.0.1", "fe80::1%eth0", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1 198.51.100.2", "10.0.0.1"), ("10.0.0.1", "localhost", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1\u{0}", "10.0.0.1"), ("10.0.0.1", String(repeating: "1", count: 5000), "10.0.0.1"),
    ])
    func xForwardedFor(peer: String, value: String, expected: String) throws {
        #expect(try client(peer, xForwardedFor: value) == expected)
    }

    @Test(arguments: [
        ("192.0.2.9", "for=198.51.100.1", "192.0.2.9"),
        ("10.0.0.1", "for=198.51.100.1", "198.51.100.1"), ("10.0.0.1", "For=\"198.51.100.1\"", "198.51.100.1"),
        ("10.0.0.1", "for=\"198.51.100.1:4711\"", "198.51.100.1"), ("10.0.0.1", "for=\"[2001:db8::5]\"", "2001:db8::5"),
        ("10.0.0.1", "for=\"[2001:db8::5]:4711\"", "2001:db8::5"),
        ("10.0.0.1", "for=\"[2001:db8::5]:_port\"", "2001:db8::5"),
        ("10.0.0.1", "proto=https;by=203.0.113.43;FOR=198.51.100.1;host=\"a,b\"", "198.51.100.1"),
        ("10.0.0.1", "for=1.2.3.4, for=198.51.100.1;proto=http, for=10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "for=1.2.3.4,for=198.51.100.1 ; proto=http ,\tfor=10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "for=10.0.0.3, for=10.0.0.2", "10.0.0.3"), ("10.0.0.1", ";;for=198.51.100.1;", "198.51.100.1"),
        ("10.0.0.1", "for=\"198.51.100.\\1\"", "198.51.100.1"),
        // No address.
        ("10.0.0.1", "for=unknown", "10.0.0.1"), ("10.0.0.1", "for=198.51.100.1, for=_hidden", "10.0.0.1"),
        ("10.0.0.1", "for=198.51.100.1, for=\"_SEVKISEK:80\", for=10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "by=198.51.100.1", "10.0.0.1"), ("10.0.0.1", "for=198.51.100.1, proto=http", "10.0.0.1"),
        ("10.0.0.1", "for=\"2001:db8::5\"", "10.0.0.1"), ("10.0.0.1", "for=\"[2001:db8::5]:_\"", "10.0.0.1"),
        ("10.0.0.1", "for=\"[2001:db8::5]:123456\"", "10.0.0.1"), ("10.0.0.1", "", "10.0.0.1"),
        // Malformed: nothing of it counts.
        ("10.0.0.1", "for=[2001:db8::5]", "10.0.0.1"), ("10.0.0.1", "for=198.51.100.1:80", "10.0.0.1"),
        ("10.0.0.1", "for=\"x, for=198.51.100.1", "10.0.0.1"), ("10.0.0.1", "for=\"x\\", "10.0.0.1"),
        ("10.0.0.1", "for=198.51.100.1;for=198.51.100.2", "10.0.0.1"), ("10.0.0.1", "for =198.51.100.1", "10.0.0.1"),
        ("10.0.0.1", "for= 198.51.100.1", "10.0.0.1"), ("10.0.0.1", "198.51.100.1", "10.0.0.1"),
        ("10.0.0.1", "for=", "10.0.0.1"), ("10.0.0.1", "for=\"198.51.100.1\"x, for=198.51.100.2", "10.0.0.1"),
    ])
    func forwarded(peer: String, value: String, expected: String) throws {
        #expect(try client(peer, forwarded: value) == expected)
    }

    /// Both: only if they say the same.
    @Test func both() throws {
        #expect(try client("10.0.0.1", xForwardedFor: "198.51.100.1", forwarded: "for=198.51.100.1") == "198.51.100.1")
        #expect(try client("10.0.0.1", xForwardedFor: "198.51.100.1", forwarded: "for=198.51.100.2") == "10.0.0.1")
        #expect(try client("10.0.0.1", xForwardedFor: "198.51.100.1", forwarded: "for=x") == "10.0.0.1")
        #expect(try client("10.0.0.1", xForwardedFor: "", forwarded: "for=198.51.100.2") == "10.0.0.1")
        #expect(try client("192.0.2.9", xForwardedFor: "198.51.100.1", forwarded: "for=198.51.100.1") == "192.0.2.9")
    }

    /// A way of trusted proxies without end costs a bounded walk.
    @Test func hops() throws {
        let way = Array(repeating: "10.0.0.7", count: TrustedProxies.hops - 1) + ["10.0.0.2"]
        #expect(try client("10.0.0.1", xForwardedFor: (["198.51.100.1"] + way).joined(separator: ",")) == "10.0.0.7")
        #expect(
            try client("10.0.0.1", xForwardedFor: (["198.51.100.1"] + way.dropFirst()).joined(separator: ","))
                == "198.51.100.1")
    }

    @Test(arguments: [
        ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"), ("::", "::"), ("::FFFF:1.2.3.4", "1.2.3.4"),
        ("2001:0db8:0:0::1", "2001:db8::1"), ("::1.2.3.4", "::1.2.3.4"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ])
    func addresses(text: String, printed: String) { #expect(IPAddress(text.utf8)?.description == printed) }

    /// Random changes of good values find nothing that traps.
    @Test func anyBytes() {
        let seed: UInt64 = 20_261_122
        print("fuzzForwarded: seed \(seed)")
        var random = SeededRandom(seed: seed)
        let samples =
            [
                "for=\"[2001:db8::5]:4711\";proto=http, for=192.0.2.1", "192.0.2.1, [2001:db8::1]:80, 10.0.0.1:1",
                "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY TCP6 2001:db8::1 ::1 65535 2\r\n", "PROXY UNKNOWN\r\n",
            ].map { Array($0.utf8) } + [ProxyHeaderTests.binary(0x21, 0x11, [192, 0, 2, 1, 192, 0, 2, 2, 0, 1, 0, 2])]
        for _ in 0..<3000 {
            var bytes = samples.randomElement(using: &random)!
            for _ in 0..<random.next() % 4 where !bytes.isEmpty {
                let index = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 3 {
                case 0: bytes[index] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes.remove(at: index)
                default: bytes.insert(bytes[index], at: index)
                }
            }
            fuzzForwarded(bytes.span.bytes)
        }
    }
}

@Suite struct ProxyHeaderTests {
    private static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]

    static func binary(_ command: UInt8, _ family: UInt8, _ rest: [UInt8], length: Int? = nil) -> [UInt8] {
        let length = length ?? rest.count
        return signature + [command, family, UInt8(length >> 8), UInt8(length & 255)] + rest
    }

    private func read(_ bytes: [UInt8]) -> ProxyHeader.Outcome { bytes.withUnsafeBytes { ProxyHeader.read($0) } }

    private func expectWhole(_ header: [UInt8], _ client: String?) {
        let address = client.map { IPAddress($0.utf8)! }
        for rest in ["", "GET / HTTP/1.1\r\n", "PROXY"] {
            let outcome = read(header + Array(rest.utf8))
            #expect(outcome == .complete(byteCount: header.count, client: address), "\(header)")
        }
        for count in header.indices { #expect(read(Array(header[..<count])) == .incomplete, "\(count) of \(header)") }
    }

    @Test(
        arguments: [
            ("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", "192.0.2.1"),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n", "2001:db8::1"),
            ("PROXY TCP6 ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "!"),
            ("PROXY UNKNOWN\r\n", nil), ("PROXY UNKNOWN ffff:: what ever\r\n", nil),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n", "!"), ("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\n", "!"),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443 \r\n", "!"), ("PROXY TCP4 192.0.2.1 192.0.2.2 x 443\r\n", "!"),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 56324 65536\r\n", "!"), ("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", "!"),
            ("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", "!"), ("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", "!"),
            ("PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n", "!"), ("PROXY TCP4 \n", "!"), ("PROXY UNKNOWNX\r\n", "!"),
            ("PROXY UNKNOWN " + String(repeating: "x", count: 94), "!"),
            ("PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n", "-"), ("PROXY / HTTP/1.1\r\n", "-"),
            ("POST / HTTP/1.1\r\n", "-"),
            ("\r\nGET / HTTP/1.1\r\n", "-"), ("GET", "-"), ("proxy TCP4 ", "-"), ("\r\n\r\nGET", "-"),
        ] as [(String, String?)])
    func lines(text: String, client: String?) {
        switch client {
        case "!": #expect(read(Array(text.utf8)) == .malformed)
        case "-": #expect(read(Array(text.utf8)) == .absent)
        default: expectWhole(Array(text.utf8), client)
        }
    }

    @Test func binaries() {
        let four: [UInt8] = [192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 4, 1, 0xbb]
        let six: [UInt8] =
            [0x20, 1, 0xd, 0xb8] + [UInt8](repeating: 0, count: 11) + [1] + [UInt8](repeating: 9, count: 20)
        expectWhole(Self.binary(0x21, 0x11, four), "192.0.2.1")
        expectWhole(Self.binary(0x21, 0x21, six), "2001:db8::1")
        // What follows the addresses is passed by; so are addresses of other families and of the proxy's own requests.
        expectWhole(Self.binary(0x21, 0x11, four + [4, 0, 1, 0]), "192.0.2.1")
        expectWhole(Self.binary(0x21, 0x31, [UInt8](repeating: 65, count: 216)), nil)
        expectWhole(Self.binary(0x21, 0, []), nil)
        expectWhole(Self.binary(0x20, 0x11, four), nil)
        expectWhole(Self.binary(0x20, 0, []), nil)
        let wrong = [
            Self.binary(0x11, 0x11, four), Self.binary(0x22, 0x11, four), Self.binary(0x21, 0x41, four),
            Self.binary(0x21, 0x13, four), Self.binary(0x21, 0x11, Array(four.dropLast())),
            Self.binary(0x21, 0x21, four), Self.binary(0x21, 0x11, four, length: ProxyHeader.longest),
        ]
        for header in wrong { #expect(read(header) == .malformed, "\(header)") }
        #expect(read(Self.signature) == .incomplete)
        #expect(read(Self.signature.dropLast() + [11]) == .absent)
    }
}
