/// Who comes in, who is kept, and who goes.
extension CacheTable {
    /// A hit, or a new answer for a key that is here.
    @inline(__always)
    mutating func touch(_ cell: Int32) {
        let ring = unsafe cells.head(cell).pointee.ring
        guard ring == .probation else { return cells.moveToFront(cell, ring) }
        cells.unlink(cell)
        cells.pushFront(cell, .protected)
        protectedUsed &+= size(cell)
        while protectedUsed > protectedCapacity { demote() }
    }

    private mutating func demote() {
        let last = cells.back(.protected)
        cells.unlink(last)
        protectedUsed &-= size(last)
        cells.pushFront(last, .probation)
    }

    @inline(__always)
    private func size(_ cell: Int32) -> Int { unsafe Int(cells.head(cell).pointee.cellCount) }

    /// What is longer than the window goes straight to the main area.
    private func fitsWindow(_ cellCount: Int) -> Bool { cellCount <= windowCapacity }

    /// As many free cells as a new entry takes, in the area that `place` will put it in; false if it has to stay out.
    mutating func makeRoom(_ head: CacheCells.Head, _ now: Int64) -> Bool {
        let needed = Int(head.cellCount)
        guard fitsWindow(needed) else { return admit(head.hash, needed, now) }
        while windowUsed + needed > windowCapacity { leaveWindow(now) }
        return true
    }

    /// A new entry into its ring.
    mutating func place(_ cell: Int32) {
        let size = size(cell)
        if fitsWindow(size) {
            windowUsed += size
            cells.pushFront(cell, .window)
        } else {
            mainUsed += size
            cells.pushFront(cell, .probation)
        }
    }

    /// An entry out of its ring; its cells stay its own.
    mutating func leave(_ cell: Int32) {
        let size = size(cell)
        switch unsafe cells.head(cell).pointee.ring {
        case .window: windowUsed -= size
        case .probation: mainUsed -= size
        case .protected:
            mainUsed -= size
            protectedUsed -= size
        }
        cells.unlink(cell)
    }

    /// The window's last entry to the main area, or out.
    private mutating func leaveWindow(_ now: Int64) {
        let last = cells.back(.window)
        let size = size(last)
        guard isAlive(last, now), isCurrent(last), admit(unsafe cells.head(last).pointee.hash, size, now) else {
            return remove(last)
        }
        leave(last)
        mainUsed += size
        cells.pushFront(last, .probation)
    }

    // MARK: The contest

    /// Makes room for a candidate in the main area, if it was asked for more often than all those together that have to
    /// go for it.
    private mutating func admit(_ hash: UInt64, _ needed: Int, _ now: Int64) -> Bool {
        let missing = needed - (mainCapacity - mainUsed)
        guard missing > 0 else { return true }
        guard sketch.frequency(hash) > score(ofVictimsHolding: missing, now) else {
            counters.rejections &+= 1
            return false
        }
        while mainCapacity - mainUsed < needed {
            let probation = cells.back(.probation)
            remove(probation == CacheCells.none ? cells.back(.protected) : probation)
            counters.evictions &+= 1
        }
        return true
    }

    /// How often the entries that would have to go for so many cells were asked for, together. What cannot be given any
    /// more counts for nothing.
    private func score(ofVictimsHolding missing: Int, _ now: Int64) -> Int {
        var (score, gained) = (0, 0)
        var (cell, ring) = (cells.back(.probation), CacheCells.Ring.probation)
        while gained < missing {
            if cell == CacheCells.none {
                precondition(ring == .probation, "the main area holds more than the longest entry")
                (cell, ring) = (cells.back(.protected), .protected)
            }
            if isAlive(cell, now), isCurrent(cell) { score += sketch.frequency(unsafe cells.head(cell).pointee.hash) }
            gained += size(cell)
            cell = cells.before(cell)
        }
        return score
    }

    // MARK: Invariants

    func checkInvariants() {
        var used = 0
        var entries = 0
        for (ring, expected) in [
            (CacheCells.Ring.window, windowUsed), (.probation, mainUsed - protectedUsed), (.protected, protectedUsed),
        ] {
            var inRing = 0
            var cell = cells.back(ring)
            while cell != CacheCells.none {
                precondition(unsafe cells.head(cell).pointee.ring == ring)
                precondition(isInItsBucket(cell))
                inRing += size(cell)
                entries += 1
                cell = cells.before(cell)
            }
            precondition(inRing == expected, "cells of \(ring)")
            used += inRing
        }
        precondition(entries == entryCount)
        precondition(used + cells.freeCount == cells.count, "no cell is lost")
        precondition(windowUsed <= windowCapacity && mainUsed <= mainCapacity && protectedUsed <= protectedCapacity)
    }
}
