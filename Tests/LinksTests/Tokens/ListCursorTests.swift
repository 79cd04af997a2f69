import Primitives
import Testing

@testable import Links

struct ListCursorTests {
    private static let space = CodeSpace(
        key0: 1, key1: 2, regions: ["1", "2"].map { RegionCharacter(Character($0).asciiValue!)! })
    private static let owner = Array("team".utf8)
    private static let cursor = cursor()

    private static func cursor(
        _ word: UInt64 = 3, _ space: CodeSpace = space, owner: [UInt8] = owner
    ) -> ListCursor {
        let key = TokenKey { SipHash.hash24($0.span.bytes, key0: word, key1: 4) }
        return ListCursor(key, space, owner: owner)
    }

    private static let beyondSixCharacters: UInt64 = Base62.sixCharacters / 16 * 16 + 16
    private static let snowflake: UInt64 = 5 << 23 | 2 << 17

    private static let keys: [LinkKey] = [
        .generated(region: 0x31, node: 3, number: 640_003), .generated(region: 0x32, node: 0, number: 0),
        .generated(region: 0x31, node: 0, number: beyondSixCharacters), .snowflake(number: snowflake),
        .alias(Array("my-alias".utf8)), .alias([0x61]), .alias([UInt8](repeating: 0x7A, count: 255)),
        // No code of this space.
        .generated(region: 0x33, node: 1, number: 17), .generated(region: 0x31, node: 1, number: 16),
        .generated(region: 0x31, node: 0, number: 1 << 44), .snowflake(number: .max),
    ]

    private static let positions: [ListPosition] = keys.indices.map { index in
        ListPosition(createdAt: Instant(milliseconds: Int64(index) << 40), key: keys[index])
    }

    @Test(arguments: positions) func roundTrip(position: ListPosition) throws {
        let text = Array(Self.cursor.text(of: position).utf8)
        #expect(Self.cursor.position(text.span.bytes) == position)
        #expect(text.allSatisfy { Base62.digit(of: $0) < 62 || $0 == 0x2D || $0 == 0x5F })
    }

    @Test(arguments: [positions[0], positions[4]]) func everyFlippedBit(position: ListPosition) {
        let text = Array(Self.cursor.text(of: position).utf8)
        for place in text.indices {
            for bit in 0..<8 {
                var forged = text
                forged[place] ^= 1 << UInt8(bit)
                #expect(Self.cursor.position(forged.span.bytes) == nil, "bit \(bit) of \(place)")
            }
            #expect(Self.cursor.position(Array(text[..<place]).span.bytes) == nil)
        }
        #expect(Self.cursor.position((text + Array("AAAA".utf8)).span.bytes) == nil)
    }

    /// Another owner's, another cluster's, and a token of this one.
    @Test func foreign() {
        let text = Array(Self.cursor.text(of: Self.positions[0]).utf8)
        #expect(Self.cursor(owner: Array("teams".utf8)).position(text.span.bytes) == nil)
        #expect(Self.cursor(owner: []).position(text.span.bytes) == nil)
        #expect(Self.cursor(5).position(text.span.bytes) == nil)
        let key = TokenKey { SipHash.hash24($0.span.bytes, key0: 3, key1: 4) }
        let life = LifeTag(Origin(region: 0x31, node: 0, incarnation: 9))!
        let token = Token(LogPosition(life, 7)).text(key)
        #expect(Token(token.span.bytes, key) != nil && Self.cursor.position(token.span.bytes) == nil)
        #expect(Token(text.span.bytes, key) == nil)
    }

    /// What no cursor writes, though its MAC be right.
    @Test func payloads() {
        let created = [UInt8](repeating: 0, count: 6)
        let cases: [[UInt8]] = [
            [], [1], [1, 1] + created, [2, 1] + created + [0x61], [1, 3] + created + [0x61], [1, 0] + created + [0x61],
            [1, 0] + created + Array("3aaaaaa".utf8), [1, 2] + created + [9], [1, 1] + created.dropLast(),
            [1, 1] + created + [UInt8](repeating: 0x61, count: 256),
        ]
        for payload in cases { #expect(Self.cursor.position(payload: payload) == nil, "\(payload)") }
        #expect(Self.cursor.position(payload: [1, 1] + created + [0x61])?.key == .alias([0x61]))
    }
}
