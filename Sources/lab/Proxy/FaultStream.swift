import Glibc
import Primitives

/// The bytes of one connection in one direction, between their coming and their leaving. It has no clock and no socket; times
/// are nanoseconds of one that only goes forward.
package struct FaultStream {
    /// What waits for its time at most; then nothing is read, and what comes later is later.
    package static let bufferBytes = 16 << 20
    static let chunkBytes = 64 << 10
    /// A limited line is given so much ahead, in parts of so much.
    private static let lineAhead: UInt64 = 100_000_000
    private static let partsOfSecond = 100

    package struct Chunk {
        package var bytes: ArraySlice<UInt8>
        package let due: UInt64
        /// It was tried before, and its taker did not take all.
        package var isLate = false
    }

    package enum End: Equatable, Sendable { case closed, reset }

    private var chunks: [Chunk] = []
    private var first = 0
    package private(set) var queuedBytes = 0
    private var lineFreeAt: UInt64 = 0
    private var lastDue: UInt64 = 0
    private var end: (end: End, due: UInt64)?
    private var random: SeededRandom

    package init(seed: UInt64) { random = SeededRandom(seed: seed) }

    package var hasEnded: Bool { end != nil }

    /// How much may be read now; 0: nothing.
    package func room(_ faults: Faults, at now: UInt64) -> Int {
        guard !hasEnded, faults.passage != .stalled, queuedBytes < Self.bufferBytes else { return 0 }
        guard let rate = faults.bytesPerSecond else { return Self.chunkBytes }
        guard lineFreeAt < now + Self.lineAhead else { return 0 }
        return min(Self.chunkBytes, max(1, rate / Self.partsOfSecond))
    }

    /// Bytes came. What became of them beside waiting is noted in `figures` under `direction`.
    package mutating func take(
        _ bytes: [UInt8], _ faults: Faults, at now: UInt64, _ figures: inout FaultFigures, _ direction: Int
    ) {
        precondition(!hasEnded && !bytes.isEmpty)
        if faults.passage == .dropped { return figures.dropped[direction] += bytes.count }
        var bytes = bytes
        figures.flipped[direction] += flip(&bytes, faults.flips)
        append(bytes, faults, at: now)
        if faults.duplicates > 0, Double.random(in: 0..<1, using: &random) < faults.duplicates {
            figures.duplicated[direction] += 1
            append(bytes, faults, at: now)
        }
    }

    /// Nothing comes after this.
    package mutating func take(_ end: End, _ faults: Faults, at now: UInt64) {
        guard !hasEnded else { return }
        self.end = (end, due(faults, byteCount: 0, at: now))
    }

    private mutating func append(_ bytes: [UInt8], _ faults: Faults, at now: UInt64) {
        chunks.append(Chunk(bytes: bytes[...], due: due(faults, byteCount: bytes.count, at: now)))
        queuedBytes += bytes.count
    }

    /// The line takes its time for the bytes, then they are under way for the delay; nothing overtakes.
    private mutating func due(_ faults: Faults, byteCount: Int, at now: UInt64) -> UInt64 {
        if let rate = faults.bytesPerSecond {
            lineFreeAt = max(now, lineFreeAt) + UInt64(byteCount) * 1_000_000_000 / UInt64(rate)
        } else {
            lineFreeAt = now
        }
        lastDue = max(lastDue, lineFreeAt + UInt64(faults.delayMilliseconds * 1e6))
        return lastDue
    }

    /// Turns bits over; how many. From one to the next it leaps as far as chance has it (a geometric distribution).
    private mutating func flip(_ bytes: inout [UInt8], _ probability: Double) -> Int {
        guard probability > 0 else { return 0 }
        var (place, count) = (-1, 0)
        while true {
            let leap = log(Double.random(in: Double.ulpOfOne..<1, using: &random)) / log1p(-min(probability, 1 - 1e-9))
            guard leap < Double(bytes.count) else { return count }
            place += 1 + Int(leap)
            guard place < bytes.count else { return count }
            bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            count += 1
        }
    }

    // MARK: Leaving

    /// The bytes whose time has come, oldest first.
    package func next(_ faults: Faults, at now: UInt64) -> Chunk? {
        guard faults.passage != .held, first < chunks.count, chunks[first].due <= now else { return nil }
        return chunks[first]
    }

    /// The first `count` bytes have left.
    package mutating func remove(_ count: Int) {
        queuedBytes -= count
        chunks[first].bytes.removeFirst(count)
        chunks[first].isLate = true
        guard chunks[first].bytes.isEmpty else { return }
        chunks[first].bytes = []
        first += 1
        if first == chunks.count {
            chunks.removeAll(keepingCapacity: true)
            first = 0
        } else if first > 1024, first > chunks.count / 2 {
            chunks.removeSubrange(..<first)
            first = 0
        }
    }

    /// All has left, and this is how it ends; nil: not yet.
    package func finished(_ faults: Faults, at now: UInt64) -> End? {
        guard let end, queuedBytes == 0, end.due <= now, faults.passage != .held else { return nil }
        return end.end
    }

    /// When something is to be done without anything coming; nil: never.
    package func wakeUp(_ faults: Faults, at now: UInt64) -> UInt64? {
        var times: [UInt64] = []
        if faults.passage != .held {
            if first < chunks.count { times.append(chunks[first].due) } else if let end { times.append(end.due) }
        }
        if faults.bytesPerSecond != nil, !hasEnded, room(faults, at: now) == 0, lineFreeAt >= now + Self.lineAhead {
            times.append(lineFreeAt - Self.lineAhead + 1)
        }
        return times.min()
    }
}
