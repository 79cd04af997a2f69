import Links
import Primitives
import Testing

private let us = RegionCharacter(UInt8(ascii: "1"))!
private let last = RegionCharacter(UInt8(ascii: "z"))!
private let foreign = RegionCharacter(UInt8(ascii: "2"))!
private let space = CodeSpace(key0: 0x0706_0504_0302_0100, key1: 0x0f0e_0d0c_0b0a_0908, regions: [us, last])

private func decode(_ text: String, in space: CodeSpace = space) -> DecodedCode? {
    space.decode(Array(text.utf8).span.bytes)
}

private func hasShape(_ text: String) -> Bool { space.hasGeneratedShape(Array(text.utf8).span.bytes) }

private func body(_ value: UInt64, width: Int, region: String = "1") -> String {
    var bytes = Array(region.utf8)
    bytes.append(base62: value, width: width)
    return String(decoding: bytes, as: UTF8.self)
}

/// Codes are for ever: these were computed by another implementation of the description.
@Test(
    arguments: [
        (1, 0, "1zfKtfK"),
        (1, 1, "1y6iUTv"),
        (1, 16, "1HbnCw7"),
        (1, 56800235583, "1ySRDhR"),
        (1, 56800235584, "1kBmOqfV"),
        (1, 3521614606207, "1gF4JMyj"),
        (1, 8525829, "15iPh5SjL4P8"),
        (61, 0, "zpgfPGk"),
        (61, 1, "z19MbXk"),
        (61, 16, "zG8pfUT"),
        (61, 56800235583, "zMXoK1c"),
        (61, 56800235584, "z34ae0QP"),
        (61, 3521614606207, "zbp0EBo6"),
        (61, 16390149, "zKO4IbBqHi1A"),
    ] as [(UInt8, UInt64, String)])
func codesStayWhatTheyAre(index: UInt8, number: UInt64, text: String) {
    let region = RegionCharacter(index: index)!
    let decoded: DecodedCode =
        text.utf8.count == 12
        ? .snowflake(region: region, node: 3, number: number)
        : .generated(region: region, node: UInt8(number % 16), number: number)
    #expect(space.code(of: decoded).description == text)
    #expect(decode(text) == decoded)
}

@Test func codesGrowFromSixToSevenCharacters() {
    let boundary = Base62.sixCharacters
    for number in boundary - 500..<boundary + 500 {
        let code = space.code(of: number, region: us)
        #expect(code.count == (number < boundary ? 7 : 8))
        #expect(
            decode(code.description) == .generated(region: us, node: UInt8(number % 16), number: number))
    }
    #expect(space.code(of: Base62.sevenCharacters - 1, region: us).count == 8)
}

@Test func everyNumberHasOneCode() {
    let seed: UInt64 = 3
    var random = SeededRandom(seed: seed)
    for _ in 0..<20_000 {
        let region = Bool.random(using: &random) ? us : last
        let number =
            UInt64.random(in: 0..<Base62.sevenCharacters, using: &random) >> UInt64.random(in: 0...41, using: &random)
        let code = space.code(of: number, region: region)
        let expected = DecodedCode.generated(region: region, node: UInt8(number % 16), number: number)
        #expect(decode(code.description) == expected, "seed \(seed)")
        #expect(space.code(of: expected) == code)
        #expect(hasShape(code.description))
    }
}

@Test func sevenCharactersBelowTheirRangeDoNotExist() {
    let permutation = Permutation(
        key0: 0x0706_0504_0302_0100, key1: 0x0f0e_0d0c_0b0a_0908, tweak: us.index, last: Base62.sevenCharacters - 1)
    for number in [0, 1, 16, 1 << 30, Base62.sixCharacters - 1] {
        #expect(decode(body(permutation.apply(number), width: 7)) == nil)
    }
    let number = Base62.sixCharacters
    #expect(decode(body(permutation.apply(number), width: 7)) == .generated(region: us, node: 0, number: number))
}

