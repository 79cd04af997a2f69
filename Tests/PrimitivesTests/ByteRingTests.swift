import Foundation
import Primitives
import Synchronization
import Testing

@Suite struct ByteRingTests {
    private func push(_ ring: ByteRing, _ first: [UInt8], _ second: [UInt8]) -> Bool {
        ring.push(first.span.bytes, second.span.bytes)
    }

    /// The records in what a ring gave.
    private func records(_ bytes: [UInt8]) throws -> [[UInt8]] {
        var rest = bytes.span.bytes
        var records: [[UInt8]] = []
        while rest.byteCount > 0 {
            let size = Int(try rest.takeUInt32())
            records.append(try rest.takeBytes(size))
        }
        return records
    }

    /// Against an array: whatever goes in comes out once, whole and in order, and it goes in while it has room.
    @Test func likeAnArray() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        let ring = ByteRing(capacityBytes: 256)
        var (model, used) = ([[UInt8]](), 0)
        var refused = 0
        for step in 0..<20_000 {
            if random.next() % 4 > 0 {
                let record = (0..<random.next() % 60).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                let cut = record.isEmpty ? 0 : Int(random.next() % UInt64(record.count + 1))
                let fits = used + record.count + ByteRing.lengthBytes <= 256
                let (first, second) = (Array(record[..<cut]), Array(record[cut...]))
                #expect(push(ring, first, second) == fits, "seed \(seed), step \(step)")
                if fits {
                    model.append(record)
                    used += record.count + ByteRing.lengthBytes
                } else {
                    refused += 1
                }
            } else {
                var bytes: [UInt8] = [7]
                ring.takeAll(into: &bytes)
                #expect(bytes.removeFirst() == 7)
                #expect(try records(bytes) == model, "seed \(seed), step \(step)")
                (model, used) = ([], 0)
            }
        }
        #expect(refused > 100)
    }

    @Test func fullToTheLastByte() {
        let ring = ByteRing(capacityBytes: 64)
        let (large, none) = ([UInt8](repeating: 1, count: 61), [UInt8]())
        #expect(!push(ring, large, none))
        #expect(push(ring, Array(large[..<60]), none))
        #expect(!push(ring, none, none))
        var bytes: [UInt8] = []
        ring.takeAll(into: &bytes)
        #expect(bytes.count == 64)
        #expect(push(ring, none, none))
    }

    /// Two threads: nothing torn, nothing twice, nothing out of order, and what was refused is missing.
    @Test func betweenThreads() throws {
        let ring = ByteRing(capacityBytes: 4096)
        let total: UInt64 = 300_000
        let taken = Atomic<UInt64>(0)
        let isDone = Atomic<Bool>(false)
        let consumer = SystemThread("ring-consumer") {
            var (bytes, last, isEnding) = ([UInt8](), UInt64(0), false)
            while true {
                isEnding = isDone.load(ordering: .acquiring)
                bytes.removeAll(keepingCapacity: true)
                ring.takeAll(into: &bytes)
                if bytes.isEmpty, isEnding { return }
                var rest = bytes.span.bytes
                while rest.byteCount > 0 {
                    let size = try! Int(rest.takeUInt32())
                    let number = try! rest.takeUInt64()
                    let filling = try! rest.takeBytes(size - 8)
                    precondition(number > last, "order")
                    precondition(filling == [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: filling.count))
                    precondition(filling.count == Int(number % 50))
                    last = number
                    taken.add(1, ordering: .relaxed)
                }
            }
        }
        var pushed: UInt64 = 0
        for number in 1...total {
            var head: [UInt8] = []
            head.append(bigEndian: number)
            let filling = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: Int(number % 50))
            if push(ring, head, filling) { pushed += 1 }
        }
        isDone.store(true, ordering: .releasing)
        consumer.join()
        #expect(taken.load(ordering: .relaxed) == pushed && pushed > 0)
    }
}
