import Primitives
import Testing

@testable import Links

struct ForwardedQueryTests {
    private static func forward(_ query: String, _ url: String) -> String {
        String(decoding: ForwardedQuery.appended(Array(query.utf8), to: Array(url.utf8)), as: UTF8.self)
    }

    @Test(arguments: [
        // Nothing to append.
        ("https://a.example/", "", "https://a.example/"), ("https://a.example/?b=1", "", "https://a.example/?b=1"),
        ("https://a.example/#c", "&&", "https://a.example/#c"),
        // Behind what the destination has.
        ("https://a.example/", "x=2", "https://a.example/?x=2"), ("https://a.example", "x=2", "https://a.example?x=2"),
        ("https://a.example/?b=1", "x=2&y=3", "https://a.example/?b=1&x=2&y=3"),
        ("https://a.example/?", "x=2", "https://a.example/?x=2"),
        ("https://a.example/?b=1&", "x=2", "https://a.example/?b=1&x=2"),
        ("https://a.example/?b", "x", "https://a.example/?b&x"),
        // Before the fragment, which may look like a query.
        ("https://a.example/#c", "x=2", "https://a.example/?x=2#c"),
        ("https://a.example/?b=1#c?x=1&y#d", "x=2&y=3", "https://a.example/?b=1&x=2&y=3#c?x=1&y#d"),
        ("https://a.example/?#", "x=2", "https://a.example/?x=2#"),
        // The destination's keys win, as they are and as they are meant; order, repetitions and spelling are kept.
        ("https://a.example/?b=1", "b=2&x=3", "https://a.example/?b=1&x=3"),
        ("https://a.example/?b=1", "b=2", "https://a.example/?b=1"),
        ("https://a.example/?b", "b=2", "https://a.example/?b"),
        ("https://a.example/?b=1", "b", "https://a.example/?b=1"),
        ("https://a.example/?b=1", "B=2", "https://a.example/?b=1&B=2"),
        ("https://a.example/?b=1", "bb=2&=b", "https://a.example/?b=1&bb=2&=b"),
        ("https://a.example/?=1", "=2&x=3", "https://a.example/?=1&x=3"),
        ("https://a.example/?b=1", "%62=2&x=3", "https://a.example/?b=1&x=3"),
        ("https://a.example/?%62=1#c", "b=2", "https://a.example/?%62=1#c"),
        ("https://a.example/?%C3%A9=1", "%c3%a9=2&%C3=3", "https://a.example/?%C3%A9=1&%C3=3"),
        ("https://a.example/?b%3D1", "b=1", "https://a.example/?b%3D1&b=1"),
        ("https://a.example/?b=x=1", "b=x=2&x=1", "https://a.example/?b=x=1&x=1"),
        ("https://a.example/?b=1", "y=1&x=2&y=3&a=/?:@", "https://a.example/?b=1&y=1&x=2&y=3&a=/?:@"),
        // A plus is a space in a key, and stays as it is.
        ("https://a.example/?a+b=1", "a%20b=2&a+b=3&a%2Bb=4", "https://a.example/?a+b=1&a%2Bb=4"),
        ("https://a.example/?a%20b=1#c", "a+b=2&x=1+2", "https://a.example/?a%20b=1&x=1+2#c"),
        ("https://a.example/?a%2Bb=1", "a+b=2&a%2bb=3", "https://a.example/?a%2Bb=1&a+b=2"),
        // What no query may have.
        ("https://a.example/#c", "x=1#d", "https://a.example/?x=1%23d#c"),
        ("https://a.example/", "x=\r\nSet-Cookie: y", "https://a.example/?x=%0D%0ASet-Cookie:%20y"),
        ("https://a.example/", "x=%&y=%4&z=%zz&%41", "https://a.example/?x=%25&y=%254&z=%25zz&%41"),
        ("https://a.example/", "é=\"<>", "https://a.example/?%C3%A9=%22%3C%3E"),
    ])
    func table(url: String, query: String, result: String) { #expect(Self.forward(query, url) == result) }

    /// No byte ends the URL, or the line that it stands in.
    @Test func everyByte() {
        for byte in UInt8.min ... .max {
            for query in [[byte], [0x61, byte, 0x62], [0x61, 0x3D, byte]] {
                let url = ForwardedQuery.appended(query, to: Array("https://a.example/#c".utf8))
                #expect(url.allSatisfy { $0 > 0x20 && $0 < 0x7F } && url.count { $0 == 0x23 } == 1, "\(byte)")
            }
        }
    }

    @Test func sizes() {
        let (url, fragment) = ("https://a.example/?b=1", "#" + String(repeating: "f", count: 100))
        let room = ForwardedQuery.urlBytes - url.utf8.count - fragment.utf8.count - 3
        for (value, fits) in [
            (String(repeating: "v", count: room), true), (String(repeating: "v", count: room + 1), false),
            (String(repeating: "v", count: room - 3) + "é", false),
            (String(repeating: "v", count: room - 6) + "é", true),
        ] {
            let expected = value.replacing("é", with: "%C3%A9")
            #expect(
                Self.forward("x=" + value, url + fragment)
                    == (fits ? url + "&x=" + expected + fragment : url + fragment))
        }
        // A pair that does not fit leaves none of those before it.
        #expect(Self.forward("y=1&x=" + String(repeating: "v", count: 8000), url) == url)
        for long in [ForwardedQuery.urlBytes - 1, ForwardedQuery.urlBytes, 9000] {
            let url = "https://a.example/".padded(to: long)
            #expect(Self.forward("x", url) == url && Self.forward("", url) == url)
        }
    }

