import Glibc

/// The memory of a cache's entries: cells of one size, all there from the start. An entry has a cell for its head, its key
/// and as much of its answer as fits, and further ones, chained, for the rest.
///
///     first cell    | Head, 40 | key, answer …, 152                                    |
///     further ones  | next, 4 | answer …, 188                                          |
///
/// Cells that are in use hang in one of three rings, by their entry's first cell, those that are free in a chain. The
/// links lie apart from the cells, so that moving an entry to the front does not touch its neighbours' cells.
///
/// Safety: the memory lives as long as the value; every index comes from a link or a head, which `CacheTable` keeps
/// within the cells.
@safe struct CacheCells: ~Copyable {
    /// What is known of an entry.
    struct Head {
        var hash: UInt64
        var tag: CacheTag
        /// Milliseconds since 1970; invalid from then on.
        var validUntil: Int64
        /// The next entry of the same bucket.
        var nextInBucket: Int32
        /// The entry's second cell.
        var nextCell: Int32
        var answerBytes: UInt16
        var keyBytes: UInt8
        var cellCount: UInt8
        var kind: CodeCache.Kind
        var ring: Ring

        /// Of an entry that has no cells yet.
        init(hash: UInt64, tag: CacheTag, validUntil: Int64, keyBytes: Int, answerBytes: Int, kind: CodeCache.Kind) {
            (self.hash, self.tag, self.validUntil) = (hash, tag, validUntil)
            (nextInBucket, nextCell) = (CacheCells.none, CacheCells.none)
            (self.keyBytes, self.answerBytes) = (UInt8(keyBytes), UInt16(answerBytes))
            cellCount = UInt8(CacheCells.cellCount(keyBytes: keyBytes, answerBytes: answerBytes))
            (self.kind, ring) = (kind, .window)
        }
    }

    enum Ring: UInt8 { case window, probation, protected }

    private struct Link {
        var previous: Int32
        var next: Int32
    }

    static let none: Int32 = -1
    static let cellBytes = 192
    static let firstRoom = cellBytes - MemoryLayout<Head>.stride
    static let furtherRoom = cellBytes - MemoryLayout<Int32>.stride
    private static let ringCount = 3

    let count: Int
    private(set) var freeCount: Int
    private var firstFree: Int32
    private let memory: UnsafeMutableRawPointer
    /// Of each cell, then one of each ring, before its front and behind its back.
    private let links: UnsafeMutablePointer<Link>

    init(count: Int) {
        (self.count, freeCount, firstFree) = (count, count, 0)
        unsafe memory = .allocate(byteCount: count * Self.cellBytes, alignment: 64)
        unsafe links = .allocate(capacity: count + Self.ringCount)
        for cell in 0..<Int32(count) {
            let next = Int(cell) + 1 == count ? Self.none : cell + 1
            unsafe (links + Int(cell)).initialize(to: Link(previous: Self.none, next: next))
        }
        for ring in Int32(count)..<Int32(count + Self.ringCount) {
            unsafe (links + Int(ring)).initialize(to: Link(previous: ring, next: ring))
        }
    }

    deinit {
        unsafe memory.deallocate()
        unsafe links.deallocate()
    }

    static func sizeBytes(count: Int) -> Int {
        count * cellBytes + (count + ringCount) * MemoryLayout<Link>.stride
    }

    /// How many cells an entry takes.
    private static func cellCount(keyBytes: Int, answerBytes: Int) -> Int {
        let rest = keyBytes + answerBytes - firstRoom
        return rest <= 0 ? 1 : 1 + (rest + furtherRoom - 1) / furtherRoom
    }

    // MARK: Entries

    @inline(__always)
    func head(_ cell: Int32) -> UnsafeMutablePointer<Head> {
        unsafe start(cell).assumingMemoryBound(to: Head.self)
    }

    /// The place of the link to the next entry of the bucket.
    func nextInBucket(_ cell: Int32) -> UnsafeMutablePointer<Int32> {
        let offset = MemoryLayout<Head>.offset(of: \.nextInBucket)!
        return unsafe (start(cell) + offset).assumingMemoryBound(to: Int32.self)
    }

    /// Another answer for the same key, of as many cells.
    func replace(_ cell: Int32, _ new: Head) {
        let head = unsafe head(cell)
        unsafe head.pointee.tag = new.tag
        unsafe head.pointee.validUntil = new.validUntil
        unsafe head.pointee.answerBytes = new.answerBytes
        unsafe head.pointee.kind = new.kind
    }

    @inline(__always)
    private func start(_ cell: Int32) -> UnsafeMutableRawPointer {
        unsafe memory + Int(cell) &* Self.cellBytes
    }

    @inline(__always)
    private func room(_ cell: Int32) -> UnsafeMutableRawPointer {
        unsafe start(cell) + MemoryLayout<Head>.stride
    }

    @inline(__always)
    private func furtherRoom(_ cell: Int32) -> UnsafeMutableRawPointer {
        unsafe start(cell) + MemoryLayout<Int32>.stride
    }

