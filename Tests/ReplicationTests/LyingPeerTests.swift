import Primitives
import Testing

@testable import Replication

/// A peer that has the secret, and says what it likes: numbers at the ends of their ranges, other origins, other places.
/// What it claims may cost the others a life or a connection. It ends none of them.
struct LyingPeerTests {
    @Test(arguments: 1...40) func numbersOfAnySize(seed: UInt64) {
        var world = World(seed: seed, nodes: 3)
        world.run(for: 5000)
        world.liar = 2
        for round in 0..<120 {
            world.write(round % 3)
            world.run(for: .random(in: 1...2000, using: &world.random))
            if round % 40 == 20 { world.crash(round % 3, downFor: 1000) }
        }
        #expect(world.lies > 50, "seed \(seed)")
        world.run(for: 2000)
        for node in world.nodes { #expect(node.machine != nil, "seed \(seed)") }
    }
}

extension World {
    /// Now and then some bytes of a frame's payload become others; the frame stays whole. What only the store reads stays
    /// as it is: the model's has no guard.
    mutating func lie(_ frame: [UInt8]) -> [UInt8] {
        let start = FrameHeader.sizeBytes
        let end =
            switch FrameType(rawValue: frame[1])! {
            case .records, .snapshotChunk, .hello, .auth: start
            case .entries: min(frame.count, start + Self.entriesHeadBytes)
            default: frame.count
            }
        guard end > start, chance(1, of: 6) else { return frame }
        lies += 1
        var bytes = frame
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let place = Int.random(in: start..<end, using: &random)
            let fills = [0, 0x7f, 0x80, 0xff, UInt8.random(in: 0 ... .max, using: &random)]
            let fill = fills.randomElement(using: &random)!
            for index in place..<min(end, place + [1, 2, 4, 6, 8].randomElement(using: &random)!) {
                bytes[index] = index == place ? fill : fill == 0x7f ? 0xff : fill == 0x80 ? 0 : fill
            }
        }
        var crc = CRC32C()
        crc.append(Array(bytes[..<12]).span.bytes)
        crc.append(Array(bytes[start...]).span.bytes)
        var sum: [UInt8] = []
        sum.append(bigEndian: crc.value)
        bytes.replaceSubrange(12..<start, with: sum)
        return bytes
    }

    /// Origin, first sequence and chains.
    private static let entriesHeadBytes = 48
}