    @Test func numberOfPairs() {
        let pairs = (0..<ForwardedQuery.pairs).map { "k\($0)=1" }.joined(separator: "&")
        #expect(Self.forward(pairs, "https://a.example/") == "https://a.example/?" + pairs)
        #expect(Self.forward(pairs + "&", "https://a.example/") == "https://a.example/?" + pairs)
        #expect(Self.forward(pairs + "&x=1", "https://a.example/") == "https://a.example/")
    }

    /// As the rule says it, with arrays and strings.
    private static func model(_ query: String, _ url: String) -> String {
        func key(_ pair: Substring) -> [UInt8] {
            var (bytes, rest) = ([UInt8](), Array(pair.prefix { $0 != "=" }.utf8)[...])
            while let byte = rest.popFirst() {
                let digits = String(decoding: rest.prefix(2), as: UTF8.self)
                if byte == 0x25, digits.count == 2, digits.allSatisfy(\.isHexDigit),
                    let value = UInt8(digits, radix: 16)
                {
                    bytes.append(value)
                    rest = rest.dropFirst(2)
                } else {
                    bytes.append(byte == 0x2B ? 0x20 : byte)
                }
            }
            return bytes
        }
        let base = url.prefix { $0 != "#" }
        let own = base.firstIndex(of: "?").map { base[$0...].dropFirst() }
        let keys = (own ?? "").split(separator: "&").map(key)
        let added = query.split(separator: "&").filter { !keys.contains(key($0)) }
        guard !added.isEmpty else { return url }
        let separator = own == nil ? "?" : own!.isEmpty || own!.hasSuffix("&") ? "" : "&"
        return base + separator + added.joined(separator: "&") + url.dropFirst(base.count)
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64]) func asTheModelHasIt(seed: UInt64) {
        print("seed \(seed)")
        var random = SeededRandom(seed: seed)
        let pieces = ["a", "b", "=", "&", "%61", "%41", "%C3%A9", "A", "?", "/", "1", "+", "%20", "%2B"]
        func text(_ range: ClosedRange<Int>, _ more: [String] = []) -> String {
            (0..<Int.random(in: range, using: &random)).map { _ in (pieces + more).randomElement(using: &random)! }
                .joined()
        }
        for _ in 0..<20_000 {
            let (url, query) = ("https://a.example/" + text(0...10, ["#", "?"]), text(0...12))
            #expect(Self.forward(query, url) == Self.model(query, url), "\(url) \(query)")
            fuzzQueries(Array("\(url)\n\(query)".utf8).span.bytes)
        }
    }

    /// Whatever the bytes are.
    @Test(arguments: [1, 2] as [UInt64]) func anyBytes(seed: UInt64) {
        print("seed \(seed)")
        var random = SeededRandom(seed: seed)
        for _ in 0..<5000 {
            let bytes = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                UInt8.random(in: 0 ... .max, using: &random)
            }
            fuzzQueries(bytes.span.bytes)
        }
    }
}

extension String {
    fileprivate func padded(to count: Int) -> String { self + String(repeating: "p", count: count - utf8.count) }
}
