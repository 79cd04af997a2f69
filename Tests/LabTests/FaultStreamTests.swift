import Primitives
import Testing
import lab

/// When bytes leave, in a time that the test makes.
struct FaultStreamTests {
    private static let millisecond: UInt64 = 1_000_000
    private var figures = FaultFigures()

    private func faults(_ change: (inout Faults) -> Void = { _ in }) -> Faults {
        var faults = Faults()
        change(&faults)
        return faults
    }

    /// All that leaves by now, in one piece.
    private func leaving(_ stream: inout FaultStream, _ faults: Faults, at now: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        while let chunk = stream.next(faults, at: now) {
            bytes += chunk.bytes
            stream.remove(chunk.bytes.count)
        }
        return bytes
    }

    @Test mutating func bytesLeaveExactlySoMuchLater() {
        let late = faults { $0.delayMilliseconds = 80 }
        var stream = FaultStream(seed: 1)
        let comings: [UInt64] = [0, 3, 4, 79, 80, 200]
        for time in comings { stream.take([UInt8(time)], late, at: time * Self.millisecond, &figures, 0) }
        for time in comings {
            let due = (time + 80) * Self.millisecond
            #expect(stream.wakeUp(late, at: due - 1) == due)
            #expect(leaving(&stream, late, at: due - 1).isEmpty)
            #expect(leaving(&stream, late, at: due) == [UInt8(time)])
        }
        #expect(stream.wakeUp(late, at: .max / 2) == nil && stream.queuedBytes == 0)
    }

    /// A shorter delay lets nothing overtake.
    @Test mutating func orderIsKept() {
        var stream = FaultStream(seed: 1)
        stream.take([1], faults { $0.delayMilliseconds = 50 }, at: 0, &figures, 0)
        stream.take([2], faults(), at: 10 * Self.millisecond, &figures, 0)
        #expect(leaving(&stream, faults(), at: 49 * Self.millisecond).isEmpty)
        #expect(leaving(&stream, faults(), at: 50 * Self.millisecond) == [1, 2])
    }

    /// 10 000 bytes a second: each byte a tenth of a millisecond, then the delay.
    @Test mutating func aLineHasItsRate() {
        let thin = faults { ($0.bytesPerSecond, $0.delayMilliseconds) = (10_000, 5) }
        var stream = FaultStream(seed: 1)
        var (now, came, left) = (UInt64(0), 0, 0)
        while now <= 2_000 * Self.millisecond {
            let room = stream.room(thin, at: now)
            #expect(room <= 100)
            if room > 0 {
                stream.take([UInt8](repeating: 7, count: room), thin, at: now, &figures, 0)
                came += room
            }
            left += leaving(&stream, thin, at: now).count
            // Never more than the line carries, and never less than what it had without one part and the delay.
            let carried = Int(now / Self.millisecond) * 10
            #expect(left <= carried && left >= carried - 100 - 50)
            #expect(stream.queuedBytes == came - left && stream.queuedBytes <= 1000 + 50 + 2 * 100)
            now += Self.millisecond
        }
        // It sleeps until the line takes more.
        while stream.room(thin, at: now) > 0 {
            stream.take([UInt8](repeating: 7, count: 100), thin, at: now, &figures, 0)
        }
        _ = leaving(&stream, thin, at: now)
        let wakeUp = stream.wakeUp(thin, at: now)!
        #expect(wakeUp > now && wakeUp <= now + 20 * Self.millisecond)
    }

    @Test mutating func theBufferIsBounded() {
        let late = faults { $0.delayMilliseconds = 1000 }
        var (stream, came) = (FaultStream(seed: 1), 0)
        while case let room = stream.room(late, at: 0), room > 0 {
            stream.take([UInt8](repeating: 1, count: room), late, at: 0, &figures, 0)
            came += room
        }
        #expect(came == FaultStream.bufferBytes && stream.queuedBytes == came)
        #expect(leaving(&stream, late, at: 1000 * Self.millisecond).count == came)
        #expect(stream.room(late, at: 0) > 0)
    }

    @Test mutating func heldDroppedStalled() {
        var stream = FaultStream(seed: 1)
        let (held, dropped, stalled) = (
            faults { $0.passage = .held }, faults { $0.passage = .dropped }, faults { $0.passage = .stalled }
        )
        stream.take([1], held, at: 0, &figures, 0)
        stream.take([2], dropped, at: 0, &figures, 0)
        stream.take([3], held, at: 0, &figures, 0)
        stream.take(.closed, held, at: 0)
        #expect(leaving(&stream, held, at: 1000).isEmpty && stream.wakeUp(held, at: 1000) == nil)
        #expect(stream.finished(held, at: 1000) == nil && figures.dropped == [1, 0])
        #expect(leaving(&stream, faults(), at: 1000) == [1, 3] && stream.finished(faults(), at: 1000) == .closed)
        #expect(FaultStream(seed: 1).room(stalled, at: 0) == 0 && FaultStream(seed: 1).room(held, at: 0) > 0)
    }

    @Test func theEndIsLateToo() {
        let late = faults { $0.delayMilliseconds = 30 }
        var stream = FaultStream(seed: 1)
        stream.take(.reset, late, at: 0)
        #expect(stream.room(late, at: 0) == 0 && stream.hasEnded)
        #expect(stream.wakeUp(late, at: 0) == 30 * Self.millisecond)
        #expect(stream.finished(late, at: 30 * Self.millisecond - 1) == nil)
        #expect(stream.finished(late, at: 30 * Self.millisecond) == .reset)
    }

    /// So many bits are turned over as chance has it: within five standard deviations.
    @Test(arguments: [0.0001, 0.01, 0.3, 1]) mutating func bitsAreTurnedOver(probability: Double) {
        let bad = faults { $0.flips = probability }
        let seed: UInt64 = 11
        var stream = FaultStream(seed: seed)
        let (count, bytes) = (200, [UInt8](repeating: 0, count: 5000))
        var turned = 0
        for _ in 0..<count {
            stream.take(bytes, bad, at: 0, &figures, 1)
            let left = leaving(&stream, bad, at: 0)
            #expect(left.count == bytes.count && left.allSatisfy { $0.nonzeroBitCount <= 1 })
            turned += left.count { $0 != 0 }
        }
        let expected = Double(count * bytes.count) * probability
        let spread = (expected * (1 - probability)).squareRoot()
        #expect(abs(Double(turned) - expected) <= 5 * spread + 1, "seed \(seed)")
        #expect(figures.flipped == [0, turned])
    }

    @Test(arguments: [0.0, 0.25, 1]) mutating func chunksLeaveTwice(probability: Double) {
        let bad = faults { $0.duplicates = probability }
        let seed: UInt64 = 12
        var stream = FaultStream(seed: seed)
        var (twice, count) = (0, 4000)
        for number in 0..<count {
            let bytes = [UInt8(truncatingIfNeeded: number), 1]
            stream.take(bytes, bad, at: 0, &figures, 0)
            let left = leaving(&stream, bad, at: 0)
            #expect(left == bytes || left == bytes + bytes)
            twice += left == bytes ? 0 : 1
        }
        let spread = (Double(count) * probability * (1 - probability)).squareRoot()
        #expect(abs(Double(twice) - Double(count) * probability) <= 5 * spread, "seed \(seed)")
        #expect(figures.duplicated == [twice, 0])
        count = stream.queuedBytes
        #expect(count == 0)
    }
}
