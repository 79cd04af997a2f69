import Primitives
import Testing

@testable import Links

struct TokenTests {
    private static let key = key(0x0001_0203_0405_0607)

    private static func key(_ word: UInt64) -> TokenKey {
        TokenKey { SipHash.hash24($0.span.bytes, key0: word, key1: 0x0809_0a0b_0c0d_0e0f) }
    }

    private static func life(_ region: Character, _ node: UInt8, _ incarnation: UInt64) -> LifeTag {
        LifeTag(Origin(region: region.asciiValue!, node: node, incarnation: incarnation))!
    }

    private static let a = life("1", 0, 0x1111 << 48 | 5)
    private static let b = life("2", 3, 0x2222 << 48)
    private static let c = life("z", 15, 0x3333 << 48)
    private static let d = life("0", 0, 0x4444 << 48)
    private static let e = life("1", 0, 0x5555 << 48)

    private static func token(_ positions: [(LifeTag, UInt64)]) -> Token {
        var token = Token(LogPosition(positions.last!.0, positions.last!.1))
        for (life, sequence) in positions.dropLast().reversed() { token.merge([LogPosition(life, sequence)]) }
        return token
    }

    private static let samples = [
        token([(a, 1)]), token([(a, 1 << 48 - 1), (b, 7)]), token([(a, 9), (b, 8), (c, 1 << 40)]),
        token([(a, 1), (b, 2), (c, 3), (d, 4)]),
    ]

    @Test func lengths() {
        #expect(Self.samples.map { $0.text(Self.key).count } == [26, 38, 50, 62])
    }

    /// The form is for ever: clients keep it, and nodes of other versions read it.
    @Test func form() {
        // Version 1; region 1, node 0, incarnation 1111…; the sequence; six bits of zero; the MAC.
        let text = "AQQEREBAgMEBQYBC18aHmu0nfA"
        let token = Self.token([(Self.a, 0x0102_0304_0506)])
        #expect(String(decoding: token.text(Self.key), as: UTF8.self) == text)
        #expect(Token(Array(text.utf8).span.bytes, Self.key) == token)
    }

    @Test(arguments: samples) func roundTripAndEveryFlippedBit(token: Token) {
        let text = token.text(Self.key)
        #expect(Token(text.span.bytes, Self.key) == token)
        for place in text.indices {
            for bit in 0..<8 {
                var forged = text
                forged[place] ^= 1 << UInt8(bit)
                #expect(Token(forged.span.bytes, Self.key) == nil, "bit \(bit) of \(place)")
            }
            #expect(Token(Array(text[..<place]).span.bytes, Self.key) == nil)
        }
        #expect(Token((text + [UInt8(ascii: "A")]).span.bytes, Self.key) == nil)
        #expect(Token((text + Array("AAAA".utf8)).span.bytes, Self.key) == nil)
        #expect(Token(text.span.bytes, Self.key(1)) == nil)
    }

    /// What no token writes, though its MAC be right: `Token.init(payload:)` reads what stands before it.
    @Test func payloads() {
        let sound = Base64URL.decode(Self.samples[0].text(Self.key).span.bytes)!.dropLast(8)
        #expect(Token(payload: Array(sound)) == Self.samples[0])
        var cases: [[UInt8]] = [[], [1], Array(sound) + [0], Array(sound.dropLast())]
        for (place, value) in [(0, 2), (0, 0), (sound.count - 1, sound.last! | 1), (1, 0xff)] {
            var other = Array(sound)
            other[place] = UInt8(value)
            cases.append(other)
        }
        // Sequence 0.
        cases.append([1] + [UInt8](repeating: 0, count: 10))
        for bytes in cases { #expect(Token(payload: bytes) == nil, "\(bytes)") }
        // One life twice: two positions of 74 bits, and four of zero.
        let position = UInt128(Self.a.rawValue) << 48 | 1
        var bits = (0..<148).map { position >> UInt128(73 - $0 % 74) & 1 } + [0, 0, 0, 0]
        var twice: [UInt8] = [1]
        while !bits.isEmpty {
            twice.append(bits.prefix(8).reduce(0) { $0 << 1 | UInt8($1) })
            bits.removeFirst(8)
        }
        #expect(Token(payload: twice) == nil)
    }

    @Test func merging() {
        typealias Row = (have: [(LifeTag, UInt64)], take: [(LifeTag, UInt64)], then: [(LifeTag, UInt64)])
        let (a, b, c, d, e) = (Self.a, Self.b, Self.c, Self.d, Self.e)
        let rows: [Row] = [
            ([(a, 5)], [(a, 7)], [(a, 7)]), ([(a, 5)], [(a, 3)], [(a, 5)]),
            ([(a, 5)], [(b, 1)], [(b, 1), (a, 5)]), ([(a, 5), (b, 2)], [(b, 1)], [(b, 2), (a, 5)]),
            ([(a, 1), (b, 2), (c, 3), (d, 4)], [(e, 9)], [(e, 9), (a, 1), (b, 2), (c, 3)]),
            ([(a, 1), (b, 2), (c, 3), (d, 4)], [(d, 9)], [(d, 9), (a, 1), (b, 2), (c, 3)]),
            // Another life of the same node is another one.
            ([(a, 8)], [(e, 2)], [(e, 2), (a, 8)]),
        ]
        for row in rows {
            var token = Self.token(row.have)
            token.merge(row.take.map { LogPosition($0.0, $0.1) })
            #expect(token.positions == row.then.map { LogPosition($0.0, $0.1) })
        }
    }

    @Test func fillingDroppingAndRaising() {
        let (a, b, c, d, e) = (Self.a, Self.b, Self.c, Self.d, Self.e)
        var token = Self.token([(a, 1), (b, 2)])
        token.fill(with: [LogPosition(b, 9), LogPosition(c, 3), LogPosition(d, 4), LogPosition(e, 5)])
        #expect(token == Self.token([(a, 1), (b, 2), (c, 3), (d, 4)]))
        #expect(token.dropping { $0.life != c } == Self.token([(c, 3)]))
        #expect(token.dropping { _ in true } == nil)
        let raised = token.raised { $0 == a ? 7 : $0 == b ? 1 : 0 }
        #expect(raised == Self.token([(a, 7), (b, 2), (c, 3), (d, 4)]))
    }

    /// Seeded; the seed stands in the failure.
    @Test func randomTokens() {
        var random = SeededRandom(seed: 71)
        for _ in 0..<2000 {
            var token = Token(LogPosition(Self.a, UInt64.random(in: 1..<1 << 48, using: &random)))
            for _ in 0..<Int.random(in: 0..<6, using: &random) {
                let origin = Origin(
                    region: UInt8(ascii: "0") + UInt8.random(in: 0..<10, using: &random),
                    node: UInt8.random(in: 0..<16, using: &random), incarnation: random.next())
                token.merge([LogPosition(LifeTag(origin)!, UInt64.random(in: 1..<1 << 48, using: &random))])
            }
            let text = token.text(Self.key)
            #expect(Token(text.span.bytes, Self.key) == token, "seed 71")
            fuzzTokens(text.span.bytes)
        }
    }
}
