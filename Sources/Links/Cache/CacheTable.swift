/// What `CodeCache` owns: the entries by key, and the order of their use.
///
/// Safety: the bucket heads live as long as the value, and indices are masked to their count.
@safe struct CacheTable: ~Copyable {
    var cells: CacheCells
    var sketch: FrequencySketch
    var counters = CodeCache.Counters()
    private(set) var entryCount = 0
    /// Cells in each area.
    var windowUsed = 0
    var mainUsed = 0
    var protectedUsed = 0
    let windowCapacity: Int
    let mainCapacity: Int
    let protectedCapacity: Int
    let stamps: CacheStamps
    private let buckets: UnsafeMutablePointer<Int32>
    private let bucketMask: UInt64

    init(entries: Int, stamps: CacheStamps) {
        precondition(CacheLimits.entries.contains(entries))
        cells = CacheCells(count: entries)
        sketch = FrequencySketch(entries: entries)
        windowCapacity = max(1, entries / CacheLimits.windowShare)
        mainCapacity = entries - windowCapacity
        protectedCapacity = mainCapacity * CacheLimits.protectedPercent / 100
        self.stamps = stamps
        let bucketCount = Self.bucketCount(entries)
        bucketMask = UInt64(bucketCount - 1)
        unsafe buckets = .allocate(capacity: bucketCount)
        unsafe buckets.initialize(repeating: CacheCells.none, count: bucketCount)
    }

    deinit { unsafe buckets.deallocate() }

    /// A power of two, at most half of them used, so that a bucket seldom has two entries.
    private static func bucketCount(_ entries: Int) -> Int {
        var count = 2
        while count < 2 * entries { count *= 2 }
        return count
    }

    static func sizeBytes(entries: Int) -> Int {
        CacheCells.sizeBytes(count: entries) + FrequencySketch.sizeBytes(entries: entries)
            + bucketCount(entries) * MemoryLayout<Int32>.stride
    }

    // MARK: Lookup

    mutating func lookup(_ key: RawSpan, _ now: Int64) -> CodeCache.Hit? {
        let hash = stamps.hash(key)
        sketch.add(hash)
        let cell = find(hash, key)
        guard cell != CacheCells.none, isUsable(cell, now) else {
            counters.misses &+= 1
            return nil
        }
        counters.hits &+= 1
        touch(cell)
        let head = unsafe cells.head(cell).pointee
        return CodeCache.Hit(kind: head.kind, byteCount: Int(head.answerBytes), cell: cell)
    }

    @inline(__always)
    private func find(_ hash: UInt64, _ key: RawSpan) -> Int32 {
        var cell = unsafe buckets[bucket(hash)]
        while cell != CacheCells.none {
            let head = unsafe cells.head(cell)
            if unsafe head.pointee.hash == hash, cells.holds(key, cell) { return cell }
            cell = unsafe head.pointee.nextInBucket
        }
        return cell
    }

    @inline(__always)
    private func bucket(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash & bucketMask) }

    /// Counts why not.
    @inline(__always)
    private mutating func isUsable(_ cell: Int32, _ now: Int64) -> Bool {
        if !isAlive(cell, now) {
            counters.expired &+= 1
            return false
        }
        if !isCurrent(cell) {
            counters.overtaken &+= 1
            return false
        }
        return true
    }

    @inline(__always)
    func isAlive(_ cell: Int32, _ now: Int64) -> Bool {
        let head = unsafe cells.head(cell)
        let (validUntil, kind) = unsafe (head.pointee.validUntil, head.pointee.kind)
        let left = validUntil &- now
        return left > 0 && left <= kind.longestLifeMilliseconds
    }

    @inline(__always)
    func isCurrent(_ cell: Int32) -> Bool {
        let head = unsafe cells.head(cell)
        return unsafe stamps.isCurrent(head.pointee.tag, hash: head.pointee.hash)
    }

    // MARK: Insertion

    mutating func insert(
        _ key: RawSpan, _ kind: CodeCache.Kind, _ answer: RawSpan, _ tag: CacheTag, now: Int64, renderAgainAt: Int64
    ) {
        let hash = stamps.hash(key)
        var head = CacheCells.Head(
            hash: hash, tag: tag, validUntil: min(renderAgainAt, now &+ Self.life(kind, hash, now)),
            keyBytes: key.byteCount, answerBytes: answer.byteCount, kind: kind)
        guard head.validUntil > now, stamps.isCurrent(tag, hash: hash) else { return }
        let old = find(hash, key)
        if old != CacheCells.none, unsafe cells.head(old).pointee.cellCount == head.cellCount {
            cells.replace(old, head)
            cells.fill(old, key: key, answer: answer)
            touch(old)
        } else {
            if old != CacheCells.none { remove(old) }
            guard makeRoom(head, now) else { return }
            head.nextInBucket = unsafe buckets[bucket(hash)]
            let cell = cells.take(head)
            cells.fill(cell, key: key, answer: answer)
            unsafe buckets[bucket(hash)] = cell
            entryCount &+= 1
            place(cell)
        }
        counters.insertions &+= 1
    }

    /// The longest life of its kind, less a part that differs from entry to entry, and from time to time.
    private static func life(_ kind: CodeCache.Kind, _ hash: UInt64, _ now: Int64) -> Int64 {
        let longest = kind.longestLifeMilliseconds
        let mixed = (hash ^ UInt64(bitPattern: now)) &* 0x9e37_79b9_7f4a_7c15
        let range = UInt64(longest * CacheLimits.jitterPercent / 100)
        return longest - Int64(((mixed &>> 32) * range) &>> 32)
    }

    func isInItsBucket(_ cell: Int32) -> Bool {
        var other = unsafe buckets[bucket(cells.head(cell).pointee.hash)]
        while other != CacheCells.none, other != cell { other = unsafe cells.head(other).pointee.nextInBucket }
        return other == cell
    }

    /// Out of its bucket, its ring and its cells.
    mutating func remove(_ cell: Int32) {
        let head = unsafe cells.head(cell).pointee
        var place = unsafe buckets + bucket(head.hash)
        while unsafe place.pointee != cell {
            unsafe place = cells.nextInBucket(place.pointee)
        }
        unsafe place.pointee = head.nextInBucket
        leave(cell)
        cells.release(cell)
        entryCount &-= 1
    }
}
