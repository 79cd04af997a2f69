import Glibc

/// Bytes to be written, in memory that stays. One belongs to each worker and holds the answers of one wake-up of one
/// connection.
struct OutputBuffer: ~Copyable {
    private var memory = UnsafeMutableRawPointer.allocate(byteCount: 1 << 18, alignment: 16)
    private var capacity = 1 << 18
    private(set) var count = 0

    deinit { memory.deallocate() }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: count) }

    mutating func clear() { count = 0 }

    @inline(__always)
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if bytes.count > capacity - count { grow(bytes.count) }
        if let start = bytes.baseAddress { (memory + count).copyMemory(from: start, byteCount: bytes.count) }
        count += bytes.count
    }

    mutating func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }

    mutating func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    private mutating func grow(_ needed: Int) {
        capacity = max(capacity * 2, count + needed)
        memory = realloc(memory, capacity)
    }
}
