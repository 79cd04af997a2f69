import Primitives
import Server
import Testing

@Suite struct ConfigurationFuzzTests {
    /// Lines of good and bad values, cut, doubled and with bytes changed.
    @Test func anyBytes() {
        let seed: UInt64 = 20_260_101
        // What fails traps, and its run is replayed from the seed.
        print("fuzzConfiguration: seed \(seed)")
        var random = SeededRandom(seed: seed)
        let lines =
            (Configuration.example.split(separator: "\n").map { String($0.drop { $0 == "#" }) }
            + [
                "regions = us:1, eu:2/3", "region = eu", "listen = [::1]:0", "clock_offset = -5s",
                "code_secret_file = ./none",
            ])
            .map { Array($0.utf8) }
        for _ in 0..<3000 {
            var bytes: [UInt8] = []
            for _ in 0..<random.next() % 6 {
                bytes += lines[Int(random.next() % UInt64(lines.count))] + (random.next() % 4 == 0 ? [13, 10] : [10])
            }
            for _ in 0..<random.next() % 3 where !bytes.isEmpty {
                let index = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 3 {
                case 0: bytes[index] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes.remove(at: index)
                default: bytes.insert(bytes[index], at: index)
                }
            }
            fuzzConfiguration(bytes.span.bytes)
        }
    }
}
