/// A worker's connections. Slots are used again; a handle of an earlier connection in the slot finds nothing.
///
/// For each standing there is a list of the connections that have it, in the order in which they took it, linked through
/// the slots: who has stood longest is found, and anyone moved, at a cost that does not depend on how many there are.
struct ConnectionTable {
    private struct Slot {
        var connection: Connection?
        var generation: UInt32 = 0
        var previous = none
        var next = none
    }

    private struct List {
        var first = none
        var last = none
        var count = 0
    }

    private static let none = UInt32.max

    private var slots: [Slot] = []
    private var freeSlots: [UInt32] = []
    private var lists = [List](repeating: List(), count: Connection.Standing.allCases.count)

    /// All that are here now; they may be removed one by one while they are looked at.
    var all: [Connection] { slots.compactMap(\.connection) }

    subscript(handle: ConnectionHandle) -> Connection? {
        let slot = Int(handle.slot)
        guard slot < slots.count, slots[slot].generation == handle.generation else { return nil }
        return slots[slot].connection
    }

    /// The one that has stood so longest; nil if none does.
    func first(_ standing: Connection.Standing) -> Connection? { connection(lists[standing.rawValue].first) }

    /// The one that came to stand so last.
    func last(_ standing: Connection.Standing) -> Connection? { connection(lists[standing.rawValue].last) }

    func count(_ standing: Connection.Standing) -> Int { lists[standing.rawValue].count }

    private func connection(_ slot: UInt32) -> Connection? { slot == Self.none ? nil : slots[Int(slot)].connection! }

    /// A new connection, idle since `now`, in monotonic microseconds that never go back from one call to the next.
    mutating func add(_ descriptor: Int32, now: Int64) -> Connection {
        let slot: UInt32
        if let free = freeSlots.popLast() {
            slot = free
        } else {
            slot = UInt32(slots.count)
            slots.append(Slot())
        }
        let handle = ConnectionHandle(slot: slot, generation: slots[Int(slot)].generation)
        let connection = Connection(descriptor, handle, now: now)
        slots[Int(slot)].connection = connection
        link(slot, .idle)
        return connection
    }

    mutating func move(_ connection: Connection, to standing: Connection.Standing, at now: Int64) {
        let slot = connection.handle.slot
        connection.since = now
        if connection.standing == standing, lists[standing.rawValue].last == slot { return }
        unlink(slot, connection.standing)
        connection.standing = standing
        link(slot, standing)
    }

    mutating func remove(_ connection: Connection) {
        let slot = Int(connection.handle.slot)
        precondition(slots[slot].connection === connection)
        unlink(connection.handle.slot, connection.standing)
        slots[slot].connection = nil
        // Never the listener's or the wake-up's token.
        slots[slot].generation = (slots[slot].generation + 1) & 0x7fff_ffff
        freeSlots.append(UInt32(slot))
    }

    private mutating func link(_ slot: UInt32, _ standing: Connection.Standing) {
        let last = lists[standing.rawValue].last
        slots[Int(slot)].previous = last
        slots[Int(slot)].next = Self.none
        if last == Self.none {
            lists[standing.rawValue].first = slot
        } else {
            slots[Int(last)].next = slot
        }
        lists[standing.rawValue].last = slot
        lists[standing.rawValue].count += 1
    }

    private mutating func unlink(_ slot: UInt32, _ standing: Connection.Standing) {
        let (previous, next) = (slots[Int(slot)].previous, slots[Int(slot)].next)
        if previous == Self.none {
            precondition(lists[standing.rawValue].first == slot)
            lists[standing.rawValue].first = next
        } else {
            slots[Int(previous)].next = next
        }
        if next == Self.none {
            lists[standing.rawValue].last = previous
        } else {
            slots[Int(next)].previous = previous
        }
        lists[standing.rawValue].count -= 1
    }
}
