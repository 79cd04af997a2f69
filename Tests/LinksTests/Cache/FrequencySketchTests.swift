import Links
import Primitives
import Testing

/// A sketch beside exact counts.
struct FrequencySketchTests {
    private static func hashes(_ count: Int, _ random: inout SeededRandom) -> [UInt64] {
        (0..<count).map { _ in random.next() }
    }

    @Test(arguments: [UInt64](1...5))
    func neverTooLowAndSeldomTooHigh(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var sketch = FrequencySketch(entries: 1024)
        let hashes = Self.hashes(2000, &random)
        var counts = [Int](repeating: 0, count: hashes.count)
        // Less than what makes it forget.
        for _ in 0..<8_000 {
            let index = min(Int.random(in: 0..<2000, using: &random), Int.random(in: 0..<2000, using: &random))
            sketch.add(hashes[index])
            counts[index] += 1
        }
        var tooHigh = 0
        for (hash, count) in zip(hashes, counts) {
            let frequency = sketch.frequency(hash)
            #expect(frequency >= min(count, 15), "seed \(seed)")
            if frequency > count + 2 { tooHigh += 1 }
        }
        #expect(tooHigh < 200, "seed \(seed): \(tooHigh) of 2000 by more than 2")
        let strangers = Self.hashes(1000, &random).count { sketch.frequency($0) > 4 }
        #expect(strangers < 50, "seed \(seed): \(strangers) of 1000 that never came")
    }

    @Test func forgetsHalf() {
        var random = SeededRandom(seed: 3)
        var sketch = FrequencySketch(entries: 1000)
        let hot = random.next()
        for _ in 0..<40 { sketch.add(hot) }
        #expect(sketch.frequency(hot) == 15)
        // What is counted already is not added any more: fifteen of them count.
        for _ in 0..<(10_000 - 15 - 1) { sketch.add(random.next()) }
        #expect(sketch.frequency(hot) == 15)
        sketch.add(random.next())
        #expect(sketch.frequency(hot) == 7)
    }
}
