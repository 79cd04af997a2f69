import Synchronization

/// How far the two threads of a ring have come; both positions only grow, and a place is the low bits of one.
///
/// Safety: the producer alone writes `head` and `knownTail`, the consumer alone `tail`. They stand 128 bytes apart, so that
/// the two share no cache line, nor the neighbour that processors fetch with it.
@safe package struct RingPositions: @unchecked Sendable {
    @usableFromInline package static let stride = 128
    @usableFromInline package let memory: UnsafeMutableRawPointer

    package init() {
        unsafe memory = .allocate(byteCount: 2 * Self.stride, alignment: Self.stride)
        unsafe head.initialize(to: Atomic(0))
        unsafe tail.initialize(to: Atomic(0))
        unsafe knownTail.initialize(to: 0)
    }

    package func deallocate() {
        unsafe head.deinitialize(count: 1)
        unsafe tail.deinitialize(count: 1)
        unsafe memory.deallocate()
    }

    @inlinable
    package var head: UnsafeMutablePointer<Atomic<Int>> {
        unsafe memory.assumingMemoryBound(to: Atomic<Int>.self)
    }

    /// What the producer last saw of the consumer's position.
    @inlinable
    package var knownTail: UnsafeMutablePointer<Int> { unsafe (memory + 8).assumingMemoryBound(to: Int.self) }

    @inlinable
    package var tail: UnsafeMutablePointer<Atomic<Int>> {
        unsafe (memory + Self.stride).assumingMemoryBound(to: Atomic<Int>.self)
    }
}
