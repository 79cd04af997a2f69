import Synchronization

/// A queue of small records from one thread to another, without a lock. A record that has no room is not taken, so the
/// producer never waits.
///
///     tail ──▶ what the consumer has not taken ──▶ head          both only grow; the place is the low bits
///
/// In memory a record is its length (4 bytes, big-endian) and its bytes; it may go on at the ring's beginning.
///
/// Safety: `push` is called by one thread, `takeAll` by one; each writes only its own position, and releases with it the
/// bytes that the other acquires.
@safe package final class ByteRing: @unchecked Sendable {
    package static let lengthBytes = 4

    package let capacityBytes: Int
    private let memory: UnsafeMutableRawPointer
    private let positions = RingPositions()

    /// - Precondition: `capacityBytes` is a power of two. Memory is taken as it is touched.
    package init(capacityBytes: Int) {
        precondition(capacityBytes >= 64 && capacityBytes & (capacityBytes - 1) == 0)
        self.capacityBytes = capacityBytes
        unsafe memory = .allocate(byteCount: capacityBytes, alignment: 4096)
    }

    deinit {
        positions.deallocate()
        unsafe memory.deallocate()
    }

    /// Adds a record of two parts, either of which may be empty; false if it has no room now.
    package func push(_ first: RawSpan, _ second: RawSpan) -> Bool {
        let size = first.byteCount + second.byteCount
        let start = unsafe positions.head.pointee.load(ordering: .relaxed)
        let end = start + Self.lengthBytes + size
        if unsafe end - positions.knownTail.pointee > capacityBytes {
            unsafe positions.knownTail.pointee = unsafe positions.tail.pointee.load(ordering: .acquiring)
            guard unsafe end - positions.knownTail.pointee <= capacityBytes else { return false }
        }
        let length = UInt32(size).bigEndian
        unsafe withUnsafeBytes(of: length) { unsafe copy($0, to: start) }
        unsafe first.withUnsafeBytes { unsafe copy($0, to: start + Self.lengthBytes) }
        unsafe second.withUnsafeBytes { unsafe copy($0, to: start + Self.lengthBytes + first.byteCount) }
        unsafe positions.head.pointee.store(end, ordering: .releasing)
        return true
    }

    /// Moves all that is there to the end of `bytes`, each record behind its length.
    package func takeAll(into bytes: inout [UInt8]) {
        let start = unsafe positions.tail.pointee.load(ordering: .relaxed)
        let end = unsafe positions.head.pointee.load(ordering: .acquiring)
        guard end > start else { return }
        let place = start & (capacityBytes - 1)
        let first = min(end - start, capacityBytes - place)
        unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(start: memory + place, count: first))
        unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(start: memory, count: end - start - first))
        unsafe positions.tail.pointee.store(end, ordering: .releasing)
    }

    private func copy(_ bytes: UnsafeRawBufferPointer, to position: Int) {
        guard let source = bytes.baseAddress else { return }
        let place = position & (capacityBytes - 1)
        let first = min(bytes.count, capacityBytes - place)
        unsafe (memory + place).copyMemory(from: source, byteCount: first)
        unsafe memory.copyMemory(from: source + first, byteCount: bytes.count - first)
    }
}