    /// The place of the link to the cell after a further one.
    @inline(__always)
    private func next(_ further: Int32) -> UnsafeMutablePointer<Int32> {
        unsafe start(further).assumingMemoryBound(to: Int32.self)
    }

    @inline(__always)
    func holds(_ key: RawSpan, _ cell: Int32) -> Bool {
        guard unsafe head(cell).pointee.keyBytes == key.byteCount else { return false }
        return unsafe key.withUnsafeBytes { unsafe memcmp($0.baseAddress!, room(cell), $0.count) == 0 }
    }

    /// The answer's bytes, together, to `target`, which has room for them.
    @inline(__always)
    func copyAnswer(_ cell: Int32, to target: UnsafeMutableRawPointer) {
        let head = unsafe head(cell)
        let (key, count) = unsafe (Int(head.pointee.keyBytes), Int(head.pointee.answerBytes))
        let first = min(count, Self.firstRoom - key)
        unsafe target.copyMemory(from: room(cell) + key, byteCount: first)
        if first < count { unsafe copyRest(head.pointee.nextCell, to: target + first, count - first) }
    }

    private func copyRest(_ cell: Int32, to target: UnsafeMutableRawPointer, _ count: Int) {
        var (cell, copied) = (cell, 0)
        while copied < count {
            let part = min(count - copied, Self.furtherRoom)
            unsafe (target + copied).copyMemory(from: furtherRoom(cell), byteCount: part)
            copied += part
            cell = unsafe next(cell).pointee
        }
    }

    /// Key and answer into the cells of an entry whose head says how many there are and how long both are.
    func fill(_ cell: Int32, key: RawSpan, answer: RawSpan) {
        unsafe key.withUnsafeBytes { unsafe room(cell).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        unsafe answer.withUnsafeBytes { answer in
            guard let source = answer.baseAddress else { return }
            var filled = min(answer.count, Self.firstRoom - key.byteCount)
            unsafe (room(cell) + key.byteCount).copyMemory(from: source, byteCount: filled)
            var further = unsafe head(cell).pointee.nextCell
            while filled < answer.count {
                let part = min(answer.count - filled, Self.furtherRoom)
                unsafe furtherRoom(further).copyMemory(from: source + filled, byteCount: part)
                filled += part
                further = unsafe next(further).pointee
            }
        }
    }

    // MARK: Free cells

    /// The first of `head.cellCount` cells, chained, in no ring yet; there must be as many free ones.
    mutating func take(_ head: Head) -> Int32 {
        let first = takeOne()
        unsafe self.head(first).initialize(to: head)
        var chain = Self.none
        for _ in 1..<head.cellCount {
            let further = takeOne()
            unsafe next(further).initialize(to: chain)
            chain = further
        }
        unsafe self.head(first).pointee.nextCell = chain
        return first
    }

    private mutating func takeOne() -> Int32 {
        precondition(freeCount > 0, "whoever takes cells has made room")
        let cell = firstFree
        firstFree = unsafe links[Int(cell)].next
        freeCount -= 1
        return cell
    }

    /// All cells of an entry that is in no ring any more.
    mutating func release(_ cell: Int32) {
        var further = unsafe head(cell).pointee.nextCell
        releaseOne(cell)
        while further != Self.none {
            let following = unsafe next(further).pointee
            releaseOne(further)
            further = following
        }
    }

    private mutating func releaseOne(_ cell: Int32) {
        unsafe links[Int(cell)].next = firstFree
        firstFree = cell
        freeCount += 1
    }

    // MARK: Rings

    @inline(__always)
    private func anchor(_ ring: Ring) -> Int32 { Int32(truncatingIfNeeded: count) &+ Int32(ring.rawValue) }

    /// The entry at the ring's back; none if it is empty.
    @inline(__always)
    func back(_ ring: Ring) -> Int32 { before(anchor(ring)) }

    /// The entry before this one, nearer to the ring's front; none if it is the first.
    @inline(__always)
    func before(_ cell: Int32) -> Int32 {
        let previous = unsafe links[Int(cell)].previous
        return previous >= Int32(truncatingIfNeeded: count) ? Self.none : previous
    }

    @inline(__always)
    func pushFront(_ cell: Int32, _ ring: Ring) {
        let anchor = anchor(ring)
        let front = unsafe links[Int(anchor)].next
        unsafe links[Int(cell)] = Link(previous: anchor, next: front)
        unsafe links[Int(front)].previous = cell
        unsafe links[Int(anchor)].next = cell
        unsafe head(cell).pointee.ring = ring
    }

    @inline(__always)
    func unlink(_ cell: Int32) {
        let link = unsafe links[Int(cell)]
        unsafe links[Int(link.previous)].next = link.next
        unsafe links[Int(link.next)].previous = link.previous
    }

    @inline(__always)
    func moveToFront(_ cell: Int32, _ ring: Ring) {
        if unsafe links[Int(anchor(ring))].next == cell { return }
        unlink(cell)
        pushFront(cell, ring)
    }
}
