import Primitives
import Testing

@testable import Links

struct ChangePositionTests {
    private static let origins = [
        Origin(region: 0x31, node: 0, incarnation: 7), Origin(region: 0x31, node: 0, incarnation: 8),
        Origin(region: 0x31, node: 15, incarnation: 1), Origin(region: 0x7a, node: 0, incarnation: .max),
    ]

    private static let whole: ChangePosition = {
        var position = ChangePosition()
        for (index, origin) in origins.enumerated() { position[origin] = UInt64(1) << UInt64(15 * index) }
        return position
    }()

    private func read(_ text: String) -> ChangePosition? { ChangePosition(text: Array(text.utf8).span.bytes) }

    @Test func placesAreKept() {
        var position = Self.whole
        for (index, origin) in Self.origins.enumerated() { #expect(position[origin] == 1 << UInt64(15 * index)) }
        #expect(position[Origin(region: 0x31, node: 1, incarnation: 7)] == 0)
        position[Self.origins[1]] = 0
        #expect(position[Self.origins[1]] == 0 && position[Self.origins[2]] == 1 << 30 && position != Self.whole)
        position[Self.origins[1]] = 1 << 15
        #expect(position == Self.whole)
    }

    /// The order in which it came to be does not show.
    @Test func oneText() {
        var backwards = ChangePosition()
        for origin in Self.origins.reversed() { backwards[origin] = Self.whole[origin] }
        #expect(backwards == Self.whole && backwards.text == Self.whole.text)
        #expect(backwards.text.utf8.allSatisfy { Base62.digit(of: $0) < 62 || $0 == 0x2D || $0 == 0x5F })
    }

    @Test func roundTrip() {
        for position in [ChangePosition(), Self.whole] { #expect(read(position.text) == position) }
    }

    @Test func everyFlippedBit() {
        let text = Array(Self.whole.text.utf8)
        for place in text.indices {
            for bit in 0..<8 {
                var other = text
                other[place] ^= 1 << UInt8(bit)
                #expect(ChangePosition(text: other.span.bytes) == nil, "bit \(bit) of \(place)")
            }
            #expect(ChangePosition(text: Array(text[..<place]).span.bytes) == nil)
        }
    }

    /// What stands before a right checksum is looked at too.
    @Test func noOtherSpelling() {
        func payload(_ places: [(Origin, UInt64)], version: UInt8 = 1) -> [UInt8] {
            places.reduce(into: [version]) { bytes, place in
                place.0.encode(into: &bytes)
                bytes.append(varint: place.1)
            }
        }
        let (first, second) = (Self.origins[0], Self.origins[1])
        #expect(ChangePosition(payload: payload([(first, 1), (second, 1)])) != nil)
        for wrong in [
            payload([(second, 1), (first, 1)]), payload([(first, 1), (first, 2)]), payload([(first, 0)]),
            payload([(first, 1 << 48)]), payload([], version: 2), [], payload([(first, 1)]).dropLast(),
        ] { #expect(ChangePosition(payload: wrong) == nil, "\(wrong)") }
    }
}
