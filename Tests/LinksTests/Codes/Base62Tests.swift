import Links
import Testing

private let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

private func decode(_ text: String) -> UInt64? { Base62.decode(Array(text.utf8).span.bytes) }

private func encode(_ value: UInt64, width: Int) -> String {
    var bytes: [UInt8] = []
    bytes.append(base62: value, width: width)
    return String(decoding: bytes, as: UTF8.self)
}

@Test func everyByteIsADigitOrNone() {
    for byte in UInt8.min...UInt8.max {
        let expected = alphabet.firstIndex(of: byte)
        #expect(Base62.decode([byte].span.bytes) == expected.map { UInt64($0) })
        #expect(RegionCharacter(byte)?.index == expected.map { UInt8($0) })
    }
}

@Test func regionCharactersAreTheAlphabetInOrder() {
    for index in UInt8.min...UInt8.max {
        let region = RegionCharacter(index: index)
        #expect(region?.byte == (index < 62 ? alphabet[Int(index)] : nil))
    }
}

@Test(
    arguments: [
        ("0", 0), ("z", 61), ("10", 62), ("000000", 0), ("zzzzzz", Base62.sixCharacters - 1),
        ("1000000", Base62.sixCharacters), ("zzzzzzz", Base62.sevenCharacters - 1),
        ("10000000", Base62.sevenCharacters),
        ("LygHa16AHYF", UInt64.max), ("00000000001", 1), ("0LygHa16AHYF", UInt64.max),
    ] as [(String, UInt64)])
func writtenNumbers(text: String, value: UInt64) {
    #expect(decode(text) == value)
    #expect(encode(value, width: text.utf8.count) == text)
}

@Test(arguments: [
    "", " ", "-", "00000_", "00000é", "00 000", "LygHa16AHYG", "LygHa16AHZ0", "zzzzzzzzzzz", "100000000000", "/", ":",
    "@", "[", "`", "{", "\u{0}",
])
func notNumbers(text: String) {
    #expect(decode(text) == nil)
}
