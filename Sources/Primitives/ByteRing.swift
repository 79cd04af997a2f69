import Synchronization

/// A queue of small records from one thread to another, without a lock. A record that has no room is not taken, so the
/// producer never waits.
///
///     tail ──▶ what the consumer has not taken ──▶ head          both only grow; the place is the low bits
///
/// In memory a record is its length (4 bytes, big-endian) and its bytes; it may go on at the ring's beginning.
///
/// Safety: `push` is called by one thread, `takeAll` by one; each writes only its own position, and releases with it the
/// bytes that the other acquires. The positions stand 128 bytes apart, so that they share no cache line.
@safe package final class ByteRing: @unchecked Sendable {
    package static let lengthBytes = 4
    private static let positionStride = 128

    package let capacityBytes: Int
    private let memory: UnsafeMutableRawPointer
    private let positions: UnsafeMutableRawPointer
    /// What the producer last saw of the consumer's position.
    private var knownTail = 0

    /// - Precondition: `capacityBytes` is a power of two. Memory is taken as it is touched.
    package init(capacityBytes: Int) {
        precondition(capacityBytes >= 64 && capacityBytes & (capacityBytes - 1) == 0)
        self.capacityBytes = capacityBytes
        unsafe memory = .allocate(byteCount: capacityBytes, alignment: 4096)
        unsafe positions = .allocate(byteCount: 2 * Self.positionStride, alignment: Self.positionStride)
        unsafe head.initialize(to: Atomic(0))
        unsafe tail.initialize(to: Atomic(0))
    }

    deinit {
        unsafe head.deinitialize(count: 1)
        unsafe tail.deinitialize(count: 1)
        unsafe positions.deallocate()
        unsafe memory.deallocate()
    }

    private var head: UnsafeMutablePointer<Atomic<Int>> {
        unsafe positions.assumingMemoryBound(to: Atomic<Int>.self)
    }

    private var tail: UnsafeMutablePointer<Atomic<Int>> {
        unsafe (positions + Self.positionStride).assumingMemoryBound(to: Atomic<Int>.self)
    }

    /// Adds a record of two parts, either of which may be empty; false if it has no room now.
    package func push(_ first: RawSpan, _ second: RawSpan) -> Bool {
        let size = first.byteCount + second.byteCount
        let start = unsafe head.pointee.load(ordering: .relaxed)
        let end = start + Self.lengthBytes + size
        if end - knownTail > capacityBytes {
            knownTail = unsafe tail.pointee.load(ordering: .acquiring)
            guard end - knownTail <= capacityBytes else { return false }
        }
        let length = UInt32(size).bigEndian
        unsafe withUnsafeBytes(of: length) { unsafe copy($0, to: start) }
        unsafe first.withUnsafeBytes { unsafe copy($0, to: start + Self.lengthBytes) }
        unsafe second.withUnsafeBytes { unsafe copy($0, to: start + Self.lengthBytes + first.byteCount) }
        unsafe head.pointee.store(end, ordering: .releasing)
        return true
    }

    /// Moves all that is there to the end of `bytes`, each record behind its length.
    package func takeAll(into bytes: inout [UInt8]) {
        let start = unsafe tail.pointee.load(ordering: .relaxed)
        let end = unsafe head.pointee.load(ordering: .acquiring)
        guard end > start else { return }
        let place = start & (capacityBytes - 1)
        let first = min(end - start, capacityBytes - place)
        unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(start: memory + place, count: first))
        unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(start: memory, count: end - start - first))
        unsafe tail.pointee.store(end, ordering: .releasing)
    }

    private func copy(_ bytes: UnsafeRawBufferPointer, to position: Int) {
        guard let source = bytes.baseAddress else { return }
        let place = position & (capacityBytes - 1)
        let first = min(bytes.count, capacityBytes - place)
        unsafe (memory + place).copyMemory(from: source, byteCount: first)
        unsafe memory.copyMemory(from: source + first, byteCount: bytes.count - first)
    }
}
