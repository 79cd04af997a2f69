import Foundation
import Primitives
import Synchronization
import Testing

@Suite struct SlotRingTests {
    private func push(_ ring: SlotRing, _ number: UInt64) -> Bool {
        guard let slot = ring.claim() else { return false }
        for offset in stride(from: 0, to: ring.slotBytes, by: 8) {
            slot.storeBytes(of: number &+ UInt64(offset), toByteOffset: offset, as: UInt64.self)
        }
        _ = ring.publish()
        return true
    }

    /// The numbers in a stretch of events; each whole.
    private func numbers(_ bytes: UnsafeRawBufferPointer, _ ring: SlotRing) -> [UInt64] {
        stride(from: 0, to: bytes.count, by: ring.slotBytes).map { start in
            let first = bytes.load(fromByteOffset: start, as: UInt64.self)
            for offset in stride(from: 0, to: ring.slotBytes, by: 8) {
                precondition(bytes.load(fromByteOffset: start + offset, as: UInt64.self) == first &+ UInt64(offset))
            }
            return first
        }
    }

    @Test func likeAnArray() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        let ring = SlotRing(slots: 16, slotBytes: 24)
        var (model, next, refused): ([UInt64], UInt64, Int) = ([], 0, 0)
        for step in 0..<20_000 {
            if random.next() % 3 > 0 {
                next += 1
                #expect(push(ring, next) == (model.count < 16), "seed \(seed), step \(step)")
                if model.count < 16 { model.append(next) } else { refused += 1 }
            } else {
                let found = numbers(ring.filled, ring)
                #expect(model.starts(with: found) && found.isEmpty == model.isEmpty, "seed \(seed), step \(step)")
                let taken = Int(random.next() % UInt64(found.count + 1))
                ring.release(taken)
                model.removeFirst(taken)
            }
        }
        #expect(refused > 100)
    }

    @Test func tellsOfEachHalf() {
        let ring = SlotRing(slots: 8, slotBytes: 8)
        var told: [Int] = []
        for number in 1...24 {
            _ = ring.claim()
            if ring.publish() { told.append(number) }
            ring.release(1)
        }
        #expect(told == [4, 8, 12, 16, 20, 24])
    }

    /// A place that was claimed and not published is nobody's to see, and is given again.
    @Test func claimsAreNotSeen() {
        let ring = SlotRing(slots: 2, slotBytes: 8)
        #expect(ring.claim() != nil && ring.claim() != nil && ring.filled.isEmpty)
        #expect(push(ring, 1) && push(ring, 2) && ring.claim() == nil)
        #expect(numbers(ring.filled, ring) == [1, 2])
    }

    /// Two threads: nothing torn, nothing twice, nothing out of order, and what was refused is missing.
    @Test func betweenThreads() {
        let ring = SlotRing(slots: 64, slotBytes: 128)
        let taken = Atomic<UInt64>(0)
        let isDone = Atomic<Bool>(false)
        let consumer = SystemThread("ring-consumer") {
            var last: UInt64 = 0
            while true {
                let isEnding = isDone.load(ordering: .acquiring)
                let events = ring.filled
                if events.isEmpty, isEnding { return }
                for number in numbers(events, ring) {
                    precondition(number > last, "order")
                    last = number
                    taken.add(1, ordering: .relaxed)
                }
                ring.release(events.count / ring.slotBytes)
            }
        }
        var pushed: UInt64 = 0
        for number in 1...300_000 as ClosedRange<UInt64> where push(ring, number) { pushed += 1 }
        isDone.store(true, ordering: .releasing)
        consumer.join()
        #expect(taken.load(ordering: .relaxed) == pushed && pushed > 0)
    }
}

@Suite struct FoldedHashTests {
    private func hash(_ bytes: [UInt8], _ hash: FoldedHash) -> UInt64 { bytes.withUnsafeBytes { hash.hash($0) } }

    /// A changed bit anywhere, and another length, change some half of the bits; so does another key.
    @Test func spreads() {
        let keyed = FoldedHash(key0: 0x1234_5678_9abc_def1, key1: 0xfedc_ba98_7654_3211, key2: 0x0f1e_2d3c_4b5a_6978)
        let other = FoldedHash(key0: 0x1234_5678_9abc_def2, key1: 0xfedc_ba98_7654_3211, key2: 0x0f1e_2d3c_4b5a_6978)
        for size in 0...130 {
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 * 7) }
            let before = hash(bytes, keyed)
            #expect((before ^ hash(bytes, other)).nonzeroBitCount > 10, "key, \(size)")
            #expect((before ^ hash(bytes + [0], keyed)).nonzeroBitCount > 10, "length \(size)")
            for bit in 0..<size * 8 {
                var changed = bytes
                changed[bit / 8] ^= 1 << UInt8(bit % 8)
                #expect((before ^ hash(changed, keyed)).nonzeroBitCount > 10, "bit \(bit) of \(size)")
            }
        }
    }

    /// Close strings, as codes are, spread over a table as random numbers would.
    @Test func buckets() {
        let keyed = FoldedHash.random()
        var buckets = [Int](repeating: 0, count: 1024)
        for number in 0..<65_536 { buckets[Int(hash(Array("1T\(number)".utf8), keyed) % 1024)] += 1 }
        let chiSquared = buckets.reduce(0.0) { $0 + pow(Double($1) - 64, 2) / 64 }
        // 1023 degrees of freedom: six standard deviations around their mean.
        #expect(abs(chiSquared - 1023) < 6 * (2 * 1023.0).squareRoot())
    }
}