@Test func snowflakesOfOthersDoNotExist() {
    let permutation = Permutation(
        key0: 0x0706_0504_0302_0100, key1: 0x0f0e_0d0c_0b0a_0908, tweak: us.index, last: .max)
    func read(regionIndex: UInt64, node: UInt64) -> DecodedCode? {
        decode(body(permutation.apply(77 << 23 | regionIndex << 17 | node << 11 | 5), width: 11))
    }
    for index in UInt64(0)..<64 {
        for node in UInt64(0)..<64 {
            let exists = index == UInt64(us.index) && node < 16
            let expected = DecodedCode.snowflake(
                region: us, node: UInt8(node), number: 77 << 23 | index << 17 | node << 11 | 5)
            #expect(read(regionIndex: index, node: node) == (exists ? expected : nil))
        }
    }
}

@Test func snowflakeFields() {
    let snowflake = Snowflake(number: 1000 << 23 | 1 << 17 | 9 << 11 | 2047)
    #expect(snowflake.instant.milliseconds == Snowflake.epoch.milliseconds + 1000)
    #expect(CalendarTime(Snowflake.epoch).rfc3339 == "2025-01-01T00:00:00Z")
    #expect((snowflake.regionIndex, snowflake.node, snowflake.sequence) == (1, 9, 2047))
    let code = space.code(of: snowflake)
    #expect(code.count == 12)
    #expect(decode(code.description) == .snowflake(region: us, node: 9, number: snowflake.number))
}

@Test(arguments: [
    "", "1", "100000", "100000000", "1000000000", "10000000000", "1000000000000", "2000000", "20000000",
    "200000000000", "1-00000", "100000_", "1LygHa16AHYG", "1zzzzzzzzzzz", "é00000",
    "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}",
])
func notCodes(text: String) {
    #expect(decode(text) == nil)
}

@Test(arguments: [
    ("1abcdef", true), ("1abcdefg", true), ("1abcdefghijk", true), ("zABCDEF", true), ("1zzzzzzzzzzz", true),
    ("1abcde", false), ("1abcdefgh", false), ("1abcdefghij", false), ("1abcdefghijkl", false), ("", false),
    ("2abcdef", false), ("Zabcdef", false), ("1abc-ef", false), ("1abcde_", false), ("-abcdef", false),
])
func shapes(text: String, expected: Bool) {
    #expect(hasShape(text) == expected)
}

@Test func codesAreInlineBytes() {
    let code = space.code(of: 12, region: us)
    #expect(MemoryLayout<Code>.size <= 16)
    var bytes = Array("x".utf8)
    bytes.append(code)
    #expect(String(decoding: bytes, as: UTF8.self) == "x" + code.description)
    #expect((0..<code.count).map { code[$0] } == Array(bytes.dropFirst()))
    #expect(space.contains(us) && space.contains(last) && !space.contains(foreign))
    #expect(Set((0..<1000).map { space.code(of: $0, region: us) }).count == 1000)
}

/// No assertion: how long a decode takes on this machine.
@Test func decodingSpeed() {
    var random = SeededRandom(seed: 1)
    let count = 200_000
    func texts(_ make: (inout SeededRandom) -> Code) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<count { bytes.append(make(&random)) }
        return bytes
    }
    let kinds: [(String, Int, [UInt8])] = [
        ("6 characters", 7, texts { space.code(of: .random(in: 0..<Base62.sixCharacters, using: &$0), region: us) }),
        (
            "7 characters", 8,
            texts { space.code(of: .random(in: Base62.sixCharacters..<Base62.sevenCharacters, using: &$0), region: us) }
        ),
        (
            "Snowflakes", 12,
            texts { space.code(of: Snowflake(number: ($0.next() >> 23) << 23 | UInt64(us.index) << 17)) }
        ),
    ]
    for (name, length, bytes) in kinds {
        let span = bytes.span.bytes
        var found = 0
        let elapsed = ContinuousClock().measure {
            for index in 0..<count where space.decode(span.extracting(index * length..<(index + 1) * length)) != nil {
                found += 1
            }
        }
        #expect(found == count)
        print("decode \(name): \(elapsed / count) each")
    }
    let permutation = Permutation(key0: 1, key1: 2, tweak: 1, last: Base62.sixCharacters - 1)
    var sum: UInt64 = 0
    let elapsed = ContinuousClock().measure {
        for number in 0..<UInt64(count) { sum &+= permutation.invert(number) }
    }
    #expect(sum != 0)
    print("invert over 62^6: \(elapsed / count) each")
}
