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
        guard let start = bytes.baseAddress else { return }
        reserve(bytes.count).copyMemory(from: start, byteCount: bytes.count)
        count += bytes.count
    }

    @inline(__always)
    mutating func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }

    @inline(__always)
    mutating func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// A number that is not negative, in decimal digits.
    mutating func append(decimal number: Int) {
        var (rest, digits, place) = (number, InlineArray<20, UInt8>(repeating: 0), 20)
        repeat {
            place -= 1
            digits[place] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        } while rest > 0
        digits.span.bytes.extracting(place...).withUnsafeBytes { append($0) }
    }

    /// Where `needed` bytes can be put, to be taken note of with `advance`.
    @inline(__always)
    mutating func reserve(_ needed: Int) -> UnsafeMutableRawPointer {
        if needed > capacity - count { grow(needed) }
        return memory + count
    }

    @inline(__always)
    mutating func advance(by added: Int) {
        precondition(added <= capacity - count)
        count += added
    }

    @inline(__always)
    mutating func truncate(to count: Int) {
        precondition(count >= 0 && count <= self.count)
        self.count = count
    }

    private mutating func grow(_ needed: Int) {
        capacity = max(capacity * 2, count + needed)
        memory = realloc(memory, capacity)
    }
}
