import Primitives

/// Clicks by code, day and kind, in memory of a fixed size: a table of entries in the order of their coming, and beside it
/// places by hash that name them.
///
///     place (8 bytes)   upper half of the hash, index of the entry + 1; zero if it is free
///     entry             hash, day, length of the code, counts, code
///
/// Safety: belongs to one thread at a time; every index is below the capacity.
@safe package final class ClickTally {
    private struct Entry {
        var hash: UInt64
        var day: UInt32
        var codeCount: UInt32
        var counts: ClickCounts
        var code: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
    }

    private static let countsOffset = MemoryLayout<Entry>.offset(of: \.counts)!
    private static let codeOffset = MemoryLayout<Entry>.offset(of: \.code)!

    package let capacity: Int
    package private(set) var count = 0
    private let entries: UnsafeMutablePointer<Entry>
    private let places: UnsafeMutablePointer<UInt64>
    private let placeCount: Int
    private let hash: FoldedHash

    /// Memory is taken as it is touched.
    package init(capacity: Int, hash: FoldedHash = .random()) {
        precondition(capacity > 0 && capacity < 1 << 31)
        (self.capacity, self.hash) = (capacity, hash)
        var size = 2
        while size < capacity * 2 { size *= 2 }
        placeCount = size
        unsafe entries = .allocate(capacity: capacity)
        unsafe places = .allocate(capacity: size)
        unsafe places.initialize(repeating: 0, count: size)
    }

    deinit {
        unsafe entries.deallocate()
        unsafe places.deallocate()
    }

    package var isFull: Bool { count == capacity }

    package func removeAll() {
        // Few entries leave few places to clear.
        if count < placeCount / 16 {
            for index in 0..<count { unsafe places[place(of: index)] = 0 }
        } else {
            unsafe places.update(repeating: 0, count: placeCount)
        }
        count = 0
    }

    private func place(of index: Int) -> Int {
        var place = unsafe Int(truncatingIfNeeded: entries[index].hash) & (placeCount - 1)
        // Where places before it were cleared already, it is found by its own name.
        while unsafe places[place] & 0xffff_ffff != UInt64(index + 1) { place = (place + 1) & (placeCount - 1) }
        return place
    }

    // MARK: Counting

    /// Counts events as they lie in a ring, until a new code has no room; how many were counted.
    package func count(_ events: UnsafeRawBufferPointer) -> Int {
        typealias Offset = ClickEvent.Offset
        precondition(events.count % ClickEvent.slotBytes == 0)
        guard let start = events.baseAddress else { return 0 }
        let total = events.count / ClickEvent.slotBytes
        for index in 0..<total {
            let slot = unsafe start + index &* ClickEvent.slotBytes
            let milliseconds = unsafe slot.load(fromByteOffset: Offset.milliseconds, as: Int64.self)
            let day = UInt32(truncatingIfNeeded: milliseconds / ClickDay.milliseconds)
            let size = unsafe min(
                Int(slot.load(fromByteOffset: Offset.codeCount, as: UInt8.self)), ClickEvent.codeBytes)
            let code = unsafe UnsafeRawBufferPointer(start: slot + Offset.code, count: size)
            guard let entry = unsafe entry(code, day) else { return index }
            if unsafe slot.load(fromByteOffset: Offset.isHead, as: UInt8.self) != 0 {
                unsafe entry.pointee.counts.heads &+= 1
            } else if unsafe slot.load(fromByteOffset: Offset.agent, as: UInt8.self) != 0 {
                unsafe entry.pointee.counts.bots &+= 1
            } else {
                unsafe entry.pointee.counts.people &+= 1
            }
        }
        return total
    }

    /// False if a new code has no room. A code has 1 to 64 bytes.
    package func add(_ code: UnsafeRawBufferPointer, _ day: ClickDay, _ counts: ClickCounts) -> Bool {
        precondition((1...ClickEvent.codeBytes).contains(code.count))
        guard let entry = unsafe entry(code, day.number) else { return false }
        unsafe entry.pointee.counts += counts
        return true
    }

    /// The entry of a code and day, made if there is none.
    @inline(__always)
    private func entry(_ code: UnsafeRawBufferPointer, _ day: UInt32) -> UnsafeMutablePointer<Entry>? {
        let hash = unsafe hash.hash(code)
        var place = Int(truncatingIfNeeded: hash) & (placeCount &- 1)
        while true {
            let found = unsafe places[place]
            if found == 0 { return unsafe add(code, day, hash, place) }
            if found &>> 32 == hash &>> 32 {
                let entry = unsafe entries + (Int(found & 0xffff_ffff) &- 1)
                if unsafe entry.pointee.hash == hash, unsafe holds(entry, code, day) { return unsafe entry }
            }
            place = (place &+ 1) & (placeCount &- 1)
        }
    }

    /// The hash is the same, so this is true but for strings of which nobody knows how to find two.
    @inline(__always)
    private func holds(_ entry: UnsafeMutablePointer<Entry>, _ code: UnsafeRawBufferPointer, _ day: UInt32) -> Bool {
        guard unsafe entry.pointee.day == day, unsafe Int(entry.pointee.codeCount) == code.count else { return false }
        let own = unsafe UnsafeRawPointer(entry) + Self.codeOffset
        let other = code.baseAddress!
        guard code.count >= 8 else {
            for index in 0..<code.count {
                let (byte, wanted) = unsafe (
                    own.load(fromByteOffset: index, as: UInt8.self), other.load(fromByteOffset: index, as: UInt8.self)
                )
                if byte != wanted { return false }
            }
            return true
        }
        var offset = 0
        while offset &+ 8 < code.count {
            guard
                unsafe own.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                    == other.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            else { return false }
            offset &+= 8
        }
        let last = code.count &- 8
        return unsafe own.loadUnaligned(fromByteOffset: last, as: UInt64.self)
            == other.loadUnaligned(fromByteOffset: last, as: UInt64.self)
    }

    @inline(never)
    private func add(
        _ code: UnsafeRawBufferPointer, _ day: UInt32, _ hash: UInt64, _ place: Int
    ) -> UnsafeMutablePointer<Entry>? {
        guard count < capacity else { return nil }
        let entry = unsafe entries + count
        unsafe entry.initialize(
            to: Entry(
                hash: hash, day: day, codeCount: UInt32(code.count), counts: ClickCounts(),
                code: (0, 0, 0, 0, 0, 0, 0, 0)))
        unsafe (UnsafeMutableRawPointer(entry) + Self.codeOffset).copyMemory(
            from: code.baseAddress!, byteCount: code.count)
        count += 1
        unsafe places[place] = hash & ~0xffff_ffff | UInt64(count)
        return unsafe entry
    }

    // MARK: Reading

    /// An entry by its place in the order of coming. The code's bytes are good until the table changes.
    package func entry(at index: Int) -> (code: UnsafeRawBufferPointer, day: ClickDay, counts: ClickCounts) {
        precondition(index >= 0 && index < count)
        let entry = unsafe entries + index
        let code = unsafe UnsafeRawBufferPointer(
            start: UnsafeRawPointer(entry) + Self.codeOffset, count: Int(entry.pointee.codeCount))
        return unsafe (code, ClickDay(number: entry.pointee.day), entry.pointee.counts)
    }

    /// What is counted of a code, by day.
    package func counts(of code: [UInt8]) -> [(day: ClickDay, counts: ClickCounts)] {
        var found: [(day: ClickDay, counts: ClickCounts)] = []
        unsafe code.withUnsafeBytes { bytes in
            let hash = unsafe hash.hash(bytes)
            var place = Int(truncatingIfNeeded: hash) & (placeCount - 1)
            while unsafe places[place] != 0 {
                let entry = unsafe entry(at: Int(places[place] & 0xffff_ffff) - 1)
                if unsafe entry.code.elementsEqual(bytes) { unsafe found.append((entry.day, entry.counts)) }
                place = (place + 1) & (placeCount - 1)
            }
        }
        return found
    }
}
