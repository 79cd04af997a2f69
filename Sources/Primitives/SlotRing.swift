import Synchronization

/// A queue of events of one size from one thread to another, without a lock and without a copy: the producer writes into
/// the ring itself, and the consumer reads there. An event that has no room is not taken, so the producer never waits.
/// `ByteRing` is for records of any length.
///
///     tail ──▶ what the consumer has not released ──▶ head
///
/// Safety: `claim` and `publish` are called by one thread, `filled` and `release` by one; each releases with its position the
/// memory that the other acquires with it.
@safe package final class SlotRing: @unchecked Sendable {
    package let slots: Int
    package let slotBytes: Int
    @usableFromInline package let mask: Int
    @usableFromInline package let half: Int
    @usableFromInline package let memory: UnsafeMutableRawPointer
    @usableFromInline package let positions = RingPositions()

    /// - Precondition: `slots` is a power of two, at least 2, `slotBytes` a multiple of 8. Memory is taken as it is touched.
    package init(slots: Int, slotBytes: Int) {
        precondition(slots >= 2 && slots & (slots - 1) == 0 && slotBytes > 0 && slotBytes % 8 == 0)
        (self.slots, self.slotBytes) = (slots, slotBytes)
        (mask, half) = (slots - 1, slots / 2 - 1)
        unsafe memory = .allocate(byteCount: slots * slotBytes, alignment: 4096)
    }

    deinit {
        positions.deallocate()
        unsafe memory.deallocate()
    }

    /// The next event's place, to be written before `publish`; nil if there is no room now.
    @inlinable
    package func claim() -> UnsafeMutableRawPointer? {
        let head = unsafe positions.head.pointee.load(ordering: .relaxed)
        if unsafe head &- positions.knownTail.pointee > mask {
            unsafe positions.knownTail.pointee = unsafe positions.tail.pointee.load(ordering: .acquiring)
            guard unsafe head &- positions.knownTail.pointee <= mask else { return nil }
        }
        return unsafe memory + (head & mask) &* slotBytes
    }

    /// Gives the consumer what was written where `claim` said. True once for each half of the ring: then is the time to wake
    /// a consumer that sleeps.
    @inlinable
    package func publish() -> Bool {
        let head = unsafe positions.head.pointee.load(ordering: .relaxed) &+ 1
        unsafe positions.head.pointee.store(head, ordering: .releasing)
        return head & half == 0
    }

    /// The oldest events that are there, as far as they lie in one piece; the others show once these are released.
    package var filled: UnsafeRawBufferPointer {
        let tail = unsafe positions.tail.pointee.load(ordering: .relaxed)
        let head = unsafe positions.head.pointee.load(ordering: .acquiring)
        let count = min(head - tail, slots - tail & mask)
        return unsafe UnsafeRawBufferPointer(start: memory + (tail & mask) * slotBytes, count: count * slotBytes)
    }

    /// Lets the producer have the places of the `count` oldest events again.
    package func release(_ count: Int) {
        let tail = unsafe positions.tail.pointee.load(ordering: .relaxed)
        precondition(unsafe count >= 0 && tail + count <= positions.head.pointee.load(ordering: .relaxed))
        unsafe positions.tail.pointee.store(tail + count, ordering: .releasing)
    }
}
